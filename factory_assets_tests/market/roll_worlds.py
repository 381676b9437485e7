"""Half a year of gold in six delivery months, a few minutes a session: rolls without the bulk of real data.

Every month that has not ended trades in the first minute of every session, so any two can be joined there; in the other
minutes each trades or not. Volumes and open interest are drawn without any order between the months, so that every rule
gets to roll early, late, over a month and at the last moment.
"""

from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.expiry import delivery_index_of, last_holding_limit
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC

MONTHS = ("MGCG1", "MGCJ1", "MGCM1", "MGCQ1", "MGCV1", "MGCZ1")
FIRST, LAST = date(2021, 1, 4), date(2021, 6, 30)
SESSIONS = CALENDAR.between(FIRST, LAST)
_EPOCH = date(1970, 1, 1)


def ended_day(name: str) -> int:
    """A day after which the month no longer trades: a few weeks into its delivery."""
    limit = last_holding_limit(MGC, delivery_index_of(name, int(SESSIONS.trade_day[0])))
    return (limit - _EPOCH).days + 20


def months_world(seed: int, *, sessions: int = len(SESSIONS), minutes: int = 4, lean: float = 2.0) -> pd.DataFrame:
    """Raw minutes of all months; ``lean`` above 0 lets nearer months trade more, by that power of their order."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list] = {name: [] for name in ("expiry", "open_time", "open", "high", "low", "close", "volume")}
    ticks = 18_000
    for number in range(sessions):
        path = ticks + np.cumsum(rng.integers(-3, 4, minutes))
        ticks = int(path[-1])
        alive = [name for name in MONTHS if SESSIONS.trade_day[number] < ended_day(name)]
        for order, name in enumerate(alive):
            basis = 23 * MONTHS.index(name) + int(rng.integers(0, 3))
            for minute in range(minutes):
                if minute and rng.random() < 0.3:
                    continue
                open_, close = path[minute] + basis, path[minute] + basis + int(rng.integers(-1, 2))
                columns["expiry"].append(name)
                columns["open_time"].append(int(SESSIONS.open_us[number]) + minute * MINUTE_US)
                columns["open"].append(open_)
                columns["close"].append(close)
                columns["high"].append(max(open_, close) + 1)
                columns["low"].append(min(open_, close) - 1)
                columns["volume"].append(float(np.ceil(1000 * rng.pareto(1.0) / (1 + order) ** lean) + 1))
    frame = pd.DataFrame(columns)
    frame["open_time"] = from_us(frame["open_time"].to_numpy())
    for name in ("open", "high", "low", "close"):
        frame[name] = frame[name] / 10
    frame.insert(0, "source_file", frame["open_time"].dt.strftime("%Y-%m") + ".csv")
    frame.insert(1, "source_row", frame.groupby("source_file").cumcount())
    return frame.astype({"source_file": "category", "expiry": "category"})


def made_open_interest(seed: int, *, missing: float = 0.0, lean: float = 2.0) -> pd.DataFrame:
    """Made figures for every session and month that trades, from a month before on; some trade dates may be missing."""
    rng = np.random.default_rng(seed)
    listed = CALENDAR.between(date(2020, 12, 1), LAST).trade_day
    rows = []
    for day, after in zip(listed[:-2], listed[2:], strict=True):
        if rng.random() < missing:
            continue
        alive = [name for name in MONTHS if day < ended_day(name)]
        rows += [
            (day, name, int(20_000 * rng.pareto(1.0) / (1 + order) ** lean), after) for order, name in enumerate(alive)
        ]
    days, names, figures, after = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "trade_date": from_days(np.array(days)),
            "expiry": pd.Categorical(names),
            "open_interest": np.array(figures, dtype=np.int64),
            "usable_from": from_days(np.array(after)),
        }
    )
