"""Bytes on a local disk and on an object store behind one small interface.

Local writes go to a temporary name, are fsynced, read back, renamed, and the folder is fsynced. Object stores have no
cheap rename and need none: a PUT is atomic, so bytes go straight to their final name and are read back. Every local
call is one of the ``os`` primitives, so that a test can make each of them fail in turn.
"""

import hashlib
import itertools
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from factory_assets.vocabulary.errors import IntegrityError, RemoteStoreError

TEMPORARY_PREFIX = ".tmp-"
_CHUNK_BYTES = 1 << 24
_COUNTER = itertools.count()
_log = logging.getLogger(__name__)


class Sink(Protocol):
    """What a producer of bytes writes to."""

    def write(self, data: Any) -> int:
        """Take the next bytes."""


@dataclass(frozen=True)
class Entry:
    """One name in a folder."""

    name: str
    is_folder: bool
    size_bytes: int


class Files(Protocol):
    """What the store needs of a place that keeps bytes; paths are relative to its root and use ``/``."""

    def read(self, path: str) -> bytes:
        """Whole content; FileNotFoundError if there is none."""

    def put(self, folder: str, suffix: str, produce: Callable[[Sink], None]) -> tuple[str, int]:
        """Store what ``produce`` writes as ``folder/<sha256>.<suffix>``; hash and size."""

    def replace(self, path: str, data: bytes, old: bytes | None) -> None:
        """Make ``path`` hold ``data`` in one step; if that fails half-way, make it hold ``old`` (None: nothing)."""

    def entries(self, folder: str) -> list[Entry]:
        """Names in a folder; empty if it is absent."""

    def remove(self, path: str) -> None:
        """Remove one file."""


class HashingSink:
    """A binary file object that hashes and counts what passes through it."""

    def __init__(self, write: Callable[[Any], object]) -> None:
        self._write = write
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Hash and pass on."""
        view = memoryview(data)
        self._sha256.update(view)
        self._write(view)
        self.size_bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes so far."""
        return self.size_bytes

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """The descriptor belongs to whoever opened it."""
        self.closed = True

    @property
    def sha256(self) -> str:
        """Hash of everything so far."""
        return self._sha256.hexdigest()


