"""Values worked out by hand, one or more for each group of the catalogue."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import compute
from factory_assets.features.bars import Bars
from factory_assets.features.kernels import (
    directional,
    money_flow,
    moves,
    opening_extremes,
    ratio,
    session_numbers,
    session_range_norm,
    session_vwap,
    trailing_median,
)
from factory_assets.features.wall_clock import minute_of_day
from factory_assets.vocabulary.timeframes import MINUTE_US

from .feature_worlds import frame_of, sessions_of


def hourly(close, *, openings=None, high=None, low=None, volume=None, ratio_=None, symbol="MGC", skip=0):
    """Hourly bars of consecutive scheduled hours with the given prices."""
    n = len(close)
    sessions = sessions_of(symbol, 60)
    times, ends, days = [], [], []
    for start, end, day in zip(sessions.open_us, sessions.close_us, sessions.trade_day, strict=True):
        for moment in range(start, end, 60 * MINUTE_US):
            times.append(moment)
            ends.append(min(moment + 60 * MINUTE_US, end))
            days.append(day)
    close = np.asarray(close, dtype=float)
    openings = close if openings is None else np.asarray(openings, dtype=float)
    prices = {
        "open": openings,
        "high": np.maximum(openings, close) if high is None else np.asarray(high, dtype=float),
        "low": np.minimum(openings, close) if low is None else np.asarray(low, dtype=float),
        "close": close,
    }
    volume = np.full(n, 10.0) if volume is None else np.asarray(volume, dtype=float)
    ratio_ = np.ones(n) if ratio_ is None else np.asarray(ratio_, dtype=float)
    span = slice(skip, skip + n)
    return frame_of(symbol, times[span], ends[span], days[span], prices, volume, ratio_)


def last(frame, name):
    return compute(frame, [name], minutes=60)[name].iloc[-1]


def test_log_return_uses_adjusted_prices_across_a_roll():
    # Traded 100 -> 110 over a roll with ratio 100/110: adjusted price unchanged, return 0.
    frame = hourly([100.0, 110.0], ratio_=[1.0, 100.0 / 110.0])
    assert last(frame, "log_return_1") == pytest.approx(0.0, abs=1e-15)
    assert last(hourly([100.0, 110.0]), "log_return_1") == pytest.approx(math.log(1.1))


def test_rsi_of_alternating_moves():
    # Seven bars up by 2 and down by 1 in turn (4 up, 3 down): gains 8, losses 3.
    close = 100.0 + np.cumsum([0, 2, -1, 2, -1, 2, -1, 2])
    assert last(hourly(close), "rsi_7") == pytest.approx(100.0 * 8 / 11)


def test_momentum_is_neutral_on_flat_prices():
    values = compute(hourly([1843.7] * 300), minutes=60).iloc[-1]
    expected = {
        "rsi_14": 50.0, "stochastic_k_14": 50.0, "cci_20": 0.0, "aroon_oscillator_25": 0.0, "body_share": 0.0,
        "close_location_share": 0.5, "distance_sma_20_atr": 0.0, "adx_14": 0.0, "efficiency_ratio_20": 0.0,
        "choppiness_14": 100.0, "atr_pct_14": 0.0, "realised_vol_ratio_10_60": 0.0, "bollinger_position_20": 0.0,
        "donchian_position_20": 0.5, "downside_share_20": 0.5, "obv_slope_20": 0.0, "mfi_14": 50.0, "vwap_z": 0.0,
        "kyle_lambda_20": 0.0, "roll_spread_20": 0.0, "autocorrelation_1_60": 0.0, "variance_ratio_5_60": 1.0,
        "percentile_rank_60": 0.5, "session_position_share": 0.5, "squeeze_20": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_stochastic_commodity_channel_and_aroon_on_a_ramp():
    close = np.arange(1.0, 41.0) + 100.0
    frame = hourly(close, openings=close, high=close + 1.0, low=close - 1.0)
    # 14 bars: highest high 141, lowest low 126, close 140.
    assert last(frame, "stochastic_k_14") == pytest.approx(100.0 * 14 / 15)
    # Typical prices 121..140: mean 130.5, mean deviation 5.
    assert last(frame, "cci_20") == pytest.approx(9.5 / (0.015 * 5.0))
    assert last(frame, "aroon_oscillator_25") == pytest.approx(100.0)


def test_bar_shape_of_one_bar():
    close = np.r_[np.full(20, 100.0), 103.0]
    frame = hourly(close, openings=np.r_[np.full(20, 100.0), 101.0], high=np.r_[np.full(20, 100.5), 105.0],
                   low=np.r_[np.full(20, 99.5), 100.0])  # fmt: skip
    assert last(frame, "body_share") == pytest.approx(2 / 5)
    assert last(frame, "upper_wick_share") == pytest.approx(2 / 5)
    assert last(frame, "lower_wick_share") == pytest.approx(1 / 5)
    assert last(frame, "close_location_share") == pytest.approx(3 / 5)
    # True ranges were 1, the last is 5: Wilder ATR (13 x 1 + 5) / 14.
    assert last(frame, "range_atr") == pytest.approx(5 / (18 / 14))
    assert last(frame, "opening_gap_atr") == pytest.approx(1 / (18 / 14))
    assert last(frame, "atr_pct_14") == pytest.approx(18 / 14 / 103)
    assert last(frame, "tick_atr") == pytest.approx(0.1 / (18 / 14))


def test_trend_measures_of_a_ramp():
    close = 100.0 + np.arange(60.0)
    frame = hourly(close, openings=close - 1.0, high=close, low=close - 1.0)
    assert last(frame, "efficiency_ratio_20") == pytest.approx(1.0)
    assert last(frame, "regression_r2_20") == pytest.approx(1.0)
    assert last(frame, "regression_slope_20_atr") == pytest.approx(1.0)
    assert last(frame, "distance_sma_20_atr") == pytest.approx(9.5)
    assert last(frame, "slope_sma_50_10_atr") == pytest.approx(10.0)
    assert (last(frame, "plus_di_14"), last(frame, "minus_di_14"), last(frame, "adx_14")) == pytest.approx(
        (100, 0, 100)
    )
    # |high - previous low| = 2, |low - previous high| = 0, true range 1.
    assert last(frame, "vortex_difference_14") == pytest.approx(2.0)
    assert last(frame, "choppiness_14") == pytest.approx(0.0, abs=1e-9)


def test_volatility_of_equal_moves():
    step = 0.001
    close = 100.0 * np.exp(step * np.cumsum(np.tile([1.0, -1.0], 40)))
    frame = hourly(close)
    assert last(frame, "realised_vol_20") == pytest.approx(step)
    assert last(frame, "realised_vol_ratio_10_60") == pytest.approx(0.0, abs=1e-12)
    assert last(frame, "downside_share_20") == pytest.approx(0.5)
    assert last(frame, "vol_of_vol_60") == pytest.approx(0.0, abs=1e-9)
    # Bipower pi/2 x n x step^2 exceeds the variance: no jump.
    assert last(frame, "jump_share_20") == 0.0
    # cov(r, previous r) = -step^2: Roll's spread is 2 steps.
    assert last(frame, "roll_spread_20") == pytest.approx(2 * step)
    assert last(frame, "autocorrelation_1_60") == pytest.approx(-1.0)
    # Five-bar returns are one step: variance ratio 1/5.
    assert last(frame, "variance_ratio_5_60") == pytest.approx(0.2)


def test_one_jump_is_all_the_variance():
    close = np.r_[np.full(10, 100.0), np.full(15, 101.0)]
    frame = hourly(close)
    assert last(frame, "jump_share_20") == pytest.approx(1.0)
    assert last(frame, "downside_share_20") == pytest.approx(0.0)


def test_range_volatility_of_constant_ranges():
    high, low = np.full(30, 101.0), np.full(30, 100.0)
    frame = hourly(np.full(30, 100.0), openings=np.full(30, 100.0), high=high, low=low)
    assert last(frame, "parkinson_vol_20") == pytest.approx(math.log(1.01) / math.sqrt(4 * math.log(2)))
    assert last(frame, "rogers_satchell_vol_20") == pytest.approx(math.log(1.01))
    # Yang-Zhang keeps (1 - k) of that variance: no gaps, no drift.
    k = 0.34 / (1.34 + 21 / 19)
    assert last(frame, "yang_zhang_ratio_20") == pytest.approx(0.5 * math.log(1 - k))
    # Equal ranges: b = 2 g, a = ln(H/L) (2 - sqrt 2 - 1) / (3 - 2 sqrt 2) = ln(H/L) (sqrt 2 - 1)^2 / ... = ln(H/L).
    scale = 3 - 2 * math.sqrt(2)
    alpha = math.log(1.01) * ((2 - math.sqrt(2)) / scale - 1 / math.sqrt(scale))
    assert alpha == pytest.approx(math.log(1.01))
    assert last(frame, "corwin_schultz_spread_20") == pytest.approx(2 * (1.01 - 1) / (1 + 1.01))


def test_volume_against_its_mean():
    frame = hourly(np.full(25, 100.0), volume=np.r_[np.full(24, 9.0), 49.0])
    # Mean of 20 is 11.
    assert last(frame, "volume_ratio_20") == pytest.approx(math.log(50 / 12))
    assert last(frame, "volume_z_20") == pytest.approx((49 - 11) / math.sqrt((19 * 4 + 38**2) / 20))


def test_flow_signs_volume_by_the_move():
    close = np.r_[100.0, 100.0 + np.cumsum(np.tile([1.0, 1.0, -1.0, 0.0], 6))]
    volume = np.r_[5.0, np.tile([30.0, 10.0, 20.0, 40.0], 6)]
    frame = hourly(close, volume=volume)
    assert last(frame, "obv_slope_20") == pytest.approx((30 + 10 - 20) / 100)
    kernel = money_flow(np.array([10.0, 11.0, 11.0, 10.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert kernel[1:].tolist() == [22.0, 0.0, -40.0]


def test_session_vwap_restarts_with_the_session():
    mean, deviation = session_vwap(
        np.array([9.0, 10.0, 20.0, 7.0, 8.0]), np.array([1.0, 1.0, 3.0, 0.0, 2.0]), np.array([0, 1, 1, 2, 2])
    )
    assert np.isnan(mean[0])
    assert mean[1:] == pytest.approx([10.0, 17.5, 7.0, 8.0])
    assert deviation[1:] == pytest.approx([0.0, math.sqrt((7.5**2 + 3 * 2.5**2) / 4), 0.0, 0.0])


def test_session_range_norm():
    number = np.array([0, 1, 1, 2, 3])
    top, bottom = np.array([np.nan, 10.0, 12.0, 9.0, 8.0]), np.array([np.nan, 9.0, 8.0, 8.0, 8.0])
    out = session_range_norm(top, bottom, np.array([1.0, 10.0, 10.0, 8.0, 8.0]), number, 2)
    assert np.isnan(out[:4]).all()
    assert out[4] == pytest.approx((4 / 10 + 1 / 8) / 2)


def test_previous_session_landmarks():
    sessions = sessions_of("MGC", 3)
    opened = sessions.open_us
    times = [opened[0], opened[1], opened[1] + 60 * MINUTE_US, opened[2]]
    frame = frame_of(
        "MGC", times, [t + 60 * MINUTE_US for t in times],
        sessions.trade_day[[0, 1, 1, 2]],
        {"open": np.array([1.0, 20.0, 22.0, 24.0]) + 1000, "high": np.array([1.0, 25.0, 23.0, 27.0]) + 1000,
         "low": np.array([1.0, 19.0, 21.0, 23.0]) + 1000, "close": np.array([1.0, 22.0, 23.0, 26.0]) + 1000},
        np.ones(4), np.ones(4),
    )  # fmt: skip
    arrays = Bars.from_frame(frame, 60)
    from factory_assets.features.kernels import session_state

    first, top, bottom, before_top, before_bottom, before_close = session_state(
        arrays.open, arrays.high, arrays.low, arrays.close, arrays.session_number
    )
    assert (first[3], top[3], bottom[3]) == (1024.0, 1027.0, 1023.0)
    assert (before_top[3], before_bottom[3], before_close[3]) == (1025.0, 1019.0, 1023.0)
    assert np.isnan(before_top[:3]).all()


def test_opening_range_holds_the_bar_that_closes_with_it():
    # Bars closing 10, 30 and 40 minutes after the open; the first session seen is masked.
    elapsed = np.array([10, 10, 30, 40]) * MINUTE_US
    top, bottom = opening_extremes(
        np.array([9.0, 5.0, 7.0, 8.0]), np.array([1.0, 4.0, 3.0, 2.0]), elapsed, np.array([0, 1, 1, 1]), 30 * MINUTE_US
    )
    assert np.isnan(top[0])
    assert top[1:].tolist() == [5.0, 7.0, 7.0]
    assert bottom[1:].tolist() == [4.0, 3.0, 3.0]


def test_kernels_on_small_arrays():
    assert trailing_median(np.array([5.0, 1.0, 3.0, 2.0, 9.0]), 3)[2:].tolist() == [3.0, 2.0, 3.0]
    assert trailing_median(np.array([5.0, 1.0, 3.0, 2.0]), 4)[3] == 2.5
    assert session_numbers(np.array([7, 7, 9, 12, 12], dtype=np.int32)).tolist() == [0, 0, 1, 2, 2]
    got = ratio(np.array([1.0, 1.0, np.nan, 1.0]), np.array([2.0, 0.0, 0.0, np.nan]), 7.0)
    assert got[:2].tolist() == [0.5, 7.0]
    assert np.isnan(got[2:]).all()


def test_ties_within_the_band_are_no_moves():
    price = 2000.0
    close = np.array([price, price * (1 + 5e-10), price * (1 + 5e-10) + 0.1])
    assert moves(close)[1:].tolist() == [0.0, 1.0]
    # Highs rise and lows fall by the same 0.1, but for rounding: an inside-out bar counts as neither.
    n = 40
    high = np.cumsum(np.full(n, 0.1)) + 0.3
    low = 100.0 - np.cumsum(np.full(n, 0.1))
    plus, minus, adx = directional(high + 100.0, low, np.full(n, 100.0), np.full(n, 1.0), 14)
    assert (plus[-1], minus[-1], adx[-1]) == (0.0, 0.0, 0.0)


def test_costs_are_ticks_times_tick_size_over_atr():
    rng = np.random.default_rng(5)
    close = 1900.0 + np.round(np.cumsum(rng.standard_normal(600)), 1)
    frame = hourly(close)
    values = compute(frame, ["tick_atr", "cost_atr"], minutes=60).iloc[-1]
    # MGC: 2.3 ticks in low, 3.3 in high volatility.
    assert values["cost_atr"] / values["tick_atr"] == pytest.approx(2.3) or values["cost_atr"] / values[
        "tick_atr"
    ] == pytest.approx(3.3)
    # Ranked only once twenty sessions after the first one seen are complete.
    known = compute(frame, ["cost_atr"], minutes=60)
    assert known.loc[known["cost_atr"].notna(), "trade_date"].iloc[0] == known["trade_date"].unique()[21]
    states = compute(frame, ["tick_atr", "cost_atr"], minutes=60).dropna()
    assert sorted(set((states["cost_atr"] / states["tick_atr"]).round(9))) == [2.3, 3.3]


def utc_us(*parts):
    return np.array([int(datetime(*parts, tzinfo=UTC).timestamp() * 1e6)])


@pytest.mark.parametrize(
    ("day", "zone", "parts", "minute"),
    [
        # Before both changes, between the American (12 March) and the British one (26 March), and after both.
        (date(2023, 3, 10), "America/Chicago", (2023, 3, 10, 14, 30), 8 * 60 + 30),
        (date(2023, 3, 14), "America/Chicago", (2023, 3, 14, 13, 30), 8 * 60 + 30),
        (date(2023, 3, 14), "Europe/London", (2023, 3, 14, 8, 0), 8 * 60),
        (date(2023, 3, 28), "Europe/London", (2023, 3, 28, 7, 0), 8 * 60),
        (date(2023, 3, 28), "Asia/Tokyo", (2023, 3, 28, 0, 0), 9 * 60),
        # The session of Monday opens on Sunday evening, after the change of that morning.
        (date(2023, 3, 13), "America/Chicago", (2023, 3, 12, 22, 0), 17 * 60),
    ],
)
def test_wall_clocks_follow_daylight_saving(day, zone, parts, minute):
    trade_day = np.array([(day - date(1970, 1, 1)).days], dtype=np.int32)
    assert minute_of_day(utc_us(*parts), trade_day, zone).tolist() == [minute]


def test_minutes_to_flat_and_clock_flags_of_one_gold_session():
    sessions = sessions_of("MGC", 3, date(2023, 3, 13))
    opened = int(sessions.open_us[1])
    times = np.arange(opened, int(sessions.close_us[1]), 60 * MINUTE_US)
    flat = np.full(len(times), 1900.0)
    frame = frame_of(
        "MGC", times, times + 60 * MINUTE_US, np.full(len(times), sessions.trade_day[1]),
        dict.fromkeys(("open", "high", "low", "close"), flat), np.ones(len(times)), np.ones(len(times)),
    )  # fmt: skip
    values = compute(frame, ["minutes_to_flat", "time_of_day_sin", "is_rth", "day_of_week_sin"], minutes=60)
    # Flat at 15:10 Chicago, 22 h 10 min after the open at 17:00; the first bar closes an hour later.
    assert values["minutes_to_flat"].iloc[0] == 21 * 60 + 10
    assert values["minutes_to_flat"].iloc[-2:].tolist() == [10.0, 0.0]
    assert values["time_of_day_sin"].iloc[5] == pytest.approx(1.0)
    # Closes on the hour from 18:00; pit hours 07:20-12:30 hold 08:00 to 12:00.
    assert values["is_rth"].to_numpy().nonzero()[0].tolist() == [14, 15, 16, 17, 18]
    assert values["day_of_week_sin"].iloc[0] == pytest.approx(math.sin(2 * math.pi / 5))
    assert isinstance(values["close_time"].dtype, pd.DatetimeTZDtype)
