"""Assemble the code location; tests hand in another resource, nothing else changes."""

import dagster as dg

from factory_assets.orchestration.assets import all_assets
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
    assets = list(all_assets())
    return dg.Definitions(
        assets=assets,
        jobs=family_jobs(assets),
        resources={"factory": factory or FactoryResource(), "io_manager": NoImplicitIO()},
        executor=dg.in_process_executor,
    )
