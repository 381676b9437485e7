"""Loops of the ladder: where each minute stands on the schedule, bars from the bars below, and the times of their bins.

A minute's *slot* is its number counted over all sessions, each session being given the same number of slots: more than
it has minutes, and a multiple of every timeframe. A bin is then a slot divided by its length, and never holds two
sessions. Neighbour: :mod:`factory_assets.market.ladder` gives the arrays their meaning.
"""

from typing import NamedTuple

import numba
import numpy as np

from factory_assets.vocabulary.timeframes import MINUTE_US

ORDERLY, DISORDER, OUTSIDE = range(3)


class Level(NamedTuple):
    """Bars of one timeframe as aligned arrays of length K.

    Attributes
    ----------
    slot : ndarray of int32
        Number of the bar's bin, counted over all sessions, as above.
    first : ndarray of int32
        Row of the bar's first minute.
    open, high, low, close, volume : ndarray of float64
        Of the minutes inside; traded prices in points.
    """

    slot: np.ndarray
    first: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


@numba.njit(cache=True)
def place(
    open_us: np.ndarray, session_open_us: np.ndarray, session_close_us: np.ndarray, stride: int
) -> tuple[np.ndarray, int, int]:
    """Slot of each minute; what is wrong (:data:`ORDERLY` if nothing) and at which row."""
    n = len(open_us)
    slot = np.empty(n, dtype=np.int32)
    s = 0
    for i in range(n):
        if i > 0 and open_us[i] <= open_us[i - 1]:
            return slot, DISORDER, i
        while s < len(session_open_us) and open_us[i] >= session_close_us[s]:
            s += 1
        if s == len(session_open_us) or open_us[i] < session_open_us[s]:
            return slot, OUTSIDE, i
        since_open = open_us[i] - session_open_us[s]
        if since_open % MINUTE_US != 0:
            return slot, OUTSIDE, i
        slot[i] = s * stride + since_open // MINUTE_US
    return slot, ORDERLY, -1


@numba.njit(cache=True)
def aggregate(levels: tuple[Level, ...], below: np.ndarray, factor: np.ndarray, stride: int) -> np.ndarray:
    """Fill every level but the first from the level below it, and say how many bars each holds.

    Session by session, so that what was just written is still in the processor's cache when the next level reads it.

    Parameters
    ----------
    levels : tuple of Level
        The one-minute bars, then levels with room for their bars.
    below, factor : ndarray of int64
        Place of the level below each, and how many of its bins make one.
    stride : int
        Slots a session is given.
    """
    filled = np.zeros(len(levels), dtype=np.int64)
    before = np.zeros(len(levels), dtype=np.int64)
    slot = levels[0].slot
    while filled[0] < len(slot):
        before[:] = filled
        end, edge = filled[0], (slot[filled[0]] // stride + 1) * stride
        while end < len(slot) and slot[end] < edge:
            end += 1
        filled[0] = end
        for k in range(1, len(levels)):
            low = below[k]
            filled[k] = _fill(levels[low], before[low], filled[low], factor[k], levels[k], before[k])
    return filled


@numba.njit(cache=True)
def _fill(source: Level, begin: int, end: int, factor: int, target: Level, k: int) -> int:
    """Bars out of the rows from ``begin`` to ``end``, written from row ``k`` on; the row after the last one written."""
    i = begin
    while i < end:
        number = source.slot[i] // factor
        edge = (number + 1) * factor
        target.slot[k], target.first[k], target.open[k] = number, source.first[i], source.open[i]
        highest, lowest, total = source.high[i], source.low[i], source.volume[i]
        i += 1
        while i < end and source.slot[i] < edge:
            # Plain comparisons: canonical prices are finite, and these compile to single instructions.
            if source.high[i] > highest:  # noqa: PLR1730
                highest = source.high[i]
            if source.low[i] < lowest:  # noqa: PLR1730
                lowest = source.low[i]
            total += source.volume[i]
            i += 1
        target.high[k], target.low[k], target.close[k], target.volume[k] = highest, lowest, source.close[i - 1], total
        k += 1
    return k


@numba.njit(cache=True)
def bin_times(
    slot: np.ndarray,
    minutes: int,
    stride: int,
    session_open_us: np.ndarray,
    session_close_us: np.ndarray,
    session_date: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scheduled start and end of each bar's bin in microseconds, and its session's date as given."""
    n, bins = len(slot), stride // minutes
    start_us, end_us, date = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for k in range(n):
        session = slot[k] // bins
        start_us[k] = session_open_us[session] + (slot[k] - session * bins) * minutes * MINUTE_US
        end_us[k] = min(start_us[k] + minutes * MINUTE_US, session_close_us[session])
        date[k] = session_date[session]
    return start_us, end_us, date
