"""A member is fitted on the training part alone, and predicts the same after its files were read back."""

from dataclasses import replace

import numpy as np
import pytest

from factory_assets.models import create
from factory_assets.models.base import BaseModel
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.stacking import FittedMember, fit_member
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, TooLittleHistoryError
from factory_assets_tests.stacking.stack_world import SETTINGS


def _spied(monkeypatch):
    """Arguments of every fit of a model."""
    seen, original = [], BaseModel.fit

    def _fit(self, x, y, sample_weight=None, eval_set=None):
        seen.append((x, y, sample_weight, eval_set))
        return original(self, x, y, sample_weight, eval_set)

    monkeypatch.setattr(BaseModel, "fit", _fit)
    return seen


def test_early_stopping_watches_the_purged_tail_with_its_weights(world, monkeypatch):
    seen = _spied(monkeypatch)
    train = world.train
    member = fit_member(
        "lightgbm", {"num_iterations": 5}, train, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=1
    )
    fit, tail = early_stop_tail(
        train.t0_us, train.t1_us, share=SETTINGS.early_stop_tail_share, purge=SETTINGS.purge_bars, clock=world.clock_us
    )
    (x, y, weight, eval_set), *rest = seen
    assert not rest
    assert np.array_equal(y, train.label[fit])
    assert np.array_equal(weight, train.weight[fit])
    assert np.array_equal(eval_set[1], train.label[tail])
    assert np.array_equal(eval_set[2], train.weight[tail])
    assert abs(len(tail) / len(train) - 0.15) < 0.01
    # independent of the splits: every watched row starts after every fitted label has ended
    assert train.t1_us[fit].max() < train.t0_us[tail].min()
    # trees are not scaled, masked cells hold the training median of the rows fitted on
    masked = np.isnan(train.features[fit][:, 1])
    assert masked.any()
    assert np.array_equal(x[~masked], train.features[fit][~masked])
    assert np.allclose(x[masked][:, 1], np.nanmedian(train.features[fit][:, 1]))
    assert member.model.params.seed == 1


def test_scaler_is_fitted_on_exactly_the_rows_fitted_on(world):
    train = world.train
    fit, _ = early_stop_tail(
        train.t0_us, train.t1_us, share=SETTINGS.early_stop_tail_share, purge=SETTINGS.purge_bars, clock=world.clock_us
    )
    changed = train.features.copy()
    changed[np.setdiff1d(np.arange(len(train)), fit)] *= 1000.0
    for name, rows_matter in (("lightgbm", False), ("logistic", True)):
        one, two = (
            fit_member(
                name,
                {"num_iterations": 2} if name == "lightgbm" else {},
                data,
                world.kinds,
                settings=SETTINGS,
                clock_us=world.clock_us,
                seed=1,
            ).scaler.to_json()
            for data in (train, replace(train, features=changed))
        )
        assert (one != two) == rows_matter


def test_model_without_early_stopping_is_fitted_on_the_whole_part(world, monkeypatch):
    seen = _spied(monkeypatch)
    fit_member("logistic", {}, world.train, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=1)
    x, y, weight, eval_set = seen[0]
    assert np.array_equal(y, world.train.label)
    assert np.array_equal(weight, world.train.weight)
    assert eval_set is None
    assert np.abs(np.median(x, axis=0)).max() < 1e-6  # robust scaling: the median of the part is 0
    assert np.isfinite(x).all()


def test_logistic_member_equals_its_parts_put_together_by_hand(world):
    train = world.train
    member = fit_member("logistic", {}, train, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=1)
    low, mid, high = np.nanquantile(train.features.astype(float), [0.25, 0.5, 0.75], axis=0)

    def _scaled(x):
        filled = np.where(np.isnan(x), mid, x)
        return np.clip((filled - mid) / (high - low), -5, 5).astype(np.float32)

    model = create("logistic").fit(_scaled(train.features), train.label, sample_weight=train.weight)
    expected = model.predict_proba(_scaled(world.val.features))
    assert np.allclose(member.predict_proba(world.val.features), expected, atol=1e-6)


def test_files_read_back_predict_the_same_bits(world, members):
    for member in members.values():
        again = FittedMember.from_files(member.to_files())
        assert np.array_equal(again.predict_proba(world.val.features), member.predict_proba(world.val.features))
        assert again.feature_names == member.feature_names
        assert again.to_files() == member.to_files()


def test_damaged_member_files_are_refused(members):
    files = members["logistic"].to_files()
    for name, data in files.items():
        changed = bytearray(data)
        changed[len(data) // 2] ^= 4
        with pytest.raises(IntegrityError):
            FittedMember.from_files({**files, name: bytes(changed)})
        with pytest.raises(IntegrityError):
            FittedMember.from_files({other: kept for other, kept in files.items() if other != name})
    with pytest.raises(IntegrityError, match="not listed"):
        FittedMember.from_files({**files, "more.json": b"{}"})


def test_one_row_alone_gives_its_bits_in_the_batch(world, members):
    for member in members.values():
        batch = member.predict_proba(world.val.features)
        for row in range(0, 40, 7):
            assert np.array_equal(member.predict_proba(world.val.features[row : row + 1])[0], batch[row])


def test_refusals(world, members):
    with pytest.raises(BadInputError, match="expected"):
        members["logistic"].predict_proba(world.val.features[:, 1:])
    with pytest.raises(BadInputError, match="scaling kinds"):
        fit_member("logistic", {}, world.train, ["robust"], settings=SETTINGS, clock_us=world.clock_us, seed=1)
    flat = replace(world.train, label=np.where(world.train.label == 0, 1, world.train.label).astype(np.int8))
    with pytest.raises(TooLittleHistoryError, match="0: 0"):
        fit_member("logistic", {}, flat, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=1)
