"""Invariants pass on a true evaluation, and each names the falsehood planted for it."""

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from factory_assets.evaluation.invariants import evaluation_invariants
from factory_assets.evaluation.report_table import evaluate
from factory_assets_tests.evaluation.worlds import BARRIERS, FAST, models, world

NAMES = [
    "trades_never_overlap",
    "trades_equal_labels",
    "trades_follow_rule",
    "profit_adds_up",
    "models_share_keys",
    "metrics_recomputed",
    "intervals_contain_values",
    "baselines_present",
    "no_sealed_decision",
]


@pytest.fixture(scope="module")
def oof():
    return evaluate(models(world(), "oof"), **world().arguments("oof"))


def _failed(result, frames=None, labels=None, last_day=None):
    w = world()
    day = date(1970, 1, 1) + timedelta(days=int(w.train_sessions.trade_day[-1]))
    verdicts = evaluation_invariants(
        result,
        predictions=models(w, "oof") if frames is None else frames,
        labels=w.labels if labels is None else labels,
        splits=w.splits,
        instrument=w.instrument,
        barriers=BARRIERS,
        settings=FAST,
        last_day=day if last_day is None else last_day,
    )
    assert [v.name for v in verdicts] == NAMES
    assert all(v.blocking for v in verdicts)
    return {v.name for v in verdicts if not v.passed}


def _changed(result, column, at, value):
    trades = result.trades.copy()
    trades.loc[at, column] = value
    return replace(result, trades=trades)


def test_true_evaluation_passes(oof):
    assert _failed(oof) == set()
    val = evaluate(models(world(), "val"), **world().arguments("val"), theta=oof.theta)
    w = world()
    day = date(1970, 1, 1) + timedelta(days=int(w.val_sessions.trade_day[-1]))
    assert _failed(val, frames=models(w, "val"), last_day=day) == set()


def test_overlap_is_found(oof):
    late = oof.trades["exit_time"].iloc[0] + pd.Timedelta(days=1)
    assert "trades_never_overlap" in _failed(_changed(oof, "exit_time", 0, late))


@pytest.mark.parametrize("column", ["net_points", "net_dollars"])
def test_trade_that_is_not_its_label_is_found(oof, column):
    assert "trades_equal_labels" in _failed(_changed(oof, column, 3, oof.trades[column].iloc[3] + 0.01))


def test_trade_on_the_other_side_is_found(oof):
    at = oof.trades.index[oof.trades["model"] == "knowing"][5]
    assert {"trades_equal_labels", "trades_follow_rule"} <= _failed(
        _changed(oof, "side", at, -oof.trades["side"].loc[at])
    )


def test_label_that_moved_is_found(oof):
    labels = world().labels.copy()
    key = oof.trades["decision_time"].iloc[0]
    labels.loc[labels["decision_time"] == key, ["net_long", "net_short"]] += 0.25
    assert "trades_equal_labels" in _failed(oof, labels=labels)


def test_higher_threshold_than_applied_is_found(oof):
    assert _failed(replace(oof, theta={**oof.theta, "knowing": 30.0})) == {"trades_follow_rule"}


def test_money_that_does_not_add_up_is_found(oof):
    daily = oof.daily.copy()
    daily.loc[daily.index[daily["model"] == "noise"][2], "net_dollars"] += 1.0
    assert _failed(replace(oof, daily=daily)) == {"profit_adds_up"}
    table = oof.table.copy()
    table.loc[(table["model"] == "noise") & (table["metric"] == "net_pnl_dollars"), ["value", "high"]] += 1.0
    assert _failed(replace(oof, table=table)) == {"profit_adds_up", "metrics_recomputed"}
    assert "profit_adds_up" in _failed(replace(oof, trades=oof.trades.drop(index=4)))


def test_models_on_other_keys_are_found(oof):
    frames = models(world(), "oof")
    frames["noise"] = frames["noise"].iloc[1:]
    assert "models_share_keys" in _failed(oof, frames=frames)


@pytest.mark.parametrize("metric", ["log_loss", "direction_skill"])
def test_metric_that_is_not_what_the_rows_say_is_found(oof, metric):
    table = oof.table.copy()
    table.loc[(table["model"] == "knowing") & (table["metric"] == metric), ["value", "low", "high"]] += 1e-5
    assert _failed(replace(oof, table=table)) == {"metrics_recomputed"}


def test_value_outside_its_interval_and_missing_baseline_are_found(oof):
    table = oof.table.copy()
    table.loc[(table["model"] == "noise") & (table["metric"] == "brier"), "low"] = 5.0
    assert _failed(replace(oof, table=table)) == {"intervals_contain_values"}
    table = oof.table[oof.table["model"] != "buy_and_hold"]
    assert _failed(replace(oof, table=table)) == {"baselines_present", "profit_adds_up"}


def test_decision_after_the_studys_end_is_found(oof):
    last = date(1970, 1, 1) + timedelta(days=int(world().train_sessions.trade_day[-2]))
    assert _failed(oof, last_day=last) == {"no_sealed_decision"}


def test_only_an_opened_period_may_leave_the_end_day_out(oof):
    w = world()
    later = evaluate(models(w, "val"), **w.arguments("val"), theta=oof.theta)
    of_train = w.splits[w.splits["role"] != "val"]
    shared = {"predictions": models(w, "val"), "labels": w.labels, "instrument": w.instrument}
    shared |= {"barriers": BARRIERS, "settings": FAST, "last_day": None}
    for period in ("val", "oof", "of another name"):
        verdicts = evaluation_invariants(replace(later, period=period), splits=w.splits, **shared)
        assert "no_sealed_decision" in {v.name for v in verdicts if not v.passed}
    opened = replace(later, period="test")
    assert all(v.passed for v in evaluation_invariants(opened, splits=of_train, **shared))
    # Decisions that the splits assign to train or val are no test, whatever they are called.
    verdicts = evaluation_invariants(opened, splits=w.splits, **shared)
    assert {v.name for v in verdicts if not v.passed} == {"no_sealed_decision"}
