"""Assemble the code location; tests hand in another resource, nothing else changes."""

import dagster as dg

from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.jobs import family_jobs
from factory_assets.orchestration.morning_job import morning_job, morning_schedule
from factory_assets.orchestration.no_implicit_io import NoImplicitIO
from factory_assets.orchestration.operation.sensors import operation_sensors
from factory_assets.orchestration.resources import FactoryResource


def build_definitions(
    factory: FactoryResource | None = None, *, executor: dg.ExecutorDefinition = dg.in_process_executor
) -> dg.Definitions:
    """Every asset, check, job, schedule, sensor and resource of the factory.

    Parameters
    ----------
    factory : FactoryResource, optional
        Resource to use instead of the environment's.
    executor : ExecutorDefinition
        What runs the steps. In one process unless a deployment brings another one: only model fits get processes of
        their own, which costs less than a process a step (``benchmarks/executors.py``).
    """
    assets = list(all_assets())
    jobs = family_jobs(assets)
    resource = factory or FactoryResource()
    morning = morning_job(resource)
    return dg.Definitions(
        assets=assets,
        jobs=[*jobs, morning],
        schedules=[morning_schedule(morning)],
        sensors=operation_sensors({job.name: job for job in jobs}, resource),
        resources={"factory": resource, "io_manager": NoImplicitIO()},
        executor=executor,
    )
