"""Where a release is written aside and proven, before it is moved into its place or thrown away."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factory_assets.orchestration.materialization import Materialization
from factory_assets.storage.locks import file_lock

_PREFIX = ".proving-"
_LOCK_WAIT_SECONDS = 5.0


@contextmanager
def proving_folder(part: Materialization, name: str) -> Iterator[Path]:
    """An empty folder on the disk of the releases, held and removed with the ``with`` block.

    What a killed attempt left in it is removed first: whoever holds the lock knows that nobody is at it.

    Parameters
    ----------
    part : Materialization
        Partition being made.
    name : str
        What is proven; unique in the partition.

    Raises
    ------
    LockTimeoutError
        If another run is proving the same just now.
    """
    own = f"{part.key.contract}.{part.horizon}.{name}"
    folder = part.home.releases / f"{_PREFIX}{own}"
    with file_lock(part.home.root / "locks" / f"proving.{own}.lock", _LOCK_WAIT_SECONDS):
        _remove(folder)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            _remove(folder)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
