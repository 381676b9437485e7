"""Momentum and moving averages, worked out by hand."""

import math

import numpy as np
import pytest
import talib

from factory_assets.features import compute
from factory_assets.features.bars import Bars

from .feature_worlds import bars
from .test_feature_known_values import hourly, last
from .test_known_values_trend import off_the_grid


def test_log_returns_over_the_ten_horizons():
    close = 100.0 * np.exp(0.001 * np.arange(121.0))
    for k in (1, 2, 3, 5, 10, 15, 20, 30, 60, 120):
        assert last(hourly(close), f"log_return_{k}") == pytest.approx(0.001 * k)


def test_true_strength_of_one_way_and_of_a_see_saw():
    assert last(hourly(1000.0 + np.arange(100.0)), "true_strength_25_13") == pytest.approx(100.0)
    assert last(hourly(1000.0 - np.arange(100.0)), "true_strength_25_13") == pytest.approx(-100.0)
    # Moves -1, 1 in turn. An average of weight a settles to swing between -v and v: v = -v + a (1 + v) = a / (2 - a).
    # The average of that of weight b swings by v x b / (2 - b). With 2/26 and 2/14: 1/25 x 1/13.
    up_at_last = 1000.0 + np.r_[0.0, np.cumsum(np.tile([-1.0, 1.0], 300))]
    assert last(hourly(up_at_last), "true_strength_25_13") == pytest.approx(100.0 / (25 * 13))


def test_triple_exponential_of_constant_growth_is_the_growth():
    close = 1000.0 * 1.001 ** np.arange(400.0)
    assert last(hourly(close), "trix_15_pct") == pytest.approx(0.1)


def test_ultimate_oscillator_of_equal_bars():
    # Each bar closes 1 above the close before, 3/4 up its range of 4: low = close - 3, and the close before is above.
    close = 1000.0 + np.arange(40.0)
    frame = hourly(close, openings=close, high=close + 1.0, low=close - 3.0)
    assert last(frame, "ultimate_oscillator_7_14_28") == pytest.approx(75.0)
    # The last bar gaps up: true low is the close before, 1039; its true range 51 - 0 to 1090 + 1.
    high, low = close + 1.0, close - 3.0
    close, high, low = np.r_[close, 1090.0], np.r_[high, 1091.0], np.r_[low, 1088.0]
    frame = hourly(close, openings=close, high=high, low=low)
    shares = [(3 * (k - 1) + 51) / (4 * (k - 1) + 52) for k in (7, 14, 28)]
    assert last(frame, "ultimate_oscillator_7_14_28") == pytest.approx(
        100 * (4 * shares[0] + 2 * shares[1] + shares[2]) / 7
    )


def test_stochastic_rsi_says_where_the_index_stands_in_its_range():
    # Thirty rising closes hold RSI at 100, then falls push it down bar by bar: at its lowest, 0.
    close = np.r_[1000.0 + np.arange(30.0), 1029.0 - np.arange(1.0, 6.0)]
    assert last(hourly(close), "stochastic_rsi_14") == 0.0
    # One rise of 1 after them. With G and L the averages, both x 13/14, plus 1/14 for the gain.
    gain, loss = 1.0, 0.0
    values = [100.0]
    for move in (-1, -1, -1, -1, -1, 1):
        gain, loss = (13 * gain + max(move, 0)) / 14, (13 * loss + max(-move, 0)) / 14
        values.append(100 * gain / (gain + loss))
    expected = 100 * (values[-1] - min(values)) / (100.0 - min(values))
    assert last(hourly(np.r_[close, 1025.0]), "stochastic_rsi_14") == pytest.approx(expected)


def test_stochastic_rsi_is_neutral_while_the_index_moves_by_rounding_alone():
    # On flat closes both averages shrink by 13/14: their ratio stays, but for the last bits.
    close = np.r_[1000.0 + np.cumsum(np.tile([2.0, -1.3], 20)), np.full(20, 1014.0)]
    frame = hourly(close)
    index = compute(frame, ["rsi_14"], minutes=60)["rsi_14"].to_numpy()[-14:]
    assert 0.0 < np.ptp(index) < 1e-9
    assert last(frame, "stochastic_rsi_14") == 50.0


