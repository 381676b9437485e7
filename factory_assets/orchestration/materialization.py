"""One attempt at one partition: what was read is recorded, what is made is published with its verdicts.

Every asset body receives a :class:`Materialization` and returns :class:`Product` values. Reads go through the store,
which verifies hashes and refuses blocked partitions; the refs of everything read become the lineage of everything
published, so two inputs made from different versions of one ancestor are refused. Of the settings only the declared
sections can be read, and they are what the digest of everything published covers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.orchestration.declared_settings import DeclaredSettings
from factory_assets.orchestration.outputs import ATTEMPT, CATALOGUE, Output
from factory_assets.orchestration.provenance import carried_on
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.orchestration.study_artifact import short_history_in, study_in
from factory_assets.reports.figure import Figure
from factory_assets.splits.short_history import ShortHistory
from factory_assets.splits.study import Study
from factory_assets.storage import InputRef, Loaded, LoadedFiles, Manifest
from factory_assets.vocabulary.errors import FactoryError, LineageConflictError
from factory_assets.vocabulary.frames import to_frame
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import Barriers
from factory_assets.vocabulary.verdict import Scalar, Verdict


@dataclass(frozen=True, kw_only=True)
class Product:
    """What an asset body made for one output.

    Attributes
    ----------
    name : str
        Output (table or artifact) it belongs to.
    content : DataFrame or mapping of str to bytes
        A table in the in-memory conventions, or named files.
    verdicts : sequence of Verdict
        Every invariant declared for the output, evaluated once.
    metadata : mapping
        Figures of speech for the UI: counts, spans, shares.
    figures : sequence of Figure
        Plots shown on the asset's page.
    inputs : sequence of InputRef or None
        What the content depends on; None means everything that was read.
    meta : mapping of str to scalar
        Further figures for the manifest, such as hashes of raw files.
    """

    name: str
    content: pd.DataFrame | Mapping[str, bytes]
    verdicts: Sequence[Verdict] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    inputs: Sequence[InputRef] | None = None
    meta: Mapping[str, Scalar] = field(default_factory=dict)


class Materialization:
    """Reads of one partition and the words an asset body needs.

    Parameters
    ----------
    key : PartitionKey
        Partition being made.
    factory : FactoryResource
        Store, settings and clock.
    reads : collection of str
        Names the asset declared as upstream; reading anything else is a defect and raises.
    settings_sections : collection of str
        Sections of the settings the asset declared; reading another one is a defect and raises.
    tags : mapping of str to str
        Tags of the run; an opening of the test period travels there.
    """

    def __init__(
        self,
        key: PartitionKey,
        factory: FactoryResource,
        reads: Collection[str],
        *,
        settings_sections: Collection[str],
        tags: Mapping[str, str],
    ) -> None:
        self.key = key
        self.factory = factory
        self.tags = tags
        self._reads = frozenset(reads)
        self._settings_sections = frozenset(settings_sections)
        self._attempts: dict[str, tuple[str, str]] = {}
        self.refs: list[InputRef] = []
        self._figures_read: list[Mapping[str, Scalar]] = []

    @cached_property
    def settings(self) -> DeclaredSettings:
        """Settings in force, the declared sections of them."""
        return DeclaredSettings(self.factory.settings, self.key, self._settings_sections)

    @property
    def home(self) -> FactoryHome:
        """Folders of this run."""
        return self.factory.place

    @property
    def instrument(self) -> Instrument:
        """Row of the instrument table."""
        return instrument(self.key.contract)

    @cached_property
    def calendar(self) -> SessionCalendar:
        """Sessions the contract trades in."""
        return SessionCalendar.of(self.instrument)

    @property
    def horizon(self) -> int:
        """Horizon in base bars.

        Raises
        ------
        FactoryError
            If the partition has none: the asset is declared in the wrong family.
        """
        if self.key.horizon is None:
            raise FactoryError(f"partition {self.key} has no horizon; declare the asset contract x horizon")
        return self.key.horizon

    @property
    def barriers(self) -> Barriers:
        """Barrier geometry of the partition."""
        return self.settings.barriers

    @cached_property
    def study(self) -> Study:
        """Frozen cut dates of the contract, read from its verified ``study`` artifact.

        Raises
        ------
        TooLittleHistoryError
            The contract has too few sessions for a study; the message says how many it lacks.
        """
        return study_in(self._study_files)

    @cached_property
    def short_history(self) -> ShortHistory | None:
        """What the contract lacks for a study, and how far it may be labelled without one; None if it has one."""
        return short_history_in(self._study_files)

    @cached_property
    def _study_files(self) -> LoadedFiles:
        return self.read_files("study")

    @cached_property
    def study_sessions(self) -> Sessions:
        """Scheduled sessions from the study's first day to two weeks past its end: the clock counts run on."""
        return self.calendar.between(_as_date(self.study.train_first_day), _as_date(self.study.end_day + 14))

    @cached_property
    def clock_us(self) -> np.ndarray:
        """Every scheduled base-bar close of :attr:`study_sessions`, int64 microseconds."""
        return self.study_sessions.base_clock_us()

    def read(self, table: str, *, columns: Sequence[str] | None = None, until_day: int | None = None) -> pd.DataFrame:
        """Verified rows of one upstream table, history up to and including ``until_day`` if given."""
        schema = self._declared(table).schema
        if schema is None:
            raise FactoryError(f"{table} holds files, not a table; use read_files")
        loaded = self.factory.store.read_table(schema, self._key_of(table), columns=columns, until_day=until_day)
        self._take(table, loaded)
        return to_frame(loaded.table)

    def read_files(self, artifact: str) -> LoadedFiles:
        """Verified files of one upstream artifact."""
        loaded = self.factory.store.read_files(artifact, self._declared(artifact).group, self._key_of(artifact))
        self._take(artifact, loaded)
        return loaded

    def columns_of(self, table: str) -> tuple[str, ...]:
        """Columns of an upstream table in stored order, the partition's own in front."""
        return tuple(self._manifest_of(table).schema)

    def verdicts_of(self, name: str) -> tuple[Verdict, ...]:
        """Verdicts recorded with an upstream output."""
        return tuple(self._manifest_of(name).verdicts)

    def meta_of(self, name: str) -> Mapping[str, Scalar]:
        """Further figures recorded with an upstream output."""
        return self._manifest_of(name).meta

    @property
    def provenance(self) -> Mapping[str, str]:
        """Vendor, conventions and raw files of everything that was read so far."""
        return carried_on(self._figures_read)

    def _manifest_of(self, name: str) -> Manifest:
        return self.factory.store.manifest(name, self._declared(name).group, self._key_of(name))

    def _take(self, name: str, loaded: Loaded | LoadedFiles) -> None:
        """Record a read; outputs of one body have to come from one attempt, or a kill in between has mixed them."""
        attempt = str(loaded.manifest.meta.get(ATTEMPT, ""))
        body = CATALOGUE.body_of(name)
        first, sibling = self._attempts.setdefault(body, (attempt, name))
        if first != attempt:
            raise LineageConflictError(
                f"{self.key}: {sibling} and {name} are made together by {body}, but come from two attempts "
                f"({first or 'unknown'}; {attempt or 'unknown'}). Materialize {body} again."
            )
        self.refs.append(loaded.ref)
        self._figures_read.append(loaded.manifest.meta)

    def _key_of(self, name: str) -> PartitionKey:
        return self.key if CATALOGUE[name].by_horizon else self.key.of_contract

    def _declared(self, name: str) -> Output:
        if name not in self._reads:
            raise FactoryError(f"{name} is read but not declared upstream; add it to `reads` of the asset")
        return CATALOGUE[name]


def _as_date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)
