"""Closed label intervals and windows counted on the clock: the primitives under every splitter.

Everything is int64 microseconds since 1970 (UTC). A label's interval is closed on both ends: an outcome known at 10:00
shares information with a decision taken at 10:00.
"""

from typing import Any

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError, ConfigurationError
from factory_assets.vocabulary.frames import times_us

MIN_US = np.iinfo(np.int64).min
MAX_US = np.iinfo(np.int64).max


def as_us(values: Any, what: str) -> np.ndarray:
    """Times of any accepted kind as int64 microseconds.

    Parameters
    ----------
    values : array_like, shape (N,)
        Timezone-aware pandas times, numpy ``datetime64`` (which carries no zone and is read as UTC), or integers,
        which are microseconds since 1970 UTC.
    what : str
        Name used in messages.

    Returns
    -------
    ndarray of int64, shape (N,)

    Raises
    ------
    NaiveTimestampError
        Pandas times without a zone: nothing says which moment they mean.
    BadInputError
        Another type, more than one dimension, or missing times.
    """
    if isinstance(values, pd.Series | pd.DatetimeIndex) and not pd.api.types.is_integer_dtype(values.dtype):
        result = times_us(values, what)
    else:
        array = np.asarray(values)
        if array.dtype.kind == "M":
            result = array.astype("datetime64[us]").view(np.int64)
        elif array.dtype.kind in "iu":
            result = array.astype(np.int64)
        elif array.dtype.kind == "O" or array.size == 0:
            result = times_us(pd.DatetimeIndex(array.ravel()), what) if array.size else np.empty(0, dtype=np.int64)
        else:
            raise BadInputError(f"{what}: expected datetimes or int64 microseconds, got dtype {array.dtype}")
        if array.ndim != 1:
            raise BadInputError(f"{what}: expected one dimension, got shape {array.shape}")
    missing = np.flatnonzero(result == MIN_US)
    if len(missing):
        raise BadInputError(f"{what}: {len(missing)} missing times, the first at row {missing[0]}; drop such rows")
    return np.ascontiguousarray(result)


def checked_intervals(t0: Any, t1: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the label intervals as microseconds.

    Raises
    ------
    BadInputError
        Different lengths, or an interval that ends before it starts.
    """
    t0_us, t1_us = as_us(t0, "t0"), as_us(t1, "t1")
    if len(t0_us) != len(t1_us):
        raise BadInputError(f"t0 has {len(t0_us)} rows, t1 has {len(t1_us)}; expected one interval a row")
    backward = np.flatnonzero(t1_us < t0_us)
    if len(backward):
        row = int(backward[0])
        raise BadInputError(
            f"{len(backward)} intervals end before they start; row {row}: t0 {t0_us[row]} us, t1 {t1_us[row]} us"
        )
    return t0_us, t1_us


def checked_clock(clock: Any, t0_us: np.ndarray, **counts_bars: int) -> np.ndarray:
    """Scheduled base-bar closes as microseconds; empty if no count needs them.

    Parameters
    ----------
    clock : array_like or None
        Every scheduled base-bar close from the first row's ``t0`` to the last one's, increasing.
    t0_us : ndarray of int64, shape (N,)
        Starts of the rows the clock has to cover.
    **counts_bars : int
        The counts asked for, by name.

    Raises
    ------
    ConfigurationError
        A negative count, or a positive one without a clock: bars cannot be counted on rows that happen to exist.
    BadInputError
        A clock that does not increase, or does not reach over the rows.
    """
    negative = {name: count for name, count in counts_bars.items() if count < 0}
    if negative:
        raise ConfigurationError(f"counts of base bars have to be 0 or more, got {negative}")
    needed = {name: count for name, count in counts_bars.items() if count > 0}
    if not needed:
        return np.empty(0, dtype=np.int64)
    if clock is None:
        raise ConfigurationError(
            f"{needed} are counted in base bars on the clock, but clock is None; hand over every scheduled base-bar "
            "close (Sessions.base_clock_us), or set the counts to 0"
        )
    clock_us = as_us(clock, "clock")
    if len(clock_us) == 0 or bool(np.any(np.diff(clock_us) <= 0)):
        raise BadInputError(f"clock: expected strictly increasing closes, got {len(clock_us)} that do not increase")
    if len(t0_us) and (t0_us.min() < clock_us[0] or t0_us.max() > clock_us[-1]):
        raise BadInputError(
            f"clock covers {clock_us[0]}..{clock_us[-1]} us but rows start at {t0_us.min()}..{t0_us.max()} us; "
            "hand over the scheduled closes of every session that has rows"
        )
    return clock_us


def meets_any(t0_us: np.ndarray, t1_us: np.ndarray, other_t0_us: np.ndarray, other_t1_us: np.ndarray) -> np.ndarray:
    """Which intervals share at least one moment with any of the others, ends included.

    Parameters
    ----------
    t0_us, t1_us : ndarray of int64, shape (N,)
        Intervals asked about, in any order.
    other_t0_us, other_t1_us : ndarray of int64, shape (M,)
        Intervals to be met, in any order, of any lengths.

    Returns
    -------
    ndarray of bool, shape (N,)

    Notes
    -----
    [a, b] meets one of the others exactly if, among those that start no later than b, the latest end is at or after
    a: one sort and one binary search a row instead of N x M comparisons.
    """
    if len(other_t0_us) == 0:
        return np.zeros(len(t0_us), dtype=bool)
    order = np.argsort(other_t0_us, kind="stable")
    latest_end_us = np.maximum.accumulate(other_t1_us[order])
    started = np.searchsorted(other_t0_us[order], t1_us, side="right")
    return (started > 0) & (latest_end_us[np.maximum(started - 1, 0)] >= t0_us)


def window_before_us(clock_us: np.ndarray, moment_us: int, bars: int) -> int:
    """Start of the window of ``bars`` scheduled closes that precede a moment: closes in [start, moment).

    Counted on the clock, so a weekend inside the window takes no bars. If the clock has fewer closes before the
    moment, the window has no start (int64 minimum). With 0 bars the window is empty (start = moment).
    """
    if bars == 0:
        return int(moment_us)
    first = int(np.searchsorted(clock_us, moment_us, side="left")) - bars
    return int(clock_us[first]) if first >= 0 else MIN_US


def window_after_us(clock_us: np.ndarray, moment_us: int, bars: int) -> int:
    """End of the window of ``bars`` scheduled closes that follow a moment: closes in (moment, end].

    If the clock has fewer closes after the moment, the window has no end (int64 maximum). With 0 bars the window is
    empty (end = moment).
    """
    if bars == 0:
        return int(moment_us)
    last = int(np.searchsorted(clock_us, moment_us, side="right")) + bars - 1
    return int(clock_us[last]) if last < len(clock_us) else MAX_US