def test_macd_line_signal_and_histogram_of_a_ramp():
    # An average of weight 2 / (k + 1) trails a ramp by (k - 1) / 2: 12.5 - 5.5 = 7 apart, for ever; ATR 1.
    close = 1000.0 + np.arange(600.0)
    frame = hourly(close, openings=close - 1.0, high=close, low=close - 1.0)
    assert last(frame, "macd_line_12_26_atr") == pytest.approx(7.0)
    assert last(frame, "macd_signal_12_26_9_atr") == pytest.approx(7.0)
    assert last(frame, "macd_histogram_12_26_9_atr") == pytest.approx(0.0, abs=1e-9)


def test_distances_slopes_and_spreads_of_averages_of_a_ramp():
    close = 1000.0 + np.arange(900.0)
    frame = hourly(close, openings=close - 1.0, high=close, low=close - 1.0)
    values = compute(frame, minutes=60).iloc[-1]
    for k in (9, 12, 21, 26, 50):
        assert values[f"distance_ema_{k}_atr"] == pytest.approx((k - 1) / 2)
    for name, rows in (("ema_9", 3), ("ema_21", 5), ("sma_20", 5), ("sma_50", 10), ("sma_100", 20), ("sma_200", 50)):
        assert values[f"slope_{name}_{rows}_atr"] == pytest.approx(rows), name
    for name in ("ema_9_21", "ema_21_50", "sma_20_100", "sma_50_200"):
        fast, slow = (int(part) for part in name.split("_")[1:])
        assert values[f"spread_{name}_atr"] == pytest.approx((slow - fast) / 2), name
    # Efficiency 1: an average of weight 4/9 trails by 5/4, and rises as the ramp does.
    assert values["distance_kama_10_atr"] == pytest.approx(5 / 4)
    assert values["slope_kama_10_5_atr"] == pytest.approx(5.0)


def test_momentum_equals_talib_where_no_tie_decides():
    frame = off_the_grid(bars(30, sessions=40, seed=12), seed=11)
    values = compute(frame)
    a = Bars.from_frame(frame)
    expected = {
        "trix_15_pct": talib.TRIX(a.close, 15),
        "ultimate_oscillator_7_14_28": talib.ULTOSC(a.high, a.low, a.close, 7, 14, 28),
        "stochastic_rsi_14": talib.STOCHRSI(a.close, 14, 14, 1)[0],
        "macd_signal_12_26_9_atr": talib.MACD(a.close, 12, 26, 9)[1] / talib.ATR(a.high, a.low, a.close, 14),
    }
    for name, wanted in expected.items():
        assert np.isfinite(wanted[50:]).all()
        np.testing.assert_allclose(values[name].to_numpy()[50:], wanted[50:], rtol=1e-9, atol=1e-9, err_msg=name)


def test_momentum_is_neutral_on_flat_prices_and_long_after_a_jump():
    expected = {
        "stochastic_rsi_14": 50.0, "trix_15_pct": 0.0, "true_strength_25_13": 0.0, "ultimate_oscillator_7_14_28": 50.0,
        "macd_signal_12_26_9_atr": 0.0, "log_return_120": 0.0, "session_body_share": 0.0, "spread_sma_50_200_atr": 0.0,
        "slope_sma_200_50_atr": 0.0,
    }  # fmt: skip
    flat = compute(hourly([1843.7] * 300), minutes=60).iloc[-1]
    assert {name: flat[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    # Three hundred flat bars after a jump: a rounding remnant is no movement.
    for level in (1843.7, 1843.7 * 1.37):
        after = compute(hourly(np.r_[np.full(300, level / 1.3), np.full(400, level)]), minutes=60).iloc[-1]
        assert {name: after[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_last_bit_noise_moves_no_oscillator():
    price = 1843.7
    close = np.where(np.arange(300) % 3 == 0, price, math.nextafter(price, math.inf))
    values = compute(hourly(close), minutes=60).iloc[-1]
    expected = {
        "stochastic_rsi_14": 50.0, "true_strength_25_13": 0.0, "ultimate_oscillator_7_14_28": 50.0, "hurst_120": 0.5,
        "supertrend_direction_10_3": 1.0, "rsi_14": 50.0, "regression_r2_60": 0.0, "session_body_share": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-9)
