"""Jobs: the contract's, the horizon's, and the night's. The sealed outcomes and the test report are in no job."""

from typing import Any

import dagster as dg

from factory_assets.orchestration.partitions import CONTRACT, CONTRACT_HORIZON

CONTRACT_JOB = "contract"
HORIZON_JOB = "horizon"
NIGHT_JOB = "night"
NIGHT_GROUP = "nightly"
"""Assets of a champion's night; they are in the night's job alone."""
SEALED = ("sealed_outcomes", "test_report")
"""Assets that only an explicit opening materializes."""


def family_jobs(assets: list[dg.AssetsDefinition]) -> list[Any]:
    """Every asset that is not sealed, in one job each: by partition family, a champion's night apart."""

    def keys(*, by_horizon: bool, at_night: bool = False) -> list[dg.AssetKey]:
        family = CONTRACT_HORIZON if by_horizon else CONTRACT
        return [
            key
            for definition in assets
            if definition.partitions_def == family
            for key in definition.keys
            if key.path[-1] not in SEALED and (key.path[0] == NIGHT_GROUP) is at_night
        ]

    return [
        dg.define_asset_job(
            CONTRACT_JOB,
            selection=dg.AssetSelection.assets(*keys(by_horizon=False)),
            description="Raw files of one contract to bars, features and the study.",
        ),
        dg.define_asset_job(
            HORIZON_JOB,
            selection=dg.AssetSelection.assets(*keys(by_horizon=True)),
            description="Labels of one contract and horizon to models, evaluation, bundle and report.",
        ),
        dg.define_asset_job(
            NIGHT_JOB,
            selection=dg.AssetSelection.assets(*keys(by_horizon=True, at_night=True)),
            description="Refit of the champion's recipe on all data to the last close, and both scored forward.",
        ),
    ]
