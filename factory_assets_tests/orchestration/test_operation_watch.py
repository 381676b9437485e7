"""Dead runs, failed runs, the rehearsal's clock and the sensors, on a real instance without a daemon."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg
import pytest

from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.assets import market
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.instance import prepare_instance
from factory_assets.orchestration.jobs import CONTRACT_JOB, HORIZON_JOB, NIGHT_GROUP, NIGHT_JOB
from factory_assets.orchestration.operation.alerts import AlertBook
from factory_assets.orchestration.operation.failed_runs import failed_looks, new_failures
from factory_assets.orchestration.operation.plan import Request
from factory_assets.orchestration.operation.presence import (
    bury_dead_runs,
    hold_presence,
    is_present,
    run_lock_path,
    sweep_locks,
)
from factory_assets.orchestration.operation.raw_state import look_at_raw, stored_raw
from factory_assets.orchestration.operation.run_tags import STAGE, tags_of
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.vocabulary.clock import factory_clock
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey

NOW = datetime(2022, 12, 30, 22, 30, tzinfo=UTC)
HOLDER = """
import sys, time
from pathlib import Path
from factory_assets.orchestration.operation.presence import hold_presence
from factory_assets.vocabulary.home import FactoryHome
hold_presence(FactoryHome(Path(sys.argv[1])), sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


@dg.op
def fails() -> None:
    raise ValueError("the vendor sent nothing")


@dg.job
def failing() -> None:
    fails()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("FACTORY_CLOCK_FILE", raising=False)
    return FactoryHome(tmp_path)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def started(instance: dg.DagsterInstance, **tags: str) -> str:
    """A run that is under way by the book."""
    run = instance.create_run_for_job(failing, tags=tags)
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id=run.run_id,
            timestamp=time.monotonic(),
            job_name=run.job_name,
            dagster_event=dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=run.job_name),
        )
    )
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.STARTED
    return run.run_id


def test_a_run_is_present_until_its_process_is_killed(home):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(home.root), "run-1"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert is_present(home, "run-1")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run_lock_path(home, "run-1").exists(), "a killed process tidies nothing up"
    assert not is_present(home, "run-1")
    assert not is_present(home, "run-2")


def test_a_dead_run_is_marked_failed_at_the_second_look_and_a_live_one_never(home, instance):
    dead, alive, another_homes = started(instance), started(instance), started(instance)
    os.close(hold_presence(home, dead))
    descriptor = hold_presence(home, alive)
    assert bury_dead_runs(instance, home, []) == ([], [dead])
    assert bury_dead_runs(instance, home, [dead]) == ([dead], [])
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    begun = dg.DagsterRunStatus.STARTED
    assert statuses == {dead: dg.DagsterRunStatus.FAILURE, alive: begun, another_homes: begun}
    (alert,) = new_failures(instance, [], older_than=0, now=NOW)
    assert "The process of this run is gone" in alert.message

    os.close(descriptor)
    assert bury_dead_runs(instance, home, [dead]) == ([], [alive]), "a suspicion of another run is none of this one's"


def test_a_run_that_died_before_it_held_its_lock_is_ended_if_a_sensor_asked_for_it(home, instance):
    asked = started(instance, **{STAGE: "night"})
    assert bury_dead_runs(instance, home, []) == ([], [asked])
    assert bury_dead_runs(instance, home, [asked]) == ([asked], [])


def test_locks_of_runs_that_are_over_are_swept_and_no_others(home, instance):
    over = failing.execute_in_process(instance=instance, raise_on_error=False).run_id
    under_way = started(instance)
    for run_id in (over, under_way, "another-instances"):
        os.close(hold_presence(home, run_id))
    sweep_locks(instance, home)
    left = {path.stem for path in run_lock_path(home, "x").parent.iterdir()}
    assert left == {under_way, "another-instances"}


