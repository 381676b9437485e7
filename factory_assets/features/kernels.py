"""Numba kernels of the catalogue that neither TA-Lib nor :mod:`factory_assets.indicators` has.

Every kernel reads the past only and is NaN where its input or its window is. Prices closer than 1e-9 of the price
count as equal: rounding of an adjusted price must never decide a branch.
"""

import numba
import numpy as np

TIE_SHARE = 1e-9
# Averages that have decayed to a hundredth of a basis point of the price are the remnant of a flat stretch.
FLOOR_SHARE = 1e-6


@numba.njit(cache=True)
def ratio(numerator: np.ndarray, denominator: np.ndarray, fallback: float) -> np.ndarray:
    """Elementwise quotient; ``fallback`` where the denominator is not positive, NaN where either is NaN."""
    n = len(numerator)
    out = np.full(n, np.nan)
    for i in range(n):
        if denominator[i] > 0.0:
            out[i] = numerator[i] / denominator[i]
        elif denominator[i] <= 0.0 and not np.isnan(numerator[i]):
            out[i] = fallback
    return out


@numba.njit(cache=True)
def beyond_tie(distance: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Distances between prices with those inside the tie band set to 0; NaN stays."""
    out = distance.copy()
    for i in range(len(out)):
        if abs(out[i]) <= TIE_SHARE * price[i]:
            out[i] = 0.0
    return out


def log_ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Logarithm of the quotient of two prices, exactly 0 inside the tie band."""
    out = np.log(numerator / denominator)  # numpy's logarithm works on eight numbers at once, a loop of numba on one
    _snap(out)
    return out


@numba.njit(cache=True)
def _snap(values: np.ndarray) -> None:
    """Set what lies inside the tie band to 0, in place."""
    for i in range(len(values)):
        values[i] = 0.0 if abs(values[i]) <= TIE_SHARE else values[i]


def lagged(values: np.ndarray, rows: int) -> np.ndarray:
    """Values of ``rows`` rows before; NaN in the first ``rows`` rows."""
    out = np.full(len(values), np.nan)
    out[rows:] = values[:-rows]
    return out


@numba.njit(cache=True)
def rows_since_extreme(values: np.ndarray, window: int, sign: float) -> np.ndarray:
    """Rows since the highest (``sign`` 1) or lowest (-1) of the last ``window`` values; of ties the latest counts."""
    n = len(values)
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        extreme = -np.inf
        for k in range(i - window + 1, i + 1):
            extreme = max(extreme, sign * values[k])
        back = 0
        while sign * values[i - back] < extreme - TIE_SHARE * abs(extreme):
            back += 1
        out[i] = back
    return out


@numba.njit(cache=True)
def percentile_rank(values: np.ndarray, window: int) -> np.ndarray:
    """Share of the last ``window`` values (none negative) below the last one, those inside its tie band counted half.

    Counts the whole window at every row: the count is vectorised and, measured at 60 and 240, beats a sorted buffer.
    """
    n = len(values)
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        low, high = values[i] * (1.0 - TIE_SHARE), values[i] * (1.0 + TIE_SHARE)
        held = values[i - window + 1 : i + 1]
        twice = 0
        for k in range(window):
            twice += (1 if held[k] < low else 0) + (1 if held[k] <= high else 0)
        out[i] = 0.5 * twice / window
    return out


@numba.njit(cache=True)
def moves(close: np.ndarray) -> np.ndarray:
    """Sign of each close minus the one before, 0 within the tie band, NaN in row 0."""
    n = len(close)
    out = np.full(n, np.nan)
    for i in range(1, n):
        step = close[i] - close[i - 1]
        band = TIE_SHARE * close[i]
        out[i] = 1.0 if step > band else (-1.0 if step < -band else 0.0)
    return out


@numba.njit(cache=True)
def session_numbers(trade_day: np.ndarray) -> np.ndarray:
    """Number of each row's session among those present, int64 from 0."""
    numbers = np.zeros(len(trade_day), dtype=np.int64)
    for i in range(1, len(trade_day)):
        numbers[i] = numbers[i - 1] + (1 if trade_day[i] != trade_day[i - 1] else 0)
    return numbers


@numba.njit(cache=True)
def directional(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, ranges: np.ndarray, period: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wilder's +DI, -DI and ADX (0 to 100) with ties inside the band counted as no movement.

    Averages start as plain means of their first ``period`` values. The indices are 0 while the average range is below
    0.01 basis points of the price.
    """
    n = len(close)
    plus, minus, adx = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    up_mean, down_mean, range_mean, strength = 0.0, 0.0, 0.0, 0.0
    for i in range(1, n):
        band = TIE_SHARE * close[i]
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        rise = up if up > band and up - down > band else 0.0
        fall = down if down > band and down - up > band else 0.0
        if i <= period:
            up_mean += rise / period
            down_mean += fall / period
            range_mean += ranges[i] / period
        else:
            up_mean += (rise - up_mean) / period
            down_mean += (fall - down_mean) / period
            range_mean += (ranges[i] - range_mean) / period
        if i < period:
            continue
        floor = FLOOR_SHARE * close[i]
        plus[i] = 100.0 * up_mean / range_mean if range_mean > floor else 0.0
        minus[i] = 100.0 * down_mean / range_mean if range_mean > floor else 0.0
        both = plus[i] + minus[i]
        spread = 100.0 * abs(plus[i] - minus[i]) / both if both > TIE_SHARE else 0.0
        if i < 2 * period:
            strength += spread / period
            if i == 2 * period - 1:
                adx[i] = strength
        else:
            strength += (spread - strength) / period
            adx[i] = strength
    return plus, minus, adx


@numba.njit(cache=True)
def trailing_median(values: np.ndarray, window: int) -> np.ndarray:
    """Median of the last ``window`` values (mean of the middle two for an even window), from a sorted buffer."""
    n = len(values)
    out = np.full(n, np.nan)
    held = np.sort(values[:window])
    for i in range(window - 1, n):
        if i >= window:
            old, new = values[i - window], values[i]
            # Places by counting, which is vectorised; then only what lies between them moves.
            place, below = 0, 0
            for k in range(window):
                place += 1 if held[k] < old else 0
                below += 1 if held[k] < new else 0
            if new > old:
                for k in range(place, below - 1):
                    held[k] = held[k + 1]
                held[below - 1] = new
            else:
                for k in range(place, below, -1):
                    held[k] = held[k - 1]
                held[below] = new
        out[i] = 0.5 * (held[(window - 1) // 2] + held[window // 2])
    return out


@numba.njit(cache=True)
def money_flow(typical: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Typical price x volume, signed by the move of the typical price; 0 on a tie, NaN in row 0."""
    n = len(typical)
    out = np.full(n, np.nan)
    for i in range(1, n):
        step = typical[i] - typical[i - 1]
        band = TIE_SHARE * typical[i]
        flow = typical[i] * volume[i]
        out[i] = flow if step > band else (-flow if step < -band else 0.0)
    return out


@numba.njit(cache=True)
def session_state(
    open_: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the row's session so far: open, highest, lowest; of the session before: highest, lowest, close.

    NaN for the first session seen, which may have begun earlier; the second half also for the second one.
    """
    n = len(close)
    first, top, bottom = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    before_top, before_bottom, before_close = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    start, highest, lowest = np.nan, np.nan, np.nan
    old_highest, old_lowest, old_close = np.nan, np.nan, np.nan
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            if i > 0:
                old_highest, old_lowest, old_close = highest, lowest, close[i - 1]
            start, highest, lowest = open_[i], high[i], low[i]
        else:
            highest, lowest = max(highest, high[i]), min(lowest, low[i])
        if number[i] >= 1:
            first[i], top[i], bottom[i] = start, highest, lowest
        if number[i] >= 2:
            before_top[i], before_bottom[i], before_close[i] = old_highest, old_lowest, old_close
    return first, top, bottom, before_top, before_bottom, before_close


@numba.njit(cache=True)
def opening_extremes(
    high: np.ndarray, low: np.ndarray, elapsed_us: np.ndarray, number: np.ndarray, opening_us: int
) -> tuple[np.ndarray, np.ndarray]:
    """Highest and lowest of the session's bars closing within ``opening_us`` of its open, and of its first bar.

    NaN for the first session seen.
    """
    n = len(high)
    top, bottom = np.full(n, np.nan), np.full(n, np.nan)
    highest, lowest = np.nan, np.nan
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            highest, lowest = high[i], low[i]
        elif elapsed_us[i] <= opening_us:
            highest, lowest = max(highest, high[i]), min(lowest, low[i])
        if number[i] >= 1:
            top[i], bottom[i] = highest, lowest
    return top, bottom


@numba.njit(cache=True)
def session_vwap(price: np.ndarray, volume: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Volume-weighted mean and standard deviation of ``price`` since the session's first bar.

    Sums are taken from the session's first price, so that they keep the digits of its moves. While nothing has
    traded the mean is the price itself. NaN for the first session seen.
    """
    n = len(price)
    mean, deviation = np.full(n, np.nan), np.full(n, np.nan)
    anchor, weight, first, second = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            anchor, weight, first, second = price[i], 0.0, 0.0, 0.0
        step = price[i] - anchor
        weight += volume[i]
        first += volume[i] * step
        second += volume[i] * step * step
        if number[i] >= 1:
            if weight > 0.0:
                centre = first / weight
                mean[i] = anchor + centre
                deviation[i] = np.sqrt(max(second / weight - centre * centre, 0.0))
            else:
                mean[i], deviation[i] = price[i], 0.0
    return mean, deviation


@numba.njit(cache=True)
def session_range_norm(
    top: np.ndarray, bottom: np.ndarray, close: np.ndarray, number: np.ndarray, sessions: int
) -> np.ndarray:
    """Mean range, as a share of the session's last close, of the ``sessions`` sessions before the row's own.

    NaN until that many sessions after the first one seen are complete.
    """
    n = len(close)
    out = np.full(n, np.nan)
    held = np.zeros(sessions)
    norm = np.nan
    for i in range(n):
        if i > 0 and number[i] != number[i - 1]:
            if number[i] >= 2:
                held[(number[i] - 1) % sessions] = (top[i - 1] - bottom[i - 1]) / close[i - 1]
            if number[i] > sessions:
                total = 0.0
                for back in range(sessions, 0, -1):
                    total += held[(number[i] - back) % sessions]
                norm = total / sessions
        out[i] = norm
    return out
