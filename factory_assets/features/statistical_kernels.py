"""Numba kernels of group ``statistics``: correlations, entropies of symbols, fractional differencing.

Every kernel reads the past only and is NaN where its input or its window is. Belongs here: what describes a window's
distribution or memory. Does not: rolling moments (:mod:`factory_assets.indicators`), kernels of several groups
(:mod:`factory_assets.features.kernels`).
"""

import math

import numba
import numpy as np

from factory_assets.features.kernels import TIE_SHARE

# Symbols of a row whose past does not reach far enough.
UNKNOWN = -1
ORDINAL_PATTERNS = 6
SIGNS = 3


@numba.njit(cache=True)
def correlations(covariance: np.ndarray, first_variance: np.ndarray, second_variance: np.ndarray) -> np.ndarray:
    """Correlation from a covariance and two variances, within -1 and 1; 0 where a variance is at most (1e-9)^2.

    Returns that differ by less than 1e-9 count as equal: the correlation of their rounding means nothing.
    """
    n = len(covariance)
    out = np.full(n, np.nan)
    for i in range(n):
        if np.isnan(covariance[i]):
            continue
        if min(first_variance[i], second_variance[i]) <= TIE_SHARE * TIE_SHARE:
            out[i] = 0.0
        else:
            out[i] = min(max(covariance[i] / math.sqrt(first_variance[i] * second_variance[i]), -1.0), 1.0)
    return out


@numba.njit(cache=True)
def ordinal_patterns(values: np.ndarray) -> np.ndarray:
    """Order of each row's last three values, one of six (int64); -1 in the first two rows.

    Of values within 1e-9 of each other the earlier one counts as the lower. Codes: 0 rising, 1 falling, 2 and 3 up then
    down, 4 and 5 down then up; the odd one of a pair where the last value is below the first.
    """
    n = len(values)
    out = np.full(n, UNKNOWN, dtype=np.int64)
    for i in range(2, n):
        first, middle, last = values[i - 2], values[i - 1], values[i]
        up = first <= middle * (1.0 + TIE_SHARE)
        then_up = middle <= last * (1.0 + TIE_SHARE)
        if up == then_up:
            out[i] = 0 if up else 1
        else:
            out[i] = (2 if up else 4) + (0 if first <= last * (1.0 + TIE_SHARE) else 1)
    return out


@numba.njit(cache=True)
def sign_pairs(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's sign with the one before, one of nine, and the one before alone, one of three (int64).

    ``signs`` holds -1, 0, 1 or NaN; -1, unknown, where either of the two signs is NaN.
    """
    n = len(signs)
    pairs, before = np.full(n, UNKNOWN, dtype=np.int64), np.full(n, UNKNOWN, dtype=np.int64)
    for i in range(1, n):
        if not (np.isnan(signs[i]) or np.isnan(signs[i - 1])):
            before[i] = int(signs[i - 1]) + 1
            pairs[i] = SIGNS * before[i] + int(signs[i]) + 1
    return pairs, before


@numba.njit(cache=True)
def trailing_entropy(symbols: np.ndarray, window: int, kinds: int) -> np.ndarray:
    """Shannon entropy, in nats, of the last ``window`` symbols 0 to ``kinds - 1``; NaN where one is unknown (-1).

    Counts are integers, so the value depends on the window alone, to the bit.
    """
    n = len(symbols)
    out = np.full(n, np.nan)
    term = np.zeros(window + 1)
    for count in range(1, window):
        term[count] = count / window * math.log(window / count)
    counts = np.zeros(kinds, dtype=np.int64)
    unknown = 0
    for i in range(n):
        if symbols[i] == UNKNOWN:
            unknown += 1
        else:
            counts[symbols[i]] += 1
        if i >= window:
            if symbols[i - window] == UNKNOWN:
                unknown -= 1
            else:
                counts[symbols[i - window]] -= 1
        if i >= window - 1 and unknown == 0:
            total = 0.0
            for kind in range(kinds):
                total += term[counts[kind]]
            out[i] = total
    return out


def fractional_weights(order: float, taps: int) -> np.ndarray:
    """Weights of the fractional difference (1 - L)^order on the last ``taps`` values, newest first: 1, -order, ..."""
    steps = np.arange(1.0, taps)
    return np.cumprod(np.r_[1.0, (steps - 1.0 - order) / steps])


@numba.njit(cache=True)
def trailing_weighted_sum(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of the last values times ``weights``, newest first.

    Goes weight by weight over stretches of rows: each row adds its terms in the same order wherever it stands, and the
    rows of a stretch are added side by side, which makes 63 weights cost less than a logarithm.
    """
    n, taps = len(values), len(weights)
    out = np.full(n, np.nan)
    stretch = 2048
    for start in range(taps - 1, n, stretch):
        stop = min(start + stretch, n)
        total = np.zeros(stop - start)
        for k in range(taps):
            weight, held = weights[k], values[start - k : stop - k]
            for j in range(stop - start):
                total[j] += weight * held[j]
        out[start:stop] = total
    return out
