"""Whole evaluations: one table on the same decisions, thresholds chosen once, refusals, and values by other means."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.evaluation.report_table import evaluate
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import to_table
from factory_assets.vocabulary.schemas import EVALUATION, TRADES
from factory_assets_tests.evaluation.worlds import models, predictions, world

TRADING = {
    "net_pnl_dollars",
    "sharpe_annual",
    "sortino_annual",
    "max_drawdown_dollars",
    "turnover_contracts_per_session",
    "trades",
    "hit_rate",
}
PROBABILITY = {"log_loss", "brier", "calibration_error", "macro_f1", "direction_auc", "direction_skill"}


@pytest.fixture(scope="module")
def oof():
    return evaluate(models(world(), "oof"), **world().arguments("oof"))


@pytest.fixture(scope="module")
def val(oof):
    return evaluate(models(world(), "val"), **world().arguments("val"), theta=oof.theta)


def test_table_holds_every_metric_of_every_model_and_baseline(oof):
    metrics = oof.table.groupby("model")["metric"].agg(set).to_dict()
    for model in ("knowing", "noise", "clock_atr_logistic", "clock_atr_lightgbm", "prior"):
        assert metrics.pop(model) == TRADING | PROBABILITY | {"skill_log_loss"}
    assert metrics.pop("majority") == {"macro_f1", "brier"}
    for model in ("always_flat", "buy_and_hold", "random_entry_knowing", "random_entry_noise"):
        assert metrics.pop(model) == TRADING
    assert metrics == {}
    assert not oof.table.duplicated(["model", "period", "metric"]).any()


def test_tables_fit_their_schemas(oof, val):
    for result in (oof, val):
        stored = {"contract": "MES", "horizon": 5}
        assert to_table(result.table.assign(**stored), EVALUATION).num_rows == len(result.table)
        assert to_table(result.trades.assign(**stored), TRADES).num_rows == len(result.trades) > 0


def test_knowledge_shows_and_noise_does_not(oof, val):
    for result in (oof, val):
        assert result.value("knowing", "direction_skill").low > 0
        assert result.value("knowing", "net_pnl_dollars").low > 0
        assert result.value("knowing", "skill_log_loss").low > 0
        assert result.value("prior", "direction_auc").value == 0.5  # it leans exactly as its training part


def test_models_that_know_nothing_rarely_seem_to():
    frames = {f"noise_{seed}": predictions(world(), "val", knowledge=0.0, seed=seed) for seed in range(20)}
    result = evaluate(frames, **world().arguments("val"), theta=dict.fromkeys((*frames, "prior"), 0.5))
    skills = [result.value(name, "direction_skill") for name in frames]
    assert sum(s.low > 0 for s in skills) <= 3  # 2.5 % each is promised; more than 3 of 20 has a chance of 1 in 500
    assert sum(s.high < 0 for s in skills) <= 3
    assert abs(np.mean([s.value for s in skills])) < 0.03


def test_skill_is_against_the_better_clock(oof):
    losses = {name: oof.value(name, "log_loss").value for name in ("clock_atr_logistic", "clock_atr_lightgbm")}
    best = min(losses.values())
    for model in ("knowing", "noise", "prior"):
        got = oof.value(model, "skill_log_loss").value
        assert got == pytest.approx(best - oof.value(model, "log_loss").value)


def test_m0_is_of_the_folds_training_part(oof, val):
    w = world()
    rows = w.splits[(w.splits["scheme"] == "purged_kfold") & (w.splits["fold"] == 1) & (w.splits["role"] == "train")]
    train = w.labels.merge(rows, on="decision_time")
    flat = train[train["label"] == 0]
    assert oof.m0[1][0] == pytest.approx(((flat["net_long"] + flat["cost"]) / flat["atr"]).mean())
    assert set(oof.m0) == {0, 1, 2}
    assert set(val.m0) == {-1}


def test_thresholds_of_oof_are_applied_unchanged(oof, val):
    assert val.theta == oof.theta
    assert len(val.trials) == 0
    trials = oof.trials[oof.trials["model"] == "knowing"]
    means = trials.groupby("theta")["net_dollars"].mean()
    assert oof.theta["knowing"] == means[means == means.max()].index.max()
    assert len(trials) == 5 * len(world().train_sessions)
    chosen = trials[trials["chosen"]]["net_dollars"].to_numpy()
    daily = oof.daily[oof.daily["model"] == "knowing"]
    assert chosen.tolist() == daily["net_dollars"].tolist()
    assert daily["equity_dollars"].iloc[-1] == pytest.approx(50_000 + chosen.sum())


def test_outcomes_of_the_scored_fold_never_reach_its_own_prior_or_m0():
    """Turning the scored rows' outcomes around must not change what their trades are decided with."""
    w = world()
    frames = {"noise": predictions(w, "val", knowledge=0.0)}
    arguments = w.arguments("val")
    theta = {"noise": 0.0, "prior": 0.0}
    first = evaluate(frames, **arguments, theta=theta)
    keys = frames["noise"]["decision_time"]
    labels = w.labels.copy()
    scored = labels["decision_time"].isin(keys)
    labels.loc[scored, ["net_long", "net_short"]] = labels.loc[scored, ["net_short", "net_long"]].to_numpy()
    labels.loc[scored, "label"] *= -1
    turned = {"noise": frames["noise"].assign(label=-frames["noise"]["label"])}
    second = evaluate(turned, **{**arguments, "labels": labels}, theta=theta)
    pd.testing.assert_frame_equal(first.trades, second.trades)
    assert first.m0 == second.m0


