"""The record of one choice of columns: what became of every candidate, as JSON and back."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from factory_assets.vocabulary.errors import BadInputError

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "medoid": "chosen: the highest mean rank correlation to the others of its cluster",
        "alone": "chosen: no other column of its cluster",
        "kept": "chosen: the set takes the column wherever it varies",
        "whole": "chosen: the set takes every column",
        "represented": "left out: another column of its cluster was chosen",
        "surplus": "left out: the set is full, and its cluster explains less of the candidates than those in it",
        "masked": "left out: too many missing cells",
        "constant": "left out: nearly always one value",
    }
)
"""What became of a column, by the word that is stored."""
CHOSEN = ("medoid", "alone", "kept", "whole")


@dataclass(frozen=True, kw_only=True)
class ColumnFate:
    """What became of one candidate in one fit.

    Attributes
    ----------
    column : str
        Its name.
    reason : str
        Key of :data:`REASONS`.
    cluster : int
        Number of its cluster in this fit, from 0; -1 for a column that is in none.
    representative : str
        Column that was chosen for its cluster, itself perhaps; empty where none was.
    correlation : float
        Absolute rank correlation with the representative; 0 where there is none.
    masked_share : float
        Share of its cells that were missing.
    """

    column: str
    reason: str
    cluster: int
    representative: str
    correlation: float
    masked_share: float


@dataclass(frozen=True, kw_only=True)
class FeatureChoice:
    """The record of one choice.

    Attributes
    ----------
    set_name : str
        Set it was made for.
    rows : int
        Rows that were looked at.
    columns : tuple of str
        The chosen columns in the order of the rows they were chosen from.
    fates : tuple of ColumnFate
        One a candidate, in the order of preference.
    """

    set_name: str
    rows: int
    columns: tuple[str, ...]
    fates: tuple[ColumnFate, ...]

    def to_plain(self) -> dict[str, Any]:
        """JSON values, from which :meth:`from_plain` makes an equal one; floats keep every bit."""
        fates = [dataclasses.asdict(fate) for fate in self.fates]
        return {**dataclasses.asdict(self), "columns": list(self.columns), "fates": fates}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "FeatureChoice":
        """Record from :meth:`to_plain`.

        Raises
        ------
        BadInputError
            Other keys than a record has.
        """
        try:
            fates = tuple(ColumnFate(**fate) for fate in plain["fates"])
            return cls(**{**plain, "columns": tuple(plain["columns"]), "fates": fates})
        except (KeyError, TypeError) as problem:
            raise BadInputError(f"choice of columns: cannot be read: {problem}") from problem
