"""Kernels that features and labels share: ATR, volatility state, rolling and exponentially weighted statistics.

Belongs here: functions from arrays of bars to arrays of the same length that read the past only, each a numba kernel
with a plain oracle in the tests. Does not: anything registered as a feature (:mod:`factory_assets.features`), prices
walked to a barrier (:mod:`factory_assets.labels`), or bars themselves (:mod:`factory_assets.market`).

Every value at row ``i`` uses rows up to and including ``i`` and is known when bar ``i`` closes. Values with a window
are the same to about 1e-12 wherever history starts before the window; recursive ones (ATR, EWM) once the start has
decayed, which :func:`wilder_settle_bars` and :func:`ewm_settle_bars` count.
"""

from factory_assets.indicators.atr import atr_percent, true_range, wilder_atr, wilder_settle_bars
from factory_assets.indicators.ewm import ewm_settle_bars, ewm_std
from factory_assets.indicators.rolling import (
    rolling_covariance,
    rolling_kurtosis,
    rolling_max,
    rolling_mean,
    rolling_mean_std,
    rolling_min,
    rolling_regression,
    rolling_skew,
    rolling_skew_kurtosis,
    rolling_std,
    rolling_sum,
)
from factory_assets.indicators.volatility_state import high_volatility

__all__ = [
    "atr_percent",
    "ewm_settle_bars",
    "ewm_std",
    "high_volatility",
    "rolling_covariance",
    "rolling_kurtosis",
    "rolling_max",
    "rolling_mean",
    "rolling_mean_std",
    "rolling_min",
    "rolling_regression",
    "rolling_skew",
    "rolling_skew_kurtosis",
    "rolling_std",
    "rolling_sum",
    "true_range",
    "wilder_atr",
    "wilder_settle_bars",
]
