"""Returns and momentum: how far and how steadily the price moved.

Belongs here: oscillators of the close and its recent range. Does not: distances to averages
(:mod:`factory_assets.features.moving_averages`) or regressions (:mod:`factory_assets.features.trend`).
"""

import numpy as np
import talib

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars, log_change
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import TIE_SHARE, rows_since_extreme
from factory_assets.features.spec import Span
from factory_assets.indicators import ewm_settle_bars, rolling_max, rolling_mean, rolling_min, wilder_atr
from factory_assets.indicators import wilder_settle_bars as settle

GROUP = "returns"
_RETURN_BARS = (1, 3, 5, 10, 20, 60)
_RSI_BARS = (7, 14, 21)
_RSI_WEIGHT = 1e-11


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=f"log_return_{bars}", unit="log", scaling="robust", lookback=Span(bars=bars + 1))
        for bars in _RETURN_BARS
    ],
)
def log_returns(bars: Bars) -> tuple[np.ndarray, ...]:
    """ln(close / close k bars ago): the return of holding for k bars, exactly 0 between closes equal within 1e-9.

    References
    ----------
    Campbell, Lo and MacKinlay (1997), The Econometrics of Financial Markets, p. 11.
    """
    return tuple(log_change(bars.close, k) for k in _RETURN_BARS)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(
            name=f"rsi_{period}",
            unit="0-100",
            scaling="minmax",
            lookback=Span(bars=settle(period, _RSI_WEIGHT)),
            warmup=Span(bars=period),
        )
        for period in _RSI_BARS
    ],
)
def rsi(bars: Bars) -> tuple[np.ndarray, ...]:
    """100 x average gain / (average gain + average loss), Wilder's averages (TA-Lib RSI).

    50 where the average move is below 0.01 basis points of the price, the remnant of a long flat stretch: TA-Lib says 0
    there, by a threshold in absolute points.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 63.
    """
    values = []
    for period in _RSI_BARS:
        moved = wilder_atr(bars.close, bars.close, bars.close, period)
        values.append(np.where(moved <= PRICE_FLOOR_SHARE * bars.close, 50.0, talib.RSI(bars.close, period)))
    return tuple(values)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(name="stochastic_k_14", unit="0-100", scaling="minmax", lookback=Span(bars=14)),
        Output(name="stochastic_d_14_3", unit="0-100", scaling="minmax", lookback=Span(bars=16)),
    ],
)
def stochastic(bars: Bars) -> tuple[np.ndarray, ...]:
    """%K = 100 x (close - lowest low) / (highest high - lowest low) of 14 bars (TA-Lib STOCHF); %D = its 3-bar mean.

    50 where the 14 bars have no range.

    References
    ----------
    Lane (1984), Lane's Stochastics, Technical Analysis of Stocks and Commodities 2(3).
    """
    fast, _ = talib.STOCHF(bars.high, bars.low, bars.close, fastk_period=14, fastd_period=1)
    flat = rolling_max(bars.high, 14) - rolling_min(bars.low, 14) <= TIE_SHARE * bars.close
    fast = np.where(flat, 50.0, fast)
    return fast, rolling_mean(fast, 3)


_MACD_BARS = 33 + ewm_settle_bars(26)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=name,
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=_MACD_BARS + extra),
            warmup=Span(bars=33),
        )
        for name, extra in (("macd_line_12_26_atr", 0), ("macd_histogram_12_26_9_atr", ewm_settle_bars(9)))
    ],
)
def macd(bars: Bars) -> tuple[np.ndarray, ...]:
    """(EMA12 - EMA26) / ATR14, and that line minus its own EMA9 / ATR14 (TA-Lib MACD).

    References
    ----------
    Appel (2005), Technical Analysis: Power Tools for Active Investors (MACD).
    """
    line, _, histogram = talib.MACD(bars.close, fastperiod=12, slowperiod=26, signalperiod=9)
    return line / bars.yardstick, histogram / bars.yardstick


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[Output(name="cci_20", unit="1", scaling="robust", lookback=Span(bars=20))],
)
def commodity_channel(bars: Bars) -> np.ndarray:
    """(typical price - its 20-bar mean) / (0.015 x mean absolute deviation), typical = (high + low + close) / 3.

    TA-Lib CCI; 0 where the 20 typical prices are equal within 1e-9, where TA-Lib divides rounding noise by itself.

    References
    ----------
    Lambert (1980), Commodity Channel Index: Tools for Trading Cyclic Trends, Commodities, October.
    """
    typical = (bars.high + bars.low + bars.close) / 3.0
    flat = rolling_max(typical, 20) - rolling_min(typical, 20) <= TIE_SHARE * bars.close
    return np.where(flat, 0.0, talib.CCI(bars.high, bars.low, bars.close, 20))


@family(
    group=GROUP,
    inputs=("high", "low"),
    outputs=[Output(name="aroon_oscillator_25", unit="-100-100", scaling="minmax", lookback=Span(bars=26))],
)
def aroon(bars: Bars) -> np.ndarray:
    """Aroon up minus Aroon down: 100 x (rows since the lowest low - rows since the highest high) / 25.

    Of extremes equal within 1e-9 the latest counts, so that rounding never decides; otherwise TA-Lib's AROONOSC.

    References
    ----------
    Chande (1995), A Time Price Oscillator, Technical Analysis of Stocks and Commodities 13(9).
    """
    return (rows_since_extreme(bars.low, 26, -1.0) - rows_since_extreme(bars.high, 26, 1.0)) * (100.0 / 25)


FAMILIES: tuple[FeatureFamily, ...] = (log_returns, rsi, stochastic, macd, commodity_channel, aroon)
