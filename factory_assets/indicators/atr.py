"""Average true range by Wilder's smoothing: the yardstick of barriers, costs and volatility features."""

import math
from typing import Any

import numba
import numpy as np
import pandas as pd

from factory_assets.indicators._arrays import as_float, check_finite, check_window
from factory_assets.indicators.volatility_state import high_volatility
from factory_assets.vocabulary.errors import BadInputError

__all__ = ["atr_percent", "high_volatility", "true_range", "wilder_atr", "wilder_settle_bars"]

PERIOD_BARS = 14


def true_range(high: Any, low: Any, close: Any) -> np.ndarray:
    """Largest of high - low, |high - previous close| and |low - previous close| of each bar.

    Parameters
    ----------
    high, low, close : array_like of float64, shape (N,)
        Bars in time order, in points (or any price unit).

    Returns
    -------
    ndarray of float64, shape (N,)
        True range in the unit of the input. Row 0 has no previous close and is high - low. Known at the bar's close.

    Raises
    ------
    BadInputError
        Unequal lengths or non-finite prices.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 21.
    """
    columns = as_float(high, "high"), as_float(low, "low"), as_float(close, "close")
    check_finite(high=columns[0], low=columns[1], close=columns[2])
    return _true_range(*columns)


def wilder_atr(high: Any, low: Any, close: Any, period: int = PERIOD_BARS) -> np.ndarray:
    """Wilder's average true range: how far a bar typically travels, gaps included.

    The first value stands at row ``period`` and is the mean of the true ranges of rows 1 to ``period`` (row 0 has no
    previous close and stays out, as in TA-Lib); after it ``ATR = (ATR_previous * (period - 1) + TR) / period``.

    Parameters
    ----------
    high, low, close : array_like of float64, shape (N,)
        Bars in time order, in points.
    period : int
        Smoothing length in bars.

    Returns
    -------
    ndarray of float64, shape (N,)
        ATR in the unit of the input, NaN in the first ``period`` rows. Known at the bar's close.

    Raises
    ------
    BadInputError
        Unequal lengths, non-finite prices or a period below 1.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 23.

    Examples
    --------
    >>> wilder_atr([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], [1.5, 2.5, 3.5], period=2)
    array([nan, nan, 1.5])
    """
    columns = as_float(high, "high"), as_float(low, "low"), as_float(close, "close")
    check_finite(high=columns[0], low=columns[1], close=columns[2])
    check_window(period, "wilder_atr")
    return _wilder(_true_range(*columns), period)


def atr_percent(bars: pd.DataFrame, period: int = PERIOD_BARS) -> np.ndarray:
    """ATR of adjusted prices as a share of the adjusted close: comparable across price levels and rolls.

    ATR in traded points is ``atr_percent * close``. Adjusted prices keep a roll's jump out of the true range.

    Parameters
    ----------
    bars : DataFrame
        Bars of one timeframe in time order with ``high``, ``low``, ``close`` (traded points) and
        ``adjustment_ratio``.
    period : int
        Smoothing length in bars.

    Returns
    -------
    ndarray of float64, shape (N,)
        A fraction (0.001 is 0.1 %), NaN in the first ``period`` rows. Known at the bar's ``close_time``.

    Raises
    ------
    BadInputError
        A column is missing, prices are not finite or the close is not positive.
    """
    needed = ("high", "low", "close", "adjustment_ratio")
    missing = [name for name in needed if name not in bars.columns]
    if missing:
        raise BadInputError(f"atr_percent: bars lack {missing}; expected the columns of a bars_* table")
    ratio = as_float(bars["adjustment_ratio"], "adjustment_ratio")
    high, low, close = (as_float(bars[name], name) * ratio for name in needed[:3])
    if len(close) and not float(np.min(close)) > 0.0:
        raise BadInputError(f"atr_percent: expected positive closes, the lowest adjusted one is {np.min(close)}")
    return wilder_atr(high, low, close, period) / close


def wilder_settle_bars(period: int, tolerance: float = 1e-12) -> int:
    """Bars after which the start of history moves a Wilder average by less than ``tolerance``, relatively.

    The weight of everything before the last ``n`` bars is ``(1 - 1/period) ** n``; a live run that recomputes from
    this many bars agrees with the batch.

    Parameters
    ----------
    period : int
        Smoothing length in bars.
    tolerance : float
        Relative difference allowed.

    Returns
    -------
    int
        Bars, the warm-up of ``period`` rows included.
    """
    check_window(period, "wilder_settle_bars")
    return period + (math.ceil(math.log(tolerance) / math.log1p(-1.0 / period)) if period > 1 else 1)


@numba.njit(cache=True)
def _true_range(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> np.ndarray:
    n = len(high)
    out = np.empty(n)
    for i in range(n):
        widest = high[i] - low[i]
        if i > 0:
            widest = max(widest, abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        out[i] = widest
    return out


@numba.njit(cache=True)
def _wilder(ranges: np.ndarray, period: int) -> np.ndarray:
    n = len(ranges)
    out = np.full(n, np.nan)
    if n <= period:
        return out
    total = 0.0
    for i in range(1, period + 1):
        total += ranges[i]
    average = total / period
    out[period] = average
    for i in range(period + 1, n):
        average = (average * (period - 1) + ranges[i]) / period
        out[i] = average
    return out
