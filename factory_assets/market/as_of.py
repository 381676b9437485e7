"""Which bar was the last one known at each decision: the as-of join by close time, for every timeframe in one pass.

A value is usable once its bar has closed, and a bar that closes exactly at the decision is used. The answer is an index
into the bars; what they hold is gathered on use, and only where it is used.
"""

from collections.abc import Sequence

import numba
import numpy as np

from factory_assets.vocabulary.errors import BadInputError


def as_of_index(decision_us: np.ndarray, closes_us: Sequence[np.ndarray]) -> np.ndarray:
    """Row of the last bar of each timeframe that had closed by each decision.

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, not decreasing.
    closes_us : sequence of K ndarrays of int64, shape (B_k,)
        Close times of the bars of each timeframe, strictly increasing.

    Returns
    -------
    ndarray of int32, shape (K, N)
        Positions in ``closes_us[k]``; -1 before the first close. The bar at the position is known at the decision, the
        one after it is not.

    Raises
    ------
    BadInputError
        Times out of order; the message names the first one.
    """
    decisions = np.ascontiguousarray(decision_us, dtype=np.int64)
    back = np.flatnonzero(decisions[1:] < decisions[:-1])
    if len(back):
        raise BadInputError(
            f"as-of join: decision {back[0] + 1} lies before the one in front of it; sort the decisions"
        )
    rows = np.empty((len(closes_us), len(decisions)), dtype=np.int32)
    for place, closes in enumerate(closes_us):
        bars = np.ascontiguousarray(closes, dtype=np.int64)
        if not _increases(bars):
            stuck = np.flatnonzero(bars[1:] <= bars[:-1])[0] + 1
            raise BadInputError(
                f"as-of join, timeframe {place}: close {stuck} is not after the one in front of it; expected times "
                "that increase strictly"
            )
        _merge(decisions, bars, rows[place])
    return rows


@numba.njit(cache=True)
def _increases(times_us: np.ndarray) -> bool:
    stuck = 0
    for k in range(len(times_us) - 1):  # no early end: so it compiles to vector instructions
        stuck += times_us[k + 1] <= times_us[k]
    return stuck == 0


@numba.njit(cache=True)
def _merge(decision_us: np.ndarray, close_us: np.ndarray, rows: np.ndarray) -> None:
    """Fill ``rows`` by walking both arrays once."""
    bars, closed = len(close_us), 0
    for k in range(len(decision_us)):
        while closed < bars and close_us[closed] <= decision_us[k]:
            closed += 1
        rows[k] = closed - 1
