"""Positions come from the splits table by decision time."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.stacking import fold_rows, hold_out_rows
from factory_assets.vocabulary.errors import BadInputError


def test_folds_are_the_splitters_whatever_the_order_of_the_table(world):
    for table in (world.splits, world.splits.sample(frac=1, random_state=0)):
        found = fold_rows(table, world.train.decision_us)
        assert len(found) == len(world.folds)
        for (train, test), (their_train, their_test) in zip(found, world.folds, strict=True):
            assert np.array_equal(train, their_train)
            assert np.array_equal(test, their_test)


def test_hold_out_leaves_the_purged_rows_out(world):
    keys = np.concatenate([world.train.decision_us, world.val.decision_us])
    train, val = hold_out_rows(world.splits, keys)
    assert np.array_equal(keys[train], world.train.decision_us[:-6])
    assert np.array_equal(keys[val], world.val.decision_us)


def test_other_decisions_are_refused(world):
    keys = world.train.decision_us
    with pytest.raises(BadInputError, match="1 decisions of the splits table are not among the samples"):
        fold_rows(world.splits, keys[1:])
    with pytest.raises(BadInputError, match="1 samples are not in the table"):
        fold_rows(world.splits, np.append(keys, keys[-1] + 1))
    with pytest.raises(BadInputError, match="rows for"):
        fold_rows(pd.concat([world.splits, world.splits.iloc[:1]]), keys)
    with pytest.raises(BadInputError, match="no rows of scheme"):
        fold_rows(world.splits[world.splits["scheme"] == "hold_out"], keys)
