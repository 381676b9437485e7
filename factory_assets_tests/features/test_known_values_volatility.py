"""Volatility and its channels worked out by hand."""

import math

import numpy as np
import pytest

from factory_assets.features import compute

from .test_feature_known_values import hourly, last

STEP = 0.001


def path(steps):
    """Closes from 100 on with the given log returns."""
    return 100.0 * np.exp(np.cumsum(np.r_[0.0, steps]))


def alternating(sizes):
    return np.asarray(sizes) * np.where(np.arange(len(sizes)) % 2 == 0, 1.0, -1.0)


def test_average_ranges_after_one_wide_bar():
    # True ranges of 2, the last one 9: (6 x 2 + 9) / 7 = 3, (13 x 2 + 9) / 14 = 2.5, (20 x 2 + 9) / 21 = 7 / 3.
    close = np.full(40, 100.0)
    frame = hourly(close, high=np.r_[close[1:] + 1, 105.0], low=np.r_[close[1:] - 1, 96.0])
    assert last(frame, "atr_pct_7") == pytest.approx(0.03)
    assert last(frame, "atr_pct_14") == pytest.approx(0.025)
    assert last(frame, "atr_pct_21") == pytest.approx(7 / 300)
    assert last(frame, "atr_ratio_7_21") == pytest.approx(math.log(9 / 7))


def test_realised_volatility_over_all_windows_after_five_double_moves():
    # Squares of 1 step, the last five of 4: over k bars (k - 5 + 20) / k.
    frame = hourly(path(alternating(np.r_[np.full(125, STEP), np.full(5, 2 * STEP)])))
    expected = {5: 4.0, 10: 2.5, 20: 1.75, 60: 1.25, 120: 1.125}
    for bars in (10, 20, 60, 120):
        assert last(frame, f"realised_vol_{bars}") == pytest.approx(STEP * math.sqrt(expected[bars]))
    for short, long in ((5, 20), (10, 60), (20, 120)):
        wanted = 0.5 * math.log(expected[short] / expected[long])
        assert last(frame, f"realised_vol_ratio_{short}_{long}") == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("close", "variance_share"),
    [
        # A bar that comes back to its open counts half its squared range, one that is all body 3/2 - 2 ln 2 of it.
        (100.0, 0.5),
        (101.0, 1.5 - 2 * math.log(2)),
    ],
)
def test_garman_klass_against_parkinson(close, variance_share):
    n = 30
    frame = hourly(np.full(n, close), openings=np.full(n, 100.0), high=np.full(n, 101.0), low=np.full(n, 100.0))
    # Parkinson: 1 / (4 ln 2) of the squared range.
    wanted = 0.5 * math.log(variance_share * 4 * math.log(2))
    assert last(frame, "garman_klass_ratio_20") == pytest.approx(wanted)


def test_parkinson_against_closes_when_nothing_happens_inside_the_bars():
    close = path(alternating(np.full(40, STEP)))
    frame = hourly(close, openings=np.r_[close[0], close[:-1]])
    assert last(frame, "parkinson_ratio_20") == pytest.approx(-0.5 * math.log(4 * math.log(2)))
    # Twice the range around the same closes: ln 2 more.
    middle = np.sqrt(close * np.r_[close[0], close[:-1]])
    wide = hourly(close, openings=middle, high=middle * math.exp(STEP), low=middle * math.exp(-STEP))
    assert last(wide, "parkinson_ratio_20") == pytest.approx(math.log(2) - 0.5 * math.log(4 * math.log(2)))


@pytest.mark.parametrize(("ago", "spell_rows"), [(0, 1), (4, 5), (9, 10), (30, 10)])
def test_volatility_of_volatility_of_one_move(ago, spell_rows):
    # One of 60 returns is not 0; k of 60 ten-bar volatilities hold it: sd / mean = sqrt(60 / k - 1).
    steps = np.zeros(80)
    steps[79 - ago] = STEP
    frame = hourly(path(steps))
    assert last(frame, "vol_of_vol_60") == pytest.approx(math.sqrt(59))
    assert last(frame, "vol_of_vol_10_60") == pytest.approx(math.sqrt(60 / spell_rows - 1))


def test_shares_of_falls_and_jumps_by_window():
    # One fall of 2 steps 30 bars ago, rises of 1 step: 4 of 63 in 60 bars, nothing in 20.
    steps = np.full(80, STEP)
    steps[49] = -2 * STEP
    frame = hourly(path(steps))
    assert last(frame, "downside_share_60") == pytest.approx(4 / 63)
    assert last(frame, "downside_share_20") == 0.0
    # One of ten steps among steps of one: squares 59 + 100, products of neighbours 58 + 2 x 10.
    steps = alternating(np.full(80, STEP))
    steps[49] *= 10.0
    frame = hourly(path(steps))
    assert last(frame, "jump_share_60") == pytest.approx(1 - 0.5 * math.pi * 78 / 159)
    assert last(frame, "jump_share_20") == 0.0


def test_bollinger_width_among_those_of_120_bars():
    # Closes 1, 2 and at last 1.5 points either side of 100: widths 4, 8 and 6 %.
    close = 100.0 + alternating(np.r_[np.full(80, 1.0), np.full(40, 2.0), np.full(20, 1.5)])
    assert last(hourly(close), "bollinger_width_20") == pytest.approx(0.06)
    assert last(hourly(close), "bollinger_width_position_120") == pytest.approx(0.5)
    # The narrowest of all is Bollinger's squeeze; the widest is 1.
    narrow = np.r_[close[:-20], 100.0 + alternating(np.full(20, 0.5))]
    assert last(hourly(narrow), "bollinger_width_position_120") == pytest.approx(0.0)
    wide = np.r_[close[:-20], 100.0 + alternating(np.full(20, 3.0))]
    assert last(hourly(wide), "bollinger_width_position_120") == pytest.approx(1.0)


def test_keltner_lines_of_ten_bars():
    # Typical prices 100 and (104 + 99 + 103) / 3 = 102: mean 100.2; true ranges 2 and 5: mean 2.3.
    close = np.r_[np.full(19, 100.0), 103.0]
    frame = hourly(close, openings=np.full(20, 100.0), high=np.r_[np.full(19, 101.0), 104.0], low=np.full(20, 99.0))
    assert last(frame, "keltner_position_10") == pytest.approx(2.8 / 2.3)
    assert last(frame, "keltner_width_10") == pytest.approx(4.6 / 100.2)


def test_keltner_counts_a_gap_as_range():
    # Nine bars at 100 and one at 110, none with a range of its own: mean 101, mean true range 1.
    frame = hourly(np.r_[np.full(19, 100.0), 110.0])
    assert last(frame, "keltner_position_10") == pytest.approx(9.0)
    assert last(frame, "keltner_width_10") == pytest.approx(2 / 101)


def test_flat_prices_have_neutral_volatility():
    values = compute(hourly([1843.7] * 200), minutes=60).iloc[-1]
    expected = {
        "atr_pct_7": 0.0, "atr_pct_21": 0.0, "realised_vol_10": 0.0, "realised_vol_120": 0.0,
        "realised_vol_ratio_5_20": 0.0, "realised_vol_ratio_20_120": 0.0, "parkinson_ratio_20": 0.0,
        "garman_klass_ratio_20": 0.0, "vol_of_vol_60": 0.0, "vol_of_vol_10_60": 0.0, "downside_share_60": 0.5,
        "jump_share_60": 0.0, "bollinger_width_position_120": 0.5, "keltner_position_10": 0.0, "keltner_width_10": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-9)
