"""The ledger of a study: who opened the sealed test period, when and why, in a chain that shows every change.

An opening is entered before the first test outcome exists, and counts from then on; the numbers it gave are entered by
a second line, its *result*. Each entry carries the hash of the one before it, so an edit, a deletion or a swap inside
the file breaks the chain.
What a chain alone cannot show (a cut-off tail, a file written anew) is shown by the *head*, the count and last hash,
kept apart from the ledger file. Values only: the file and its head are written by :mod:`factory_assets.storage`.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from factory_assets.splits.study import Study
from factory_assets.vocabulary.clock import Clock
from factory_assets.vocabulary.errors import SealedPeriodError
from factory_assets.vocabulary.hash_chain import NO_HASH, hash_of, is_aware_time, is_digest, sealed, to_line
from factory_assets.vocabulary.timeframes import HORIZONS_BARS

KINDS: tuple[str, ...] = ("genesis", "opening", "result", "fit")


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
        ``genesis`` (the study was opened), ``opening`` (test outcomes may be made and scored from here on), ``result``
        (what an opening gave) or ``fit`` (a refit read sealed outcomes and emitted no statistic of them).
    contract : str
        Futures product, the same in the whole ledger.
    horizon : int or None
        Horizon in base bars; None for genesis.
    reason : str
        Why, in the words of who asked; never empty.
    spec_hash : str
        What the entry is about: the study's digest (genesis), the digest of what is scored or fitted (opening, fit),
        the ``hash`` of the opening it completes (result).
    metric_digest : str
        Sha256 of the numbers that left the sealed period, for a result; empty for every other kind: an opening is
        entered before its numbers exist.
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
        if not _is_count(count) or count < 1 or not is_digest(last_hash):
            raise SealedPeriodError(f"ledger head: expected a count and a sha256, got {plain}. {_WHAT_TO_DO}")
        return cls(count=count, last_hash=last_hash)


_WHAT_TO_DO = "Restore the ledger and its head from a backup; until then the test period stays closed."


def genesis(study: Study, clock: Clock) -> LedgerEntry:
    """First entry of a ledger: binds it to one study file."""
    return sealed(
        LedgerEntry,
        seq=0,
        at=clock().isoformat(),
        kind="genesis",
        contract=study.contract,
        horizon=None,
        reason="study opened",
        spec_hash=study.digest,
        metric_digest="",
        previous_hash=NO_HASH,
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
        ``opening``, ``result`` or ``fit``.
    horizon : int
        Horizon in base bars.
    reason : str
        Why the sealed outcomes are read; not blank.
    spec_hash : str
        Sha256 of what is scored or fitted; for a result the hash of its opening.
    clock : Clock
        Source of ``at``.
    metric_digest : str, optional
        Sha256 of the numbers shown; a result has it, nothing else may.

    Raises
    ------
    SealedPeriodError
        The ledger is not intact, or the new entry is not one a ledger may hold.
    """
    verify(entries, head)
    entry = sealed(
        LedgerEntry,
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
    problem = _problem_of(entry) or _result_problem(entry, entries)
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
    previous = NO_HASH
    for seq, entry in enumerate(entries):
        expected = {"seq": seq, "previous_hash": previous, "contract": entries[0].contract, "hash": hash_of(entry)}
        for name, value in expected.items():
            found = getattr(entry, name)
            if found != value or type(found) is not type(value):
                raise SealedPeriodError(
                    f"ledger line {seq + 1}: {name} is {found!r}, expected {value!r}. {_WHAT_TO_DO}"
                )
        if problem := _problem_of(entry) or _result_problem(entry, entries[:seq]):
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
    """Times the test period was opened, with or without a result, at one horizon or at all."""
    return sum(entry.kind == "opening" and horizon in {None, entry.horizon} for entry in entries)


def opening_in_progress(entries: Sequence[LedgerEntry], opening_hash: str, horizon: int) -> LedgerEntry:
    """The opening of that hash, if test outcomes may be made under it.

    Raises
    ------
    SealedPeriodError
        No opening of this horizon has the hash, or its result was entered: to look again is to open again.
    """
    found = [e for e in entries if (e.kind, e.hash, e.horizon) == ("opening", opening_hash, horizon)]
    if not found:
        raise SealedPeriodError(
            f"ledger: no opening of horizon {horizon} has the hash {opening_hash!r}; the test period stays closed."
        )
    if (done := result_of(entries, opening_hash)) is not None:
        raise SealedPeriodError(
            f"ledger line {found[0].seq + 1}: this opening was completed by line {done.seq + 1}. Open the test period "
            "again, with a reason; that counts as a further opening."
        )
    return found[0]


def result_of(entries: Sequence[LedgerEntry], opening_hash: str) -> LedgerEntry | None:
    """The entry that completes an opening; None if there is none."""
    return next((e for e in entries if e.kind == "result" and e.spec_hash == opening_hash), None)


def rolled_forward(lines: Sequence[str], head: LedgerHead) -> LedgerHead:
    """Head after the one entry that a crash left written but not counted; otherwise the head as it is.

    A line is written before the head that counts it. Taking up exactly one line that follows the head can only add an
    entry, never hide one; whether the whole chain holds is for :func:`read_ledger` to say.
    """
    if len(lines) != head.count + 1:
        return head
    before, last = (_line_at(lines, place) for place in (head.count - 1, head.count))
    follows = before.hash == last.previous_hash == head.last_hash
    return LedgerHead(count=len(lines), last_hash=last.hash) if follows else head


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
    entries = tuple(_line_at(lines, place) for place in range(len(lines)))
    verify(entries, head, study)
    return entries


def _line_at(lines: Sequence[str], place: int) -> LedgerEntry:
    try:
        return from_line(lines[place])
    except SealedPeriodError as problem:
        raise SealedPeriodError(f"line {place + 1}: {problem}") from problem


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
    if not is_digest(entry.spec_hash):
        problems.append(f"spec_hash {entry.spec_hash!r}, expected a sha256")
    if entry.kind == "result" and not is_digest(entry.metric_digest):
        problems.append(f"metric_digest {entry.metric_digest!r}, expected the sha256 of the opening's numbers")
    if entry.kind != "result" and entry.metric_digest:
        problems.append(
            f"metric_digest {entry.metric_digest!r} in an entry of kind {entry.kind}; only a result has one"
        )
    if not is_aware_time(entry.at):
        problems.append(f"at {entry.at!r}, expected an ISO time with its zone")
    return "; ".join(problems)


def _result_problem(entry: LedgerEntry, before: Sequence[LedgerEntry]) -> str:
    """Why a result may not follow these entries; empty if it may, or is none."""
    if entry.kind != "result":
        return ""
    try:
        opening_in_progress(before, entry.spec_hash, entry.horizon or 0)
    except SealedPeriodError as problem:
        return f"a result without an opening to complete: {problem}"
    return ""


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
