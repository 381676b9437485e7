"""Parquet files by a declared column mapping.

What a file states of itself (rows, types, sizes) is judged before a column is read, and repeated text is kept as
its dictionary: a few bytes can state a billion rows, or a text of a megabyte in each of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from factory_assets.market.readers.columns import minutes_of_columns
from factory_assets.market.readers.declaration import TIME_FORMATS_EPOCH, Declaration
from factory_assets.market.readers.limits import UNPACKED_BYTES_MAX, refuse_oversized
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

ROWS_MAX = 20_000_000
"""Rows of one file: ten years of five delivery months."""
COLUMNS_MAX = 2_000
_TEXT_CHARACTERS_MAX = 64
_UNIT_US = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}
_YEARS = ("1900-01-01", "2200-01-01")
_TEXTS = ("time", "date", "expiry")


def read_parquet(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of one Parquet file.

    Times may be timestamps (with or without a zone), epoch integers or text; a separate date a date or text. Prices
    and volume have to be numeric columns (whole, floating or decimal). Any column may be dictionary-encoded. A null
    price is NaN, which validation quarantines.

    Raises
    ------
    BadInputError
        Not a Parquet file, encrypted, damaged or too large; missing or nested columns, prices that are no numbers, or
        times of another age.
    NaiveTimestampError
        Times without a zone and none declared.
    ForeignContractError
        Expiries of another product.
    """
    refuse_oversized(path, "parquet")
    places = {
        field: place if isinstance(place, tuple) else (place,)
        for field, place in declaration.columns.items()
        if field != "volume" or declaration.has_volume
    }
    try:
        table, ignored_columns = _read(path, declaration, places)
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError) as problem:
        raise BadInputError(
            f"{path}: not a whole Parquet file that can be read: {str(problem)[:300]}. Export it again, not encrypted."
        ) from problem
    wanted = ("open", "high", "low", "close", *(("volume",) if declaration.has_volume else ()))
    numbers = {
        name: np.sum([_numbers(table.column(str(part)), part, path) for part in places[name]], axis=0)
        for name in wanted
    }
    stamps = _stamps(table.column(str(places["time"][0])), path)
    if "date" in places:
        stamps = _stamps(table.column(str(places["date"][0])), path).astype(str) + " " + stamps.astype(str)
    expiry = _stamps(table.column(str(places["expiry"][0])), path) if "expiry" in places else None
    found = minutes_of_columns(path, instrument, declaration, stamps, numbers, expiry, lambda row: row + 1)
    return replace(found, ignored_columns=ignored_columns)


def _read(path: Path, declaration: Declaration, places: Mapping[str, tuple[str | int, ...]]) -> tuple[pa.Table, int]:
    """The columns in use, and how many are not; text as dictionaries, which only a second look can ask for."""
    with pq.ParquetFile(path) as file:
        _check_size(file.metadata, path)
        schema = file.schema_arrow
        _check_columns(schema, declaration, places, path)
    texts = [str(part) for field in _TEXTS for part in places.get(field, ()) if _is_text(schema.field(str(part)).type)]
    used = sorted({str(part) for parts in places.values() for part in parts})
    with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
        table = file.read(columns=used)
    # Text that is no UTF-8, and places in a dictionary that it does not have, would fail only when they are looked at.
    table.validate(full=True)
    return table, len(schema.names) - len(used)


def _check_size(metadata: pq.FileMetaData, path: Path) -> None:
    groups = [metadata.row_group(number) for number in range(min(metadata.num_row_groups, ROWS_MAX))]
    stated_bytes = sum(group.total_byte_size for group in groups)
    problems = [
        f"{value:,} {what}, at most {limit:,} are read"
        for value, what, limit in (
            (metadata.num_rows, "rows", ROWS_MAX),
            (metadata.num_columns, "columns", COLUMNS_MAX),
            (stated_bytes, "unpacked bytes", UNPACKED_BYTES_MAX),
        )
        if not 0 <= value <= limit
    ]
    if metadata.num_rows != sum(group.num_rows for group in groups):
        problems.append(f"{metadata.num_rows:,} rows, of which its groups hold another number")
    if problems:
        raise BadInputError(
            f"{path}: it states {'; '.join(problems)}. Nothing was read; split the file, or export it again."
        )


