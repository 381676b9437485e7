"""CUSUM events, EWM threshold, average uniqueness: known values, naive loops, properties."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.labels import average_uniqueness, cusum_events, cusum_settle_bars, normalised
from factory_assets.labels._search import first_at_or_after
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets_tests.labels.oracle import oracle_cusum, oracle_uniqueness


def _closes(seed, n=600):
    rng = np.random.default_rng(seed)
    return 2_000 * np.exp(np.cumsum(rng.standard_t(3, size=n) * 4e-4 * (1 + np.sin(np.arange(n) / 40) ** 2)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("multiple", "span"), [(2.0, 100), (1.0, 20), (4.0, 50)])
def test_events_equal_the_oracle(seed, multiple, span):
    closes = _closes(seed, 400)
    events = cusum_events(closes, sigma_multiple=multiple, span_bars=span)
    expected = oracle_cusum(closes.tolist(), multiple=multiple, span=span)
    assert np.flatnonzero(events).tolist() == expected
    assert len(expected) > 3


def test_threshold_is_that_of_the_bar_before():
    # Returns of alternating sign and size s have an EWM sigma near s; the last bar jumps by ten of them.
    step = np.tile([1e-3, -1e-3], 100)
    closes = 100 * np.exp(np.cumsum(np.concatenate([step, [1e-2]])))
    events = cusum_events(closes, sigma_multiple=2.0, span_bars=100)
    assert np.flatnonzero(events).tolist() == [200]
    assert not cusum_events(closes, sigma_multiple=12.0, span_bars=100).any()
    sigma_before = pd.Series(np.diff(np.log(closes))).ewm(span=100).std().iloc[-2]
    just_under, just_over = 0.999 * 1e-2 / sigma_before, 1.001 * 1e-2 / sigma_before
    assert cusum_events(closes, sigma_multiple=just_under)[-1]
    assert not cusum_events(closes, sigma_multiple=just_over)[-1]


def test_a_side_that_fires_starts_again_and_the_other_goes_on():
    quiet = np.tile([1e-4, -1e-4], 60)
    closes = 100 * np.exp(np.cumsum(np.concatenate([quiet, [4e-4, 1e-5, 1e-5], [-1e-3]])))
    assert np.flatnonzero(cusum_events(closes, sigma_multiple=3.0, span_bars=100)).tolist() == [120, 123]


@pytest.mark.parametrize("seed", range(4))
def test_a_live_run_on_trailing_bars_fires_on_the_same_bars(seed):
    closes = _closes(seed, 6_000)
    batch, trailing = cusum_events(closes), cusum_settle_bars()
    for end in range(trailing + 1, len(closes), 97):
        live = cusum_events(closes[end - trailing : end])
        assert live[-300:].tolist() == batch[end - 300 : end].tolist()


@given(st.integers(0, 10_000), st.sampled_from([1.37, 0.731, 2.0]))
@settings(max_examples=40, deadline=None)
def test_events_know_no_price_scale_and_no_future(seed, factor):
    closes = _closes(seed, 300)
    events = cusum_events(closes)
    assert np.mean(cusum_events(closes * factor) == events) == 1.0
    assert cusum_events(closes[:200]).tolist() == events[:200].tolist()


def test_events_refuse_what_has_no_return():
    with pytest.raises(BadInputError, match="row 2"):
        cusum_events([1.0, 2.0, 0.0])
    with pytest.raises(BadInputError, match="sigma_multiple"):
        cusum_events([1.0, 2.0], sigma_multiple=0.0)
    assert cusum_events([5.0]).tolist() == [False]
    assert not cusum_events(np.full(300, 7.0)).any()


def test_uniqueness_of_the_published_example():
    got = average_uniqueness([0, 2, 4], [2, 3, 5], np.arange(6))
    assert got == pytest.approx([5 / 6, 3 / 4, 1.0], abs=1e-12)


@st.composite
def _intervals(draw):
    clock = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=25)))
    starts = draw(st.lists(st.sampled_from(clock), min_size=1, max_size=15))
    return clock, [(s, s + draw(st.integers(0, 30))) for s in starts]


@given(_intervals())
@settings(max_examples=200, deadline=None)
def test_uniqueness_equals_the_naive_loop(case):
    clock, intervals = case
    starts, ends = zip(*intervals, strict=True)
    got = average_uniqueness(starts, ends, clock)
    assert got == pytest.approx(oracle_uniqueness(intervals, clock), abs=1e-12)
    assert ((got > 0) & (got <= 1 + 1e-12)).all()


def test_labels_that_touch_at_one_close_overlap_there():
    assert average_uniqueness([0, 10], [10, 20], [0, 10, 20]) == pytest.approx([0.75, 0.75])
    assert average_uniqueness([0, 10], [9, 20], [0, 10, 20]) == pytest.approx([1.0, 1.0])


def test_uniqueness_refuses_bad_intervals_and_clocks():
    with pytest.raises(BadInputError, match="row 1"):
        average_uniqueness([0, 11], [10, 19], [0, 10, 20])
    with pytest.raises(BadInputError, match="increase"):
        average_uniqueness([0], [10], [10, 0])
    with pytest.raises(BadInputError, match="2 starts"):
        average_uniqueness([0, 1], [10], [0, 10])
    naive = pd.DatetimeIndex(["2023-01-02 10:00"])
    with pytest.raises(NaiveTimestampError):
        average_uniqueness(naive, naive, naive)


def test_normalised_weights_have_mean_one():
    assert normalised(np.array([1.0, 3.0])).tolist() == [0.5, 1.5]
    for bad in ([-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(BadInputError):
            normalised(np.array(bad))


@given(st.sets(st.integers(0, 40), max_size=14), st.integers(-2, 43), st.integers(0, 14))
@settings(max_examples=400, deadline=None)
def test_search_is_right_from_every_guess(times, moment, guess):
    ordered = np.array(sorted(times), dtype=np.int64)
    assert first_at_or_after(ordered, moment, min(guess, len(ordered))) == np.searchsorted(ordered, moment)
