"""The tail of a training part that early stopping watches, so that it never sees the fold being scored."""

import math
from typing import Any

import numpy as np

from factory_assets.splits.intervals import checked_clock, checked_intervals
from factory_assets.splits.roles import roles_around
from factory_assets.vocabulary.errors import ConfigurationError, TooLittleHistoryError
from factory_assets.vocabulary.sample_roles import TEST, TRAIN


def early_stop_tail(
    t0: Any, t1: Any, *, share: float, purge: int = 0, clock: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a training part into rows to fit on and a later tail to watch.

    Hand over the rows of the training part only; in K-fold they may lie on both sides of the test fold. The tail is
    the last ``share`` of these rows in order of ``t0`` (rows that start together with its first one included). Rows
    before it whose interval meets a tail interval, or that start within the purge window, are in neither part.
    There is no embargo: no row to fit on follows the tail.

    Parameters
    ----------
    t0, t1 : array_like, shape (N,)
        Closed label intervals of the training part, as for :meth:`PurgedKFold.split`.
    share : float
        Share of the rows in the tail, in (0, 1).
    purge : int, default 0
        Base bars on the clock before the tail's first ``t0`` at which no row to fit on starts. 0: fitting goes on to
        the bar before the tail, provided that bar's trade is closed by then.
    clock : array_like, optional
        Scheduled base-bar closes over the rows' span; None only if ``purge`` is 0.

    Returns
    -------
    fit_rows, tail_rows : ndarray of int64
        Increasing positions in the arrays as given.

    Raises
    ------
    ConfigurationError
        A share outside (0, 1), or a purge without a clock.
    TooLittleHistoryError
        One of the parts would be empty.
    """
    if not 0.0 < share < 1.0:
        raise ConfigurationError(f"early-stopping tail: expected a share in (0, 1), got {share!r}")
    t0_us, t1_us = checked_intervals(t0, t1)
    clock_us = checked_clock(clock, t0_us, purge=purge)
    rows = len(t0_us)
    if rows < 2:
        raise TooLittleHistoryError(f"early-stopping tail: a training part of {rows} rows cannot be cut in two")
    # 1e-9: 0.15 x 100 must be 15 rows, not 16
    tail_rows_count = max(1, math.ceil(share * rows - 1e-9))
    tail_first_us = np.sort(t0_us)[rows - tail_rows_count]
    roles = roles_around(t0_us, t1_us, t0_us >= tail_first_us, purge_bars=purge, after_bars=0, clock_us=clock_us)
    fit, tail = np.flatnonzero(roles == TRAIN), np.flatnonzero(roles == TEST)
    if len(fit) == 0:
        raise TooLittleHistoryError(
            f"early-stopping tail: {len(tail)} of {rows} rows are watched and a purge of {purge} bars leaves none to "
            "fit on; give it more history or smaller counts"
        )
    return fit, tail
