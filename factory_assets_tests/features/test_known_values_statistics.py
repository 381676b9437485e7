"""Statistics worked out by hand: memory, shape, entropy, fractional differences, ranks."""

import math

import numpy as np
import pytest

from factory_assets.features import catalogue, compute
from factory_assets.features.kernels import lagged, percentile_rank, trailing_median
from factory_assets.features.statistical_kernels import (
    correlations,
    fractional_weights,
    ordinal_patterns,
    sign_pairs,
    trailing_entropy,
    trailing_weighted_sum,
)

from .test_feature_known_values import hourly, last

STEP = 0.001
NAMES = [spec.name for spec in catalogue() if spec.group == "statistics"]


def path(steps):
    """Closes from 100 on with the given log returns."""
    return 100.0 * np.exp(np.cumsum(np.r_[0.0, steps]))


def test_correlation_from_a_covariance():
    one = np.ones(5)
    got = correlations(np.array([0.5, 2.0 + 1e-9, -3.0, np.nan, 1.0]), one * [1, 2, 1, 1, 1e-18], one * [4, 2, 1, 1, 1])
    assert got[:3] == pytest.approx([0.25, 1.0, -1.0], abs=0)
    assert np.isnan(got[3])
    # Variances of returns equal within 1e-9 are rounding.
    assert got[4] == 0.0


def test_autocorrelation_of_three_up_one_down():
    # Mean 1/2, variance 3/4; pairs 1 or 2 bars apart (also 5 or 10: the pattern has period 4) agree half the time.
    frame = hourly(path(STEP * np.tile([1.0, 1.0, 1.0, -1.0], 20)))
    for lag in (1, 2, 5, 10):
        assert last(frame, f"autocorrelation_{lag}_60") == pytest.approx(-1 / 3)
    assert last(frame, "absolute_autocorrelation_1_60") == 0.0
    # Small and large moves in turn, whichever way they go.
    sizes = hourly(path(STEP * np.tile([1.0, 2.0, -1.0, -2.0], 20)))
    assert last(sizes, "absolute_autocorrelation_1_60") == pytest.approx(-1.0)


@pytest.mark.parametrize("window", [20, 60])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_move_among_many_has_the_largest_skewness_and_kurtosis_there_is(window, sign):
    # n - 1 zeros and one value: g1 = (n - 2) / sqrt(n - 1), so G1 = sqrt n; and G2 = n.
    frame = hourly(path(sign * STEP * (np.arange(70) == 60)))
    assert last(frame, f"skewness_{window}") == pytest.approx(sign * math.sqrt(window))
    assert last(frame, f"kurtosis_{window}") == pytest.approx(window)


