"""Nine timeframes out of one-minute bars, every level from the level below it that divides it.

Bins are anchored to the session's open and the last one ends with the session, so they are the same wherever history
starts. Neighbours: :mod:`factory_assets.market.sessions` says when sessions are,
:mod:`factory_assets.market.ladder_kernels` holds the loops, :mod:`factory_assets.market.ladder_invariants` recomputes
every bar by other means.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from factory_assets.market.ladder_kernels import DISORDER, OUTSIDE, Level, aggregate, bin_times, place
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US, TIMEFRAMES_MINUTES, bars_name

# Level below: a 25-minute bar is five 5-minute bars. Any divisor gives the same bars; the longest one reads the least.
LEVEL_BELOW_MINUTES = MappingProxyType({5: 1, 10: 5, 15: 5, 20: 10, 25: 5, 30: 15, 45: 15, 60: 30})
_DAY_MS = DAY_US // 1000


def build_ladder(
    canonical: pd.DataFrame, sessions: Sessions, timeframes_minutes: Collection[int] = TIMEFRAMES_MINUTES
) -> dict[int, pd.DataFrame]:
    """Bars of every timeframe from canonical one-minute bars.

    Open is the first, high the highest, low the lowest and close the last price of the minutes inside; volumes are
    summed; ``minutes`` counts the minutes that traded. A bin in which nothing traded has no bar: no bar is invented.
    ``open_time`` and ``close_time`` are the bin's scheduled ends (the session's close for the last one), whichever
    minutes traded in it. A bin never holds two expiries, because rolls happen at session opens.

    Parameters
    ----------
    canonical : DataFrame
        Table ``canonical_bars`` in ``open_time`` order, without a gap in sessions needed: any set of whole sessions
        gives exactly the rows a longer history gives for them. With a session that is still going on, the bars whose
        ``close_time`` lies in the future are unfinished; the caller leaves them out.
    sessions : Sessions
        Sessions of the instrument that cover the bars; more of them change nothing.
    timeframes_minutes : collection of int
        Timeframes wanted; all by default. The bars of one are the same whichever others are wanted.

    Returns
    -------
    dict of int to DataFrame
        Timeframe wanted, in minutes, to the table ``bars_<minutes>min`` (without ``contract``), one row a bar in
        ``close_time`` order. A row is known at its ``close_time``.

    Raises
    ------
    BadInputError
        Bars out of order or outside every session, a trade date that is not the session's, or two expiries within
        one bin.
    UnknownNameError
        A timeframe off the ladder.
    """
    open_us = times_us(canonical["open_time"], "canonical_bars.open_time")
    columns = {name: canonical[name].to_numpy() for name in Level._fields[2:]}
    stride = stride_minutes(sessions)
    base = minute_level(open_us, columns, sessions, stride)
    _refuse_other_dates(canonical["trade_date"], open_us, base.slot // stride, sessions)
    levels = build_levels(base, _with_levels_below(timeframes_minutes), stride)
    months = canonical["expiry"].astype("category").cat
    expiry = np.ascontiguousarray(months.codes)
    _refuse_mixed_bins(expiry, levels, sessions, stride)
    ratio = np.ascontiguousarray(canonical["adjustment_ratio"], dtype=np.float64)
    frames = {}
    for minutes in (number for number in levels if number in timeframes_minutes):
        level = levels[minutes]
        rest = {
            "expiry": pd.Categorical.from_codes(expiry[level.first], months.categories),
            "adjustment_ratio": ratio[level.first],
            "minutes": _minutes_inside(level, len(canonical)),
        }
        frames[minutes] = _frame(level, minutes, rest, sessions, stride)
    return frames


@dataclass(frozen=True, eq=False)
class SessionBars:
    """Bars of one timeframe of one session as arrays of length K, the unfinished one included.

    Attributes
    ----------
    open_us, close_us : ndarray of int64
        Scheduled span, microseconds since 1970 UTC.
    level : Level
        Traded prices and volume.
    minutes : ndarray of int64
        Minutes that traded inside.
    """

    open_us: np.ndarray
    close_us: np.ndarray
    level: Level
    minutes: np.ndarray


def session_bars(
    open_us: np.ndarray, columns: Mapping[str, np.ndarray], session: Sessions, timeframes_minutes: Collection[int]
) -> dict[int, SessionBars]:
    """The bars of :func:`build_ladder` of one session so far, without tables: what a live run makes at every close.

    Parameters
    ----------
    open_us : ndarray of int64, shape (N,)
        Open times of the session's minutes of one month, increasing.
    columns : mapping of str to ndarray of float64, shape (N,)
        ``open``, ``high``, ``low``, ``close`` and ``volume``.
    session : Sessions
        The session alone.
    timeframes_minutes : collection of int
        Timeframes wanted.

    Raises
    ------
    BadInputError, UnknownNameError
        As :func:`build_ladder`.
    """
    stride = stride_minutes(session)
    levels = build_levels(
        minute_level(open_us, columns, session, stride), _with_levels_below(timeframes_minutes), stride
    )
    found = {}
    for minutes in timeframes_minutes:
        level = levels[minutes]
        start_us, end_us, _ = bin_times(
            level.slot, minutes, stride, session.open_us, session.close_us, session.trade_day.astype(np.int64)
        )
        found[minutes] = SessionBars(start_us, end_us, level, _minutes_inside(level, len(open_us)))
    return found


def _minutes_inside(level: Level, rows: int) -> np.ndarray:
    return np.diff(level.first, append=np.int32(rows)).astype(np.int64)


def stride_minutes(sessions: Sessions) -> int:
    """Slots each session is given: a multiple of every timeframe, and no fewer than the longest session has minutes."""
    common = int(np.lcm.reduce(TIMEFRAMES_MINUTES))
    longest = int((sessions.close_us - sessions.open_us).max(initial=MINUTE_US)) // MINUTE_US
    return common * -(-longest // common)


def minute_level(open_us: np.ndarray, columns: Mapping[str, np.ndarray], sessions: Sessions, stride: int) -> Level:
    """The one-minute bars, each in its place on the schedule.

    Parameters
    ----------
    open_us : ndarray of int64, shape (N,)
        Open times, microseconds since 1970 UTC.
    columns : mapping of str to ndarray of float64, shape (N,)
        ``open``, ``high``, ``low``, ``close`` and ``volume``; copied.
    sessions : Sessions
        As for :func:`build_ladder`.
    stride : int
        :func:`stride_minutes` of the sessions.

    Raises
    ------
    BadInputError
        Bars out of order or outside every session.
    """
    slot, wrong, row = place(open_us, sessions.open_us, sessions.close_us, stride)
    if wrong == DISORDER:
        raise BadInputError(
            f"canonical_bars: open_time does not increase at row {row} ({_moment(open_us[row])}); the bars "
            "have to be sorted by open_time, and duplicates quarantined before"
        )
    if wrong == OUTSIDE:
        raise BadInputError(
            f"canonical_bars: row {row} ({_moment(open_us[row])}) is no whole minute of any of the "
            f"{len(sessions)} sessions given; expected sessions that cover the bars"
        )
    # Copies, because the one-minute bars must not share memory with the canonical frame.
    values = (np.array(columns[name], dtype=np.float64, order="C") for name in Level._fields[2:])
    return Level(slot, np.arange(len(slot), dtype=np.int32), *values)


def build_levels(base: Level, wanted: Sequence[int], stride: int) -> dict[int, Level]:
    """Bars of the wanted timeframes (and the base) as arrays.

    Parameters
    ----------
    base : Level
        The one-minute bars.
    wanted : sequence of int
        Timeframes longer than a minute, ascending; each one's level below has to be among them.
    stride : int
        :func:`stride_minutes` of the sessions the base was placed in.
    """
    ascending = (1, *wanted)
    below = np.array([0, *(ascending.index(LEVEL_BELOW_MINUTES[minutes]) for minutes in wanted)])
    factor = np.array([1, *(minutes // LEVEL_BELOW_MINUTES[minutes] for minutes in wanted)])
    spanned = int(base.slot[-1] // stride - base.slot[0] // stride + 1) if len(base.slot) else 0
    # Room for as many bars as there can be; memory that is never written to is never taken.
    room = [min(len(base.slot), spanned * (stride // minutes)) for minutes in wanted]
    levels = (base, *(Level(*(np.empty(bars, dtype=values.dtype) for values in base)) for bars in room))
    filled = aggregate(levels, below, factor, stride)
    return {
        minutes: Level(*(values[:bars] for values in level))
        for minutes, level, bars in zip(ascending, levels, filled, strict=True)
    }


def _with_levels_below(timeframes_minutes: Collection[int]) -> list[int]:
    """Timeframes longer than a minute that have to be built, in an order in which each finds the level below it."""
    needed: set[int] = set()
    for minutes in timeframes_minutes:
        bars_name(minutes)  # refuses what is not on the ladder
        level = minutes
        while level > 1:
            needed.add(level)
            level = LEVEL_BELOW_MINUTES[level]
    return sorted(needed)


def _refuse_other_dates(dates: pd.Series, open_us: np.ndarray, session: np.ndarray, sessions: Sessions) -> None:
    """A trade date that is not the one of the session the bar lies in."""
    dates_ms = dates.to_numpy(dtype="datetime64[ms]").view(np.int64)
    away = np.flatnonzero(sessions.trade_day.astype(np.int64)[session] * _DAY_MS != dates_ms)
    if len(away):
        raise BadInputError(
            f"canonical_bars: {len(away)} rows carry a trade_date that is not their session's, the first at "
            f"{_moment(open_us[away[0]])}"
        )


def _refuse_mixed_bins(expiry: np.ndarray, levels: Mapping[int, Level], sessions: Sessions, stride: int) -> None:
    """Two expiries within one bin; the minutes at which the expiry changes are few, so only they are looked at."""
    changes = np.flatnonzero(expiry[1:] != expiry[:-1]) + 1
    slot = levels[1].slot
    for minutes in levels:
        mixed = changes[slot[changes] // minutes == slot[changes - 1] // minutes]
        if len(mixed):
            day = sessions.trade_day[slot[mixed[0]] // stride]
            raise BadInputError(
                f"bars_{minutes}min: two expiries within one bin of trade date {day.astype('datetime64[D]')}; rolls "
                "have to happen at session opens"
            )


def _frame(level: Level, minutes: int, rest: Mapping[str, object], sessions: Sessions, stride: int) -> pd.DataFrame:
    """Table of one timeframe, in the order of its schema."""
    start_us, end_us, day_ms = bin_times(
        level.slot, minutes, stride, sessions.open_us, sessions.close_us, sessions.trade_day.astype(np.int64) * _DAY_MS
    )
    columns = {
        **rest,
        **{name: getattr(level, name) for name in Level._fields[2:]},
        "open_time": from_us(start_us),
        "close_time": from_us(end_us),
        "trade_date": day_ms.view("datetime64[ms]"),
    }
    ordered = [column.name for column in table_schema(bars_name(minutes)).columns]
    return pd.DataFrame({name: columns[name] for name in ordered}, copy=False)


def _moment(time_us: int) -> pd.Timestamp:
    return from_us(np.array([time_us]))[0]