def test_buy_and_hold_is_marked_over_the_periods_sessions(oof):
    w = world()
    net = oof.daily[oof.daily["model"] == "buy_and_hold"]["net_dollars"]
    assert len(net) == len(w.train_sessions)
    assert oof.value("buy_and_hold", "trades").value == 2  # the first entry and the roll at session 9
    flat = oof.table[oof.table["model"] == "always_flat"].set_index("metric")["value"]
    assert (flat["net_pnl_dollars"], flat["trades"], flat["max_drawdown_dollars"]) == (0, 0, 0)


def test_same_seed_same_table(oof):
    again = evaluate(models(world(), "oof"), **world().arguments("oof"))
    pd.testing.assert_frame_equal(again.table, oof.table)


def test_without_clock_models_there_is_no_skill():
    result = evaluate({"noise": predictions(world(), "oof", knowledge=0.0)}, **world().arguments("oof"))
    assert "skill_log_loss" not in set(result.table["metric"])
    with pytest.raises(BadInputError, match="no row for 'noise' and 'skill_log_loss'"):
        result.value("noise", "skill_log_loss")


def _refused(match, change=None, **arguments):
    w = world()
    frames = {"a": predictions(w, "val", knowledge=0.0), "b": predictions(w, "val", knowledge=0.0, seed=9)}
    if change is not None:
        frames["b"] = change(frames["b"])
    merged = {**w.arguments("val"), "theta": {"a": 0.0, "b": 0.0, "prior": 0.0}, **arguments}
    with pytest.raises(BadInputError, match=match):
        evaluate(frames, **merged)


def test_models_on_other_decisions_are_refused():
    _refused(r"\(lacking, extra\) by model: \{'b': \(1, 0\)\}", lambda f: f.iloc[1:])
    _refused("increasing time order", lambda f: f.iloc[::-1])
    _refused("'b': ", lambda f: pd.concat([f, f.iloc[-1:]]))
    _refused(r"\['b'\] use other folds", lambda f: f.assign(fold=0))
    _refused("b carries other labels", lambda f: f.assign(label=-f["label"]))
    _refused("no probabilities", lambda f: f.assign(p_up=f["p_up"] + 0.1))


def test_other_refusals():
    w = world()
    _refused("thresholds chosen on oof", theta=None)
    _refused("no threshold for 'b'", theta={"a": 0.0, "prior": 0.0})
    _refused("expected one of", period="train")
    _refused("decisions outside the period's 18 sessions", sessions=w.train_sessions)
    _refused(r"m0 lacks folds \[-1\]", m0={0: (0.0, 0.0)})
    _refused("no training part for fold -1", splits=w.splits[w.splits["scheme"] != "hold_out"])
    with pytest.raises(BadInputError, match="names of baselines"):
        evaluate({"prior": predictions(w, "val", knowledge=0.0)}, **w.arguments("val"), theta={"prior": 0.0})
    with pytest.raises(BadInputError, match="no predictions"):
        evaluate({}, **w.arguments("val"), theta={})


def test_confidence_of_the_settings_is_the_intervals(oof):
    arguments = world().arguments("oof")
    wide = evaluate(
        models(world(), "oof"), **{**arguments, "settings": replace(arguments["settings"], confidence=0.99)}
    )
    a, b = wide.value("noise", "direction_skill"), oof.value("noise", "direction_skill")
    assert a.value == b.value
    assert a.low < b.low < b.high < a.high
    assert np.isfinite([a.low, a.high]).all()
