"""Sample weights from overlapping labels.

Neighbours: intervals come from :mod:`factory_assets.labels.label_table`; normalising over a training part is done by
whoever knows the part, with :func:`normalised`.
"""

from typing import Any

import numba
import numpy as np

from factory_assets.labels._search import first_at_or_after
from factory_assets.labels.triple_barrier import as_times_us
from factory_assets.vocabulary.errors import BadInputError


def average_uniqueness(t0_us: Any, t1_us: Any, clock_us: Any) -> np.ndarray:
    """How much of its own information each label carries: 1 if it shares no moment with another label.

    For each label the mean, over the scheduled base-bar closes in the closed interval [t0, t1], of 1 / (number of
    labels whose closed interval holds that close).

    Parameters
    ----------
    t0_us, t1_us : int64 microseconds or timezone-aware times, shape (N,)
        Label intervals, closed on both ends, in any order.
    clock_us : int64 microseconds or timezone-aware times, shape (K,)
        Every scheduled base-bar close, strictly increasing. Scheduled ones: a base bar without a trade is a slot too.

    Returns
    -------
    ndarray of float64, shape (N,)
        In (0, 1]. Uses outcomes (``t1``): a weight for fitting, never a feature.

    Raises
    ------
    NaiveTimestampError
        Timestamps without a time zone.
    BadInputError
        Reversed intervals, an unsorted clock, or an interval without a close of the clock in it.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, sections 4.3-4.4 (concurrent labels, average
    uniqueness), 4.5.3 (worked example).

    Examples
    --------
    The worked example of the reference, three labels over bars 0-2, 2-3 and 4-5:

    >>> average_uniqueness([0, 2, 4], [2, 3, 5], [0, 1, 2, 3, 4, 5]).round(4).tolist()
    [0.8333, 0.75, 1.0]
    """
    start, end, clock = (as_times_us(v, n) for v, n in ((t0_us, "t0"), (t1_us, "t1"), (clock_us, "clock")))
    if len(start) != len(end):
        raise BadInputError(f"average_uniqueness: {len(start)} starts but {len(end)} ends")
    if len(clock) > 1 and not bool(np.all(np.diff(clock) > 0)):
        raise BadInputError("average_uniqueness: the clock has to increase strictly; pass Sessions.base_clock_us()")
    first, past = _slots(start, end, clock)
    empty = np.flatnonzero(past <= first)
    if len(empty):
        raise BadInputError(
            f"average_uniqueness: {len(empty)} intervals hold no close of the clock, the first at row {empty[0]} "
            f"([{start[empty[0]]}, {end[empty[0]]}] us). Pass the clock of the sessions the labels come from."
        )
    return _mean_share(first, past, len(clock))


def normalised(weights: np.ndarray) -> np.ndarray:
    """Weights scaled to mean 1, so that a fit's regularisation means the same with and without them.

    Parameters
    ----------
    weights : ndarray of float64, shape (N,)
        Non-negative, of the training part only: the mean of other rows would leak their outcomes.

    Raises
    ------
    BadInputError
        Negative, non-finite or all-zero weights.
    """
    values = np.asarray(weights, dtype=np.float64)
    if len(values) and not (bool(np.all(np.isfinite(values) & (values >= 0))) and float(values.sum()) > 0):
        raise BadInputError("weights: expected finite values >= 0 that are not all zero")
    return values / values.mean() if len(values) else values


@numba.njit(cache=True)
def _slots(start: np.ndarray, end: np.ndarray, clock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First slot of each interval, and the one past its last."""
    first = np.empty(len(start), dtype=np.int64)
    past = np.empty(len(start), dtype=np.int64)
    at_start, at_end = 0, 0
    for i in range(len(start)):
        at_start = first_at_or_after(clock, start[i], at_start)
        at_end = first_at_or_after(clock, end[i] + 1, at_end)
        first[i], past[i] = at_start, at_end
    return first, past


@numba.njit(cache=True)
def _mean_share(first: np.ndarray, past: np.ndarray, slots: int) -> np.ndarray:
    """Labels alive by differences, 1 / alive summed up once, each label reads two ends of that sum.

    The sum starts again wherever nobody is alive, so differences never subtract large numbers.
    """
    change = np.zeros(slots + 1, dtype=np.int64)
    for i in range(len(first)):
        change[first[i]] += 1
        change[past[i]] -= 1
    running = np.zeros(slots + 1)
    alive = 0
    for slot in range(slots):
        alive += change[slot]
        running[slot + 1] = running[slot] + 1.0 / alive if alive > 0 else 0.0
    out = np.empty(len(first))
    for i in range(len(first)):
        out[i] = (running[past[i]] - running[first[i]]) / (past[i] - first[i])
    return out
