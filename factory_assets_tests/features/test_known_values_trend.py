"""Trend, worked out by hand: restarted runs, Supertrend, parabolic stop, adaptive average, Hurst exponent, lines."""

import numpy as np
import pytest
import talib

from factory_assets.features import compute
from factory_assets.features.bars import Bars
from factory_assets.features.restart import restarted_runs
from factory_assets.features.trend_kernels import adaptive_average, parabolic_stop, supertrend

from .feature_worlds import bars
from .test_feature_known_values import hourly, last

ONE_RUN = np.array([[0, 2, 6]])


def off_the_grid(frame, seed):
    """The same bars with prices no two of which are equal."""
    noise = 1.0 + 1e-5 * np.random.default_rng(seed).random(len(frame))
    close = frame["close"] * noise
    return frame.assign(
        close=close,
        high=np.maximum(frame["high"] * noise, close) * (1.0 + 1e-6 * noise),
        low=np.minimum(frame["low"] / noise, close) / (1.0 + 1e-6 * noise),
    )


def test_a_run_begins_with_the_session_before_and_the_first_two_sessions_have_none():
    number = np.array([0, 1, 1, 2, 3, 3, 3])
    assert restarted_runs(number).tolist() == [[1, 3, 4], [3, 4, 7]]
    assert restarted_runs(number[:4]).tolist() == [[1, 3, 4]]
    assert restarted_runs(number[:3]).shape == restarted_runs(number[:0]).shape == (0, 3)


def test_supertrend_trails_and_turns_when_the_close_crosses_it():
    middle = np.array([100.0, 101.0, 104.0, 103.0, 101.0, 103.5])
    close = np.array([100.0, 101.5, 104.5, 102.5, 100.5, 104.5])
    # Ranges are 2 and the width is 1: the bands are middle + 2 and middle - 2 where they do not trail.
    direction, line = supertrend(middle + 1.0, middle - 1.0, close, np.full(6, 2.0), ONE_RUN, 2, 1.0)
    assert np.isnan(direction[:2]).all()
    assert np.isnan(line[:2]).all()
    # Row 2: lower 104 - 2. Row 3: held at 102 (the bar's own is 101). Row 4: the close of 100.5 is below 102, so down,
    # under the upper band 101 + 2. Row 5: that band stays at 103, the close of 104.5 is above: up, over 103.5 - 2, for
    # the close of 100.5 has freed the lower band from its 102.
    assert direction[2:].tolist() == [1.0, 1.0, -1.0, 1.0]
    assert line[2:].tolist() == [102.0, 102.0, 103.0, 101.5]


def test_supertrend_average_begins_with_the_run():
    # Ranges 4, 2, 6 with period 2: 4, (4 + 2) / 2 = 3, (3 + 6) / 2 = 4.5; a range before the run has no say.
    ranges = np.array([999.0, 4.0, 2.0, 6.0])
    flat = np.full(4, 100.0)
    _, line = supertrend(flat, flat, flat, ranges, np.array([[1, 1, 4]]), 2, 1.0)
    assert line[1:].tolist() == [96.0, 97.0, 97.0]
    _, line = supertrend(flat, flat, np.array([100.0, 100.0, 100.0, 96.5]), ranges, np.array([[1, 1, 4]]), 2, 1.0)
    # Below 97 at last: down, under the lowest of 104, 103 and 104.5.
    assert line[3] == 103.0


def test_supertrend_begins_down_only_below_its_middle_beyond_the_tie():
    high, low, ranges = np.full(2, 101.0), np.full(2, 99.0), np.full(2, 2.0)
    run = np.array([[0, 0, 2]])
    for first, side in ((100.0, 1.0), (100.0 * (1.0 - 5e-10), 1.0), (99.5, -1.0)):
        direction, _ = supertrend(high, low, np.array([first, 100.0]), ranges, run, 10, 3.0)
        assert direction.tolist() == [side, side], first


