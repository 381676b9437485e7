"""Numba kernels of group ``microstructure``: volume split into bought and sold, and its balance over a session.

Every kernel reads the past only and is NaN where its input is. Belongs here: what only order flow needs. Does not:
rolling statistics (:mod:`factory_assets.indicators`), what several groups need
(:mod:`factory_assets.features.kernels`).
"""

import math

import numba
import numpy as np


@numba.njit(cache=True)
def bulk_imbalance(change: np.ndarray, deviation: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Bought minus sold volume of each bar when a bar's buy share is the normal probability of its return."""
    n = len(change)
    out = np.full(n, np.nan)
    for i in range(n):
        if deviation[i] > 0.0:
            # 2 Phi(z) - 1 is erf(z / sqrt 2).
            out[i] = volume[i] * math.erf(change[i] / deviation[i] / 1.4142135623730951)
        elif deviation[i] == 0.0:
            out[i] = 0.0
    return out


@numba.njit(cache=True)
def session_share(part: np.ndarray, whole: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Sum of ``part`` over that of ``whole`` since the session's first bar; 0 while the whole is 0.

    NaN for the first session seen, which may have begun earlier, and for the rest of a session once ``part`` is NaN.
    """
    n = len(part)
    out = np.full(n, np.nan)
    top, bottom = 0.0, 0.0
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            top, bottom = 0.0, 0.0
        top += part[i]
        bottom += whole[i]
        if number[i] >= 1:
            out[i] = top / bottom if bottom > 0.0 else 0.0 * top
    return out
