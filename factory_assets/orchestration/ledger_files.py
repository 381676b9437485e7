"""The ledger on disk: lines beside the study file, its head in the store, so that neither can be cut off unnoticed.

A line is written first, then the head that counts it, both under the head's lock. A crash between the two leaves the
ledger one line ahead of its head (or a genesis without one); whoever comes next takes that line up. Taking up a line
can only add an opening: a shorter, edited or replaced ledger, or one without its head, closes the test period.
"""

from collections.abc import Callable, Mapping

from factory_assets.evaluation.ledger import (
    LedgerEntry,
    LedgerHead,
    append,
    from_line,
    genesis,
    head_of,
    opening_in_progress,
    read_ledger,
    rolled_forward,
)
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.orchestration.study_artifact import holds_study
from factory_assets.splits.study import Study
from factory_assets.storage import AppendLog
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.errors import MissingPartitionError, SealedPeriodError
from factory_assets.vocabulary.hash_chain import to_line
from factory_assets.vocabulary.partition import PartitionKey

OPENING_TAG = "factory/opening"
"""Run tag with the hash of the opening a run works for; without it the sealed assets refuse."""

_HEAD, _GROUP, _FILE = "ledger_head", "study", "head.json"


class LedgerFiles:
    """The ledger of one contract's study.

    Parameters
    ----------
    factory : FactoryResource
        Home, store and clock.
    study : Study
        The study the ledger belongs to.
    """

    def __init__(self, factory: FactoryResource, study: Study) -> None:
        self._factory = factory
        self._study = study
        self._key = PartitionKey(study.contract)
        self._log = AppendLog(factory.place.studies / f"{study.contract}.ledger.jsonl")

    @staticmethod
    def traces_of(factory: FactoryResource, key: PartitionKey) -> list[str]:
        """What shows that a study of the contract was opened before, for a contract whose study file is absent."""
        traces = {
            "its ledger": bool(AppendLog(factory.place.studies / f"{key.contract}.ledger.jsonl").lines()),
            "the ledger's head": factory.store.status(_HEAD, _GROUP, key) != "missing",
            "its published artifact": _study_published(factory, key),
        }
        return [name for name, found in traces.items() if found]

    def open_if_new(self) -> tuple[LedgerEntry, ...]:
        """Begin the ledger of a study that was never published; then verify, as :meth:`entries` does.

        Raises
        ------
        SealedPeriodError
            Ledger or head is gone although the study was published, or they disagree.
        """
        with self._factory.store.lock(_HEAD, _GROUP, self._key):
            if self._head() is None and not self._study_published():
                self._begin()
            return self._settled()

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Every entry, verified against the chain and the head.

        Raises
        ------
        SealedPeriodError
            The ledger was edited, cut, emptied or replaced.
        """
        lines, head = self._log.lines(), self._head()
        if head is not None and len(lines) == head.count:
            return read_ledger(lines, head, self._study)
        with self._factory.store.lock(_HEAD, _GROUP, self._key):
            return self._settled()

    def record_opening(self, key: PartitionKey, *, reason: str, spec_hash: str) -> LedgerEntry:
        """Enter an opening; it is durable, and counts, before the first test outcome is made.

        Parameters
        ----------
        key : PartitionKey
            Contract and horizon.
        reason : str
            Why the test period is opened.
        spec_hash : str
            Digest of the release that will be scored.

        Raises
        ------
        SealedPeriodError
            The ledger is not intact, or the reason is blank.
        """
        return self._append(
            lambda entries: append(
                entries,
                head_of(entries),
                kind="opening",
                horizon=key.horizon or 0,
                reason=reason,
                spec_hash=spec_hash,
                clock=self._factory.clock,
            )
        )

    def record_result(self, opening: LedgerEntry, *, metric_digest: str) -> LedgerEntry:
        """Enter what an opening gave; it is durable before any number of it leaves.

        Raises
        ------
        SealedPeriodError
            The ledger is not intact, or the opening has a result already.
        """
        return self._append(
            lambda entries: append(
                entries,
                head_of(entries),
                kind="result",
                horizon=opening.horizon or 0,
                reason=opening.reason,
                spec_hash=opening.hash,
                metric_digest=metric_digest,
                clock=self._factory.clock,
            )
        )

    def record_fit(self, key: PartitionKey, *, reason: str, spec_hash: str) -> LedgerEntry:
        """Enter that sealed outcomes will be read for fitting; durable before the first of them is made.

        It counts as no opening: a fit emits no statistic of them.

        Parameters
        ----------
        key : PartitionKey
            Contract and horizon.
        reason : str
            What is fitted, and up to which session.
        spec_hash : str
            Digest of the release whose recipe is fitted.

        Raises
        ------
        SealedPeriodError
            The ledger is not intact, or the reason is blank: nothing may be read.
        """
        return self._append(
            lambda entries: append(
                entries,
                head_of(entries),
                kind="fit",
                horizon=key.horizon or 0,
                reason=reason,
                spec_hash=spec_hash,
                clock=self._factory.clock,
            )
        )

    def opening_of(self, key: PartitionKey, tags: Mapping[str, str]) -> LedgerEntry:
        """The opening a run works for, as its tag names it.

        Raises
        ------
        SealedPeriodError
            No tag, a ledger that is not intact, or an opening that is not of this horizon or is completed already.
        """
        if OPENING_TAG not in tags:
            raise SealedPeriodError(
                f"{key}: the test period is sealed. Open it with: factory evaluate --contract {key.contract} "
                f'--horizon {key.horizon} --open-test --reason "…"'
            )
        return opening_in_progress(self.entries(), tags[OPENING_TAG], key.horizon or 0)

    def _append(self, make: Callable[[tuple[LedgerEntry, ...]], LedgerEntry]) -> LedgerEntry:
        """Read, build upon and count with no other writer in between."""
        with self._factory.store.lock(_HEAD, _GROUP, self._key):
            self._settled()
            head = self._head()
            assert head is not None, "a settled ledger has a head"
            line = self._log.append_after(lambda lines: to_line(make(read_ledger(lines, head, self._study))))
            entry = from_line(line)
            self._keep_head(LedgerHead(count=entry.seq + 1, last_hash=entry.hash))
        return entry

    def _begin(self) -> None:
        """First entry and its head; an entry that a crash left without head is taken up if it is this study's own."""
        lines = self._log.lines()
        if not lines:
            lines = [self._log.append_after(lambda _: to_line(genesis(self._study, self._factory.clock)))]
        if len(lines) == 1:
            first = from_line(lines[0])
            read_ledger(lines, head_of([first]), self._study)
            self._keep_head(head_of([first]))

    def _settled(self) -> tuple[LedgerEntry, ...]:
        """Every entry, verified; a last line that a crash left uncounted is counted. The head's lock is held."""
        lines, head = self._log.lines(), self._head()
        if head is None:
            raise SealedPeriodError(
                f"{self._study.contract}: the ledger has no head in the store. The test period stays closed; restore "
                "the store from a backup, or materialize the study of a new FACTORY_HOME."
            )
        rolled = rolled_forward(lines, head)
        entries = read_ledger(lines, rolled, self._study)
        if rolled != head:
            self._keep_head(rolled)
        return entries

    def _study_published(self) -> bool:
        """Whether the study was ever published, blocked since or not: then it had a ledger and a head."""
        return _study_published(self._factory, self._key)

    def _head(self) -> LedgerHead | None:
        try:
            loaded = self._factory.store.read_files(_HEAD, _GROUP, self._key)
        except MissingPartitionError:
            return None
        return LedgerHead.from_json(loaded.files[_FILE].decode())

    def _keep_head(self, head: LedgerHead) -> None:
        self._factory.store.publish_files(
            _HEAD,
            _GROUP,
            self._key,
            {_FILE: head.to_json().encode()},
            code_version=code_version(),
            settings_digest=self._factory.settings.digest("splits"),
        )


def _study_published(factory: FactoryResource, key: PartitionKey) -> bool:
    try:
        return holds_study(factory.store.manifest("study", "study", key))
    except MissingPartitionError:
        return False