class LocalFiles:
    """A folder on a local disk.

    Parameters
    ----------
    root : Path
        Absolute path; created when the first partition is published.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def read(self, path: str) -> bytes:
        """Whole content of one file."""
        absolute = self._absolute(path)
        try:
            return self._read(absolute)
        except (NotADirectoryError, IsADirectoryError) as problem:
            raise _misplaced(absolute, problem) from problem

    def put(self, folder: str, suffix: str, produce: Callable[[Sink], None]) -> tuple[str, int]:
        """Write to a temporary name while hashing, fsync, read back, rename to the hash, fsync the folder."""
        target_folder = self._inside(folder)
        _ensure_folder(target_folder)
        temporary = _temporary_in(target_folder)
        try:
            sha256, size_bytes = _write_new(temporary, produce)
            _verify(self._hash_of(temporary), sha256, temporary)
            os.replace(temporary, f"{target_folder}/{sha256}.{suffix}")  # noqa: PTH105 - one primitive a call
        except BaseException:
            _discard(temporary)
            raise
        _sync_folder(target_folder)
        return sha256, size_bytes

    def replace(self, path: str, data: bytes, old: bytes | None) -> None:
        """Rename a verified temporary over ``path``; a failure after the rename puts the old content back."""
        folder = self._inside(path.rpartition("/")[0])
        target = f"{folder}/{path.rpartition('/')[2]}"
        _ensure_folder(folder)
        temporary = _temporary_in(folder)
        renamed = False
        try:
            _write_new(temporary, lambda sink: _drop(sink.write(data)))
            _verify(self._hash_of(temporary), hashlib.sha256(data).hexdigest(), temporary)
            os.replace(temporary, target)  # noqa: PTH105
            renamed = True
            _sync_folder(folder)
        except BaseException:
            if renamed:
                self._roll_back(target, old)
            else:
                _discard(temporary)
            raise

    def entries(self, folder: str) -> list[Entry]:
        """Names in a folder, sorted; links and other special files count as files."""
        absolute = self._absolute(folder)
        try:
            names = sorted(os.listdir(absolute))  # noqa: PTH208
        except FileNotFoundError:
            return []
        except NotADirectoryError as problem:
            raise _misplaced(absolute, problem) from problem
        found = []
        for name in names:
            try:
                status = os.stat(f"{absolute}/{name}", follow_symlinks=False)  # noqa: PTH116
            except FileNotFoundError:  # renamed or swept by another process since the listing
                continue
            found.append(Entry(name, stat.S_ISDIR(status.st_mode), status.st_size))
        return found

    def remove(self, path: str) -> None:
        """Unlink one file."""
        os.unlink(self._absolute(path))  # noqa: PTH108

    def _absolute(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _inside(self, folder: str) -> str:
        """Folder to write to. Names were allow-listed before; this refuses a link that leads out of the store."""
        absolute = os.path.realpath(f"{self._root}/{folder}")
        if os.path.commonpath([absolute, self._root]) != self._root:
            raise IntegrityError(f"{folder}: leads to {absolute}, out of the store {self._root}; remove the link")
        return absolute

    @staticmethod
    def _read(absolute: str) -> bytes:
        descriptor = os.open(absolute, os.O_RDONLY | os.O_CLOEXEC)
        try:
            chunks = []
            size_bytes = max(os.fstat(descriptor).st_size, 1)  # one read takes the whole file, uncopied
            while chunk := os.read(descriptor, size_bytes):
                chunks.append(chunk)
        finally:
            os.close(descriptor)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @staticmethod
    def _hash_of(absolute: str) -> str:
        hashed = hashlib.sha256()
        descriptor = os.open(absolute, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                hashed.update(chunk)
        finally:
            os.close(descriptor)
        return hashed.hexdigest()

    @staticmethod
    def _roll_back(target: str, old: bytes | None) -> None:
        """After a rename whose folder could not be fsynced: nobody may build on what a crash could undo."""
        try:
            if old is None:
                os.unlink(target)  # noqa: PTH108
                return
            temporary = _temporary_in(os.path.dirname(target))  # noqa: PTH120
            _write_new(temporary, lambda sink: _drop(sink.write(old)))
            os.replace(temporary, target)  # noqa: PTH105
        except OSError as problem:
            _log.warning("%s: could not be put back after a failed write: %s", target, problem)


class ObjectFiles:
    """A prefix of an object store (anything fsspec speaks that is no local disk). Never renames.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        The opened file system.
    root : str
        Prefix inside it.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def read(self, path: str) -> bytes:
        """GET."""
        whole = f"{self._root}/{path}"
        with _one_error(whole):
            return bytes(self._filesystem.cat_file(whole))

    def put(self, folder: str, suffix: str, produce: Callable[[Sink], None]) -> tuple[str, int]:
        """Encode in memory, since the final name is the hash, then PUT and read back."""
        buffer = bytearray()
        sink = HashingSink(buffer.extend)
        produce(sink)
        self._put_checked(f"{folder}/{sink.sha256}.{suffix}", bytes(buffer))
        return sink.sha256, sink.size_bytes

    def replace(self, path: str, data: bytes, old: bytes | None) -> None:
        """PUT over the old object, which stores do in one step; a failed read-back puts the old content back."""
        try:
            self._put_checked(path, data)
        except IntegrityError:
            if old is not None:
                self._filesystem.pipe_file(f"{self._root}/{path}", old)
            raise

    def entries(self, folder: str) -> list[Entry]:
        """LIST one level, never from a cache."""
        self._filesystem.invalidate_cache()
        prefix = f"{self._root}/{folder}".rstrip("/")
        try:
            with _one_error(prefix):
                rows = self._filesystem.ls(prefix, detail=True)
        except FileNotFoundError:
            return []
        found = [
            Entry(
                str(row["name"]).rstrip("/").rpartition("/")[2], row["type"] == "directory", int(row.get("size") or 0)
            )
            for row in rows
            if str(row["name"]).strip("/") != prefix.strip("/")
        ]
        return sorted(found, key=lambda entry: entry.name)

    def remove(self, path: str) -> None:
        """DELETE."""
        self._filesystem.rm_file(f"{self._root}/{path}")

    def _put_checked(self, path: str, data: bytes) -> None:
        self._filesystem.pipe_file(f"{self._root}/{path}", data)
        if self.read(path) != data:
            raise IntegrityError(f"{path}: the object store returned other bytes than were put; try again")