@pytest.mark.parametrize(("k", "window"), [(2, 20), (5, 60), (10, 120)])
def test_variance_ratio_of_one_way_is_its_span_and_of_a_zigzag_nearly_nothing(k, window):
    name = f"variance_ratio_{k}_{window}"
    assert last(hourly(path(np.full(window, STEP))), name) == pytest.approx(k)
    # k-bar returns are 0 for even k, one step for odd k.
    zigzag = path(STEP * np.tile([1.0, -1.0], window // 2))
    expected = (k % 2) / k
    assert last(hourly(zigzag), name) == pytest.approx(expected, abs=1e-9)
    # A jump that left the window is in none of its k-bar returns.
    assert last(hourly(np.r_[50.0, zigzag]), name) == pytest.approx(expected, abs=1e-9)


def test_ordinal_patterns_and_their_ties():
    shapes = [[1, 2, 3], [3, 2, 1], [1, 3, 2], [2, 3, 1], [2, 1, 3], [3, 1, 2]]
    assert [ordinal_patterns(np.array(shape, dtype=float))[2] for shape in shapes] == [0, 1, 2, 3, 4, 5]
    # Equal values rise in the order of time, whatever the last bit says.
    nearly = 5.0 * (1.0 - 5e-10)
    ties = [[5, 5, 5], [5, nearly, 5], [5, 5, nearly], [4, 5, 4], [5, 4, nearly], [5, 5, 4], [4, 5, nearly]]
    assert [ordinal_patterns(np.array(shape, dtype=float))[2] for shape in ties] == [0, 0, 0, 2, 4, 3, 0]
    assert ordinal_patterns(np.array([1.0, 2.0])).tolist() == [-1, -1]


def test_sign_pairs():
    pairs, before = sign_pairs(np.array([np.nan, 1.0, -1.0, 0.0, 0.0]))
    assert before.tolist() == [-1, -1, 2, 0, 1]
    assert pairs.tolist() == [-1, -1, 3 * 2 + 0, 3 * 0 + 1, 3 * 1 + 1]


def test_trailing_entropy():
    got = trailing_entropy(np.array([-1, 0, 0, 1, 1, 2, 3]), 4, 4)
    assert np.isnan(got[:4]).all()
    # 0, 0, 1, 1: two of each. 0, 1, 1, 2 and 1, 1, 2, 3: half, a quarter and a quarter.
    assert got[4:] == pytest.approx([math.log(2), 1.5 * math.log(2), 1.5 * math.log(2)])
    assert trailing_entropy(np.zeros(9, dtype=np.int64), 5, 3)[4:].tolist() == [0.0] * 5


def test_entropy_of_a_zigzag_and_of_pairs_of_moves():
    zigzag = hourly(path(STEP * np.tile([1.0, -1.0], 125)))
    # Two patterns of six, in turn; the next sign is certain.
    for window in (60, 240):
        assert last(zigzag, f"permutation_entropy_3_{window}") == pytest.approx(math.log(2) / math.log(6))
    assert last(zigzag, "sign_entropy_120") == 0.0
    # Two up, two down: after either sign both come equally often.
    twos = hourly(path(STEP * np.tile([1.0, 1.0, -1.0, -1.0], 40)))
    assert last(twos, "sign_entropy_120") == pytest.approx(math.log(2) / math.log(3))
    # Up, none, down in turn: three patterns of six, signs certain again.
    threes = hourly(path(STEP * np.tile([1.0, 0.0, -1.0], 50)))
    assert last(threes, "sign_entropy_120") == 0.0


def test_fractional_weights_and_the_sum_they_make():
    # -0.4, then x (1 - 0.4) / 2, x (2 - 0.4) / 3, x (3 - 0.4) / 4.
    assert fractional_weights(0.4, 5) == pytest.approx([1.0, -0.4, -0.12, -0.064, -0.0416])
    assert fractional_weights(1.0, 4) == pytest.approx([1.0, -1.0, 0.0, 0.0])
    got = trailing_weighted_sum(np.array([np.nan, 1.0, 2.0, 3.0]), np.array([1.0, 0.5]))
    assert np.isnan(got[:2]).all()
    assert got[2:].tolist() == [2.5, 4.0]


def test_weighted_sum_is_the_same_wherever_its_stretches_begin():
    rng = np.random.default_rng(3)
    values, weights = rng.standard_normal(5000), rng.standard_normal(63)
    whole = trailing_weighted_sum(values, weights)
    for start in (1, 777, 2048, 4000):
        np.testing.assert_array_equal(trailing_weighted_sum(values[start:], weights)[62:], whole[start + 62 :])


@pytest.mark.parametrize(("bars_ago", "weight"), [(0, 1.0), (1, 0.6), (2, 0.48), (3, 0.416)])
def test_fractional_difference_remembers_a_jump(bars_ago, weight):
    # One return among 63: its root mean square is the return / sqrt 63. Weights 1, 1 - 0.4, 1 - 0.4 - 0.12, ...
    frame = hourly(path(STEP * (np.arange(63) == 62 - bars_ago)))
    assert last(frame, "fractional_difference_d04_64") == pytest.approx(weight * math.sqrt(63))
    assert last(hourly(np.full(64, 100.0)), "fractional_difference_d04_64") == 0.0


@pytest.mark.parametrize("window", [60, 240])
def test_percentile_rank_counts_ties_half(window):
    rising = path(np.full(250, STEP))
    assert last(hourly(rising), f"percentile_rank_{window}") == pytest.approx((window - 0.5) / window)
    # The close of 10 bars ago again, but for rounding: 9 above, two alike, the others below.
    again = np.r_[rising, rising[-10] * (1 + 5e-10)]
    assert last(hourly(again), f"percentile_rank_{window}") == pytest.approx((window - 11 + 1.0) / window)


def test_rank_of_ranges_and_volumes():
    n = 240
    spans = np.r_[np.linspace(1.0, 2.0, n - 3), 5.0, 3.0, 3.0]
    frame = hourly(np.full(n, 100.0), high=100.0 + spans, low=np.full(n, 100.0), volume=1000.0 * spans)
    for name in ("range_rank_240", "volume_rank_240"):
        assert last(frame, name) == pytest.approx((n - 3 + 1.0) / n)


@pytest.mark.parametrize("window", [3, 4, 60])
def test_median_and_rank_of_whole_numbers_equal_naive_windows(window):
    values = np.random.default_rng(window).integers(0, 12, 400).astype(float)
    median, rank = trailing_median(values, window), percentile_rank(values, window)
    assert np.isnan(median[: window - 1]).all()
    for i in range(window - 1, len(values)):
        held = values[i - window + 1 : i + 1]
        assert median[i] == np.median(held)
        assert rank[i] == pytest.approx(((held < held[-1]).sum() + 0.5 * (held == held[-1]).sum()) / window)
    assert np.isnan(trailing_median(values[: window - 1], window)).all()


def test_lagged():
    assert lagged(np.array([1.0, 2.0, 3.0]), 2)[2] == 1.0
    assert np.isnan(lagged(np.array([1.0, 2.0, 3.0]), 2)[:2]).all()
    assert np.isnan(lagged(np.array([1.0]), 5)).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 19])
def test_too_short_a_history_is_masked(rows):
    values = compute(hourly(path(STEP * np.arange(rows - 1.0))), NAMES, minutes=60)[NAMES]
    assert len(NAMES) == 22
    assert values.isna().all().all()
