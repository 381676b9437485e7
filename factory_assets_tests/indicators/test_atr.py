"""ATR against TA-Lib, by hand, and on adjusted prices."""

import numpy as np
import pandas as pd
import pytest
import talib

from factory_assets.indicators import atr_percent, true_range, wilder_atr, wilder_settle_bars
from factory_assets.vocabulary.errors import BadInputError


def _walk(n, seed=0):
    rng = np.random.default_rng(seed)
    close = 4000.0 + rng.normal(size=n).cumsum()
    reach = np.abs(rng.normal(size=(2, n)))
    return close + reach[0], close - reach[1], close


@pytest.mark.parametrize("period", [2, 7, 14, 21])
@pytest.mark.parametrize("n", [1, 14, 15, 16, 3000])
def test_equals_talib(period, n):
    bars = _walk(n)
    np.testing.assert_allclose(wilder_atr(*bars, period=period), talib.ATR(*bars, timeperiod=period), rtol=1e-13)


def test_by_hand():
    high, low, close = [10.0, 12.0, 11.0, 20.0], [9.0, 11.0, 8.0, 18.0], [9.5, 11.5, 9.0, 19.0]
    np.testing.assert_allclose(true_range(high, low, close), [1.0, 2.5, 3.5, 11.0])
    np.testing.assert_allclose(wilder_atr(high, low, close, period=2), [np.nan, np.nan, 3.0, (3.0 + 11.0) / 2])


def test_start_of_history_is_forgotten_after_the_settle_length():
    bars = _walk(2000, seed=4)
    settle = wilder_settle_bars(14)
    whole = wilder_atr(*bars)
    for start in (100, 901):
        part = wilder_atr(*(column[start:] for column in bars))
        np.testing.assert_allclose(part[settle:], whole[start + settle :], rtol=2e-12)
        # One bar in ten of that length is not enough: the declared number is not idle.
        assert abs(part[settle // 10] / whole[start + settle // 10] - 1) > 1e-9


def test_percent_ignores_the_level_and_the_jump_of_a_roll():
    high, low, close = _walk(400, seed=2)
    plain = pd.DataFrame({"high": high, "low": low, "close": close, "adjustment_ratio": 1.0})
    rolled = plain.copy()
    rolled.loc[200:, ["high", "low", "close"]] *= 1.25  # the later month trades a quarter higher
    rolled.loc[200:, "adjustment_ratio"] = 1 / 1.25
    np.testing.assert_allclose(atr_percent(rolled), atr_percent(plain), rtol=1e-12)
    np.testing.assert_allclose(atr_percent(plain), talib.ATR(high, low, close, 14) / close, rtol=1e-12)
    unadjusted = rolled.assign(adjustment_ratio=1.0)
    assert atr_percent(unadjusted)[200] > 5 * atr_percent(plain)[200]


def test_refuses_bars_it_would_never_recover_from():
    high, low, close = _walk(50)
    high[7] = np.nan
    with pytest.raises(BadInputError, match="high: 1 non-finite values, the first at row 7"):
        wilder_atr(high, low, close)
    with pytest.raises(BadInputError, match="different lengths"):
        true_range(high[1:], low, close)
    with pytest.raises(BadInputError, match=r"lack \['adjustment_ratio'\]"):
        atr_percent(pd.DataFrame({"high": low, "low": low, "close": low}))
    zero = pd.DataFrame({"high": low, "low": low, "close": 0.0 * low, "adjustment_ratio": 1.0})
    with pytest.raises(BadInputError, match="positive closes"):
        atr_percent(zero)
