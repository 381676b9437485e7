"""A small gold market for the tests: two months around the roll of January 2022, every minute traded."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import MINUTE_US

MGC = instrument("MGC")
CALENDAR = SessionCalendar.of(MGC)
SETTINGS = MarketSettings()
VOLUME_SHARES = {"2022-01-24": 0.05, "2022-01-25": 0.10, "2022-01-26": 0.40, "2022-01-27": 3.0, "2022-01-28": 20.0}


def gold_minutes(
    shares: dict[str, float] = VOLUME_SHARES, *, minutes: int = 60, seed: int = 1, basis: float = 4.0
) -> pd.DataFrame:
    """Raw minutes of MGCG2 and MGCJ2: the first ``minutes`` of each session; J2 trades ``share`` times G2's volume."""
    rng = np.random.default_rng(seed)
    parts = []
    price = 1800.0
    for day, share in shares.items():
        wanted = date.fromisoformat(day)
        session = CALENDAR.between(wanted, wanted + timedelta(days=0))
        open_us = session.open_us[0] + np.arange(minutes) * MINUTE_US
        closes = price + np.cumsum(rng.integers(-3, 4, minutes)) * 0.1
        opens = np.concatenate([[price], closes[:-1]])
        price = closes[-1]
        for name, offset, volume in (("MGCG2", 0.0, 100.0), ("MGCJ2", basis, 100.0 * share)):
            ticks = {
                "open": np.rint((opens + offset) * 10),
                "high": np.rint((np.maximum(opens, closes) + offset) * 10) + 1,
                "low": np.rint((np.minimum(opens, closes) + offset) * 10) - 1,
                "close": np.rint((closes + offset) * 10),
            }
            part = pd.DataFrame({"open_time": from_us(open_us), **{k: v / 10 for k, v in ticks.items()}})
            parts.append(part.assign(source_file=f"{day[:7]}.csv", expiry=name, volume=volume))
    frame = pd.concat(parts, ignore_index=True)
    frame["source_row"] = frame.groupby("source_file").cumcount()
    columns = ["source_file", "source_row", "expiry", "open_time", "open", "high", "low", "close", "volume"]
    return frame[columns].astype({"source_file": "category", "expiry": "category"})
