"""Invariants work both ways: what is missing is found like what is wrong, and an empty input is no proof."""

import ast
import inspect
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from factory_assets.evaluation import recomputation, report_table, simulator, trade_rule
from factory_assets.evaluation.invariants import INVARIANTS, evaluation_invariants
from factory_assets.evaluation.recomputation import (
    ROUNDING_POINTS,
    Chance,
    TrainingPart,
    earned_most,
    of_prior,
    probability_values,
    replay,
    trading_values,
    training_parts,
)
from factory_assets.evaluation.report_table import evaluate
from factory_assets.vocabulary.frames import from_us
from factory_assets_tests.evaluation.worlds import BARRIERS, FAST, models, world


def _end(sessions):
    return date(1970, 1, 1) + timedelta(days=int(sessions.trade_day[-1]))


def _verdicts(result, **changed):
    w = world()
    given = {"predictions": models(w, result.period), "labels": w.labels, "splits": w.splits}
    given |= {"instrument": w.instrument, "barriers": BARRIERS, "settings": FAST}
    given |= {"last_day": _end(w.train_sessions if result.period == "oof" else w.val_sessions)}
    return {v.name: v for v in evaluation_invariants(result, **(given | changed))}


def _failed(result, **changed):
    return {name for name, verdict in _verdicts(result, **changed).items() if not verdict.passed}


def _evaluate(period="oof", frames=None, **changed):
    w = world()
    return evaluate(models(w, period) if frames is None else frames, **(w.arguments(period) | changed))


@pytest.fixture(scope="module")
def oof():
    return _evaluate()


def _with(result, trades):
    return replace(result, trades=trades.sort_values(["model", "decision_time"], ignore_index=True))


# --- trades_follow_rule: the table is exactly what the rule takes


def test_true_evaluations_are_replayed_trade_by_trade(oof):
    verdict = _verdicts(oof)["trades_follow_rule"]
    assert verdict.passed
    assert verdict.details == {"models": 5, "expected": len(oof.trades), "trades": len(oof.trades)}
    assert verdict.details["trades"] > 400
    assert _failed(_evaluate("val", theta=oof.theta)) == set()


def test_simulator_that_drops_every_second_trade_is_found(monkeypatch):
    true = simulator.positions_taken
    for module in (simulator, trade_rule):
        monkeypatch.setattr(module, "positions_taken", lambda *given: true(*given)[::2])
    result = _evaluate()
    assert len(result.trades) > 100  # everything after it agrees with itself: only the replay can tell
    assert _failed(result) == {"trades_follow_rule"}
    details = _verdicts(result)["trades_follow_rule"].details
    assert details["missing trades"] == details["expected"] - details["trades"] > 100


def test_simulator_that_ignores_the_open_position_is_found(monkeypatch):
    for module in (simulator, trade_rule):
        monkeypatch.setattr(module, "positions_taken", lambda side, _: np.flatnonzero(side))
    assert {"trades_follow_rule", "trades_never_overlap"} <= _failed(_evaluate())


def test_simulator_that_waits_one_decision_after_an_exit_is_found(monkeypatch):
    true = simulator.positions_taken

    def later(side, priced):
        return true(side, replace(priced, exit_us=priced.exit_us + 1))

    for module in (simulator, trade_rule):
        monkeypatch.setattr(module, "positions_taken", later)
    assert _failed(_evaluate()) == {"trades_follow_rule"}


def test_every_second_trade_dropped_from_the_table_is_found(oof):
    assert "trades_follow_rule" in _failed(_with(oof, oof.trades.iloc[::2]))
    one = oof.trades.drop(index=oof.trades.index[oof.trades["model"] == "prior"][7])
    assert "trades_follow_rule" in _failed(_with(oof, one))


def test_trade_that_the_rule_does_not_take_is_found(oof):
    w = world()
    book = oof.trades[oof.trades["model"] == "noise"]
    key = next(t for t in w.sample("oof")["decision_time"] if t not in set(book["decision_time"]))
    label = w.labels[w.labels["decision_time"] == key].iloc[0]
    added = book.iloc[:1].assign(decision_time=key, entry_time=label["entry_time"], exit_time=label["t1"], side=1)
    verdict = _verdicts(_with(oof, pd.concat([oof.trades, added])))["trades_follow_rule"]
    assert not verdict.passed
    assert verdict.details["unexpected trades"] == 1
    twice = _verdicts(_with(oof, pd.concat([oof.trades, book.iloc[:1]])))["trades_follow_rule"]
    assert not twice.passed
    assert twice.details["doubled trades"] == 1
    of_nobody = _verdicts(_with(oof, pd.concat([oof.trades, book.iloc[:1].assign(model="unknown")])))
    assert of_nobody["trades_follow_rule"].details["unexpected trades"] == 1


