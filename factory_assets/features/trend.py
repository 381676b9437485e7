"""Trend: how directed the recent path was, and which way.

Belongs here: direction and straightness over a window. Does not: distances to averages
(:mod:`factory_assets.features.moving_averages`).
"""

import math

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import beyond_tie, directional, ratio
from factory_assets.features.spec import Span
from factory_assets.indicators import (
    rolling_max,
    rolling_min,
    rolling_regression,
    rolling_sum,
    wilder_settle_bars,
)

GROUP = "trend"
_PERIOD = 14
_SETTLED = wilder_settle_bars(_PERIOD)
_EFFICIENCY_BARS = (10, 20, 60)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=name, unit="0-100", scaling="minmax", lookback=Span(bars=_SETTLED + extra), warmup=Span(bars=warmup)
        )
        # ADX smooths a smoothed index: the start's weight is about n times the single average's.
        for name, extra, warmup in (("plus_di_14", 0, 14), ("minus_di_14", 0, 14), ("adx_14", 110, 27))
    ],
)
def directional_movement(bars: Bars) -> tuple[np.ndarray, ...]:
    """+DI, -DI: 100 x Wilder average of up (down) moves / that of the true range; ADX: Wilder average of their spread.

    A bar counts as up if its high rose by more than its low fell. Moves within 1e-9 x price are ties and count as
    neither, so that rounding never decides; otherwise equal to TA-Lib's PLUS_DI, MINUS_DI and ADX once the
    start has decayed.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 35.
    """
    return directional(bars.high, bars.low, bars.close, bars.true_range, _PERIOD)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name="regression_slope_20_atr",
            unit="ATR per bar",
            scaling="robust",
            lookback=Span(bars=_SETTLED),
            warmup=Span(bars=19),
        ),
        Output(name="regression_r2_20", unit="share", scaling="minmax", lookback=Span(bars=20)),
    ],
)
def regression(bars: Bars) -> tuple[np.ndarray, ...]:
    """Least-squares line through the last 20 closes: slope / ATR14, and the share of variance it explains.

    References
    ----------
    Kaufman (2013), Trading Systems and Methods, 5th ed., chapter 6 (linear regression slope and R-squared).
    """
    slope, explained = rolling_regression(bars.close, 20)
    return slope / bars.yardstick, np.where(bars.close_mean_std_20[1] == 0.0, 0.0, explained)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=f"efficiency_ratio_{k}", unit="share", scaling="minmax", lookback=Span(bars=k + 1))
        for k in _EFFICIENCY_BARS
    ],
)
def efficiency(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - close k bars ago) / sum of absolute moves on the way: 1 straight up, -1 straight down, 0 flat.

    References
    ----------
    Kaufman (1995), Smarter Trading, chapter on adaptive moving averages (efficiency ratio; signed here).
    """
    step = np.full(len(bars), np.nan)
    step[1:] = np.diff(bars.close)
    values = []
    for k in _EFFICIENCY_BARS:
        travelled = np.full(len(bars), np.nan)
        travelled[k:] = bars.close[k:] - bars.close[:-k]
        values.append(ratio(travelled, beyond_tie(rolling_sum(np.abs(step), k), bars.close), 0.0))
    return tuple(values)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[Output(name="vortex_difference_14", unit="1", scaling="robust", lookback=Span(bars=15))],
)
def vortex(bars: Bars) -> np.ndarray:
    """(sum |high - previous low| - sum |low - previous high|) / sum of true ranges, over 14 bars; 0 without range.

    References
    ----------
    Botes and Siepman (2010), The Vortex Indicator, Technical Analysis of Stocks and Commodities 28(1).
    """
    up, down = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    up[1:] = np.abs(bars.high[1:] - bars.low[:-1])
    down[1:] = np.abs(bars.low[1:] - bars.high[:-1])
    travelled = beyond_tie(rolling_sum(_proper_ranges(bars), _PERIOD), bars.close)
    return ratio(rolling_sum(up, _PERIOD) - rolling_sum(down, _PERIOD), travelled, 0.0)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[Output(name="choppiness_14", unit="0-100", scaling="minmax", lookback=Span(bars=15))],
)
def choppiness(bars: Bars) -> np.ndarray:
    """100 x log10(sum of true ranges / (highest high - lowest low)) / log10(14) over 14 bars.

    Kept within 0 and 100; 100 without range.

    References
    ----------
    Dreiss, E. W. (1990s), Choppiness Index; the formula is the one charting packages document.
    """
    travelled = rolling_sum(_proper_ranges(bars), _PERIOD)
    width = beyond_tie(rolling_max(bars.high, _PERIOD) - rolling_min(bars.low, _PERIOD), bars.close)
    relative = ratio(travelled, width, float(_PERIOD))
    # A gap away from the bar before the window is travel outside the width: the ratio could leave [1, 14].
    return 100.0 * np.log10(np.clip(relative, 1.0, float(_PERIOD))) / math.log10(_PERIOD)


def _proper_ranges(bars: Bars) -> np.ndarray:
    """True ranges with row 0 masked: it lacks the previous close, and would differ from all history."""
    ranges = bars.true_range.copy()
    ranges[:1] = np.nan
    return ranges


FAMILIES: tuple[FeatureFamily, ...] = (directional_movement, regression, efficiency, vortex, choppiness)
