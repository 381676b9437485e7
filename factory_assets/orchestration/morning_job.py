"""Job ``morning``: the state of every partition, logged as one MLflow run a Dagster run.

The one job that uses dagster-mlflow's resource and hook: it makes one MLflow run a Dagster run, which is what a summary
is, and far too coarse for models (those are logged by :mod:`factory_assets.orchestration.tracking`). Both are imported
when the job runs, so the code location loads without MLflow. Asked for by hand, or by its schedule once that is on.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from factory_assets.orchestration.partition_status import reason_lines, short_rows, status_rows
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.orchestration.tracking.place import TrackingPlace
from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import ConfigurationError

MORNING_JOB = "morning"
_LOCK_SECONDS = 60.0
_COUNTED = ("fresh", "stale", "other_code", "blocked", "missing", "damaged")
_RELEASES = ("champion", "champion_since", "challenger", "challenger_data_end", "data_until")


@dg.resource(required_resource_keys={"factory"}, description="dagster-mlflow's resource, on the factory's run log.")
def morning_log(context: dg.InitResourceContext) -> Iterator[Any]:
    """MLflow run of this Dagster run, in the experiment ``morning`` of the factory's run log."""
    factory: FactoryResource = context.resources.factory
    if not factory.settings.tracking.enabled:
        raise ConfigurationError(
            "[tracking] enabled = false: the morning summary is an entry of the run log. Set it to true, or read "
            "`factory status`."
        )
    place = TrackingPlace.of(factory.place, factory.settings.tracking)
    place.prepare()
    # One morning at a time, so that whatever is RUNNING under the lock belongs to a process that died.
    with file_lock(place.locks / "morning.lock", _LOCK_SECONDS):
        client = place.client()
        experiment = place.experiment(client, MORNING_JOB)
        _end_dead_runs(client, experiment, context.instance)
        yield from _resource(context, place, name=client.get_experiment(experiment).name)


def _end_dead_runs(client: Any, experiment: str, instance: dg.DagsterInstance | None) -> None:
    """End what a killed morning of this instance left RUNNING; runs of other instances are theirs to end."""
    for run in client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'"):
        if instance is not None and instance.has_run(run.data.tags.get("dagster_run_id", "")):
            client.set_terminated(run.info.run_id, "KILLED")


def _resource(context: dg.InitResourceContext, place: TrackingPlace, *, name: str) -> Iterator[Any]:
    """dagster-mlflow's resource for one experiment of a place."""
    import mlflow

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        from dagster_mlflow import mlflow_tracking

    config = {
        "experiment_name": name,
        "mlflow_tracking_uri": place.uri,
        "parent_run_id": None,
        "mlflow_run_id": None,
        "env": {},
        "env_to_tag": None,
        "extra_tags": {"factory.profile": context.resources.factory.profile},
    }
    before = os.environ.get("MLFLOW_TRACKING_URI")
    try:
        made: Any = mlflow_tracking.resource_fn
        yield from made(context.replace_config(config))
    finally:  # MLflow leaves its store in this process's environment, where the next home would find it
        restore: Any = mlflow.set_tracking_uri  # takes None, which its annotation leaves out
        restore(before)


def _end_mlflow_run(context: dg.HookContext, events: Sequence[dg.DagsterEvent]) -> dg.HookExecutionResult:
    from dagster_mlflow import end_mlflow_on_run_finished

    return end_mlflow_on_run_finished.hook_fn(context, events)


end_mlflow_run = dg.HookDefinition(
    name="end_mlflow_run", hook_fn=_end_mlflow_run, required_resource_keys=frozenset({"mlflow"})
)
"""dagster-mlflow's hook: without it the MLflow run would stay RUNNING."""


@dg.op(required_resource_keys={"factory", "mlflow"}, description="Counts, releases and reasons of every partition.")
def morning_summary(context: dg.OpExecutionContext) -> None:
    """Log what ``factory status`` would say now: counts as metrics, releases as tags, the whole as a text."""
    factory: FactoryResource = context.resources.factory
    rows = status_rows(factory.place, profile=factory.profile, instance=context.instance)
    text = summary_text(rows, moment=factory.clock().isoformat(timespec="seconds"))
    mlflow = context.resources.mlflow
    mlflow.log_metrics(summary_metrics(rows))
    mlflow.set_tags(summary_tags(rows))
    mlflow.log_text(text, "morning.txt")
    context.log.info(text)


@dg.graph(name=MORNING_JOB, description="What is fresh, stale, blocked and failed; champion and challenger.")
def _morning() -> None:
    """One op: look, and write down."""
    morning_summary()


def morning_job(factory: FactoryResource) -> dg.JobDefinition:
    """The job, for the code location of this resource."""
    return _morning.to_job(
        name=MORNING_JOB,
        resource_defs={"factory": factory.get_resource_definition(), "mlflow": morning_log},
        hooks={end_mlflow_run},
        executor_def=dg.in_process_executor,
    )


def morning_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """At 06:00 Chicago on weekdays, after the night's runs; off until it is switched on in the UI."""
    return dg.ScheduleDefinition(
        name=MORNING_JOB,
        job=job,
        cron_schedule="0 6 * * 1-5",
        execution_timezone="America/Chicago",
        description="The morning summary, after the night's runs; off until switched on.",
    )


def summary_metrics(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Counts by partition (``MGC.20.stale``) and over all of them (``all.stale``); ``failed`` is the last run."""
    found: dict[str, float] = {}
    for row in rows:
        name = row["partition"].replace("|", ".")
        counts = {each: float(len(row[each])) for each in _COUNTED}
        counts["failed"] = float(row["last_run"] is not None and row["last_run"]["state"] == "failure")
        found |= {f"{name}.{each}": count for each, count in counts.items()}
    totals = (*_COUNTED, "failed")
    return found | {
        f"all.{each}": sum(found[f"{row['partition'].replace('|', '.')}.{each}"] for row in rows) for each in totals
    }


def summary_tags(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Champion, challenger, data end and last run of each partition."""
    tags: dict[str, str] = {}
    for row in rows:
        name = row["partition"].replace("|", ".")
        tags |= {f"{name}.{each}": str(row[each]) for each in _RELEASES if row[each] is not None}
        if row["last_run"] is not None:
            tags[f"{name}.last_run"] = f"{row['last_run']['state']} {row['last_run']['ended'] or ''}".strip()
    return tags


def summary_text(rows: Sequence[Mapping[str, Any]], *, moment: str) -> str:
    """The summary as a person reads it."""
    if not rows:
        return f"{moment}: no partition holds anything yet.\n"
    lines = [
        f"{row['partition']}: "
        + ", ".join(
            f"{name} {value}".replace("\n", " ") for name, value in row.items() if name != "partition" and value
        )
        for row in short_rows(rows)
    ]
    return "\n".join([f"State at {moment}", *lines, "", *reason_lines(rows), ""])