def _check_columns(
    schema: pa.Schema, declaration: Declaration, places: Mapping[str, tuple[str | int, ...]], path: Path
) -> None:
    problems = []
    for field, parts in places.items():
        for part in parts:
            if schema.names.count(part) != 1:
                several = ", but several" if part in schema.names else ""
                problems.append(f"no column {part!r} for {field}{several}")
                continue
            kind = schema.field(str(part)).type
            if wanted := _unfit(field, kind, epoch=declaration.time_format in TIME_FORMATS_EPOCH):
                problems.append(f"{field} = {part!r} has type {kind}, expected {wanted}")
    if problems:
        listed = [name[:60] for name in schema.names[:30]] + ["..."] * (len(schema.names) > 30)
        raise BadInputError(f"{path}: {'; '.join(problems)}; the file has {listed}. Correct [columns] in source.toml.")


def _unfit(field: str, kind: pa.DataType, *, epoch: bool) -> str | None:
    """What a column should have been; None if its type fits."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    text = _is_text(kind)
    if field not in _TEXTS:
        return None if number else "a number"
    if field == "expiry":
        return None if text else "text"
    clock = pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_interval(kind)
    return None if text or clock or (number and epoch) else "a timestamp, text, or a number of an epoch time_format"


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _numbers(column: pa.ChunkedArray, name: str | int, path: Path) -> np.ndarray:
    """Values as float64, shape (N,); NaN for null."""
    plain = _plain(column)
    try:
        if pa.types.is_decimal(plain.type):  # by its digits: the direct way is a unit in the last place off
            plain = pc.cast(plain, pa.string())
        return np.asarray(pc.cast(plain, pa.float64()).to_pandas(), dtype=np.float64)
    except pa.ArrowException as problem:
        raise BadInputError(f"{path}: column {name!r}: {problem}. Export it as float64.") from problem


def _stamps(column: pa.ChunkedArray, path: Path) -> pd.Series:
    """Times, dates or names as the file holds them, shape (N,): datetimes, numbers, or text."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_timestamp(kind):
        return _timestamps(_plain(column), path)
    if pa.types.is_dictionary(column.type):
        _refuse_long_text(column, path)
        return pd.Series(column.to_pandas().astype(object)).reset_index(drop=True)
    return pd.Series(column.to_pandas(), dtype=None if pa.types.is_integer(kind) else object).reset_index(drop=True)


def _refuse_long_text(column: pa.ChunkedArray, path: Path) -> None:
    for chunk in column.chunks:
        words = chunk.dictionary
        if not _is_text(words.type):
            continue
        longest = pc.max(pc.utf8_length(words)).as_py() or 0
        if longest > _TEXT_CHARACTERS_MAX:
            raise BadInputError(
                f"{path}: a text of {longest:,} characters, where a time or a delivery month is expected (at most "
                f"{_TEXT_CHARACTERS_MAX}). Correct [columns] in source.toml, or export the file again."
            )


def _timestamps(column: pa.ChunkedArray, path: Path) -> pd.Series:
    """Timestamps of any unit and zone as datetime64[us], in UTC if they carry a zone; null is NaT."""
    missing = np.asarray(pc.is_null(column), dtype=bool)
    counts = np.asarray(pc.fill_null(pc.cast(column, pa.int64()), 0), dtype=np.int64)
    scale = _UNIT_US[column.type.unit]
    first, last = (np.datetime64(day, "us").astype(np.int64) for day in _YEARS)
    low, high = (first * 1_000, last * 1_000) if scale == 0 else (first // scale, last // scale)
    wrong = np.flatnonzero((counts < low) | (counts >= high))
    if len(wrong):
        raise BadInputError(
            f"{path}, row {wrong[0] + 1}: a time of {counts[wrong[0]]} {column.type.unit} since 1970 ({len(wrong)} "
            f"such rows), expected {_YEARS[0]} to {_YEARS[1]}. Correct the unit of the times and export the file again."
        )
    micros = counts // 1_000 if scale == 0 else counts * scale
    values = micros.astype("M8[us]")
    values[missing] = np.datetime64("NaT", "us")
    times = pd.Series(values)
    return times if column.type.tz is None else times.dt.tz_localize("UTC")