def test_a_run_holds_its_lock_while_its_steps_run(home, instance):
    seen = {}

    @dg.op
    def looks(context: dg.OpExecutionContext, factory: dg.ResourceParam[FactoryResource]) -> None:
        seen[context.run_id] = is_present(factory.place, context.run_id)

    @dg.job(resource_defs={"factory": FactoryResource()})
    def looking() -> None:
        looks()

    result = looking.execute_in_process(instance=instance)
    assert seen == {result.run_id: True}
    assert not is_present(home, result.run_id)


def test_failures_are_told_with_step_message_and_whether_an_attempt_is_left(home, instance):
    def fail(*, is_last: bool | None) -> str:
        tags = {}
        if is_last is not None:
            asked = Request(
                key=PartitionKey("MGC", 20), stage="night", period="2022-12-30", number=2, inputs="d",
                trade_date="2022-12-30", is_last=is_last,
            )  # fmt: skip
            tags = {**tags_of(asked, now=NOW, profile="fast"), "dagster/partition": "MGC|20"}
        return failing.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id

    before_the_watch = fail(is_last=None)
    newest = instance.get_run_records(limit=1)[0].storage_id
    asked, last, by_hand = fail(is_last=False), fail(is_last=True), fail(is_last=None)
    found = new_failures(instance, [], older_than=newest, now=NOW)
    assert [(alert.run_id, alert.is_final, alert.attempt) for alert in found] == [
        (asked, False, 2),
        (last, True, 2),
        (by_hand, True, 0),
    ]
    assert before_the_watch not in {alert.run_id for alert in found}
    assert found[0].headline == "MGC|20 night: failed run, trade date 2022-12-30, attempt 2"
    assert (found[0].step, found[0].message) == ("fails", "ValueError: the vendor sent nothing")
    assert new_failures(instance, [asked, last, by_hand], older_than=newest, now=NOW) == []


def test_raw_files_count_once_they_hold_still_and_differ_by_content_not_by_time(home):
    folder, product = home.raw / "SIM", instrument("SIM")
    folder.mkdir(parents=True)
    (folder / "source.toml").write_text(
        'format = "csv"\ncontract = "SIM"\nbar_label = "open"\ntime_format = "iso8601"\ndelimiter = ","\n'
        'header = true\nvolume = "contracts"\n'
        '[columns]\nexpiry = "expiry"\ntime = "open_time"\nopen = "open"\nhigh = "high"\n'
        'low = "low"\nclose = "close"\nvolume = "volume"\n'
    )
    data = folder / "a.csv"
    data.write_text("expiry,open_time,open,high,low,close,volume\nSIMH3,2022-12-30T20:00:00Z,1,1,1,1,1\n")
    first = look_at_raw(folder, product, "")
    assert (first.digest, first.reason) == (None, "the raw files changed since the last look")
    second = look_at_raw(folder, product, first.outside)
    assert second.digest is not None
    os.utime(data, ns=(1, 1))
    touched = look_at_raw(folder, product, second.outside)
    assert touched.digest is None
    still = look_at_raw(folder, product, touched.outside)
    assert still.digest == second.digest
    with data.open("a") as file:
        file.write("SIMH3,2022-12-30T20:01:00Z,1,1,1,1,1\n")
    grown = look_at_raw(folder, product, still.outside)
    assert grown.digest is None
    assert look_at_raw(folder, product, grown.outside).digest not in {None, second.digest}
    assert "no folder" in look_at_raw(home.raw / "MGC", product, "").reason


def test_a_rehearsals_clock_is_read_anew_and_a_bad_one_is_refused(home, tmp_path, monkeypatch):
    file = tmp_path / "clock.txt"
    monkeypatch.setenv("FACTORY_CLOCK_FILE", str(file))
    with pytest.raises(ConfigurationError, match="expected a file with one moment"):
        factory_clock()
    file.write_text("2022-12-30T16:30:00-06:00\n")
    assert factory_clock() == NOW
    assert factory_clock().tzinfo == UTC
    file.write_text("2022-12-30T22:31:00+00:00")
    assert FactoryResource().clock().minute == 31
    for text in ("yesterday", "2022-12-30T22:31:00"):
        file.write_text(text)
        with pytest.raises(ConfigurationError):
            factory_clock()


