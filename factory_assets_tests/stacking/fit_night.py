"""A long fit in a process of its own, for tests that kill it: ``python -m …fit_night FOLDER PROCESSES EPOCHS``.

Prints one line of JSON when it comes through: digests of the members' files by fit.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from factory_assets.stacking import FitRequest, FitWork, fit_members
from factory_assets_tests.stacking.stack_world import SETTINGS, partition, windowed

PARAMS = {"channels": 16, "patience": 10_000}


def requests_of(world, *, epochs):
    """The first fold and the final fit."""
    rows = {"fold_0": world.folds[0][0], "train": np.arange(len(world.train) - 6)}
    return [
        FitRequest(name=name, model_name="tcn", params=PARAMS | {"epochs_max": epochs}, seed=3, rows=chosen)
        for name, chosen in rows.items()
    ]


def digests_of(fits):
    """Sha256 over every file, record and curve of each fit."""
    found = []
    for fit in fits:
        digest = hashlib.sha256(json.dumps(fit.curves, sort_keys=True).encode())
        for name, data in sorted(fit.member.to_files().items()):
            digest.update(name.encode() + data)
        digest.update(fit.fit_decision_us.tobytes() + fit.watched_decision_us.tobytes())
        found.append(digest.hexdigest())
    return found


def night(folder, processes, epochs):
    """Fit; everything a killed attempt left is used."""
    world = windowed(partition(sessions=40))
    fits = fit_members(
        requests_of(world, epochs=epochs),
        world.development,
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        work=FitWork(folder=folder, processes=processes),
    )
    return digests_of(fits)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(night(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))) + "\n")
