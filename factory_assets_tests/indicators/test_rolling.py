"""Rolling kernels against naive windows, pandas, and themselves from a later start of history."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from factory_assets.indicators import (
    rolling_covariance,
    rolling_kurtosis,
    rolling_max,
    rolling_mean,
    rolling_mean_std,
    rolling_min,
    rolling_regression,
    rolling_skew,
    rolling_skew_kurtosis,
    rolling_std,
    rolling_sum,
)
from factory_assets.vocabulary.errors import BadInputError


def _slope(values, window):
    return rolling_regression(values, window)[0]


def _r_squared(values, window):
    return rolling_regression(values, window)[1]


def _covariance_with_sine(values, window):
    return rolling_covariance(values, np.sin(values), window)[0]


def _naive_covariance(first, second):
    x_mean, y_mean = math.fsum(first) / len(first), math.fsum(second) / len(second)
    return math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(first, second, strict=True)) / (len(first) - 1)


def _naive_line(window):
    n = len(window)
    t_mean, y_mean = (n - 1) / 2, math.fsum(window) / n
    cross = math.fsum((t - t_mean) * (y - y_mean) for t, y in enumerate(window))
    time_m2 = math.fsum((t - t_mean) ** 2 for t in range(n))
    y_m2 = math.fsum((y - y_mean) ** 2 for y in window)
    return cross / time_m2, cross * cross / (time_m2 * y_m2) if len(set(window)) > 1 else 0.0


def _central(window, order):
    mean = math.fsum(window) / len(window)
    return math.fsum((y - mean) ** order for y in window) / len(window)


def _naive_std(window):
    return math.sqrt(_central(window, 2) * len(window) / (len(window) - 1))


def _naive_skew(window):
    n = len(window)
    if len(set(window)) == 1:
        return 0.0
    return math.sqrt(n * (n - 1)) / (n - 2) * _central(window, 3) / _central(window, 2) ** 1.5


def _naive_kurtosis(window):
    n = len(window)
    if len(set(window)) == 1:
        return 0.0
    excess = _central(window, 4) / _central(window, 2) ** 2 - 3
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)


ORACLES = {
    "sum": (rolling_sum, math.fsum),
    "mean": (rolling_mean, lambda w: math.fsum(w) / len(w)),
    "std": (rolling_std, _naive_std),
    "min": (rolling_min, min),
    "max": (rolling_max, max),
    "skew": (rolling_skew, _naive_skew),
    "kurtosis": (rolling_kurtosis, _naive_kurtosis),
    "slope": (_slope, lambda w: _naive_line(w)[0]),
    "r_squared": (_r_squared, lambda w: _naive_line(w)[1]),
    "covariance": (_covariance_with_sine, lambda w: _naive_covariance(w, [math.sin(x) for x in w])),
}


LEAST_WINDOW = {"skew": 3, "kurtosis": 4}


def _by_window(naive, values, window):
    """The oracle on each window alone: NaN before the first full one, and where a window holds a NaN."""
    out = np.full(len(values), np.nan)
    for i in range(window - 1, len(values)):
        held = values[i - window + 1 : i + 1]
        if not np.isnan(held).any():
            out[i] = naive(held.tolist())
    return out


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("window", [4, 7, 20, 64])
def test_equals_the_naive_window(name, window):
    statistic, naive = ORACLES[name]
    values = np.random.default_rng(window).standard_t(4, 3 * window + 5)
    np.testing.assert_allclose(statistic(values, window), _by_window(naive, values, window), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "theirs"), [("std", "std"), ("skew", "skew"), ("kurtosis", "kurt"), ("sum", "sum")])
def test_equals_pandas(name, theirs):
    values = np.random.default_rng(5).normal(size=500)
    np.testing.assert_allclose(
        ORACLES[name][0](values, 30), getattr(pd.Series(values).rolling(30), theirs)(), rtol=1e-9, atol=1e-12
    )


def test_known_values():
    values = [1.0, 2.0, 4.0, 4.0]
    np.testing.assert_allclose(rolling_mean(values, 2), [math.nan, 1.5, 3.0, 4.0])
    np.testing.assert_allclose(rolling_std(values, 2, ddof=0), [math.nan, 0.5, 1.0, 0.0])
    slope, r_squared = rolling_regression([0.0, 1.0, 1.0], 3)
    assert (slope[2], r_squared[2]) == pytest.approx((0.5, 0.75))
    # x: -1, 0, 1 from its mean; y: -3, -1, 4 from its mean 5.
    covariance, x_variance, y_variance = rolling_covariance([1.0, 2.0, 3.0], [2.0, 4.0, 9.0], 3, ddof=0)
    assert np.isnan(covariance[:2]).all()
    assert (covariance[2], x_variance[2], y_variance[2]) == pytest.approx((7 / 3, 2 / 3, 26 / 3))
    assert rolling_covariance([1.0, 2.0, 3.0], [2.0, 4.0, 9.0], 3)[0][2] == pytest.approx(7 / 2)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("bad_row", [1000, 1019, 1020])  # inside a block of 60 rows, its last row, its first row
@pytest.mark.parametrize("bad_value", [1e9, np.nan])
def test_same_from_a_later_start_of_history(name, bad_row, bad_value):
    statistic = ORACLES[name][0]
    rng = np.random.default_rng(11)
    values = rng.normal(size=3000) * np.exp(rng.normal(size=3000).cumsum() * 0.05)
    values[bad_row] = bad_value  # a bad print that left the window must leave no trace
    whole = statistic(values, 60)
    for start in (bad_row + 1, bad_row + 2, bad_row + 38, bad_row + 60, 2222):
        part = statistic(values[start:], 60)[59:]
        assert not np.isnan(part).any()
        scale = np.abs(part).max()
        np.testing.assert_allclose(part, whole[start + 59 :], rtol=1e-12, atol=1e-13 * scale)


@pytest.mark.parametrize("name", ORACLES)
def test_reads_no_later_row(name):
    statistic = ORACLES[name][0]
    values = np.random.default_rng(3).normal(size=200)
    changed = values.copy()
    changed[150:] = 77.0
    np.testing.assert_array_equal(statistic(values, 20)[:150], statistic(changed, 20)[:150])


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("row", range(24, 32))  # every place in a block of 8 rows
def test_nan_masks_exactly_the_windows_that_hold_it(name, row):
    values = np.random.default_rng(4).normal(size=100)
    values[row] = np.nan
    expected = np.zeros(100, dtype=bool)
    expected[:7] = True
    expected[row : row + 8] = True
    np.testing.assert_array_equal(np.isnan(ORACLES[name][0](values, 8)), expected)


@pytest.mark.parametrize("name", ORACLES)
def test_series_that_begins_with_nan_is_valid_from_its_first_full_window(name):
    values = np.r_[np.nan, np.random.default_rng(6).normal(size=200)]  # as log returns do
    got = ORACLES[name][0](values, 60)
    assert np.isnan(got[:60]).all()
    assert np.isfinite(got[60:]).all()


@st.composite
def _gappy_series(draw):
    """Values with NaN at the start, at block edges and anywhere, and a window; lengths end near block edges."""
    window = draw(st.integers(2, 60))
    n = max(1, draw(st.integers(0, 4)) * window + draw(st.integers(-2, 2)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Prices on a tick grid hold ties and flat windows; continuous values do not.
    on_ticks = draw(st.booleans())
    values = 4000.0 + 0.25 * rng.integers(-1, 2, n).cumsum() if on_ticks else rng.normal(size=n)
    values[: draw(st.integers(0, window + 1))] = np.nan
    edges = st.tuples(st.integers(0, 4), st.integers(-1, 1)).map(lambda edge: edge[0] * window + edge[1])
    for row in draw(st.lists(edges | st.integers(0, n - 1), max_size=4)):
        if 0 <= row < n:
            values[row] = np.nan
    return values, window


@pytest.mark.parametrize("name", ORACLES)
@settings(deadline=None, max_examples=60)
@given(case=_gappy_series())
def test_equals_the_naive_window_whatever_is_missing(name, case):
    values, window = case
    assume(window >= LEAST_WINDOW.get(name, 2))
    statistic, naive = ORACLES[name]
    np.testing.assert_allclose(statistic(values, window), _by_window(naive, values, window), rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=100)
@given(first=_gappy_series(), shift=st.integers(0, 5), seed=st.integers(0, 2**32 - 1), ddof=st.integers(0, 1))
def test_covariance_of_two_gappy_series_equals_the_naive_window(first, shift, seed, ddof):
    x, window = first
    y = np.r_[np.full(shift, np.nan), x[: max(len(x) - shift, 0)]][: len(x)]
    y = y + np.random.default_rng(seed).integers(-2, 3, len(x))
    got = rolling_covariance(x, y, window, ddof=ddof)
    assert len(got[0]) == len(x)
    scale = (window - 1) / (window - ddof)
    for one, two, values in ((x, y, got[0]), (x, x, got[1]), (y, y, got[2])):
        expected = np.full(len(x), np.nan)
        for i in range(window - 1, len(x)):
            a, b = one[i - window + 1 : i + 1], two[i - window + 1 : i + 1]
            if not (np.isnan(a).any() or np.isnan(b).any()):
                expected[i] = scale * _naive_covariance(a.tolist(), b.tolist())
        # A NaN in one series leaves the variance of the other alone.
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("bad_row", [1000, 1019, 1020])  # inside a block of 60 rows, its last row, its first row
@pytest.mark.parametrize("bad_value", [1e9, np.nan])
def test_covariance_forgets_a_bad_value_of_either_series(bad_row, bad_value):
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=(2, 3000))
    bad = y.copy()
    bad[bad_row] = bad_value
    clean, disturbed, swapped = (rolling_covariance(*pair, 60) for pair in ((x, y), (x, bad), (bad, x)))
    after = slice(bad_row + 60, None)
    for k, other in ((0, 0), (1, 2), (2, 1)):
        np.testing.assert_allclose(disturbed[k][after], clean[k][after], rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(swapped[other][after], clean[k][after], rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(disturbed[1], clean[1])


def test_skew_and_kurtosis_in_one_pass_are_the_same_to_the_bit():
    values = np.random.default_rng(13).standard_t(4, 700)
    skew, kurtosis = rolling_skew_kurtosis(values, 60)
    np.testing.assert_array_equal(skew, rolling_skew(values, 60))
    np.testing.assert_array_equal(kurtosis, rolling_kurtosis(values, 60))


@pytest.mark.parametrize("name", ["std", "skew", "kurtosis", "slope", "r_squared", "covariance"])
def test_flat_window_is_exact_even_after_movement(name):
    values = np.concatenate([np.random.default_rng(1).normal(size=50) * 1e6, np.full(40, 4000.1)])
    np.testing.assert_array_equal(ORACLES[name][0](values, 20)[70:], np.zeros(20))


@pytest.mark.parametrize("name", ["skew", "kurtosis", "r_squared"])
@pytest.mark.parametrize("factor", [1.37, 0.731])
def test_unchanged_by_scale(name, factor):
    values = np.random.default_rng(8).normal(size=500)
    np.testing.assert_allclose(ORACLES[name][0](values * factor, 20), ORACLES[name][0](values, 20), rtol=1e-10)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(2, 12))
def test_order_of_extremes_and_mean(values, window):
    low, high, mean = rolling_min(values, window), rolling_max(values, window), rolling_mean(values, window)
    slack = 1e-9 * np.maximum(np.abs(low), np.abs(high)) + 1e-300
    full = np.arange(len(values)) >= window - 1
    assert (np.isnan(mean) == ~full).all()
    assert (low[full] <= mean[full] + slack[full]).all()
    assert (mean[full] <= high[full] + slack[full]).all()


def test_precision_on_prices_far_from_zero():
    values = 4000.0 + 1e-4 * np.random.default_rng(2).normal(size=2000)
    mean, std = rolling_mean_std(values, 50)
    expected = [_naive_std(list(values[i - 49 : i + 1])) for i in range(49, 2000)]
    np.testing.assert_allclose(std[49:], expected, rtol=1e-9)
    assert abs(mean[-1] - math.fsum(values[-50:]) / 50) < 1e-12


def test_refuses_what_it_cannot_compute():
    with pytest.raises(BadInputError, match="at least 3 rows, got 2"):
        rolling_skew([1.0, 2.0], 2)
    with pytest.raises(BadInputError, match="at least 2 rows, got 1"):
        rolling_covariance([1.0, 2.0], [1.0, 2.0], 1)
    with pytest.raises(BadInputError, match="first has 3 rows, second 2"):
        rolling_covariance([1.0, 2.0, 3.0], [1.0, 2.0], 2)
    with pytest.raises(BadInputError, match="one dimension"):
        rolling_mean([[1.0]], 1)
    assert len(rolling_mean([], 3)) == 0
