"""Small canonical frames for the ladder's tests, made without the canonical builder."""

from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

# Thanksgiving week: 1380-minute days around closes at 12:00 and 12:15, which leave odd last bins.
FIRST, LAST = date(2023, 11, 20), date(2023, 11, 28)


def sessions_of_thanksgiving() -> Sessions:
    return SessionCalendar.of(instrument("MES")).between(FIRST, LAST)


def canonical_of(sessions: Sessions, kept_share: float = 0.9, seed: int = 0, roll_before: int = 3) -> pd.DataFrame:
    """Random minutes of the sessions; the later month trades from session ``roll_before`` on."""
    rng = np.random.default_rng(seed)
    spans = (sessions.close_us - sessions.open_us) // MINUTE_US
    session = np.repeat(np.arange(len(spans)), spans)
    minute = np.concatenate([np.arange(span) for span in spans])
    kept = rng.random(len(minute)) < kept_share
    return bars_at(sessions, session[kept], minute[kept], rng, roll_before)


def bars_at(sessions, session, minute, rng, roll_before=10**6) -> pd.DataFrame:
    n = len(session)
    open_us = sessions.open_us[session] + minute * MINUTE_US
    prices = np.sort(4000.0 + 0.25 * rng.integers(-40, 40, size=(n, 4)), axis=1)
    later = (session >= roll_before).astype(int)
    return pd.DataFrame(
        {
            "expiry": pd.Categorical.from_codes(later, ["MESZ3", "MESH4"]),
            "open_time": from_us(open_us),
            "close_time": from_us(open_us + MINUTE_US),
            "trade_date": from_days(sessions.trade_day)[session],
            "open": prices[:, 1],
            "high": prices[:, 3],
            "low": prices[:, 0],
            "close": prices[:, 2],
            "volume": rng.integers(1, 500, n).astype(np.float64),
            "adjustment_ratio": np.where(later == 1, 0.99, 1.0),
        }
    )
