"""Databento DBN files (``.dbn``, ``.dbn.zst``; versions 1 to 3) of one-minute bars.

A file is its metadata, decoded by Databento's own library, followed by fixed-size records, which are viewed as one
array: a year of one product takes a fraction of a second. Databento stamps a bar with its open, in UTC.

Under parent symbology (``MGC.FUT``) and raw symbols (``MGCG3``) the metadata names the month of each instrument id, by
date. Under continuous symbology (``MGC.c.0``) it names none: the months are declared, and checked against the ids
(:mod:`factory_assets.market.readers.stretches`).

References
----------
Databento, "DBN encoding": metadata header, record header and OHLCV record layout; prices are integers of 1e-9 points.
Databento, "Standards and conventions: Symbology": which symbology types map to instrument ids.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.market.readers.databento_facts import (
    PRICE_SCALE,
    RTYPE_OHLCV_1M,
    UNDEFINED_PRICE,
    refuse_other_series,
)
from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration
from factory_assets.market.readers.limits import read_unpacked
from factory_assets.market.readers.raw import FileRead, raw_minutes, spread_names
from factory_assets.market.readers.stretches import IdMonths, months_of_ids
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import DAY_US

_PREFIX_BYTES = 8
_VERSIONS = (1, 2, 3)
_HEADER_BYTES_MAX = 16 << 20
# A symbol that changes every day of a year and more.
_INTERVALS_MAX = 400
_SCHEMA = "ohlcv-1m"
_SYMBOLOGY = ("parent", "raw_symbol", "continuous")
_SELF_DESCRIBED = Declaration(format="databento_dbn")
_RECORD = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("open", "<i8"),
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<u8"),
    ]
)


def read_dbn(path: Path, instrument: Instrument, declaration: Declaration = _SELF_DESCRIBED) -> FileRead:
    """Minutes of the outright expiries in one DBN file.

    Parameters
    ----------
    path : Path
        ``.dbn`` or ``.dbn.zst`` file of schema ohlcv-1m.
    instrument : Instrument
        Product the file has to hold.
    declaration : Declaration
        ``expiry_from`` for a file of continuous symbology; without meaning, and refused, for any other.

    Returns
    -------
    FileRead
        Undefined prices are NaN (validation quarantines them); spreads are left out and counted.

    Raises
    ------
    ForeignContractError
        The file holds another product.
    BadInputError
        Not a DBN file, truncated, too large, another schema or symbology, records without a symbol, or months that
        disagree with the instrument ids.
    """
    content = read_unpacked(path, "databento_dbn")
    metadata, start = _metadata(content, path)
    rows = _records(content, start, has_ts_out=bool(metadata.ts_out), path=path)
    found = _names_of_rows(rows, metadata, instrument, declaration, path)
    names, codes = found.names, found.codes
    spreads = spread_names(names, instrument, str(path))
    spread_rows = spreads[codes] if len(names) else np.zeros(0, dtype=bool)
    outright = ~(spread_rows | found.superseded)
    kept = rows[outright]
    prices = {}
    for column in ("open", "high", "low", "close"):
        whole = kept[column]
        prices[column] = np.where(whole == UNDEFINED_PRICE, np.nan, whole / PRICE_SCALE)
    listed = [name for name, spread in zip(names, spreads, strict=True) if not spread]
    recode = np.cumsum(~spreads) - 1
    minutes = raw_minutes(
        path.name,
        pd.Categorical.from_codes(recode[codes[outright]], listed).remove_unused_categories(),
        kept["ts_event"].astype(np.int64) // 1_000,
        prices,
        kept["volume"],
    )
    superseded = int(found.superseded.sum())
    spread_count = len(rows) - len(kept) - superseded
    return FileRead(minutes=minutes, rows_read=len(rows), spread_rows=spread_count, superseded_rows=superseded)


def _records(content: bytes | bytearray, start: int, *, has_ts_out: bool, path: Path) -> np.ndarray:
    """Records behind the header as one array, not copied; every one of them is a one-minute bar."""
    record = np.dtype([*_RECORD.descr, ("ts_out", "<u8")]) if has_ts_out else _RECORD
    body = memoryview(content)[start:]
    if len(body) % record.itemsize:
        raise BadInputError(
            f"{path}: truncated: {len(body)} bytes after the header are no multiple of a {record.itemsize}-byte record "
            f"(last whole record: {len(body) // record.itemsize}). Download the file again."
        )
    rows = np.frombuffer(body, dtype=record)
    wrong = np.flatnonzero((rows["length"] != record.itemsize // 4) | (rows["rtype"] != RTYPE_OHLCV_1M))
    if len(wrong):
        raise BadInputError(
            f"{path}: record {wrong[0] + 1} is no one-minute bar (record type {rows['rtype'][wrong[0]]}, expected "
            f"{RTYPE_OHLCV_1M}). Download the file again with schema {_SCHEMA}."
        )
    return rows


def dbn_metadata(path: Path) -> dict[str, str]:
    """What a DBN file says about itself: version, dataset, schema, symbology, symbols. For detection's evidence.

    Raises
    ------
    BadInputError
        Not a DBN file, or truncated.
    """
    metadata, _ = _metadata(read_unpacked(path, "databento_dbn"), path)
    return {
        "dataset": str(metadata.dataset),
        "schema": str(metadata.schema),
        "symbology": f"{metadata.stype_in} to {metadata.stype_out}",
        "symbols": ", ".join(metadata.symbols[:5]),
    }


def _metadata(content: bytes | bytearray, path: Path) -> tuple[Any, int]:
    """Decoded metadata and the offset of the first record; refuses what this reader does not know."""
    import databento_dbn

    if content[:3] != b"DBN" or len(content) < _PREFIX_BYTES:
        raise BadInputError(f"{path}: no DBN file (starts with {content[:4]!r}, expected b'DBN'). Check the file.")
    if content[3] not in _VERSIONS:
        raise BadInputError(f"{path}: DBN version {content[3]}, expected one of {_VERSIONS}. Download it as version 3.")
    start = _PREFIX_BYTES + int.from_bytes(content[4:8], "little")
    if start > _HEADER_BYTES_MAX:
        raise BadInputError(
            f"{path}: truncated or damaged DBN header: it states {start:,} bytes, at most {_HEADER_BYTES_MAX:,} are "
            "read. Download the file again."
        )
    try:
        metadata = databento_dbn.Metadata.decode(bytes(content[:start]))
    except databento_dbn.DBNError as problem:
        raise BadInputError(f"{path}: truncated or damaged DBN header: {problem}. Download it again.") from problem
    if start > len(content):
        raise BadInputError(f"{path}: truncated inside the DBN header. Download the file again.")
    if str(metadata.schema) != _SCHEMA:
        raise BadInputError(f"{path}: DBN schema {metadata.schema}, expected {_SCHEMA}. Request schema {_SCHEMA}.")
    if str(metadata.stype_out) != "instrument_id" or str(metadata.stype_in) not in _SYMBOLOGY:
        raise BadInputError(
            f"{path}: DBN symbology {metadata.stype_in} to {metadata.stype_out}: it does not name the delivery month "
            "of each row. Request stype_in=parent (e.g. MGC.FUT), stype_out=instrument_id."
        )
    return metadata, start


def _names_of_rows(
    rows: np.ndarray, metadata: Any, instrument: Instrument, declaration: Declaration, path: Path
) -> IdMonths:
    """Months and combinations in use, and each row's index into them."""
    names, codes = _symbols(rows, metadata, path)
    if str(metadata.stype_in) != "continuous":
        if declaration.expiry_from:
            raise BadInputError(
                f"{path}: symbology {metadata.stype_in} names the month of each row itself. Remove [expiry_from] from "
                f"{DECLARATION_FILE}; it is for continuous symbology (MGC.c.0)."
            )
        return IdMonths(names, codes, np.zeros(len(rows), dtype=bool))
    refuse_other_series(names, instrument, str(path))
    return months_of_ids(
        rows["instrument_id"], rows["ts_event"].astype(np.int64) // 1_000, instrument, declaration, str(path)
    )


