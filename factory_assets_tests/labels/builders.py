"""Hostile price paths and small markets for the label tests, and their rows as the oracle wants them."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.frames import dates_days, from_days, from_us, times_us
from factory_assets_tests.labels.oracle import oracle_mask, oracle_outcome

MINUTE_US = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_US = 1_673_000_040_000_000 // MINUTE_US * MINUTE_US

PRICES = ("exit_long", "exit_short", "net_long", "net_short", "entry_price", "upper", "lower", "mae", "mfe")


def moment(us):
    return EPOCH + timedelta(microseconds=int(us))


def oracle_minutes(open_us, prices, expiry=None):
    """Arrays as the oracle's tuples, Python values only."""
    expiries = ["X"] * len(open_us) if expiry is None else [str(e) for e in expiry]
    columns = [np.asarray(prices[name], dtype=float).tolist() for name in ("open", "high", "low", "close")]
    return list(zip([moment(t) for t in open_us], *columns, expiries, strict=True))


def window_of(minutes, opens, first, last):
    """The minutes from just before ``first`` to just past ``last``: the oracle searches them itself."""
    return minutes[max(0, bisect_left(opens, first) - 2) : bisect_left(opens, last) + 2]


@dataclass
class HostilePath:
    """One path of minutes with entries into it."""

    open_us: np.ndarray
    prices: dict
    decision_us: np.ndarray
    atr: np.ndarray
    flat_us: np.ndarray
    roll_us: np.ndarray
    cost: np.ndarray
    k_up: float
    k_down: float
    max_bars: int


def hostile_path(seed):
    """Jumps through barriers, minutes wider than the barriers, holes, prices on ticks, early flat times and rolls."""
    rng = np.random.default_rng(seed)
    scheduled = 240
    kept = rng.random(scheduled) >= rng.choice([0.0, 0.05, 0.5])
    if rng.random() < 0.4:  # an outage
        start = rng.integers(0, scheduled)
        kept[start : start + rng.integers(5, 120)] = False
    open_us = START_US + np.flatnonzero(kept).astype(np.int64) * MINUTE_US
    m, tick = len(open_us), 0.25
    move = rng.choice([0, 1, 2, 4], size=m, p=[0.3, 0.4, 0.2, 0.1]) * rng.choice([-1, 1], size=m)
    on_tick = rng.random() < 0.5  # barriers that coincide with prices: >= and <= matter
    often, far = (0.3, 7) if on_tick else (0.06, 17)
    jump = np.where(rng.random(m) < often, rng.integers(1 - far, far, size=m), 0)
    reach = np.where(rng.random(m) < (0.3 if on_tick else 0.08), 14, 2)
    close = 4_000 + np.cumsum(move + jump)
    start = close - move
    high = np.maximum(start, close) + rng.integers(0, reach + 1)
    low = np.minimum(start, close) - rng.integers(0, reach + 1)
    prices = {"open": start * tick, "high": high * tick, "low": low * tick, "close": close * tick}
    n = 40
    decision_us = np.sort(START_US + rng.integers(-5, scheduled + 5, size=n) * MINUTE_US)
    flat = START_US + rng.integers(60, scheduled + 30) * MINUTE_US
    roll = START_US + rng.integers(30, 4 * scheduled) * MINUTE_US
    atr = rng.integers(2, 9, size=n) * tick if on_tick else rng.uniform(0.3, 4.0, size=n)
    k_up, k_down = (1.0, 1.0) if on_tick else tuple(rng.uniform(0.5, 2.5, size=2))
    return HostilePath(
        open_us=open_us,
        prices=prices,
        decision_us=decision_us.astype(np.int64),
        atr=atr.astype(float),
        flat_us=np.full(n, flat),
        roll_us=np.full(n, roll),
        cost=rng.choice([0.375, 0.625], size=n),
        k_up=float(k_up),
        k_down=float(k_down),
        max_bars=int(rng.integers(1, 20)),
    )


def oracle_of_path(path):
    minutes = oracle_minutes(path.open_us, path.prices)
    opens = [minute[0] for minute in minutes]
    out = []
    for i in range(len(path.decision_us)):
        decision, flat = moment(path.decision_us[i]), moment(path.flat_us[i])
        last = decision + timedelta(minutes=5 * path.max_bars)
        out.append(
            oracle_outcome(
                decision,
                window_of(minutes, opens, decision, last),
                k_up=path.k_up,
                k_down=path.k_down,
                max_bars=path.max_bars,
                atr=float(path.atr[i]),
                flat_time=flat,
                roll_time=moment(path.roll_us[i]),
                cost=float(path.cost[i]),
            )
        )
    return out


