"""CUSUM events: decisions sampled by how far price has moved, not by the clock.

Neighbours: :mod:`factory_assets.labels.label_table` keeps the events that have a label.
"""

from typing import Any

import numba
import numpy as np

from factory_assets.indicators import ewm_settle_bars, ewm_std
from factory_assets.vocabulary.errors import BadInputError


def cusum_events(adjusted_close: Any, *, sigma_multiple: float = 2.0, span_bars: int = 100) -> np.ndarray:
    """Bars at which the summed returns of one direction pass a multiple of the previous bar's volatility.

    ``up = max(0, up + r)``, ``down = min(0, down + r)`` over log returns ``r``; a bar is an event when ``up`` exceeds,
    or ``down`` falls below minus, the threshold, and the sum that did so starts again from zero. The threshold is
    ``sigma_multiple`` EWM standard deviations of the returns up to the *previous* bar, so no bar sets the bar it is
    measured against. Both sums run over every bar given: an event at a bar that turns out to have no label resets
    them all the same.

    Parameters
    ----------
    adjusted_close : array_like of float64, shape (N,)
        Roll-adjusted closes of consecutive base bars, positive.
    sigma_multiple : float
        Threshold in standard deviations.
    span_bars : int
        Span of the EWM; sums stay at zero until it has seen that many returns.

    Returns
    -------
    ndarray of bool, shape (N,)
        Known at the bar's close. Depends on the trailing bars only: see :func:`cusum_settle_bars`.

    Raises
    ------
    BadInputError
        Prices not finite and positive, or a multiple or span that cannot be.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, section 2.5.2.1 (CUSUM filter).
    """
    closes = np.ascontiguousarray(adjusted_close, dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(closes) & (closes > 0)))
    if len(bad):
        raise BadInputError(f"cusum_events: {len(bad)} closes not finite and positive, the first at row {bad[0]}")
    if not sigma_multiple > 0:
        raise BadInputError(f"cusum_events: expected a positive sigma_multiple, got {sigma_multiple}")
    if len(closes) < 2:
        return np.zeros(len(closes), dtype=np.bool_)
    returns = np.full(len(closes), np.nan)
    returns[1:] = np.diff(np.log(closes))
    threshold = np.full(len(closes), np.nan)
    threshold[1:] = sigma_multiple * ewm_std(returns, span_bars)[:-1]
    return _cusum(returns, threshold)


def cusum_settle_bars(span_bars: int = 100) -> int:
    """Trailing bars after which a live run fires on the same bars as a batch over all history.

    The weights of the EWM have to decay to a rounding error, and after that the sums of both runs have to meet, which
    they do at the first event or turn of either side: the same number of bars again is ample for it.

    Parameters
    ----------
    span_bars : int
        Span of the EWM.

    Returns
    -------
    int
        Bars to compute from.
    """
    return 2 * ewm_settle_bars(span_bars)


@numba.njit(cache=True)
def _cusum(returns: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    out = np.zeros(len(returns), dtype=np.bool_)
    up, down = 0.0, 0.0
    for i in range(len(returns)):
        if np.isnan(threshold[i]):
            continue
        up, down = max(0.0, up + returns[i]), min(0.0, down + returns[i])
        if down < -threshold[i]:
            out[i], down = True, 0.0
        elif up > threshold[i]:
            out[i], up = True, 0.0
    return out
