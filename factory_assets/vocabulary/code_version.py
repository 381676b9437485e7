"""Version of the code that makes an artifact: a hash over a package's sources."""

import hashlib
import sys
from functools import cache
from importlib.machinery import all_suffixes
from pathlib import Path
from types import ModuleType
from uuid import uuid4

_OWN = __name__.partition(".")[0]
_UNREAD = f"known to one process alone: {uuid4().hex}"
_SUFFIXES = tuple(suffix for suffix in all_suffixes() if suffix != ".pyc")


def code_version() -> str:
    """Version of this package as this process first saw it; 16 hex digits.

    Two artifacts with the same inputs, settings and code version are the same artifact.
    """
    return sources_version(_OWN)


@cache
def sources_version(package: str) -> str:
    """:func:`sources_on_disk` when this process first asked, which is what its modules were loaded from."""
    return sources_on_disk(package)


def sources_on_disk(package: str) -> str:
    """Sha256 (first 16 hex digits) over every source file of an imported package, in path order, as they are now.

    Parameters
    ----------
    package : str
        Top-level name of something that is imported: a package (its extension modules count too) or one module.

    Returns
    -------
    str
        What has no files to read (a notebook's own cells, an archive) gets a text no other process ever gets: nothing
        that is kept under it can be taken for another's.
    """
    digest = hashlib.sha256()
    files = _files(sys.modules.get(package))
    for name, path in files:
        data = path.read_bytes()
        digest.update(f"{name} {len(data)};".encode())
        digest.update(data)
    return digest.hexdigest()[:16] if files else _UNREAD


def _files(module: ModuleType | None) -> list[tuple[str, Path]]:
    """Names and places of a module's sources, sorted by name."""
    roots = [Path(root) for root in getattr(module, "__path__", ())]
    if not roots:
        alone = Path(getattr(module, "__file__", None) or "")
        return [(alone.name, alone)] if alone.is_file() else []
    found = [
        (path.relative_to(root).as_posix(), path)
        for root in roots
        for path in root.rglob("*")
        if path.name.endswith(_SUFFIXES) and path.is_file()
    ]
    return sorted(found)
