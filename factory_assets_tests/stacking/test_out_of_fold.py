"""Every row is predicted once, by a member whose training part lies apart from it."""

from dataclasses import replace

import numpy as np
import pytest

from factory_assets.stacking import fit_member, out_of_fold, predict_val
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us, to_table
from factory_assets.vocabulary.schemas import predictions_schema
from factory_assets_tests.stacking.stack_world import SETTINGS


def test_naive_loop_over_folds_gives_the_same(world, oof):
    predicted = oof["logistic"]
    for row in range(0, len(world.train), 131):
        (fold,) = [k for k, (_, test) in enumerate(world.folds) if row in test]
        member = fit_member(
            "logistic",
            {},
            world.train.take(world.folds[fold][0]),
            world.kinds,
            settings=SETTINGS,
            clock_us=world.clock_us,
            seed=3,
        )
        expected = member.predict_proba(world.train.features[row : row + 1])[0]
        assert np.array_equal(predicted.probabilities[row], expected)
        assert predicted.fold[row] == fold


def test_outcomes_of_a_fold_do_not_reach_its_predictions(world, oof):
    """Change every label, feature-to-label link and weight inside fold 2: its own predictions stay bit for bit."""
    inside = world.folds[2][1]
    label, weight = world.train.label.copy(), world.train.weight.copy()
    label[inside], weight[inside] = -label[inside], weight[inside] * 3
    changed = out_of_fold(
        "lightgbm",
        {"num_iterations": 40, "num_threads": 1, "min_data_in_leaf": 20},
        replace(world.train, label=label, weight=weight),
        world.folds,
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=3,
    )
    assert np.array_equal(changed.probabilities[inside], oof["lightgbm"].probabilities[inside])
    others = np.setdiff1d(np.arange(len(world.train)), inside)
    assert not np.array_equal(changed.probabilities[others], oof["lightgbm"].probabilities[others])


def test_frame_is_the_declared_table_by_decision_time(world, frames):
    for name, frame in frames.items():
        assert np.array_equal(times_us(frame["decision_time"]), world.train.decision_us)
        assert np.array_equal(frame["label"], world.train.label)
        assert np.array_equal(frame["weight"], world.train.weight)
        stored = frame.assign(contract="SIM", horizon=20)
        table = to_table(stored, predictions_schema(f"oof_{name}", "stacking"))
        assert table.num_rows == len(world.train)


def test_columns_are_down_flat_up(world, frames):
    strong = world.train.features[:, 0] > 1.5
    for frame in frames.values():
        assert (frame.loc[strong, "p_up"] > frame.loc[strong, "p_down"]).mean() > 0.95
        assert (frame.loc[~strong & (world.train.features[:, 0] < -1.5), ["p_down"]].to_numpy() > 0.4).mean() > 0.9


def test_val_rows_carry_fold_minus_one(world, val_frames, members):
    frame = val_frames["logistic"]
    assert (frame["fold"] == -1).all()
    assert np.array_equal(times_us(frame["decision_time"]), world.val.decision_us)
    turned = world.val.of_columns(world.val.feature_names[::-1])  # columns are found by name, wherever they stand
    assert predict_val(members["logistic"], turned).equals(frame)
    with pytest.raises(BadInputError, match=r"1 of the 5 wanted are not among them, the first \['column_4'\]"):
        predict_val(members["logistic"], world.val.of_columns(world.val.feature_names[:4]))


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda folds: folds[:-1], "in no test part"),
        (lambda folds: [*folds, folds[0]], "in several"),
        (lambda folds: [(np.append(folds[0][0], folds[0][1][:3]), folds[0][1]), *folds[1:]], "fold 0: 3 rows"),
        (lambda folds: [*folds[:-1], (folds[-1][0], folds[-1][1] + 5)], "reach"),
        (lambda _folds: [], "no folds"),
    ],
)
def test_folds_that_leak_or_leave_out_are_refused(world, spoil, word):
    with pytest.raises(BadInputError, match=word):
        out_of_fold(
            "logistic",
            {},
            world.train,
            spoil(world.folds),
            world.kinds,
            settings=SETTINGS,
            clock_us=world.clock_us,
            seed=3,
        )


def test_same_seed_same_bytes(world, oof):
    again = out_of_fold(
        "lightgbm",
        {"num_iterations": 40, "num_threads": 1, "min_data_in_leaf": 20},
        world.train,
        world.folds,
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=3,
    )
    assert np.array_equal(again.probabilities, oof["lightgbm"].probabilities)
    assert [m.to_files() for m in again.members] == [m.to_files() for m in oof["lightgbm"].members]
