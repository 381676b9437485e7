"""Whether what a partition holds is what a run would make now: judged from manifests, no data file is read.

An output is stale when what it was made of has changed since: the content of an input, the settings its declared
sections hold, an input outside the store that it declared (a partition's champion), or the code. So is whatever was
made of a stale output, because a run would remake that one first. The walk upstream cuts history as
:mod:`factory_assets.storage.lineage` does: whoever read ``features_5min`` until day D depends on ``bars_5min`` until D
only, and readers of a slice do not look at tables without sessions. Appended bars therefore leave a study's assets
fresh, and restated ones do not; an input that was materialized again with equal bytes has not changed. An attempt that
failed blocks its output, whatever else is true of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.declared_settings import DeclaredSettings
from factory_assets.orchestration.jobs import SEALED
from factory_assets.orchestration.outputs import CATALOGUE, OUTSIDE, Output
from factory_assets.orchestration.resources import profile_in_force, settings_in_force
from factory_assets.storage import InputRef, Manifest, Store
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.errors import IntegrityError, MissingPartitionError, RemoteStoreError, StorageError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import PROFILES, FactorySettings

Cause = Literal["input", "settings", "code", "blocked", "missing", "damaged"]
State = Literal["fresh", "stale", "blocked", "missing", "damaged"]


@dataclass(frozen=True, kw_only=True, order=True)
class Reason:
    """One reason why an output is not what a run would make.

    Attributes
    ----------
    cause : str
        ``input`` (content of an input changed, or what is asked for outside the store), ``settings``, ``code`` (made
        by other code), or an upstream output that is ``blocked``, ``missing`` or ``damaged``.
    at : str
        Output where it lies: the output itself, or the ancestor it inherits the reason from.
    detail : str
        What exactly, for people.
    """

    cause: Cause
    at: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class AssetState:
    """One output of one partition.

    Attributes
    ----------
    name, group : str
        Which output.
    state : str
        ``fresh``, ``stale``, ``blocked`` (its last attempt failed), ``missing`` (never made) or ``damaged``.
    reasons : tuple of Reason
        Why it is not fresh; empty when fresh or missing.
    manifest : Manifest or None
        The current one; None when missing or damaged.
    """

    name: str
    group: str
    state: State
    reasons: tuple[Reason, ...] = ()
    manifest: Manifest | None = None

    @property
    def only_code(self) -> bool:
        """Stale, and for no other reason than that other code made it."""
        return self.state == "stale" and all(reason.cause == "code" for reason in self.reasons)

    @property
    def needs_run(self) -> bool:
        """Whether a run is due although the code may have changed since: all but fresh ones and :attr:`only_code`."""
        return self.state != "fresh" and not self.only_code


def partition_freshness(
    home: FactoryHome,
    key: PartitionKey,
    *,
    profile: str | None = None,
    names: Collection[str] | None = None,
    store: Store | None = None,
) -> Mapping[str, AssetState]:
    """State of every output of one partition, by output name in order of declaration.

    Parameters
    ----------
    home : FactoryHome
        Whose store and settings.
    key : PartitionKey
        A contract (its bars, features and study) or a contract and horizon; sealed outputs are left out.
    profile : str, optional
        Budget the next run would have; by default ``FACTORY_PROFILE``, or ``fast``.
    names : collection of str, optional
        Outputs to judge; by default all of the code location but the sealed ones.
    store : Store, optional
        The home's store, if the caller has it open: manifests it has read stay in memory.

    Raises
    ------
    ConfigurationError
        The settings file is wrong.
    RemoteStoreError
        The store cannot be reached.
    """
    chosen = _graph_names() if names is None else frozenset(names)
    opened = store or Store(home.store_url, clock=system_clock, locks_folder=home.root / "locks")
    walk = _Walk(home, opened, profile or profile_in_force())
    by_horizon = key.horizon is not None
    return {
        output.name: walk.state(output, key)
        for output in CATALOGUE.all()
        if output.by_horizon == by_horizon and output.name in chosen
    }


@cache
def _graph_names() -> frozenset[str]:
    return frozenset(key.path[-1] for definition in all_assets() for key in definition.keys) - frozenset(SEALED)


class _Walk:
    """One look at a store: each manifest is read once, each output judged once."""

    def __init__(self, home: FactoryHome, store: Store, profile: str) -> None:
        self._home, self._store, self._profile = home, store, profile
        self._settings = settings_in_force(profile, home.settings_file)
        self._current: dict[tuple[str, PartitionKey], Manifest | StorageError] = {}
        self._judged: dict[tuple[str, int | None], tuple[Reason, ...]] = {}

    def state(self, output: Output, key: PartitionKey) -> AssetState:
        """State of one output."""
        found = self._manifest(output.name, output.group, key)
        if isinstance(found, MissingPartitionError):
            return AssetState(name=output.name, group=output.group, state="missing")
        if isinstance(found, StorageError):
            why = _reason("damaged", output.name, str(found))
            return AssetState(name=output.name, group=output.group, state="damaged", reasons=(why,))
        state: State
        reasons: tuple[Reason, ...]
        if found.blocked is not None:
            state, reasons = "blocked", (_reason("blocked", output.name, found.blocked.reason),)
        else:
            reasons = self._reasons(found, None)
            state = "stale" if reasons else "fresh"
        return AssetState(name=output.name, group=output.group, state=state, reasons=reasons, manifest=found)

    def _reasons(self, manifest: Manifest, day: int | None) -> tuple[Reason, ...]:
        """Why the history of a ready output, until a day if one is given, is not what a run would make."""
        place = manifest.sha256, day
        if place not in self._judged:
            found = [*self._own_reasons(manifest)]
            for ref in manifest.inputs:
                reached = ref.until_day if manifest.session_column is None else _earlier(day, ref.until_day)
                found += self._input_reasons(manifest, ref, reached)
            self._judged[place] = tuple(dict.fromkeys(found))
        return self._judged[place]

    def _own_reasons(self, manifest: Manifest) -> list[Reason]:
        name, found = manifest.table, []
        if not CATALOGUE.knows(name):
            return [_reason("code", name, "no asset of this name is declared any more")]
        if manifest.settings_digest != self._digest(name, manifest.key, self._profile):
            found.append(_reason("settings", name, self._changed_settings(manifest)))
        found += self._outside_reasons(manifest)
        if manifest.code_version != code_version():
            found.append(_reason("code", name, f"made by code {manifest.code_version}, this is {code_version()}"))
        return found

    def _outside_reasons(self, manifest: Manifest) -> list[Reason]:
        """Declared inputs outside the store that are not what the manifest says they were."""
        name, found = manifest.table, []
        for outside, ask in CATALOGUE.outside_of(name).items():
            try:
                now = ask(self._home, self._store, manifest.key)
            except RemoteStoreError:
                raise
            except StorageError as problem:
                found.append(_reason("damaged", name, f"{outside}: {problem}"))
                continue
            if manifest.meta.get(f"{OUTSIDE}{outside}") != now:
                found.append(_reason("input", name, f"{outside} changed"))
        return found

    def _input_reasons(self, consumer: Manifest, ref: InputRef, reached: int | None) -> list[Reason]:
        now = self._manifest(ref.table, ref.group, ref.key)
        if isinstance(now, MissingPartitionError):
            return [_reason("missing", ref.table, f"{ref.table}|{ref.key} is gone")]
        if isinstance(now, StorageError):
            return [_reason("damaged", ref.table, str(now))]
        if now.session_column is None and reached is not None and ref.until_day is None:
            return []  # readers of a slice: what a restatement there does shows in the slice's own digest
        if now.blocked is not None:
            return [_reason("blocked", ref.table, now.blocked.reason)]
        try:
            before = ref.digest if reached == ref.until_day else self._store.manifest_read(ref).digest_at(reached)
        except IntegrityError as problem:
            return [_reason("damaged", ref.table, str(problem))]
        changed = now.session_column is None and reached is not None
        if changed or now.digest_at(reached) != before:
            slice_name = "" if reached is None else " within the sessions that were read"
            own = [_reason("input", consumer.table, f"{ref.table} changed{slice_name}")]
        else:
            own = []
        return [*own, *self._reasons(now, reached)]

    def _manifest(self, table: str, group: str, key: PartitionKey) -> Manifest | StorageError:
        place = table, key
        if place not in self._current:
            try:
                self._current[place] = self._store.manifest(table, group, key)
            except RemoteStoreError:  # true of every partition
                raise
            except StorageError as problem:
                self._current[place] = problem
        return self._current[place]

    def _digest(self, name: str, key: PartitionKey, profile: str) -> str:
        settings = self._settings if profile == self._profile else self._other_profiles[profile]
        return DeclaredSettings(settings, key, CATALOGUE.sections_of(name)).digest

    @cached_property
    def _other_profiles(self) -> Mapping[str, FactorySettings]:
        return {name: settings_in_force(name, self._home.settings_file) for name in PROFILES if name != self._profile}

    def _changed_settings(self, manifest: Manifest) -> str:
        for profile in self._other_profiles:
            if manifest.settings_digest == self._digest(manifest.table, manifest.key, profile):
                return f"made under profile {profile}, {self._profile} is in force"
        sections = ", ".join(f"[{name}]" for name in CATALOGUE.sections_of(manifest.table))
        return f"{sections or 'no section'}: other values than it was made with"


def _reason(cause: Cause, at: str, detail: str) -> Reason:
    return Reason(cause=cause, at=at, detail=detail)


def _earlier(first: int | None, second: int | None) -> int | None:
    days = [day for day in (first, second) if day is not None]
    return min(days, default=None)
