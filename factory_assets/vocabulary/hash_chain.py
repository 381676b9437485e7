"""Records that follow one another by hash: the spelling, the hash and the first link, the same for every such file.

A chain is a file of lines, each a flat frozen dataclass with the fields ``previous_hash`` and ``hash``. What its
records mean and which of them may follow which is for the owners to say: :mod:`factory_assets.evaluation.ledger`,
:mod:`factory_assets.deployment.release_registry`.
"""

import dataclasses
import hashlib
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

NO_HASH = "0" * 64
"""``previous_hash`` of the first record."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def sealed(record_type: "type[Record]", **fields: Any) -> "Record":
    """Record of the given fields, with its own ``hash`` filled in."""
    draft = record_type(**{**fields, "hash": ""})
    return dataclasses.replace(draft, hash=hash_of(draft))


def hash_of(record: "DataclassInstance") -> str:
    """Sha256 over every field but ``hash``."""
    plain = dataclasses.asdict(record)
    del plain["hash"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def to_line(record: "DataclassInstance") -> str:
    """Record as one line of JSON, without the line end; the only spelling a chain may hold."""
    return json.dumps(dataclasses.asdict(record), sort_keys=True)


def is_digest(value: object) -> bool:
    """Whether a value is a sha256 as text."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_aware_time(text: str) -> bool:
    """Whether a text is an ISO 8601 time with its zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
