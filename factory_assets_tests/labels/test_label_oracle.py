"""The kernel and the labels table against the plain-Python oracle, row by row and bit by bit."""

from collections import Counter

import numpy as np
import pytest

from factory_assets.labels import label_decisions, triple_barrier
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import Barriers, LabelSettings
from factory_assets_tests.labels.builders import (
    PRICES,
    differences,
    hostile_path,
    market,
    moment,
    oracle_of_path,
)


def _compare(seed, seen):
    path = hostile_path(seed)
    got = triple_barrier(
        path.open_us,
        *(path.prices[name] for name in ("open", "high", "low", "close")),
        path.decision_us,
        path.atr,
        k_up=path.k_up,
        k_down=path.k_down,
        max_bars=path.max_bars,
        flat_time=path.flat_us,
        roll_time=path.roll_us,
        cost=path.cost,
    )
    for i, expected in enumerate(oracle_of_path(path)):
        where = f"path {seed}, decision {i}: {expected}"
        assert moment(got.vertical_us[i]) == expected["vertical_time"], where
        if expected["status"] == "no_entry":
            seen["no_entry"] += 1
            assert not got.has_entry[i], where
            assert np.isnan(got.net_long[i]), where
            continue
        assert got.has_entry[i], where
        for name in PRICES:
            assert getattr(got, name)[i] == expected[name], (name, where)
        assert got.label[i] == expected["label"], where
        assert bool(got.tie[i]) == expected["tie"], where
        assert moment(got.t1_us[i]) == expected["t1"], where
        assert moment(got.entry_us[i]) == expected["entry_time"], where
        touch = expected["minutes_to_touch"]
        assert np.isnan(got.minutes_to_touch[i]) if touch is None else got.minutes_to_touch[i] == touch, where
        _note(expected, path, i, seen)


def _note(expected, path, i, seen):
    seen["rows"] += 1
    seen["tie"] += expected["tie"]
    seen["late entry"] += expected["entry_time"] > expected["t0"]
    seen["entry minute touched"] += expected["minutes_to_touch"] == 1
    seen["gapped up"] += expected["label"] == 1 and expected["exit_long"] > expected["upper"]
    seen["gapped down"] += expected["label"] == -1 and expected["exit_long"] < expected["lower"]
    at_barrier = expected["label"] == 1 and expected["exit_long"] == expected["upper"]
    seen["exactly at the upper"] += at_barrier and expected["upper"] * 4 % 1 == 0
    if expected["label"] and expected["exit_long"] in {expected["upper"], expected["lower"]}:
        at = np.searchsorted(path.open_us, int(expected["t1"].timestamp()) * 1_000_000) - 1
        start, high, low = (path.prices[name][at] for name in ("open", "high", "low"))
        opened_there = start == expected["exit_long"] and high >= expected["upper"] and low <= expected["lower"]
        seen["opened on a barrier, then met the other"] += opened_there
    if expected["minutes_to_touch"] is None:
        by_flat = expected["vertical_time"] == moment(path.flat_us[i])
        by_roll = expected["vertical_time"] == moment(path.roll_us[i])
        seen["flat" if by_flat else "roll" if by_roll else "max_bars"] += 1


def _sweep(paths):
    seen = Counter()
    for seed in range(paths):
        _compare(seed, seen)
    needed = {
        "tie",
        "late entry",
        "entry minute touched",
        "gapped up",
        "gapped down",
        "exactly at the upper",
        "flat",
        "roll",
        "max_bars",
        "no_entry",
    }
    assert all(seen[name] >= paths // 20 for name in needed), seen
    assert seen["opened on a barrier, then met the other"] >= paths // 250, seen


def test_kernel_equals_oracle_on_500_hostile_paths():
    _sweep(500)


@pytest.mark.slow
def test_kernel_equals_oracle_on_10_000_hostile_paths():
    _sweep(10_000)


@pytest.mark.parametrize("seed", range(12))
def test_every_row_of_a_market_with_rolls_equals_the_oracle(seed):
    missing, walk = [(0.05, 2.0), (0.6, 2.0), (0.9, 4.0)][seed % 3]
    minutes, bars, sessions = market(seed, roll_sessions=(2, 4), missing=missing, walk=walk)
    barriers, horizon = Barriers(k_up=1.5, k_down=1.0, max_bars=12), 5
    labels = label_decisions(bars, minutes, sessions, instrument("MES"), barriers, LabelSettings(events="all"), horizon)
    assert len(labels) == len(bars)
    assert int(labels["eligible"].sum()) > 50
    assert differences(labels, minutes, bars, sessions, barriers, horizon) == []


def test_roll_in_the_middle_of_a_session_ends_the_label_there():
    minutes, bars, sessions = market(3, session_count=2, roll_sessions=(9,), missing=0.0, walk=0.2)
    changed = bars["open_time"].iloc[30]
    for frame in (minutes, bars):
        late = (frame["open_time"] >= changed).to_numpy()
        frame["expiry"] = np.where(late, "MESM3", "MESH3")
    barriers = Barriers(k_up=30.0, k_down=30.0, max_bars=12)
    labels = label_decisions(bars, minutes, sessions, instrument("MES"), barriers, LabelSettings(events="all"), 5)
    assert differences(labels, minutes, bars, sessions, barriers, 5) == []
    before = labels[(labels["decision_time"] < changed) & labels["eligible"]].iloc[-5:]
    assert (before["vertical_time"] == changed).all()
    assert (before["t1"] == changed).all()
    at_roll = labels[labels["decision_time"] == changed]
    assert at_roll["mask_reason"].tolist() == ["no_entry"]