def test_flipped_side_is_found(oof):
    trades = oof.trades.copy()
    trades.loc[11, "side"] = -trades.loc[11, "side"]
    details = _verdicts(_with(oof, trades))["trades_follow_rule"].details
    assert (details["missing trades"], details["unexpected trades"]) == (1, 1)


@pytest.mark.parametrize("model", ["knowing", "noise", "clock_atr_logistic", "prior"])
def test_other_threshold_than_claimed_is_found(oof, model):
    for theta in (0.25, 0.5, 40.0):
        assert _failed(replace(oof, theta=oof.theta | {model: theta})) == {"trades_follow_rule"}
    without = {name: theta for name, theta in oof.theta.items() if name != model}
    assert "trades_follow_rule" in _failed(replace(oof, theta=without))


def test_threshold_that_did_not_earn_most_is_found(oof):
    result = _evaluate(theta=oof.theta | {"knowing": 0.0})
    verdict = _verdicts(result)["trades_follow_rule"]
    assert not verdict.passed
    assert verdict.details["thresholds that did not earn most"] == 1
    assert "missing trades" not in verdict.details


def test_other_class_0_outcome_than_the_training_parts_is_found(oof):
    claimed = {fold: (long + 0.3, short - 0.3) for fold, (long, short) in oof.m0.items()}
    details = _verdicts(replace(oof, m0=claimed))["trades_follow_rule"].details
    assert details["m0 off the training part"] == 3
    assert details["missing trades"] > 0
    # Trades that follow a wrong m0 agree with themselves; the training parts do not.
    result = _evaluate(m0=claimed)
    details = _verdicts(result)["trades_follow_rule"].details
    assert details["m0 off the training part"] == 3
    assert "missing trades" not in details
    one = {fold: pair for fold, pair in oof.m0.items() if fold != 1}
    assert "trades_follow_rule" in _failed(replace(oof, m0=one))


def test_decision_that_cannot_be_replayed_is_found(oof):
    labels = world().labels.copy()
    labels.loc[labels["decision_time"] == world().sample("oof")["decision_time"].iloc[5], "eligible"] = False
    assert {"trades_follow_rule", "metrics_recomputed", "no_sealed_decision"} <= _failed(oof, labels=labels)
    fewer = world().splits[world().splits["fold"] != 2]
    verdict = _verdicts(oof, splits=fewer)["trades_follow_rule"]
    assert verdict.details["folds without training part"] == 1


def _chance(decision, long, short, until, cost=1.0):
    return Chance(decision, cost, long, short, until, 10.0 * decision, -10.0 * decision)


def test_replay_on_paper():
    decisions = [
        _chance(1, 0.5, -2.0, 3),  # below the hurdle of 2 x 1
        _chance(2, 2.5, -4.0, 5),  # long until 5
        _chance(3, -9.0, 8.0, 4),  # in position: ignored, and its exit does not count
        _chance(4, -9.0, 8.0, 9),
        _chance(5, -9.0, 8.0, 7),  # at the very exit: short until 7
        _chance(6, 9.0, -9.0, 8),
        _chance(8, 3.0, 3.0, 9),  # both alike: neither
        _chance(9, 9.0, 8.0, 12),  # the larger
    ]
    assert [(e.decision_us, e.side, e.net_points) for e in replay(decisions, 2.0)] == [
        (2, 1, 20.0),
        (5, -1, -50.0),
        (9, 1, 90.0),
    ]
    assert replay(decisions, 100.0) == []
    assert replay([], 0.0) == []


