"""What a night works for: the champion of a partition, loaded and verified, under the settings it was made with."""

import hashlib
from dataclasses import dataclass

import pandas as pd

from factory_assets.deployment import Release, load_bundle
from factory_assets.deployment.release_registry import ReleaseRecord, ReleaseRegistry
from factory_assets.orchestration.materialization import Materialization
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.orchestration.releases import released_folder
from factory_assets.orchestration.series_volume import has_volume
from factory_assets.storage import Store
from factory_assets.vocabulary.errors import BadInputError, MissingPartitionError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.timeframes import BASE_MINUTES, bars_name, features_name


@dataclass(frozen=True, kw_only=True, eq=False)
class Night:
    """The champion, loaded and verified, with the registry that names it."""

    registry: ReleaseRegistry
    record: ReleaseRecord
    release: Release


def night_of(part: Materialization) -> Night:
    """What a night works for.

    Raises
    ------
    BadInputError
        Nothing was promoted yet, or the champion is of another study or other label settings than those in force.
    IntegrityError
        Registry or bundle were touched.
    """
    registry = ReleaseRegistry(part.home.releases, part.key)
    record = registry.champion()
    where = f"--contract {part.key.contract} --horizon {part.key.horizon}"
    if record is None:
        raise BadInputError(
            f"{part.key} has no champion, so there is nothing to refit or to score tonight. Promote a release first: "
            f'factory promote {where} --reason "…"'
        )
    release = load_bundle(released_folder(part.home, part.key, record.digest), expected_digest=record.digest)
    differing = [
        name
        for name, mine, frozen in (
            ("study", part.study.to_json(), release.study),
            ("[labels]", part.settings.labels, release.labels),
            ("[barriers]", part.barriers, release.barriers),
        )
        if mine != frozen
    ]
    if differing:
        raise BadInputError(
            f"{part.key}: champion {record.digest[:12]} was made under another {', '.join(differing)} (its profile is "
            f"{release.profile!r}). Run the night under that profile and those settings, or promote a release made "
            f'under the present ones: factory promote {where} --reason "…"'
        )
    return Night(registry=registry, record=record, release=release)


def champion_now(home: FactoryHome, _store: Store, key: PartitionKey) -> str:
    """Digest of the release whose recipe is refitted; empty while nothing was promoted.

    Raises
    ------
    IntegrityError
        The registry was touched.
    """
    record = ReleaseRegistry(home.releases, key).champion()
    return "" if record is None else record.digest


def speakers_now(home: FactoryHome, store: Store, key: PartitionKey) -> str:
    """Digest of who may speak of the sessions the store holds; empty while nothing was promoted.

    That is the promotion in force, its moment included, and the refits of its recipe that ended before the last session
    of the bars. Tonight's refit has seen all of them and speaks of none: it changes nothing here until a session is
    added.

    Raises
    ------
    IntegrityError
        The registry was touched.
    """
    registry = ReleaseRegistry(home.releases, key)
    record = registry.champion()
    if record is None:
        return ""
    last_day = _last_day(store, key)
    refits = [refit.hash for refit in registry.refits(parent=record.digest) if refit.data_end_day < last_day]
    return hashlib.sha256(" ".join([record.hash, *refits]).encode()).hexdigest()


def _last_day(store: Store, key: PartitionKey) -> int:
    """Last session of the base bars, days since 1970; the day before all others if there are none."""
    bars = bars_name(BASE_MINUTES)
    try:
        sessions = store.manifest(bars, CATALOGUE[bars].group, key.of_contract).sessions
    except MissingPartitionError:
        return -1
    return sessions[-1][0] if sessions else -1


def features_read_by(part: Materialization, release: Release) -> dict[int, pd.DataFrame]:
    """The feature tables a release's members read, by timeframe; all history.

    Raises
    ------
    BadInputError
        The series had volume when the release was made and has none now, or the reverse.
    """
    now = has_volume(part, features_name(BASE_MINUTES))
    if now != release.has_volume:
        raise BadInputError(
            f"{part.key}: the release was made of a series with{'' if release.has_volume else 'out'} volume, the "
            f"series now is one with{'' if now else 'out'}: its members read other columns. Take the raw files and the "
            "declaration back (volume in source.toml), or make and promote a release of this series."
        )
    return {
        minutes: part.read(features_name(minutes), columns=["close_time", *names])
        for minutes, names in release.reads.items()
    }
