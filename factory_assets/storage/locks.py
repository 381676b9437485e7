"""One lock per partition: a kernel lock on a file that nobody ever deletes.

``flock`` is released by the kernel when its holder dies, so a crash leaves nothing to clean up, and the file stays, so
no two processes ever lock different files of one name. The lock is re-entrant within a thread and excludes other
threads and processes **of this host only**: when a store on an object store is written from several hosts, give each
partition to one host (a Dagster concurrency pool). Replacing a manifest also compares the one it replaces with the one
seen under the lock, which turns most violations of that rule into an error instead of a lost update.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factory_assets.storage.files import ensure_folder, write_all
from factory_assets.vocabulary.errors import LockTimeoutError

_FIRST_WAIT_SECONDS = 0.002
_LONGEST_WAIT_SECONDS = 0.05
_log = logging.getLogger(__name__)


class _Held(threading.local):
    """Locks of the current thread: file name to descriptor and depth."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[int]] = {}


_HELD = _Held()
_OPEN_DESCRIPTORS: set[int] = set()


def _forget_after_fork() -> None:
    """A child holds none of its parent's locks, and must not keep them alive after the parent lets go."""
    for descriptor in _OPEN_DESCRIPTORS:
        os.close(descriptor)
    _OPEN_DESCRIPTORS.clear()
    _HELD.by_name.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


@contextmanager
def file_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock of one file for the length of a ``with`` block.

    Parameters
    ----------
    path : Path
        Lock file; created if absent, never deleted.
    timeout_seconds : float
        How long to wait for another holder; 0 tries once.

    Raises
    ------
    LockTimeoutError
        If another thread or process kept it for that long; names the holder's process.
    """
    name = str(path)
    held = _HELD.by_name.get(name)
    if held is not None:
        held[1] += 1
        try:
            yield
        finally:
            held[1] -= 1
        return
    descriptor = _acquire(path, timeout_seconds)
    _HELD.by_name[name] = [descriptor, 1]
    try:
        yield
    finally:
        if _HELD.by_name.pop(name, None) is not None:  # a child forked inside the block holds nothing
            _release(descriptor, name)


def _acquire(path: Path, timeout_seconds: float) -> int:
    ensure_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _OPEN_DESCRIPTORS.add(descriptor)
    try:
        _wait(descriptor, path, timeout_seconds)
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        write_all(descriptor, f"{os.getpid()}\n".encode())
    except BaseException:
        _release(descriptor, str(path))
        raise
    return descriptor


def _wait(descriptor: int, path: Path, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockTimeoutError(_busy(descriptor, path, timeout_seconds)) from None
            time.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)
        else:
            return


def _busy(descriptor: int, path: Path, timeout_seconds: float) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
    return (
        f"{path.name}: process {holder} kept the lock for more than {timeout_seconds:g} s. "
        "Wait for that run to end, or end it; the kernel then frees the lock, no file has to be removed."
    )


def _release(descriptor: int, name: str) -> None:
    """Let go. Closing frees the lock even when the kernel reports an error, so an error here is only logged."""
    _OPEN_DESCRIPTORS.discard(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as problem:
        _log.warning("%s: unlocking reported %s", name, problem)
    try:
        os.close(descriptor)
    except OSError as problem:
        _log.warning("%s: closing reported %s", name, problem)
