"""Valid raw folders in memory: what the mutations start from. Every registered format has some, made of its sample."""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.market.readers.registry import READERS
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.market.dbn_files import dbn_bytes
from factory_assets_tests.market.samples import PRICES, declared, sample_minutes, write_sample

TEXT, LEAN, JSON, DBN, PARQUET = "text", "lean", "json", "dbn", "parquet"
_FAMILIES = {"databento_dbn": DBN, "lean": LEAN, "projectx": JSON, "parquet": PARQUET}
_COLUMNS = {name: name for name in ("time", *PRICES, "volume")}


@dataclass(frozen=True, kw_only=True)
class Base:
    """A raw folder that is read without complaint.

    Attributes
    ----------
    format : str
        Format it is declared as.
    product : str
        Contract it holds.
    files : mapping of str to bytes
        Data files by name.
    declaration : str
        Text of its ``source.toml``.
    delimiter, header, skip : str, bool, int
        Shape of its text files, for mutations of fields.
    """

    format: str
    product: str
    files: Mapping[str, bytes]
    declaration: str
    delimiter: str = ","
    header: bool = True
    skip: int = 0

    @property
    def family(self) -> str:
        """Which mutations fit: text, lean, json, dbn or parquet."""
        return _FAMILIES.get(self.format, TEXT)


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A raw folder after one mutation.

    Attributes
    ----------
    files : mapping of str to bytes
        Data files by name.
    declaration : bytes
        The ``source.toml``.
    base : Base
        What it was.
    arrange : callable, optional
        Does to the written folder what bytes cannot say: links, holes, pipes.
    must : str
        ``accept`` or ``refuse`` where only one is right; else empty.
    known : bool
        False if the plain reading cannot tell what the folder means; then only the contract of the bars is judged.
    extra : mapping of str to bytes
        Further files of the folder, no data.
    """

    files: Mapping[str, bytes]
    declaration: bytes
    base: Base
    arrange: Callable[[Path], None] | None = None
    must: str = ""
    known: bool = True
    extra: Mapping[str, bytes] = field(default_factory=dict)


@cache
def bases(format_name: str) -> tuple[Base, ...]:
    """Valid folders of one format: its sample for three products, and what else the format may look like."""
    if format_name not in READERS:
        raise KeyError(f"{format_name!r} has no reader")
    # Without volume nothing chooses between two months.
    months = 1 if format_name == "histdata" else 2
    made = [_sample(format_name, "MES", 1, 24), _sample(format_name, "MGC", months, 9)]
    return (*made, *(make() for make in _VARIANTS.get(format_name, ())))


def _sample(format_name: str, product: str, months: int, minutes: int) -> Base:
    with TemporaryDirectory(prefix="hostile-base-") as folder:
        rows = sample_minutes(product, months=months, minutes=minutes)
        text = write_sample(format_name, Path(folder), rows, instrument(product))
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    delimiter = {"ninjatrader8": ";", "histdata": ";", "metatrader5": "\t"}.get(format_name, ",")
    header = format_name not in ("ninjatrader8", "histdata", "firstrate")
    return Base(format=format_name, product=product, files=files, declaration=text, delimiter=delimiter, header=header)


def _joined(parts: list[pd.Series], delimiter: str, first: str = "", end: str = "\n") -> bytes:
    rows = [delimiter.join(row) for row in zip(*parts, strict=True)]
    return (end.join([first, *rows] if first else rows) + end).encode()


def _prices(rows: pd.DataFrame) -> list[pd.Series]:
    return [rows[name].map("{:.2f}".format) for name in PRICES] + [rows["volume"].map("{:.0f}".format)]


def _local_clock() -> Base:
    rows, product = sample_minutes("MES", minutes=16), instrument("MES")
    local = rows["open_time"].dt.tz_convert("America/New_York") + pd.Timedelta(minutes=1)
    parts = [local.dt.strftime("%m/%d/%Y"), local.dt.strftime("%I:%M %p"), *_prices(rows), rows["volume"] * 0]
    parts[-1] = parts[-1].map("plot {:.1f}".format)
    text = declared(
        "csv",
        product,
        bar_label="close",
        volume="ticks",
        timezone="America/New_York",
        time_format="%m/%d/%Y %I:%M %p",
        delimiter=";",
        expiry="MESZ3",
        columns={**_COLUMNS, "date": "day"},
    )
    content = _joined(parts, ";", "day;time;open;high;low;close;volume;plot")
    return Base(format="csv", product="MES", files={"local.csv": content}, declaration=text, delimiter=";")


def _naive_iso() -> Base:
    rows, product = sample_minutes("NQ", minutes=16), instrument("NQ")
    years = rows["open_time"].dt.tz_convert("America/Chicago").dt.strftime("2566-%m-%d %H:%M:%S")
    text = declared(
        "csv",
        product,
        bar_label="open",
        volume="contracts",
        timezone="America/Chicago",
        calendar="buddhist",
        expiry="NQZ3",
        columns=_COLUMNS,
    )
    content = _joined([years, *_prices(rows)], ",", "time,open,high,low,close,volume", "\r\n")
    return Base(format="csv", product="NQ", files={"be.csv": content}, declaration=text)


def _epochs() -> Base:
    rows, product = sample_minutes("MES", minutes=16), instrument("MES")
    stamps = (rows["open_time"].astype("int64") // 1_000).astype(str)
    columns = {name: number for number, name in enumerate(("time", *PRICES, "volume"), start=1)}
    text = declared(
        "csv",
        product,
        bar_label="open",
        volume="contracts",
        time_format="epoch_ms",
        delimiter="|",
        header=False,
        skip_lines=1,
        expiry_from={"2023-09-14": "MESZ3"},
        columns=columns,
    )
    content = _joined([stamps, *_prices(rows)], "|", "# exported")
    return Base(
        format="csv",
        product="MES",
        files={"e.txt": content},
        declaration=text,
        delimiter="|",
        header=False,
        skip=1,
    )


def _tradingview_iso() -> Base:
    rows, product = sample_minutes("MES", minutes=16), instrument("MES")
    stamps = rows["open_time"].dt.tz_convert("Etc/GMT+5").dt.strftime("%Y-%m-%dT%H:%M:%S-05:00")
    content = _joined([stamps, *_prices(rows)], ",", "time,open,high,low,close,Volume")
    text = declared("tradingview", product, volume="contracts", expiry_from={"2023-09-14": "MESZ3"})
    return Base(format="tradingview", product="MES", files={"CME_MINI_MES1!, 1.csv": content}, declaration=text)


def _firstrate_header() -> Base:
    rows, product = sample_minutes("NQ", minutes=16), instrument("NQ")
    stamps = rows["open_time"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d %H:%M:%S")
    content = _joined([stamps, *_prices(rows)], ",", "timestamp,open,high,low,close,volume")
    text = declared("firstrate", product, expiry_from={"2023-09-14": "NQZ3"})
    return Base(format="firstrate", product="NQ", files={"NQ_1min.txt": content}, declaration=text)


def _databento_raw() -> Base:
    rows, product = sample_minutes("MGC", minutes=12, months=2), instrument("MGC")
    ids = {"MGCZ3": "42005017", "MGCG4": "42007065"}
    whole = [(rows[name] * 1e9).round().astype("int64").astype(str) for name in PRICES]
    stamps = (rows["open_time"].astype("int64") * 1_000).astype(str)
    marks = [pd.Series(value, index=rows.index) for value in ("33", "1")]
    parts = [stamps, *marks, rows["expiry"].map(ids), *whole, rows["volume"].map("{:.0f}".format)]
    content = _joined(parts, ",", "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume")
    text = declared("databento_csv", product, expiry_of_instrument={number: name for name, number in ids.items()})
    packed = pa.compress(content, codec="zstd", asbytes=True)
    return Base(format="databento_csv", product="MGC", files={"raw.csv.zst": packed}, declaration=text)


def _dbn(version: int, *, ts_out: bool = False, continuous: bool = False) -> Base:
    rows, product = sample_minutes("MES", minutes=14), instrument("MES")
    name = "MES.c.0" if continuous else "MESZ3"
    stamps = (rows["open_time"].astype("int64") * 1_000).tolist()
    records = [
        (7, stamp, (row.open, row.high, row.low, row.close), int(row.volume))
        for row, stamp in zip(rows.itertuples(), stamps, strict=True)
    ]
    content = dbn_bytes(
        [(name, date(2023, 1, 1), date(2024, 1, 1), 7)],
        records,
        version=version,
        ts_out=ts_out,
        stype_in="CONTINUOUS" if continuous else "RAW_SYMBOL",
    )
    text = declared("databento_dbn", product, **({"expiry_from": {"2023-09-14": "MESZ3"}} if continuous else {}))
    return Base(format="databento_dbn", product="MES", files={"m.dbn": content}, declaration=text)


def _parquet_naive() -> Base:
    rows, product = sample_minutes("MES", minutes=14), instrument("MES")
    stamps = rows["open_time"].dt.tz_convert("America/Chicago").dt.tz_localize(None).astype("datetime64[ms]")
    frame = rows.drop(columns=["expiry", "open_time"]).assign(when=stamps + pd.Timedelta(minutes=1))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, write_page_checksum=True, row_group_size=5)
    text = declared(
        "parquet",
        product,
        bar_label="close",
        volume="ticks",
        timezone="America/Chicago",
        expiry="MESZ3",
        columns={**_COLUMNS, "time": "when"},
    )
    return Base(format="parquet", product="MES", files={"n.parquet": sink.getvalue()}, declaration=text)


def _parquet_epochs() -> Base:
    rows, product = sample_minutes("MGC", minutes=14), instrument("MGC")
    frame = rows.drop(columns=["open_time"]).assign(ts=rows["open_time"].astype("int64") // 1_000_000)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression="zstd", use_dictionary=False)
    text = declared(
        "parquet",
        product,
        bar_label="open",
        volume="contracts",
        time_format="epoch_s",
        columns={**_COLUMNS, "time": "ts", "expiry": "expiry"},
    )
    return Base(format="parquet", product="MGC", files={"e.parquet": sink.getvalue()}, declaration=text)


def _lean_stored() -> Base:
    base = _sample("lean", "MES", 1, 14)
    ((name, content),) = base.files.items()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        ((entry, text),) = ((info.filename, archive.read(info)) for info in archive.infolist())
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry.replace(".csv", "_20231215.csv"), text)
    return Base(format="lean", product="MES", files={name: sink.getvalue()}, declaration=base.declaration)


_VARIANTS: Mapping[str, tuple[Callable[[], Base], ...]] = MappingProxyType(
    {
        "csv": (_local_clock, _naive_iso, _epochs),
        "tradingview": (_tradingview_iso,),
        "firstrate": (_firstrate_header,),
        "databento_csv": (_databento_raw,),
        "databento_dbn": (
            lambda: _dbn(1),
            lambda: _dbn(2, ts_out=True),
            lambda: _dbn(3),
            lambda: _dbn(3, continuous=True),
        ),
        "parquet": (_parquet_naive, _parquet_epochs),
        "lean": (_lean_stored,),
    }
)
