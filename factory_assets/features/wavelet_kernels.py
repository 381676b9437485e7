"""The db4 wavelet transform of every trailing window of a series, three levels deep.

Belongs here: the transform and sums over its coefficients. Does not: what enters the windows and what features are made
of the sums (:mod:`factory_assets.features.wavelets`).

Every window is transformed on its own, as if nothing before or after it existed, so a value depends on the rows of its
window alone, whatever follows and wherever history starts. Speed comes from transforming 128 windows side by side: the
same coefficient of neighbouring windows reads neighbouring rows, so each multiplication runs along contiguous memory.

References
----------
Daubechies (1992), Ten Lectures on Wavelets, SIAM, table 6.1, p. 195 (the filter); Mallat (1989), A Theory for
Multiresolution Signal Decomposition, IEEE PAMI 11, pp. 674-693 (the pyramid of levels); Percival and Walden (2000),
Wavelet Methods for Time Series Analysis, chapter 4 (energy of the levels).
"""

import numba
import numpy as np

WINDOW_BARS = 64
# Extremal phase filter with four vanishing moments, in the order it meets the rows, the oldest first.
LOW = np.array(
    [
        0.2303778133088965,
        0.7148465705529157,
        0.6308807679298589,
        -0.027983769416859854,
        -0.18703481171909309,
        0.030841381835560764,
        0.0328830116668852,
        -0.010597401785069032,
    ]
)
# Its quadrature mirror (-1)^n LOW[7 - n].
HIGH = LOW[::-1] * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
# Coefficients of each level: half as many as enter it, and about three whose filters reach over the ends.
COUNTS = (35, 21, 14)
# The last coefficient of D1, D2, D3 and A3 of whose squared weights at least half lie on rows of the window, and the
# first such one of A3; those outside see hardly anything but the zeros beyond the window.
LAST = (31, 17, 9, 12)
FIRST_A3 = 5
_BLOCK = 128


@numba.njit(cache=True)
def _add(
    smooth: np.ndarray,
    detail: np.ndarray,
    n: int,
    older: np.ndarray,
    newer: np.ndarray,
) -> None:
    """Add what taps ``n`` and ``n + 1`` take from two neighbouring rows."""
    low, low_next, high, high_next = LOW[n], LOW[n + 1], HIGH[n], HIGH[n + 1]
    for b in range(len(smooth)):
        u, v = older[b], newer[b]
        smooth[b] += low * u + low_next * v
        detail[b] += high * u + high_next * v


@numba.njit(cache=True)
def _add_square(total: np.ndarray, row: np.ndarray) -> None:
    for b in range(len(total)):
        total[b] += row[b] * row[b]


@numba.njit(cache=True)
def _split(
    rows: np.ndarray, count: int, smooth: np.ndarray, detail: np.ndarray, last: int, latest: np.ndarray
) -> np.ndarray:
    """One level: fill ``smooth``, keep detail number ``last`` in ``latest``, return the energy of all details.

    ``rows`` holds ``count`` rows and one of zeros behind them, which stands for everything outside the window.
    """
    energy = np.zeros(rows.shape[1])
    for k in range((count + 7) // 2):
        smooth[k] = 0.0
        detail[:] = 0.0
        for n in range(0, 8, 2):
            m = 2 * k - 6 + n
            _add(
                smooth[k], detail, n, rows[m if 0 <= m < count else count], rows[m + 1 if 0 <= m + 1 < count else count]
            )
        _add_square(energy, detail)
        if k == last:
            latest[:] = detail
    return energy


@numba.njit(cache=True)
def _centre(rows: np.ndarray) -> None:
    """Subtract each window's mean, its newest value first, so that a constant window becomes exactly 0."""
    newest = rows[WINDOW_BARS - 1].copy()
    mean = np.zeros(rows.shape[1])
    for m in range(WINDOW_BARS):
        rows[m] -= newest
        mean += rows[m]
    mean /= WINDOW_BARS
    for m in range(WINDOW_BARS):
        rows[m] -= mean


@numba.njit(cache=True)
def trailing_wavelets(
    values: np.ndarray, first: int, centred: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Transform the last 64 rows at every row: ``pywt.wavedec(window, "db4", mode="zero", level=3)``.

    Beyond its ends a window is taken to be zero. Of PyWavelets' extensions it is the one under which every row of the
    window counts exactly once, energies of the levels adding up to the window's; mirrored ends count the newest row
    more than five times, periodic ones mix the oldest rows into the newest coefficients.

    Parameters
    ----------
    values : ndarray of float64, shape (N,)
        In time order.
    first : int
        First row with a value, 0 or more: windows begin there at the earliest.
    centred : bool
        Whether the values are levels (each window is centred on its mean, and the smooth path is A3 itself) or moves
        (taken as they are, the smooth path being the running sum of A3).

    Returns
    -------
    last : ndarray of float64, shape (4, N)
        Last coefficient of D1, D2, D3 and A3, those numbered :data:`LAST`.
    energy : ndarray of float64, shape (4, N)
        Sum of the squares of all coefficients of D1, D2, D3 and A3.
    net, gross : ndarray of float64, shape (N,)
        Move of the smooth path, and the sum of its absolute steps: of moves the sum of A3's coefficients 5 to 12, of
        levels from coefficient 5 to 11, because the zeros beyond the window pull the twelfth towards the mean.
        All are NaN until a window is full.
    """
    n = len(values)
    last, energy = np.full((4, n), np.nan), np.full((4, n), np.nan)
    net, gross = np.full(n, np.nan), np.full(n, np.nan)
    for start in range(first + WINDOW_BARS - 1, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        width = stop - start
        rows = np.zeros((WINDOW_BARS + 1, width))
        for m in range(WINDOW_BARS):
            rows[m] = values[start - WINDOW_BARS + 1 + m : stop - WINDOW_BARS + 1 + m]
        if centred:
            _centre(rows)
        a1, a2 = np.zeros((COUNTS[0] + 1, width)), np.zeros((COUNTS[1] + 1, width))
        a3, detail = np.zeros((COUNTS[2], width)), np.zeros(width)
        energy[0, start:stop] = _split(rows, WINDOW_BARS, a1, detail, LAST[0], last[0, start:stop])
        energy[1, start:stop] = _split(a1, COUNTS[0], a2, detail, LAST[1], last[1, start:stop])
        energy[2, start:stop] = _split(a2, COUNTS[1], a3, detail, LAST[2], last[2, start:stop])
        last[3, start:stop] = a3[LAST[3]]
        detail[:] = 0.0
        for k in range(COUNTS[2]):
            _add_square(detail, a3[k])
        energy[3, start:stop] = detail
        _smooth_path(a3, centred, net[start:stop], gross[start:stop])
    return last, energy, net, gross


@numba.njit(cache=True)
def _smooth_path(a3: np.ndarray, centred: bool, net: np.ndarray, gross: np.ndarray) -> None:
    net[:] = 0.0
    gross[:] = 0.0
    for k in range(FIRST_A3 + 1 if centred else FIRST_A3, LAST[3] if centred else LAST[3] + 1):
        for b in range(len(net)):
            step = a3[k, b] - a3[k - 1, b] if centred else a3[k, b]
            net[b] += step
            gross[b] += abs(step)
