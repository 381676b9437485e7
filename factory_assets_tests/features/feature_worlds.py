"""Bars for the tests of features: a seeded random market on the real session calendar, binned by hand."""

from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US


def sessions_of(symbol: str, count: int, first: date = date(2023, 1, 2)) -> Sessions:
    calendar = SessionCalendar.of(instrument(symbol))
    found = calendar.between(first, date(first.year + 4, 12, 31))
    return found.take(np.arange(count))


def make_minutes(
    symbol="MGC", sessions=30, seed=0, traded_share=0.97, roll_every=0, price=1900.0, first=date(2023, 1, 2)
) -> pd.DataFrame:
    """One-minute bars on tick-sized prices with volatility clustering, missing minutes, zero volumes and rolls."""
    rng = np.random.default_rng(seed)
    calendar = sessions_of(symbol, sessions, first)
    tick = instrument(symbol).tick_size
    open_us, day = [], []
    for k in range(len(calendar)):
        times = np.arange(calendar.open_us[k], calendar.close_us[k], MINUTE_US)
        kept = times[rng.random(len(times)) < traded_share]
        open_us.append(kept)
        day.append(np.full(len(kept), calendar.trade_day[k], dtype=np.int32))
    open_us, day = np.concatenate(open_us), np.concatenate(day)
    n = len(open_us)
    vol = np.exp(0.8 * np.sin(np.arange(n) / 700.0) + 0.3 * rng.standard_normal(n)) * 2e-4
    opening = np.r_[True, day[1:] != day[:-1]]
    steps = rng.standard_t(4, n) * vol * np.where(opening, 12.0, 1.0)
    close = price * np.exp(np.cumsum(steps))
    openings = np.r_[price, close[:-1]] * np.exp(np.where(opening, steps * 0.7, rng.standard_normal(n) * 1e-5))
    top = np.maximum(openings, close) * (1.0 + np.abs(rng.standard_normal(n)) * vol * 0.5)
    bottom = np.minimum(openings, close) * (1.0 - np.abs(rng.standard_normal(n)) * vol * 0.5)
    ratio = np.ones(n)
    if roll_every:
        ratio = 0.991 ** (np.cumsum(opening) // roll_every)
    prices = {name: np.round(values / ratio / tick) * tick for name, values in
              (("open", openings), ("high", top), ("low", bottom), ("close", close))}  # fmt: skip
    volume = rng.poisson(30.0 * np.exp(rng.standard_normal(n))).astype(float)
    return frame_of(symbol, open_us, open_us + MINUTE_US, day, prices, volume, ratio)


def frame_of(symbol, open_us, close_us, day, prices, volume, ratio) -> pd.DataFrame:
    n = len(open_us)
    return pd.DataFrame(
        {
            "contract": pd.Categorical([symbol] * n),
            "expiry": pd.Categorical(["X"] * n),
            "open_time": from_us(np.asarray(open_us)),
            "close_time": from_us(np.asarray(close_us)),
            "trade_date": from_days(np.asarray(day)),
            **prices,
            "volume": volume,
            "minutes": np.ones(n, dtype=np.int64),
            "adjustment_ratio": ratio,
        }
    )


def to_timeframe(minutes: pd.DataFrame, width: int) -> pd.DataFrame:
    """Minutes binned from the session open, by pandas: an independent, slow ladder."""
    if width == 1:
        return minutes
    symbol = str(minutes["contract"].iloc[0])
    everything = SessionCalendar.of(instrument(symbol)).sessions
    day = minutes["trade_date"].to_numpy().astype("datetime64[D]").astype(np.int32)
    k = np.searchsorted(everything.trade_day, day)
    opened = everything.open_us[k]
    start = pd.DatetimeIndex(minutes["open_time"]).as_unit("us").asi8
    slot = (start - opened) // (width * MINUTE_US)
    bin_open = opened + slot * width * MINUTE_US
    groups = minutes.groupby(bin_open, sort=True)
    first = groups.first()
    opens = first.index.to_numpy()
    days = first["trade_date"].to_numpy().astype("datetime64[D]").astype(np.int32)
    closed = np.minimum(opens + width * MINUTE_US, everything.close_us[np.searchsorted(everything.trade_day, days)])
    prices = {
        "open": first["open"].to_numpy(),
        "high": groups["high"].max().to_numpy(),
        "low": groups["low"].min().to_numpy(),
        "close": groups["close"].last().to_numpy(),
    }
    return frame_of(
        symbol, opens, closed, days, prices, groups["volume"].sum().to_numpy(), first["adjustment_ratio"].to_numpy()
    )


def bars(width=5, **options) -> pd.DataFrame:
    return to_timeframe(make_minutes(**options), width)


def hostile(rng: np.random.Generator, rows: int, symbol="MGC") -> pd.DataFrame:
    """Bars nobody would design for: flat stretches, bars without volume or range, jumps of 50 %, huge volumes."""
    calendar = sessions_of(symbol, 60)
    times = np.concatenate(
        [np.arange(a, b, 60 * MINUTE_US) for a, b in zip(calendar.open_us, calendar.close_us, strict=True)]
    )
    day = np.concatenate([
        np.full(len(np.arange(a, b, 60 * MINUTE_US)), d) for a, b, d in
        zip(calendar.open_us, calendar.close_us, calendar.trade_day, strict=True)
    ])  # fmt: skip
    times, day = times[:rows], day[:rows].astype(np.int32)
    kind = rng.choice(["flat", "tick", "jump", "normal"], p=[0.45, 0.25, 0.05, 0.25], size=rows // 20 + 1).repeat(20)
    kind = kind[: len(times)]
    step = np.select(
        [kind == "flat", kind == "tick", kind == "jump"],
        [0.0, rng.integers(-1, 2, len(times)) * 0.1, rng.standard_normal(len(times)) * 300.0],
        rng.standard_normal(len(times)) * 2.0,
    )
    close = np.round(np.abs(1500.0 + np.cumsum(step)) + 5.0, 1)
    openings = np.where(kind == "flat", close, np.r_[close[:1], close[:-1]])
    extra = np.where(kind == "normal", np.round(rng.random(len(times)), 1), 0.0)
    closes = np.minimum(times + 60 * MINUTE_US, calendar.close_us[np.searchsorted(calendar.trade_day, day)])
    volume = np.where(rng.random(len(times)) < 0.4, 0.0, rng.integers(1, 10**6, len(times)))
    # Prices that differ in the last bit only: rounding must never decide a branch.
    close = np.where(rng.random(len(close)) < 0.3, np.nextafter(close, np.inf), close)
    prices = {
        "open": openings,
        "high": np.maximum(openings, close) + extra,
        "low": np.minimum(openings, close) - extra,
        "close": close,
    }
    return frame_of(symbol, times, closes, day, prices, volume, np.ones(len(times)))