def test_table_decides_only_where_rounding_does():
    near, clear = 2.0 + 0.1 * ROUNDING_POINTS, 2.0 - 3 * ROUNDING_POINTS
    assert [e.side for e in replay([_chance(1, near, -4.0, 2)], 2.0, {1: 1})] == [1]
    assert replay([_chance(1, near, -4.0, 2)], 2.0, {}) == []
    assert [e.side for e in replay([_chance(1, near, -4.0, 2)], 2.0, {1: -1})] == [1]  # the other side is not near
    assert replay([_chance(1, clear, -4.0, 2)], 2.0, {1: 1}) == []
    assert [e.side for e in replay([_chance(1, 5.0, -4.0, 2)], 2.0, {1: -1})] == [1]


def test_best_threshold_on_paper():
    decisions = [_chance(1, 1.5, -4.0, 2), _chance(2, -4.0, 6.0, 3)]  # a gain of 10, then a loss of 20
    assert earned_most(decisions, 1.0, (0.0, 1.0), 0.0)
    assert not earned_most(decisions, 0.0, (0.0, 1.0), 0.0)  # the same trades at a lower threshold
    assert not earned_most(decisions, 1.0, (0.0, 1.0, 50.0), 0.0)  # staying out earned more
    assert earned_most(decisions, 50.0, (0.0, 1.0, 50.0), 0.0)
    assert not earned_most(decisions, 0.5, (0.0, 1.0), 0.0)  # no candidate


def test_training_parts_on_paper():
    outcomes = pd.DataFrame(
        {
            "decision_time": from_us(np.arange(4)),
            "label": [0.0, 0.0, 1.0, -1.0],
            "atr": [2.0, 4.0, 1.0, 1.0],
            "entry_price": 100.0,
            "exit_long": [101.0, 98.0, 104.0, 96.0],
            "exit_short": [101.0, 102.0, 104.0, 96.0],
        }
    )
    splits = pd.DataFrame({"decision_time": outcomes["decision_time"], "scheme": "purged_kfold", "fold": 0})
    splits["role"] = ["train", "train", "train", "test"]
    part = training_parts(outcomes, splits, [0, 1, -1])
    assert list(part) == [0]
    assert part[0].m0 == (0.0, -0.5)  # (+1/2 - 2/4) / 2 and (-1/2 - 2/4) / 2
    assert part[0].shares == (0.0, 2 / 3, 1 / 3)
    assert part[0].up_share == 1.0


# --- metrics_recomputed


RECOMPUTED = (
    "log_loss",
    "brier",
    "macro_f1",
    "direction_auc",
    "direction_skill",
    "net_pnl_dollars",
    "sharpe_annual",
    "max_drawdown_dollars",
    "trades",
    "skill_log_loss",
)


@pytest.mark.parametrize("metric", RECOMPUTED)
def test_metric_that_is_off_or_absent_is_found(oof, metric):
    at = (oof.table["model"] == "noise") & (oof.table["metric"] == metric)
    assert int(at.sum()) == 1
    off = oof.table.copy()
    off.loc[at, ["value", "low", "high"]] += 1e-5 * max(1.0, abs(float(oof.table.loc[at, "value"].iloc[0])))
    for table, counted in ((off, "differing"), (oof.table[~at], "missing")):
        verdict = _verdicts(replace(oof, table=table))["metrics_recomputed"]
        assert not verdict.passed
        assert verdict.details[counted] == 1


def test_every_value_of_every_scored_model_is_compared(oof):
    off = oof.table.copy()
    off["value"] += 1e-5 * off["value"].abs().clip(lower=1.0)
    for table in (off, oof.table.assign(value=np.nan)):
        verdict = _verdicts(replace(oof, table=table))["metrics_recomputed"]
        # 5 scored models x 10, the majority's 2, always flat's 3 (its Sharpe is undefined on both paths).
        assert (verdict.passed, verdict.details["differing"]) == (False, 55)
    twice = pd.concat([oof.table, oof.table.iloc[:1]], ignore_index=True)
    assert "metrics_recomputed" in _failed(replace(oof, table=twice))
    scored_twice = pd.concat([oof.table, oof.table[oof.table["metric"] == "log_loss"]], ignore_index=True)
    assert {"metrics_recomputed", "models_share_keys"} <= _failed(replace(oof, table=scored_twice))


@pytest.mark.parametrize(
    ("model", "metric"), [("majority", "macro_f1"), ("majority", "brier"), ("always_flat", "trades")]
)
def test_baselines_with_a_second_definition_are_recomputed(oof, model, metric):
    table = oof.table.copy()
    table.loc[(table["model"] == model) & (table["metric"] == metric), ["value", "low", "high"]] += 1e-3
    assert "metrics_recomputed" in _failed(replace(oof, table=table))


