"""Databento DBN files (``.dbn``, ``.dbn.zst``; versions 1 to 3) of one-minute bars under parent or raw symbology.

A file is its metadata, decoded by Databento's own library, followed by fixed-size records, which are viewed as one
array: a year of one product takes a fraction of a second. Databento stamps a bar with its open, in UTC.

References
----------
Databento, "DBN encoding": metadata header, record header and OHLCV record layout; prices are integers of 1e-9 points.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from factory_assets.market.readers.raw import FileRead, raw_minutes, spread_names
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import DAY_US

_PREFIX_BYTES = 8
_VERSIONS = (1, 2, 3)
_SCHEMA = "ohlcv-1m"
_RTYPE_OHLCV_1M = 33
_PRICE_SCALE = 1e9
_UNDEFINED_PRICE = np.iinfo(np.int64).max
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
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


def read_dbn(path: Path, instrument: Instrument) -> FileRead:
    """Minutes of the outright expiries in one DBN file.

    Parameters
    ----------
    path : Path
        ``.dbn`` or ``.dbn.zst`` file of schema ohlcv-1m.
    instrument : Instrument
        Product the file has to hold.

    Returns
    -------
    FileRead
        Undefined prices are NaN (validation quarantines them); spreads are left out and counted.

    Raises
    ------
    ForeignContractError
        The file holds another product.
    BadInputError
        Not a DBN file, truncated, another schema or symbology, or records without a symbol.
    """
    content = _decompressed(path)
    metadata, start = _metadata(content, path)
    record = np.dtype([*_RECORD.descr, ("ts_out", "<u8")]) if metadata.ts_out else _RECORD
    body = memoryview(content)[start:]
    if len(body) % record.itemsize:
        raise BadInputError(
            f"{path}: truncated: {len(body)} bytes after the header are no multiple of a {record.itemsize}-byte record "
            f"(last whole record: {len(body) // record.itemsize}). Download the file again."
        )
    rows = np.frombuffer(body, dtype=record)
    wrong = np.flatnonzero((rows["length"] != record.itemsize // 4) | (rows["rtype"] != _RTYPE_OHLCV_1M))
    if len(wrong):
        raise BadInputError(
            f"{path}: record {wrong[0] + 1} is no one-minute bar (record type {rows['rtype'][wrong[0]]}, expected "
            f"{_RTYPE_OHLCV_1M}). Download the file again with schema {_SCHEMA}."
        )
    names, codes = _symbols(rows, metadata, path)
    spreads = spread_names(names, instrument, str(path))
    outright = ~spreads[codes] if len(names) else np.zeros(0, dtype=bool)
    kept = rows[outright]
    prices = {}
    for column in ("open", "high", "low", "close"):
        whole = kept[column]
        prices[column] = np.where(whole == _UNDEFINED_PRICE, np.nan, whole / _PRICE_SCALE)
    listed = [name for name, spread in zip(names, spreads, strict=True) if not spread]
    recode = np.cumsum(~spreads) - 1
    minutes = raw_minutes(
        path.name,
        pd.Categorical.from_codes(recode[codes[outright]], listed),
        kept["ts_event"].astype(np.int64) // 1_000,
        prices,
        kept["volume"],
    )
    return FileRead(minutes=minutes, rows_read=len(rows), spread_rows=int(len(rows) - len(kept)))


def dbn_metadata(path: Path) -> dict[str, str]:
    """What a DBN file says about itself: version, dataset, schema, symbology, symbols. For detection's evidence.

    Raises
    ------
    BadInputError
        Not a DBN file, or truncated.
    """
    metadata, _ = _metadata(_decompressed(path), path)
    return {
        "dataset": str(metadata.dataset),
        "schema": str(metadata.schema),
        "symbology": f"{metadata.stype_in} to {metadata.stype_out}",
        "symbols": ", ".join(metadata.symbols[:5]),
    }


def _decompressed(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if content[:4] == _ZSTD_MAGIC:
            with pa.CompressedInputStream(io.BytesIO(content), "zstd") as stream:
                content = stream.read()
    except OSError as problem:
        raise BadInputError(f"{path}: cannot be read: {problem}. Download the file again.") from problem
    return content


def _metadata(content: bytes, path: Path) -> tuple[Any, int]:
    """Decoded metadata and the offset of the first record; refuses what this reader does not know."""
    import databento_dbn

    if content[:3] != b"DBN" or len(content) < _PREFIX_BYTES:
        raise BadInputError(f"{path}: no DBN file (starts with {content[:4]!r}, expected b'DBN'). Check the file.")
    if content[3] not in _VERSIONS:
        raise BadInputError(f"{path}: DBN version {content[3]}, expected one of {_VERSIONS}. Download it as version 3.")
    start = _PREFIX_BYTES + int.from_bytes(content[4:8], "little")
    try:
        metadata = databento_dbn.Metadata.decode(content[:start])
    except databento_dbn.DBNError as problem:
        raise BadInputError(f"{path}: truncated or damaged DBN header: {problem}. Download it again.") from problem
    if start > len(content):
        raise BadInputError(f"{path}: truncated inside the DBN header. Download the file again.")
    if str(metadata.schema) != _SCHEMA:
        raise BadInputError(f"{path}: DBN schema {metadata.schema}, expected {_SCHEMA}. Request schema {_SCHEMA}.")
    if str(metadata.stype_out) != "instrument_id" or str(metadata.stype_in) not in {"parent", "raw_symbol"}:
        raise BadInputError(
            f"{path}: DBN symbology {metadata.stype_in} to {metadata.stype_out}: it does not name the delivery month "
            "of each row. Request stype_in=parent (e.g. MGC.FUT), stype_out=instrument_id."
        )
    return metadata, start


def _symbols(rows: np.ndarray, metadata: Any, path: Path) -> tuple[list[str], np.ndarray]:
    """Names in use and each row's index into them, by instrument id and date of the mapping."""
    ids, id_codes = np.unique(rows["instrument_id"], return_inverse=True)
    days = (rows["ts_event"].astype(np.int64) // (DAY_US * 1_000)).astype(np.int64)
    positions = {int(number): position for position, number in enumerate(ids)}
    order = np.argsort(id_codes, kind="stable")
    starts = np.searchsorted(id_codes[order], np.arange(len(ids) + 1))
    names = sorted(metadata.mappings)
    codes = np.full(len(rows), -1, dtype=np.int64)
    for code, name in enumerate(names):
        for interval in metadata.mappings[name]:
            number = interval["symbol"]
            if number and not (number.isascii() and number.isdigit()):
                raise BadInputError(f"{path}: damaged DBN header: {name} maps to {number!r}. Download the file again.")
            position = positions.get(int(number)) if number else None
            if position is None:
                continue
            members = order[starts[position] : starts[position + 1]]
            first, last = (np.datetime64(interval[key], "D").astype(np.int64) for key in ("start_date", "end_date"))
            codes[members[(days[members] >= first) & (days[members] < last)]] = code
    lost = np.flatnonzero(codes < 0)
    if len(lost):
        moment = rows["ts_event"][lost[:1]].view("M8[ns]")[0]
        raise BadInputError(
            f"{path}: {len(lost)} records without a symbol (first: instrument id {rows['instrument_id'][lost[0]]} at "
            f"{moment} UTC). Download the file again with its symbology."
        )
    used, compact = np.unique(codes, return_inverse=True)
    return [names[code] for code in used], compact
