"""Rough ladders of the real files, built from the readers and the roll rule only: enough to label every row."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers.databento import read_dbn
from factory_assets.market.rolls import choose_fronts, roll_ratio
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.home import PROJECT_ROOT
from factory_assets.vocabulary.instruments import instrument

MINUTE_US = 60_000_000


def real_folder(name):
    root = Path(os.environ.get("FACTORY_REAL_DATA") or PROJECT_ROOT.parent / "shared" / "data")
    return root / name


def mgc_ladder(folder):
    """Two years of Micro Gold: front months by the roll rule, chained ratios, whole minutes inside sessions."""
    gold = instrument("MGC")
    parts = [read_dbn(path, gold).minutes.astype({"expiry": str}) for path in sorted(folder.glob("*.dbn.zst"))]
    raw, sessions = _placed(pd.concat(parts, ignore_index=True), gold)
    raw = raw.drop_duplicates(["expiry", "open_us"])
    fronts = choose_fronts(raw.groupby(["trade_day", "expiry"], as_index=False)["volume"].sum(), gold)
    ratios, ratio, previous = {}, 1.0, None
    for front in fronts.itertuples():
        if front.rolled:
            before = raw[raw["trade_day"] == previous]
            pair = (before[before["expiry"] == name] for name in (front.from_expiry, front.expiry))
            ratio *= roll_ratio(*pair)[0]
        ratios[front.trade_day], previous = ratio, front.trade_day
    kept = raw.merge(fronts[["trade_day", "expiry"]], on=["trade_day", "expiry"]).sort_values("open_us")
    return _ladder(kept.assign(adjustment_ratio=kept["trade_day"].map(ratios)), sessions), sessions


def mes_ladder(folder):
    """One Micro E-mini contract, stamped at the close in UTC; the last session stops in the middle."""
    path = next(folder.glob("*.txt"))
    raw = pd.read_csv(path, sep=";", header=None, names=["stamp", "open", "high", "low", "close", "volume"])
    closes = pd.to_datetime(raw["stamp"], format="%Y%m%d %H%M%S").dt.tz_localize("UTC")
    raw["open_time"] = closes - pd.Timedelta(minutes=1)
    placed, sessions = _placed(raw.assign(expiry="MESU6", adjustment_ratio=1.0), instrument("MES"))
    return _ladder(placed.sort_values("open_us"), sessions), sessions


def _placed(raw, product):
    open_us = times_us(raw["open_time"])
    sessions = SessionCalendar.of(product).covering(open_us)
    session = sessions.locate(open_us)
    inside = session >= 0
    placed = raw[inside].assign(open_us=open_us[inside], trade_day=sessions.trade_day[session[inside]])
    return placed, sessions


def _ladder(rows, sessions):
    open_us = rows["open_us"].to_numpy(np.int64)
    frame = pd.DataFrame(
        {
            "expiry": pd.Categorical(rows["expiry"]),
            "open_time": from_us(open_us),
            "close_time": from_us(open_us + MINUTE_US),
            "trade_date": from_days(rows["trade_day"].to_numpy()),
        }
    )
    for name in ("open", "high", "low", "close", "volume", "adjustment_ratio"):
        frame[name] = rows[name].to_numpy(np.float64)
    return build_ladder(frame, sessions)
