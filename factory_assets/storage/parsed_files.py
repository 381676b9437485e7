"""Rows of raw files that were parsed before, kept beside the partitions so that no file is parsed twice.

Layout under the store's root::

    .parsed/<contract>/<sha256 of the raw file>.json   which part, made by which recipe; carries its own hash
    .parsed/<contract>/<sha256>.parquet                immutable, named by its content

A raw file has one entry. It counts only for the recipe it was made by (declaration and code, said by the caller), only
if neither the entry nor the part has lost a bit, and is otherwise as good as absent: the caller parses again and puts
another in its place. Nothing depends on what lies here but time; the folder may be removed at any moment.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from factory_assets.storage.files import Files
from factory_assets.storage.parquet import read_parquet, write_parquet
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.partition import PartitionKey

FOLDER = ".parsed"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIELDS = {"recipe", "part", "size_bytes", "rows", "figures"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Parsed:
    """What one raw file yielded.

    Attributes
    ----------
    table : pyarrow.Table
        Its rows.
    figures : mapping of str to int
        Counts beside them.
    """

    table: pa.Table
    figures: Mapping[str, int]


class ParsedFiles:
    """Parsed raw files of a store.

    Parameters
    ----------
    files : Files
        Where the store keeps its bytes.
    lock : callable
        Lock of a contract's folder; writers hold it, readers need none.
    """

    def __init__(self, files: Files, lock: Callable[[PartitionKey], AbstractContextManager[None]]) -> None:
        self._files = files
        self._lock = lock

    def find(self, key: PartitionKey, file_sha256: str, recipe: str) -> Parsed | None:
        """Rows of a raw file; None if it was never parsed by this recipe, or what was kept is damaged.

        Parameters
        ----------
        key : PartitionKey
            Contract the file belongs to.
        file_sha256 : str
            Hash of the raw file's bytes.
        recipe : str
            Everything else the rows depend on.
        """
        path = self._entry_path(key, file_sha256)
        try:
            entry = _decoded(self._files.read(path))
            if entry["recipe"] != recipe:
                return None
            table = self._table(f"{self._folder(key)}/{entry['part']}.parquet", entry)
        except FileNotFoundError:
            return None
        except (IntegrityError, ValueError, KeyError, TypeError) as problem:
            _log.warning("%s: damaged, so the raw file is parsed again: %s", path, problem)
            return None
        return Parsed(table, entry["figures"])

    def keep(self, key: PartitionKey, file_sha256: str, recipe: str, parsed: Parsed) -> None:
        """Put the rows of a raw file in the place of what was kept of it before."""
        path, folder = self._entry_path(key, file_sha256), self._folder(key)
        with self._lock(key):
            part, size_bytes = self._files.put(folder, "parquet", partial(write_parquet, parsed.table))
            entry = {
                "recipe": recipe,
                "part": part,
                "size_bytes": size_bytes,
                "rows": parsed.table.num_rows,
                "figures": dict(parsed.figures),
            }
            self._files.replace(path, _encoded(entry), None)

    def retain(self, key: PartitionKey, file_hashes: Collection[str]) -> int:
        """Remove what no raw file of a contract needs any more; the number of files removed."""
        folder = self._folder(key)
        with self._lock(key):
            wanted = {name for sha256 in file_hashes for name in self._names_of(key, sha256)}
            lost = [entry.name for entry in self._files.entries(folder) if entry.name not in wanted]
            for name in lost:
                self._files.remove(f"{folder}/{name}")
        return len(lost)

    def _names_of(self, key: PartitionKey, file_sha256: str) -> set[str]:
        """Files that hold one raw file's rows; none if nothing is kept, or the entry is damaged."""
        path = self._entry_path(key, file_sha256)
        try:
            return {f"{file_sha256}.json", f"{_decoded(self._files.read(path))['part']}.parquet"}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return set()

    def _table(self, part: str, entry: Mapping[str, Any]) -> pa.Table:
        """Rows of a part, hashed before anything parses it; IntegrityError if it is not what its entry says."""
        data = self._files.read(part)
        if hashlib.sha256(data).hexdigest() != entry["part"] or len(data) != entry["size_bytes"]:
            raise IntegrityError(f"{part}: its bytes do not hash to its name")
        table = read_parquet(data, None, part)
        if table.num_rows != entry["rows"]:
            raise IntegrityError(f"{part}: {table.num_rows} rows, its entry says {entry['rows']}")
        return table

    def _folder(self, key: PartitionKey) -> str:
        return f"{FOLDER}/{key.contract}"

    def _entry_path(self, key: PartitionKey, file_sha256: str) -> str:
        if _SHA256.fullmatch(file_sha256) is None:
            raise BadInputError(f"raw file {file_sha256!r}: expected a sha256 of 64 hexadecimal characters")
        return f"{self._folder(key)}/{file_sha256}.json"


def _encoded(entry: Mapping[str, Any]) -> bytes:
    payload = json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return json.dumps({"entry": payload, "sha256": hashlib.sha256(payload.encode()).hexdigest()}).encode()


def _decoded(data: bytes) -> Mapping[str, Any]:
    """An entry as it was written; ValueError, KeyError or TypeError if a bit of it differs."""
    document = json.loads(data)
    payload = document["entry"]
    if not isinstance(payload, str) or hashlib.sha256(payload.encode()).hexdigest() != document["sha256"]:
        raise ValueError("the entry does not hash to the sha256 it carries")
    entry = json.loads(payload)
    if set(entry) != _FIELDS or _SHA256.fullmatch(entry["part"]) is None:
        raise ValueError(f"expected the fields {sorted(_FIELDS)}, found {sorted(entry)}")
    return entry
