"""Returns and momentum: how far and how steadily the price moved.

Belongs here: oscillators of the close and its recent range. Does not: distances to averages
(:mod:`factory_assets.features.moving_averages`) or regressions (:mod:`factory_assets.features.trend`).
"""

import numpy as np
import talib

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars, log_change
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import TIE_SHARE, beyond_tie, ratio, rows_since_extreme
from factory_assets.features.spec import Span
from factory_assets.indicators import ewm_settle_bars, rolling_max, rolling_mean, rolling_min, rolling_sum, wilder_atr
from factory_assets.indicators import wilder_settle_bars as settle

GROUP = "returns"
_RETURN_BARS = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120)
_RSI_BARS = (7, 14, 21)
_RSI_WEIGHT = 1e-13
# Points of RSI: what rounding moves on a flat stretch is far below.
_RSI_TIE = 0.01


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
    return tuple(_strength(bars.close, period) for period in _RSI_BARS)


def _strength(close: np.ndarray, period: int) -> np.ndarray:
    moved = wilder_atr(close, close, close, period)
    return np.where(moved <= PRICE_FLOOR_SHARE * close, 50.0, talib.RSI(close, period))


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(
            name="stochastic_rsi_14",
            unit="0-100",
            scaling="minmax",
            # The range of the index may be a thousandth of the index itself, so its start has to fade further.
            lookback=Span(bars=settle(14, 1e-16) + 13),
            warmup=Span(bars=27),
        )
    ],
)
def stochastic_strength(bars: Bars) -> np.ndarray:
    """100 x (RSI14 - its lowest) / (its highest - its lowest) of 14 bars; 50 where they lie within 0.01 of each other.

    References
    ----------
    Chande and Kroll (1994), The New Technical Trader (StochRSI).
    """
    strength = _strength(bars.close, 14)
    lowest = rolling_min(strength, 14)
    width = rolling_max(strength, 14) - lowest
    return ratio(100.0 * (strength - lowest), np.where(width <= _RSI_TIE, 0.0, width), 50.0)


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
        for name, extra in (
            ("macd_line_12_26_atr", 0),
            ("macd_signal_12_26_9_atr", ewm_settle_bars(9)),
            ("macd_histogram_12_26_9_atr", ewm_settle_bars(9)),
        )
    ],
)
def macd(bars: Bars) -> tuple[np.ndarray, ...]:
    """Line: EMA12 - EMA26; signal: the line's EMA9; histogram: line - signal; each / ATR14 (TA-Lib MACD).

    References
    ----------
    Appel (2005), Technical Analysis: Power Tools for Active Investors (MACD).
    """
    parts = talib.MACD(bars.close, fastperiod=12, slowperiod=26, signalperiod=9)
    return tuple(part / bars.yardstick for part in parts)


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


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(
            name="trix_15_pct",
            unit="%",
            scaling="robust",
            # The averages are of prices, their change a millionth of these: the start has to fade that much further.
            lookback=Span(bars=44 + ewm_settle_bars(15, 1e-19)),
            warmup=Span(bars=43),
        )
    ],
)
def triple_exponential(bars: Bars) -> np.ndarray:
    """Change over one bar, in percent, of the EMA15 of the EMA15 of the EMA15 of the close (TA-Lib TRIX).

    References
    ----------
    Hutson (1983), Good TRIX, Technical Analysis of Stocks and Commodities 1(5).
    """
    return talib.TRIX(bars.close, 15)


_TSI_START = 25 + 12
_ULTIMATE_BARS = (7, 14, 28)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(
            name="true_strength_25_13",
            unit="-100-100",
            scaling="minmax",
            lookback=Span(bars=_TSI_START + ewm_settle_bars(25, 1e-15)),
            warmup=Span(bars=_TSI_START),
        )
    ],
)
def true_strength(bars: Bars) -> np.ndarray:
    """100 x EMA13 of the EMA25 of the closes' moves, over the same of their absolute values.

    0 where the latter is below 0.01 basis points of the price, the remnant of a long flat stretch.

    References
    ----------
    Blau (1995), Momentum, Direction and Divergence (true strength index).
    """
    step = np.full(len(bars), np.nan)
    step[1:] = np.diff(bars.close)
    net, total = (talib.EMA(talib.EMA(moves, 25), 13) for moves in (step, np.abs(step)))
    return ratio(100.0 * net, np.where(total <= PRICE_FLOOR_SHARE * bars.close, 0.0, total), 0.0)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name="ultimate_oscillator_7_14_28",
            unit="0-100",
            scaling="minmax",
            lookback=Span(bars=_ULTIMATE_BARS[-1] + 1),
        )
    ],
)
def ultimate(bars: Bars) -> np.ndarray:
    """100 x (4 A7 + 2 A14 + A28) / 7, Ak = sum of close - true low over sum of true ranges of k bars.

    The true low is the lower of low and previous close; Ak is 0.5 where k bars have no range. Otherwise TA-Lib's
    ULTOSC, whose running sums carry the rounding of every bar before.

    References
    ----------
    Williams (1985), The Ultimate Oscillator, Technical Analysis of Stocks and Commodities 3(4).
    """
    bought, ranges = np.full(len(bars), np.nan), bars.true_range.copy()
    bought[1:] = bars.close[1:] - np.minimum(bars.low[1:], bars.close[:-1])
    ranges[:1] = np.nan
    short, middle, long = (
        ratio(rolling_sum(bought, k), beyond_tie(rolling_sum(ranges, k), bars.close), 0.5) for k in _ULTIMATE_BARS
    )
    return (400.0 * short + 200.0 * middle + 100.0 * long) / 7.0


FAMILIES: tuple[FeatureFamily, ...] = (
    log_returns,
    rsi,
    stochastic,
    stochastic_strength,
    macd,
    commodity_channel,
    aroon,
    triple_exponential,
    true_strength,
    ultimate,
)
