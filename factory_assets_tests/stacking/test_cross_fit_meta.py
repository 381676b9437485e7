"""The stack: joined by decision time, cross-fitted by the splits' roles, val by the meta of all train rows."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.models import create
from factory_assets.stacking import FittedMeta, cross_fit_meta, meta_inputs
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.frames import times_us, to_table
from factory_assets.vocabulary.schemas import STACK

P = ["p_down", "p_flat", "p_up"]


@pytest.fixture(scope="module")
def stack(world, frames, val_frames):
    return cross_fit_meta(frames, world.splits, val=val_frames, seed=5)


def test_rows_are_the_declared_table(world, stack):
    table = to_table(stack.rows.assign(contract="SIM", horizon=20), STACK)
    assert table.num_rows == len(world.train) + len(world.val)
    assert stack.rows["decision_time"].is_monotonic_increasing
    assert stack.rows["origin"].value_counts().to_dict() == {"cross_fitted": len(world.train), "val": len(world.val)}


def test_naive_oracle_of_one_fold(world, stack, frames):
    """Fold 1 by hand: rows picked by loops over the splits table, logs by numpy, bases in order of their names."""
    roles = world.splits[(world.splits["scheme"] == "purged_kfold") & (world.splits["fold"] == 1)]
    role_of = dict(zip(roles["decision_time"], roles["role"], strict=True))
    bases = [frames["lightgbm"], frames["logistic"]]
    learnt = [i for i, t in enumerate(bases[0]["decision_time"]) if role_of[t] == "train"]
    scored = [i for i, t in enumerate(bases[0]["decision_time"]) if role_of[t] == "test"]
    inputs = np.hstack([np.log(base[P].to_numpy()) for base in bases])
    model = create("logistic_meta", seed=5)
    model.fit(inputs[learnt], world.train.label[learnt], sample_weight=world.train.weight[learnt])
    expected = model.predict_proba(inputs[scored])
    found = stack.rows[stack.rows["fold"] == 1]
    assert np.allclose(found[P].to_numpy(), expected, atol=1e-12)
    assert np.array_equal(times_us(found["decision_time"]), world.train.decision_us[scored])


def test_meta_of_a_fold_saw_neither_the_fold_nor_its_surroundings(world, stack):
    for fold, (train_rows, test_rows) in enumerate(world.folds):
        seen = stack.fit_decision_us[fold]
        assert np.array_equal(seen, world.train.decision_us[train_rows])
        assert not np.isin(world.train.decision_us[test_rows], seen).any()
        assert len(seen) + len(test_rows) < len(world.train)  # something was purged or embargoed


def test_val_meta_saw_all_train_rows_but_those_purged_against_val(world, stack, val_frames):
    assert np.array_equal(stack.fit_decision_us[-1], world.train.decision_us[:-6])
    expected = stack.meta.predict_proba({name: frame[P].to_numpy() for name, frame in val_frames.items()})
    found = stack.rows[stack.rows["origin"] == "val"]
    assert np.array_equal(found[P].to_numpy(), expected)
    assert (found["fold"] == -1).all()


def test_join_is_by_decision_time_not_by_position(world, frames, val_frames, stack):
    rng = np.random.default_rng(0)
    shuffled = {name: frame.iloc[rng.permutation(len(frame))] for name, frame in frames.items()}
    again = cross_fit_meta(shuffled, world.splits.sample(frac=1, random_state=1), val=val_frames, seed=5)
    pd.testing.assert_frame_equal(again.rows, stack.rows)
    assert again.meta.to_files() == stack.meta.to_files()


def test_order_of_the_bases_is_fixed_by_name(world, frames, stack):
    again = cross_fit_meta(dict(reversed(frames.items())), world.splits, seed=5)
    assert again.meta.base_names == stack.meta.base_names == ("lightgbm", "logistic")
    assert again.meta.to_files() == stack.meta.to_files()


def test_outcomes_of_a_fold_do_not_reach_its_stack_rows(world, frames):
    """Flip the labels inside fold 0 in every base's frame: the stack rows of fold 0 keep their bits."""
    inside = frames["logistic"]["fold"] == 0
    changed = {
        name: frame.assign(label=np.where(inside, -frame["label"], frame["label"]).astype(np.int8))
        for name, frame in frames.items()
    }
    before, after = (cross_fit_meta(f, world.splits, seed=5).rows for f in (frames, changed))
    same = (before[P].to_numpy() == after[P].to_numpy()).all(axis=1)
    assert same[(before["fold"] == 0).to_numpy()].all()
    assert not same[(before["fold"] != 0).to_numpy()].any()


