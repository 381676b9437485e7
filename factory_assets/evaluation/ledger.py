"""The ledger of a study: who opened the sealed test period, when and why, in a chain that shows every change.

Each entry carries the hash of the one before it, so an edit, a deletion or a swap inside the file breaks the chain.
What a chain alone cannot show (a cut-off tail, a file written anew) is shown by the *head*, the count and last hash,
kept apart from the ledger file. Values only: the file and its head are written by :mod:`factory_assets.storage`.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from factory_assets.splits.study import Study
from factory_assets.vocabulary.clock import Clock
from factory_assets.vocabulary.errors import SealedPeriodError
from factory_assets.vocabulary.timeframes import HORIZONS_BARS

KINDS: tuple[str, ...] = ("genesis", "opening", "fit")
_NO_HASH = "0" * 64
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One line of a ledger.

    Attributes
    ----------
    seq : int
        Position in the ledger, from 0.
    at : str
        Moment of writing, ISO 8601 in UTC.
    kind : str
        ``genesis`` (the study was opened), ``opening`` (test outcomes were scored) or ``fit`` (a refit read sealed
        outcomes and emitted no statistic of them).
    contract : str
        Futures product, the same in the whole ledger.
    horizon : int or None
        Horizon in base bars; None for genesis.
    reason : str
        Why, in the words of who asked; never empty.
    spec_hash : str
        Sha256 of what was scored or fitted (for genesis: the study's digest).
    metric_digest : str
        Sha256 of the numbers that left the sealed period; empty for genesis and fit, and for an opening recorded before
        its numbers exist.
    previous_hash : str
        ``hash`` of the entry before; 64 zeros for genesis.
    hash : str
        Sha256 over all other fields.
    """

    seq: int
    at: str
    kind: str
    contract: str
    horizon: int | None
    reason: str
    spec_hash: str
    metric_digest: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class LedgerHead:
    """Anchor of a ledger, kept apart from its file.

    Attributes
    ----------
    count : int
        Number of entries.
    last_hash : str
        ``hash`` of the last one.
    """

    count: int
    last_hash: str

    def to_json(self) -> str:
        """Anchor as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "LedgerHead":
        """Read an anchor.

        Raises
        ------
        SealedPeriodError
            Anything but a count above 0 and a sha256.
        """
        plain = _object_of(text, "ledger head", {"count", "last_hash"})
        count, last_hash = plain["count"], plain["last_hash"]
        if not _is_count(count) or count < 1 or not _is_digest(last_hash):
            raise SealedPeriodError(f"ledger head: expected a count and a sha256, got {plain}. {_WHAT_TO_DO}")
        return cls(count=count, last_hash=last_hash)


_WHAT_TO_DO = "Restore the ledger and its head from a backup; until then the test period stays closed."


def genesis(study: Study, clock: Clock) -> LedgerEntry:
    """First entry of a ledger: binds it to one study file."""
    return _sealed(
        seq=0,
        at=clock().isoformat(),
        kind="genesis",
        contract=study.contract,
        horizon=None,
        reason="study opened",
        spec_hash=study.digest,
        metric_digest="",
        previous_hash=_NO_HASH,
    )


def append(
    entries: Sequence[LedgerEntry],
    head: LedgerHead,
    *,
    kind: str,
    horizon: int,
    reason: str,
    spec_hash: str,
    clock: Clock,
    metric_digest: str = "",
) -> LedgerEntry:
    """Next entry of an intact ledger; the caller writes it and then the new :func:`head_of`.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        The ledger so far, verified first.
    head : LedgerHead
        Its anchor.
    kind : str
        ``opening`` or ``fit``.
    horizon : int
        Horizon in base bars.
    reason : str
        Why the sealed outcomes are read; not blank.
    spec_hash : str
        Sha256 of what is scored or fitted.
    clock : Clock
        Source of ``at``.
    metric_digest : str, optional
        Sha256 of the numbers shown; not allowed for a fit, which shows none.

    Raises
    ------
    SealedPeriodError
        The ledger is not intact, or the new entry is not one a ledger may hold.
    """
    verify(entries, head)
    entry = _sealed(
        seq=len(entries),
        at=clock().isoformat(),
        kind=kind,
        contract=entries[0].contract,
        horizon=horizon,
        reason=reason,
        spec_hash=spec_hash,
        metric_digest=metric_digest,
        previous_hash=entries[-1].hash,
    )
    problem = _problem_of(entry)
    if problem:
        raise SealedPeriodError(f"new ledger entry refused: {problem}")
    return entry


def head_of(entries: Sequence[LedgerEntry]) -> LedgerHead:
    """Anchor of a ledger of at least one entry."""
    return LedgerHead(count=len(entries), last_hash=entries[-1].hash)


def verify(entries: Sequence[LedgerEntry], head: LedgerHead, study: Study | None = None) -> None:
    """Refuse a ledger that was edited, shortened, reordered, lengthened or replaced.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        The whole ledger in file order.
    head : LedgerHead
        Anchor kept apart from the file.
    study : Study, optional
        If given, the ledger has to be the one of this study.

    Raises
    ------
    SealedPeriodError
        Names the first line (from 1) that is wrong and what was expected there.
    """
    if not entries:
        raise SealedPeriodError(f"ledger: no entries, expected {head.count}. {_WHAT_TO_DO}")
    previous = _NO_HASH
    for seq, entry in enumerate(entries):
        expected = {"seq": seq, "previous_hash": previous, "contract": entries[0].contract, "hash": _hash_of(entry)}
        for name, value in expected.items():
            found = getattr(entry, name)
            if found != value or type(found) is not type(value):
                raise SealedPeriodError(
                    f"ledger line {seq + 1}: {name} is {found!r}, expected {value!r}. {_WHAT_TO_DO}"
                )
        if problem := _problem_of(entry):
            raise SealedPeriodError(f"ledger line {seq + 1}: {problem}. {_WHAT_TO_DO}")
        if (entry.kind == "genesis") != (seq == 0):
            raise SealedPeriodError(
                f"ledger line {seq + 1}: kind {entry.kind!r}; only line 1 is genesis. {_WHAT_TO_DO}"
            )
        previous = entry.hash
    if study is not None and (entries[0].contract, entries[0].spec_hash) != (study.contract, study.digest):
        raise SealedPeriodError(
            f"ledger line 1: opened for study {entries[0].contract} {entries[0].spec_hash}, expected {study.contract} "
            f"{study.digest}. {_WHAT_TO_DO}"
        )
    if len(entries) != head.count:
        raise SealedPeriodError(
            f"ledger line {min(len(entries), head.count) + 1}: the head counts {head.count} entries, the ledger has "
            f"{len(entries)}. {_WHAT_TO_DO}"
        )
    if previous != head.last_hash:
        raise SealedPeriodError(
            f"ledger line {head.count}: hash is {previous}, the head expected {head.last_hash}. {_WHAT_TO_DO}"
        )


def openings(entries: Sequence[LedgerEntry], horizon: int | None = None) -> int:
    """Times the test period was opened, at one horizon or at all; the test report's correction uses it."""
    return sum(entry.kind == "opening" and horizon in {None, entry.horizon} for entry in entries)


