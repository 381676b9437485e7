"""Small partitions for the store's tests: bars, labels and raw minutes that differ by a version number."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from factory_assets.storage.store import Store
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import table_schema

MGC = PartitionKey("MGC")
MES = PartitionKey("MES")
MGC_20 = PartitionKey("MGC", 20)
BARS = table_schema("bars_5min")
FIRST_DAY = 19_000
MADE_BY = {"code_version": "1.2.3", "settings_digest": "0" * 64}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def frozen_clock() -> datetime:
    return MOMENT


def local_store(folder: Path, **options: object) -> Store:
    return Store(str(folder / "store"), clock=frozen_clock, **options)


def bars(sessions: int = 3, *, rows: int = 20, version: float = 1.0, first_day: int = FIRST_DAY) -> pa.Table:
    """`sessions` sessions of `rows` bars; `version` is the volume, so that tables can be told apart."""
    days = np.repeat(np.arange(first_day, first_day + sessions, dtype=np.int32), rows)
    step_us = min(300_000_000, 86_400_000_000 // (rows + 1))
    close_us = days.astype(np.int64) * 86_400_000_000 + np.tile(np.arange(1, rows + 1), sessions) * step_us
    price = 2000.0 + np.arange(len(days)) * 0.1
    expiry = np.where(days < FIRST_DAY + 2, "MGCG3", "MGCJ3")
    columns = {
        "expiry": pa.array(expiry).dictionary_encode(),
        "open_time": pa.array(close_us - step_us, pa.timestamp("us", "UTC")),
        "close_time": pa.array(close_us, pa.timestamp("us", "UTC")),
        "trade_date": pa.array(days, pa.date32()),
        **{name: pa.array(price) for name in ("open", "high", "low", "close")},
        "volume": pa.array(np.full(len(days), float(version))),
        "minutes": pa.array(np.full(len(days), 5)),
        "adjustment_ratio": pa.array(np.ones(len(days))),
    }
    return pa.table(columns)


def features(of: pa.Table, **values: np.ndarray) -> pa.Table:
    """Features of some bars: one float32 column a name."""
    columns = {name: pa.array(np.asarray(v, dtype=np.float32)) for name, v in values.items()}
    return pa.table({"close_time": of["close_time"], "trade_date": of["trade_date"], **columns})


def raw_minutes(rows: int = 10) -> pa.Table:
    times = np.arange(rows, dtype=np.int64) * 60_000_000
    return pa.table(
        {
            "source_file": pa.array(["a.csv"] * rows).dictionary_encode(),
            "source_row": pa.array(range(rows), type=pa.int64()),
            "expiry": pa.array(["MGCG3"] * rows).dictionary_encode(),
            "open_time": pa.array(times, pa.timestamp("us", "UTC")),
            **{name: pa.array(np.full(rows, 10.0)) for name in ("open", "high", "low", "close", "volume")},
        }
    )


def splits(days: int = 2) -> pa.Table:
    times = np.arange(days, dtype=np.int64) * 86_400_000_000
    return pa.table(
        {
            "decision_time": pa.array(times, pa.timestamp("us", "UTC")),
            "scheme": pa.array(["hold_out"] * days).dictionary_encode(),
            "fold": pa.array(np.zeros(days, dtype=np.int64)),
            "role": pa.array(["train"] * days).dictionary_encode(),
        }
    )
