"""The forward period's figures by hand and by another path, and what its invariants catch."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from factory_assets.evaluation.forward import (
    CHALLENGER,
    CHAMPION,
    EARLIER_SESSIONS,
    INTERVAL_SESSIONS_MIN,
    forward_result,
    forward_sentences,
)
from factory_assets.evaluation.forward_invariants import (
    PREDICTION_CHECKS,
    forward_only,
    prediction_invariants,
    report_invariants,
)
from factory_assets.reports.forward import forward_figures
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, to_table
from factory_assets.vocabulary.schemas import FORWARD_PREDICTIONS, FORWARD_REPORT
from factory_assets_tests.evaluation.worlds import BARRIERS, FAST, predictions, world

A, B, C = "a" * 64, "b" * 64, "c" * 64
PLAIN = ["p_down", "p_flat", "p_up"]


def spoken(knowledge, seed, role, digest_of, days):
    """What one role said of the val sample on some days."""
    sample, said = world().sample("val"), predictions(world(), "val", knowledge=knowledge, seed=seed)
    day = dates_days(sample["trade_date"])
    rng = np.random.default_rng(seed)
    frame = said[["decision_time", *PLAIN]].assign(
        trade_date=sample["trade_date"],
        role=role,
        release=[digest_of(d)[0] for d in day],
        data_end=from_days(np.array([digest_of(d)[1] for d in day])),
        side=rng.choice([-1, 0, 0, 1], size=len(said)).astype(np.int8),
    )
    return frame[np.isin(day, days)]


@pytest.fixture(scope="module")
def scene():
    days = world().val_sessions.trade_day
    half = int(days[2])
    champion = (A, int(days[0]) - 30)

    def challenger(day):
        return (B, int(days[0]) - 1) if day <= half else (C, half)

    scored = {CHAMPION: days, CHALLENGER: days[1:]}
    frame = pd.concat(
        [
            spoken(0.4, 1, CHAMPION, lambda _: champion, days),
            spoken(0.8, 2, CHALLENGER, challenger, days[1:]),
        ],
        ignore_index=True,
    ).sort_values(["role", "decision_time"], ignore_index=True)
    frozen = {CHAMPION: [champion], CHALLENGER: [(B, int(days[0]) - 1), (C, half)]}
    return frame, scored, frozen


def result_of(frame, scored, promoted_day=-1):
    return forward_result(
        frame,
        outcomes=world().labels,
        bars_1min=world().minutes,
        scored_days=scored,
        promoted_day=promoted_day,
        instrument=world().instrument,
        barriers=BARRIERS,
        settings=FAST,
    )


def value(result, scope, role, metric):
    rows = result.table.set_index(["scope", "role", "metric"])
    return rows.loc[(scope, role, metric)]


def test_values_equal_those_of_other_libraries(scene):
    frame, scored, _ = scene
    result = result_of(frame, scored)
    labels = world().labels.set_index("decision_time")
    shared = scored[CHALLENGER]
    for scope, role, days in (("all", CHAMPION, scored[CHAMPION]), ("paired", CHALLENGER, shared)):
        mine = frame[(frame["role"] == role) & np.isin(dates_days(frame["trade_date"]), days)]
        label = labels.loc[mine["decision_time"], "label"].to_numpy()
        found = value(result, scope, role, "log_loss")
        assert found["value"] == pytest.approx(sklearn_log_loss(label, mine[PLAIN].to_numpy()))
        assert (found["rows"], found["sessions"]) == (len(mine), len(days))
        touched = label != 0
        lean = (mine["p_up"] / (mine["p_up"] + mine["p_down"])).to_numpy()[touched]
        auc = roc_auc_score(label[touched] > 0, lean)
        assert value(result, scope, role, "direction_skill")["value"] == pytest.approx(auc - 0.5, abs=1e-6)
    assert found["low"] < found["value"] < found["high"]


def test_differences_are_challenger_less_champion_and_paired(scene):
    frame, scored, _ = scene
    result = result_of(frame, scored)
    for metric in ("log_loss", "direction_skill", "net_pnl_dollars"):
        mine, theirs, gap = (value(result, "paired", r, metric) for r in (CHALLENGER, CHAMPION, "difference"))
        assert gap["value"] == pytest.approx(mine["value"] - theirs["value"])
        assert gap["low"] <= gap["value"] <= gap["high"]
    assert value(result, "paired", "difference", "log_loss")["high"] < 0, "it knows twice as much"
    same = frame[frame["role"] == CHALLENGER]
    twin = pd.concat([same, same.assign(role=CHAMPION)], ignore_index=True)
    equal = result_of(twin, {CHAMPION: scored[CHALLENGER], CHALLENGER: scored[CHALLENGER]})
    zero = equal.table[equal.table["role"] == "difference"]
    assert (zero[["value", "low", "high"]].to_numpy() == 0.0).all()


def test_profit_is_that_of_stored_outcomes_one_position_at_a_time(scene):
    frame, scored, _ = scene
    result = result_of(frame, scored)
    labels = world().labels.set_index("decision_time")
    points, count, free = 0.0, 0, None
    for row in frame[frame["role"] == CHAMPION].itertuples():
        if row.side and (free is None or row.decision_time >= free):
            outcome = labels.loc[row.decision_time]
            points += outcome["net_long"] if row.side > 0 else outcome["net_short"]
            count, free = count + 1, outcome["t1"]
    assert value(result, "all", CHAMPION, "net_pnl_dollars")["value"] == pytest.approx(points * 5.0)
    assert value(result, "all", CHAMPION, "trades")["value"] == count > 20
    daily = result.daily[result.daily["role"] == CHAMPION]
    assert daily["net_dollars"].sum() == pytest.approx(points * 5.0)
    assert len(daily) == len(scored[CHAMPION])


def test_a_session_without_a_decision_counts_as_zero(scene):
    frame, scored, _ = scene
    day = int(scored[CHAMPION][3])
    less = frame[dates_days(frame["trade_date"]) != day]
    result = result_of(less, scored)
    assert value(result, "all", CHAMPION, "net_pnl_dollars")["sessions"] == len(scored[CHAMPION])
    quiet = result.daily[dates_days(result.daily["trade_date"]) == day]
    assert quiet["net_dollars"].tolist() == [0.0, 0.0]
    assert quiet["log_loss"].isna().all()


def test_sessions_known_at_the_promotion_stand_apart_and_count_nowhere_else(scene):
    """Whoever promoted on session 3 had seen it: only later ones are forward, compared and counted."""
    frame, scored, _ = scene
    days = scored[CHAMPION]
    promoted = int(days[3])
    result = result_of(frame, scored, promoted)
    later = {role: each[each > promoted] for role, each in scored.items()}
    alone = result_of(frame[dates_days(frame["trade_date"]) > promoted], later)
    since = result.table[result.table["scope"] != EARLIER_SESSIONS].reset_index(drop=True)
    pd.testing.assert_frame_equal(since, alone.table)
    early = result_of(frame, {role: each[each <= promoted] for role, each in scored.items()})
    apart = result.table[result.table["scope"] == EARLIER_SESSIONS].drop(columns="scope").reset_index(drop=True)
    pd.testing.assert_frame_equal(
        apart, early.table[early.table["scope"] == "all"].drop(columns="scope").reset_index(drop=True)
    )
    assert set(apart["role"]) == {CHAMPION, CHALLENGER}, "nothing is compared there"
    assert set(apart[apart["role"] == CHAMPION]["sessions"]) == {4}
    assert report(result, frame, scored, promoted).passed
    # A report that counts them as forward is none.
    assert not report(result_of(frame, scored), frame, scored, promoted).passed
    everything = result_of(frame, scored, int(days[-1]))
    assert set(everything.table["scope"]) == {EARLIER_SESSIONS}
    assert forward_figures(everything.daily, simulated=False) == []
    (figure,) = forward_figures(result.daily, simulated=False)
    assert f"by session ({len(days) - 4})" in figure.caption
    said = forward_sentences(0, 0, earlier_sessions=4, confidence=0.95)
    assert "nothing to compare" in said[0]
    assert said[-1].startswith("4 more sessions had opened before the champion was promoted")
    assert "no forward evidence" in forward_sentences(200, 190, earlier_sessions=4, confidence=0.95)[-1]


def test_too_few_sessions_give_no_interval_and_say_so(scene):
    frame, scored, _ = scene
    few = {CHAMPION: scored[CHAMPION][: INTERVAL_SESSIONS_MIN - 1]}
    result = result_of(frame, few)
    assert set(result.table["scope"]) == {"all"}
    assert result.table[["low", "high"]].isna().all().all()
    said = forward_sentences(4, 0, confidence=0.95)
    assert "0 compared sessions are too few" in said[1]
    assert "probability 5%" in said[0] or "probability 6%" in said[0]
    assert len(forward_sentences(200, 190, confidence=0.95)) == 1
    assert "nothing to compare" in forward_sentences(0, 0, confidence=0.95)[0]


def test_nothing_scored_is_an_empty_report(scene):
    frame, _, _ = scene
    for scored in ({}, {CHAMPION: np.empty(0, dtype=np.int32), CHALLENGER: np.empty(0, dtype=np.int32)}):
        result = result_of(frame.iloc[:0], scored)
        assert (len(result.table), len(result.trades), len(result.daily)) == (0, 0, 0)
        assert to_table(result.table.assign(contract="MES", horizon=5), FORWARD_REPORT).num_rows == 0
        assert all(v.passed for v in checked(frame.iloc[:0], scored, {}))
        assert report(result, frame.iloc[:0], scored).passed


def test_tables_fit_their_schemas(scene):
    frame, scored, _ = scene
    stored = {"contract": "MES", "horizon": 5}
    assert to_table(frame.assign(**stored), FORWARD_PREDICTIONS).num_rows == len(frame)
    assert to_table(result_of(frame, scored).table.assign(**stored), FORWARD_REPORT).num_rows > 30


def test_predictions_without_an_outcome_are_refused(scene):
    frame, scored, _ = scene
    shifted = frame.assign(decision_time=frame["decision_time"] + pd.Timedelta(seconds=1))
    with pytest.raises(BadInputError, match="no row in labels"):
        result_of(shifted, scored)


# --- invariants --------------------------------------------------------------------------------------------------


def checked(frame, scored, frozen, say=None):
    kept = (
        frame.drop_duplicates(["release", "decision_time"]).set_index(["release", "decision_time"])[PLAIN].sort_index()
    )
    found = prediction_invariants(
        frame,
        world().labels,
        scored_days=scored,
        frozen=frozen,
        end_day=int(world().train_sessions.trade_day[-1]),
        say=say or (lambda digest, row: kept.loc[(digest, row["decision_time"])].to_numpy(dtype=float)),
        seed=3,
    )
    assert tuple(v.name for v in found) == PREDICTION_CHECKS
    assert all(v.blocking for v in found)
    return found


def broken(frame, scored, frozen, **named):
    return {v.name for v in checked(frame, scored, frozen, **named) if not v.passed}


def test_honest_predictions_pass(scene):
    frame, scored, frozen = scene
    found = checked(frame, scored, frozen)
    assert [v.summary for v in found if not v.passed] == []
    assert found[-1].details["rows"] == 15


def test_each_fault_of_predictions_is_caught_by_its_own_check(scene):
    frame, scored, frozen = scene
    days = dates_days(frame["trade_date"])
    last = int(scored[CHAMPION][-1])
    faults = {
        "a decision is missing": (frame.drop(index=5), {"scored_once_per_role"}),
        "a decision is doubled": (pd.concat([frame, frame.iloc[[5]]]), {"scored_once_per_role"}),
        "the refit had seen the session": (
            frame.assign(data_end=np.where(frame["release"] == C, frame["trade_date"], frame["data_end"])),
            {"frozen_before_session"},
        ),
        "an older refit spoke": (
            frame.assign(
                release=np.where((days == last) & (frame["role"] == CHALLENGER), B, frame["release"]),
                data_end=np.where(
                    (days == last) & (frame["role"] == CHALLENGER), frozen_date(frozen, 0), frame["data_end"]
                ),
            ),
            {"frozen_before_session"},
        ),
        "nobody knows the release": (frame.replace({"release": {C: "d" * 64}}), {"frozen_before_session"}),
        "not probabilities": (frame.assign(p_up=frame["p_up"] + 0.1), {"probabilities_valid"}),
        "missing probabilities": (frame.assign(p_up=np.nan), {"probabilities_valid", "predictions_recomputed"}),
    }
    for told, (spoilt, wanted) in faults.items():
        assert broken(spoilt.reset_index(drop=True), scored, frozen) == wanted, told


def test_a_release_that_ended_with_the_session_itself_is_late(scene):
    frame, scored, frozen = scene
    day = int(scored[CHAMPION][-1])
    seen = frame.assign(data_end=np.where(frame["release"] == C, from_days(np.array([day]))[0], frame["data_end"]))
    known = {**frozen, CHALLENGER: [frozen[CHALLENGER][0], (C, day)]}
    kept = seen[(dates_days(seen["trade_date"]) == day)].reset_index(drop=True)
    found = {v.name: v for v in checked(kept, {role: np.array([day]) for role in scored}, known)}
    assert found["frozen_before_session"].details["late"] == int((kept["release"] == C).sum()) > 0
    assert not found["frozen_before_session"].passed


def frozen_date(frozen, place):
    return from_days(np.array([frozen[CHALLENGER][place][1]]))[0]


def test_a_release_that_says_otherwise_is_caught(scene):
    frame, scored, frozen = scene
    assert broken(frame, scored, frozen, say=lambda *_: np.array([0.2, 0.3, 0.5])) == {"predictions_recomputed"}
    assert broken(frame, scored, frozen, say=lambda *_: np.full(3, np.nan)) == {"predictions_recomputed"}


def test_a_row_of_the_study_is_caught():
    assert not forward_only(np.array([100, 101]), 100).passed
    assert forward_only(np.array([101, 102]), 100).passed
    assert forward_only(np.array([], dtype=np.int32), 100).passed


def report(result, frame, scored, promoted_day=-1):
    (found,) = report_invariants(
        result.table,
        frame,
        world().labels,
        scored_days=scored,
        promoted_day=promoted_day,
        instrument=world().instrument,
    )
    assert found.blocking
    return found


def test_an_honest_report_passes_and_each_fault_is_caught(scene):
    frame, scored, _ = scene
    result = result_of(frame, scored)
    verdict = report(result, frame, scored)
    assert verdict.passed, verdict.summary
    assert verdict.details["recomputed"] == 14
    table = result.table
    at = {metric: table.index[(table["metric"] == metric) & (table["scope"] == "paired")] for metric in ("log_loss",)}
    faults = [
        table.drop(index=at["log_loss"][0]),
        table.assign(value=table["value"].where(table.index != at["log_loss"][1], 0.5)),
        table.assign(low=table["low"].where(table.index != 0)),
        table.assign(high=table["value"] - 1e-3),
        pd.concat([table, table.iloc[[0]].assign(scope="all", role="difference")], ignore_index=True),
    ]
    for spoilt in faults:
        assert not report(replace(result, table=spoilt), frame, scored).passed
    assert not report(result, frame.assign(side=-frame["side"]), scored).passed


def test_power_of_the_sentence_is_that_of_the_formula():
    said = forward_sentences(79, 79, confidence=0.95)[0]
    z = 1.0 / math.sqrt(252)
    scale = math.sqrt(1 + 0.5 * z * z)
    power = 0.5 * math.erfc(-((z * math.sqrt(78) - 1.6448536) / scale) / math.sqrt(2))
    assert f"probability {power:.0%}" in said
