"""Each verdict passes on what the pipeline made and fails on the one defect it is there for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.stacking import cross_fit_meta, oof_invariants, stack_invariants, val_invariants
from factory_assets.vocabulary.verdict import Verdict

UNSEEN = [Verdict(name=f"{period}_rows_unseen", passed=True, summary="") for period in ("oof", "val")]
BASES = {"lightgbm": UNSEEN, "logistic": UNSEEN}


def _failed(verdicts):
    return sorted(verdict.name for verdict in verdicts if not verdict.passed)


@pytest.fixture(scope="module")
def stack(world, frames, val_frames):
    return cross_fit_meta(frames, world.splits, val=val_frames, seed=5)


def test_honest_tables_pass_everything(world, oof, frames, stack):
    for name in oof:
        verdicts = oof_invariants(frames[name], world.splits, world.labels, oof[name].seen_decision_us)
        assert _failed(verdicts) == []
        assert [v.name for v in verdicts] == [
            "oof_once_per_row",
            "probabilities_valid",
            "labels_as_labelled",
            "oof_rows_unseen",
        ]
        assert verdicts[3].details["pairs"] > 100_000
    verdicts = stack_invariants(stack.rows, world.splits, world.labels, stack.fit_decision_us, base_verdicts=BASES)
    assert _failed(verdicts) == []
    assert verdicts[0].details["expected"] == len(world.train) + len(world.val)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda f: f.iloc[1:], "oof_once_per_row"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "oof_once_per_row"),
        (lambda f: f.assign(fold=(f["fold"] + 1) % 4), "oof_once_per_row"),
        (lambda f: f.iloc[:0], "oof_once_per_row"),
        (lambda f: f.assign(p_up=f["p_up"] + 1e-6), "probabilities_valid"),
        (lambda f: f.assign(p_up=-f["p_up"], p_down=f["p_down"] + 2 * f["p_up"]), "probabilities_valid"),
        (lambda f: f.assign(p_up=np.nan), "probabilities_valid"),
        (lambda f: f.assign(label=np.roll(f["label"], 1)), "labels_as_labelled"),
        (lambda f: f.assign(decision_time=f["decision_time"] + pd.Timedelta("1s")), "labels_as_labelled"),
    ],
)
def test_spoilt_rows_fail(world, oof, frames, spoil, name):
    spoilt = spoil(frames["logistic"])
    assert name in _failed(oof_invariants(spoilt, world.splits, world.labels, oof["logistic"].seen_decision_us))


def test_row_inside_its_own_fit_fails(world, stack):
    own = stack.rows.loc[stack.rows["fold"] == 2, "decision_time"].iloc[:1]
    seen = dict(stack.fit_decision_us)
    seen[2] = np.append(seen[2], own.astype("int64").to_numpy())
    (verdict,) = [
        v
        for v in stack_invariants(stack.rows, world.splits, world.labels, seen, base_verdicts=BASES)
        if v.name == "stack_rows_cross_fitted"
    ]
    assert not verdict.passed
    assert verdict.details["inside_own_fit"] == 1
    assert verdict.details["no_train_rows"] == 1


def test_fit_on_purged_rows_fails_even_if_they_are_no_own_rows(world, oof, frames):
    seen = dict(oof["logistic"].seen_decision_us)
    roles = world.splits[(world.splits["scheme"] == "purged_kfold") & (world.splits["fold"] == 1)]
    purged = roles.loc[roles["role"] == "purged", "decision_time"].astype("int64").to_numpy()
    assert len(purged)
    seen[1] = np.append(seen[1], purged)
    verdict = oof_invariants(frames["logistic"], world.splits, world.labels, seen)[3]
    assert not verdict.passed
    assert verdict.details["no_train_rows"] == len(purged)
    assert verdict.details["inside_own_fit"] == 0


def test_interval_that_reaches_into_the_scored_fold_fails(world, oof, frames):
    """Stretch one training label over the fold: keys and roles still agree, only the intervals show it."""
    last_before = max(
        t for t in oof["logistic"].seen_decision_us[2] if t < world.train.decision_us[world.folds[2][1][0]]
    )
    stretched = world.labels.copy()
    row = stretched.index[stretched["decision_time"].astype("int64") == last_before]
    stretched.loc[row, "t1"] = stretched.loc[row, "t1"] + pd.Timedelta("3D")
    verdict = oof_invariants(frames["logistic"], world.splits, stretched, oof["logistic"].seen_decision_us)[3]
    assert not verdict.passed
    assert verdict.details["intervals_met"] >= 1
    assert verdict.details["no_train_rows"] == 0


def test_brute_force_counts_the_same_meetings():
    from factory_assets.stacking.invariants import _meeting

    rng = np.random.default_rng(4)
    for _ in range(50):
        a0, b0 = (rng.integers(0, 60, rng.integers(1, 12)) for _ in range(2))
        a1, b1 = a0 + rng.integers(0, 8, len(a0)), b0 + rng.integers(0, 8, len(b0))
        brute = sum(any(s <= d and c <= e for c, d in zip(b0, b1, strict=True)) for s, e in zip(a0, a1, strict=True))
        assert _meeting(*(pd.Series(v) for v in (a0, a1, b0, b1))) == brute


def test_fold_without_a_record_fails(world, stack):
    seen = {fold: keys for fold, keys in stack.fit_decision_us.items() if fold != 3}
    verdict = stack_invariants(stack.rows, world.splits, world.labels, seen, base_verdicts=BASES)[3]
    assert not verdict.passed
    assert "[3]" in verdict.summary


def test_val_meta_that_saw_val_or_purged_rows_fails(world, stack):
    for extra in (world.val.decision_us[:1], world.train.decision_us[-1:]):
        seen = {**stack.fit_decision_us, -1: np.append(stack.fit_decision_us[-1], extra)}
        assert "stack_rows_cross_fitted" in _failed(
            stack_invariants(stack.rows, world.splits, world.labels, seen, base_verdicts=BASES)
        )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r[r["origin"] != "val"],
        lambda r: r.assign(origin="val"),
        lambda r: pd.concat([r, r.iloc[:1]]),
        lambda r: r.assign(fold=np.where(r["fold"] == 0, 1, r["fold"])),
    ],
)
def test_incomplete_or_mislabelled_stack_fails(world, stack, spoil):
    verdicts = stack_invariants(
        spoil(stack.rows), world.splits, world.labels, stack.fit_decision_us, base_verdicts=BASES
    )
    assert "stack_rows_complete" in _failed(verdicts)


def _val(world, val_fits, val_frames, **changes):
    given = {
        "val": val_frames["lightgbm"],
        "splits_frame": world.splits,
        "labels": world.labels,
        "seen_decision_us": val_fits["lightgbm"].seen_decision_us,
    }
    return val_invariants(**(given | changes))


def test_honest_val_rows_pass(world, val_fits, val_frames):
    for name, fit in val_fits.items():
        verdicts = _val(world, val_fits, val_frames, val=val_frames[name], seen_decision_us=fit.seen_decision_us)
        assert _failed(verdicts) == []
        assert [v.name for v in verdicts] == [
            "val_once_per_row",
            "probabilities_valid",
            "labels_as_labelled",
            "val_rows_unseen",
        ]
        assert verdicts[0].details["events"] == len(world.val)
        assert verdicts[3].details["pairs"] == len(world.val) * len(fit.seen_decision_us)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda f: f.iloc[1:], "val_once_per_row"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "val_once_per_row"),
        (lambda f: f.assign(fold=0), "val_once_per_row"),
        (lambda f: f.iloc[:0], "val_once_per_row"),
        (lambda f: f.assign(p_flat=np.nan), "probabilities_valid"),
        (lambda f: f.assign(label=np.roll(f["label"], 1)), "labels_as_labelled"),
    ],
)
def test_spoilt_val_rows_fail(world, val_fits, val_frames, spoil, name):
    assert name in _failed(_val(world, val_fits, val_frames, val=spoil(val_frames["lightgbm"])))


def test_val_row_or_purged_row_in_the_fit_fails(world, val_fits, val_frames):
    seen = val_fits["lightgbm"].seen_decision_us
    for extra, inside in ((world.val.decision_us[5:6], 1), (world.train.decision_us[-1:], 0)):
        verdict = _val(world, val_fits, val_frames, seen_decision_us=np.append(seen, extra))[3]
        assert not verdict.passed
        assert verdict.details["inside_own_fit"] == inside
        assert verdict.details["no_train_rows"] == 1


def test_watched_val_row_fails(world, val_fits, val_frames):
    """Early stopping on val is a look at val: the record of the watched rows shows it."""
    fit = val_fits["lightgbm"]
    assert len(fit.watched_decision_us) > 0
    spied = replace(fit, watched_decision_us=np.append(fit.watched_decision_us, world.val.decision_us[0]))
    assert "val_rows_unseen" in _failed(_val(world, val_fits, val_frames, seen_decision_us=spied.seen_decision_us))


def test_training_label_that_ends_inside_val_fails(world, val_fits, val_frames):
    stretched = world.labels.copy()
    row = stretched.index[stretched["decision_time"].astype("int64") == val_fits["lightgbm"].watched_decision_us[-1]]
    stretched.loc[row, "t1"] = stretched.loc[row, "t1"] + pd.Timedelta("3D")
    verdict = _val(world, val_fits, val_frames, labels=stretched)[3]
    assert not verdict.passed
    assert verdict.details["intervals_met"] == 1


def test_missing_record_or_missing_hold_out_fails(world, val_fits, val_frames):
    empty = _val(world, val_fits, val_frames, seen_decision_us=np.empty(0, dtype=np.int64))
    assert "val_rows_unseen" in _failed(empty)
    folds_only = world.splits[world.splits["scheme"] == "purged_kfold"]
    verdicts = _val(world, val_fits, val_frames, splits_frame=folds_only)
    assert {"val_once_per_row", "val_rows_unseen"} <= set(_failed(verdicts))
