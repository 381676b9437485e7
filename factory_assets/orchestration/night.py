"""What a night works for: the champion of a partition, loaded and verified, under the settings it was made with."""

from dataclasses import dataclass

import pandas as pd

from factory_assets.deployment import Release, load_bundle
from factory_assets.deployment.release_registry import ReleaseRecord, ReleaseRegistry
from factory_assets.orchestration.materialization import Materialization
from factory_assets.orchestration.releases import released_folder
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.timeframes import features_name


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


def features_read_by(part: Materialization, release: Release) -> dict[int, pd.DataFrame]:
    """The feature tables a release's members read, by timeframe; all history."""
    return {
        minutes: part.read(features_name(minutes), columns=["close_time", *names])
        for minutes, names in release.reads.items()
    }