def market(seed, *, session_count=6, session_minutes=(180, 420), roll_sessions=(3,), scale=1.0, missing=0.05, walk=2.0):
    """Minutes, base bars and sessions of a small invented market with rolls and early closes."""
    rng = np.random.default_rng(seed)
    first_day = int(dates_days(pd.DatetimeIndex(["2023-01-09"]))[0])
    trade_day = (first_day + np.arange(session_count)).astype(np.int32)
    open_us = trade_day.astype(np.int64) * 86_400_000_000 - 3_600_000_000
    length = rng.integers(session_minutes[0] // 5, session_minutes[1] // 5 + 1, size=session_count) * 5
    close_us = open_us + length * MINUTE_US
    flat_us = close_us - rng.choice([15, 50], size=session_count) * MINUTE_US
    sessions = Sessions(trade_day, open_us, close_us, flat_us)
    minute_us = np.concatenate([a + np.arange(k) * MINUTE_US for a, k in zip(open_us, length, strict=True)])
    kept = rng.random(len(minute_us)) >= missing
    for hole in rng.integers(0, len(minute_us), size=3):
        kept[hole : hole + 40] = False
    minute_us = minute_us[kept]
    m = len(minute_us)
    session = sessions.locate(minute_us)
    steps = rng.normal(0, walk, size=m) * np.where(rng.random(m) < 0.03, 8, 1)
    steps += np.where(np.diff(session, prepend=0) > 0, rng.normal(0, 10 * walk, size=m), 0)
    close = np.round(8_000 + np.cumsum(steps))
    body = np.round(rng.normal(0, walk, size=m))
    high = np.maximum(close, close - body) + rng.integers(0, 3, size=m)
    low = np.minimum(close, close - body) - rng.integers(0, 3, size=m)
    number = np.searchsorted(np.asarray(roll_sessions), session, side="right")
    shift = 40.0 * number
    ratio = np.cumprod(np.concatenate([[1.0], np.full(max(1, len(roll_sessions)), 8_000 / 8_040)]))[number]
    tick = 0.25 * scale
    frame = pd.DataFrame(
        {
            "expiry": pd.Categorical([f"MES{'HMUZ'[i]}3" for i in number]),
            "open_time": from_us(minute_us),
            "close_time": from_us(minute_us + MINUTE_US),
            "trade_date": from_days(trade_day[session]),
            "open": (close - body + shift) * tick,
            "high": (high + shift) * tick,
            "low": (low + shift) * tick,
            "close": (close + shift) * tick,
            "volume": rng.integers(1, 50, size=m).astype(float),
            "minutes": np.ones(m, dtype=np.int64),
            "adjustment_ratio": ratio,
        }
    )
    return frame, base_bars(frame, sessions), sessions


def base_bars(minutes, sessions):
    """5-minute bars of the minutes by group-by: slow, plain, and not the ladder."""
    open_us = times_us(minutes["open_time"])
    session = sessions.locate(open_us)
    bin_open = sessions.open_us[session] + (open_us - sessions.open_us[session]) // (5 * MINUTE_US) * 5 * MINUTE_US
    bin_close = np.minimum(bin_open + 5 * MINUTE_US, sessions.close_us[session])
    grouped = minutes.groupby(bin_open, sort=True)
    out = grouped.agg(
        expiry=("expiry", "first"),
        trade_date=("trade_date", "first"),
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
        minutes=("minutes", "sum"),
        adjustment_ratio=("adjustment_ratio", "first"),
    )
    out.insert(1, "open_time", from_us(out.index.to_numpy()))
    out.insert(2, "close_time", from_us(pd.Series(bin_close).groupby(bin_open, sort=True).first().to_numpy()))
    return out.reset_index(drop=True)


def differences(labels, minutes, bars, sessions, barriers, horizon, rows=None):
    """Rows of a labels table that differ from the oracle, each as (row, column, got, expected); exact comparison."""
    open_us = times_us(minutes["open_time"])
    oracle_rows = oracle_minutes(open_us, minutes, minutes["expiry"].astype(str))
    opens = [minute[0] for minute in oracle_rows]
    flats = sessions.flat_us[sessions.locate(times_us(bars["open_time"]))]
    decisions, expiries = times_us(bars["close_time"]), bars["expiry"].astype(str).tolist()
    names = (*PRICES, "label", "tie", "mask_reason", "eligible", "atr", "cost", "minutes_to_touch")
    table = {name: labels[name].tolist() for name in names}
    times = {name: times_us(labels[name]).tolist() for name in ("t0", "t1", "entry_time", "vertical_time")}
    known = opens[-1] + timedelta(minutes=1)
    wrong = []
    for i in range(len(labels)) if rows is None else rows:
        decision, flat, atr = moment(decisions[i]), moment(flats[i]), table["atr"][i]
        usable = not math.isnan(atr) and atr > 0
        last = decision + timedelta(minutes=5 * barriers.max_bars)
        expected = oracle_outcome(
            decision,
            window_of(oracle_rows, opens, decision, last),
            k_up=barriers.k_up,
            k_down=barriers.k_down,
            max_bars=barriers.max_bars,
            atr=atr if usable else 1.0,
            flat_time=flat,
            cost=table["cost"][i],
            expiry=expiries[i],
        )
        reason = oracle_mask(decision, flat, horizon, atr if usable else None, expected["status"])
        untouched = expected["status"] == "no_entry" or expected["minutes_to_touch"] is None
        if reason in {"", "no_entry"} and untouched and expected["vertical_time"] > known:
            reason = "unfinished"
        got = {}
        if not reason:
            got = {name: table[name][i] for name in (*PRICES, "label", "tie")}
            got |= {name: moment(times[name][i]) for name in times}
            touch = table["minutes_to_touch"][i]
            got["minutes_to_touch"] = None if math.isnan(touch) else touch
        got |= {"mask_reason": table["mask_reason"][i], "eligible": table["eligible"][i]}
        expected |= {"mask_reason": reason, "eligible": not reason}
        wrong += [(i, name, value, expected[name]) for name, value in got.items() if value != expected[name]]
    return wrong