def test_number_of_values_compared_is_as_many_as_there_are(oof):
    details = _verdicts(oof)["metrics_recomputed"].details
    assert (details["compared"], details["undefined"], details["missing"]) == (55, 1, 0)


@pytest.mark.parametrize("column", ["p_down", "p_up", "both"])
def test_zero_probabilities_are_scored_and_not_skipped(column):
    frames = models(world(), "oof")
    zero = ["p_down", "p_up"] if column == "both" else [column]
    frame = frames["knowing"]
    some = frame.index % 3 == 0
    frame.loc[some, zero] = 0.0
    frame[["p_down", "p_flat", "p_up"]] = frame[["p_down", "p_flat", "p_up"]].div(
        frame[["p_down", "p_flat", "p_up"]].sum(axis=1), axis=0
    )
    result = _evaluate(frames=frames)
    assert _failed(result, predictions=frames) == set()
    table = result.table.copy()
    table.loc[
        (table["model"] == "knowing") & table["metric"].str.startswith("direction"), ["value", "low", "high"]
    ] += 0.01
    assert "metrics_recomputed" in _failed(replace(result, table=table), predictions=frames)


def test_probability_metrics_on_paper():
    rows = pd.DataFrame(
        {
            "fold": 0,
            "p_down": [0.2, 0.5, 0.0, 0.0],
            "p_flat": [0.2, 0.5, 1.0, 0.5],
            "p_up": [0.6, 0.0, 0.0, 0.5],
            "label": [1.0, -1.0, -1.0, 0.0],
        }
    )
    parts = {0: TrainingPart(shares=(0.25, 0.5, 0.25), m0=(0.0, 0.0))}
    values = probability_values(rows, parts)
    assert values["log_loss"] == pytest.approx(-(np.log(0.6) + np.log(0.5) + np.log(1e-15) + np.log(0.5)) / 4)
    assert values["brier"] == pytest.approx((0.24 + 0.5 + 2.0 + 0.5) / 4)
    # Most probable: up, down (the first of two alike), flat, flat: F1 2/3 (down), 2/3 (flat), 1 (up).
    assert values["macro_f1"] == pytest.approx(7 / 9)
    # Shares of up .75 against 0 and, where nothing is said, .5: the up row is above both.
    assert (values["direction_auc"], values["direction_skill"]) == (1.0, 0.5)
    assert np.isnan(probability_values(rows[rows["label"] != 1], parts)["direction_auc"])
    unlabelled = probability_values(rows.assign(label=[1.0, np.nan, -1.0, 0.0]), parts)
    assert all(np.isnan(value) for value in unlabelled.values())
    certain = of_prior(rows, parts, certain=True)
    assert certain[["p_down", "p_flat", "p_up"]].to_numpy().tolist() == [[0.0, 1.0, 0.0]] * 4


def test_trading_metrics_on_paper():
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"]).as_unit("ms")
    trades = pd.DataFrame(
        {
            "trade_date": [days[0], days[0], days[2]],
            "exit_time": from_us(np.array([1, 2, 3])),
            "net_dollars": [-30.0, 90.0, -50.0],
        }
    )
    values = trading_values(trades, days)
    assert values["net_pnl_dollars"] == 10.0
    assert values["trades"] == 3.0
    assert values["max_drawdown_dollars"] == 50.0  # -30 from the start, then 60 -> 10
    daily = np.array([60.0, 0.0, -50.0])
    assert values["sharpe_annual"] == pytest.approx(np.sqrt(252) * daily.mean() / daily.std(ddof=1))
    assert trading_values(trades.iloc[:1], days)["max_drawdown_dollars"] == 30.0
    nothing = trading_values(trades.iloc[:0], days)
    assert (nothing["net_pnl_dollars"], nothing["trades"], nothing["max_drawdown_dollars"]) == (0.0, 0.0, 0.0)
    assert np.isnan(nothing["sharpe_annual"])


# --- trades_equal_labels and profit_adds_up: a missing value is a difference


@pytest.mark.parametrize("column", ["net_points", "net_dollars", "entry_price", "exit_price", "cost", "exit_time"])
def test_missing_value_in_a_trade_is_found(oof, column):
    trades = oof.trades.copy()
    trades.loc[4, column] = pd.NaT if column == "exit_time" else np.nan
    assert "trades_equal_labels" in _failed(replace(oof, trades=trades))