def test_a_shipped_dagster_yaml_is_brought_up_to_date_and_an_edited_one_is_kept(home, monkeypatch):
    shipped = (
        "# Embedded defaults of a laptop: sqlite and local files, all beside this file's copy in "
        "FACTORY_HOME/dagster.\n"
        "# `factory` copies it there and sets DAGSTER_HOME; deployments replace it (Postgres, object store).\n"
        "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"
    )
    target = home.dagster / "dagster.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(shipped)
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    prepare_instance(home)
    assert "max_concurrent_runs: 1" in target.read_text()
    target.write_text(shipped + "# mine\n")
    prepare_instance(home)
    assert target.read_text() == shipped + "# mine\n"


def test_the_instance_runs_one_at_a_time_and_ends_runs_that_never_start(home):
    prepare_instance(home)
    with dg.DagsterInstance.from_config(str(home.dagster)) as made:
        assert made.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
        assert made.run_monitoring_enabled
        assert made.get_sensor_settings()["use_threads"] is False
        assert not made.run_launcher.supports_check_run_worker_health, "the sensor's own check is needed"


@pytest.fixture(scope="module")
def definitions():
    return build_definitions()


def test_the_night_has_a_job_of_its_own(definitions):
    held = {
        name: definitions.resolve_job_def(name).asset_layer.selected_asset_keys
        for name in (CONTRACT_JOB, HORIZON_JOB, NIGHT_JOB)
    }
    assert {key.path[0] for key in held[NIGHT_JOB]} <= {NIGHT_GROUP}
    assert not held[HORIZON_JOB] & held[NIGHT_JOB]
    assert NIGHT_GROUP not in {key.path[0] for key in held[HORIZON_JOB]}


def sensor_says(definitions: dg.Definitions, name: str, instance: dg.DagsterInstance, cursor: str | None = None):
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
    return definitions.get_repository_def().get_sensor_def(name).evaluate_tick(context)


def test_with_no_contract_listed_the_night_is_off_and_says_so(home, instance, definitions):
    made = build_definitions(FactoryResource(home=str(home.root)))
    for name in ("raw_files", "nightly"):
        told = sensor_says(made, name, instance)
        assert told.run_requests == []
        assert "[operation] contracts in factory.toml is empty" in told.skip_message


def test_files_that_hold_still_are_asked_for_by_one_sensor_at_its_second_look(home, instance):
    write_world(home.raw / "SIM", world="null", seed=3, sessions_count=2)
    home.settings_file.write_text('[operation]\ncontracts = ["SIM"]\nprofile = "standard"\n')
    made = build_definitions(FactoryResource(home=str(home.root)))
    first = sensor_says(made, "raw_files", instance)
    assert first.run_requests == []
    assert "changed since the last look" in first.skip_message
    (asked,) = sensor_says(made, "raw_files", instance, first.cursor).run_requests
    period = asked.tags["factory/period"]
    assert period.startswith("raw-")
    assert asked.run_key == f"SIM:{period}:contract:1"
    assert (asked.job_name, asked.partition_key) == ("contract", "SIM")
    assert asked.run_config == {"resources": {"factory": {"config": {"profile": "standard"}}}}
    assert asked.tags["factory/last_attempt"] == "no"
    nightly = sensor_says(made, "nightly", instance)
    assert sensor_says(made, "nightly", instance, nightly.cursor).run_requests == []


