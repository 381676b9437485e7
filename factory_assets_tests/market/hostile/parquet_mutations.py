"""Mutations of Parquet files as tables: types, names, nulls, units and values no bar should have; and their footers."""

import io
import random
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets_tests.market.hostile.bases import Base, Hostile
from factory_assets_tests.market.hostile.packing import with_file
from factory_assets_tests.market.hostile.time_mutations import WHOLE_TIMES

_NUMBERS = (float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 0.0, -0.0, -1.0, 0.01, 4512.26, None)
_PRICES = ("open", "high", "low", "close")
TableMutation = Callable[[random.Random, pa.Table], pa.Table]


def _apply(change: TableMutation, must: str, rng: random.Random, base: Base) -> Hostile:
    ((name, content),) = base.files.items()
    table = change(rng, pq.read_table(pa.BufferReader(content)))
    return with_file(base, name, _written(rng, table), must=must)


def _written(rng: random.Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression=rng.choice(("snappy", "zstd", "gzip", "none", "brotli", "lz4")),
        use_dictionary=rng.random() < 0.7,
        row_group_size=rng.choice((1, 7, 1_000)),
        data_page_version=rng.choice(("1.0", "2.0")),
        write_page_checksum=rng.random() < 0.5,
        store_schema=rng.random() < 0.7,
    )
    return sink.getvalue()


def _time_name(table: pa.Table) -> str:
    return next(name for name in ("open_time", "when", "ts") if name in table.column_names)


