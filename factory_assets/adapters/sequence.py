"""The sequence adapter: for each decision the window of base bars that ends with it, as an index over feature rows.

A window reaches back over at most ``window_bars`` bars that exist. Scheduled closures (daily break, weekend, holiday)
take no bars and are crossed, and so are rolls, since features are made from adjusted prices. An outage is not crossed:
more scheduled session time without a bar, between two neighbouring bars, than the settings allow. What lies before
an outage, or before history begins, counts as missing; the decision itself is kept.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.timeframes import BASE_MINUTES
from factory_assets.vocabulary.windows import LazyWindows


def window_index(
    decision_us: np.ndarray,
    close_us: np.ndarray,
    clock_us: np.ndarray,
    *,
    window_bars: int,
    outage_minutes_max: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Newest and oldest base bar of each decision's window; research, batch and live call this one function.

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, in any order; each is the close of a base bar.
    close_us : ndarray of int64, shape (B,)
        Close times of the base bars that exist, strictly increasing. Live, the trailing ones: with ``window_bars`` or
        more up to a decision the result is that of all history, counted from the end.
    clock_us : ndarray of int64, shape (C,)
        Every scheduled base-bar close from the first to the last of ``close_us``, strictly increasing.
    window_bars : int
        T, most bars of a window. 1: the bar that closes at the decision and no other.
    outage_minutes_max : int
        Missing scheduled bars between two neighbouring bars, times 5 minutes, that a window still crosses. 30: six
        missing bars are crossed, seven are an outage. 0: not even one is crossed.

    Returns
    -------
    last : ndarray of int64, shape (N,)
        Position in ``close_us`` of the bar that closes at the decision: nothing later is known then.
    first : ndarray of int64, shape (N,)
        Position of the oldest bar of the window, ``last - window_bars < first <= last``.

    Raises
    ------
    BadInputError
        A decision at which no bar closes, a bar that is not on the clock, times that do not increase, or counts below
        what they can be.
    """
    if window_bars < 1 or outage_minutes_max < 0:
        raise BadInputError(
            f"windows of {window_bars} bars across outages of {outage_minutes_max} minutes; expected at least 1 and 0"
        )
    _check_increasing(close_us, "base-bar closes")
    _check_increasing(clock_us, "scheduled closes")
    last = _places(decision_us, close_us)
    if len(absent := np.flatnonzero(last < 0)):
        raise BadInputError(
            f"windows: {len(absent)} of {len(decision_us)} decisions are the close of no base bar, the first at "
            f"{from_us(decision_us[absent[:1]])[0]}; a decision is taken at the close of a bar that traded. Make "
            "labels and features from the same bars."
        )
    scheduled = _places(close_us, clock_us)
    if len(absent := np.flatnonzero(scheduled < 0)):
        raise BadInputError(
            f"windows: {len(absent)} of {len(close_us)} base bars close off the scheduled clock, the first at "
            f"{from_us(close_us[absent[:1]])[0]}; hand over every scheduled close of the bars' span "
            "(Sessions.base_clock_us of the same contract)"
        )
    missing_bars = np.diff(scheduled) - 1
    after_outage = 1 + np.flatnonzero(missing_bars * BASE_MINUTES > outage_minutes_max)
    begins = np.zeros(len(close_us), dtype=np.int64)
    begins[after_outage] = after_outage
    unbroken_since = np.maximum.accumulate(begins)
    return last, np.maximum(unbroken_since[last], last - window_bars + 1)


def build_sequence(
    decision_us: np.ndarray,
    trade_day: np.ndarray,
    close_us: np.ndarray,
    clock_us: np.ndarray,
    *,
    window_bars: int,
    outage_minutes_max: int,
) -> pd.DataFrame:
    """Window of every sampled decision as the times of its newest and oldest bar: the ``sequence`` table.

    Times instead of positions: the table stays true when the feature table it points into grows.

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing.
    trade_day : ndarray of int32, shape (N,)
        Session of each decision, days since 1970.
    close_us, clock_us, window_bars, outage_minutes_max
        As for :func:`window_index`.

    Returns
    -------
    DataFrame
        ``decision_time``, ``trade_date``, ``last_close``, ``first_close`` and ``rows`` (1 to T). Known at the decision.

    Raises
    ------
    BadInputError
        As :func:`window_index`; decision times that do not increase, or another number of trade days.
    """
    _check_increasing(decision_us, "decision times")
    if len(trade_day) != len(decision_us):
        raise BadInputError(f"sequence: {len(trade_day)} trade days for {len(decision_us)} decisions")
    last, first = window_index(
        decision_us, close_us, clock_us, window_bars=window_bars, outage_minutes_max=outage_minutes_max
    )
    return pd.DataFrame(
        {
            "decision_time": from_us(decision_us),
            "trade_date": from_days(trade_day),
            "last_close": from_us(close_us[last]),
            "first_close": from_us(close_us[first]),
            "rows": last - first + 1,
        }
    )


def windows_of(
    columns: Mapping[str, np.ndarray], names: Sequence[str], last: np.ndarray, first: np.ndarray, *, window_bars: int
) -> LazyWindows:
    """Windows of many decisions over the rows of a feature table.

    Parameters
    ----------
    columns : mapping of str to ndarray of float, shape (N,)
        Features of base bars (of them, ``names``), in time order (:class:`FeatureRows`, or a table itself).
    names : sequence of str
        Features of a row, in the order of the last axis.
    last, first : ndarray of int64, shape (N,)
        Positions in the columns, from :func:`window_index`.
    window_bars : int
        T.

    Returns
    -------
    LazyWindows
        Shape (N, T, F), float32. The store is one copy of the table's rows up to the newest one any window shows; later
        rows are left behind. Where a window has no row it shows NaN, which a scaler fills with the training median.

    Raises
    ------
    UnknownNameError
        Features the table lacks; all of them in one message.
    BadInputError
        Windows that do not fit the table.
    """
    if missing := [name for name in names if name not in columns]:
        raise UnknownNameError(f"windows: the feature table lacks {missing[:10]}; materialize features first")
    stop = int(last.max()) + 1 if len(last) else 0
    rows = np.empty((stop, len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        rows[:, place] = columns[name][:stop]
    return LazyWindows(
        store=rows,
        last=last,
        first=first,
        length=window_bars,
        pad=np.full(len(names), np.nan, dtype=np.float32),
    )


def _places(times_us: np.ndarray, among_us: np.ndarray) -> np.ndarray:
    """Position of each time among increasing ones, int64 shape (N,); -1 where it is none of them."""
    places = np.searchsorted(among_us, times_us).astype(np.int64)
    found = places < len(among_us)
    found[found] = among_us[places[found]] == times_us[found]
    return np.where(found, places, -1)


def _check_increasing(times: np.ndarray, what: str) -> None:
    stuck = np.flatnonzero(np.diff(times) <= 0)
    if len(stuck):
        raise BadInputError(f"sequence: {what} have to increase strictly; row {stuck[0] + 1} does not")
