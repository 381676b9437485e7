"""Numba kernels of volume and VWAP: what is usual for a bin of the session, and slopes of accumulated lines.

Belongs here: kernels that only :mod:`factory_assets.features.volume` calls. Does not: kernels several groups share
(:mod:`factory_assets.features.kernels`). Every kernel reads the past only; sums are only ever added to, never reduced.
"""

import numba
import numpy as np


@numba.njit(cache=True)
def slot_norms(
    volume: np.ndarray, slot: np.ndarray, number: np.ndarray, scheduled: np.ndarray, sessions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is usual for a bin of the session, from the ``sessions`` sessions before the row's own.

    Parameters
    ----------
    volume : ndarray of float64, shape (N,)
        Contracts.
    slot, number, scheduled : ndarray of int64, shape (N,)
        Bin of the row in its session; number of the session among those seen, from 0; bins its schedule has.
    sessions : int
        Earlier sessions looked at. Only those whose schedule has the bin count, so that afternoons are not measured
        against a half day; a scheduled bin without a bar counts 0.

    Returns
    -------
    usual, cumulated, usual_cumulated : ndarray of float64, shape (N,)
        Mean volume of the row's bin; volume of the row's session up to and including the row; mean of the same by the
        end of that bin. A mean over no session is the row's own value. NaN until ``sessions`` sessions after the first
        one seen (which may have begun earlier) are complete.
    """
    n = len(volume)
    usual, cumulated, usual_cumulated = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    slots = 0
    for i in range(n):
        slots = max(slots, scheduled[i])
    held, held_cumulated = np.zeros((sessions + 1, slots)), np.zeros((sessions + 1, slots))
    bins = np.zeros(sessions + 1, dtype=np.int64)
    mean, mean_cumulated, counted = np.zeros(slots), np.zeros(slots), np.zeros(slots)
    so_far = 0.0
    place = 0
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            running = 0.0
            for k in range(slots):
                running += held[place, k]
                held_cumulated[place, k] = running
            place = number[i] % (sessions + 1)
            held[place, :] = 0.0
            bins[place] = scheduled[i]
            so_far = 0.0
            mean[:], mean_cumulated[:], counted[:] = 0.0, 0.0, 0.0
            for back in range(min(sessions, number[i]), 0, -1):
                other = (number[i] - back) % (sessions + 1)
                for k in range(bins[other]):
                    mean[k] += held[other, k]
                    mean_cumulated[k] += held_cumulated[other, k]
                    counted[k] += 1.0
            for k in range(slots):
                if counted[k] > 0.0:
                    mean[k] /= counted[k]
                    mean_cumulated[k] /= counted[k]
        held[place, slot[i]] = volume[i]
        so_far += volume[i]
        if number[i] > sessions:
            known = counted[slot[i]] > 0.0
            cumulated[i] = so_far
            usual[i] = mean[slot[i]] if known else volume[i]
            usual_cumulated[i] = mean_cumulated[slot[i]] if known else so_far
    return usual, cumulated, usual_cumulated


@numba.njit(cache=True)
def session_totals(values: np.ndarray, number: np.ndarray, sessions: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum over the session before the row's own, and the mean sum of the ``sessions`` sessions before that one.

    NaN until that many sessions after the first one seen (which may have begun earlier) are complete.
    """
    n = len(values)
    last, usual = np.full(n, np.nan), np.full(n, np.nan)
    held = np.zeros(sessions + 1)
    so_far, previous, norm = 0.0, np.nan, np.nan
    for i in range(n):
        if i > 0 and number[i] != number[i - 1]:
            held[number[i - 1] % (sessions + 1)] = so_far
            so_far = 0.0
            if number[i] > sessions + 1:
                norm = 0.0
                for back in range(sessions + 1, 1, -1):
                    norm += held[(number[i] - back) % (sessions + 1)] / sessions
                previous = held[(number[i] - 1) % (sessions + 1)]
        so_far += values[i]
        last[i], usual[i] = previous, norm
    return last, usual


@numba.njit(cache=True)
def change_since(values: np.ndarray, number: np.ndarray, rows: int) -> np.ndarray:
    """Value minus the one ``rows`` rows before, or the session's first while it is younger; NaN where either is."""
    n = len(values)
    out = np.full(n, np.nan)
    opening = 0
    for i in range(n):
        if i > 0 and number[i] != number[i - 1]:
            opening = i
        out[i] = values[i] - values[max(i - rows, opening)]
    return out


@numba.njit(cache=True)
def accumulated_slope(increments: np.ndarray, window: int) -> np.ndarray:
    """Least-squares slope a row of the line that ``increments`` add up to, through its last ``window`` points.

    The line itself, which grows without bound, is never formed: rows are cut into blocks as long as the window, and a
    window merges the end of one block with the beginning of the next, each measured from the point where they meet
    (as in :mod:`factory_assets.indicators._rolling_kernels`). The first point's own increment does not matter.
    """
    n = len(increments)
    out = np.full(n, np.nan)
    tail_mean, tail_cross = np.zeros(window + 1), np.zeros(window + 1)
    time_m2 = window * (window * window - 1.0) / 12.0
    for start in range(0, n, window):
        stop = min(start + window, n)
        level, mean, cross = 0.0, 0.0, 0.0
        for i in range(start, stop):
            count = i - start + 1
            if i > start:
                level += increments[i]
            step = level - mean
            # A new last row lies count / 2 rows after the mean time of the earlier ones.
            cross += 0.5 * (count - 1) * step
            mean += step / count
            if i >= window - 1:
                rest = window - count
                # From the last point of the block before to the first of this one the line rises by one increment.
                delta = mean + increments[start] - tail_mean[count] if rest > 0 else 0.0
                out[i] = (cross + tail_cross[count] + 0.5 * delta * rest * count) / time_m2
        if stop - start == window:
            level, mean, cross = 0.0, 0.0, 0.0
            tail_cross[window] = 0.0
            for k in range(window - 1, -1, -1):
                if k < window - 1:
                    level -= increments[start + k + 1]
                count = window - k
                step = level - mean
                cross -= 0.5 * (count - 1) * step
                mean += step / count
                tail_mean[k], tail_cross[k] = mean, cross
    return out
