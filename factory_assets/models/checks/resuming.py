"""Checks of what the entry says of long fits: curves by round, checkpoints, and a fit that is killed and goes on."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from factory_assets.models.base import BaseModel
from factory_assets.models.checks.require import require, require_refusal
from factory_assets.models.checks.worlds import planted
from factory_assets.models.registry import create, entry
from factory_assets.vocabulary.errors import ConfigurationError

_CHILD = """
import sys
from pathlib import Path
from factory_assets.models.checks.resuming import fit_with_checkpoints
fit_with_checkpoints(sys.argv[1], Path(sys.argv[2]))
"""
_WAIT_SECONDS_MAX = 120.0


def fit_with_checkpoints(name: str, folder: Path) -> BaseModel[Any]:
    """The fit that is killed and resumed."""
    world = planted(name, rows=400, later=200)
    model = create(name, seed=5).checkpoint_in(folder)
    return model.fit(world.features, world.labels, world.weights, eval_set=(world.later_features, world.later_labels))


def check_curves_tell_the_rounds(name: str) -> None:
    """Where the entry has rounds: one watched loss a round, the smallest at the best round; files hold no curves."""
    world = planted(name, rows=400, later=200)
    model = create(name).fit(world.features, world.labels, eval_set=(world.later_features, world.later_labels))
    curves = model.fit_curves_
    if not entry(name).stops_early:
        require(not curves, f"{name}: declares no rounds but has the curves {sorted(curves)}")
        return
    watched = curves.get("watched_loss", [])
    best = int(model.fit_report_["best_iteration"])
    require(bool(watched), f"{name}: a fit that watched has no watched_loss among its curves {sorted(curves)}")
    require(int(np.argmin(watched)) + 1 == best, f"{name}: best round {best}, smallest watched loss elsewhere")
    loaded = type(model).from_files(model.to_files())
    require(not loaded.fit_curves_, f"{name}: curves were saved")


def check_killed_fit_goes_on(name: str) -> None:
    """Declared ``resumable``: after SIGKILL a fit goes on from its checkpoint and ends with the files of a whole fit.

    A model that does not declare it refuses a folder for checkpoints.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if not entry(name).resumable:
            require_refusal(lambda: create(name).checkpoint_in(Path(scratch)), ConfigurationError, "checkpoint", name)
            return
        whole = fit_with_checkpoints(name, Path(scratch) / "whole")
        killed = Path(scratch) / "killed"
        kill_when_checkpointed(name, killed)
        resumed = fit_with_checkpoints(name, killed)
    rounds = len(whole.fit_curves_["train_loss"])
    require(whole.resumed_rounds_ == 0, f"{name}: a fit without a checkpoint says it resumed {whole.resumed_rounds_}")
    require(0 < resumed.resumed_rounds_ < rounds, f"{name}: resumed {resumed.resumed_rounds_} of {rounds} rounds")
    require(resumed.to_files() == whole.to_files(), f"{name}: a resumed fit has other files")
    require(dict(resumed.fit_curves_) == dict(whole.fit_curves_), f"{name}: a resumed fit has other curves")


def kill_when_checkpointed(
    name: str, folder: Path, delay_seconds: float = 0.0, *, begun: Callable[[Path], bool] | None = None
) -> None:
    """Start the fit in a child process, and SIGKILL the child in the middle of it.

    Parameters
    ----------
    name : str
        Registry name of a resumable model.
    folder : Path
        Where :func:`fit_with_checkpoints` keeps its checkpoint.
    delay_seconds : float
        How long after ``begun`` the kill comes.
    begun : callable, optional
        Whether the folder holds enough of a fit; a first checkpoint is enough by default.

    Raises
    ------
    InvariantViolationError
        The fit ended by itself before the kill, or held nothing in time: nothing was tried.
    """
    begun = begun or _has_checkpoint
    child = subprocess.Popen([sys.executable, "-c", _CHILD, name, str(folder)])  # noqa: S603
    try:
        waited = time.monotonic()
        while child.poll() is None and not begun(folder):
            require(time.monotonic() - waited < _WAIT_SECONDS_MAX, f"{name}: no checkpoint in {_WAIT_SECONDS_MAX} s")
            time.sleep(0.002)
        time.sleep(delay_seconds)
    finally:
        child.kill()
        ended = child.wait()
    require(ended == -signal.SIGKILL, f"{name}: the fit ended by itself (exit {ended}) before it could be killed")


def _has_checkpoint(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*.json"))
