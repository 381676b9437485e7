"""Position of a moment in sorted times, found from a nearby guess: queries in almost sorted order cost O(1)."""

import numba
import numpy as np


@numba.njit(cache=True)
def first_at_or_after(times_us: np.ndarray, moment_us: int, guess: int) -> int:
    """Position of the first time >= ``moment_us``: doubling steps away from ``guess``, then bisection between them.

    Parameters
    ----------
    times_us : ndarray of int64, shape (M,)
        Increasing.
    moment_us : int
        What is looked for.
    guess : int
        Any position in 0..M; a near one is fast, every one is right.

    Returns
    -------
    int
        In 0..M; M if every time is earlier.
    """
    n = len(times_us)
    low, high, step = guess, guess, 1
    while high < n and times_us[high] < moment_us:
        low = high + 1
        high = low + step
        step *= 2
    high = min(high, n)
    step = 1
    while low > 0 and times_us[low - 1] >= moment_us:
        high = low - 1
        low = max(0, high - step)
        step *= 2
    while low < high:
        middle = (low + high) // 2
        if times_us[middle] < moment_us:
            low = middle + 1
        else:
            high = middle
    return low
