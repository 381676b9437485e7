"""What every reader returns, and the check that its expiries belong to the contract being read."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.expiry import parse_expiry
from factory_assets.market.readers.declaration import Declaration
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.instruments import Instrument

_LEGS = re.compile(r"[-+: ]+")
# Combinations the exchange names by strategy and months, as "MGC:BF G3-J3-M3".
_STRATEGY = re.compile(r"(?P<root>[A-Z0-9]{1,6}):[A-Z0-9]{2} (?P<legs>[A-Z0-9]+(?:[-+][A-Z0-9]+)+)")
_HASH_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class FileRead:
    """Rows of one raw file.

    Attributes
    ----------
    minutes : DataFrame
        Outright expiries, per ``schemas.RAW_MINUTES`` without ``contract`` and ``source_row``, in file order.
    rows_read : int
        Rows in the file.
    spread_rows : int
        Rows of calendar spreads and other combinations, which were left out.
    superseded_rows : int
        Rows of a continuous series that were left out because they were traded in the month before, in the first hours
        of the session in which the vendor took the next one: ``rows_read - spread_rows - len(minutes)``.
    ignored_columns : int
        Columns of the file that nothing was read from, as plots of indicators in an export of a chart.
    """

    minutes: pd.DataFrame
    rows_read: int
    spread_rows: int
    superseded_rows: int = 0
    ignored_columns: int = 0


@dataclass(frozen=True, eq=False)
class RawRead:
    """Rows of a raw folder.

    Attributes
    ----------
    minutes : DataFrame
        One row a traded minute and outright expiry, per ``schemas.RAW_MINUTES`` without ``contract``, sorted as the
        schema says; a row is known one minute after its ``open_time``. Nothing has been validated yet but the shape.
    counts : mapping of str to int or str
        ``files_read``, ``files_ignored``, ``rows_read``, ``spread_rows``, ``superseded_rows``, ``raw_rows`` (what is
        left of the rows), ``ignored_columns`` (the most of any file), ``volume_meaning`` and ``series`` (``months`` or
        ``continuous``).
    declaration : Declaration
        Conventions the files were read by.
    sources : DataFrame
        One row a file: ``source_file``, ``sha256``, ``bytes``, ``rows_read``, ``spread_rows``, ``superseded_rows``.
    """

    minutes: pd.DataFrame
    counts: Mapping[str, int | str]
    declaration: Declaration
    sources: pd.DataFrame

    @property
    def source_digest(self) -> str:
        """Sha256 over the sorted sha256 of the files: the same for the same files in any order, under any names."""
        return hashlib.sha256("".join(sorted(self.sources["sha256"].astype(str))).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Sha256 of a file's bytes, hexadecimal; with the declaration's digest it is the key of a parse.

    Raises
    ------
    BadInputError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_HASH_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as problem:
        raise BadInputError(f"{path}: cannot be read: {problem}. Check the path and its permissions.") from problem
    return digest.hexdigest()


def spread_names(names: Sequence[str], instrument: Instrument, where: str) -> np.ndarray:
    """Which of the names are spreads and other combinations, bool shape (K,); outright expiries are False.

    Raises
    ------
    ForeignContractError
        If a name belongs to another product.
    BadInputError
        If a name is neither an expiry nor a combination.
    """
    foreign: list[str] = []
    unknown: list[str] = []
    spreads = np.zeros(len(names), dtype=bool)
    for position, name in enumerate(names):
        legs = _legs(name)
        roots = {parts.root for leg in legs if (parts := parse_expiry(leg)) is not None}
        spreads[position] = len(legs) > 1
        if not legs or any(parse_expiry(leg) is None for leg in legs):
            unknown.append(name)
        elif instrument.symbol not in roots:
            foreign.append(name)
    if foreign:
        raise ForeignContractError(
            f"{where}: holds {foreign[:5]} ({len(foreign)} names), which are not {instrument.symbol}. Nothing was "
            "read; keep one product a folder and ingest this file under its own contract."
        )
    if unknown:
        raise BadInputError(
            f"{where}: {unknown[:5]} ({len(unknown)} names) are no expiry names; expected {instrument.symbol} with "
            f"month code and year, as {instrument.symbol}{instrument.delivery_months[0]}6, or such names joined by '-' "
            "for a spread. Correct the names in the file; if all its rows are of one delivery month, take expiry out "
            "of [columns] in source.toml and declare it there once."
        )
    return spreads


def _legs(name: str) -> list[str]:
    """Months a name joins; one for an outright expiry. That each of them is an expiry is for the caller to check."""
    strategy = _STRATEGY.fullmatch(name)
    if strategy is None:
        return [leg for leg in _LEGS.split(name) if leg]
    root = strategy["root"]
    return [leg if parse_expiry(leg) else root + leg for leg in _LEGS.split(strategy["legs"])]


def raw_minutes(
    source_file: str,
    expiry: pd.Categorical,
    open_us: np.ndarray,
    prices: Mapping[str, np.ndarray],
    volume: np.ndarray,
) -> pd.DataFrame:
    """Frame as :attr:`FileRead.minutes` from the columns of one file, all of length N."""
    return pd.DataFrame(
        {
            "source_file": pd.Categorical.from_codes(np.zeros(len(open_us), dtype=np.int8), [source_file]),
            "expiry": expiry,
            "open_time": from_us(open_us),
            **{name: np.ascontiguousarray(prices[name], dtype=np.float64) for name in ("open", "high", "low", "close")},
            "volume": np.ascontiguousarray(volume, dtype=np.float64),
        }
    )