def test_a_night_without_files_is_one_late_alert_and_a_wrong_configuration_another(home, instance, monkeypatch):
    clock = home.root / "clock.txt"
    clock.write_text("2022-12-31T09:00:00+00:00")
    monkeypatch.setenv("FACTORY_CLOCK_FILE", str(clock))
    home.settings_file.write_text('[operation]\ncontracts = ["MGC"]\n')
    made = build_definitions(FactoryResource(home=str(home.root)))
    for _ in range(3):
        told = sensor_says(made, "nightly", instance)
        assert told.run_requests == []
    (late,) = AlertBook(home).alerts()
    assert (late.kind, late.partition, late.trade_date, late.is_final) == ("late bars", "MGC", "2022-12-30", True)
    assert late.message.startswith("no bars for trade date 2022-12-30: no bars are stored, and there is no folder")

    home.settings_file.write_text('[operation]\ncontracts = ["GOLD"]\n')
    for _ in range(2):
        told = sensor_says(made, "nightly", instance)
        assert "each of contracts to be one of" in told.skip_message
    assert [alert.kind for alert in AlertBook(home).alerts()] == ["late bars", "configuration"]


@pytest.fixture
def kept_instance(home):
    """An instance with every storage, as a daemon has it."""
    prepare_instance(home)
    with dg.DagsterInstance.from_config(str(home.dagster)) as made:
        yield made


def test_the_watch_writes_failures_once_and_remembers_where_it_began(home, kept_instance):
    instance = kept_instance
    failing.execute_in_process(instance=instance, raise_on_error=False)
    made = build_definitions(FactoryResource(home=str(home.root)))
    first = sensor_says(made, "failure_alert", instance)
    assert AlertBook(home).alerts() == [], "what failed before anybody watched is no news"
    run_id = failing.execute_in_process(instance=instance, raise_on_error=False).run_id
    second = sensor_says(made, "failure_alert", instance, first.cursor)
    assert "1 new alerts" in second.skip_message
    sensor_says(made, "failure_alert", instance, second.cursor)
    (alert,) = AlertBook(home).alerts()
    assert (alert.run_id, alert.stage, alert.is_final) == (run_id, "failing", True)
    assert json.loads(second.cursor)["first_run"] == 1


@pytest.mark.parametrize(
    ("statuses", "told"),
    [("FFF", 1), ("FFFF", 1), ("FF", 0), ("SFF", 0), ("FSF", 0), ("FFS", 0), ("FFFS", 1)],
)
def test_a_sensor_that_fails_three_looks_running_is_an_alert(statuses, told):
    values = {"F": "FAILURE", "S": "SKIPPED"}
    ticks = [SimpleNamespace(status=SimpleNamespace(value=values[each]), error=KeyError("bundle")) for each in statuses]
    names = ["nightly", "somebody_elses"]
    instance = SimpleNamespace(
        all_instigator_state=lambda: [
            SimpleNamespace(instigator_name=name, instigator_origin_id="o", selector_id="s") for name in names
        ],
        get_ticks=lambda *_, limit: ticks[:limit],
    )
    found = failed_looks(instance, ["nightly"], now=NOW)
    assert len(found) == told
    for alert in found:
        assert (alert.step, alert.kind, alert.is_final) == ("nightly", "failed look", True)
        assert "bundle" in alert.message


def test_the_digest_of_the_folder_is_the_one_of_what_the_graph_recorded(home, instance):
    write_world(home.raw / "SIM", world="null", seed=3, sessions_count=2)
    job = dg.Definitions(assets=[market.raw_minutes], resources={"factory": FactoryResource()})
    resolved = job.resolve_implicit_global_asset_job_def()
    assert resolved.execute_in_process(instance=instance, partition_key="SIM").success
    manifest = FactoryResource().store.manifest("raw_minutes", "market", PartitionKey("SIM"))
    outside = look_at_raw(home.raw / "SIM", instrument("SIM"), "").outside
    assert look_at_raw(home.raw / "SIM", instrument("SIM"), outside).digest == stored_raw(manifest)
