"""CME sessions: when a contract trades, when a position has to be flat, and the clock of scheduled base bars.

The only module of the factory that knows local time. Everything it hands out is integer microseconds in UTC. Its
neighbours: :mod:`factory_assets.market.session_corrections` holds the dated corrections,
:mod:`factory_assets.market.ladder` bins bars by these sessions.

References
----------
CME Group, "CME Globex trading hours": equity index and metals futures trade 17:00-16:00 Central Time with a daily
maintenance break 16:00-17:00.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from factory_assets.market.session_corrections import SESSION_CORRECTIONS
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import BASE_MINUTES, DAY_US, MINUTE_US

CHICAGO = "America/Chicago"
SESSION_OPEN = time(17)
REGULAR_CLOSE = time(16)
FLAT_TIME = time(15, 10)
FLAT_BEFORE_CLOSE_MINUTES = 15
REGULAR_MINUTES = 23 * 60

# Fixed, so that the sessions of a date never depend on the day the program runs.
_FIRST_DAY = date(2000, 1, 3)
_LAST_DAY = date(2049, 12, 30)
# A simulated future trades equity index hours.
_CORRECTIONS_OF = {"simulated": "equity_index"}
_EPOCH = date(1970, 1, 1)
_FRIDAY = 4


@dataclass(frozen=True, eq=False)
class Sessions:
    """Consecutive trade dates of one calendar as aligned arrays, shape (S,), in time order.

    Attributes
    ----------
    trade_day : ndarray of int32
        Trade date, days since 1970: the Chicago date on which the session closes.
    open_us, close_us : ndarray of int64
        Session span in microseconds since 1970 UTC; a bar belongs to it if open <= bar's open_time < close.
    flat_us : ndarray of int64
        Flat time: the earlier of 15:10 Chicago and 15 minutes before the close. No position is held beyond it.
    """

    trade_day: np.ndarray
    open_us: np.ndarray
    close_us: np.ndarray
    flat_us: np.ndarray

    def __len__(self) -> int:
        """Number of sessions."""
        return len(self.trade_day)

    def locate(self, open_us: np.ndarray) -> np.ndarray:
        """Index of the session with ``open <= t < close`` for each time, int64 shape (N,); -1 outside any session.

        Parameters
        ----------
        open_us : ndarray of int64, shape (N,)
            Bar open times, microseconds since 1970 UTC, in any order.
        """
        times = np.asarray(open_us, dtype=np.int64)
        index = np.searchsorted(self.open_us, times, side="right") - 1
        if len(self) == 0:
            return np.full(times.shape, -1, dtype=np.int64)
        inside = (index >= 0) & (times < self.close_us[np.maximum(index, 0)])
        return np.where(inside, index, -1).astype(np.int64)

    def base_clock_us(self, minutes: int = BASE_MINUTES) -> np.ndarray:
        """Every scheduled bar close, int64 shape (K,), strictly increasing.

        Bins are anchored to the session's open and the last one ends with the session, so an early close that is no
        multiple of ``minutes`` makes a shorter last bin. Horizons, purge and embargo are counted on this clock.
        """
        step = minutes * MINUTE_US
        counts = -(-(self.close_us - self.open_us) // step)
        ends = np.cumsum(counts)
        number = np.arange(int(ends[-1]) if len(self) else 0, dtype=np.int64)
        number -= np.repeat(ends - counts, counts)
        closes = np.repeat(self.open_us, counts) + (number + 1) * step
        return np.minimum(closes, np.repeat(self.close_us, counts))

    def take(self, mask: np.ndarray) -> "Sessions":
        """Sessions under a boolean mask, or at integer positions (in increasing order)."""
        return Sessions(self.trade_day[mask], self.open_us[mask], self.close_us[mask], self.flat_us[mask])


@dataclass(frozen=True, eq=False)
class SessionCalendar:
    """All sessions an instrument trades in, from the calendar library plus the dated corrections.

    Build it with :meth:`of`; the sessions of one calendar and asset class are built once a process.
    """

    name: str
    asset_class: str
    sessions: Sessions

    @classmethod
    def of(cls, instrument: Instrument) -> "SessionCalendar":
        """Calendar of one instrument (cached).

        Examples
        --------
        >>> from datetime import date
        >>> from factory_assets.vocabulary.instruments import instrument
        >>> len(SessionCalendar.of(instrument("MES")).between(date(2023, 1, 1), date(2023, 1, 7)))
        4
        """
        return _calendar(instrument.calendar, instrument.asset_class)

    def between(self, first: date, last: date) -> Sessions:
        """Sessions with ``first <= trade date <= last``, both ends included.

        Raises
        ------
        BadInputError
            If the dates are reversed or outside the calendar's range.
        """
        if first > last:
            raise BadInputError(f"sessions between {first} and {last}: the first date has to come first")
        if first < _FIRST_DAY - timedelta(days=31) or last > _LAST_DAY + timedelta(days=31):
            raise BadInputError(
                f"sessions between {first} and {last}: calendar {self.name} is built for {_FIRST_DAY} to {_LAST_DAY}. "
                "Check the time zone and time unit of the data."
            )
        days = self.sessions.trade_day
        start = int(np.searchsorted(days, (first - _EPOCH).days, side="left"))
        stop = int(np.searchsorted(days, (last - _EPOCH).days, side="right"))
        return self.sessions.take(np.arange(start, stop))

    def covering(self, times_us: np.ndarray, pad_days: int = 7) -> Sessions:
        """Sessions that span the given times with ``pad_days`` calendar days on either side.

        Parameters
        ----------
        times_us : ndarray of int64, shape (N,)
            Times, microseconds since 1970 UTC, in any order. Empty gives no session.
        pad_days : int
            Calendar days added before the first and after the last time.

        Raises
        ------
        BadInputError
            If a time lies outside the calendar's range.
        """
        times = np.asarray(times_us, dtype=np.int64)
        if len(times) == 0:
            return self.sessions.take(np.arange(0))
        first_day, last_day = int(times.min() // DAY_US), int(times.max() // DAY_US)
        limit = 36_500
        if not (-limit < first_day and last_day < 2 * limit):
            raise BadInputError(
                f"times from {times.min()} to {times.max()} are not microseconds since 1970 UTC of any trading day"
            )
        # A time in the evening belongs to the next day's session, hence one more day at the end.
        first = _EPOCH + timedelta(days=first_day - pad_days)
        return self.between(first, _EPOCH + timedelta(days=last_day + 1 + pad_days))

    def notes(self, sessions: Sessions) -> list[str]:
        """What makes each session no regular one, with the row of the table that says so; empty text if it is one.

        A regular session lasts 23 hours and has a session on the weekday before and on the weekday after it. The
        schedule is published ahead, so a note is known before its session.

        Examples
        --------
        >>> from datetime import date
        >>> from factory_assets.vocabulary.instruments import instrument
        >>> calendar = SessionCalendar.of(instrument("MGC"))
        >>> calendar.notes(calendar.between(date(2022, 11, 23), date(2022, 11, 24)))
        ['', 'closes 13:30 Chicago (correction table, metals 2022-11-24)']
        """
        table = _CORRECTIONS_OF.get(self.asset_class, self.asset_class)
        corrected = {(r.trade_date - _EPOCH).days for r in SESSION_CORRECTIONS if r.asset_class == table}
        known = set(self.sessions.trade_day.tolist())
        first, last = self.sessions.trade_day[[0, -1]].tolist()
        found = []
        for day, open_us, close_us in zip(
            sessions.trade_day.tolist(), sessions.open_us.tolist(), sessions.close_us.tolist(), strict=True
        ):
            text = ""
            around = [_weekday_beside(day, step) for step in (-1, 1)]
            missing = [other for other in around if first <= other <= last and other not in known]
            if close_us - open_us < REGULAR_MINUTES * MINUTE_US:
                close = datetime.fromtimestamp(close_us // 1_000_000, tz=ZoneInfo(CHICAGO))
                row = f"correction table, {table} {_date(day)}" if day in corrected else f"calendar {self.name}"
                text = f"closes {close:%H:%M} Chicago ({row})"
            elif missing:
                text = f"beside {_date(missing[0])}, a weekday without a session (calendar {self.name})"
            found.append(text)
        return found


@cache
def _calendar(name: str, asset_class: str) -> SessionCalendar:
    import exchange_calendars

    schedule = exchange_calendars.get_calendar(name, start=str(_FIRST_DAY), end=str(_LAST_DAY)).schedule
    days = np.asarray(schedule.index.tz_localize(None), dtype="datetime64[D]").astype(np.int32)
    open_us = _utc_us(schedule["open"])
    close_us = np.minimum(_utc_us(schedule["close"]), _chicago_us(days, REGULAR_CLOSE))
    days, open_us, close_us = _corrected(days, open_us, close_us, asset_class)
    flat_us = np.minimum(_chicago_us(days, FLAT_TIME), close_us - FLAT_BEFORE_CLOSE_MINUTES * MINUTE_US)
    for array in (days, open_us, close_us, flat_us):
        array.setflags(write=False)
    return SessionCalendar(name, asset_class, Sessions(days, open_us, close_us, flat_us))


def _utc_us(times: pd.Series) -> np.ndarray:
    return pd.DatetimeIndex(times).tz_convert("UTC").as_unit("us").asi8


def _chicago_us(days: np.ndarray, wall: time) -> np.ndarray:
    """Microseconds UTC of one Chicago wall time on each day; never a wall time that a clock change skips or repeats."""
    local = days.astype("datetime64[D]").astype("datetime64[us]") + np.timedelta64(wall.hour * 60 + wall.minute, "m")
    return pd.DatetimeIndex(local).tz_localize(CHICAGO).tz_convert("UTC").as_unit("us").asi8.copy()


def _corrected(
    days: np.ndarray, open_us: np.ndarray, close_us: np.ndarray, asset_class: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wanted = _CORRECTIONS_OF.get(asset_class, asset_class)
    rows = {int(day): (int(start), int(end)) for day, start, end in zip(days, open_us, close_us, strict=True)}
    for correction in SESSION_CORRECTIONS:
        if correction.asset_class == wanted:
            evening = correction.trade_date - timedelta(days=1)
            span = (_instant_us(evening, SESSION_OPEN), _instant_us(correction.trade_date, correction.close))
            rows[(correction.trade_date - _EPOCH).days] = span
    ordered = sorted(rows)
    spans = np.array([rows[day] for day in ordered], dtype=np.int64)
    return np.array(ordered, dtype=np.int32), spans[:, 0].copy(), spans[:, 1].copy()


def _weekday_beside(day: int, step: int) -> int:
    """The weekday before (``step`` -1) or after (+1) a day, days since 1970."""
    other = _date(day) + timedelta(days=step)
    while other.weekday() > _FRIDAY:
        other += timedelta(days=step)
    return (other - _EPOCH).days


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _instant_us(day: date, wall: time) -> int:
    moment = datetime.combine(day, wall, tzinfo=ZoneInfo(CHICAGO))
    return int(moment.timestamp()) * 1_000_000
