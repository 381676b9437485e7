"""The morning job: one MLflow run a Dagster run, ended as the Dagster run ended, with what ``factory status`` says."""

import contextlib
import os
from datetime import UTC, datetime

import dagster as dg
import pytest

from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.orchestration import morning_job
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import open_store
from factory_assets.orchestration.morning_job import MORNING_JOB, summary_metrics, summary_tags, summary_text
from factory_assets.orchestration.tracking.place import TrackingPlace
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import TrackingSettings
from factory_assets_tests.orchestration.tracking_samples import files_of, runs

MGC_20 = PartitionKey("MGC", 20)
CHAMPION, CHALLENGER = "a" * 64, "b" * 64


def _clock() -> datetime:
    return datetime(2026, 3, 2, 4, 5, tzinfo=UTC)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "FACTORY_PROFILE", "FACTORY_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return FactoryHome(tmp_path / "home")


def _fill(home: FactoryHome) -> None:
    """A bundle that was published, one output that was blocked, and a champion with a challenger."""
    store = open_store(home)
    made = {"code_version": "c", "settings_digest": "s"}
    store.publish_files("bundle", "deployment", MGC_20, {"digest.txt": CHAMPION.encode()}, **made)
    store.block("labels", "labels", MGC_20, [], "the null is not met")
    registry = ReleaseRegistry(home.releases, MGC_20)
    registry.record_candidate(CHAMPION, data_end_day=20000, clock=_clock)
    registry.promote(CHAMPION, reason="first", by="a test", clock=_clock)
    registry.record_refit(CHALLENGER, parent=CHAMPION, data_end_day=20010, clock=_clock)


def _run(home: FactoryHome, known: dg.DagsterInstance | None = None) -> dg.ExecuteInProcessResult:
    with contextlib.nullcontext(known) if known else dg.DagsterInstance.ephemeral() as instance:
        return (
            build_definitions()
            .resolve_job_def(MORNING_JOB)
            .execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "resources": {"factory": {"config": {"home": str(home.root)}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
        )


def test_a_morning_is_one_finished_run_that_says_what_status_says(home, tmp_path):
    _fill(home)
    results = [_run(home), _run(home)]
    assert all(result.success for result in results)
    found = runs(home, MORNING_JOB)
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED"]
    assert {run.data.tags["dagster_run_id"] for run in found} == {result.run_id for result in results}
    metrics, tags = found[0].data.metrics, found[0].data.tags
    assert metrics["MGC.20.blocked"] == metrics["all.blocked"] == 1.0
    assert metrics["MGC.20.stale"] == 1.0
    assert metrics["MGC.20.failed"] == 0.0
    assert metrics["MGC.20.missing"] >= 15
    assert tags["MGC.20.champion"] == CHAMPION
    assert tags["MGC.20.challenger"] == CHALLENGER
    assert tags["MGC.20.challenger_data_end"] == "2024-10-14"
    text = files_of(found[0])["morning.txt"].decode()
    assert "MGC|20: blocked at labels: the null is not met" in text
    assert "champion aaaaaaaaaaaa 2026-03-02" in text
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_a_morning_that_fails_is_a_failed_run_and_none_stays_running(home, monkeypatch):
    def broken(*_, **__):
        raise dg.Failure("the store cannot be reached", allow_retries=False)

    monkeypatch.setattr(morning_job, "status_rows", broken)
    assert not _run(home).success
    (run,) = runs(home, MORNING_JOB)
    assert run.info.status == "FAILED"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_what_a_killed_morning_left_running_is_ended_by_the_next(home):
    place = TrackingPlace.of(home, TrackingSettings())
    place.prepare()
    client = place.client()
    experiment = place.experiment(client, MORNING_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        first = _run(home, instance)
        (done,) = runs(home, MORNING_JOB)
        left = client.create_run(experiment, tags={"dagster_run_id": first.run_id}).info.run_id
        foreign = client.create_run(experiment, tags={"dagster_run_id": "of another instance"}).info.run_id
        assert _run(home, instance).success
    found = {run.info.run_id: run.info.status for run in runs(home, MORNING_JOB)}
    assert (found.pop(left), found.pop(foreign), found.pop(done.info.run_id)) == ("KILLED", "RUNNING", "FINISHED")
    assert list(found.values()) == ["FINISHED"]


def test_a_morning_without_a_log_says_so(home):
    home.root.mkdir()
    home.settings_file.write_text("[tracking]\nenabled = false\n")
    result = _run(home)
    assert not result.success
    told = [event for event in result.all_events if event.is_failure]
    assert any("[tracking] enabled = false" in str(event.event_specific_data) for event in told)
    assert not home.mlflow.exists()


def test_exactly_one_job_uses_the_resource_of_dagster_mlflow():
    users = {
        job.name
        for job in build_definitions().resolve_all_job_defs()
        if any("mlflow" in node.definition.required_resource_keys for node in job.nodes if hasattr(node, "definition"))
    }
    assert users == {MORNING_JOB}


def _row(**values):
    empty = {name: [] for name in ("fresh", "stale", "other_code", "blocked", "missing", "damaged", "reasons")}
    none = dict.fromkeys(("data_until", "champion", "champion_since", "challenger", "challenger_data_end", "last_run"))
    none["has_volume"] = None
    return {"partition": "MGC|20", **empty, **none, **values}


def test_counts_add_up_over_partitions_and_a_failed_night_is_counted():
    failed = {"state": "failure", "ended": "2026-03-02T04:05:00+00:00", "run_id": "r"}
    rows = [_row(fresh=["a", "b"], stale=["c"]), _row(partition="MGC", fresh=["d"], last_run=failed)]
    metrics = summary_metrics(rows)
    assert (metrics["all.fresh"], metrics["all.stale"], metrics["all.failed"]) == (3.0, 1.0, 1.0)
    assert (metrics["MGC.20.failed"], metrics["MGC.failed"]) == (0.0, 1.0)
    assert summary_tags(rows) == {"MGC.last_run": "failure 2026-03-02T04:05:00+00:00"}
    assert "MGC: fresh 1, last run failure 2026-03-02 04:05" in summary_text(rows, moment="now")
    assert "no partition holds anything" in summary_text([], moment="now")
