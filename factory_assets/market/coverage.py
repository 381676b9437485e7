"""How much of each scheduled session the canonical series holds, and how much of it anything traded at all.

Belongs here: one row a session. Does not: single gaps (:mod:`factory_assets.market.gaps`).
"""

import numpy as np
import pandas as pd

from factory_assets.market.gaps import fronts_of, is_trade, sessions_of
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.frames import dates_days, from_days, from_us, times_us
from factory_assets.vocabulary.timeframes import MINUTE_US


def session_coverage(
    canonical: pd.DataFrame,
    raw: pd.DataFrame,
    quarantine: pd.DataFrame,
    gaps: pd.DataFrame,
    calendar: SessionCalendar,
) -> pd.DataFrame:
    """One row a scheduled session from the first to the last that has a bar, those without a bar included.

    Besides the share of scheduled minutes that traded, each row says for how long no delivery month at all traded
    at the session's edges: a scheduled hour in which all months are silent is a wrong calendar, or lost data. A bar of
    zero volume is no trade; ``traded_minutes`` and ``zero_volume_minutes`` together are all bars of the session.

    Parameters
    ----------
    canonical : DataFrame
        Table ``canonical_bars``.
    raw : DataFrame
        Columns ``open_time`` and ``volume`` of the table ``raw_minutes`` the bars were made of; a row of zero volume
        is no trade.
    quarantine : DataFrame
        Table ``quarantine`` made along with the bars.
    gaps : DataFrame
        Table ``gaps`` of the same bars.
    calendar : SessionCalendar
        Sessions of the contract.

    Returns
    -------
    DataFrame
        Per ``schemas.COVERAGE`` without ``contract``. A row is known when its session has ended; that of the newest
        session may change while it trades.
    """
    sessions = sessions_of(canonical, calendar)
    scheduled = (sessions.close_us - sessions.open_us) // MINUTE_US
    open_us, trades = times_us(canonical["open_time"]), is_trade(canonical)
    traded = _number_in(sessions, open_us[trades])
    any_month, silent_open, silent_close = _of_any_month(raw, sessions, scheduled)
    days = dates_days(gaps["trade_date"])
    return pd.DataFrame(
        {
            "trade_date": from_days(sessions.trade_day),
            "expiry": pd.Categorical(fronts_of(canonical, sessions)),
            "open_time": from_us(sessions.open_us),
            "close_time": from_us(sessions.close_us),
            "scheduled_minutes": scheduled,
            "traded_minutes": traded,
            "zero_volume_minutes": _number_in(sessions, open_us[~trades]),
            "share": traded / scheduled,
            "any_month_minutes": any_month,
            "silent_open_minutes": silent_open,
            "silent_close_minutes": silent_close,
            "listed_gaps": np.bincount(np.searchsorted(sessions.trade_day, days), minlength=len(sessions)),
            "quarantined": _number_in(sessions, times_us(quarantine["open_time"])),
            "calendar_note": pd.Categorical(calendar.notes(sessions)),
        }
    )


def _number_in(sessions: Sessions, open_us: np.ndarray) -> np.ndarray:
    """Times that lie in each session, int64 shape (S,)."""
    session = sessions.locate(open_us)
    return np.bincount(session[session >= 0], minlength=len(sessions)).astype(np.int64)


def _of_any_month(
    raw: pd.DataFrame, sessions: Sessions, scheduled: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minutes in which any month traded, and minutes before the first and behind the last of them; (S,) each."""
    minutes = times_us(raw["open_time"])[raw["volume"].to_numpy() != 0]
    session = sessions.locate(minutes)
    minutes, session = minutes[session >= 0], session[session >= 0]
    # A flag a scheduled minute, all sessions end to end: a million rows are marked faster than sorted.
    ends = np.cumsum(scheduled)
    starts = ends - scheduled
    flags = np.zeros(int(ends[-1]), dtype=np.bool_)
    flags[starts[session] + (minutes - sessions.open_us[session]) // MINUTE_US] = True
    traded = np.flatnonzero(flags)
    begin, end = np.searchsorted(traded, starts), np.searchsorted(traded, ends)
    some = end > begin
    first, last = scheduled.copy(), scheduled.copy()
    first[some] = traded[begin[some]] - starts[some]
    last[some] = ends[some] - 1 - traded[end[some] - 1]
    return (end - begin).astype(np.int64), first, last
