"""Chicago wall clock and session closes for the invariants, along another way than the builder's session spans.

Belongs here: what more than one invariant of minutes asks of the calendar. The builder's own way, integer microseconds
in UTC, is :mod:`factory_assets.market.sessions`; a defect in one does not hide in the other.
"""

from datetime import timedelta

import pandas as pd

from factory_assets.market.session_corrections import SESSION_CORRECTIONS
from factory_assets.market.sessions import CHICAGO
from factory_assets.vocabulary.instruments import Instrument

_REGULAR_CLOSE = "16:00"
# From the open at 17:00 to midnight; in microseconds, because nanoseconds end in 2262 and corrupt times do not.
_EVENING = pd.Timedelta(hours=7).as_unit("us")


def trade_dates(open_times: pd.Series) -> pd.Series:
    """Chicago date of each time, the next day's from 17:00 on; midnight without time zone, shape (N,).

    Parameters
    ----------
    open_times : Series of datetime64 with time zone, shape (N,)
        Bar open times.
    """
    local = open_times.dt.tz_convert(CHICAGO).dt.tz_localize(None)
    return (local + _EVENING).dt.normalize()


def close_minutes(dates: pd.Series, instrument: Instrument, calendar_name: str) -> dict[pd.Timestamp, int]:
    """Chicago minute of the day at which each session closes, from the library's schedule and the dated table.

    Parameters
    ----------
    dates : Series of date or datetime64
        Trade dates; the answer covers their span and ten days on either side.
    instrument : Instrument
        Its asset class says which corrections apply; a simulated product trades equity index hours.
    calendar_name : str
        Exchange calendar in the library.
    """
    import exchange_calendars

    if dates.empty:
        return {}
    first, last = dates.min() - timedelta(days=10), dates.max() + timedelta(days=10)
    schedule = exchange_calendars.get_calendar(calendar_name, start=first, end=last).schedule
    wall = pd.Series(schedule["close"].dt.tz_convert(CHICAGO).dt.strftime("%H:%M").to_numpy(), index=schedule.index)
    wall = wall.clip(upper=_REGULAR_CLOSE)
    asset_class = "equity_index" if instrument.simulated else instrument.asset_class
    for row in SESSION_CORRECTIONS:
        if row.asset_class == asset_class:
            wall[pd.Timestamp(row.trade_date)] = row.close.strftime("%H:%M")
    return {day: int(text[:2]) * 60 + int(text[3:]) for day, text in wall.items()}