def write_text_once(path: Path, data: bytes) -> bool:
    """Create a file with this content in one step; False if the name was taken meanwhile (and left as it was)."""
    _ensure_folder(str(path.parent))
    temporary = _temporary_in(str(path.parent))
    try:
        _write_new(temporary, lambda sink: _drop(sink.write(data)))
        try:
            os.link(temporary, path)  # unlike a rename, a link never replaces what is there
        except FileExistsError:
            return False
        _sync_folder(str(path.parent))
    finally:
        _discard(temporary)
    return True


def ensure_folder(path: Path) -> None:
    """Create a folder and its parents durably."""
    _ensure_folder(str(path))


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    _sync_folder(str(path))


def write_all(descriptor: int, data: Any) -> None:
    """Write every byte; the kernel may take fewer at a time."""
    view = memoryview(data).cast("B")
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def _misplaced(absolute: str, problem: OSError) -> IntegrityError:
    return IntegrityError(
        f"{absolute}: {problem.strerror}; expected the store's own folders and files there. Move away what lies there, "
        "then materialize the partition again."
    )


@contextmanager
def _one_error(where: str) -> Iterator[None]:
    """Whatever a driver raises when a store cannot be reached, as one error; "there is nothing" stays as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _driver_errors() as problem:
        raise RemoteStoreError(
            f"{where}: the object store cannot be read ({type(problem).__name__}: {problem}). Correct "
            "FACTORY_STORE_URL, the network or the credentials."
        ) from problem


def _driver_errors() -> tuple[type[Exception], ...]:
    """Roots of the exceptions of the drivers that are loaded; what is not loaded cannot have raised."""
    roots = (
        ("aiohttp", "ClientError"),
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
    )
    return (OSError, *(getattr(sys.modules[module], name) for module, name in roots if module in sys.modules))


def _drop(_: object) -> None:
    return None


def _verify(found: str, expected: str, where: str) -> None:
    if found != expected:
        raise IntegrityError(f"{where}: wrote bytes hashing to {expected}, read back {found}; check the disk")


def _temporary_in(folder: str) -> str:
    return f"{folder}/{TEMPORARY_PREFIX}{os.getpid()}-{next(_COUNTER)}"


def _write_new(absolute: str, produce: Callable[[Sink], None]) -> tuple[str, int]:
    descriptor = os.open(absolute, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        sink = HashingSink(lambda data: write_all(descriptor, data))
        produce(sink)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return sink.sha256, sink.size_bytes


def _discard(absolute: str) -> None:
    """Remove a temporary of a failed write; what cannot be removed now is swept later."""
    try:
        os.unlink(absolute)  # noqa: PTH108
    except FileNotFoundError:
        return
    except OSError as problem:
        _log.warning("%s: left for the next sweep: %s", absolute, problem)


def _ensure_folder(absolute: str) -> None:
    try:
        os.mkdir(absolute)  # noqa: PTH102
    except FileExistsError:
        return
    except FileNotFoundError:
        _ensure_folder(os.path.dirname(absolute))  # noqa: PTH120
        _ensure_folder(absolute)
        return
    _sync_folder(os.path.dirname(absolute))  # noqa: PTH120


def _sync_folder(absolute: str) -> None:
    descriptor = os.open(absolute, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
