"""The release registry of a partition: which bundles were made, which nightly refits followed, which one is champion.

``releases/<contract>/<horizon>/registry.jsonl`` only grows; each line carries the hash of the one before, and
``registry.head.json`` beside it counts them, so that an edit, a swap and a cut-off tail are all seen. Nothing here
decides: a champion is whatever was promoted last, and going back is promoting an earlier digest. Belongs here: the
entries and their chain. Does not: bundles themselves (:mod:`factory_assets.deployment.bundle`), nor whether a digest
may be promoted (:mod:`factory_assets.orchestration.promote`).
"""

import dataclasses
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from factory_assets.splits.study import day_text
from factory_assets.storage import AppendLog
from factory_assets.storage.files import LocalFiles
from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.clock import Clock
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.hash_chain import NO_HASH, hash_of, is_aware_time, is_digest, sealed, to_line
from factory_assets.vocabulary.partition import PartitionKey

CANDIDATE, REFIT, PROMOTED = "candidate", "refit", "promoted"
KINDS = (CANDIDATE, REFIT, PROMOTED)

_FILE, _HEAD = "registry.jsonl", "registry.head.json"
_LOCK_SECONDS = 120.0
_DAY_ZERO = date(1970, 1, 1)
_TEXTS = ("at", "kind", "contract", "digest", "parent", "data_end", "reason", "by", "previous_hash", "hash")


@dataclass(frozen=True, kw_only=True)
class ReleaseRecord:
    """One line of a registry.

    Attributes
    ----------
    seq : int
        Position in the registry, from 0.
    at : str
        Moment of writing, ISO 8601 in UTC.
    kind : str
        ``candidate`` (a study's bundle), ``refit`` (a nightly challenger) or ``promoted`` (champion from here on).
    contract, horizon : str, int
        Partition.
    digest : str
        Sha256 of the release's manifest; its folder's name.
    parent : str
        A refit: the release whose recipe was refitted. A promotion: the champion before. Empty where there is none.
    data_end : str
        Last trade date whose outcomes the release was fitted or judged on, ISO: what it says of later sessions it
        says without having seen them.
    reason, by : str
        Why and by whom, of a promotion; empty otherwise.
    previous_hash, hash : str
        ``hash`` of the line before (64 zeros for the first), and sha256 over all other fields.
    """

    seq: int
    at: str
    kind: str
    contract: str
    horizon: int
    digest: str
    parent: str
    data_end: str
    reason: str
    by: str
    previous_hash: str
    hash: str

    @property
    def data_end_day(self) -> int:
        """:attr:`data_end` as days since 1970."""
        return (date.fromisoformat(self.data_end) - _DAY_ZERO).days

    @property
    def moment(self) -> datetime:
        """:attr:`at` as a time in UTC."""
        return datetime.fromisoformat(self.at)


