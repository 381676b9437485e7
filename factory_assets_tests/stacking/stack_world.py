"""A small partition for the tests: sessions of base bars, overlapping labels, one column that carries something."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from factory_assets.splits.purged_kfold import PurgedKFold
from factory_assets.splits.roles import ROLES
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US
from factory_assets.vocabulary.windows import LazyWindows

BAR_US = 5 * MINUTE_US
BARS_A_SESSION = 48
SETTINGS = replace(SplitSettings(), folds=4, purge_bars=6, embargo_bars=48)


@dataclass(frozen=True)
class Partition:
    """Containers of train, of val and of both, the folds over train, and the tables the store would hold."""

    development: TimeSeriesDataContainer
    train: TimeSeriesDataContainer
    val: TimeSeriesDataContainer
    clock_us: np.ndarray
    folds: list
    splits: pd.DataFrame
    labels: pd.DataFrame
    kinds: tuple[str, ...]


def partition(*, sessions: int = 40, columns: int = 5, signal: float = 1.0, seed: int = 0) -> Partition:
    """Three quarters of the sessions are train, the rest val; the last 6 train rows are purged in the hold-out."""
    rng = np.random.default_rng(seed)
    first_day = 19_000
    days = np.repeat(np.arange(first_day, first_day + sessions, dtype=np.int32), BARS_A_SESSION)
    step = np.tile(np.arange(1, BARS_A_SESSION + 1), sessions)
    clock_us = days.astype(np.int64) * DAY_US + 14 * 60 * MINUTE_US + step * BAR_US
    kept = step <= BARS_A_SESSION - 8  # a label of up to 6 bars ends inside its session
    decision_us, trade_day = clock_us[kept], days[kept]
    n = len(decision_us)
    features = rng.normal(size=(n, columns)).astype(np.float32)
    score = signal * features[:, 0] + rng.normal(size=n)
    data = TimeSeriesDataContainer(
        decision_us=decision_us,
        features=features,
        feature_names=tuple(f"column_{i}" for i in range(columns)),
        label=np.clip(np.round(score), -1, 1).astype(np.int8),
        t0_us=decision_us,
        t1_us=decision_us + rng.integers(1, 7, n) * BAR_US,
        weight=rng.uniform(0.5, 1.5, n),
        trade_day=trade_day,
    )
    features[::37, 1] = np.nan  # warm-up masks
    in_train = trade_day < first_day + 3 * sessions // 4
    train, val = data.take(in_train), data.take(~in_train)
    splitter = PurgedKFold(SETTINGS.folds, purge=SETTINGS.purge_bars, embargo=SETTINGS.embargo_bars)
    folds = list(splitter.split(train.t0_us, train.t1_us, clock_us))
    roles = list(splitter.split_roles(train.t0_us, train.t1_us, clock_us))
    parts = [_rows(train.decision_us, "purged_kfold", fold, np.take(ROLES, role)) for fold, role in enumerate(roles)]
    held = np.where(np.arange(len(train)) < len(train) - 6, "train", "purged")
    parts += [_rows(train.decision_us, "hold_out", 0, held), _rows(val.decision_us, "hold_out", 0, "val")]
    labels = pd.DataFrame(
        {
            "decision_time": from_us(data.decision_us),
            "t0": from_us(data.t0_us),
            "t1": from_us(data.t1_us),
            "label": data.label,
        }
    )
    return Partition(
        development=data,
        train=train,
        val=val,
        clock_us=clock_us,
        folds=folds,
        splits=pd.concat(parts, ignore_index=True),
        labels=labels,
        kinds=("robust",) * columns,
    )


def windowed(world: Partition, *, length: int = 6, seed: int = 5) -> Partition:
    """The same decisions, labels and folds; features are windows of base bars whose newest row is the world's row."""
    data = world.development
    store = np.random.default_rng(seed).normal(size=(len(world.clock_us), len(data.feature_names))).astype(np.float32)
    last = np.searchsorted(world.clock_us, data.decision_us).astype(np.int64)
    store[last] = data.features
    first = np.maximum(last - length + 1, BARS_A_SESSION)  # history begins with the second session
    first = np.minimum(first, last)
    pad = np.full(store.shape[1], np.nan, dtype=np.float32)
    windows = LazyWindows(store=store, last=last, first=first, length=length, pad=pad)
    development = replace(data, features=windows)
    in_train = np.isin(data.decision_us, world.train.decision_us)
    return replace(world, development=development, train=development.take(in_train), val=development.take(~in_train))


def _rows(decision_us: np.ndarray, scheme: str, fold: int, role: object) -> pd.DataFrame:
    return pd.DataFrame({"decision_time": from_us(decision_us), "scheme": scheme, "fold": fold, "role": role})
