"""Exponentially weighted standard deviation, normalised from the first row on."""

import math
from typing import Any

import numba
import numpy as np

from factory_assets.indicators._arrays import as_float, check_window


def ewm_std(values: Any, span: int) -> np.ndarray:
    """Exponentially weighted standard deviation with weights ``(1 - 2 / (span + 1)) ** age``, corrected for bias.

    Equals ``pandas.Series(values).ewm(span=span, adjust=True, min_periods=span).std()``. Deviations are taken from
    the weighted mean of the same rows.

    Parameters
    ----------
    values : array_like of float64, shape (N,)
        In time order. A NaN carries no weight but its row ages the others.
    span : int
        Centre of mass is (span - 1) / 2 rows back; at least 2.

    Returns
    -------
    ndarray of float64, shape (N,)
        In the unit of ``values``; NaN until ``span`` values have been seen; exactly 0 while all were equal.

    Raises
    ------
    BadInputError
        Not one-dimensional, or a span below 2.
    """
    check_window(span, "ewm_std span", least=2)
    return _deviations(as_float(values, "values"), span)


def ewm_settle_bars(span: int, tolerance: float = 1e-12) -> int:
    """Rows after which the start of history moves the weights by less than ``tolerance``.

    Parameters
    ----------
    span : int
        Span of the weights.
    tolerance : float
        Share of the weight left to everything earlier.

    Returns
    -------
    int
        Rows, at least ``span``.
    """
    check_window(span, "ewm_settle_bars span")
    decay = 1.0 - 2.0 / (span + 1.0)
    return max(span, math.ceil(math.log(tolerance) / math.log(decay))) if decay > 0 else 1


@numba.njit(cache=True)
def _deviations(values: np.ndarray, span: int) -> np.ndarray:
    """West's weighted update: the sum of squared deviations only ever grows by non-negative terms and decays."""
    n = len(values)
    stds = np.full(n, np.nan)
    decay = 1.0 - 2.0 / (span + 1.0)
    weight, squared_weight, mean, deviations, seen = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(n):
        weight *= decay
        squared_weight *= decay * decay
        deviations *= decay
        value = values[i]
        if not np.isnan(value):
            seen += 1
            total = weight + 1.0
            step = value - mean if weight > 0.0 else 0.0
            mean = mean + step / total if weight > 0.0 else value
            deviations += step * step * weight / total
            weight = total
            squared_weight += 1.0
        if seen >= span:
            spread = weight * weight - squared_weight
            if spread > 0.0:
                stds[i] = math.sqrt(deviations / weight * weight * weight / spread)
    return stds
