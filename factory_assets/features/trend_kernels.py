"""Numba kernels of trend-following state machines: Supertrend, parabolic stop-and-reverse, adaptive average.

Each runs afresh from the open of the session before (:mod:`factory_assets.features.restart`) and is NaN in the first
two sessions seen. Prices within 1e-9 of the price are equal, so that rounding never decides a branch.
"""

import numba
import numpy as np

from factory_assets.features.kernels import TIE_SHARE


@numba.njit(cache=True)
def supertrend(
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    ranges: np.ndarray,
    runs: np.ndarray,
    period: int,
    width: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Side of the market (1 up, -1 down) and the trailing line the close has to cross to change it.

    The bands are middle +- ``width`` x the average of ``ranges``, Wilder's, a plain mean until the run has ``period``
    bars. The upper one may only fall unless the close before lay above it, the lower one only rise unless it lay below.
    A run begins up unless its first bar closes below its middle.
    """
    n = len(close)
    direction, line = np.full(n, np.nan), np.full(n, np.nan)
    for r in range(len(runs)):
        begin, own, stop = runs[r, 0], runs[r, 1], runs[r, 2]
        average, upper, lower, side = 0.0, np.inf, -np.inf, 1.0
        for i in range(begin, stop):
            average += (ranges[i] - average) / min(i - begin + 1, period)
            middle, tie = 0.5 * (high[i] + low[i]), TIE_SHARE * close[i]
            above, below = middle + width * average, middle - width * average
            if i == begin:
                upper, lower = above, below
                side = -1.0 if middle - close[i] > tie else 1.0
            else:
                upper = above if close[i - 1] - upper > tie else min(above, upper)
                lower = below if lower - close[i - 1] > tie else max(below, lower)
                if side > 0.0 and lower - close[i] > tie:
                    side = -1.0
                elif side < 0.0 and close[i] - upper > tie:
                    side = 1.0
            if i >= own:
                direction[i] = side
                line[i] = lower if side > 0.0 else upper
    return direction, line


@numba.njit(cache=True)
def parabolic_stop(high: np.ndarray, low: np.ndarray, runs: np.ndarray, step: float, limit: float) -> np.ndarray:
    """Wilder's stop-and-reverse price in force during each bar, after its reversal if the bar touched it.

    As TA-Lib's SAR over the run: its first two bars say whether it begins long, a touch reverses, the acceleration
    begins at ``step``, grows by it with every new extreme and stays within ``limit``, and the stop never enters the
    range of the last two bars.
    """
    n = len(high)
    stops = np.full(n, np.nan)
    for r in range(len(runs)):
        begin, own, stop = runs[r, 0], runs[r, 1], runs[r, 2]
        # Short positions are long ones on prices seen from below: sign 1 is long.
        fall, rise = low[begin] - low[begin + 1], high[begin + 1] - high[begin]
        tie = TIE_SHARE * high[begin + 1]
        sign = -1.0 if fall > tie and fall - rise > tie else 1.0
        extreme = high[begin + 1] if sign > 0.0 else low[begin + 1]
        price = low[begin] if sign > 0.0 else high[begin]
        speed = step
        for i in range(begin + 1, stop):
            before = max(i - 1, begin + 1)
            tie = TIE_SHARE * high[i]
            touched = low[i] - price <= tie if sign > 0.0 else price - high[i] <= tie
            if touched:
                sign = -sign
                price = min(extreme, low[before], low[i]) if sign > 0.0 else max(extreme, high[before], high[i])
                extreme = high[i] if sign > 0.0 else low[i]
                speed = step
            if i >= own:
                stops[i] = price
            if not touched:
                if sign > 0.0 and high[i] - extreme > tie:
                    extreme, speed = high[i], min(speed + step, limit)
                elif sign < 0.0 and extreme - low[i] > tie:
                    extreme, speed = low[i], min(speed + step, limit)
            price += speed * (extreme - price)
            price = min(price, low[before], low[i]) if sign > 0.0 else max(price, high[before], high[i])
    return stops


@numba.njit(cache=True)
def adaptive_average(
    close: np.ndarray, runs: np.ndarray, period: int, fast: int, slow: int, back: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kaufman's adaptive average, and its change over ``back`` bars, over fewer where the run is younger.

    Its weight is the square of a share between 2 / (``slow`` + 1) and 2 / (``fast`` + 1), as the net move of
    ``period`` bars (fewer where the run is younger) is between 0 and all of their way. It begins at the run's first
    close.
    """
    n = len(close)
    average, change = np.full(n, np.nan), np.full(n, np.nan)
    slowest, fastest = 2.0 / (slow + 1.0), 2.0 / (fast + 1.0)
    line = np.empty(n)
    for r in range(len(runs)):
        begin, own, stop = runs[r, 0], runs[r, 1], runs[r, 2]
        line[begin] = close[begin]
        for i in range(begin + 1, stop):
            first = max(i - period, begin)
            way = 0.0
            for k in range(first + 1, i + 1):
                way += abs(close[k] - close[k - 1])
            share = abs(close[i] - close[first]) / way if way > TIE_SHARE * close[i] else 0.0
            weight = slowest + share * (fastest - slowest)
            line[i] = line[i - 1] + weight * weight * (close[i] - line[i - 1])
        for i in range(own, stop):
            average[i] = line[i]
            change[i] = line[i] - line[max(i - back, begin)]
    return average, change
