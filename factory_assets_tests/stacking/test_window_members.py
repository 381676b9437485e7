"""Members on windows: scaled by the rows their windows show, predicting from them, the same once read back."""

from dataclasses import replace

import numpy as np
import pytest

from factory_assets.adapters.scaling import FittedScaler
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.stacking import FittedMember, member_scaler_verdicts, oof_invariants, predict_val, training_part
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets_tests.stacking.conftest import QUICK_TCN
from factory_assets_tests.stacking.stack_world import SETTINGS


def test_scaler_is_fitted_on_the_rows_its_windows_show_each_once(window_world):
    train = window_world.train
    part = training_part("tcn", train, window_world.kinds, settings=SETTINGS, clock_us=window_world.clock_us)
    fit, tail = early_stop_tail(
        train.t0_us, train.t1_us, share=SETTINGS.early_stop_tail_share, purge=SETTINGS.purge_bars,
        clock=window_world.clock_us,
    )  # fmt: skip
    shown = set()
    for row in fit:
        shown |= set(range(train.features.first[row], train.features.last[row] + 1))
    rows = train.store[sorted(shown)].astype(np.float64)
    low, middle, high = np.nanquantile(rows, [0.25, 0.5, 0.75], axis=0)
    assert np.allclose(part.scaler.center, middle)
    assert np.allclose(part.scaler.scale, high - low)
    assert np.array_equal(part.watched.decision_us, train.decision_us[tail])


def test_member_predicts_from_scaled_windows_and_pads_with_the_median(window_world, tcn_val_fit):
    member, val = tcn_val_fit.member, window_world.val
    dense = val.features.materialised().astype(np.float64)
    center, scale = np.array(member.scaler.center), np.array(member.scaler.scale)
    filled = np.where(np.isnan(dense), np.array(member.scaler.fill), dense)
    scaled = np.clip((filled - center) / scale, -5, 5).astype(np.float32)
    assert np.array_equal(member.predict_proba(val.features), member.model.predict_proba(scaled))
    first = window_world.train.take([0])
    assert (first.features.positions() < 0).any()
    assert np.isfinite(member.predict_proba(first.features)).all()


def test_files_read_back_predict_the_same_bits(window_world, tcn_val_fit):
    member = tcn_val_fit.member
    again = FittedMember.from_files(member.to_files())
    expected = member.predict_proba(window_world.val.features)
    assert np.array_equal(again.predict_proba(window_world.val.features), expected)
    assert again.to_files() == member.to_files()
    assert again.rounds == member.rounds == member.model.fit_report_["best_iteration"]
    alone = member.predict_proba(window_world.val.features[[3]])
    assert np.array_equal(alone[0], expected[3])
    turned = member.predict_proba(window_world.val.features[np.arange(20)[::-1]])
    assert np.array_equal(turned[::-1], expected[:20])


def test_other_shapes_are_refused(world, window_world, tcn_val_fit):
    member, windows = tcn_val_fit.member, window_world.val.features
    longer = replace(windows, length=windows.length + 1)
    narrower = windows.mapped(lambda rows: rows[:, 1:])
    for features in (world.val.features, longer, narrower):
        with pytest.raises(BadInputError, match=r"expected \(N, 6, 5\)"):
            member.predict_proba(features)
    other = FittedScaler.fit(world.train.features[:, :3], world.kinds[:3], world.train.feature_names[:3])
    spoilt = FittedMember(scaler=other, model=member.model, feature_names=other.names)
    with pytest.raises(IntegrityError, match="same columns in all three"):
        FittedMember.from_files(spoilt.to_files())


def test_out_of_fold_rows_of_windows_hold_every_invariant(window_world, tcn_oof, tcn_val_fit):
    world = window_world
    frame = tcn_oof.to_frame()
    verdicts = oof_invariants(frame, world.splits, world.labels, tcn_oof.seen_decision_us)
    assert all(verdict.passed for verdict in verdicts), [verdict.summary for verdict in verdicts]
    for fold, (train_rows, test_rows) in enumerate(world.folds):
        fit = tcn_oof.fits[fold]
        assert set(fit.seen_decision_us) <= set(world.train.decision_us[train_rows])
        assert len(fit.watched_decision_us) > 0
        again = fit.member.predict_proba(world.train.features[test_rows])
        assert np.array_equal(tcn_oof.probabilities[test_rows], again)
        assert len(fit.curves["train_loss"]) == len(fit.curves["watched_loss"]) >= fit.member.rounds
    val = predict_val(tcn_val_fit.member, world.val)
    label = val["label"].to_numpy()
    loss = -np.log(val[["p_down", "p_flat", "p_up"]].to_numpy()[np.arange(len(label)), label + 1]).mean()
    shares = np.bincount(label + 1) / len(label)
    assert loss < -(shares * np.log(shares)).sum() - 0.05


def _scalers(world, fits, data=None):
    return member_scaler_verdicts(
        "tcn", data or world.train, world.kinds, fits, settings=SETTINGS, clock_us=world.clock_us
    )


def test_scaler_check_passes_on_the_path_of_the_fits(window_world, tcn_oof, tcn_val_fit):
    world = window_world
    fits = [(rows, fit) for (rows, _), fit in zip(world.folds, tcn_oof.fits, strict=True)]
    ignores, finite = _scalers(world, fits)
    assert ignores.passed, ignores.summary
    assert finite.passed, finite.summary
    held = np.arange(len(world.train) - 6)
    assert all(v.passed for v in _scalers(world, [(held, tcn_val_fit)], world.development))


def test_scaler_that_knows_one_row_behind_its_windows_is_caught(window_world, tcn_oof, monkeypatch):
    """The path hands the scaler one bar more than its windows show: noise in that bar moves the scaler."""
    from factory_assets.stacking.training_part import training_part as honest

    world = window_world
    fits = [(rows, fit) for (rows, _), fit in zip(world.folds, tcn_oof.fits, strict=True)]

    def _wider(model_name, data, kinds, **rest):
        part = honest(model_name, data, kinds, **rest)
        shown = part.fit.features.used_rows()
        behind = np.flatnonzero(~shown)[:1]
        rows = data.store[np.sort(np.append(np.flatnonzero(shown), behind))]
        return replace(part, scaler=FittedScaler.fit(rows, part.scaler.kinds, data.feature_names))

    monkeypatch.setattr("factory_assets.stacking.scaler_check.training_part", _wider)
    assert not _scalers(world, fits)[0].passed


def test_scaler_of_all_rows_of_the_store_is_caught(window_world, tcn_oof):
    world, rows, fit = window_world, window_world.folds[0][0], tcn_oof.fits[0]
    leaked = FittedScaler.fit(world.train.store, world.kinds, world.train.feature_names)
    swapped = replace(fit, member=replace(fit.member, scaler=leaked))
    assert _scalers(world, [(rows, fit)])[0].passed
    assert not _scalers(world, [(rows, swapped)])[0].passed


def test_quick_parameters_stop_early_by_the_watched_tail(tcn_oof):
    for fit in tcn_oof.fits:
        assert fit.member.rounds <= QUICK_TCN["epochs_max"]
        assert fit.member.rounds == int(np.argmin(fit.curves["watched_loss"])) + 1
