"""What the store, the registry of releases and the run list say of one contract: the plan's input, gathered."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.declared_settings import DeclaredSettings
from factory_assets.orchestration.freshness import State, partition_freshness
from factory_assets.orchestration.jobs import SEALED
from factory_assets.orchestration.operation.attempts import Attempt, RunState
from factory_assets.orchestration.operation.history import digest_of, horizon_history
from factory_assets.orchestration.operation.night import date_of, days_of
from factory_assets.orchestration.operation.plan import DIGEST_CHARACTERS, BundleState, ContractState, HorizonState
from factory_assets.orchestration.operation.raw_state import RawFolder, stored_raw
from factory_assets.orchestration.operation.run_tags import ASKED_AT, ATTEMPT, CONTRACT, INPUTS, PERIOD, STAGE
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.orchestration.releases import partition_releases, released_folder
from factory_assets.orchestration.resources import settings_in_force
from factory_assets.storage import Manifest, Store
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import RAW_MINUTES
from factory_assets.vocabulary.timeframes import BASE_MINUTES, HORIZONS_BARS, bars_name

BUNDLE = "bundle"
_BUNDLE_STATES: dict[State, BundleState] = {
    "missing": "missing",
    "blocked": "blocked",
    "damaged": "blocked",
    "stale": "stale",
}
_RELEASE_DIGEST_CHARACTERS = 64
_PARTITION_TAG = "dagster/partition"
_RUNS_LOOKED_AT = 500
_OVER: dict[dg.DagsterRunStatus, RunState] = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}
_UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in _OVER]


def look_at_contract(
    contract: str,
    horizons: Iterable[int],
    raw: RawFolder,
    *,
    profile: str,
    home: FactoryHome,
    store: Store,
    instance: dg.DagsterInstance,
) -> ContractState:
    """Everything the plan wants to know of one contract.

    Parameters
    ----------
    contract : str
        Symbol.
    horizons : iterable of int
        Horizons in base bars that follow it.
    raw : RawFolder
        Its raw files at this look.
    profile : str
        Budget of the runs that would be asked for: what was made under another one's settings is not fresh.
    home, store, instance
        Where releases lie, where bars lie, where runs are recorded.

    Raises
    ------
    StorageError
        A damaged manifest or registry: nothing is planned on what cannot be trusted.
    """
    key = PartitionKey(contract)
    attempts = asked_runs(instance, contract)
    foreign = _foreign_runs(instance, key)
    minutes, bars = _ready(store, RAW_MINUTES.name, key), _ready(store, bars_name(BASE_MINUTES), key)
    names = [output.name for output in CATALOGUE.all() if not output.by_horizon and output.name not in SEALED]
    outputs = partition_freshness(home, key, profile=profile, names=names, store=store)
    day, until = (None, "") if bars is None else _complete_until(bars)
    data_digest = "" if bars is None or day is None else bars.digest_at(days_of(day))[:DIGEST_CHARACTERS]
    history, short = horizon_history(store, key, data_digest)
    keys = [PartitionKey(contract, horizon) for horizon in sorted(horizons)]
    return ContractState(
        key=key,
        raw=raw.digest,
        raw_reason=raw.reason,
        stored_raw=None if minutes is None else stored_raw(minutes),
        is_current=not any(made.needs_run for made in outputs.values()),
        data_day=day,
        data_until=until,
        data_digest=data_digest,
        made_with=_made_with(home, key, profile, names),
        short_history=short,
        horizons=[_horizon(home, store, each, profile, history) for each in keys],
        attempts=attempts,
        foreign_runs=foreign,
    )


def _made_with(home: FactoryHome, key: PartitionKey, profile: str, names: Collection[str]) -> str:
    """Digest of the settings and the code that outputs would be made with."""
    sections = sorted({section for name in names for section in CATALOGUE.sections_of(name)})
    settings = DeclaredSettings(settings_in_force(profile, home.settings_file), key, sections)
    return digest_of([settings.digest, code_version()])


def asked_runs(instance: dg.DagsterInstance, contract: str) -> list[Attempt]:
    """Runs the factory asked for earlier, oldest first by the run list.

    A run without a moment of asking (an older version's) counts as asked at its beginning of time.
    """
    found = []
    for run in instance.get_runs(filters=dg.RunsFilter(tags={CONTRACT: contract}), limit=_RUNS_LOOKED_AT):
        tags = run.tags
        if STAGE not in tags:
            continue
        found.append(
            Attempt(
                partition=tags.get(_PARTITION_TAG, contract),
                stage=tags[STAGE],
                period=tags.get(PERIOD, ""),
                number=int(tags.get(ATTEMPT, "1")),
                inputs=tags.get(INPUTS, ""),
                state=_OVER.get(run.status, "active"),
                asked_at=datetime.fromisoformat(tags[ASKED_AT])
                if ASKED_AT in tags
                else datetime.min.replace(tzinfo=UTC),
            )
        )
    return found[::-1]


def _foreign_runs(instance: dg.DagsterInstance, key: PartitionKey) -> list[str]:
    """Runs of the contract's partitions that are not over and that no sensor asked for."""
    ours = {str(key), *(str(PartitionKey(key.contract, horizon)) for horizon in HORIZONS_BARS)}
    under_way = instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY))
    return [
        f"run {run.run_id[:8]} of {run.tags[_PARTITION_TAG]}"
        for run in under_way
        if STAGE not in run.tags and run.tags.get(_PARTITION_TAG) in ours
    ]


def _ready(store: Store, table: str, key: PartitionKey) -> Manifest | None:
    """Manifest of a market table, blocked or not: what it held before the block is still stored."""
    if store.status(table, RAW_MINUTES.group, key) == "missing":
        return None
    return store.manifest(table, RAW_MINUTES.group, key)


def _horizon(home: FactoryHome, store: Store, key: PartitionKey, profile: str, history: str) -> HorizonState:
    made = partition_freshness(home, key, profile=profile, names=[BUNDLE], store=store)[BUNDLE]
    bundle: BundleState = "fresh" if not made.needs_run else _BUNDLE_STATES[made.state]
    names = [output.name for output in CATALOGUE.all() if output.name not in SEALED]
    champion = partition_releases(home, key).champion or ""
    return HorizonState(
        key=key,
        bundle=bundle,
        champion=champion,
        made_from=digest_of([history, _made_with(home, key, profile, names)]),
        lost_registry="" if champion else _lost_registry(home, key),
    )


def _lost_registry(home: FactoryHome, key: PartitionKey) -> str:
    """Folder with bundles but no registry of them; empty if there is a registry, or no bundle."""
    folder = released_folder(home, key, "any").parent
    if ReleaseRegistry(home.releases, key).path.exists() or not folder.is_dir():
        return ""
    bundles = [path for path in folder.iterdir() if path.is_dir() and len(path.name) == _RELEASE_DIGEST_CHARACTERS]
    return str(folder) if bundles else ""


def _complete_until(bars: Manifest) -> tuple[date | None, str]:
    """Last trade date whose bars reach its flat time, and the close of the last bar."""
    if bars.last is None:
        return None, ""
    last_close = datetime.fromisoformat(str(bars.last[0]))
    until = last_close.isoformat(timespec="minutes")
    calendar = SessionCalendar.of(instrument(bars.key.contract))
    days = [day for day, _ in bars.sessions]
    newest = calendar.between(date_of(days[-1]), date_of(days[-1]))
    flat_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(newest.flat_us[0]))
    if last_close >= flat_at:
        return date_of(days[-1]), until
    return (date_of(days[-2]) if len(days) > 1 else None), until
