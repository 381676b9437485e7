"""One digest of a raw folder, comparable with the one of the files the stored bars were made from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from factory_assets.orchestration.operation.plan import DIGEST_CHARACTERS
from factory_assets.storage import Manifest
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

_HASH_PREFIX, _DECLARATION = "sha256 ", "declaration"
_FILES_HASHED_KEPT = 4096


@dataclass(frozen=True, kw_only=True)
class RawFolder:
    """What lies in a raw folder at one look.

    Attributes
    ----------
    outside : str
        Digest of names, sizes and times of change: cheap, and all that a look needs to see whether files hold still.
    digest : str or None
        Digest of contents and declaration; None if the files do not hold still yet or cannot be read.
    reason : str
        Why ``digest`` is None.
    """

    outside: str
    digest: str | None
    reason: str = ""


def look_at_raw(folder: Path, product: Instrument, outside_before: str) -> RawFolder:
    """The raw folder, its contents hashed if it looks as it did at the look before.

    Parameters
    ----------
    folder : Path
        ``FACTORY_HOME/raw/<contract>``.
    product : Instrument
        Contract the files belong to.
    outside_before : str
        :attr:`RawFolder.outside` of the look before; empty if there was none.
    """
    from factory_assets.market.open_interest import open_interest_files
    from factory_assets.market.readers import declaration_of

    if not folder.is_dir():
        return RawFolder(outside="", digest=None, reason=f"there is no folder {folder}")
    outside = _outside(folder)
    if outside != outside_before:
        return RawFolder(outside=outside, digest=None, reason="the raw files changed since the last look")
    try:
        declaration, files = declaration_of(folder, product)
        hashes = {path.name: _hashed(path) for path in (*files, *open_interest_files(folder))}
    except (BadInputError, OSError) as problem:
        return RawFolder(outside=outside, digest=None, reason=f"the raw files cannot be read: {problem}")
    if _outside(folder) != outside:
        return RawFolder(outside=outside, digest=None, reason="the raw files changed during the look")
    return RawFolder(outside=outside, digest=_digest(hashes, declaration.to_toml()))


def stored_raw(manifest: Manifest) -> str:
    """Digest of the raw files a ``raw_minutes`` partition was made from."""
    hashes = {
        name.removeprefix(_HASH_PREFIX): str(value)
        for name, value in manifest.meta.items()
        if name.startswith(_HASH_PREFIX)
    }
    return _digest(hashes, str(manifest.meta.get(_DECLARATION, "")))


def _digest(hashes: Mapping[str, str], declaration: str) -> str:
    text = json.dumps([sorted(hashes.items()), declaration])
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]


def _outside(folder: Path) -> str:
    rows = [
        (entry.name, status.st_size, status.st_mtime_ns)
        for entry in sorted(folder.iterdir())
        if entry.is_file() and (status := entry.stat())
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:DIGEST_CHARACTERS]


def _hashed(path: Path) -> str:
    status = path.stat()
    return _hash_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=_FILES_HASHED_KEPT)
def _hash_of(path: Path, size_bytes: int, changed_ns: int) -> str:  # noqa: ARG001 - size and time are the cache's key
    from factory_assets.market.readers import file_sha256

    return file_sha256(path)