def _symbols(rows: np.ndarray, metadata: Any, path: Path) -> tuple[list[str], np.ndarray]:
    """Names in use and each row's index into them, by instrument id and date of the mapping."""
    id_codes, ids = pd.factorize(np.ascontiguousarray(rows["instrument_id"]))
    days = (rows["ts_event"].astype(np.int64) // (DAY_US * 1_000)).astype(np.int64)
    mappings = _mappings(metadata, path)
    names = sorted(mappings)
    codes = np.full(len(rows), -1, dtype=np.int64)
    for first, last, code in _layers(names, mappings, ids, path):
        hit = (days >= first[id_codes]) & (days < last[id_codes])
        codes[hit] = code[id_codes[hit]]
    lost = np.flatnonzero(codes < 0)
    if len(lost):
        moment = rows["ts_event"][lost[:1]].view("M8[ns]")[0]
        raise BadInputError(
            f"{path}: {len(lost)} records without a symbol (first: instrument id {rows['instrument_id'][lost[0]]} at "
            f"{moment} UTC). Download the file again with its symbology."
        )
    in_use = np.bincount(codes, minlength=len(names)) > 0
    return [name for name, used in zip(names, in_use, strict=True) if used], (np.cumsum(in_use) - 1)[codes]


def _mappings(metadata: Any, path: Path) -> Mapping[str, Any]:
    """Intervals of each name. The library makes them anew at each look, and only then meets a day that is none."""
    try:
        found: Mapping[str, Any] = metadata.mappings
    except ValueError as problem:
        raise BadInputError(f"{path}: truncated or damaged DBN header: {problem}. Download it again.") from problem
    return found


def _layers(
    names: list[str], mappings: Mapping[str, Any], ids: np.ndarray, path: Path
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Intervals of the mapping as tables by id, each of shape (len(ids),): first day, day behind the last, name.

    The second interval of an id stands in the second layer, and so on: nearly every id has one.
    """
    position = {int(number): place for place, number in enumerate(ids)}
    seen = np.zeros(len(ids), dtype=np.int64)
    layers: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for code, name in enumerate(names):
        for interval in mappings[name]:
            number = interval["symbol"]
            if number and not (number.isascii() and number.isdigit()):
                raise BadInputError(f"{path}: damaged DBN header: {name} maps to {number!r}. Download the file again.")
            place = position.get(int(number)) if number else None
            if place is None:
                continue
            if seen[place] == _INTERVALS_MAX:
                raise BadInputError(
                    f"{path}: instrument id {number} has more than {_INTERVALS_MAX} symbols in turn. Download the file "
                    "again, in smaller pieces."
                )
            if seen[place] == len(layers):
                layers.append(tuple(np.zeros(len(ids), dtype=np.int64) for _ in range(3)))  # type: ignore[arg-type]
            first, last, names_of = layers[seen[place]]
            first[place], last[place] = (
                np.datetime64(interval[key], "D").astype(np.int64) for key in ("start_date", "end_date")
            )
            names_of[place] = code
            seen[place] += 1
    return layers
