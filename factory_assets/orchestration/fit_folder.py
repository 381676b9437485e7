"""Where the long fits of one asset and partition keep what a killed run goes on from."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from factory_assets.orchestration.materialization import Materialization
from factory_assets.stacking import FitProcesses, FitWork
from factory_assets.storage.locks import file_lock

_LOCK_WAIT_SECONDS = 5.0


@contextmanager
def fit_folder(part: Materialization, name: str) -> Iterator[FitWork]:
    """Folder of the fits of one asset, held for the length of a ``with`` block.

    Leaving the block removes the folder, leaving it by an error or a kill keeps it: the next run of the partition uses
    the fits that were finished and the checkpoints of those that were not, removes what no longer belongs, and the
    whole folder once it comes through. So a partition never leaves more behind than one attempt at its fits.

    Parameters
    ----------
    part : Materialization
        Partition being made; ``[models] fit_processes`` of its settings says how many fits run side by side.
    name : str
        What is fitted; unique in the partition.

    Raises
    ------
    LockTimeoutError
        If another run is fitting the same just now.
    """
    folder = part.home.work / part.key.contract / str(part.horizon) / name
    lock = part.home.root / "locks" / f"work.{part.key.contract}.{part.horizon}.{name}.lock"
    processes = part.settings.models.fit_processes
    with file_lock(lock, _LOCK_WAIT_SECONDS):
        with FitProcesses(folder, processes) as children:
            yield FitWork(folder=folder, processes=processes, children=children)
        if folder.exists():
            shutil.rmtree(folder)
            _remove_empty(folder.parent, folder.parent.parent, part.home.work)


def _remove_empty(*folders: Path) -> None:
    """Remove folders, innermost first, until one is not empty or gone: another fit is at it, and removes it later."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
