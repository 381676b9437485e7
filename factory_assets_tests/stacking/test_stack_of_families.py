"""Trees, a linear model and a network in one stack: joined by decision time, and refused when rows were seen before.

Each defect is made in the code that fits, not in the record of it: the check has to fail on what a wrong factory would
really write.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.stacking import cross_fit as module
from factory_assets.stacking import (
    cross_fit_meta,
    fold_requests,
    oof_invariants,
    out_of_fold,
    predict_folds,
    predict_val,
    stack_invariants,
    val_invariants,
)
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.stacking.conftest import QUICK
from factory_assets_tests.stacking.stack_world import SETTINGS

P = ["p_down", "p_flat", "p_up"]
CHECK = "stack_rows_cross_fitted"


@pytest.fixture(scope="module")
def bases(frames, tcn_oof):
    return {**frames, "tcn": tcn_oof.to_frame()}


@pytest.fixture(scope="module")
def val_bases(window_world, val_frames, tcn_val_fit):
    return {**val_frames, "tcn": predict_val(tcn_val_fit.member, window_world.val)}


@pytest.fixture(scope="module")
def verdicts(world, oof, tcn_oof, val_fits, tcn_val_fit, bases, val_bases):
    """What the model assets publish with their rows."""
    fits, vals = {**oof, "tcn": tcn_oof}, {**val_fits, "tcn": tcn_val_fit}
    return {
        name: [
            *oof_invariants(bases[name], world.splits, world.labels, fits[name].seen_decision_us),
            *val_invariants(val_bases[name], world.splits, world.labels, vals[name].seen_decision_us),
        ]
        for name in bases
    }


def _check(world, stacked, verdicts):
    found = stack_invariants(stacked.rows, world.splits, world.labels, stacked.fit_decision_us, base_verdicts=verdicts)
    return next(verdict for verdict in found if verdict.name == CHECK)


def test_three_families_make_one_stack(world, bases, val_bases, verdicts):
    stacked = cross_fit_meta(bases, world.splits, val=val_bases, seed=5)
    assert stacked.meta.base_names == ("lightgbm", "logistic", "tcn")
    found = stack_invariants(stacked.rows, world.splits, world.labels, stacked.fit_decision_us, base_verdicts=verdicts)
    assert [verdict.name for verdict in found if not verdict.passed] == []
    assert len(stacked.rows) == len(world.train) + len(world.val)


def test_rows_of_the_network_join_by_decision_time(world, bases, val_bases):
    rng = np.random.default_rng(2)
    shuffled = {**bases, "tcn": bases["tcn"].iloc[rng.permutation(len(bases["tcn"]))]}
    one, two = (cross_fit_meta(given, world.splits, val=val_bases, seed=5) for given in (bases, shuffled))
    pd.testing.assert_frame_equal(one.rows, two.rows)
    assert one.meta.to_files() == two.meta.to_files()


@pytest.mark.parametrize("row", [0, 600, -1])
def test_decision_the_network_lacks_is_refused(world, bases, row):
    lacking = bases["tcn"].drop(bases["tcn"].index[row])
    with pytest.raises(BadInputError, match="1 decisions that tcn lacks"):
        cross_fit_meta({**bases, "tcn": lacking}, world.splits, seed=5)


def test_rows_one_bar_apart_are_refused_not_paired(world, bases):
    """A join by position would pair each window with the label a bar later and notice nothing."""
    moved = bases["tcn"].assign(decision_time=bases["tcn"]["decision_time"] + pd.Timedelta("5min"))
    with pytest.raises(BadInputError, match="decisions that"):
        cross_fit_meta({**bases, "tcn": moved}, world.splits, seed=5)
    with pytest.raises(BadInputError, match="disagree on label"):
        cross_fit_meta(
            {**bases, "tcn": bases["tcn"].assign(label=np.roll(bases["tcn"]["label"], 1))}, world.splits, seed=5
        )


def _all_train(honest):
    """Roles under which every row may be learnt from in every fold, and is scored all the same."""

    def _roles(splits_frame, train):
        roles = honest(splits_frame, train)
        return roles.mask(roles.isin(["purged", "embargoed"]), "train")

    return _roles


def test_meta_that_learns_from_purged_rows_fails(world, bases, val_bases, verdicts, monkeypatch):
    monkeypatch.setattr(module, "_fold_roles", _all_train(module._fold_roles))
    verdict = _check(world, cross_fit_meta(bases, world.splits, val=val_bases, seed=5), verdicts)
    assert not verdict.passed
    assert verdict.details["no_train_rows"] > 0
    assert verdict.details["inside_own_fit"] == 0


class _LearningFrom:
    """``np`` as :mod:`cross_fit` sees it, with other rows where it looks for the ones a fold learns from."""

    def __init__(self, rows_of):
        self._rows_of, self._asked = rows_of, 0

    def __getattr__(self, name):
        return getattr(np, name)

    def flatnonzero(self, condition):
        self._asked += 1
        return self._rows_of(self._asked, np.flatnonzero(condition), len(condition))


@pytest.mark.parametrize(
    ("rows_of", "inside"),
    [
        # learnt and scored rows of a fold are asked for in turn: every fold learns from everything
        (lambda asked, rows, n: np.arange(n) if asked % 2 and asked <= 8 else rows, "all"),
        # the third fold alone learns from one row in ten it scores
        (lambda asked, rows, n: np.arange(0, n, 10) if asked == 5 else rows, "some"),
    ],
    ids=["meta-fitted-on-everything", "one-fold-on-its-own-rows"],
)
def test_meta_fitted_on_rows_it_predicts_fails(world, bases, val_bases, verdicts, monkeypatch, rows_of, inside):
    monkeypatch.setattr(module, "np", _LearningFrom(rows_of))
    verdict = _check(world, cross_fit_meta(bases, world.splits, val=val_bases, seed=5), verdicts)
    assert not verdict.passed
    own = verdict.details["inside_own_fit"]
    assert own == len(world.train) if inside == "all" else 0 < own < len(world.train) / 5


def test_val_rows_of_a_meta_that_saw_val_fail(world, bases, val_bases, verdicts):
    """Val handed over among the out-of-fold rows, its role in the hold-out changed to match: the labels tell."""
    spied = {name: pd.concat([bases[name], val_bases[name]], ignore_index=True) for name in bases}
    honest = cross_fit_meta(bases, world.splits, val=val_bases, seed=5)
    with pytest.raises(BadInputError):
        cross_fit_meta(spied, world.splits, val=val_bases, seed=5)
    seen = {**honest.fit_decision_us, -1: np.append(honest.fit_decision_us[-1], world.val.decision_us)}
    verdict = _check(world, replace(honest, fit_decision_us=seen), verdicts)
    assert not verdict.passed
    assert verdict.details["inside_own_fit"] == len(world.val)


@pytest.mark.parametrize("model", ["logistic", "lightgbm"])
def test_stack_over_a_base_whose_fits_saw_the_rows_fails(world, bases, val_bases, verdicts, model):
    """One base is fitted on everything in every fold; its meta is cross-fitted all the same, and worth nothing."""
    leaking = [(np.arange(len(world.train)), test) for _, test in world.folds]
    with pytest.raises(BadInputError, match="both its training and its test part"):
        fold_requests(model, QUICK[model], leaking, np.arange(len(world.train)), seed=3)
    one_fold = [(np.arange(len(world.train)), np.empty(0, dtype=np.int64)), *_one_after_another(world)]
    given = {"settings": SETTINGS, "clock_us": world.clock_us, "seed": 3}
    fits = out_of_fold(model, QUICK[model], world.train, one_fold, world.kinds, **given).fits
    leaked = predict_folds(world.train, world.folds, [fits[0]] * len(world.folds))
    spoilt = {**bases, model: leaked.to_frame()}
    published = {
        **verdicts,
        model: [
            *oof_invariants(spoilt[model], world.splits, world.labels, leaked.seen_decision_us),
            *(verdict for verdict in verdicts[model] if verdict.name == "val_rows_unseen"),
        ],
    }
    assert "oof_rows_unseen" in {verdict.name for verdict in published[model] if not verdict.passed}
    stacked = cross_fit_meta(spoilt, world.splits, val=val_bases, seed=5)
    verdict = _check(world, stacked, published)
    assert not verdict.passed
    assert verdict.details["bases_seen"] == 1
    assert model in verdict.summary
    assert _check(world, stacked, verdicts).passed  # the meta alone does not show it


def _one_after_another(world):
    """A fold that tests every row, so that the folds as a whole are no error; its fit is not used."""
    rows = np.arange(len(world.train))
    return [(rows[:700], rows[700:]), (rows[700:], rows[:700])]


def test_stack_over_bases_without_a_record_fails(world, bases, val_bases, verdicts):
    stacked = cross_fit_meta(bases, world.splits, val=val_bases, seed=5)
    assert _check(world, stacked, verdicts).passed
    assert not _check(world, stacked, {}).passed
    without = {**verdicts, "tcn": [one for one in verdicts["tcn"] if one.name != "val_rows_unseen"]}
    assert not _check(world, stacked, without).passed
