"""The tail early stopping watches: last by time, purged, never inside the fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.splits import PurgedKFold, early_stop_tail
from factory_assets.vocabulary.errors import ConfigurationError, TooLittleHistoryError
from factory_assets_tests.splits.worlds import STEP_US, clock_of, leaking_rows


def test_known_tail_by_hand():
    clock = np.arange(100) * 10
    fit, tail = early_stop_tail(clock, clock + 25, share=0.15, purge=4, clock=clock)
    assert tail.tolist() == list(range(85, 100))
    assert fit.tolist() == list(range(81))  # 81..84 are purge; 83 and 84 also still open at the tail's start
    fit, _ = early_stop_tail(clock, clock + 25, share=0.15)
    assert fit.tolist() == list(range(83))


def test_rows_on_both_sides_of_a_test_fold():
    clock = clock_of(30)
    t1 = clock + 6 * STEP_US
    for train, test in PurgedKFold(5, purge=60, embargo=120).split(clock, t1, clock):
        fit, tail = early_stop_tail(clock[train], t1[train], share=0.15, purge=60, clock=clock)
        fit_rows, tail_rows = train[fit], train[tail]
        assert len(tail) == -(-len(train) * 15 // 100)
        assert not set(fit_rows) & set(tail_rows)
        assert not set(test) & (set(fit_rows) | set(tail_rows))
        assert clock[fit_rows].max() < clock[tail_rows].min()
        kept = train[: -len(tail)]
        leaking = leaking_rows(kept, tail_rows, clock, t1, purge=60, after=0, clock_us=clock)
        assert set(fit_rows) == set(kept.tolist()) - leaking
        assert len(leaking) > 0


@given(
    st.lists(st.tuples(st.integers(0, 79), st.integers(0, 9)), min_size=10, max_size=40),
    st.floats(0.05, 0.6),
    st.integers(0, 8),
)
def test_fit_rows_are_exactly_those_that_do_not_leak(rows, share, purge):
    clock = np.arange(80)
    t0 = np.array([start for start, _ in rows])
    t1 = t0 + np.array([length for _, length in rows])
    try:
        fit, tail = early_stop_tail(t0, t1, share=share, purge=purge, clock=clock)
    except TooLittleHistoryError:
        return
    assert len(tail) >= share * len(rows) - 1e-6
    assert set(np.flatnonzero(t0 >= t0[tail].min())) == set(tail)
    before = np.flatnonzero(t0 < t0[tail].min())
    assert set(fit) == set(before) - leaking_rows(before, tail, t0, t1, purge=purge, after=0, clock_us=clock)


def test_parts_that_would_be_empty_are_refused():
    clock = np.arange(20) * 10
    with pytest.raises(TooLittleHistoryError, match="3 of 20 rows are watched"):
        early_stop_tail(clock, clock, share=0.15, purge=50, clock=clock)
    with pytest.raises(TooLittleHistoryError, match="1 rows"):
        early_stop_tail(clock[:1], clock[:1], share=0.15)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigurationError, match="share"):
            early_stop_tail(clock, clock, share=share)
    with pytest.raises(ConfigurationError, match="clock is None"):
        early_stop_tail(clock, clock, share=0.2, purge=1)
