"""The invariants pass on a true table and each catches its own kind of damage."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.labels import label_decisions, label_invariants
from factory_assets.labels.random_walk import random_walk_labels
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import Barriers, LabelSettings
from factory_assets_tests.labels.builders import market

NAMES = ["label_contract", "t1_complete", "costs_once", "random_walk_null"]
MES, BARRIERS, SETTINGS = instrument("MES"), Barriers(k_up=3.0, k_down=2.1, max_bars=50), LabelSettings()


@pytest.fixture(scope="module")
def world():
    minutes, bars, sessions = market(21, session_count=14, session_minutes=(600, 900), roll_sessions=(4, 9))
    return minutes, bars, sessions, label_decisions(bars, minutes, sessions, MES, BARRIERS, SETTINGS, 20)


def _verdicts(world, labels, barriers=BARRIERS):
    minutes, bars, sessions, _ = world
    found = label_invariants(labels, minutes, bars, sessions, MES, barriers, SETTINGS, 20)
    assert [verdict.name for verdict in found] == NAMES
    assert all(verdict.blocking for verdict in found)
    return {verdict.name: verdict for verdict in found}


def test_a_true_table_passes_with_counts(world):
    verdicts = _verdicts(world, world[3])
    assert [v.summary for v in verdicts.values() if not v.passed] == []
    assert verdicts["label_contract"].details["recomputed_rows"] >= 500
    assert verdicts["label_contract"].details["masked_too_late"] > 0
    assert verdicts["t1_complete"].details["intervals"] == int(world[3]["eligible"].sum())
    shares = verdicts["random_walk_null"].details
    for kind in ("data", "null"):
        assert shares[f"{kind}_up"] + shares[f"{kind}_down"] + shares[f"{kind}_flat"] == pytest.approx(1.0)


def test_the_sealed_period_can_be_left_out(world):
    minutes, bars, sessions, labels = world
    sealed_from = sessions.trade_day[10].astype("datetime64[D]").astype("datetime64[ms]")
    kept = [frame[frame["trade_date"] < sealed_from] for frame in (labels, minutes, bars)]
    found = label_invariants(*kept, sessions, MES, BARRIERS, SETTINGS, 20)
    assert [v.summary for v in found if not v.passed] == []
    assert found[1].details["intervals"] == int(kept[0]["eligible"].sum()) < int(labels["eligible"].sum())


def _damage(labels, column, change, rows=None):
    out = labels.copy()
    chosen = out["eligible"] if rows is None else rows & out["eligible"]
    assert chosen.any()
    out.loc[chosen, column] = change(out.loc[chosen, column])
    return out


DAMAGE = {
    "labels negated": ("label_contract", lambda t: _damage(t, "label", lambda c: -c)),
    "barrier rounded to ticks": ("label_contract", lambda t: _damage(t, "upper", lambda c: np.round(c * 4) / 4)),
    "barriers doubled": ("label_contract", lambda t: _damage(t, "atr", lambda c: 2 * c)),
    "entry one tick off": ("label_contract", lambda t: _damage(t, "entry_price", lambda c: c + 0.25)),
    "excursions too small": ("label_contract", lambda t: _damage(t, "mae", lambda c: c / 2)),
    "timeouts exit a tick off": (
        "label_contract",
        lambda t: _damage(t, ["exit_long", "exit_short"], lambda c: c + 0.25, t["minutes_to_touch"].isna()),
    ),
    "last decisions labelled too": (
        "label_contract",
        lambda t: t.assign(mask_reason=t["mask_reason"].astype(str).replace("too_late", "no_entry")),
    ),
    "masked rows with an outcome": ("label_contract", lambda t: t.assign(label=t["label"].fillna(0.0))),
    "a row is missing": ("label_contract", lambda t: t.drop(index=40)),
    "nothing is eligible": ("label_contract", lambda t: t.assign(eligible=False)),
    "uniqueness above one": ("label_contract", lambda t: t.assign(uniqueness=t["uniqueness"] + 1)),
    "known at the decision": ("t1_complete", lambda t: t.assign(t1=t["t0"].where(t["eligible"]))),
    "known after the vertical": (
        "t1_complete",
        lambda t: _damage(t, "t1", lambda c: c + pd.Timedelta(minutes=1), t["minutes_to_touch"].isna()),
    ),
    "held over the break": (
        "t1_complete",
        lambda t: _damage(t, ["t1", "vertical_time"], lambda c: c + pd.Timedelta(hours=24)),
    ),
    "no cost": ("costs_once", lambda t: t.assign(net_long=t["net_long"] + t["cost"])),
    "cost twice": ("costs_once", lambda t: t.assign(net_short=t["net_short"] - t["cost"])),
    "cost in dollars": ("costs_once", lambda t: t.assign(cost=t["cost"] * 5, net_long=t["net_long"] - 4 * t["cost"])),
    "low cost without history": ("costs_once", lambda t: t.assign(high_volatility=False)),
    "everything goes up": (
        "random_walk_null",
        lambda t: t.assign(label=t["label"].where(~t["eligible"], 1.0), minutes_to_touch=1.0),
    ),
    "everything is flat": ("random_walk_null", lambda t: t.assign(label=t["label"].where(~t["eligible"], 0.0))),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_caught_by_its_own_invariant(world, name):
    caught_by, damage = DAMAGE[name]
    verdict = _verdicts(world, damage(world[3]))[caught_by]
    assert not verdict.passed, verdict.summary


def test_labels_made_with_other_barriers_are_caught(world):
    verdicts = _verdicts(world, world[3], Barriers(k_up=2.1, k_down=3.0, max_bars=50))
    assert not verdicts["label_contract"].passed


def test_a_label_over_a_roll_is_caught(world):
    minutes, bars, sessions, labels = world
    row = labels[labels["eligible"] & (labels["minutes_to_touch"] > 3)].iloc[0]
    rolled = minutes.assign(expiry=minutes["expiry"].astype(str))
    rolled.loc[minutes["open_time"] >= row["t0"] + pd.Timedelta(minutes=2), "expiry"] = "MESZ9"
    found = label_invariants(labels, rolled, bars, sessions, MES, BARRIERS, SETTINGS, 20)
    assert not {v.name: v for v in found}["t1_complete"].passed


def test_a_roll_inside_a_session_is_recomputed_too():
    minutes, bars, sessions = market(22, session_count=3, session_minutes=(600, 900), roll_sessions=(9,), walk=0.5)
    for frame in (minutes, bars):
        frame["expiry"] = np.where(frame["open_time"] >= bars["open_time"].iloc[60], "MESM3", "MESH3")
    far = Barriers(k_up=12.0, k_down=12.0, max_bars=25)
    labels = label_decisions(bars, minutes, sessions, MES, far, LabelSettings(events="all"), 5)
    found = label_invariants(labels, minutes, bars, sessions, MES, far, LabelSettings(events="all"), 5)
    cut = labels["eligible"] & (labels["vertical_time"] == bars["open_time"].iloc[60])
    assert cut.sum() > 10
    assert [v.summary for v in found if not v.passed] == []


def test_the_random_walk_keeps_no_direction_of_its_minutes():
    """Minutes that all gap up, close up and have a wick above: the walk still goes up and down alike."""
    n, length = 4_000, 200
    times = pd.date_range("2023-01-02", periods=length, freq="1min", tz="UTC").as_unit("us")
    start = 100.0 + 1.0 * np.arange(length)
    minutes = pd.DataFrame({"open_time": times, "open": start, "low": start, "close": start + 0.5, "high": start + 2})
    game = pd.DataFrame({"entry_time": [times[3]] * n, "vertical_time": [times[-1]] * n})
    game = game.assign(entry_price=103.0, upper=109.25, lower=96.75)
    label, tie = random_walk_labels(game, minutes, seed=4)
    assert not tie.any()
    assert np.mean(label > 0) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / n))
    assert np.mean(label < 0) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / n))


def test_a_random_walk_that_jumps_through_a_barrier_is_no_tie():
    times = pd.date_range("2023-01-02", periods=3, freq="1min", tz="UTC").as_unit("us")
    minutes = pd.DataFrame({"open_time": times, "open": [100.0, 110, 110], "close": [100.0, 110, 110]})
    minutes = minutes.assign(high=[100.0, 140, 110], low=[100.0, 80, 110])
    game = pd.DataFrame({"entry_time": [times[0]] * 400, "vertical_time": [times[2]] * 400})
    game = game.assign(entry_price=100.0, upper=105.0, lower=95.0)
    label, tie = random_walk_labels(game, minutes, seed=4)
    assert not tie.any()
    assert set(label) == {-1, 1}
    _, tie = random_walk_labels(game, minutes.assign(open=[100.0, 101, 110]), seed=4)
    assert tie.all()


def test_random_walk_shares_are_those_of_a_known_game(world):
    """One-tick steps without a limit in time: up first with probability down / (up + down), the gambler's ruin."""
    n, length = 3_000, 400
    times = pd.date_range("2023-01-02", periods=length, freq="1min", tz="UTC").as_unit("us")
    close = 100 + 0.25 * (np.arange(length) % 2)
    start = np.concatenate([[100.0], close[:-1]])
    minutes = pd.DataFrame({"open_time": times, "open": start, "close": close})
    minutes["high"], minutes["low"] = minutes[["open", "close"]].max(axis=1), minutes[["open", "close"]].min(axis=1)
    game = pd.DataFrame({"entry_time": [times[1]] * n, "vertical_time": [times[-1]] * n})
    game = game.assign(entry_price=100.0, upper=101.5, lower=99.0)
    label, tie = random_walk_labels(game, minutes, seed=3)
    assert not tie.any()
    assert np.mean(label == 0) < 0.01
    assert np.mean(label > 0) == pytest.approx(4 / 10, abs=4 * np.sqrt(0.24 / n))
