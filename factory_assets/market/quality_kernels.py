"""Single passes over a contract's raw minutes: copies, broken rules, bad prints.

Belongs here: the loops, and nothing that decides what a rule is; :mod:`factory_assets.market.quality` names the rules,
gives the limits and explains them. Rows are sorted by (delivery, open_us); plain-Python oracles of every loop stand
beside their tests.
"""

import numba
import numpy as np

NOT_FINITE, NOT_POSITIVE, OFF_TICK, OHLC_ORDER, BAD_VOLUME, OFF_MINUTE, OUTSIDE = range(1, 8)
"""What :func:`first_broken` answers, in the order in which a bar's rules are asked; 0 is a bar that keeps them all."""
_TICKS_MAX = 1e9


@numba.njit(cache=True)
def copies(
    delivery: np.ndarray, open_us: np.ndarray, prices: np.ndarray, volume: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that repeat the row before them, and rows whose minute holds other values too (copies left out)."""
    n = len(open_us)
    exact, conflicting = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    first = 0
    while first < n:
        last = first
        differs = False
        while last + 1 < n and delivery[last + 1] == delivery[first] and open_us[last + 1] == open_us[first]:
            last += 1
            equal = volume[last] == volume[last - 1] or (np.isnan(volume[last]) and np.isnan(volume[last - 1]))
            for side in range(4):
                here, before = prices[side, last], prices[side, last - 1]
                equal = equal and (here == before or (np.isnan(here) and np.isnan(before)))
            exact[last] = equal
            differs = differs or not equal
        if differs:
            for row in range(first, last + 1):
                conflicting[row] = not exact[row]
        first = last + 1
    return exact, conflicting


@numba.njit(cache=True)
def first_broken(
    open_us: np.ndarray,
    prices: np.ndarray,
    volume: np.ndarray,
    inside: np.ndarray,
    tick_size: float,
    tolerance_ticks: float,
    minute_us: int,
    has_volume: bool,
) -> np.ndarray:
    """First rule each row breaks, one of this module's numbers; 0 if it breaks none."""
    n = len(open_us)
    found = np.zeros(n, dtype=np.int8)
    for row in range(n):
        open_, high, low, close = prices[0, row], prices[1, row], prices[2, row], prices[3, row]
        finite = np.isfinite(open_) and np.isfinite(high) and np.isfinite(low) and np.isfinite(close)
        if not finite:
            found[row] = NOT_FINITE
        elif open_ <= 0.0 or high <= 0.0 or low <= 0.0 or close <= 0.0:
            found[row] = NOT_POSITIVE
        elif _off_tick(prices[:, row], tick_size, tolerance_ticks):
            found[row] = OFF_TICK
        elif low > min(open_, close) or high < max(open_, close):
            found[row] = OHLC_ORDER
        elif not _volume_fits(volume[row], has_volume):
            found[row] = BAD_VOLUME
        elif open_us[row] % minute_us != 0:
            found[row] = OFF_MINUTE
        elif not inside[row]:
            found[row] = OUTSIDE
    return found


@numba.njit(cache=True)
def _volume_fits(volume: float, has_volume: bool) -> bool:
    return (np.isfinite(volume) and volume >= 0.0) if has_volume else np.isnan(volume)


@numba.njit(cache=True)
def _off_tick(prices: np.ndarray, tick_size: float, tolerance_ticks: float) -> bool:
    for price in prices:
        ticks = price / tick_size
        # Beyond the most a float cannot tell ticks apart, and every number would be on one; no tick is no price.
        if not 0.5 < ticks < _TICKS_MAX or abs(ticks - np.rint(ticks)) > tolerance_ticks:
            return True
    return False


@numba.njit(cache=True)
def unsupported_leaps(
    delivery: np.ndarray,
    open_us: np.ndarray,
    prices: np.ndarray,
    volume: np.ndarray,
    session: np.ndarray,
    stale_us: int,
    window_bars: int,
    warmup_bars: int,
    scale_multiple: float,
    scale_min: float,
    support_share: float,
    support_volume: float,
) -> np.ndarray:
    """Bars far beyond the two before them that neither their volume nor another month supports.

    The median of the last bars is asked for only where a bar leaves its neighbours by more than the smallest limit
    there can be, which next to none does.
    """
    n = len(open_us)
    found = np.zeros(n, dtype=np.bool_)
    starts = _block_starts(delivery)
    high, low = prices[1], prices[2]
    block = 0
    for row in range(n):
        while row >= starts[block + 1]:
            block += 1
        if row - starts[block] < 2 or session[row] != session[row - 2] or open_us[row] - open_us[row - 2] > stale_us:
            continue
        above = high[row] - max(high[row - 1], high[row - 2])
        below = min(low[row - 1], low[row - 2]) - low[row]
        leap = max(above, below)
        if leap <= scale_multiple * scale_min:
            continue
        scale = _median_range(prices, starts[block], row, window_bars, warmup_bars)
        if np.isnan(scale) or leap <= scale_multiple * max(scale, scale_min):
            continue
        usual = _median(volume, starts[block], row, window_bars, warmup_bars)
        # Where next to nothing trades, one contract is three times the usual and supports nothing: at least one counts
        # as usual. Never true of a series without volume.
        if volume[row] >= support_volume * max(usual, 1.0):
            continue
        least = support_share * leap
        found[row] = not _moved_along(open_us, prices, starts, block, open_us[row], above >= below, least)
    return found


@numba.njit(cache=True)
def _moved_along(
    open_us: np.ndarray,
    prices: np.ndarray,
    starts: np.ndarray,
    own: int,
    moment_us: int,
    up: bool,
    least: float,
) -> bool:
    """Whether another month moved at least so far the same way in the same minute, from its last close."""
    for block in range(len(starts) - 1):
        if block == own:
            continue
        first, end = starts[block], starts[block + 1]
        row = first + np.searchsorted(open_us[first:end], moment_us)
        if row >= end or open_us[row] != moment_us:
            continue
        # A month's first bar has no close before it: it has not moved.
        before = prices[3, row - 1]
        move = 0.0 if row == first else prices[1, row] - before if up else before - prices[2, row]
        if move >= least:
            return True
    return False


@numba.njit(cache=True)
def _block_starts(delivery: np.ndarray) -> np.ndarray:
    """First row of each delivery month, and the number of rows."""
    n = len(delivery)
    months = 0
    for row in range(n):
        months += row == 0 or delivery[row] != delivery[row - 1]
    starts = np.empty(months + 1, dtype=np.int64)
    months = 0
    for row in range(n):
        if row == 0 or delivery[row] != delivery[row - 1]:
            starts[months] = row
            months += 1
    starts[months] = n
    return starts


@numba.njit(cache=True)
def _median_range(prices: np.ndarray, first: int, row: int, window_bars: int, warmup_bars: int) -> float:
    """Median true range of the month's last bars before a row; NaN with too few of them."""
    begin = max(first, row - window_bars)
    if row - begin < warmup_bars:
        return np.nan
    ranges = np.empty(row - begin)
    for k in range(begin, row):
        highest, lowest = prices[1, k], prices[2, k]
        if k > first:
            highest, lowest = max(highest, prices[3, k - 1]), min(lowest, prices[3, k - 1])
        ranges[k - begin] = highest - lowest
    return float(np.median(ranges))


@numba.njit(cache=True)
def _median(values: np.ndarray, first: int, row: int, window_bars: int, warmup_bars: int) -> float:
    """Median of the month's last values before a row; NaN with too few of them, or with one that is NaN."""
    begin = max(first, row - window_bars)
    return float(np.median(values[begin:row])) if row - begin >= warmup_bars else np.nan
