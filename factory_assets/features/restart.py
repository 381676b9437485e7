"""Restarted runs: how a state machine gets a bounded look-back.

A machine whose next state hangs on branches, or forgets at a speed the prices set (stop-and-reverse, adaptive average,
filter), never settles for certain: two starts may disagree for ever. So it is run afresh for every session, from the
open of the session before, and only the values within the session itself are kept. A value then depends on exactly two
sessions, ``Span(sessions=2)``, bit by bit, whatever history came before; each bar is visited twice.

Belongs here: which rows a run has. Does not: any machine (:mod:`factory_assets.features.trend_kernels`).
"""

import numba
import numpy as np

# The first session seen may have begun before the bars do, so the one after it has no complete session before it.
SESSIONS_MASKED = 2


@numba.njit(cache=True)
def restarted_runs(number: np.ndarray) -> np.ndarray:
    """Rows of every restarted run, in time order.

    Parameters
    ----------
    number : ndarray of int64, shape (N,)
        Number of each row's session among those seen, from 0 (:attr:`Bars.session_number`).

    Returns
    -------
    ndarray of int64, shape (R, 3)
        For each session from the third one seen on: first row of the session before, where the machine starts; first
        row of the session itself, from which on its values are kept; row after the session's last. Rows of the first
        two sessions belong to no run and stay NaN. R = max(sessions - 2, 0).
    """
    n = len(number)
    starts = np.empty((number[n - 1] if n else 0) + 2, dtype=np.int64)
    seen = 0
    for i in range(n):
        if i == 0 or number[i] != number[i - 1]:
            starts[seen] = i
            seen += 1
    starts[seen] = n
    runs = np.empty((max(seen - SESSIONS_MASKED, 0), 3), dtype=np.int64)
    for r in range(len(runs)):
        session = r + SESSIONS_MASKED
        runs[r, 0], runs[r, 1], runs[r, 2] = starts[session - 1], starts[session], starts[session + 1]
    return runs
