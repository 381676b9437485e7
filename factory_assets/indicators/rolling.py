"""Rolling statistics over the last ``window`` rows, shared by features and labels.

Each is one pass of a numba kernel, NaN until the window is full and wherever the window holds a NaN, and depends on
nothing outside its window: computed from any later start of history it is the same to about 1e-12 of the window's own
scale, which is what lets a live run recompute from a short trailing look-back. Row ``i`` uses rows ``i - window + 1``
to ``i`` and is known when row ``i`` is.
"""

from typing import Any

import numpy as np

from factory_assets.indicators import _rolling_kernels as kernels
from factory_assets.indicators._arrays import as_float, check_window
from factory_assets.vocabulary.errors import BadInputError


def rolling_sum(values: Any, window: int) -> np.ndarray:
    """Sum of the last ``window`` values.

    Parameters
    ----------
    values : array_like of float64, shape (N,)
        In time order.
    window : int
        Rows.

    Returns
    -------
    ndarray of float64, shape (N,)
        In the unit of ``values``.

    Raises
    ------
    BadInputError
        Not one-dimensional, or a window below 1.
    """
    check_window(window, "rolling_sum")
    return kernels.sums(as_float(values, "values"), window)


def rolling_mean(values: Any, window: int) -> np.ndarray:
    """Mean of the last ``window`` values; exactly the value itself while all are equal.

    Parameters and errors as in :func:`rolling_sum`.
    """
    check_window(window, "rolling_mean")
    return kernels.mean_m2(as_float(values, "values"), window)[0]


def rolling_std(values: Any, window: int, ddof: int = 1) -> np.ndarray:
    """Standard deviation of the last ``window`` values; exactly 0 while all are equal.

    Parameters
    ----------
    values : array_like of float64, shape (N,)
        In time order.
    window : int
        Rows, more than ``ddof``.
    ddof : int
        Subtracted from the count in the divisor: 1 for the sample deviation, 0 for the population's.

    Returns
    -------
    ndarray of float64, shape (N,)
        In the unit of ``values``.

    Raises
    ------
    BadInputError
        Not one-dimensional, or a window of ``ddof`` rows or fewer.
    """
    return rolling_mean_std(values, window, ddof)[1]


