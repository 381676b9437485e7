"""What has to hold for every feature on any bars: finite, blind to the price level, the same live as in batch."""

import numpy as np
import pytest
import talib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory_assets.features import catalogue, compute
from factory_assets.features.bars import Bars

from .feature_worlds import bars, hostile

SPECS = catalogue()
NAMES = [spec.name for spec in SPECS]
LONGEST = max(spec.lookback_bars(60) for spec in SPECS)
SLOW_START = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def usual_size(spec) -> float:
    """Size of a feature on ordinary bars: a basis point for returns and shares of the price, 1 for everything else."""
    return 1e-4 if spec.unit.startswith("log") or spec.unit == "share of price" else 1.0


def rescaled(frame, factor):
    prices = ["open", "high", "low", "close"]
    return frame.assign(**{name: frame[name] * factor for name in prices})


@SLOW_START
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(560, 900))
def test_finite_on_hostile_bars_after_warm_up_and_never_infinite(seed, rows):
    values = compute(hostile(np.random.default_rng(seed), rows))
    for spec in SPECS:
        column = values[spec.name].to_numpy()
        settled = column[spec.warmup_bars(60) :]
        assert np.isfinite(settled).all(), spec.name
        assert not np.isinf(column).any(), spec.name


@SLOW_START
@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([1.37, 0.731, 1e-3, 517.0]))
def test_price_level_does_not_matter_on_hostile_bars(seed, factor):
    frame = hostile(np.random.default_rng(seed), 700)
    plain, scaled = compute(frame), compute(rescaled(frame, factor))
    for spec in SPECS:
        if spec.scale_invariant:
            size = np.nanmean(np.abs(plain[spec.name]))
            np.testing.assert_allclose(
                scaled[spec.name],
                plain[spec.name],
                rtol=1e-8,
                atol=1e-8 * max(size, usual_size(spec)),
                err_msg=spec.name,
            )


def test_traded_group_does_depend_on_the_price_level():
    frame = hostile(np.random.default_rng(0), 700)
    names = [spec.name for spec in SPECS if not spec.scale_invariant]
    assert names == ["tick_atr", "cost_atr"]
    plain, scaled = compute(frame, names).dropna(), compute(rescaled(frame, 2.0), names).dropna()
    np.testing.assert_allclose(scaled["tick_atr"], plain["tick_atr"] / 2.0)


@pytest.mark.parametrize(("width", "sessions"), [(5, 26), (25, 40), (60, 60)])
def test_last_row_of_a_trailing_window_equals_batch(width, sessions):
    frame = bars(width, sessions=sessions, seed=width, roll_every=9)
    batch = compute(frame)
    needed = max(spec.lookback_bars(width) for spec in SPECS)
    sizes = {name: np.nanmean(np.abs(batch[name])) for name in NAMES}
    rows = np.random.default_rng(width).integers(needed, len(frame), 8)
    for row in rows:
        live = compute(frame.iloc[row - needed + 1 : row + 1], minutes=width).iloc[-1]
        assert live["close_time"] == batch["close_time"].iloc[row]
        for spec in SPECS:
            expected = batch[spec.name].iloc[row]
            assert live[spec.name] == pytest.approx(expected, rel=1e-9, abs=1e-9 * sizes[spec.name]), spec.name


def test_warm_up_is_masked_and_not_longer_than_declared():
    frame = bars(60, sessions=60, seed=2)
    values = compute(frame)
    for spec in SPECS:
        known = values[spec.name].notna().to_numpy()
        first = int(known.argmax())
        assert known[first:].all(), spec.name
        assert first <= spec.warmup_bars(60) <= spec.lookback_bars(60), spec.name
        if spec.warmup.sessions == 0:
            assert first == spec.warmup_bars(60), spec.name


def test_lookbacks_fit_forty_sessions():
    assert max(spec.lookback_bars(60) for spec in SPECS) <= 40 * 23
    assert max(spec.lookback_bars(1) for spec in SPECS) <= 25 * 1380


def test_a_rank_among_sessions_needs_the_average_settled_at_their_beginning():
    # A burst before the ranked sessions stays in their first averages: without it those rank elsewhere.
    frame = bars(60, sessions=75, seed=2)
    needed = next(spec for spec in SPECS if spec.name == "cost_atr").lookback_bars(60)
    burst, points = slice(len(frame) - 300 - 22 * 23, len(frame) - 300 - 21 * 23), 0.02 * frame["close"].mean()
    frame.iloc[burst, frame.columns.get_loc("high")] += points
    frame.iloc[burst, frame.columns.get_loc("low")] -= points
    batch = compute(frame, ["cost_atr"])["cost_atr"].to_numpy()
    rows = range(len(frame) - 300, len(frame), 2)
    alone = [compute(frame.iloc[row - needed + 1 : row + 1], ["cost_atr"], minutes=60).iloc[-1, -1] for row in rows]
    np.testing.assert_allclose(alone, batch[-300::2], rtol=1e-9)


def test_bounded_features_stay_within_their_bounds():
    frame = bars(15, sessions=40, seed=8)
    values = compute(frame)
    limits = {"0-100": (0, 100), "-100-100": (-100, 100), "share": (-1, 1), "flag": (0, 1)}
    checked = 0
    for spec in SPECS:
        if spec.unit in limits and spec.scaling != "robust":
            low, high = limits[spec.unit]
            assert low - 1e-9 <= values[spec.name].min() <= values[spec.name].max() <= high + 1e-9, spec.name
            checked += 1
    assert checked >= 20


def test_own_kernels_equal_talib_where_no_tie_decides():
    rng = np.random.default_rng(11)
    frame = bars(30, sessions=40, seed=12)
    # Prices off the tick grid: no two moves are equal.
    noise = 1.0 + 1e-5 * rng.random(len(frame))
    frame = frame.assign(close=frame["close"] * noise)
    frame = frame.assign(
        high=frame[["high", "close"]].max(axis=1) * noise, low=frame[["low", "close"]].min(axis=1) / noise
    )
    values = compute(frame)
    a = Bars.from_frame(frame)
    expected = {
        "adx_14": talib.ADX(a.high, a.low, a.close, 14),
        "plus_di_14": talib.PLUS_DI(a.high, a.low, a.close, 14),
        "minus_di_14": talib.MINUS_DI(a.high, a.low, a.close, 14),
        "mfi_14": talib.MFI(a.high, a.low, a.close, a.volume, 14),
        "rsi_14": talib.RSI(a.close, 14),
        "cci_20": talib.CCI(a.high, a.low, a.close, 20),
        "atr_pct_14": talib.NATR(a.high, a.low, a.close, 14) / 100.0,
        "regression_slope_20_atr": talib.LINEARREG_SLOPE(a.close, 20) / talib.ATR(a.high, a.low, a.close, 14),
    }
    for name, wanted in expected.items():
        # TA-Lib's directional averages start from other values; the start has decayed after 500 bars.
        np.testing.assert_allclose(values[name].to_numpy()[500:], wanted[500:], rtol=1e-7, atol=1e-7, err_msg=name)
