"""Checks of saving and loading: equality in a fresh process, refusal of anything damaged or added."""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from factory_assets.models.checks.require import require, require_refusal
from factory_assets.models.checks.worlds import planted
from factory_assets.models.files import HEADER
from factory_assets.models.persistence import load_model, model_from_files
from factory_assets.models.registry import create
from factory_assets.vocabulary.errors import IntegrityError

_FRESH = """
import sys
import numpy as np
from pathlib import Path
from factory_assets.models import load_model
model = load_model(Path(sys.argv[1]))
np.save(sys.argv[3], model.predict_proba(np.load(sys.argv[2])))
"""


def check_saved_equals_loaded_in_a_fresh_process(name: str) -> None:
    """A folder read by a new interpreter gives the same bits; saving what was loaded gives the same bytes."""
    world = planted(name, rows=300, later=100)
    model = create(name, seed=9).fit(world.features, world.labels, world.weights)
    with tempfile.TemporaryDirectory() as scratch:
        folder, rows, out = (Path(scratch) / part for part in ("model", "rows.npy", "out.npy"))
        model.save(folder)
        np.save(rows, world.later_features)
        subprocess.run([sys.executable, "-c", _FRESH, str(folder), str(rows), str(out)], check=True)  # noqa: S603
        same = bool((np.load(out) == model.predict_proba(world.later_features)).all())
        loaded = load_model(folder)
    require(same, f"{name}: probabilities differ in a fresh process")
    require(loaded.to_files() == model.to_files(), f"{name}: saved again, the loaded model has other bytes")
    require(type(loaded) is type(model) and loaded.params == model.params, f"{name}: another class or parameters")


def check_damaged_files_are_refused(name: str) -> None:
    """Any flipped bit, cut, missing or added file is an integrity error, never a model."""
    world = planted(name, rows=200, later=20)
    files = create(name).fit(world.features, world.labels).to_files()
    rng = np.random.default_rng(1)
    for file, data in files.items():
        damaged = [data[: len(data) // 2], b""]
        for place in rng.integers(0, len(data), size=20):
            changed = bytearray(data)
            changed[place] ^= 1 << int(rng.integers(0, 8))
            damaged.append(bytes(changed))
        for wrong in damaged:
            require_refusal(partial(model_from_files, {**files, file: wrong}), IntegrityError, "", f"{name}, {file}")
        rest = {other: kept for other, kept in files.items() if other != file}
        require_refusal(partial(model_from_files, rest), IntegrityError, "missing", f"{name} without {file}")
    for extra in ("more.txt", "../up.txt", "/etc/passwd.txt", "sub/file.txt", f"{HEADER}.txt"):
        require_refusal(partial(model_from_files, {**files, extra: b""}), IntegrityError, "", f"{name} with {extra}")
