"""One partition and its out-of-fold predictions, made once."""

import pytest

from factory_assets.stacking import fit_member, out_of_fold, predict_val
from factory_assets_tests.stacking.stack_world import SETTINGS, partition

QUICK = {"logistic": {}, "lightgbm": {"num_iterations": 40, "num_threads": 1, "min_data_in_leaf": 20}}


@pytest.fixture(scope="session")
def world():
    return partition()


@pytest.fixture(scope="session")
def oof(world):
    """Out-of-fold predictions of both bases by name."""
    return {
        name: out_of_fold(
            name, params, world.train, world.folds, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=3
        )
        for name, params in QUICK.items()
    }


@pytest.fixture(scope="session")
def members(world):
    """Bases fitted on the rows the hold-out trains on."""
    held = world.train.take(range(len(world.train) - 6))
    return {
        name: fit_member(name, params, held, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=3)
        for name, params in QUICK.items()
    }


@pytest.fixture(scope="session")
def frames(oof):
    return {name: predicted.to_frame() for name, predicted in oof.items()}


@pytest.fixture(scope="session")
def val_frames(world, members):
    return {name: predict_val(member, world.val) for name, member in members.items()}
