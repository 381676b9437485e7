"""A text file that only grows: one line an entry, locked and fsynced. What a line says is its writer's business."""

import os
from collections.abc import Callable
from pathlib import Path

from factory_assets.storage.files import ensure_folder, sync_folder, write_all
from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import BadInputError, IntegrityError


class AppendLog:
    """An append-only line file.

    A line counts once its newline is on disk. The rest of a write that a crash cut short was never acknowledged to
    anyone; the next append moves it to ``<name>.torn``, so that nothing disappears and no entry is glued to it.

    Parameters
    ----------
    path : Path
        The file; created with the first entry. A lock file lies beside it.
    lock_timeout_seconds : float
        How long to wait for another writer.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 120) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_timeout_seconds = lock_timeout_seconds

    def append(self, line: str) -> None:
        """Add one line; on return it is durable. On an error the file is as it was.

        Raises
        ------
        BadInputError
            If the line is empty or holds a line break.
        """
        self.append_after(lambda _: line)

    def append_after(self, make_line: Callable[[list[str]], str]) -> str:
        """Add the line that ``make_line`` builds from all lines so far, with no other writer in between.

        What a hash chain needs: the hash of the last entry is read and built upon under one lock.
        """
        with file_lock(self._lock_path, self._lock_timeout_seconds):
            line = make_line(self.lines())
            if not line or "\n" in line or "\r" in line:
                raise BadInputError(f"{self._path.name}: an entry has to be one line of text, got {line!r}")
            self._write(line.encode() + b"\n")
        return line

    def lines(self) -> list[str]:
        """All entries, oldest first.

        Raises
        ------
        IntegrityError
            If the file is not UTF-8 text.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        try:
            return complete.decode("utf-8").split("\n")[:-1]
        except UnicodeDecodeError as problem:
            raise IntegrityError(f"{self._path}: damaged ({problem}); restore it from a backup") from problem

    def _write(self, data: bytes) -> None:
        ensure_folder(self._path.parent)
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            end = self._set_torn_tail_aside(descriptor)
            os.lseek(descriptor, end, os.SEEK_SET)
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._path.parent)

    def _set_torn_tail_aside(self, descriptor: int) -> int:
        """Length of the complete lines; a tail without newline goes to ``<name>.torn`` first."""
        data = self._path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            aside = os.open(
                self._path.with_name(self._path.name + ".torn"),
                os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                0o644,
            )
            try:
                write_all(aside, data[end:] + b"\n")
                os.fsync(aside)
            finally:
                os.close(aside)
            os.ftruncate(descriptor, end)
        return end
