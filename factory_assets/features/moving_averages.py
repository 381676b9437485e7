"""Moving averages: distance of the close to them, their slopes and the spreads between them, in ATR.

Belongs here: averages of the close. Does not: bands around them (:mod:`factory_assets.features.volatility`).
"""

import numpy as np
import talib

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.restart import restarted_runs
from factory_assets.features.spec import Span
from factory_assets.features.trend_kernels import adaptive_average
from factory_assets.indicators import ewm_settle_bars, rolling_mean, wilder_settle_bars

GROUP = "moving_averages"
_SMA_BARS = (10, 20, 50, 100, 200)
_EMA_BARS = (9, 12, 21, 26, 50)
# Bars of the average, bars of the change.
_EMA_SLOPES = ((9, 3), (21, 5))
_SMA_SLOPES = ((20, 5), (50, 10), (100, 20), (200, 50))
# Bars of the fast and of the slow average.
_EMA_SPREADS = ((9, 21), (21, 50))
_SMA_SPREADS = ((20, 100), (50, 200))
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
        *(
            Output(
                name=f"slope_ema_{period}_{rows}_atr",
                unit="ATR",
                scaling="robust",
                lookback=_ema_span(period, rows),
                warmup=Span(bars=max(14, period - 1 + rows)),
            )
            for period, rows in _EMA_SLOPES
        ),
        *(
            Output(
                name=f"slope_sma_{period}_{rows}_atr",
                unit="ATR",
                scaling="robust",
                lookback=Span(bars=max(_ATR_BARS, period + rows)),
                warmup=Span(bars=period - 1 + rows),
            )
            for period, rows in _SMA_SLOPES
        ),
    ],
)
def slopes(bars: Bars) -> tuple[np.ndarray, ...]:
    """(average now - average some bars ago) / ATR14; the name says the bars of the average, then those of the change.

    References
    ----------
    Kaufman (2013), Trading Systems and Methods, 5th ed., chapter 8 (the trendline slope as a signal).
    """
    return (
        *(_change(talib.EMA(bars.close, period), rows) / bars.yardstick for period, rows in _EMA_SLOPES),
        *(_change(rolling_mean(bars.close, period), rows) / bars.yardstick for period, rows in _SMA_SLOPES),
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        *(
            Output(
                name=f"spread_ema_{fast}_{slow}_atr",
                unit="ATR",
                scaling="robust",
                lookback=_ema_span(slow),
                warmup=Span(bars=slow - 1),
            )
            for fast, slow in _EMA_SPREADS
        ),
        *(
            Output(
                name=f"spread_sma_{fast}_{slow}_atr",
                unit="ATR",
                scaling="robust",
                lookback=Span(bars=max(_ATR_BARS, slow)),
                warmup=Span(bars=slow - 1),
            )
            for fast, slow in _SMA_SPREADS
        ),
    ],
)
def spreads(bars: Bars) -> tuple[np.ndarray, ...]:
    """(fast average - slow average) / ATR14: above 0 the recent past lies above the longer one.

    References
    ----------
    Brock, Lakonishok and LeBaron (1992), Simple Technical Trading Rules, Journal of Finance 47, pp. 1731-1764.
    """
    return (
        *((talib.EMA(bars.close, fast) - talib.EMA(bars.close, slow)) / bars.yardstick for fast, slow in _EMA_SPREADS),
        *(
            (rolling_mean(bars.close, fast) - rolling_mean(bars.close, slow)) / bars.yardstick
            for fast, slow in _SMA_SPREADS
        ),
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close", "trade_date"),
    outputs=[
        Output(name=name, unit="ATR", scaling="robust", lookback=Span(bars=_ATR_BARS, sessions=2))
        for name in ("distance_kama_10_atr", "slope_kama_10_5_atr")
    ],
)
def adaptive(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - KAMA) / ATR14, and (KAMA - KAMA 5 bars ago) / ATR14, with efficiency over 10 bars, EMA2 to EMA30.

    KAMA moves by (e x 2/3 + (1 - e) x 2/31)^2 of its distance to the close, e = |net move| / way of the last 10 bars (0
    without a move). It begins anew at the first close of the session before the bar's own; bars before that count in
    nothing.

    References
    ----------
    Kaufman (1995), Smarter Trading, chapter on adaptive moving averages.
    """
    average, change = adaptive_average(bars.close, restarted_runs(bars.session_number), 10, 2, 30, 5)
    return (bars.close - average) / bars.yardstick, change / bars.yardstick


def _change(values: np.ndarray, rows: int) -> np.ndarray:
    out = np.full(len(values), np.nan)
    out[rows:] = values[rows:] - values[:-rows]
    return out


FAMILIES: tuple[FeatureFamily, ...] = (distance_to_simple, distance_to_exponential, slopes, spreads, adaptive)
