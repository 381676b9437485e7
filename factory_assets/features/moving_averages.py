"""Moving averages: distance of the close to them, and their slopes, in ATR.

Belongs here: averages of the close. Does not: bands around them (:mod:`factory_assets.features.volatility`).
"""

import numpy as np
import talib

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.spec import Span
from factory_assets.indicators import ewm_settle_bars, rolling_mean, wilder_settle_bars

GROUP = "moving_averages"
_SMA_BARS = (10, 20, 50, 100, 200)
_EMA_BARS = (9, 21)
_ATR_BARS = wilder_settle_bars(14)


def _ema_span(period: int, slope_bars: int = 0) -> Span:
    """TA-Lib starts an EMA with a simple mean, whose weight has to fade as well."""
    return Span(bars=max(_ATR_BARS, period + ewm_settle_bars(period) + slope_bars))


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=f"distance_sma_{period}_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=max(_ATR_BARS, period)),
            warmup=Span(bars=max(14, period - 1)),
        )
        for period in _SMA_BARS
    ],
)
def distance_to_simple(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - mean of the last k closes) / ATR14; exactly 0 while all are equal.

    References
    ----------
    Brock, Lakonishok and LeBaron (1992), Simple Technical Trading Rules, Journal of Finance 47, pp. 1731-1764.
    """
    return tuple((bars.close - rolling_mean(bars.close, period)) / bars.yardstick for period in _SMA_BARS)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=f"distance_ema_{period}_atr",
            unit="ATR",
            scaling="robust",
            lookback=_ema_span(period),
            warmup=Span(bars=max(14, period - 1)),
        )
        for period in _EMA_BARS
    ],
)
def distance_to_exponential(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - EMA of k bars) / ATR14 (TA-Lib EMA, weight 2 / (k + 1)).

    References
    ----------
    Kaufman (2013), Trading Systems and Methods, 5th ed., chapter 7 (exponential smoothing).
    """
    return tuple((bars.close - talib.EMA(bars.close, period)) / bars.yardstick for period in _EMA_BARS)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name="slope_ema_21_5_atr", unit="ATR", scaling="robust", lookback=_ema_span(21, 5), warmup=Span(bars=25)
        ),
        Output(
            name="slope_sma_50_10_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS),
            warmup=Span(bars=59),
        ),
    ],
)
def slopes(bars: Bars) -> tuple[np.ndarray, ...]:
    """(average now - average some bars ago) / ATR14: EMA21 over 5 bars, SMA50 over 10 bars.

    References
    ----------
    Kaufman (2013), Trading Systems and Methods, 5th ed., chapter 8 (the trendline slope as a signal).
    """
    return (
        _change(talib.EMA(bars.close, 21), 5) / bars.yardstick,
        _change(rolling_mean(bars.close, 50), 10) / bars.yardstick,
    )


def _change(values: np.ndarray, rows: int) -> np.ndarray:
    out = np.full(len(values), np.nan)
    out[rows:] = values[rows:] - values[:-rows]
    return out


FAMILIES: tuple[FeatureFamily, ...] = (distance_to_simple, distance_to_exponential, slopes)