def test_missing_or_short_days_are_found(oof):
    daily = oof.daily.copy()
    daily.loc[daily.index[daily["model"] == "noise"][2], "net_dollars"] = np.nan
    assert "profit_adds_up" in _failed(replace(oof, daily=daily))
    at = oof.daily.index[(oof.daily["model"] == "always_flat")][3]
    assert _failed(replace(oof, daily=oof.daily.drop(index=at))) == {"profit_adds_up"}
    daily = oof.daily.copy()
    daily.loc[daily.index[daily["model"] == "noise"][2], "equity_dollars"] += 5.0
    assert _failed(replace(oof, daily=daily)) == {"profit_adds_up"}


# --- no_sealed_decision


def test_val_does_not_pass_for_out_of_fold(oof):
    w = world()
    val = _evaluate("val", theta=oof.theta)
    everything = replace(val, period="oof")
    # Whatever the caller says, even the last day of val:
    assert "no_sealed_decision" in _failed(everything, predictions=models(w, "val"), last_day=_end(w.val_sessions))
    assert _failed(oof, last_day=_end(w.val_sessions)) == set()
    day = val.daily["trade_date"].min()
    longer = pd.concat([oof.daily, oof.daily.iloc[-1:].assign(trade_date=day)], ignore_index=True)
    assert "no_sealed_decision" in _failed(replace(oof, daily=longer), last_day=_end(w.val_sessions))


def test_day_after_the_given_end_is_found_in_every_period(oof):
    w = world()
    before = date(1970, 1, 1) + timedelta(days=int(w.val_sessions.trade_day[-2]))
    val = _evaluate("val", theta=oof.theta)
    assert _failed(val, last_day=before) == {"no_sealed_decision"}
    assert _failed(val, last_day=_end(w.train_sessions)) == {"no_sealed_decision"}
    assert "no_sealed_decision" in _failed(replace(oof, period="val"), predictions=models(w, "oof"))


# --- nothing to check is no proof


def test_every_invariant_fails_on_nothing(oof):
    frames = models(world(), "oof")
    empty = {
        "no predictions": (oof, {"predictions": {}}),
        "no rows": (oof, {"predictions": {name: frame.iloc[:0] for name, frame in frames.items()}}),
        "one without rows": (oof, {"predictions": frames | {"noise": frames["noise"].iloc[:0]}}),
        "no labels": (oof, {"labels": world().labels.iloc[:0]}),
        "no eligible label": (oof, {"labels": world().labels.assign(eligible=False)}),
        "no splits": (oof, {"splits": world().splits.iloc[:0]}),
        "no table": (replace(oof, table=oof.table.iloc[:0]), {}),
        "no days": (replace(oof, daily=oof.daily.iloc[:0]), {}),
        "no keys": (replace(oof, keys_us=oof.keys_us[:0]), {}),
    }
    for what, (result, changed) in empty.items():
        assert _failed(result, **({"predictions": frames} | changed)) == set(INVARIANTS), what


def test_empty_trades_are_right_only_if_none_was_to_be_taken(oof):
    failed = _failed(replace(oof, trades=oof.trades.iloc[:0]))
    assert failed >= {"trades_never_overlap", "trades_equal_labels", "trades_follow_rule", "profit_adds_up"}
    shy = replace(FAST, thetas=(1e6,))
    result = _evaluate(settings=shy)
    assert len(result.trades) == 0
    assert _failed(result, settings=shy) == set()


def test_no_interval_at_all_is_found(oof):
    table = oof.table.assign(low=np.nan, high=np.nan)
    assert _failed(replace(oof, table=table)) == {"intervals_contain_values"}


def test_second_path_imports_nothing_of_the_first():
    tree = ast.parse(inspect.getsource(recomputation))
    ours = {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("factory_assets.evaluation")
        for alias in node.names
    }
    assert ours == {
        ("factory_assets.evaluation.metrics", name)
        for name in ("PROBABILITY_FLOOR", "SCORE_DECIMALS", "SESSIONS_PER_YEAR")
    }
    kernels = {simulator.positions_taken, trade_rule.decide, trade_rule.expected_values, report_table.evaluate}
    assert not any(value in kernels for value in vars(recomputation).values() if callable(value))