def to_line(entry: LedgerEntry) -> str:
    """Entry as one line of JSON, without the line end."""
    return json.dumps(dataclasses.asdict(entry), sort_keys=True)


def from_line(line: str) -> LedgerEntry:
    """Read one line.

    Raises
    ------
    SealedPeriodError
        Not an object with exactly an entry's keys, a wrong type, or another spelling than :func:`to_line` gives.
    """
    plain = _object_of(line, "ledger line", {field.name for field in dataclasses.fields(LedgerEntry)})
    if not _is_count(plain["seq"]) or not (plain["horizon"] is None or _is_count(plain["horizon"])):
        raise SealedPeriodError(f"ledger line: seq and horizon have to be counts, got {plain}. {_WHAT_TO_DO}")
    texts = {name: value for name, value in plain.items() if name not in {"seq", "horizon"}}
    if wrong := sorted(name for name, value in texts.items() if not isinstance(value, str)):
        raise SealedPeriodError(f"ledger line: {wrong} have to be text, got {plain}. {_WHAT_TO_DO}")
    entry = LedgerEntry(**plain)
    if to_line(entry) != line.rstrip("\n"):
        raise SealedPeriodError(f"ledger line: not in the spelling it was written in: {line!r}. {_WHAT_TO_DO}")
    return entry


def read_ledger(lines: Sequence[str], head: LedgerHead, study: Study | None = None) -> tuple[LedgerEntry, ...]:
    """Parse and verify a whole ledger file.

    Raises
    ------
    SealedPeriodError
        Names the first line (from 1) that is wrong and what was expected there.
    """
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(from_line(line))
        except SealedPeriodError as problem:
            raise SealedPeriodError(f"line {number}: {problem}") from problem
    verify(entries, head, study)
    return tuple(entries)


def _sealed(**fields: Any) -> LedgerEntry:
    """Entry with its own hash filled in."""
    draft = LedgerEntry(**fields, hash="")
    return dataclasses.replace(draft, hash=_hash_of(draft))


def _hash_of(entry: LedgerEntry) -> str:
    plain = dataclasses.asdict(entry)
    del plain["hash"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _problem_of(entry: LedgerEntry) -> str:
    """What no ledger may hold, whatever its hash says; empty if all is well."""
    problems = []
    if entry.kind not in KINDS:
        problems.append(f"kind {entry.kind!r}, expected one of {KINDS}")
    if entry.kind != "genesis" and entry.horizon not in HORIZONS_BARS:
        problems.append(f"horizon {entry.horizon!r}, expected one of {HORIZONS_BARS}")
    if entry.kind == "genesis" and entry.horizon is not None:
        problems.append(f"horizon {entry.horizon!r} on genesis, expected none")
    if not entry.reason.strip():
        problems.append("no reason; say why the sealed outcomes are read")
    if not _is_digest(entry.spec_hash):
        problems.append(f"spec_hash {entry.spec_hash!r}, expected a sha256")
    if entry.metric_digest and (entry.kind != "opening" or not _is_digest(entry.metric_digest)):
        problems.append(f"metric_digest {entry.metric_digest!r}, expected a sha256 of an opening or none")
    if not _is_aware_time(entry.at):
        problems.append(f"at {entry.at!r}, expected an ISO time with its zone")
    return "; ".join(problems)


def _is_aware_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _object_of(text: str, what: str, keys: set[str]) -> dict[str, Any]:
    """JSON object with exactly the given keys."""
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as problem:
        raise SealedPeriodError(f"{what}: not JSON ({problem}): {text!r}. {_WHAT_TO_DO}") from problem
    if not isinstance(plain, dict) or set(plain) != keys:
        raise SealedPeriodError(f"{what}: expected an object with the keys {sorted(keys)}, got {text!r}. {_WHAT_TO_DO}")
    return plain
