"""Which runs are alive: a run holds a kernel lock on a file of its own for as long as its process lives.

Dagster's default launcher cannot tell whether a run's process is there, so a run whose machine was switched off stays
STARTED for ever and, with one run at a time, blocks every later night. The kernel drops a lock when its holder dies,
however it dies, and no other process can be mistaken for it. Locks hold on one host: where a deployment's launcher
checks its workers itself, that check is left alone.
"""

import fcntl
import os
from collections.abc import Collection
from pathlib import Path

import dagster as dg

from factory_assets.orchestration.operation.run_tags import STAGE
from factory_assets.vocabulary.home import FactoryHome

_DEAD = (
    "The process of this run is gone (killed, out of memory, or the machine went down): nobody holds its lock. "
    "What it had published stays; the next attempt takes up from there."
)


def run_lock_path(home: FactoryHome, run_id: str) -> Path:
    """Lock file of one run."""
    return home.root / "locks" / "runs" / f"{run_id}.lock"


def hold_presence(home: FactoryHome, run_id: str) -> int:
    """Say that this process works on a run; closing the returned descriptor, or dying, ends it.

    Several processes of one run may hold it together, so none of them removes the file.
    """
    path = run_lock_path(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_present(home: FactoryHome, run_id: str) -> bool:
    """Whether any process holds the run's lock."""
    try:
        descriptor = os.open(run_lock_path(home, run_id), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def bury_dead_runs(
    instance: dg.DagsterInstance, home: FactoryHome, suspects: Collection[str]
) -> tuple[list[str], list[str]]:
    """Mark as failed each run that is under way by the book and was absent at this look and at the one before.

    A run that has just started does not hold its lock yet, and one that is about to end no longer does; neither lasts
    from one look to the next. A run that never had a lock is judged only if a sensor asked for it: any other may be of
    a job, or of a home, that holds none here.

    Parameters
    ----------
    instance : DagsterInstance
        Where runs are recorded.
    home : FactoryHome
        Where their locks lie.
    suspects : collection of str
        Ids of the runs that were absent at the look before.

    Returns
    -------
    list of str, list of str
        Ids marked as failed, and ids to suspect at the next look.
    """
    if instance.run_launcher.supports_check_run_worker_health:
        return [], []
    buried, absent = [], []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if is_present(home, run.run_id) or not (STAGE in run.tags or run_lock_path(home, run.run_id).exists()):
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            continue
        if run.run_id not in suspects:
            absent.append(run.run_id)
            continue
        instance.report_run_failed(now, _DEAD)
        buried.append(run.run_id)
    return buried, absent


def sweep_locks(instance: dg.DagsterInstance, home: FactoryHome) -> None:
    """Remove the lock files of runs that are over."""
    for path in run_lock_path(home, "any").parent.glob("*.lock"):
        run = instance.get_run_by_id(path.stem)
        if run is not None and run.is_finished:
            path.unlink(missing_ok=True)
