"""Small hand-made worlds for the split tests, and the definitions of leakage in plain Python."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from factory_assets.splits.study import Study
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

FIRST_DAY = 19_000
BARS_PER_SESSION = 40
STEP_US = 5 * MINUTE_US


def clock_of(sessions: int, bars: int = BARS_PER_SESSION) -> np.ndarray:
    """Closes of ``bars`` base bars a day, with the night in between."""
    days = np.arange(FIRST_DAY, FIRST_DAY + sessions, dtype=np.int64) * DAY_US
    return (days[:, None] + STEP_US * np.arange(1, bars + 1)).ravel()


def study_of(train: int, val: int, test: int) -> Study:
    return Study(
        contract="SIM",
        opened_at=datetime(2024, 1, 2, tzinfo=UTC),
        train_first_day=FIRST_DAY,
        train_last_day=FIRST_DAY + train - 1,
        val_first_day=FIRST_DAY + train,
        val_last_day=FIRST_DAY + train + val - 1,
        test_first_day=FIRST_DAY + train + val,
        test_last_day=FIRST_DAY + train + val + test - 1,
        train_sessions=train,
        val_sessions=val,
        test_sessions=test,
    )


def labels_of(sessions: int, seed: int = 3, length_max: int = 30) -> pd.DataFrame:
    """Label rows on 40-bar sessions: two in three are events, lengths vary and may cross the night."""
    random = np.random.default_rng(seed)
    clock_us = clock_of(sessions)
    t0_us = clock_us
    t1_us = t0_us + random.integers(1, length_max, len(t0_us)) * STEP_US
    # now and then a trade stays open for a session and a half: the last event then is not the one that ends latest
    t1_us[::29] += int(1.5 * DAY_US)
    return pd.DataFrame(
        {
            "decision_time": from_us(t0_us),
            "trade_date": from_days(t0_us // DAY_US),
            "t0": from_us(t0_us),
            "t1": from_us(t1_us),
            "event": random.random(len(t0_us)) < 0.67,
            "eligible": random.random(len(t0_us)) < 0.95,
        }
    )


def leaking_rows(
    train: np.ndarray,
    test: np.ndarray,
    t0_us: np.ndarray,
    t1_us: np.ndarray,
    *,
    purge: int,
    after: int,
    clock_us: np.ndarray,
) -> set[int]:
    """Training rows that leak into the test block, from the definitions, one row and one close at a time."""
    first, latest = min(t0_us[test]), max(t1_us[test])
    closes_before = sorted(c for c in clock_us if c < first)
    closes_after = sorted(c for c in clock_us if c > latest)
    leaking = set()
    for row in train:
        start, end = t0_us[row], t1_us[row]
        if any(start <= t1_us[other] and t0_us[other] <= end for other in test):
            leaking.add(int(row))
        if start < first and purge and len([c for c in closes_before if c > start]) < purge:
            leaking.add(int(row))
        if start > latest and after and len([c for c in closes_after if c < start]) < after:
            leaking.add(int(row))
    return leaking
