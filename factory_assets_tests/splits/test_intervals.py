"""Interval primitives against nested loops, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.splits.intervals import (
    MAX_US,
    MIN_US,
    as_us,
    checked_clock,
    checked_intervals,
    meets_any,
    window_after_us,
    window_before_us,
)
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, NaiveTimestampError

INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=25)


def _arrays(pairs):
    starts = np.array([start for start, _ in pairs], dtype=np.int64)
    return starts, starts + np.array([length for _, length in pairs], dtype=np.int64)


@given(INTERVALS, INTERVALS)
def test_meets_any_equals_the_nested_loop(ones, others):
    a0, a1 = _arrays(ones)
    b0, b1 = _arrays(others)
    expected = [any(a0[i] <= b1[j] and b0[j] <= a1[i] for j in range(len(b0))) for i in range(len(a0))]
    assert meets_any(a0, a1, b0, b1).tolist() == expected


def test_touching_ends_meet_and_neighbours_do_not():
    b0, b1 = np.array([10]), np.array([20])
    assert meets_any(np.array([5, 5, 20, 21, 12]), np.array([9, 10, 25, 30, 13]), b0, b1).tolist() == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_windows_count_closes_not_time():
    clock = np.array([10, 20, 30, 1000, 1010, 1020])
    assert window_before_us(clock, 1010, 0) == 1010
    assert window_before_us(clock, 1010, 1) == 1000
    assert window_before_us(clock, 1010, 2) == 30  # across the gap
    assert window_before_us(clock, 1010, 5) == MIN_US
    assert window_before_us(clock, 1005, 2) == 30  # a moment between two closes
    assert window_after_us(clock, 20, 0) == 20
    assert window_after_us(clock, 20, 1) == 30
    assert window_after_us(clock, 25, 2) == 1000
    assert window_after_us(clock, 20, 5) == MAX_US


@given(st.sets(st.integers(0, 200), min_size=1, max_size=40), st.integers(0, 200), st.integers(1, 45))
def test_windows_hold_exactly_the_counted_closes(closes, moment, bars):
    clock = np.array(sorted(closes), dtype=np.int64)
    start, end = window_before_us(clock, moment, bars), window_after_us(clock, moment, bars)
    before = [c for c in closes if start <= c < moment]
    after = [c for c in closes if moment < c <= end]
    assert len(before) == min(bars, sum(c < moment for c in closes))
    assert len(after) == min(bars, sum(c > moment for c in closes))


def test_every_accepted_kind_of_time_is_the_same_moment():
    aware = pd.DatetimeIndex(["2024-01-02 10:00", "2024-01-02 10:05"], tz="America/Chicago")
    expected = [1704211200000000, 1704211500000000]
    assert as_us(aware, "t").tolist() == expected
    assert as_us(pd.Series(aware), "t").tolist() == expected
    assert as_us(list(aware), "t").tolist() == expected
    assert as_us(aware.tz_convert("UTC").tz_localize(None).to_numpy(), "t").tolist() == expected
    assert as_us(np.array(expected), "t").tolist() == expected
    assert as_us(pd.Series(expected), "t").tolist() == expected


def test_times_that_mean_nothing_are_refused():
    with pytest.raises(NaiveTimestampError, match="t0: naive"):
        as_us(pd.DatetimeIndex(["2024-01-02"]), "t0")
    with pytest.raises(BadInputError, match="2 missing times, the first at row 1"):
        as_us(pd.DatetimeIndex(["2024-01-02", None, None], tz="UTC"), "t1")
    with pytest.raises(BadInputError, match="dtype float64"):
        as_us(np.array([1.0]), "t0")
    with pytest.raises(BadInputError, match="one dimension"):
        as_us(np.zeros((2, 2), dtype=np.int64), "t0")
    with pytest.raises(BadInputError, match=r"row 1: t0 5 us, t1 4 us"):
        checked_intervals(np.array([1, 5]), np.array([1, 4]))
    with pytest.raises(BadInputError, match="t0 has 2 rows, t1 has 1"):
        checked_intervals(np.array([1, 5]), np.array([6]))


def test_counts_need_a_clock_that_covers_the_rows():
    rows = np.array([10, 50])
    assert len(checked_clock(None, rows, purge=0, embargo=0)) == 0
    with pytest.raises(ConfigurationError, match=r"'embargo': 3.*clock is None"):
        checked_clock(None, rows, purge=0, embargo=3)
    with pytest.raises(ConfigurationError, match="'purge': -1"):
        checked_clock(None, rows, purge=-1)
    with pytest.raises(BadInputError, match="strictly increasing"):
        checked_clock(np.array([10, 10, 60]), rows, purge=1)
    with pytest.raises(BadInputError, match=r"clock covers 20\.\.60"):
        checked_clock(np.array([20, 60]), rows, purge=1)
    assert checked_clock(np.array([10, 60]), rows, purge=1).tolist() == [10, 60]
