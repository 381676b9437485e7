"""Microstructure worked out by hand: impact, spreads, quiet bars, classified volume, its memory and its pace."""

import math

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import compute
from factory_assets.features.microstructure_kernels import bulk_imbalance, session_share

from .test_feature_known_values import hourly, last

STEP = 0.001
# Share of a bar's volume that is bought rather than sold when it rises by one deviation: 2 Phi(1) - 1.
ONE_SIGMA = math.erf(1 / math.sqrt(2))


def path(steps):
    """Closes from 100 on with the given log returns."""
    return 100.0 * np.exp(np.cumsum(np.r_[0.0, steps]))


def zigzag(count):
    """Returns of one step, down and up in turn, the last one up."""
    return STEP * np.where(np.arange(count)[::-1] % 2 == 0, 1.0, -1.0)


@pytest.mark.parametrize("window", [20, 60])
def test_amihud_weighs_moves_by_the_volume_they_took_and_leaves_out_bars_without_trades(window):
    close, volume = path(zigzag(119)), np.full(120, 10.0)
    assert last(hourly(close, volume=volume), f"amihud_{window}") == pytest.approx(STEP)
    # Four times the median moved the price by a step: a quarter of the impact. The bar before did not trade.
    volume[-1], volume[-2] = 40.0, 0.0
    expected = ((window - 2) * STEP + STEP / 4) / (window - 1)
    assert last(hourly(close, volume=volume), f"amihud_{window}") == pytest.approx(expected)


@pytest.mark.parametrize("window", [20, 60])
def test_kyle_lambda_is_the_slope_of_returns_on_signed_volume(window):
    close, volume = path(zigzag(119)), np.full(120, 10.0)
    assert last(hourly(close, volume=volume), f"kyle_lambda_{window}") == pytest.approx(STEP)
    # The last rise took 4 medians: sums of x 3, of r 0, of x r (n + 3) steps, of x squared n + 15.
    volume[-1] = 40.0
    expected = (window + 3) * STEP / (window + 15 - 9 / window)
    assert last(hourly(close, volume=volume), f"kyle_lambda_{window}") == pytest.approx(expected)


@pytest.mark.parametrize("window", [20, 60])
def test_roll_spread_is_the_bounce_and_nothing_without_one(window):
    assert last(hourly(path(zigzag(70))), f"roll_spread_{window}") == pytest.approx(2 * STEP)
    # Two up, two down: neighbours agree as often as not, and rounding is not a spread.
    assert last(hourly(path(STEP * np.tile([1.0, 1.0, -1.0, -1.0], 18))), f"roll_spread_{window}") == 0.0


@pytest.mark.parametrize("window", [20, 60])
@pytest.mark.parametrize("gap", [7.0, -7.0])
def test_corwin_schultz_moves_a_gap_back_to_the_close_before(window, gap):
    # Equal ranges: a = ln(H/L), the spread is that of closes at the edges of every bar.
    close = np.full(70, 100.0 if gap > 0 else 101.0)
    openings, high, low = close.copy(), np.full(70, 101.0), np.full(70, 100.0)
    expected = 2 * (1.01 - 1) / (1 + 1.01)
    name = f"corwin_schultz_spread_{window}"
    assert last(hourly(close, openings=openings, high=high, low=low), name) == pytest.approx(expected)
    for values in (close, openings, high, low):
        values[-1] += gap
    assert last(hourly(close, openings=openings, high=high, low=low), name) == pytest.approx(expected)


def test_abdi_ranaldo_of_closes_at_the_edges_of_equal_bars_is_their_range():
    # ln(C/m) is half of ln(H/L) up or down, the same against the next middle: 2 sqrt(ln(H/L)^2 / 4).
    close = np.where(np.arange(70) % 2 == 0, 101.0, 100.0)
    frame = hourly(close, openings=close, high=np.full(70, 101.0), low=np.full(70, 100.0))
    assert last(frame, "abdi_ranaldo_spread_20") == pytest.approx(math.log(1.01))


def test_quiet_share_counts_moves_below_a_tenth_of_the_usual_size():
    # Every fourth move is a twentieth of the others, whose root mean square over 20 bars is 0.87 steps.
    steps = zigzag(80) * np.tile([0.05, 1.0, 1.0, 1.0], 20)
    assert last(hourly(path(steps)), "quiet_share_60") == pytest.approx(0.25)
    assert last(hourly(np.full(81, 100.0)), "quiet_share_60") == 1.0


