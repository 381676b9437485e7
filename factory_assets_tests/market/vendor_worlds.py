"""Made records of one market under two vendors' conventions, for the tests of comparing them."""

from collections.abc import Mapping
from datetime import date
from functools import cache

import numpy as np
import pandas as pd

from factory_assets.market.readers import RawRead
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

MES = instrument("MES")
CALENDAR = SessionCalendar.of(MES)


@cache
def _walk(first: date, last: date, seed: int, share_traded: float) -> pd.DataFrame:
    sessions = CALENDAR.between(first, last)
    opens = np.concatenate(
        [np.arange(a, b, MINUTE_US) for a, b in zip(sessions.open_us, sessions.close_us, strict=True)]
    )
    rng = np.random.default_rng(seed)
    opens = opens[rng.random(len(opens)) < share_traded]
    steps = rng.integers(-6, 7, len(opens))
    close = 20_000 + np.cumsum(steps)
    opened = close - rng.integers(-4, 5, len(opens))
    high = np.maximum(opened, close) + rng.integers(0, 3, len(opens))
    low = np.minimum(opened, close) - rng.integers(0, 3, len(opens))
    prices = {
        name: values * MES.tick_size
        for name, values in zip(("open", "high", "low", "close"), (opened, high, low, close), strict=True)
    }
    return pd.DataFrame(
        {"open_time": from_us(opens), **prices, "volume": rng.integers(1, 500, len(opens)).astype(float)}
    )


def market(
    first: date = date(2024, 1, 8),
    last: date = date(2024, 1, 18),
    *,
    seed: int = 5,
    expiry: str = "MESH4",
    share_traded: float = 0.97,
) -> pd.DataFrame:
    """Minutes of one delivery month as ``raw_minutes``: a walk of ticks with a few untraded minutes."""
    frame = _walk(first, last, seed, share_traded).copy()
    frame.insert(0, "expiry", pd.Categorical([expiry] * len(frame)))
    frame.insert(0, "source_row", np.arange(len(frame)))
    frame.insert(0, "source_file", pd.Categorical(["made.csv"] * len(frame)))
    return frame


def record(minutes: pd.DataFrame, *, sha256: str = "00", **declared: str) -> RawRead:
    """A vendor's folder as it was read, under the given words of its declaration; one file of that hash."""
    said: Mapping[str, str] = {"format": "csv", "contract": "MES", "timezone": "UTC", **declared}
    return RawRead(
        minutes=minutes, counts={}, declaration=Declaration(**said), sources=pd.DataFrame({"sha256": [sha256]})
    )


def later(minutes: pd.DataFrame, shift_minutes: int) -> pd.DataFrame:
    """The same bars with stamps that many minutes later."""
    return minutes.assign(open_time=minutes["open_time"] + pd.Timedelta(minutes=shift_minutes))


def read_as(minutes: pd.DataFrame, written_in: str, declared: str) -> pd.DataFrame:
    """Bars whose wall clock was written in one zone and is read as if it were in another."""
    wall = minutes["open_time"].dt.tz_convert(written_in).dt.tz_localize(None)
    return minutes.assign(open_time=wall.dt.tz_localize(declared).dt.tz_convert("UTC").dt.as_unit("us"))
