"""Nine timeframes out of one-minute bars, every level from the level below it that divides it.

Bins are anchored to the session's open and the last one ends with the session, so they are the same wherever history
starts. Neighbours: :mod:`factory_assets.market.sessions` says when sessions are,
:mod:`factory_assets.market.ladder_invariants` recomputes every bar by other means.
"""

from collections.abc import Collection
from types import MappingProxyType
from typing import NamedTuple

import numba
import numpy as np
import pandas as pd

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.timeframes import MINUTE_US, TIMEFRAMES_MINUTES, bars_name

# Level below: a 25-minute bar is five 5-minute bars. Any divisor gives the same bars; the longest one reads the least.
LEVEL_BELOW_MINUTES = MappingProxyType({5: 1, 10: 5, 15: 5, 20: 10, 25: 5, 30: 15, 45: 15, 60: 30})


class _Level(NamedTuple):
    """Bars of one timeframe as aligned arrays; ``session`` and ``bin`` say where on the schedule they stand."""

    session: np.ndarray
    bin: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    minutes: np.ndarray
    ratio: np.ndarray
    expiry: np.ndarray


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
    base = _minute_level(canonical, open_us, sessions)
    levels = {1: base}
    for minutes in _with_levels_below(timeframes_minutes):
        below = LEVEL_BELOW_MINUTES[minutes]
        *bars, mixed = _aggregate(*levels[below], minutes // below)
        if mixed >= 0:
            session = int(levels[below].session[mixed])
            raise BadInputError(
                f"bars_{minutes}min: two expiries within one bin of trade date "
                f"{sessions.trade_day[session].astype('datetime64[D]')}; rolls have to happen at session opens"
            )
        levels[minutes] = _Level(*bars)
    categories = canonical["expiry"].astype("category").cat.categories
    return {
        minutes: _frame(level, minutes, sessions, categories)
        for minutes, level in levels.items()
        if minutes in timeframes_minutes
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


def _minute_level(canonical: pd.DataFrame, open_us: np.ndarray, sessions: Sessions) -> _Level:
    session, minute, disorder, outside = _place(open_us, sessions.open_us, sessions.close_us)
    if disorder >= 0:
        raise BadInputError(
            f"canonical_bars: open_time does not increase at row {disorder} ({_moment(open_us[disorder])}); the bars "
            "by open_time and quarantine duplicates first"
        )
    if outside >= 0:
        raise BadInputError(
            f"canonical_bars: row {outside} ({_moment(open_us[outside])}) is no whole minute of any of the "
            f"{len(sessions)} sessions given; expected sessions that cover the bars"
        )
    wrong = np.flatnonzero(from_days(sessions.trade_day)[session] != canonical["trade_date"].to_numpy())
    if len(wrong):
        raise BadInputError(
            f"canonical_bars: {len(wrong)} rows carry a trade_date that is not their session's, the first at "
            f"{_moment(open_us[wrong[0]])}"
        )
    return _Level(
        session=session,
        bin=minute,
        open=_column(canonical, "open"),
        high=_column(canonical, "high"),
        low=_column(canonical, "low"),
        close=_column(canonical, "close"),
        volume=_column(canonical, "volume"),
        minutes=np.ones(len(canonical), dtype=np.int64),
        ratio=_column(canonical, "adjustment_ratio"),
        expiry=np.ascontiguousarray(canonical["expiry"].astype("category").cat.codes, dtype=np.int32),
    )


def _column(canonical: pd.DataFrame, name: str) -> np.ndarray:
    # A copy, because the one-minute bars must not share memory with the canonical frame.
    return np.array(canonical[name], dtype=np.float64, order="C")


def _moment(time_us: int) -> pd.Timestamp:
    return from_us(np.array([time_us]))[0]


def _frame(level: _Level, minutes: int, sessions: Sessions, categories: pd.Index) -> pd.DataFrame:
    start_us = sessions.open_us[level.session] + level.bin.astype(np.int64) * (minutes * MINUTE_US)
    end_us = np.minimum(start_us + minutes * MINUTE_US, sessions.close_us[level.session])
    columns = {
        "expiry": pd.Categorical.from_codes(level.expiry, categories),
        "open_time": from_us(start_us),
        "close_time": from_us(end_us),
        "trade_date": from_days(sessions.trade_day)[level.session],
        "open": level.open,
        "high": level.high,
        "low": level.low,
        "close": level.close,
        "volume": level.volume,
        "minutes": level.minutes,
        "adjustment_ratio": level.ratio,
    }
    ordered = [column.name for column in table_schema(bars_name(minutes)).columns]
    return pd.DataFrame({name: columns[name] for name in ordered}, copy=False)


@numba.njit(cache=True)
def _place(
    open_us: np.ndarray, session_open_us: np.ndarray, session_close_us: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Session and minute number of each row; first row out of order and first row outside, -1 if there is none."""
    n = len(open_us)
    session, minute = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    s = 0
    for i in range(n):
        if i > 0 and open_us[i] <= open_us[i - 1]:
            return session, minute, i, -1
        while s < len(session_open_us) and open_us[i] >= session_close_us[s]:
            s += 1
        if s == len(session_open_us) or open_us[i] < session_open_us[s]:
            return session, minute, -1, i
        since_open = open_us[i] - session_open_us[s]
        if since_open % MINUTE_US != 0:
            return session, minute, -1, i
        session[i] = s
        minute[i] = since_open // MINUTE_US
    return session, minute, -1, -1


@numba.njit(cache=True)
def _aggregate(
    session: np.ndarray,
    bin_below: np.ndarray,
    open_: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    minutes: np.ndarray,
    ratio: np.ndarray,
    expiry: np.ndarray,
    factor: int,
) -> tuple[
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    int,
]:
    """Bars of ``factor`` bins of the level below each; the last value is a row where a bin changes expiry, or -1."""
    n = len(session)
    bars = 0
    here, edge = -1, -1
    for i in range(n):
        if bin_below[i] >= edge or session[i] != here:
            bars += 1
            here, edge = session[i], (bin_below[i] // factor + 1) * factor
    out_session, out_bin = np.empty(bars, dtype=np.int32), np.empty(bars, dtype=np.int32)
    out_open, out_high, out_low, out_close = np.empty(bars), np.empty(bars), np.empty(bars), np.empty(bars)
    out_volume, out_ratio = np.empty(bars), np.empty(bars)
    out_minutes, out_expiry = np.empty(bars, dtype=np.int64), np.empty(bars, dtype=np.int32)
    mixed = -1
    i = 0
    for k in range(bars):
        here, number = session[i], bin_below[i] // factor
        edge = (number + 1) * factor
        out_session[k], out_bin[k] = here, number
        out_open[k], out_ratio[k], out_expiry[k] = open_[i], ratio[i], expiry[i]
        highest, lowest, total, traded = high[i], low[i], volume[i], minutes[i]
        i += 1
        while i < n and session[i] == here and bin_below[i] < edge:
            # Plain comparisons: canonical prices are finite, and these compile to single instructions.
            if high[i] > highest:  # noqa: PLR1730
                highest = high[i]
            if low[i] < lowest:  # noqa: PLR1730
                lowest = low[i]
            total += volume[i]
            traded += minutes[i]
            if expiry[i] != out_expiry[k]:
                mixed = i
            i += 1
        out_high[k], out_low[k], out_close[k] = highest, lowest, close[i - 1]
        out_volume[k], out_minutes[k] = total, traded
    return (
        out_session,
        out_bin,
        out_open,
        out_high,
        out_low,
        out_close,
        out_volume,
        out_minutes,
        out_ratio,
        out_expiry,
        mixed,
    )
