"""Version of the code that made an artifact: a hash over the package's sources."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_version() -> str:
    """Sha256 (first 16 hex digits) over every source file of the package, in path order.

    Two artifacts with the same inputs, settings and code version are the same artifact.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
