"""One partition and its out-of-fold predictions, made once."""

import numpy as np
import pytest

from factory_assets.stacking import fit_recorded, out_of_fold, predict_val
from factory_assets_tests.stacking.stack_world import SETTINGS, partition, windowed

QUICK = {"logistic": {}, "lightgbm": {"num_iterations": 40, "num_threads": 1, "min_data_in_leaf": 20}}
QUICK_TCN = {"channels": 8, "epochs_max": 10, "patience": 3, "learning_rate": 2e-2, "dropout": 0.0}


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
def window_world(world):
    """The same partition as the sequence adapter shows it."""
    return windowed(world)


@pytest.fixture(scope="session")
def tcn_oof(window_world):
    world = window_world
    return out_of_fold(
        "tcn", QUICK_TCN, world.train, world.folds, world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=3
    )


@pytest.fixture(scope="session")
def tcn_val_fit(window_world):
    world = window_world
    held = np.arange(len(world.train) - 6)
    return fit_recorded(
        "tcn",
        QUICK_TCN,
        world.development,
        world.kinds,
        rows=held,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=3,
    )


@pytest.fixture(scope="session")
def val_fits(world):
    """Bases fitted, from the container that holds val too, on the rows the hold-out trains on."""
    held = np.arange(len(world.train) - 6)
    return {
        name: fit_recorded(
            name,
            params,
            world.development,
            world.kinds,
            rows=held,
            settings=SETTINGS,
            clock_us=world.clock_us,
            seed=3,
        )
        for name, params in QUICK.items()
    }


@pytest.fixture(scope="session")
def members(val_fits):
    return {name: fit.member for name, fit in val_fits.items()}


@pytest.fixture(scope="session")
def frames(oof):
    return {name: predicted.to_frame() for name, predicted in oof.items()}


@pytest.fixture(scope="session")
def val_frames(world, members):
    return {name: predict_val(member, world.val) for name, member in members.items()}
