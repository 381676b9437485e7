"""Makes small DBN files for the tests: metadata by Databento's own encoder, records packed by hand."""

import struct
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import databento_dbn as dbn
import pyarrow as pa

UNDEFINED_PRICE = 2**63 - 1
Mapping = tuple[str, date, date, int]
Row = tuple[int, int, tuple[float, float, float, float], int]


def record(
    instrument_id: int,
    ts_event: int,
    prices: tuple[float, ...],
    volume: int,
    rtype: int = 33,
    ts_out: int | None = None,
) -> bytes:
    """One OHLCV record: length in words of 4 bytes, type, publisher, instrument, time, four prices, volume[, sent]."""
    scaled = [p if isinstance(p, int) else round(p * 1e9) for p in prices]
    words = 14 if ts_out is None else 16
    packed = struct.pack("<BBHIQqqqqQ", words, rtype, 1, instrument_id, ts_event, *scaled, volume)
    return packed if ts_out is None else packed + struct.pack("<Q", ts_out)


def dbn_bytes(
    mappings: list[Mapping],
    rows: list[Row],
    *,
    version: int = 1,
    schema: str = "OHLCV_1M",
    stype_in: str = "PARENT",
    rtype: int = 33,
    ts_out: bool = False,
) -> bytes:
    """A whole uncompressed DBN file."""
    by_name: dict[str, list[SimpleNamespace]] = {}
    for name, first, last, number in mappings:
        interval = SimpleNamespace(start_date=first, end_date=last, symbol=str(number))
        by_name.setdefault(name, []).append(interval)
    metadata = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=1_640_995_200_000_000_000,
        stype_in=getattr(dbn.SType, stype_in),
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=getattr(dbn.Schema, schema),
        symbols=["MGC.FUT"],
        partial=[],
        not_found=[],
        mappings=[SimpleNamespace(raw_symbol=name, intervals=intervals) for name, intervals in by_name.items()],
        version=version,
        ts_out=ts_out,
    )
    sent = [row[1] + 90_000_000_000 if ts_out else None for row in rows]
    return metadata.encode() + b"".join(
        record(*row, rtype=rtype, ts_out=at) for row, at in zip(rows, sent, strict=True)
    )


def write_dbn(path: Path, content: bytes) -> Path:
    """Write bytes, compressed with zstd if the name ends so."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pa.compress(content, codec="zstd", asbytes=True) if path.suffix == ".zst" else content)
    return path
