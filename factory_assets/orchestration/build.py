"""Assemble the code location; tests hand in another resource, nothing else changes."""

import dagster as dg

from factory_assets.orchestration.assets.adapters import tabular
from factory_assets.orchestration.assets.deployment import bundle
from factory_assets.orchestration.assets.evaluation import evaluation
from factory_assets.orchestration.assets.features import features
from factory_assets.orchestration.assets.labels import labels, sealed_outcomes
from factory_assets.orchestration.assets.market import canonical, ladder, raw_minutes
from factory_assets.orchestration.assets.models import MODEL_ASSETS
from factory_assets.orchestration.assets.reports import report
from factory_assets.orchestration.assets.splits import splits
from factory_assets.orchestration.assets.stacking import clock_atr_baselines, stack
from factory_assets.orchestration.assets.study import study
from factory_assets.orchestration.assets.test_report import test_report
from factory_assets.orchestration.jobs import family_jobs
from factory_assets.orchestration.no_implicit_io import NoImplicitIO
from factory_assets.orchestration.resources import FactoryResource


def build_definitions(factory: FactoryResource | None = None) -> dg.Definitions:
    """Every asset, check, job and resource of the factory.

    Parameters
    ----------
    factory : FactoryResource, optional
        Resource to use instead of the environment's.
    """
    assets = [
        raw_minutes,
        canonical,
        ladder,
        features,
        study,
        labels,
        sealed_outcomes,
        splits,
        tabular,
        *MODEL_ASSETS,
        clock_atr_baselines,
        stack,
        evaluation,
        bundle,
        report,
        test_report,
    ]
    return dg.Definitions(
        assets=assets,
        jobs=family_jobs(assets),
        resources={"factory": factory or FactoryResource(), "io_manager": NoImplicitIO()},
        executor=dg.in_process_executor,
    )
