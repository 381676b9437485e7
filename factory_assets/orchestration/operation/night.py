"""The last completed trade date: what a night is about."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from factory_assets.market.sessions import SessionCalendar

_DAY_ZERO = date(1970, 1, 1)
_ONE_US = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Night:
    """One completed session.

    Attributes
    ----------
    trade_date : date
        Chicago date on which the session closed.
    closed_at : datetime
        Scheduled close, UTC.
    flat_at : datetime
        Flat time, UTC: bars that reach it are all a decision of that date can need.
    """

    trade_date: date
    closed_at: datetime
    flat_at: datetime


def last_night(calendar: SessionCalendar, now: datetime, delay_minutes: int) -> Night | None:
    """The last session whose close lies at least ``delay_minutes`` back; None before the calendar's first one.

    Weekends and holidays have no session: on them the answer stays the session before. An early close counts from the
    early close.

    Parameters
    ----------
    calendar : SessionCalendar
        Sessions of the contract.
    now : datetime
        Timezone-aware moment of the injected clock.
    delay_minutes : int
        Minutes the vendor's data may take.
    """
    sessions = calendar.sessions
    limit_us = (now - timedelta(minutes=delay_minutes) - _EPOCH) // _ONE_US
    place = int(np.searchsorted(sessions.close_us, limit_us, side="right")) - 1
    if place < 0:
        return None
    return Night(
        trade_date=_DAY_ZERO + timedelta(days=int(sessions.trade_day[place])),
        closed_at=_EPOCH + int(sessions.close_us[place]) * _ONE_US,
        flat_at=_EPOCH + int(sessions.flat_us[place]) * _ONE_US,
    )


def days_of(day: date) -> int:
    """A date as days since 1970, as manifests spell sessions."""
    return (day - _DAY_ZERO).days


def date_of(day: int) -> date:
    """Days since 1970 as a date."""
    return _DAY_ZERO + timedelta(days=day)
