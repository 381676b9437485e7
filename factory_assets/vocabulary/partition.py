"""Partition keys: ``MGC`` (contract) and ``MGC|20`` (contract and horizon in base bars)."""

from dataclasses import dataclass

from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import HORIZONS_BARS


@dataclass(frozen=True, order=True)
class PartitionKey:
    """One contract, or one contract at one horizon.

    Both parts pass an allow-list (instrument table, known horizons) before they ever become part of a path.

    Parameters
    ----------
    contract : str
        Symbol in the instrument table, e.g. ``"MGC"``.
    horizon : int or None
        Horizon in base bars; None for tables partitioned by contract only.
    """

    contract: str
    horizon: int | None = None

    def __post_init__(self) -> None:
        """Refuse symbols and horizons that no table knows."""
        instrument(self.contract)
        if self.horizon is not None and self.horizon not in HORIZONS_BARS:
            raise UnknownNameError(f"horizon {self.horizon!r} of {self.contract}: known horizons are {HORIZONS_BARS}")

    def __str__(self) -> str:
        """Key as Dagster and the store spell it."""
        return self.contract if self.horizon is None else f"{self.contract}|{self.horizon}"

    @classmethod
    def parse(cls, text: str) -> "PartitionKey":
        """Read ``"MGC"`` or ``"MGC|20"``.

        Raises
        ------
        UnknownNameError
            If the text has another form, or names an unknown contract or horizon.
        """
        contract, separator, horizon = text.partition("|")
        if not separator:
            return cls(contract)
        if not (horizon.isascii() and horizon.isdigit()):
            raise UnknownNameError(f"partition {text!r}: expected CONTRACT or CONTRACT|HORIZON, e.g. MGC|20")
        return cls(contract, int(horizon))

    @property
    def of_contract(self) -> "PartitionKey":
        """The contract partition this key belongs to."""
        return PartitionKey(self.contract)
