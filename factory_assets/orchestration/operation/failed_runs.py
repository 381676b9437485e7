"""Failed runs and failed looks of the sensors as alerts: which failures are news, and what each one says."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

import dagster as dg

from factory_assets.orchestration.operation.alerts import Alert
from factory_assets.orchestration.operation.presence import age_of
from factory_assets.orchestration.operation.run_tags import ATTEMPT, LAST_ATTEMPT, NO, STAGE, TRADE_DATE

_RUNS_LOOKED_AT = 200
_LOOKS_FAILED_MIN = 3
_MESSAGE_CHARACTERS_MAX = 2000
_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def newest_run(instance: dg.DagsterInstance) -> int:
    """Number of the newest run the instance knows; 0 if it knows none."""
    records = instance.get_run_records(limit=1)
    return records[0].storage_id if records else 0


def new_failures(
    instance: dg.DagsterInstance,
    known: Collection[str],
    *,
    older_than: int,
    now: datetime,
    ended: Collection[str] = (),
) -> list[Alert]:
    """One alert a failed run that has none yet, oldest first.

    Parameters
    ----------
    instance : DagsterInstance
        Where runs are recorded.
    known : collection of str
        Ids of the alerts there are.
    older_than : int
        Runs up to this number were made before anybody watched: of those, only the ones a sensor asked for are told.
    now : datetime
        Moment of the injected clock.
    ended : collection of str
        Ids of runs that were ended just now: told whoever made them, and when.
    """
    records = instance.get_run_records(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=_RUNS_LOOKED_AT
    )
    return [
        _alert(instance, record.dagster_run, now)
        for record in reversed(records)
        if record.dagster_run.run_id not in known
        and (record.storage_id > older_than or STAGE in record.dagster_run.tags or record.dagster_run.run_id in ended)
    ]


def long_runs(instance: dg.DagsterInstance, *, now: datetime, hours_max: int) -> list[Alert]:
    """One alert a day for each run that is not over after ``hours_max``: it may hang, and every night waits for it.

    It is told and left alone, since its process lives or somebody is still to start it.
    """
    found = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
        run, hours = record.dagster_run, age_of(record, now) / timedelta(hours=1)
        if hours <= hours_max:
            continue
        night = run.tags.get(TRADE_DATE, "")
        found.append(
            Alert(
                id=f"long:{run.run_id}:{now.date().isoformat()}",
                time=now.isoformat(),
                kind="long run",
                partition=run.tags.get("dagster/partition", ""),
                trade_date="" if night == "none" else night,
                stage=run.tags.get(STAGE, run.job_name.strip("_").lower()),
                is_final=True,
                message=f"{run.status.value} for {hours:.0f} hours, and later runs wait for it. If nothing moves on "
                "its page (Runs), terminate it there; the nights then go on.",
                run_id=run.run_id,
            )
        )
    return found


def failed_looks(instance: dg.DagsterInstance, sensors: Collection[str], *, now: datetime) -> list[Alert]:
    """One alert a sensor whose last three looks raised: a night nobody looks for would be lost without a word.

    A code server that is just being started fails one look or two. The same error is one alert a day, however many
    looks it stops.
    """
    found = []
    for state in instance.all_instigator_state():
        if state.instigator_name not in sensors:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_LOOKS_FAILED_MIN)
        if len(ticks) < _LOOKS_FAILED_MIN or any(tick.status.value != "FAILURE" for tick in ticks):
            continue
        message = _first_cause(ticks[0].error)
        digest = hashlib.sha256(message.encode()).hexdigest()[:16]
        found.append(
            Alert(
                id=f"sensor:{state.instigator_name}:{now.date().isoformat()}:{digest}",
                time=now.isoformat(),
                kind="failed look",
                is_final=True,
                step=state.instigator_name,
                message=message[:_MESSAGE_CHARACTERS_MAX],
            )
        )
    return found


def _alert(instance: dg.DagsterInstance, run: dg.DagsterRun, now: datetime) -> Alert:
    step, message = _told(instance, run.run_id)
    night = run.tags.get(TRADE_DATE, "")
    return Alert(
        id=run.run_id,
        time=now.isoformat(),
        kind="failed run",
        partition=run.tags.get("dagster/partition", ""),
        trade_date="" if night == "none" else night,
        stage=run.tags.get(STAGE, run.job_name.strip("_").lower()),
        attempt=int(number) if (number := run.tags.get(ATTEMPT, "")).isdecimal() else 0,
        is_final=run.tags.get(LAST_ATTEMPT) != NO,
        step=step,
        message=message[:_MESSAGE_CHARACTERS_MAX],
        run_id=run.run_id,
    )


def _told(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """Step and message of a run's first failed step; the run's own message if no step failed."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    entries = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kinds) if entry.dagster_event]
    for event in entries:
        if event.is_step_failure:
            told = event.step_failure_data
            if told.user_failure_data is not None and told.user_failure_data.description:
                return event.step_key or "", told.user_failure_data.description
            return event.step_key or "", _first_cause(told.error)
    return "", "; ".join(event.message for event in entries if event.message) or "no event says why"


def _first_cause(error: object) -> str:
    """The message at the bottom of a chain of causes: what the code itself said."""
    message = "no error was recorded"
    while error is not None:
        message = str(getattr(error, "message", error)).strip()
        error = getattr(error, "cause", None)
    return message
