"""Sessions labelled without a study never become test: the record, its lock, and what the store says against it.

Either a study opens or outcomes are made without one, never both at once: both hold the same lock, on one host. The
record is read together with the manifests of the labels made without a study, so that a record which was deleted or
cut while they are there is noticed. Not noticed: record and labels gone together, as when all of FACTORY_HOME is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from factory_assets.orchestration.resources import FactoryResource
from factory_assets.splits.study import day_text
from factory_assets.storage import StudyFiles
from factory_assets.storage.labelled_sessions import LabelledSessions
from factory_assets.vocabulary.errors import IntegrityError, LineageConflictError, MissingPartitionError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import LABELS
from factory_assets.vocabulary.timeframes import HORIZONS_BARS

LABELLED_WITHOUT_STUDY = "labelled_without_study_until"
"""Figure in the manifest of labels that were made without a study: the last trade day they reach, ISO."""


class LabelledRecord:
    """The record of one contract.

    Parameters
    ----------
    factory : FactoryResource
        Home, store and clock.
    contract : str
        Futures product.
    """

    def __init__(self, factory: FactoryResource, contract: str) -> None:
        self._factory = factory
        self._key = PartitionKey(contract)
        self._sessions = LabelledSessions(factory.place.studies, contract)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from opening a study or labelling without one."""
        with self._factory.store.lock("labelled_sessions", "study", self._key):
            yield

    def until_day(self) -> int | None:
        """Last trade day labelled without a study, days since 1970; None if none was.

        Raises
        ------
        IntegrityError
            The record is damaged, or does not reach as far as labels in the store that were made without a study.
        """
        day = self._sessions.until_day()
        for horizon in HORIZONS_BARS:
            key = PartitionKey(self._key.contract, horizon)
            try:
                told = self._factory.store.manifest(LABELS.name, LABELS.group, key).meta.get(LABELLED_WITHOUT_STUDY)
            except MissingPartitionError:
                continue
            if told is not None and (day is None or str(told) > day_text(day)):
                found = "is not there" if day is None else f"ends at {day_text(day)}"
                raise IntegrityError(
                    f"{self._sessions.path} {found}, but labels of {key} were made without a study up to {told}. The "
                    "record was deleted or cut; restore it from a backup. No study opens without it: sessions whose "
                    "outcomes were seen would become test."
                )
        return day

    def enter(self, day: int) -> None:
        """Enter that outcomes up to ``day`` are about to be made without a study; durable on return.

        Raises
        ------
        LineageConflictError
            The study was opened meanwhile.
        IntegrityError
            As :meth:`until_day`.
        """
        with self.held():
            if StudyFiles(self._factory.place.studies).read(self._key.contract) is not None:
                raise LineageConflictError(
                    f"{self._key}: a study was opened after the artifact these labels would follow. Materialize study "
                    "again, then repeat this step."
                )
            self.until_day()
            self._sessions.extend(day, at=self._factory.clock())
