"""The scaler check runs the path of the fits: it passes on that path and fails once the path or its record is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from factory_assets.adapters.scaling import FittedScaler
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.stacking import fit_recorded, member_scaler_verdicts, out_of_fold
from factory_assets_tests.stacking.conftest import QUICK
from factory_assets_tests.stacking.stack_world import SETTINGS

PATHS = ("factory_assets.stacking.member_fit.training_part", "factory_assets.stacking.scaler_check.training_part")


def _verdict(world, name, data, fits):
    found = member_scaler_verdicts(name, data, world.kinds, fits, settings=SETTINGS, clock_us=world.clock_us)
    assert [verdict.name for verdict in found] == ["scaler_ignores_other_rows", "scaler_output_finite"]
    assert found[1].passed
    return found[0]


def _fit(world, name="logistic", rows=None, data=None):
    return fit_recorded(
        name,
        QUICK[name],
        data or world.train,
        world.kinds,
        rows=rows,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=3,
    )


@pytest.mark.parametrize("name", ["logistic", "lightgbm"])
def test_every_member_of_the_pipeline_passes(world, oof, val_fits, name):
    fits = [(rows, fit) for (rows, _), fit in zip(world.folds, oof[name].fits, strict=True)]
    verdict = _verdict(world, name, world.train, fits)
    assert verdict.passed, verdict.summary
    assert verdict.details["scalers"] == 4
    assert verdict.details["rows_outside_min"] == min(
        len(world.train) - len(fit.fit_decision_us) for fit in oof[name].fits
    )
    held = _verdict(world, name, world.development, [(np.arange(len(world.train) - 6), val_fits[name])])
    assert held.passed, held.summary
    assert held.details["rows_outside_min"] >= len(world.val) + 6


def test_record_is_what_the_model_was_given(world):
    """By hand from the splits' own rule: fitted rows, then a watched tail, nothing of the purge between them."""
    rows = world.folds[1][0]
    part = world.train.take(rows)
    fit_rows, tail_rows = early_stop_tail(
        part.t0_us, part.t1_us, share=SETTINGS.early_stop_tail_share, purge=SETTINGS.purge_bars, clock=world.clock_us
    )
    fit = _fit(world, "lightgbm", rows)
    assert np.array_equal(fit.fit_decision_us, part.decision_us[fit_rows])
    assert np.array_equal(fit.watched_decision_us, part.decision_us[tail_rows])
    assert len(fit.seen_decision_us) == len(fit_rows) + len(tail_rows) < len(rows)
    plain = _fit(world, "logistic", rows)
    assert np.array_equal(plain.seen_decision_us, part.decision_us)
    assert len(plain.watched_decision_us) == 0


def _of_all_rows(data, fit):
    return data.features


def _of_a_few_strangers_too(data, fit):
    return data.features[np.isin(data.decision_us, fit.decision_us) | (np.arange(len(data)) % 50 == 0)]


@pytest.mark.parametrize("broken", [_of_all_rows, _of_a_few_strangers_too])
@pytest.mark.parametrize("name", ["logistic", "lightgbm"])
def test_path_whose_scaler_sees_other_rows_is_caught(world, monkeypatch, name, broken):
    """Break the step that fits and check share: the check has to fail although both run the same broken step."""
    from factory_assets.stacking.training_part import training_part as honest

    def _broken(model_name, data, kinds, **rest):
        part = honest(model_name, data, kinds, **rest)
        scaler = FittedScaler.fit(broken(data, part.fit), part.scaler.kinds, data.feature_names)
        return replace(part, scaler=scaler)

    for path in PATHS:
        monkeypatch.setattr(path, _broken)
    scored = out_of_fold(
        name,
        QUICK[name],
        world.train,
        world.folds,
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=3,
    )
    fits = [(rows, fit) for (rows, _), fit in zip(world.folds, scored.fits, strict=True)]
    verdict = _verdict(world, name, world.train, fits)
    assert not verdict.passed
    assert verdict.details["changed"] == 4


def test_scaler_not_made_by_the_path_is_caught(world):
    """The member carries a scaler of all rows, the path itself is honest: byte-equality with the one in use fails."""
    rows = world.folds[0][0]
    fit = _fit(world, rows=rows)
    leaked = FittedScaler.fit(world.train.features, world.kinds, world.train.feature_names)
    swapped = replace(fit, member=replace(fit.member, scaler=leaked))
    assert _verdict(world, "logistic", world.train, [(rows, fit)]).passed
    assert not _verdict(world, "logistic", world.train, [(rows, swapped)]).passed


def test_one_broken_member_among_honest_ones_is_caught(world, oof):
    fits = [(rows, fit) for (rows, _), fit in zip(world.folds, oof["logistic"].fits, strict=True)]
    fits[2] = (fits[3][0], fits[2][1])  # fitted on other rows than the path would choose for it now
    verdict = _verdict(world, "logistic", world.train, fits)
    assert not verdict.passed
    assert verdict.details["changed"] == 1


def test_record_that_leaves_fitted_rows_out_is_caught(world):
    rows = world.folds[0][0]
    fit = _fit(world, rows=rows)
    short = replace(fit, fit_decision_us=fit.fit_decision_us[:-50])
    assert not _verdict(world, "logistic", world.train, [(rows, short)]).passed


def test_nothing_outside_or_no_member_is_no_proof(world):
    assert not _verdict(world, "logistic", world.train, [(np.arange(len(world.train)), _fit(world))]).passed
