"""Run a selection of assets for one partition in this process, on the instance the web UI reads."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from factory_assets.orchestration.instance import embedded_instance
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

StepListener = Callable[[str, str], None]
"""Called with the step's name and ``started``, ``succeeded`` or ``failed``."""

_EVENTS = {
    dg.DagsterEventType.STEP_START: "started",
    dg.DagsterEventType.STEP_SUCCESS: "succeeded",
    dg.DagsterEventType.STEP_FAILURE: "failed",
}


@dataclass(frozen=True)
class StepFailure:
    """One failed step: its name, the message for the user, and the exit code it asks for."""

    step: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class RunOutcome:
    """What came of one run."""

    run_id: str
    succeeded: bool
    failures: tuple[StepFailure, ...]


def steps_of(definitions: dg.Definitions, selection: Sequence[dg.AssetKey]) -> int:
    """Number of steps a selection takes: one an asset body."""
    graph = definitions.resolve_asset_graph()
    return len({graph.get(key).assets_def.node_def.name for key in selection})


def launch(
    definitions: dg.Definitions,
    selection: Sequence[dg.AssetKey],
    key: PartitionKey,
    *,
    home: FactoryHome,
    profile: str,
    on_step: StepListener | None = None,
    tags: Mapping[str, str] | None = None,
) -> RunOutcome:
    """Materialize ``selection`` of one partition and wait for the end.

    Parameters
    ----------
    definitions : Definitions
        The code location.
    selection : sequence of AssetKey
        Assets of the key's partition family.
    key : PartitionKey
        Partition.
    home : FactoryHome
        Where the instance and the data live.
    profile : str
        Budget of the run.
    on_step : callable, optional
        Told of each step as it starts and ends.
    tags : mapping of str to str, optional
        Further tags of the run.

    Returns
    -------
    RunOutcome
        Never raises for a failed step; the failures say what to do.
    """
    run_id = str(uuid.uuid4())
    with embedded_instance(home) as instance:
        if on_step is not None:

            def listen(entry: dg.EventLogEntry) -> None:
                event = entry.dagster_event
                if event is not None and event.step_key and event.event_type in _EVENTS:
                    on_step(event.step_key, _EVENTS[event.event_type])

            instance.add_event_listener(run_id, listen)
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            partition_key=str(key),
            asset_selection=list(selection),
            raise_on_error=False,
            run_config={
                "resources": {"factory": {"config": {"profile": profile, "home": str(home.root)}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags={"factory/profile": profile, **(tags or {})},
        )
    return RunOutcome(run_id, result.success, tuple(_failures(result)))


def _failures(result: dg.ExecuteInProcessResult) -> list[StepFailure]:
    failures = []
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        told = data.user_failure_data
        if told is None:
            failures.append(
                StepFailure(event.step_key or "run", data.error.to_string() if data.error else "unknown", 1)
            )
            continue
        code = told.metadata.get("exit_code")
        failures.append(
            StepFailure(
                event.step_key or "run",
                told.description or "",
                code.value if code is not None and isinstance(code.value, int) else 1,
            )
        )
    return failures
