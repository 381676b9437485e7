"""The manifest: what one partition holds, what it was made of, and what its invariants said.

A manifest is JSON in exactly one spelling (sorted keys, no spaces, ASCII) with its own sha256 beside it. Reading one
re-encodes what was parsed and compares it with the bytes on disk, so a flipped bit, an unknown field, a missing field
or a number in another spelling is an :class:`~factory_assets.vocabulary.errors.IntegrityError`, never a guess.
"""

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from factory_assets.vocabulary.errors import BadInputError, IntegrityError, NaiveTimestampError, UserError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.verdict import Scalar, Verdict

FORMAT = 1
DIGEST_CHARACTERS = 32
NOTHING = "0" * DIGEST_CHARACTERS


@dataclass(frozen=True)
class Part:
    """One immutable file of a partition.

    Attributes
    ----------
    name : str
        Logical name (``bars_5min.parquet``, ``models/fold_0.txt``).
    sha256 : str
        Hash of the whole file, 64 hex characters; also its name in ``parts/``.
    size_bytes : int
        Length of the file.
    rows : int or None
        Rows of a table part; None for other files.
    """

    name: str
    sha256: str
    size_bytes: int
    rows: int | None


@dataclass(frozen=True)
class InputRef:
    """One input exactly as a consumer read it.

    Attributes
    ----------
    table, group : str
        Which table, and the folder it lies in.
    key : PartitionKey
        Which partition.
    until_day : int or None
        Last session read, days since 1970; None when the whole history was read.
    manifest_sha256 : str
        The manifest that was current when it was read.
    digest : str
        Content digest of what was read: of the slice up to ``until_day``, or of everything.
    """

    table: str
    group: str
    key: PartitionKey
    until_day: int | None
    manifest_sha256: str
    digest: str

    def __str__(self) -> str:
        """As error messages and lineage spell it."""
        return f"{self.table}|{self.key}|{'full' if self.until_day is None else self.until_day}"


@dataclass(frozen=True)
class Blocked:
    """Why a partition's last attempt was refused."""

    at: datetime
    reason: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything the store knows of one partition at one moment; see the module's docstring.

    Attributes
    ----------
    table, group, key
        Which partition.
    created_at : datetime
        When it was published (UTC, injected clock).
    code_version, settings_digest : str
        What made it.
    parts : tuple of Part
        The files; one ``<table>.parquet`` for a table.
    schema : dict of str to str
        Column name to Arrow type, in stored order; empty for files that are no table.
    rows : int
        Rows of the table; 0 for files.
    first, last : tuple of scalar or None
        Order key (``order_by`` columns, times in ISO 8601) of the first and the last row.
    session_column : str or None
        Column by which history is cut.
    sessions : tuple of (int, str)
        Session (days since 1970) and the chained digest of all content up to and including it.
    inputs : tuple of InputRef
        What it was made of.
    lineage : dict of str to str
        Every ancestor slice (``table|key|until_day`` or ``…|full``) and its digest, direct inputs included.
    verdicts : tuple of Verdict
        Invariants its producer evaluated.
    meta : dict of str to scalar
        Figures of the producer (raw file hashes, counts).
    blocked : Blocked or None
        Set when the last attempt failed; the other fields then describe the kept, older content.
    previous : str or None
        Hash of the manifest this one replaced; its parts are kept for readers that are still at it.
    """

    table: str
    group: str
    key: PartitionKey
    created_at: datetime
    code_version: str
    settings_digest: str
    parts: tuple[Part, ...]
    schema: Mapping[str, str]
    rows: int
    first: tuple[Scalar, ...] | None
    last: tuple[Scalar, ...] | None
    session_column: str | None
    sessions: tuple[tuple[int, str], ...]
    inputs: tuple[InputRef, ...]
    lineage: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    meta: Mapping[str, Scalar] = field(default_factory=dict)
    blocked: Blocked | None = None
    previous: str | None = None

    def __post_init__(self) -> None:
        """Verdicts and figures become plain JSON values at once, so that written and read manifests compare equal."""
        object.__setattr__(self, "verdicts", tuple(_plain_verdict(v) for v in self.verdicts))
        object.__setattr__(self, "meta", {str(k): plain_scalar(v) for k, v in self.meta.items()})

    @cached_property
    def payload_bytes(self) -> bytes:
        """The one spelling of this manifest, without its own hash."""
        return _canonical(_payload(self))

    @cached_property
    def sha256(self) -> str:
        """Hash of :attr:`payload_bytes`; names the manifest for ever."""
        return hashlib.sha256(self.payload_bytes).hexdigest()

    @cached_property
    def content_digest(self) -> str:
        """Digest of the whole content: equal for equal content, whenever and by whichever run it was made."""
        if self.session_column is not None:
            return self.sessions[-1][1] if self.sessions else NOTHING
        named = sorted((part.name, part.sha256) for part in self.parts)
        return hashlib.sha256(_canonical(named)).hexdigest()[:DIGEST_CHARACTERS]

    def digest_at(self, until_day: int | None) -> str:
        """Content digest of history up to and including a session; of everything for None.

        Raises
        ------
        BadInputError
            If the table has no session column and a slice was asked for.
        """
        if until_day is None:
            return self.content_digest
        if self.session_column is None:
            raise BadInputError(f"{self.table}|{self.key} has no session column: it cannot be read until a day")
        position = bisect_right(self.sessions, until_day, key=lambda entry: entry[0])
        return self.sessions[position - 1][1] if position else NOTHING

    def ref(self, until_day: int | None = None) -> InputRef:
        """What a consumer that reads this manifest's content records."""
        return InputRef(self.table, self.group, self.key, until_day, self.sha256, self.digest_at(until_day))

    def encode(self) -> bytes:
        """File content of ``manifest.json``."""
        return b'{"manifest":' + self.payload_bytes + b',"sha256":"' + self.sha256.encode() + b'"}\n'

    @classmethod
    def decode(cls, data: bytes, where: str) -> "Manifest":
        """Read a manifest back.

        Parameters
        ----------
        data : bytes
            The file.
        where : str
            Path, for the message.

        Raises
        ------
        IntegrityError
            If a single bit differs from what :meth:`encode` wrote.
        """
        try:
            document = json.loads(data)
            _exact(document, {"manifest", "sha256"}, "document")
            manifest = _from_payload(document["manifest"])
            intact = manifest.encode() == bytes(data)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, UserError) as problem:
            raise IntegrityError(f"{where}: not a manifest of this store ({problem}). {_REMEDY}") from problem
        if not intact:
            raise IntegrityError(f"{where}: the manifest does not hash to the sha256 it carries. {_REMEDY}")
        return manifest