def test_parabolic_stop_accelerates_and_reverses_on_a_touch():
    high = np.array([12.0, 13.0, 14.0, 15.0, 14.0, 14.5])
    low = np.array([10.0, 11.0, 12.0, 13.0, 10.4, 12.0])
    stops = parabolic_stop(high, low, np.array([[0, 1, 6]]), 0.02, 0.2)
    # Long from the low of the first bar, extreme 13: 10, then 10 + 0.02 x 3.
    # Extreme 14, speed 0.04: 10.06 + 0.04 x 3.94. Extreme 15, speed 0.06: 10.2176 + 0.06 x 4.7824 = 10.504544.
    # The low of 10.4 touches that: short from the extreme 15; 15 + 0.02 x (10.4 - 15) lies below the high of 15.
    assert np.isnan(stops[0])
    assert stops[1:] == pytest.approx([10.0, 10.06, 10.2176, 15.0, 15.0])


def test_parabolic_stop_begins_short_when_the_low_falls_more_than_the_high_rises():
    high, low = np.array([15.0, 14.0, 13.0]), np.array([13.0, 12.0, 11.0])
    stops = parabolic_stop(high, low, np.array([[0, 1, 3]]), 0.02, 0.2)
    # Short from the high of 15, extreme 12: 15 + 0.02 x (12 - 15).
    assert stops[1:] == pytest.approx([15.0, 14.94])


@pytest.mark.parametrize("nudge", [0.0, 5e-10, -5e-10])
def test_parabolic_stop_counts_a_touch_within_the_tie(nudge):
    # Row 2 comes back to the stop of 10.06.
    high, low = np.array([12.0, 13.0, 12.0]), np.array([10.0, 11.0, 10.06 * (1.0 + nudge)])
    assert parabolic_stop(high, low, np.array([[0, 1, 3]]), 0.02, 0.2)[2] == 13.0


@pytest.mark.parametrize("width", [5, 60])
def test_parabolic_stop_is_talibs_over_the_two_sessions(width):
    frame = off_the_grid(bars(width, sessions=12, seed=3, roll_every=5), seed=4)
    arrays = Bars.from_frame(frame, width)
    runs = restarted_runs(arrays.session_number)
    assert len(runs) == 10
    stops = parabolic_stop(arrays.high, arrays.low, runs, 0.02, 0.2)
    reversals = 0
    for begin, own, stop in runs:
        wanted = talib.SAR(arrays.high[begin:stop], arrays.low[begin:stop], 0.02, 0.2)[own - begin :]
        np.testing.assert_allclose(stops[own:stop], wanted, rtol=1e-12)
        reversals += int(np.sum(np.diff(np.sign(arrays.close[own:stop] - wanted)) != 0))
    assert reversals > 10


def test_adaptive_average_by_hand():
    close = np.array([99.0, 10.0, 11.0, 13.0, 12.0])
    average, change = adaptive_average(close, np.array([[1, 2, 5]]), 2, 2, 30, 2)
    # Straight moves weigh (2/3)^2; the last one went 3 to come 1 closer.
    first = 10.0 + 4 / 9 * 1.0
    second = first + 4 / 9 * (13.0 - first)
    third = second + (2 / 31 + (2 / 3 - 2 / 31) / 3) ** 2 * (12.0 - second)
    assert np.isnan(average[:2]).all()
    assert average[2:] == pytest.approx([first, second, third])
    # Over two bars, the first time over the one there is.
    assert change[2:] == pytest.approx([first - 10.0, second - 10.0, third - first])


def test_adaptive_average_equals_talibs_once_both_have_forgotten_their_start():
    # Straight moves forget 5/9 a bar: three sessions of a trend, then a random walk of one session.
    rng = np.random.default_rng(2)
    n = 4 * 276
    close = 2000.0 + np.cumsum(np.r_[np.full(n - 276, 0.5), rng.standard_normal(276)])
    average, _ = adaptive_average(close, np.array([[276, 552, n]]), 10, 2, 30, 5)
    np.testing.assert_allclose(average[-276:], talib.KAMA(close, 10)[-276:], rtol=1e-12)


