"""One partition's folder: which manifest is current, which are kept, how a new one takes over, what may go."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from factory_assets.storage.files import TEMPORARY_PREFIX, Files, Sink
from factory_assets.storage.manifest import Manifest, Part
from factory_assets.storage.names import partition_path, suffix_of
from factory_assets.vocabulary.errors import IntegrityError, StorageError
from factory_assets.vocabulary.partition import PartitionKey

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removed:
    """What a clean-up took away."""

    temporaries: int = 0
    parts: int = 0
    size_bytes: int = 0


class PartitionFolder:
    """Reads and replaces the manifest of one partition. Writers hold the partition's lock; readers need none.

    Parameters
    ----------
    files : Files
        Where bytes are kept.
    group, table, key
        Which partition.
    """

    def __init__(self, files: Files, group: str, table: str, key: PartitionKey) -> None:
        self._files = files
        self._group, self._table, self._key = group, table, key
        self.path = partition_path(group, table, key)
        self._manifest_path = f"{self.path}/manifest.json"

    def current_bytes(self) -> bytes | None:
        """The current manifest as it lies there, damaged or not; None if nothing was ever published."""
        try:
            return self._files.read(self._manifest_path)
        except FileNotFoundError:
            return None

    def current(self) -> Manifest | None:
        """The current manifest; None if nothing was ever published.

        Raises
        ------
        IntegrityError
            If it is damaged, or belongs to another partition.
        """
        data = self.current_bytes()
        return None if data is None else self._own(Manifest.decode(data, self._manifest_path), self._manifest_path)

    def kept(self, sha256: str) -> Manifest:
        """A manifest that was current once.

        Raises
        ------
        IntegrityError
            If it is gone or damaged.
        """
        path = f"{self.path}/manifests/{sha256}.json"
        try:
            manifest = Manifest.decode(self._files.read(path), path)
        except FileNotFoundError:
            raise IntegrityError(
                f"{path}: gone, although another partition was made of it. Materialize "
                f"{self._table}|{self._key} and what was made of it again."
            ) from None
        if manifest.sha256 != sha256:
            raise IntegrityError(f"{path}: holds the manifest {manifest.sha256}. Materialize the partition again.")
        return self._own(manifest, path)

    def write_part(self, name: str, rows: int | None, produce: Callable[[Sink], None]) -> Part:
        """Store one file under its hash."""
        sha256, size_bytes = self._files.put(f"{self.path}/parts", suffix_of(name), produce)
        return Part(name, sha256, size_bytes, rows)

    def read_part(self, part: Part) -> bytes:
        """One file, hashed before anything parses it.

        Raises
        ------
        FileNotFoundError
            If it is gone: a later publication may have removed it.
        IntegrityError
            If its bytes do not hash to its name.
        """
        path = f"{self.path}/parts/{part.sha256}.{suffix_of(part.name)}"
        data = self._files.read(path)
        found = hashlib.sha256(data).hexdigest()
        if found != part.sha256 or len(data) != part.size_bytes:
            raise IntegrityError(
                f"{path}: {len(data)} bytes hashing to {found}, the manifest says {part.size_bytes} and {part.sha256}. "
                f"The file was changed or damaged on disk; materialize {self._table}|{self._key} again."
            )
        return data

    def commit(self, manifest: Manifest, seen: bytes | None) -> None:
        """Make a manifest current in one step; its parts are durable already.

        Parameters
        ----------
        manifest : Manifest
            The new one.
        seen : bytes or None
            :meth:`current_bytes` when the writer took the lock.

        Raises
        ------
        StorageError
            If another writer replaced the manifest meanwhile, in spite of the lock (another host).
        """
        encoded = manifest.encode()
        self._files.replace(f"{self.path}/manifests/{manifest.sha256}.json", encoded, None)
        if self.current_bytes() != seen:
            raise StorageError(
                f"{self._manifest_path}: changed while this process held the partition's lock, so another host writes "
                "it too. Nothing was replaced; give the partition to one host and run again."
            )
        self._files.replace(self._manifest_path, encoded, seen)

    def clean(self) -> Removed:
        """Remove temporaries and parts that neither the current manifest nor the one before it names.

        Called under the lock, when the current manifest is durable. The generation before stays, so that a reader
        which has just read its manifest still finds its parts.

        Raises
        ------
        IntegrityError
            If a manifest is damaged: then nothing is removed.
        """
        current = self.current()
        wanted = set() if current is None else {part.sha256 for part in current.parts}
        if current is not None and current.previous is not None:
            wanted |= {part.sha256 for part in self.kept(current.previous).parts}
        temporaries = parts = size_bytes = 0
        for folder in (self.path, f"{self.path}/parts", f"{self.path}/manifests"):
            for entry in self._files.entries(folder):
                if entry.is_folder:
                    continue
                if entry.name.startswith(TEMPORARY_PREFIX):
                    temporaries += 1
                elif folder.endswith("/parts") and entry.name.partition(".")[0] not in wanted:
                    parts += 1
                else:
                    continue
                self._files.remove(f"{folder}/{entry.name}")
                size_bytes += entry.size_bytes
        return Removed(temporaries, parts, size_bytes)

    def clean_quietly(self) -> None:
        """Clean after a commit: what cannot be removed now waits for the next sweep, the publication stands."""
        try:
            self.clean()
        except (OSError, StorageError) as problem:
            _log.warning("%s: old parts left for the next sweep: %s", self.path, problem)

    def _own(self, manifest: Manifest, path: str) -> Manifest:
        if (manifest.group, manifest.table, manifest.key) != (self._group, self._table, self._key):
            raise IntegrityError(
                f"{path}: belongs to {manifest.group}/{manifest.table}|{manifest.key}; a folder was copied or renamed. "
                f"Materialize {self._table}|{self._key} again."
            )
        return manifest
