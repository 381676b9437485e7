"""A job that fails, and runs of it in the states that a night meets."""

import dagster as dg

from factory_assets.vocabulary.clock import system_clock


@dg.op
def fails() -> None:
    raise ValueError("the vendor sent nothing")


@dg.job
def failing() -> None:
    fails()


def started(instance: dg.DagsterInstance, **tags: str) -> str:
    """A run that is under way by the book."""
    run = instance.create_run_for_job(failing, tags=tags)
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id=run.run_id,
            timestamp=system_clock().timestamp(),
            job_name=run.job_name,
            dagster_event=dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=run.job_name),
        )
    )
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.STARTED
    return run.run_id
