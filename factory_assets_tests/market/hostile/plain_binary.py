"""A second reading of packed and binary formats: Lean archives, DBN records by ``struct``, Parquet value by value."""

# ruff: noqa: DTZ001, DTZ007 - wall times without a zone are what the files hold

import io
import re
import struct
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets_tests.market.hostile.plain_reading import PRICES, expiry_of, instant_us, open_time_us
from factory_assets_tests.market.hostile.rows import NoMeaningError, Row, is_outright, number_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD, _SKIPPABLE = 0xFD2FB528, range(0x184D2A50, 0x184D2A60)
_OHLCV_1M = 6
_UNDEFINED = 2**63 - 1


def plain_lean(content: bytes, declared: Mapping[str, Any], product: str, file_name: str) -> list[Row]:
    """Rows of one day's archive, entry after entry."""
    found = []
    try:
        day = datetime.strptime(file_name[:8], "%Y%m%d")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            held = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception as problem:  # whatever a second library makes of damage: there is no meaning
        raise NoMeaningError(str(problem)) from problem
    if len({name for name, _ in held}) < len(held):
        raise NoMeaningError("a name twice")
    for name, text in held:
        parts = re.fullmatch(
            r"([0-9]{8})_([a-z0-9]+)_minute_trade_([0-9]{4})([0-9]{2})(?:_[0-9]{8})?\.csv", name.lower()
        )
        if parts is None or parts[1] != file_name[:8] or parts[2] != product.lower() or not 1 <= int(parts[4]) <= 12:
            raise NoMeaningError(f"entry {name!a}")
        expiry = f"{product}{'FGHJKMNQUVXZ'[int(parts[4]) - 1]}{parts[3][2:]}"
        try:
            lines = text.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        except UnicodeDecodeError as problem:
            raise NoMeaningError("no UTF-8") from problem
        while lines and not lines[-1]:
            lines.pop()
        for line in lines:
            fields = [field.removeprefix('"').removesuffix('"') for field in line.split(",")]
            if len(fields) != 6 or re.fullmatch("[0-9]+", fields[0].strip()) is None:
                raise NoMeaningError(f"{line[:60]!a} is no row")
            values = tuple(number_of(field) for field in fields[1:])
            moment = day + timedelta(milliseconds=int(fields[0]))
            found.append(Row(expiry, instant_us(moment, declared["timezone"]), values))
    return found