def test_stack_gains_on_the_class_shares(world, stack):
    found = stack.rows[stack.rows["origin"] == "cross_fitted"]
    label = found["label"].to_numpy()
    loss = -np.log(found[P].to_numpy()[np.arange(len(label)), label + 1]).mean()
    shares = np.bincount(label + 1) / len(label)
    assert loss < -(shares * np.log(shares)).sum() - 0.05


def test_bases_that_differ_in_any_key_are_refused(world, frames):
    lacking = {**frames, "logistic": frames["logistic"].iloc[1:]}
    with pytest.raises(BadInputError, match="1 decisions that logistic lacks"):
        cross_fit_meta(lacking, world.splits, seed=5)
    doubled = {**frames, "logistic": pd.concat([frames["logistic"], frames["logistic"].iloc[:2]])}
    with pytest.raises(BadInputError, match="2 decisions repeat"):
        cross_fit_meta(doubled, world.splits, seed=5)
    for column in ("label", "weight", "fold"):
        other = frames["logistic"].copy()
        other[column] = np.roll(other[column].to_numpy(), 400)
        with pytest.raises(BadInputError, match=f"disagree on {column}"):
            cross_fit_meta({**frames, "logistic": other}, world.splits, seed=5)


def test_other_splits_are_refused(world, frames, val_frames):
    kfold = world.splits["scheme"] == "purged_kfold"
    moved = world.splits.copy()
    moved.loc[kfold, "fold"] = (moved.loc[kfold, "fold"] + 1) % 4
    with pytest.raises(BadInputError, match="name another fold"):
        cross_fit_meta(frames, moved, seed=5)
    with pytest.raises(BadInputError, match="not in the splits table"):
        cross_fit_meta(frames, world.splits[~kfold], seed=5)
    with pytest.raises(BadInputError, match="out-of-fold bases"):
        cross_fit_meta(frames, world.splits, val={"logistic": val_frames["logistic"]}, seed=5)
    with pytest.raises(BadInputError, match="both out-of-fold and val"):
        cross_fit_meta(frames, world.splits, val=frames, seed=5)
    with pytest.raises(BadInputError, match="at least one"):
        cross_fit_meta({}, world.splits, seed=5)


def test_meta_files_read_back_predict_the_same_bits(stack, val_frames):
    bases = {name: frame[P].to_numpy() for name, frame in val_frames.items()}
    again = FittedMeta.from_files(stack.meta.to_files())
    assert again.base_names == stack.meta.base_names
    assert np.array_equal(again.predict_proba(bases), stack.meta.predict_proba(bases))
    one = {name: values[:1] for name, values in bases.items()}
    assert np.array_equal(again.predict_proba(one)[0], stack.meta.predict_proba(bases)[0])
    files = stack.meta.to_files()
    for name in files:
        with pytest.raises(IntegrityError):
            FittedMeta.from_files({**files, name: files[name][:-1]})


def test_known_inputs_of_the_meta():
    found = meta_inputs({"b": np.array([[0.5, 0.5, 0.0]]), "a": np.array([[1.0, 0.0, 0.0]])}, ("a", "b"))
    expected = [[0.0, np.log(1e-6), np.log(1e-6), np.log(0.5), np.log(0.5), np.log(1e-6)]]
    assert np.allclose(found, expected)
    with pytest.raises(BadInputError, match="bases"):
        meta_inputs({"a": np.ones((1, 3))}, ("a", "b"))
    with pytest.raises(BadInputError, match="the same"):
        meta_inputs({"a": np.ones((1, 3)), "b": np.ones((2, 3))}, ("a", "b"))
