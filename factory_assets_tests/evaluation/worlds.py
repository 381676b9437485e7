"""A small labelled market with made-up predictions, for tests of whole evaluations."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from factory_assets.labels import label_decisions
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.settings import Barriers, EvaluationSettings, LabelSettings
from factory_assets_tests.labels.builders import market

BARRIERS = Barriers(k_up=2.0, k_down=1.4, max_bars=25)
FAST = EvaluationSettings(resamples=200)
FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class World:
    """Bars, labels, splits and sessions of a market; the first three quarters are train, the rest is val."""

    minutes: pd.DataFrame
    labels: pd.DataFrame
    splits: pd.DataFrame
    train_sessions: Sessions
    val_sessions: Sessions
    instrument: Instrument

    def sample(self, period):
        rows = self.labels[self.labels["event"]]
        days = (self.train_sessions if period == "oof" else self.val_sessions).trade_day
        day = rows["trade_date"].to_numpy().astype("datetime64[D]").astype(np.int32)
        return rows[np.isin(day, days)].reset_index(drop=True)

    def arguments(self, period):
        """What every call of ``evaluate`` on this world shares."""
        return {
            "period": period,
            "labels": self.labels,
            "splits": self.splits,
            "bars_1min": self.minutes,
            "sessions": self.train_sessions if period == "oof" else self.val_sessions,
            "instrument": self.instrument,
            "barriers": BARRIERS,
            "settings": FAST,
        }


@cache
def world(seed=1, session_count=24):
    minutes, bars, sessions = market(seed, session_count=session_count, roll_sessions=(9, 18), walk=6.0)
    labels = label_decisions(bars, minutes, sessions, instrument("MES"), BARRIERS, LabelSettings(events="all"), 5)
    cut = session_count * 3 // 4
    train, val = sessions.take(np.arange(cut)), sessions.take(np.arange(cut, session_count))
    sample = labels[labels["event"]]
    day = sample["trade_date"].to_numpy().astype("datetime64[D]").astype(np.int32)
    position = np.searchsorted(sessions.trade_day, day)
    parts = [_roles(sample, position < cut, np.where(position < cut, "train", "val"), "hold_out", 0, everything=True)]
    for fold in range(FOLDS):
        roles = np.where(position * FOLDS // cut == fold, "test", "train")
        parts.append(_roles(sample, position < cut, roles, "purged_kfold", fold))
    splits = pd.concat(parts, ignore_index=True)
    return World(
        minutes=minutes,
        labels=labels,
        splits=splits,
        train_sessions=train,
        val_sessions=val,
        instrument=instrument("MES"),
    )


def _roles(sample, in_train, roles, scheme, fold, everything=False):
    chosen = np.ones(len(sample), dtype=bool) if everything else in_train
    return pd.DataFrame({"decision_time": sample["decision_time"].to_numpy()[chosen], "role": roles[chosen]}).assign(
        scheme=scheme, fold=fold, decision_time=sample["decision_time"][chosen].reset_index(drop=True)
    )


def predictions(world, period, *, knowledge, seed=0):
    """Probabilities that lean towards the outcome by ``knowledge`` (0: noise only), schema of oof_<model>."""
    rows = world.sample(period)
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 0.5, size=(len(rows), 3))
    logits[np.arange(len(rows)), rows["label"].to_numpy(dtype=np.int64) + 1] += knowledge
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    if period == "oof":
        test = world.splits[(world.splits["scheme"] == "purged_kfold") & (world.splits["role"] == "test")]
        fold = rows[["decision_time"]].merge(test, on="decision_time", how="left")["fold"].to_numpy(dtype=np.int64)
    else:
        fold = np.full(len(rows), -1, dtype=np.int64)
    return pd.DataFrame(
        {
            "decision_time": rows["decision_time"],
            "fold": fold,
            "p_down": p[:, 0],
            "p_flat": p[:, 1],
            "p_up": p[:, 2],
            "label": rows["label"].to_numpy(dtype=np.int8),
            "weight": np.ones(len(rows)),
        }
    )


def models(world, period, knowledge=1.0):
    """A model with knowledge, one without, and stand-ins for the two clock + ATR fits."""
    return {
        "knowing": predictions(world, period, knowledge=knowledge, seed=1),
        "noise": predictions(world, period, knowledge=0.0, seed=2),
        "clock_atr_logistic": predictions(world, period, knowledge=0.1, seed=3),
        "clock_atr_lightgbm": predictions(world, period, knowledge=0.15, seed=4),
    }
