"""Small gold markets with chosen holes, made without the canonical builder."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

MGC = instrument("MGC")
CALENDAR = SessionCalendar.of(MGC)
FRONT, OTHER = "MGCG2", "MGCJ2"
QUARANTINE_COLUMNS = [
    "source_file",
    "source_row",
    "expiry",
    "open_time",
    "reason",
    "open",
    "high",
    "low",
    "close",
    "volume",
]


def sessions_between(first: str, last: str) -> Sessions:
    """Gold sessions of the trade dates, both ends included."""
    return CALENDAR.between(date.fromisoformat(first), date.fromisoformat(last))


def spans(sessions: Sessions) -> np.ndarray:
    """Scheduled minutes of each session."""
    return (sessions.close_us - sessions.open_us) // MINUTE_US


@cache
def every_minute(sessions: Sessions) -> frozenset[tuple[int, int]]:
    """(session, minute) of the whole schedule."""
    return frozenset((s, m) for s, span in enumerate(spans(sessions)) for m in range(int(span)))


def holes(session: int, first: int, number: int) -> set[tuple[int, int]]:
    """(session, minute) of one hole."""
    return {(session, minute) for minute in range(first, first + number)}


def times_of(sessions: Sessions, minutes: Iterable[tuple[int, int]]) -> np.ndarray:
    """Open times of (session, minute) pairs, microseconds, in time order."""
    pairs = np.fromiter((number for pair in minutes for number in pair), dtype=np.int64).reshape(-1, 2)
    return np.sort(sessions.open_us[pairs[:, 0]] + pairs[:, 1] * MINUTE_US)


def bars_of(sessions: Sessions, minutes: Iterable[tuple[int, int]], expiry: str = FRONT) -> pd.DataFrame:
    """Table ``canonical_bars`` with a bar at each of the minutes."""
    open_us = times_of(sessions, minutes)
    day = sessions.trade_day[sessions.locate(open_us)]
    price = np.full(len(open_us), 1800.0)
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return pd.DataFrame(
        {
            "expiry": pd.Categorical([expiry] * len(open_us)),
            "open_time": from_us(open_us),
            "close_time": from_us(open_us + MINUTE_US),
            "trade_date": from_days(day),
            **prices,
            "volume": 5.0,
            "adjustment_ratio": 1.0,
        }
    )


def raw_of(*parts: tuple[str, np.ndarray], volume: float = 5.0) -> pd.DataFrame:
    """Raw rows of (expiry, open times) parts, as far as gaps look at them."""
    frames = [
        pd.DataFrame({"expiry": name, "open_time": from_us(open_us), "volume": volume}) for name, open_us in parts
    ]
    return pd.concat(frames, ignore_index=True).astype({"expiry": "category"})


def quarantine_of(open_us: Sequence[int] | np.ndarray = (), expiry: str = FRONT) -> pd.DataFrame:
    """Table ``quarantine`` with off-tick rows at the times."""
    frame = pd.DataFrame({"open_time": from_us(np.asarray(open_us, dtype=np.int64))})
    frame = frame.assign(source_file="a.csv", source_row=np.arange(len(frame)), expiry=expiry, reason="off_tick")
    for name in ("open", "high", "low", "close", "volume"):
        frame[name] = 1.0
    return frame[QUARANTINE_COLUMNS].astype({"expiry": "category", "reason": "category", "source_file": "category"})