def _changed(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _same(rng: random.Random, table: pa.Table) -> pa.Table:
    order = rng.sample(range(table.num_rows), table.num_rows)
    columns = rng.sample(table.column_names, table.num_columns)
    return table.take(order).select(columns)


def _doubled(rng: random.Random, table: pa.Table) -> pa.Table:
    return table.take([*range(table.num_rows), *(rng.randrange(table.num_rows) for _ in range(3))])


def _fewer(rng: random.Random, table: pa.Table) -> pa.Table:
    return table.slice(0, rng.randint(0, table.num_rows))


def _names(rng: random.Random, table: pa.Table) -> pa.Table:
    names = list(table.column_names)
    what, place = rng.random(), rng.randrange(len(names))
    if what < 0.3:
        return table.drop_columns([names[place]])
    if what < 0.6:
        names[place] = rng.choice((names[place - 1], names[place].upper(), "", "a\nb", "é", "a.b", "x" * 5_000, "\0"))
    else:
        other = rng.randrange(len(names))
        names[place], names[other] = names[other], names[place]
    return table.rename_columns(names)


def _values(rng: random.Random, table: pa.Table) -> pa.Table:
    name = rng.choice((*_PRICES, "volume"))
    values = table.column(name).to_pylist()
    for row in range(len(values)) if rng.random() < 0.2 else [rng.randrange(len(values))]:
        values[row] = rng.choice(_NUMBERS)
    return _changed(table, name, pa.array(values, pa.float64()))


def _types(rng: random.Random, table: pa.Table) -> pa.Table:
    name = rng.choice((*_PRICES, "volume"))
    values = table.column(name).to_pylist()
    made: tuple[Callable[[], Any], ...] = (
        lambda: pa.array([int(v) for v in values], rng.choice((pa.int64(), pa.int32(), pa.uint64()))),
        lambda: pa.array(values, pa.float32()),
        lambda: pa.array([int(v) % 2_000 for v in values]).cast(pa.float64()).cast(pa.float16()),
        lambda: pa.array([Decimal(str(v)) for v in values], pa.decimal128(20, 4)),
        lambda: pa.array([Decimal(str(v)) for v in values], pa.decimal256(60, 9)),
        lambda: pa.array([str(v) for v in values]),
        lambda: pa.array([str(v).encode() for v in values]),
        lambda: pa.array([v > 1 for v in values]),
        lambda: pa.nulls(len(values), rng.choice((pa.float64(), pa.null()))),
        lambda: pa.array([[v] for v in values]),
        lambda: pa.array([{"a": v} for v in values]),
        lambda: pa.array(values).dictionary_encode(),
        lambda: pa.array([str(v) for v in values]).dictionary_encode(),
        lambda: pa.array([timedelta(seconds=1)] * len(values)),
        lambda: pa.array([datetime(2023, 11, 20, tzinfo=UTC)] * len(values)),
        lambda: pa.array([2**63 + k for k in range(len(values))], pa.uint64()),
    )
    return _changed(table, name, rng.choice(made)())


def _times(rng: random.Random, table: pa.Table) -> pa.Table:
    """Times of every age, in every unit."""
    name = _time_name(table)
    unit = rng.choice(("s", "ms", "us", "ns"))
    zone = rng.choice((None, "UTC", "America/New_York", "+05:30"))
    start = rng.choice(
        (0, -1, 1, 1_700_490_600, -62_135_596_800, 253_402_300_799, 9_223_372_036, -9_223_372_037, 9 * 10**12)
    )
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    counts = [max(-(2**63), min(2**63 - 1, (start + 60 * row) * scale)) for row in range(table.num_rows)]
    made: list[int | None] = [*counts]
    if rng.random() < 0.2:
        made[rng.randrange(len(made))] = None
    return _changed(table, name, pa.array(made, pa.int64()).cast(pa.timestamp(unit, tz=zone)))


def _time_types(rng: random.Random, table: pa.Table) -> pa.Table:
    name, rows = _time_name(table), table.num_rows
    seconds = [1_700_490_600 + 60 * row for row in range(rows)]
    moments = [datetime.fromtimestamp(second, tz=UTC) for second in seconds]
    made: tuple[Callable[[], Any], ...] = (
        lambda: pa.array(seconds, rng.choice((pa.int64(), pa.int32(), pa.uint32(), pa.float64()))),
        lambda: pa.array([second * rng.choice((1_000, 10**6, 10**9)) for second in seconds]),
        lambda: pa.array([moment.isoformat() for moment in moments]),
        lambda: pa.array([moment.strftime("%Y-%m-%d %H:%M:%S") for moment in moments]),
        lambda: pa.array([moment.isoformat() for moment in moments]).dictionary_encode(),
        lambda: pa.array(rng.choices(WHOLE_TIMES, k=rows)),
        lambda: pa.array([moment.date() for moment in moments]),
        lambda: pa.array([moment.time() for moment in moments]),
        lambda: pa.array([timedelta(seconds=second) for second in seconds]),
        lambda: pa.array([None] * rows, pa.timestamp("us", "UTC")),
        lambda: pa.array([Decimal(second) for second in seconds]),
        lambda: pa.array([True] * rows),
        lambda: pa.array([[second] for second in seconds]),
        lambda: pa.array([str(second) for second in seconds]),
        lambda: pa.array([float("nan"), *map(float, seconds[1:])]),
    )
    return _changed(table, name, rng.choice(made)())


def _months(rng: random.Random, table: pa.Table) -> pa.Table:
    name = "expiry" if "expiry" in table.column_names else "open"
    rows = table.num_rows
    words = (
        "MESZ3",
        "MESH4",
        "",
        "mesz3",
        "MESZ3 ",
        "ESZ3",
        "MESZ3-MESH4",
        "MGCZ3",
        "nan",
        "None",
        "Z3",
        "MES\n",
        "x" * 99,
    )
    values: list[Any] = list(rng.choices(words, k=rows)) if rng.random() < 0.5 else [rng.choice(words)] * rows
    kind = rng.choice((pa.string(), pa.large_string(), pa.binary(), pa.string_view()))
    if rng.random() < 0.2:
        values[rng.randrange(rows)] = None
    made = pa.array([value if kind != pa.binary() or value is None else value.encode() for value in values], kind)
    return _changed(table, name, made.dictionary_encode() if kind == pa.string() and rng.random() < 0.4 else made)


def _footer(rng: random.Random, base: Base) -> Hostile:
    ((name, sound),) = base.files.items()
    content = bytearray(sound)
    (length,) = struct.unpack_from("<I", content, len(content) - 8)
    start = len(content) - 8 - length
    what = rng.random()
    if what < 0.2:
        struct.pack_into("<I", content, len(content) - 8, rng.choice((0, 1, length - 1, length + 1, 2**31, 2**32 - 1)))
    elif what < 0.3:
        content[-4:] = rng.choice((b"PARE", b"PAR2", b"\0\0\0\0", b"par1"))
    else:
        for _ in range(rng.choice((1, 1, 3))):
            at = rng.randrange(start, len(content) - 8)
            content[at] = rng.choice((content[at] ^ (1 << rng.randrange(8)), 0, 0xFF, rng.randrange(256)))
    return with_file(base, name, bytes(content))


def _pages(rng: random.Random, base: Base) -> Hostile:
    ((name, sound),) = base.files.items()
    content = bytearray(sound)
    (length,) = struct.unpack_from("<I", content, len(content) - 8)
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(4, len(content) - 8 - length)
        content[at] = rng.choice((content[at] ^ (1 << rng.randrange(8)), 0, 0xFF, rng.randrange(256)))
    return with_file(base, name, bytes(content))


def parquet_bomb(rng: random.Random, base: Base) -> Hostile:
    """A small file of hundreds of millions of rows, or of one text in millions of rows."""
    ((name, content),) = base.files.items()
    table = pq.read_table(pa.BufferReader(content)).slice(0, 1)
    word = "9" * 1_000_000
    many = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array([word]))
    wide = dict.fromkeys(table.column_names, many)
    sink = io.BytesIO()
    pq.write_table(pa.table(wide), sink, compression="zstd")
    return with_file(base, name, sink.getvalue(), must="refuse")


_MUTATIONS: Mapping[str, tuple[TableMutation, str]] = MappingProxyType(
    {
        "permuted": (_same, "accept"),
        "doubled": (_doubled, "accept"),
        "fewer": (_fewer, ""),
        "names": (_names, ""),
        "values": (_values, ""),
        "types": (_types, ""),
        "times": (_times, ""),
        "time_types": (_time_types, ""),
        "months": (_months, ""),
    }
)
PARQUET_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {name: partial(_apply, change, must) for name, (change, must) in _MUTATIONS.items()}
    | {"footer": _footer, "pages": _pages}
)
"""By kind; each gives a folder from a base of family parquet."""