def plain_dbn(content: bytes, declared: Mapping[str, Any], product: str, file_name: str) -> list[Row]:
    """Rows of one DBN file by the published layout."""
    plain = unpacked_zstd(content) if content.startswith(ZSTD_MAGIC) else content
    try:
        ts_out, mappings, start, schema = _dbn_header(plain)
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as problem:
        raise NoMeaningError(str(problem)) from problem
    size = 64 if ts_out else 56
    body = plain[start:]
    if len(body) % size or schema != _OHLCV_1M:
        raise NoMeaningError("no whole records of one-minute bars")
    found = []
    for at in range(0, len(body), size):
        words, rtype, _, number, stamp, *prices, volume = struct.unpack_from("<BBHIQqqqqQ", body, at)
        if (words, rtype) != (size // 4, 33):
            raise NoMeaningError("another record")
        moment = _EPOCH + timedelta(microseconds=stamp // 1_000) if stamp < 1 << 62 else None
        day = None if moment is None else moment.date()
        names = {
            name
            for name, spans in mappings.items()
            for first, last, symbol in spans
            if symbol.isascii() and symbol.isdigit() and int(symbol) == number and day and first <= day < last
        }
        if len(names) != 1:
            raise NoMeaningError(f"id {number} has {len(names)} names")
        name = names.pop()
        values = tuple(float("nan") if price == _UNDEFINED else price / 1e9 for price in prices)
        if declared.get("expiry_from"):
            name = expiry_of(declared, file_name, stamp // 1_000)
        if is_outright(name, product):
            found.append(Row(name, stamp // 1_000, (*values, float(volume))))
    return found


def _dbn_header(content: bytes) -> tuple[bool, dict[str, list[tuple[date, date, str]]], int, int]:
    if content[:3] != b"DBN" or content[3] not in (1, 2, 3):
        raise NoMeaningError("no DBN")
    (length,) = struct.unpack_from("<I", content, 4)
    head = content[8 : 8 + length]
    if len(head) < length:
        raise NoMeaningError("cut inside the header")
    (schema,) = struct.unpack_from("<H", head, 16)
    at = 42 + (8 if content[3] == 1 else 0)
    ts_out = head[at + 2] != 0
    width = 22
    if content[3] > 1:
        (width,) = struct.unpack_from("<H", head, at + 3)
    at = 100

    def whole() -> int:
        nonlocal at
        (value,) = struct.unpack_from("<I", head, at)
        at += 4
        return int(value)

    def text() -> str:
        nonlocal at
        raw = head[at : at + width]
        if len(raw) < width:
            raise NoMeaningError("cut inside the header")
        at += width
        return raw.partition(b"\0")[0].decode("utf-8")

    skipped = whole()
    at += skipped
    for _ in range(3):
        for _ in range(whole()):
            text()
    mappings: dict[str, list[tuple[date, date, str]]] = {}
    for _ in range(whole()):
        name = text()
        for _ in range(whole()):
            first, last = (datetime.strptime(str(whole()), "%Y%m%d").date() for _ in range(2))
            mappings.setdefault(name, []).append((first, last, text()))
    return ts_out, mappings, 8 + length, int(schema)


def unpacked_zstd(content: bytes) -> bytes:
    """Content of whole zstd frames; their blocks are counted first, as no library says that one was cut off."""
    at, end = 0, len(content)
    while at < end:
        if end - at < 8:
            raise NoMeaningError("cut inside a frame")
        magic, size = struct.unpack_from("<II", content, at)
        if magic in _SKIPPABLE:
            at += 8 + size
            continue
        if magic != _ZSTD:
            raise NoMeaningError("something else behind a frame")
        descriptor = content[at + 4]
        single = descriptor >> 5 & 1
        at += 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3] + ((1 if single else 0), 2, 4, 8)[descriptor >> 6]
        last = 0
        while not last:
            if at + 3 > end:
                raise NoMeaningError("cut between blocks")
            head = int.from_bytes(content[at : at + 3], "little")
            last = head & 1
            at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)
        at += 4 * (descriptor >> 2 & 1)
    if at != end:
        raise NoMeaningError("cut inside a block")
    try:
        with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
            return bytes(stream.read(1 << 28))
    except (OSError, pa.ArrowException) as problem:
        raise NoMeaningError(str(problem)) from problem


def plain_parquet(content: bytes, declared: Mapping[str, Any], product: str, file_name: str) -> list[Row]:
    """Rows of one Parquet file, value by value in Python; the file itself only Arrow can open."""
    columns = declared["columns"]
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read()
        names = table.column_names
        if any(names.count(place) != 1 for place in columns.values()):
            raise NoMeaningError("columns absent or twice")
        held = {}
        for key, place in columns.items():
            column = table.column(place)
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            if pa.types.is_timestamp(column.type):
                unit = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}
                zone = column.type.tz
                scale = unit[column.type.unit]
                micros = [None if v is None else int(v * scale // 1) for v in column.cast(pa.int64()).to_pylist()]
                held[key] = [(value, zone) for value in micros]
            else:
                held[key] = column.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError, ValueError, OverflowError) as problem:
        raise NoMeaningError(str(problem)) from problem
    said = {"time_format": "iso8601", "timezone": "", **declared}
    found = []
    for row in range(table.num_rows):
        open_us = _parquet_time(held["time"][row], said)
        names_volume = said["volume"] != "none"
        keys = (*PRICES, "volume") if names_volume else PRICES
        values = [_parquet_number(held[key][row]) for key in keys]
        expiry = held["expiry"][row] if "expiry" in held else expiry_of(said, file_name, open_us)
        if not isinstance(expiry, str):
            raise NoMeaningError("no month")
        if is_outright(expiry, product):
            found.append(Row(expiry, open_us, tuple(values) if names_volume else (*values, float("nan"))))
    if not table.num_rows:
        raise NoMeaningError("no rows")
    return found


def _parquet_number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise NoMeaningError(f"{value!r} is no number")
    return float(value)


def _parquet_time(value: Any, said: Mapping[str, Any]) -> int:
    if isinstance(value, tuple):
        micros, zone = value
        if micros is None:
            raise NoMeaningError("no time")
        if zone is not None:
            return micros - (60_000_000 if said["bar_label"] == "close" else 0)
        moment = datetime(1970, 1, 1) + timedelta(microseconds=micros)
        return open_time_us(moment.strftime("%Y-%m-%dT%H:%M:%S.%f"), {**said, "time_format": "iso8601"})
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return open_time_us(repr(value), said)
    if isinstance(value, str):
        return open_time_us(value.strip(), said)
    raise NoMeaningError(f"{value!r} is no time")
