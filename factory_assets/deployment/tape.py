"""Accepted minutes of one session, delivery month by delivery month."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.deployment.minute import Minute
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us

EXPIRIES_MAX = 64
_MINUTES_MAX = 1440
_FIELDS = ("open", "high", "low", "close", "volume")


class MonthTape:
    """Minutes of one delivery month in one session, in time order."""

    def __init__(self) -> None:
        self._open_us = np.zeros(_MINUTES_MAX, dtype=np.int64)
        self._values = np.zeros((len(_FIELDS), _MINUTES_MAX))
        self._count = 0
        self.volume = 0.0

    def __len__(self) -> int:
        """Minutes held."""
        return self._count

    @property
    def last_us(self) -> int:
        """Open time of the last minute."""
        return int(self._open_us[self._count - 1]) if self._count else -1

    @property
    def open_us(self) -> np.ndarray:
        """Open times, int64, shape (N,)."""
        return self._open_us[: self._count]

    @property
    def columns(self) -> Mapping[str, np.ndarray]:
        """``open``, ``high``, ``low``, ``close`` and ``volume``, each float64, shape (N,)."""
        return dict(zip(_FIELDS, self._values[:, : self._count], strict=True))

    def holds(self, open_us: int, minute: Minute) -> bool | None:
        """Whether the same values stand at that minute already; None if none do."""
        at = int(np.searchsorted(self.open_us, open_us))
        if at == self._count or self._open_us[at] != open_us:
            return None
        return bool(np.array_equal(self._values[:, at], _row(minute), equal_nan=True))

    def append(self, open_us: int, minute: Minute) -> None:
        """Add a minute later than all held."""
        self._open_us[self._count] = open_us
        self._values[:, self._count] = _row(minute)
        self._count += 1
        self.volume += minute.volume


class SessionTape:
    """One session's minutes of every month that traded in it.

    Parameters
    ----------
    session : int
        Position of the session in the calendar.
    trade_day : int
        Its trade date, days since 1970.
    """

    def __init__(self, session: int, trade_day: int) -> None:
        self.session = session
        self.trade_day = trade_day
        self._months: dict[str, MonthTape] = {}

    def month(self, expiry: str) -> MonthTape:
        """Minutes of one month; empty if it has not traded."""
        return self._months.get(expiry) or MonthTape()

    def volumes(self) -> Mapping[str, float]:
        """Contracts traded so far, by month."""
        return {expiry: month.volume for expiry, month in self._months.items()}

    def last_us(self, expiry: str) -> int:
        """Open time of a month's last minute, -1 if it has not traded."""
        return self._months[expiry].last_us if expiry in self._months else -1

    def check_room(self, expiry: str) -> None:
        """Refuse more months than any product lists at once.

        Raises
        ------
        BadInputError
            Past :data:`EXPIRIES_MAX` months in one session: nothing real looks like that, and the state has a bound.
        """
        if expiry not in self._months and len(self._months) >= EXPIRIES_MAX:
            raise BadInputError(f"bar of {expiry}: {EXPIRIES_MAX} months in one session already. Check the feed.")

    def append(self, open_us: int, minute: Minute) -> None:
        """Add a minute later than all of its month."""
        if minute.expiry not in self._months:
            self._months[minute.expiry] = MonthTape()
        self._months[minute.expiry].append(open_us, minute)

    def closes(self, expiry: str) -> pd.DataFrame:
        """``open_time`` and ``close`` of one month: what a roll's ratio is measured on."""
        month = self.month(expiry)
        return pd.DataFrame({"open_time": from_us(month.open_us.copy()), "close": month.columns["close"].copy()})


def _row(minute: Minute) -> tuple[float, float, float, float, float]:
    return minute.open, minute.high, minute.low, minute.close, minute.volume
