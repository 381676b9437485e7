"""Jobs: one a partition family. The sealed outcomes and the test report are in no job."""

from typing import Any

import dagster as dg

from factory_assets.orchestration.partitions import CONTRACT, CONTRACT_HORIZON

CONTRACT_JOB = "contract"
HORIZON_JOB = "horizon"
SEALED = ("sealed_outcomes", "test_report")
"""Assets that only an explicit opening materializes."""


def family_jobs(assets: list[dg.AssetsDefinition]) -> list[Any]:
    """One job a partition family, over every asset of it that is not sealed."""

    def keys(by_horizon: bool) -> list[dg.AssetKey]:
        family = CONTRACT_HORIZON if by_horizon else CONTRACT
        return [
            key
            for definition in assets
            if definition.partitions_def == family
            for key in definition.keys
            if key.path[-1] not in SEALED
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
    ]