class ReleaseRegistry:
    """The registry of one partition; every read verifies the whole chain.

    Parameters
    ----------
    releases_folder : Path
        ``FactoryHome.releases``.
    key : PartitionKey
        Contract and horizon.
    """

    def __init__(self, releases_folder: Path, key: PartitionKey) -> None:
        if key.horizon is None:
            raise BadInputError(f"release registry of {key}: releases are of a contract and a horizon, e.g. MGC|20")
        self._contract, self._horizon = key.contract, key.horizon
        self._folder = releases_folder / key.contract / str(key.horizon)
        self._log = AppendLog(self.path, lock_timeout_seconds=_LOCK_SECONDS)

    @property
    def path(self) -> Path:
        """The registry's file, there or not."""
        return self._folder / _FILE

    def records(self) -> tuple[ReleaseRecord, ...]:
        """Every line, oldest first; empty if nothing was ever released.

        Raises
        ------
        IntegrityError
            The file was edited, cut, reordered or replaced; names the first line that is wrong.
        """
        head, lines = self._head(), self._log.lines()
        if len(lines) == head[0]:
            return self._verified(lines, head)
        if not self.path.exists() and not self._head_path.exists():
            return ()
        with self._locked():
            return self._settled()

    def champion(self) -> ReleaseRecord | None:
        """The last promotion; None if none was made."""
        return _last(self.records(), PROMOTED)

    def refits(self, parent: str | None = None) -> tuple[ReleaseRecord, ...]:
        """Nightly challengers, oldest first; those of one recipe if ``parent`` is given."""
        return tuple(r for r in self.records() if r.kind == REFIT and parent in {None, r.parent})

    def release(self, digest: str) -> ReleaseRecord | None:
        """The line that entered a release as candidate or refit (the newest one); None if no line did."""
        made = [r for r in self.records() if r.kind != PROMOTED and r.digest == digest]
        return made[-1] if made else None

    def record_candidate(self, digest: str, *, data_end_day: int, clock: Clock) -> ReleaseRecord:
        """Enter a study's bundle. If it is the newest candidate already, nothing is written.

        Parameters
        ----------
        digest : str
            Of the bundle, which is in place.
        data_end_day : int
            Last val session of its study, days since 1970.
        clock : Clock
            Source of ``at``.
        """
        return self._enter(CANDIDATE, digest, data_end=day_text(data_end_day), clock=clock)

    def record_refit(self, digest: str, *, parent: str, data_end_day: int, clock: Clock) -> ReleaseRecord:
        """Enter a nightly refit. If the same refit of the same recipe is entered already, nothing is written.

        Parameters
        ----------
        digest, clock
            As in :meth:`record_candidate`.
        parent : str
            Digest of the release whose recipe it is.
        data_end_day : int
            Last session it was fitted on, days since 1970.
        """
        return self._enter(REFIT, digest, parent=parent, data_end=day_text(data_end_day), clock=clock)

    def promote(self, digest: str, *, reason: str, by: str, clock: Clock) -> ReleaseRecord:
        """Make a release champion. Promoting the present champion again writes nothing.

        Parameters
        ----------
        digest : str
            A release the registry holds; whoever calls has verified its bundle.
        reason, by : str
            Why, and who says so; kept for ever.
        clock : Clock
            Source of ``at``.

        Raises
        ------
        BadInputError
            A digest that is neither candidate nor refit of this partition, or a blank reason.
        """
        if not reason.strip() or not by.strip():
            raise BadInputError(
                f"promotion in {self._where}: say why (--reason) and who; got reason {reason!r}, by {by!r}"
            )
        return self._enter(PROMOTED, digest, reason=reason, by=by, clock=clock)

    @property
    def _where(self) -> str:
        return f"{self._contract}|{self._horizon}"

    @property
    def _head_path(self) -> Path:
        return self._folder / _HEAD

    def _locked(self) -> AbstractContextManager[None]:
        # The log's own lock, which may be taken again by the thread that holds it.
        return file_lock(self.path.with_name(_FILE + ".lock"), _LOCK_SECONDS)

    def _enter(
        self, kind: str, digest: str, *, clock: Clock, parent: str = "", data_end: str = "", **said: str
    ) -> ReleaseRecord:
        """Append unless it would say again what the registry says; head and line under one lock."""
        with self._locked():
            before = self._settled()
            if kind == PROMOTED:
                made = [r for r in before if r.kind != PROMOTED and r.digest == digest]
                if not made:
                    known = sorted({r.digest[:12] for r in before if r.kind != PROMOTED})
                    raise BadInputError(
                        f"{self._where}: no release {digest!r} in the registry; it holds {known or 'none'}. Give a "
                        "digest in full, as `factory status` or the bundle's folder spells it."
                    )
                champion = _last(before, PROMOTED)
                parent, data_end = "" if champion is None else champion.digest, made[-1].data_end
            if (same := self._said_before(before, kind, digest, parent, data_end)) is not None:
                return same
            record = sealed(
                ReleaseRecord,
                seq=len(before),
                at=clock().isoformat(),
                kind=kind,
                contract=self._contract,
                horizon=self._horizon,
                digest=digest,
                parent=parent,
                data_end=data_end,
                **{"reason": "", "by": "", **said},
                previous_hash=before[-1].hash if before else NO_HASH,
            )
            self._refuse(record, record.seq, record.previous_hash)
            self._log.append(to_line(record))
            self._keep_head(record)
        return record

    def _said_before(
        self, before: Sequence[ReleaseRecord], kind: str, digest: str, parent: str, data_end: str
    ) -> ReleaseRecord | None:
        if kind == REFIT:
            said = [r for r in before if (r.kind, r.digest, r.parent, r.data_end) == (REFIT, digest, parent, data_end)]
            return said[-1] if said else None
        last = _last(before, kind)
        return last if last is not None and last.digest == digest else None

    def _settled(self) -> tuple[ReleaseRecord, ...]:
        """Every line, verified; one line that a crash left uncounted is counted. The lock is held."""
        lines, head = self._log.lines(), self._head()
        if len(lines) == head[0] + 1:
            # A line is written before the head that counts it: taking up the one that follows can hide nothing.
            last = _parsed(lines[-1], self.path, len(lines))
            records = self._verified(lines, (len(lines), last.hash))
            if last.previous_hash == head[1]:
                self._keep_head(last)
                return records
        return self._verified(lines, head)

    def _verified(self, lines: Sequence[str], head: tuple[int, str]) -> tuple[ReleaseRecord, ...]:
        records = tuple(_parsed(line, self.path, number) for number, line in enumerate(lines, start=1))
        previous = NO_HASH
        for seq, record in enumerate(records):
            self._refuse(record, seq, previous)
            previous = record.hash
        if (len(records), previous) != head:
            raise IntegrityError(
                f"{self.path}: {len(records)} lines ending in {previous[:12]}, but {_HEAD} counts {head[0]} ending in "
                f"{head[1][:12]}. {_WHAT_TO_DO}"
            )
        return records

    def _refuse(self, record: ReleaseRecord, seq: int, previous: str) -> None:
        wanted = {"seq": seq, "contract": self._contract, "horizon": self._horizon, "previous_hash": previous}
        wanted["hash"] = hash_of(record)
        problems = [
            f"{name} is {getattr(record, name)!r}, expected {value!r}"
            for name, value in wanted.items()
            if getattr(record, name) != value
        ]
        if record.kind not in KINDS:
            problems.append(f"kind {record.kind!r}, expected one of {KINDS}")
        if not is_digest(record.digest) or not (record.parent == "" or is_digest(record.parent)):
            problems.append(f"digest {record.digest!r} and parent {record.parent!r}: expected sha256")
        if (record.kind == REFIT and not record.parent) or (record.kind == CANDIDATE and record.parent):
            problems.append(f"a {record.kind} with parent {record.parent!r}")
        if not _is_day(record.data_end) or not is_aware_time(record.at):
            problems.append(f"data_end {record.data_end!r}, at {record.at!r}: expected an ISO day and a time with zone")
        if problems:
            raise IntegrityError(f"{self.path} line {seq + 1}: {'; '.join(problems)}. {_WHAT_TO_DO}")

    def _head(self) -> tuple[int, str]:
        """Count and last hash that were kept; an empty registry's if none were."""
        try:
            text = self._head_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return 0, NO_HASH
        except UnicodeDecodeError as problem:
            raise IntegrityError(f"{self._head_path}: damaged ({problem}). {_WHAT_TO_DO}") from problem
        try:
            plain = json.loads(text)
            head = plain["count"], plain["last_hash"]
        except (ValueError, KeyError, TypeError) as problem:
            raise IntegrityError(f"{self._head_path}: not a head: {text!r}. {_WHAT_TO_DO}") from problem
        if type(head[0]) is not int or not isinstance(head[1], str):
            raise IntegrityError(f"{self._head_path}: not a head: {text!r}. {_WHAT_TO_DO}")
        return head

    def _keep_head(self, last: ReleaseRecord) -> None:
        data = json.dumps({"count": last.seq + 1, "last_hash": last.hash}, sort_keys=True).encode()
        old = self._head_path.read_bytes() if self._head_path.exists() else None
        LocalFiles(self._folder).replace(_HEAD, data, old)


_WHAT_TO_DO = (
    "No release is trusted until the registry and its head are restored from a backup; bundles themselves are unharmed."
)


def _last(records: Sequence[ReleaseRecord], kind: str) -> ReleaseRecord | None:
    return next((record for record in reversed(records) if record.kind == kind), None)


def _parsed(line: str, path: Path, number: int) -> ReleaseRecord:
    names = {field.name for field in dataclasses.fields(ReleaseRecord)}
    try:
        plain = json.loads(line)
    except ValueError as problem:
        raise IntegrityError(f"{path} line {number}: not JSON: {line!r}. {_WHAT_TO_DO}") from problem
    typed = isinstance(plain, dict) and {*plain} == names
    typed = typed and all(isinstance(plain[name], str) for name in _TEXTS)
    typed = typed and all(type(plain[name]) is int for name in ("seq", "horizon"))
    if not typed or to_line(ReleaseRecord(**plain)) != line:
        raise IntegrityError(f"{path} line {number}: not an entry as it was written: {line!r}. {_WHAT_TO_DO}")
    return ReleaseRecord(**plain)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