def test_bulk_classification_of_one_sigma():
    got = bulk_imbalance(np.array([0.01, -0.01, 0.0]), np.array([0.01, 0.0, np.nan]), np.array([100.0, 100.0, 100.0]))
    assert got[:2] == pytest.approx([68.26894921370859, 0.0])
    assert np.isnan(got[2])


def test_flow_imbalance_and_vpin_of_equal_moves():
    # Rises take 30 contracts, falls 10; every move is one deviation.
    frame = hourly(path(zigzag(80)), volume=np.r_[10.0, np.where(zigzag(80) > 0, 30.0, 10.0)])
    for name in ("flow_imbalance_20", "flow_imbalance_60"):
        assert last(frame, name) == pytest.approx(ONE_SIGMA * (30 - 10) / (30 + 10))
    assert last(frame, "flow_imbalance_5") == pytest.approx(ONE_SIGMA * (3 * 30 - 2 * 10) / (3 * 30 + 2 * 10))
    assert last(frame, "vpin_50") == pytest.approx(ONE_SIGMA)
    silent = frame.assign(volume=np.r_[np.full(21, 5.0), np.zeros(60)])
    assert [last(silent, name) for name in ("flow_imbalance_5", "flow_imbalance_60", "vpin_50")] == [0.0] * 3


def test_session_share_restarts_and_is_masked_for_the_session_seen_first():
    part = np.array([9.0, 1.0, 2.0, -6.0, 0.0, 3.0, np.nan, 1.0])
    whole = np.array([9.0, 2.0, 2.0, 6.0, 0.0, 4.0, 1.0, 1.0])
    got = session_share(part, whole, np.array([0, 1, 1, 1, 2, 2, 3, 3]))
    assert np.isnan(got[[0, 6, 7]]).all()
    assert got[1:6] == pytest.approx([0.5, 0.75, -0.3, 0.0, 0.75])


def test_session_flow_imbalance_counts_from_the_open():
    # Two sessions of 23 hours and 3 bars of the next: up 30 contracts, down 10, up 30.
    moves = zigzag(48)
    frame = hourly(path(moves), volume=np.r_[10.0, np.where(moves > 0, 30.0, 10.0)])
    values = compute(frame, ["session_flow_imbalance"], minutes=60)
    assert values["trade_date"].nunique() == 3
    wanted = ONE_SIGMA * np.array([1.0, (30 - 10) / 40, (30 - 10 + 30) / 70])
    assert values["session_flow_imbalance"].iloc[-3:].to_numpy() == pytest.approx(wanted)
    # The first session is masked, the second known from its first bar: 20 returns lie before it.
    assert values["session_flow_imbalance"].isna().to_numpy().nonzero()[0].tolist() == list(range(23))


def test_memory_of_signed_volume():
    # Three up, one down, equal volumes: mean 1/2, variance 3/4, and neighbours (also 5 bars apart) agree half the time.
    frame = hourly(path(STEP * np.tile([1.0, 1.0, 1.0, -1.0], 32)))
    for name in (
        "signed_volume_autocorrelation_1_60",
        "signed_volume_autocorrelation_5_60",
        "signed_volume_return_correlation_1_60",
    ):
        assert last(frame, name) == pytest.approx(-1 / 3)
    assert last(hourly(np.full(130, 100.0)), "signed_volume_autocorrelation_1_60") == 0.0


def test_signed_volume_responds_by_size_not_by_sign_alone():
    # One rise in twelve takes 25 medians and the fall after it is five times as deep, in an up and down of one step.
    # Over 60 pairs: x sums to 30 - 30 + 5 x 24 = 120, x^2 to 55 + 5 x 625, r to -5 x 4 steps, r^2 to 55 + 5 x 25,
    # and x r to -(55 + 5 x 125).
    steps, volume = zigzag(144), np.full(145, 10.0)
    steps[-1::-12] *= 5.0
    volume[-2::-12] *= 25.0
    steps = -steps
    expected = (-680 + 120 * 20 / 60) / math.sqrt((3180 - 120**2 / 60) * (180 - 20**2 / 60))
    got = last(hourly(path(steps), volume=volume), "signed_volume_return_correlation_1_60")
    assert got == pytest.approx(expected)


def test_pace_of_a_bar_cut_short():
    frame = hourly(np.full(60, 100.0), volume=np.full(60, 10.0))
    assert last(frame, "trade_intensity_60") == pytest.approx(0.0, abs=1e-12)
    # Ten contracts in half an hour: a pace of 20 an hour.
    closes = frame["close_time"].copy()
    closes.iloc[-1] = frame["open_time"].iloc[-1] + pd.Timedelta(minutes=30)
    assert last(frame.assign(close_time=closes), "trade_intensity_60") == pytest.approx(math.log(21 / 11))
