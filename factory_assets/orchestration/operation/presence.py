"""Which runs are alive: a run holds a kernel lock on a file of its own for as long as its process lives.

Dagster's default launcher cannot tell whether a run's process is there, so a run whose machine was switched off stays
STARTED for ever and, with one run at a time, blocks every later night. The kernel drops a lock when its holder dies,
however it dies, and no other process can be mistaken for it. Locks hold on one host: where a deployment's launcher
checks its workers itself, that check is left alone.
"""

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from factory_assets.orchestration.operation.run_tags import STAGE
from factory_assets.vocabulary.home import FactoryHome

_DEAD = (
    "The process of this run is gone (killed, out of memory, or the machine went down): nobody holds its lock. "
    "What it had published stays; the next attempt takes up from there."
)
_ABANDONED = (
    "This run was created and no process ever worked on it for {hours} hours: whoever created it died first. "
    "Start it again if it is still wanted."
)
_PARTITION_TAG = "dagster/partition"
_UNHELD = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED)


def run_lock_path(home: FactoryHome, run_id: str) -> Path:
    """Lock file of one run."""
    return home.root / "locks" / "runs" / f"{run_id}.lock"


def hold_presence(home: FactoryHome, run_id: str) -> int:
    """Say that this process works on a run; closing the returned descriptor, or dying, ends it.

    Several processes of one run may hold it together; the last one removes the file (:func:`end_presence`).
    """
    path = run_lock_path(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # removed between opening and locking: a lock on it would be seen by nobody


def end_presence(home: FactoryHome, run_id: str, descriptor: int) -> None:
    """Give back what :func:`hold_presence` returned; whoever is the run's last holder removes its file."""
    try:
        with suppress(BlockingIOError):  # then another process of the run still holds it, and the file stays
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            run_lock_path(home, run_id).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


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


def bury_abandoned_runs(instance: dg.DagsterInstance, home: FactoryHome, *, now: datetime, hours_max: int) -> list[str]:
    """Mark as failed each run of a partition that never got to hold a lock and is older than ``hours_max``.

    Whoever created it died before it worked on anything, and every later night would wait for it. Judged are runs of
    the home's own instance alone, whose runs all hold a lock under this home while they work; one that waits in the
    queue still has somebody who will start it.

    Returns
    -------
    list of str
        Ids marked as failed.
    """
    if instance.run_launcher.supports_check_run_worker_health or not _is_of(instance, home):
        return []
    buried = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=list(_UNHELD))):
        run = record.dagster_run
        if (
            is_present(home, run.run_id)
            or _PARTITION_TAG not in run.tags
            or age_of(record, now) <= timedelta(hours=hours_max)
        ):
            continue
        current = instance.get_run_by_id(run.run_id)
        if current is None or current.status not in _UNHELD:
            continue
        instance.report_run_failed(current, _ABANDONED.format(hours=hours_max))
        buried.append(run.run_id)
    return buried


def age_of(record: dg.RunRecord, now: datetime) -> timedelta:
    """How long a run has been in its state, by Dagster's own clock: since it started, or since it was created."""
    if record.dagster_run.status == dg.DagsterRunStatus.STARTED and record.start_time is not None:
        return now - datetime.fromtimestamp(record.start_time, tz=UTC)
    created = record.create_timestamp
    return now - (created if created.tzinfo is not None else created.replace(tzinfo=UTC))


def _is_of(instance: dg.DagsterInstance, home: FactoryHome) -> bool:
    """Whether the instance is the one that lies in the home: a shared one has runs of homes that are not seen here."""
    return not instance.is_ephemeral and Path(instance.root_directory).resolve() == home.dagster.resolve()


def sweep_locks(instance: dg.DagsterInstance, home: FactoryHome) -> None:
    """Remove the lock files of runs that are over."""
    for path in run_lock_path(home, "any").parent.glob("*.lock"):
        run = instance.get_run_by_id(path.stem)
        if run is not None and run.is_finished:
            path.unlink(missing_ok=True)
