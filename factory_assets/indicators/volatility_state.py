"""Whether a bar stands in high volatility: what decides between the two round-trip costs."""

from typing import Any

import numba
import numpy as np

from factory_assets.indicators._arrays import as_float, check_window
from factory_assets.vocabulary.errors import BadInputError


def high_volatility(atr_pct: Any, trade_day: Any, sessions: int = 20) -> np.ndarray:
    """True where ATR% ranks above the median of its recent past, and where there is no past to rank it in.

    The past of a row is every valid row of the ``sessions`` sessions before its own plus its own session up to and
    including the row. Percentile = (values strictly below + half of the values equal, the row itself included) /
    values. True for a percentile above 50 %, for a NaN, and with fewer than ``sessions`` earlier sessions: the higher
    cost is charged when in doubt.

    Parameters
    ----------
    atr_pct : array_like of float64, shape (N,)
        ATR as a share of price, NaN while it warms up; rows in time order.
    trade_day : array_like of int32, shape (N,)
        Session of each row, days since 1970, never decreasing. A session without rows does not count as one.
    sessions : int
        Earlier sessions looked at.

    Returns
    -------
    ndarray of bool, shape (N,)
        Known at the bar's close. Depends on no row before the ``sessions`` earlier sessions.

    Raises
    ------
    BadInputError
        Unequal lengths, days that decrease, or ``sessions`` below 1.
    """
    values = as_float(atr_pct, "atr_pct")
    days = np.ascontiguousarray(trade_day, dtype=np.int64)
    check_window(sessions, "high_volatility sessions")
    if len(values) != len(days):
        raise BadInputError(f"high_volatility: {len(values)} ATR% values but {len(days)} trade days")
    if len(days) == 0:
        return np.zeros(0, dtype=np.bool_)
    steps = np.diff(days)
    if len(steps) and int(steps.min()) < 0:
        row = int(np.argmin(steps)) + 1
        raise BadInputError(f"high_volatility: trade_day decreases at row {row}; sort the bars by close_time")
    starts = np.concatenate(([0], np.flatnonzero(steps) + 1, [len(days)]))
    valid = ~np.isnan(values)
    ranks = np.full(len(values), -1, dtype=np.int64)
    distinct, inverse = np.unique(values[valid], return_inverse=True)
    ranks[valid] = inverse
    return _above_median(ranks, starts, len(distinct), sessions)


@numba.njit(cache=True)
def _add(tree: np.ndarray, rank: int, amount: int) -> None:
    node = rank + 1
    while node < len(tree):
        tree[node] += amount
        node += node & -node


@numba.njit(cache=True)
def _count_up_to(tree: np.ndarray, rank: int) -> int:
    total = 0
    node = rank + 1
    while node > 0:
        total += tree[node]
        node -= node & -node
    return total


@numba.njit(cache=True)
def _above_median(ranks: np.ndarray, starts: np.ndarray, distinct: int, sessions: int) -> np.ndarray:
    """Fenwick tree over value ranks; a session's rows leave once it falls out of the trailing ones."""
    out = np.ones(len(ranks), dtype=np.bool_)
    tree = np.zeros(distinct + 1, dtype=np.int64)
    held = 0
    for session in range(len(starts) - 1):
        leaving = session - sessions - 1
        if leaving >= 0:
            for i in range(starts[leaving], starts[leaving + 1]):
                if ranks[i] >= 0:
                    _add(tree, ranks[i], -1)
                    held -= 1
        for i in range(starts[session], starts[session + 1]):
            if ranks[i] < 0:
                continue
            _add(tree, ranks[i], 1)
            held += 1
            if session >= sessions:
                below = _count_up_to(tree, ranks[i] - 1)
                up_to = _count_up_to(tree, ranks[i])
                # (below + (up_to - below) / 2) / held > 1/2, in integers.
                out[i] = below + up_to > held
    return out