def test_machines_forget_everything_before_the_session_before():
    frame = bars(60, sessions=8, seed=5)
    names = ["supertrend_direction_10_3", "supertrend_distance_10_3_atr", "sar_distance_atr", "distance_kama_10_atr"]
    row = int(np.flatnonzero(frame["trade_date"] == frame["trade_date"].unique()[7])[-1])
    begin = int(np.flatnonzero(frame["trade_date"] == frame["trade_date"].unique()[6])[0])
    other = frame.copy()
    # Twice the prices, but for the last bar before the run, whose close the first true range is taken from.
    columns = [other.columns.get_loc(name) for name in ("open", "high", "low", "close")]
    other.iloc[: begin - 1, columns] *= 2.0
    mine, theirs = (Bars.from_frame(each, 60) for each in (frame, other))
    runs = restarted_runs(mine.session_number)
    for a, b in (
        (supertrend(x.high, x.low, x.close, x.true_range, runs, 10, 3.0)[1] for x in (mine, theirs)),
        (parabolic_stop(x.high, x.low, runs, 0.02, 0.2) for x in (mine, theirs)),
        (adaptive_average(x.close, runs, 10, 2, 30, 5)[0] for x in (mine, theirs)),
    ):
        np.testing.assert_array_equal(a[-23:-1], b[-23:-1])
    assert compute(frame, names, minutes=60)[names].iloc[row].notna().all()


def test_hurst_exponent_of_a_straight_line_a_see_saw_and_a_random_walk():
    # m(k) grows like k: 1. Two-bar moves vanish: 0.
    assert last(hourly(1000.0 + np.arange(130.0)), "hurst_120") == pytest.approx(1.0)
    assert last(hourly(1000.0 + np.tile([0.0, 1.0], 65)), "hurst_120") == 0.0
    assert last(hourly(np.full(130, 1000.0)), "hurst_120") == 0.5
    # m(k) grows like the square root of k.
    walk = 1900.0 * np.exp(1e-4 * np.cumsum(np.random.default_rng(0).standard_normal(1300)))
    values = compute(hourly(walk), ["hurst_120"], minutes=60)["hurst_120"].dropna()
    assert values.mean() == pytest.approx(0.5, abs=0.05)


def test_hurst_exponent_of_one_step_is_the_slope_through_the_counted_moves():
    # One move of 1 in the middle of 120: k of the 121 - k moves over k bars see it, for each k up to 16.
    close = np.r_[np.full(60, 1000.0), np.full(61, 1001.0)]
    log_m = [np.log2(k / (121 - k)) for k in (1, 2, 4, 8, 16)]
    slope = np.polyfit(range(5), log_m, 1)[0]
    assert slope > 1.0
    assert last(hourly(close), "hurst_120") == 1.0
    # A step one bar before the end is seen by one move of each length: m(k) = 1 / (121 - k).
    close = np.r_[np.full(120, 1000.0), 1001.0]
    slope = np.polyfit(range(5), [-np.log2(121 - k) for k in (1, 2, 4, 8, 16)], 1)[0]
    assert last(hourly(close), "hurst_120") == pytest.approx(slope)


def test_regression_over_sixty_bars_of_a_ramp():
    close = 100.0 + np.arange(80.0)
    frame = hourly(close, openings=close - 1.0, high=close, low=close - 1.0)
    assert last(frame, "regression_slope_60_atr") == pytest.approx(1.0)
    assert last(frame, "regression_r2_60") == pytest.approx(1.0)
    # A see-saw of n values has co-moment n/2 with time, n (n^2 - 1) / 12 of time and n of its own: 3 / (n^2 - 1).
    saw = hourly(1000.0 + np.tile([1.0, -1.0], 40))
    assert last(saw, "regression_r2_60") == pytest.approx(3.0 / (60**2 - 1), rel=1e-9)


def test_trend_is_neutral_on_flat_prices():
    values = compute(hourly([1843.7] * 300), minutes=60).iloc[-1]
    expected = {
        "supertrend_direction_10_3": 1.0, "supertrend_distance_10_3_atr": 0.0, "sar_distance_atr": 0.0,
        "hurst_120": 0.5, "regression_slope_60_atr": 0.0, "regression_r2_60": 0.0, "distance_kama_10_atr": 0.0,
        "slope_kama_10_5_atr": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-9)
