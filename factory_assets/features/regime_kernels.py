"""Numba kernels of the regime group: where a value ranks among those of the sessions before its own.

Belongs here: ranks against earlier sessions. Does not: the hidden Markov model (:mod:`factory_assets.features.hmm`).
Values closer than 1e-9 of each other are ties and count half: rounding must never decide a rank.
"""

import numba
import numpy as np

from factory_assets.features.kernels import TIE_SHARE


@numba.njit(cache=True)
def session_rank(values: np.ndarray, number: np.ndarray, sessions: int) -> tuple[np.ndarray, np.ndarray]:
    """Rank of each value among all values of the ``sessions`` sessions before its own.

    Parameters
    ----------
    values : ndarray of float64, shape (N,)
        Not negative; NaN in the first rows only.
    number : ndarray of int64, shape (N,)
        Number of each row's session among those seen, from 0.
    sessions : int
        Sessions ranked against.

    Returns
    -------
    share : ndarray of float64, shape (N,)
        (values below + half of the ties) / values of those sessions. NaN until they lie after the first session seen,
        which may have begun earlier, and hold no NaN.
    third : ndarray of float64, shape (N,)
        -1 while the share is below 1/3, 1 while it is above 2/3, else 0: by counts, which do not round.
    """
    n = len(values)
    share, third = np.full(n, np.nan), np.full(n, np.nan)
    starts = _starts(number)
    first = _first_ranked(values, starts, sessions)
    count = len(starts) - 1
    if first >= count:
        return share, third
    ordered = values.copy()
    longest = 0
    for s in range(count):
        ordered[starts[s] : starts[s + 1]] = np.sort(values[starts[s] : starts[s + 1]])
        if s >= sessions:
            longest = max(longest, starts[s] - starts[s - sessions])
    held, spare = np.empty(longest), np.empty(longest)
    size = starts[first] - starts[first - sessions]
    held[:size] = np.sort(values[starts[first - sessions] : starts[first]])
    for s in range(first, count):
        if s > first:
            old, new = starts[s - sessions - 1], starts[s - 1]
            size = _exchange(held, size, ordered[old : starts[s - sessions]], ordered[new : starts[s]], spare)
            held, spare = spare, held
        for i in range(starts[s], starts[s + 1]):
            below = _place(held, 0, size, values[i] * (1.0 - TIE_SHARE), False)
            top = values[i] * (1.0 + TIE_SHARE)
            up_to = below
            if below < size and held[below] <= top:
                up_to = _place(held, below, size, top, True)
            share[i] = 0.5 * (below + up_to) / size
            third[i] = -1.0 if 3 * (below + up_to) < 2 * size else (1.0 if 3 * (below + up_to) > 4 * size else 0.0)
    return share, third


@numba.njit(cache=True)
def slot_rank(values: np.ndarray, slot: np.ndarray, number: np.ndarray, slots: int, sessions: int) -> np.ndarray:
    """Rank of each value among those of the same slot of the ``sessions`` sessions before its own.

    Parameters
    ----------
    values, number, sessions
        As :func:`session_rank`.
    slot : ndarray of int64, shape (N,)
        Number of the bar's bin in its session, from 0.
    slots : int
        Bins of the longest session.

    Returns
    -------
    ndarray of float64, shape (N,)
        (values below + half of the ties + half of the sessions that have no bar there) / sessions. NaN as the share of
        :func:`session_rank`.
    """
    n = len(values)
    out = np.full(n, np.nan)
    starts = _starts(number)
    first = _first_ranked(values, starts, sessions)
    # By slot, so that what a row is compared with lies together; the place of the row's own session holds no value.
    held = np.full((slots, sessions + 1), np.nan)
    for s in range(len(starts) - 1):
        own = s % (sessions + 1)
        held[:, own] = np.nan
        for i in range(starts[s], starts[s + 1]):
            earlier = held[slot[i]]
            if s >= first:
                low, high = values[i] * (1.0 - TIE_SHARE), values[i] * (1.0 + TIE_SHARE)
                twice, known = 0, 0
                for k in range(sessions + 1):
                    twice += (1 if earlier[k] < low else 0) + (1 if earlier[k] <= high else 0)
                    known += 1 if earlier[k] == earlier[k] else 0
                out[i] = 0.5 * (twice + sessions - known) / sessions
            earlier[own] = values[i]
    return out


@numba.njit(cache=True)
def _starts(number: np.ndarray) -> np.ndarray:
    """First row of each session, and N."""
    n = len(number)
    starts = np.empty((number[n - 1] if n else -1) + 2, dtype=np.int64)
    seen = 0
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            starts[seen] = i
            seen += 1
    starts[seen] = n
    return starts


@numba.njit(cache=True)
def _first_ranked(values: np.ndarray, starts: np.ndarray, sessions: int) -> int:
    """First session with enough complete sessions before it, the earliest of which begins with a value."""
    known = 0
    while known < len(values) and np.isnan(values[known]):
        known += 1
    earliest = 1
    while earliest < len(starts) - 1 and starts[earliest] < known:
        earliest += 1
    return earliest + sessions


@numba.njit(cache=True)
def _exchange(held: np.ndarray, size: int, leaving: np.ndarray, coming: np.ndarray, into: np.ndarray) -> int:
    """Merge sorted values into ``into`` without those that leave; how many there are then."""
    left, added, filled = 0, 0, 0
    for i in range(size):
        if left < len(leaving) and held[i] == leaving[left]:
            left += 1
            continue
        while added < len(coming) and coming[added] <= held[i]:
            into[filled] = coming[added]
            added, filled = added + 1, filled + 1
        into[filled] = held[i]
        filled += 1
    while added < len(coming):
        into[filled] = coming[added]
        added, filled = added + 1, filled + 1
    return filled


@numba.njit(cache=True)
def _place(held: np.ndarray, low: int, high: int, value: float, after_equal: bool) -> int:
    """Number of values of sorted ``held[:high]`` below ``value`` (or equal to it), at least ``low`` of which are."""
    while low < high:
        middle = (low + high) // 2
        if held[middle] < value or (after_equal and held[middle] == value):
            low = middle + 1
        else:
            high = middle
    return low
