"""Trend: how directed the recent path was, and which way.

Belongs here: direction and straightness over a window. Does not: distances to averages
(:mod:`factory_assets.features.moving_averages`).
"""

import math

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import TIE_SHARE, beyond_tie, directional, ratio
from factory_assets.features.restart import restarted_runs
from factory_assets.features.spec import Span
from factory_assets.features.trend_kernels import parabolic_stop, supertrend
from factory_assets.indicators import (
    rolling_max,
    rolling_mean_std,
    rolling_min,
    rolling_regression,
    rolling_sum,
    wilder_settle_bars,
)

GROUP = "trend"
_PERIOD = 14
_SETTLED = wilder_settle_bars(_PERIOD)
_EFFICIENCY_BARS = (10, 20, 60)
_LINE_BARS = (20, 60)
_HURST_BARS = 120


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
        output
        for k in _LINE_BARS
        for output in (
            Output(
                name=f"regression_slope_{k}_atr",
                unit="ATR per bar",
                scaling="robust",
                lookback=Span(bars=max(_SETTLED, k)),
                warmup=Span(bars=k - 1),
            ),
            Output(name=f"regression_r2_{k}", unit="share", scaling="minmax", lookback=Span(bars=k)),
        )
    ],
)
def regression(bars: Bars) -> tuple[np.ndarray, ...]:
    """Least-squares line through the last k closes: slope / ATR14, and the share of variance it explains.

    The share is 0 where the closes deviate from their mean by 1e-9 of the price or less.

    References
    ----------
    Kaufman (2013), Trading Systems and Methods, 5th ed., chapter 6 (linear regression slope and R-squared).
    """
    values: list[np.ndarray] = []
    for k in _LINE_BARS:
        slope, explained = rolling_regression(bars.close, k)
        spread = bars.close_mean_std_20[1] if k == 20 else rolling_mean_std(bars.close, k, ddof=0)[1]
        values += [slope / bars.yardstick, np.where(spread <= TIE_SHARE * bars.close, 0.0, explained)]
    return tuple(values)


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


@family(
    group=GROUP,
    inputs=("high", "low", "close", "trade_date"),
    outputs=[
        Output(name="supertrend_direction_10_3", unit="1 or -1", scaling="none", lookback=Span(sessions=2)),
        Output(
            name="supertrend_distance_10_3_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=_SETTLED, sessions=2),
        ),
    ],
)
def supertrend_state(bars: Bars) -> tuple[np.ndarray, ...]:
    """Supertrend (ATR10, factor 3): 1 in an up trend, -1 in a down trend; and (close - its trailing line) / ATR14.

    Begins anew, its ATR included, at the open of the session before the bar's own.

    References
    ----------
    Seban, O. (2008), Tout le monde merite d'etre riche (Supertrend); the formula is the one charting packages document.
    """
    direction, line = supertrend(
        bars.high, bars.low, bars.close, bars.true_range, restarted_runs(bars.session_number), 10, 3.0
    )
    return direction, (bars.close - line) / bars.yardstick


@family(
    group=GROUP,
    inputs=("high", "low", "close", "trade_date"),
    outputs=[Output(name="sar_distance_atr", unit="ATR", scaling="robust", lookback=Span(bars=_SETTLED, sessions=2))],
)
def stop_and_reverse(bars: Bars) -> np.ndarray:
    """(close - parabolic stop) / ATR14 with acceleration 0.02 to 0.2: above 0 long, below 0 short (TA-Lib SAR).

    Begins anew at the open of the session before the bar's own. A touch and a new extreme are judged within 1e-9 of
    the price.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 8.
    """
    stops = parabolic_stop(bars.high, bars.low, restarted_runs(bars.session_number), 0.02, 0.2)
    return (bars.close - stops) / bars.yardstick


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[Output(name=f"hurst_{_HURST_BARS}", unit="share", scaling="minmax", lookback=Span(bars=_HURST_BARS + 1))],
)
def hurst(bars: Bars) -> np.ndarray:
    """Slope of ln m(k) on ln k, k = 1, 2, 4, 8, 16; m(k) = mean |move over k bars| within the last 121 closes.

    0.5 for a random walk, more in trends, less in reversals; kept within 0 and 1. m(k) counts at least 1e-9 of the
    price; 0.5 where m(1) is no more than that.

    References
    ----------
    Di Matteo (2007), Multi-scaling in Finance, Quantitative Finance 7(1), pp. 21-36 (generalised exponent, q = 1).
    """
    tie = TIE_SHARE * bars.close
    one, two, eight, sixteen = (np.maximum(_mean_move(bars.close, k), tie) for k in (1, 2, 8, 16))
    # Deviations of log2 k from their mean are -2 .. 2, their squares sum to 10; the middle one has no weight.
    slope = np.log2((sixteen / one) ** 2 * (eight / two)) / 10.0
    return np.where(one <= tie, 0.5, np.clip(slope, 0.0, 1.0))


def _mean_move(close: np.ndarray, k: int) -> np.ndarray:
    """Mean absolute move over ``k`` bars of those that lie within the last 121 closes."""
    step = np.full(len(close), np.nan)
    step[k:] = np.abs(close[k:] - close[:-k])
    count = _HURST_BARS + 1 - k
    return rolling_sum(step, count) / count


def _proper_ranges(bars: Bars) -> np.ndarray:
    """True ranges with row 0 masked: it lacks the previous close, and would differ from all history."""
    ranges = bars.true_range.copy()
    ranges[:1] = np.nan
    return ranges


FAMILIES: tuple[FeatureFamily, ...] = (
    directional_movement,
    regression,
    efficiency,
    vortex,
    choppiness,
    supertrend_state,
    stop_and_reverse,
    hurst,
)