def rolling_mean_std(values: Any, window: int, ddof: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation in one pass; see :func:`rolling_mean` and :func:`rolling_std`."""
    check_window(window, "rolling_std", least=ddof + 1)
    mean, m2 = kernels.mean_m2(as_float(values, "values"), window)
    return mean, np.sqrt(m2 / (window - ddof))


def rolling_covariance(
    first: Any, second: Any, window: int, ddof: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariance of two series over the last ``window`` rows, and the variance of each, in one pass.

    A variance is exactly 0, and the covariance with it, while the window's values are all equal. A NaN masks the
    windows that hold it: both statistics it enters, not the other series' variance.

    Parameters
    ----------
    first, second : array_like of float64, shape (N,)
        In time order, row by row of the same bar; for an autocovariance the second is the first, shifted to later rows.
    window : int
        Rows, more than ``ddof``.
    ddof : int
        Subtracted from the count in the divisor: 1 for the sample's statistics, 0 for the population's.

    Returns
    -------
    covariance : ndarray of float64, shape (N,)
        In the product of the two units.
    first_variance, second_variance : ndarray of float64, shape (N,)
        In the square of each unit.

    Raises
    ------
    BadInputError
        Not one-dimensional, different lengths, or a window of ``ddof`` rows or fewer.

    References
    ----------
    Chan, Golub and LeVeque (1983), Algorithms for Computing the Sample Variance, The American Statistician 37,
    pp. 242-247; Pebay (2008), Sandia report SAND2008-6212 (co-moments).
    """
    check_window(window, "rolling_covariance", least=ddof + 1)
    x, y = as_float(first, "first"), as_float(second, "second")
    if len(x) != len(y):
        raise BadInputError(f"rolling_covariance: first has {len(x)} rows, second {len(y)}; pass rows of the same bars")
    cross, x_m2, y_m2 = kernels.comoments(x, y, window)
    return cross / (window - ddof), x_m2 / (window - ddof), y_m2 / (window - ddof)


def rolling_min(values: Any, window: int) -> np.ndarray:
    """Smallest of the last ``window`` values, exactly. Parameters and errors as in :func:`rolling_sum`."""
    check_window(window, "rolling_min")
    return kernels.extremes(as_float(values, "values"), window, -1.0)


def rolling_max(values: Any, window: int) -> np.ndarray:
    """Largest of the last ``window`` values, exactly. Parameters and errors as in :func:`rolling_sum`."""
    check_window(window, "rolling_max")
    return kernels.extremes(as_float(values, "values"), window, 1.0)


def rolling_skew(values: Any, window: int) -> np.ndarray:
    """Skewness of the last ``window`` values: positive when the rare large ones are positive.

    The adjusted Fisher-Pearson coefficient, as pandas computes it; 0 while all values are equal.

    Parameters
    ----------
    values : array_like of float64, shape (N,)
        In time order.
    window : int
        Rows, at least 3.

    Returns
    -------
    ndarray of float64, shape (N,)
        Without unit.

    Raises
    ------
    BadInputError
        Not one-dimensional, or a window below 3.

    References
    ----------
    Joanes and Gill (1998), Comparing measures of sample skewness and kurtosis, The Statistician 47, p. 184 (G1).
    """
    check_window(window, "rolling_skew", least=3)
    m2, m3, _ = kernels.moments(as_float(values, "values"), window)
    return _skew(m2, m3, float(window))


def rolling_kurtosis(values: Any, window: int) -> np.ndarray:
    """Excess kurtosis of the last ``window`` values: how much of their spread comes from rare large ones.

    The bias-corrected estimate, as pandas computes it; 0 for a normal sample, and 0 while all values are equal.

    Parameters
    ----------
    values : array_like of float64, shape (N,)
        In time order.
    window : int
        Rows, at least 4.

    Returns
    -------
    ndarray of float64, shape (N,)
        Without unit.

    Raises
    ------
    BadInputError
        Not one-dimensional, or a window below 4.

    References
    ----------
    Joanes and Gill (1998), Comparing measures of sample skewness and kurtosis, The Statistician 47, p. 184 (G2).
    """
    check_window(window, "rolling_kurtosis", least=4)
    m2, _, m4 = kernels.moments(as_float(values, "values"), window)
    return _kurtosis(m2, m4, float(window))


def rolling_skew_kurtosis(values: Any, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Skewness and excess kurtosis in one pass; see :func:`rolling_skew` and :func:`rolling_kurtosis`."""
    check_window(window, "rolling_skew_kurtosis", least=4)
    m2, m3, m4 = kernels.moments(as_float(values, "values"), window)
    return _skew(m2, m3, float(window)), _kurtosis(m2, m4, float(window))


def rolling_regression(values: Any, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares line through the last ``window`` values against their row number.

    Parameters
    ----------
    values : array_like of float64, shape (N,)
        In time order, e.g. log prices.
    window : int
        Rows, at least 2.

    Returns
    -------
    slope : ndarray of float64, shape (N,)
        Change of the fitted value a row; 0 while all values are equal.
    r_squared : ndarray of float64, shape (N,)
        Share of the variance the line explains, in [0, 1]; 0 while all values are equal.

    Raises
    ------
    BadInputError
        Not one-dimensional, or a window below 2.
    """
    check_window(window, "rolling_regression", least=2)
    cross, m2 = kernels.regressions(as_float(values, "values"), window)
    time_m2 = window * (window * window - 1.0) / 12.0
    explained = cross * cross / (time_m2 * np.where(m2 > 0.0, m2, 1.0))
    return cross / time_m2, _zero_when_flat(np.minimum(explained, 1.0), m2)


def _skew(m2: np.ndarray, m3: np.ndarray, n: float) -> np.ndarray:
    spread = np.where(m2 > 0.0, m2, 1.0)
    plain = np.sqrt(n) * m3 / (spread * np.sqrt(spread))
    return _zero_when_flat(plain * (np.sqrt(n * (n - 1.0)) / (n - 2.0)), m2)


def _kurtosis(m2: np.ndarray, m4: np.ndarray, n: float) -> np.ndarray:
    spread = np.where(m2 > 0.0, m2, 1.0)
    excess = n * m4 / (spread * spread) - 3.0
    return _zero_when_flat((n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0), m2)


def _zero_when_flat(statistic: np.ndarray, m2: np.ndarray) -> np.ndarray:
    """Zero where the window has no spread, NaN where it is not full."""
    return np.where(np.isnan(m2), np.nan, np.where(m2 > 0.0, statistic, 0.0))
