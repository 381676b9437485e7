"""The ledger on disk: lines beside the study file, its head in the store, so that neither can be cut off unnoticed."""

from factory_assets.evaluation.ledger import (
    LedgerEntry,
    LedgerHead,
    append,
    genesis,
    head_of,
    read_ledger,
    to_line,
)
from factory_assets.orchestration.code_version import code_version
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.splits.study import Study
from factory_assets.storage import AppendLog
from factory_assets.vocabulary.errors import MissingPartitionError, SealedPeriodError
from factory_assets.vocabulary.partition import PartitionKey

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
        self._log = AppendLog(factory.place.studies / f"{study.contract}.ledger.jsonl")

    def open_if_new(self) -> tuple[LedgerEntry, ...]:
        """Write the first entry if neither ledger nor head exists; then verify.

        Raises
        ------
        SealedPeriodError
            One of the two is gone, or they disagree.
        """
        if self._log.lines() == [] and self._head() is None:
            entry = genesis(self._study, self._factory.clock)
            self._log.append(to_line(entry))
            self._keep_head((entry,))
        return self.entries()

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Every entry, verified against the chain and the head.

        Raises
        ------
        SealedPeriodError
            The ledger was edited, cut, emptied or replaced.
        """
        head = self._head()
        if head is None:
            raise SealedPeriodError(
                f"{self._study.contract}: the ledger has no head in the store. The test period stays closed; restore "
                "the store from a backup, or materialize the study of a new FACTORY_HOME."
            )
        return read_ledger(self._log.lines(), head, self._study)

    def record_opening(self, key: PartitionKey, *, reason: str, spec_hash: str, metric_digest: str) -> LedgerEntry:
        """Append one opening; it is durable before any number of it leaves.

        Raises
        ------
        SealedPeriodError
            The ledger is not intact.
        """
        entries = self.entries()
        entry = append(
            entries,
            head_of(entries),
            kind="opening",
            horizon=key.horizon or 0,
            reason=reason,
            spec_hash=spec_hash,
            metric_digest=metric_digest,
            clock=self._factory.clock,
        )
        self._log.append(to_line(entry))
        self._keep_head((*entries, entry))
        return entry

    def _head(self) -> LedgerHead | None:
        try:
            loaded = self._factory.store.read_files(_HEAD, _GROUP, PartitionKey(self._study.contract))
        except MissingPartitionError:
            return None
        return LedgerHead.from_json(loaded.files[_FILE].decode())

    def _keep_head(self, entries: tuple[LedgerEntry, ...]) -> None:
        self._factory.store.publish_files(
            _HEAD,
            _GROUP,
            PartitionKey(self._study.contract),
            {_FILE: head_of(entries).to_json().encode()},
            code_version=code_version(),
            settings_digest=self._factory.settings.digest("splits"),
        )