_REMEDY = "The file was changed or damaged on disk; materialize the partition again or restore it from a backup."


def plain_scalar(value: Any) -> Scalar:
    """A JSON scalar: numpy numbers become Python's, numbers that are not finite become text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | bool | int | float):
        return value
    raise BadInputError(f"manifest figure {value!r}: expected text, a number or a truth value")


def _plain_verdict(verdict: Verdict) -> Verdict:
    return Verdict(
        name=verdict.name,
        passed=bool(verdict.passed),
        summary=verdict.summary,
        details={str(k): plain_scalar(v) for k, v in verdict.details.items()},
        blocking=bool(verdict.blocking),
    )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise NaiveTimestampError(f"manifest: naive time {moment}; the injected clock has to be timezone-aware")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _payload(m: Manifest) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "table": m.table,
        "group": m.group,
        "key": str(m.key),
        "created_at": _moment(m.created_at),
        "code_version": m.code_version,
        "settings_digest": m.settings_digest,
        "parts": [[p.name, p.sha256, p.size_bytes, p.rows] for p in m.parts],
        "schema": [[name, kind] for name, kind in m.schema.items()],
        "rows": m.rows,
        "first": None if m.first is None else list(m.first),
        "last": None if m.last is None else list(m.last),
        "session_column": m.session_column,
        "sessions": [[day, digest] for day, digest in m.sessions],
        "inputs": [[i.table, i.group, str(i.key), i.until_day, i.manifest_sha256, i.digest] for i in m.inputs],
        "lineage": dict(m.lineage),
        "verdicts": [_verdict_payload(v) for v in m.verdicts],
        "meta": dict(m.meta),
        "blocked": None
        if m.blocked is None
        else {
            "at": _moment(m.blocked.at),
            "reason": m.blocked.reason,
            "verdicts": [_verdict_payload(v) for v in map(_plain_verdict, m.blocked.verdicts)],
        },
        "previous": m.previous,
    }


def _verdict_payload(v: Verdict) -> dict[str, Any]:
    return {
        "name": v.name,
        "passed": v.passed,
        "summary": v.summary,
        "details": dict(v.details),
        "blocking": v.blocking,
    }


def _exact(value: Any, names: set[str], what: str) -> None:
    if not isinstance(value, dict) or set(value) != names:
        found = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise ValueError(f"{what}: expected the fields {sorted(names)}, found {found}")


def _typed(value: Any, kind: Any, what: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise TypeError(f"{what}: expected {kind}, found {value!r}")
    return value


def _optional(value: Any, kind: Any, what: str) -> Any:
    return None if value is None else _typed(value, kind, what)


def _hash(value: Any, length: int, what: str) -> str:
    if not isinstance(value, str) or len(value) != length or not set(value) <= set("0123456789abcdef"):
        raise ValueError(f"{what}: expected {length} hexadecimal characters, found {value!r}")
    return value


def _read_moment(text: Any, what: str) -> datetime:
    moment = datetime.fromisoformat(_typed(text, str, what))
    if moment.tzinfo is None:
        raise ValueError(f"{what}: naive time {text}")
    return moment


def _read_part(row: Any) -> Part:
    name, sha256, size, rows = _typed(row, list, "part")
    return Part(
        _typed(name, str, "part name"),
        _hash(sha256, 64, "part hash"),
        _typed(size, int, "part size"),
        _optional(rows, int, "part rows"),
    )


def _read_input(row: Any) -> InputRef:
    table, group, key, until_day, manifest_sha256, digest = _typed(row, list, "input")
    return InputRef(
        _typed(table, str, "input table"),
        _typed(group, str, "input group"),
        PartitionKey.parse(_typed(key, str, "input key")),
        _optional(until_day, int, "input day"),
        _hash(manifest_sha256, 64, "input manifest"),
        _hash(digest, DIGEST_CHARACTERS, "input digest"),
    )


def _read_verdict(value: Any) -> Verdict:
    _exact(value, {"name", "passed", "summary", "details", "blocking"}, "verdict")
    return Verdict(
        name=_typed(value["name"], str, "verdict name"),
        passed=_typed(value["passed"], bool, "verdict passed"),
        summary=_typed(value["summary"], str, "verdict summary"),
        details=_scalars(value["details"], "verdict details"),
        blocking=_typed(value["blocking"], bool, "verdict blocking"),
    )


def _scalars(value: Any, what: str) -> dict[str, Scalar]:
    _typed(value, dict, what)
    for item in value.values():
        _typed(item, str | int | float | bool, what)
    return value


def _read_blocked(value: Any) -> Blocked | None:
    if value is None:
        return None
    _exact(value, {"at", "reason", "verdicts"}, "blocked")
    verdicts = tuple(_read_verdict(v) for v in _typed(value["verdicts"], list, "blocked verdicts"))
    return Blocked(_read_moment(value["at"], "blocked at"), _typed(value["reason"], str, "reason"), verdicts)


def _read_order_key(value: Any) -> tuple[Scalar, ...] | None:
    return (
        None
        if value is None
        else tuple(_typed(v, str | int | float | bool, "order key") for v in _typed(value, list, "order key"))
    )


_FIELDS = {
    *("format", "table", "group", "key", "created_at", "code_version", "settings_digest", "parts", "schema", "rows"),
    *("first", "last", "session_column", "sessions", "inputs", "lineage", "verdicts", "meta", "blocked", "previous"),
}


def _from_payload(p: Any) -> Manifest:
    _exact(p, _FIELDS, "manifest")
    if p["format"] != FORMAT:
        raise ValueError(f"format {p['format']!r}: this version reads format {FORMAT}")
    return Manifest(
        table=_typed(p["table"], str, "table"),
        group=_typed(p["group"], str, "group"),
        key=PartitionKey.parse(_typed(p["key"], str, "key")),
        created_at=_read_moment(p["created_at"], "created_at"),
        code_version=_typed(p["code_version"], str, "code_version"),
        settings_digest=_typed(p["settings_digest"], str, "settings_digest"),
        parts=tuple(_read_part(row) for row in _typed(p["parts"], list, "parts")),
        schema={_typed(n, str, "column"): _typed(t, str, "type") for n, t in _typed(p["schema"], list, "schema")},
        rows=_typed(p["rows"], int, "rows"),
        first=_read_order_key(p["first"]),
        last=_read_order_key(p["last"]),
        session_column=_optional(p["session_column"], str, "session_column"),
        sessions=tuple(
            (_typed(day, int, "session"), _hash(digest, DIGEST_CHARACTERS, "session digest"))
            for day, digest in _typed(p["sessions"], list, "sessions")
        ),
        inputs=tuple(_read_input(row) for row in _typed(p["inputs"], list, "inputs")),
        lineage={k: _hash(v, DIGEST_CHARACTERS, "lineage") for k, v in _typed(p["lineage"], dict, "lineage").items()},
        verdicts=tuple(_read_verdict(v) for v in _typed(p["verdicts"], list, "verdicts")),
        meta=_scalars(p["meta"], "meta"),
        blocked=_read_blocked(p["blocked"]),
        previous=None if p["previous"] is None else _hash(p["previous"], 64, "previous"),
    )
