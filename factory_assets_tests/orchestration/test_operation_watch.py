"""Failed runs, the rehearsal's clock and the sensors, on a real instance without a daemon."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.assets import market
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.instance import prepare_instance
from factory_assets.orchestration.jobs import CONTRACT_JOB, HORIZON_JOB, NIGHT_GROUP, NIGHT_JOB
from factory_assets.orchestration.operation import sensors
from factory_assets.orchestration.operation.alerts import AlertBook
from factory_assets.orchestration.operation.failed_runs import failed_looks, new_failures
from factory_assets.orchestration.operation.history import horizon_history
from factory_assets.orchestration.operation.look import look_at_contract
from factory_assets.orchestration.operation.plan import Plan, Request
from factory_assets.orchestration.operation.presence import (
    hold_presence,
)
from factory_assets.orchestration.operation.raw_state import RawFolder, look_at_raw, stored_raw
from factory_assets.orchestration.operation.run_tags import tags_of
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.splits.short_history import ShortHistory
from factory_assets.splits.study import Study
from factory_assets.storage import AppendLog
from factory_assets.vocabulary.clock import factory_clock, system_clock
from factory_assets.vocabulary.errors import ConfigurationError, MissingPartitionError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.orchestration.sample_runs import failing, started

NOW = datetime(2022, 12, 30, 22, 30, tzinfo=UTC)


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


def test_processes_that_begin_on_a_fresh_home_together_find_databases_made_once(home):
    code = (
        "import sys; from pathlib import Path; import dagster as dg\n"
        "from factory_assets.orchestration.instance import prepare_instance\n"
        "from factory_assets.vocabulary.home import FactoryHome\n"
        "folder = prepare_instance(FactoryHome(Path(sys.argv[1])))\n"
        "with dg.DagsterInstance.from_config(str(folder)) as instance: instance.get_runs()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(home.root)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        with closing(sqlite3.connect(home.dagster / name)) as database:
            assert len(database.execute("select * from alembic_version").fetchall()) == 1, name


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


def test_an_abandoned_run_is_told_though_it_is_older_than_the_watch(home, kept_instance, monkeypatch):
    run_id = kept_instance.create_run_for_job(failing, tags={"dagster/partition": "MGC"}).run_id
    made = build_definitions(FactoryResource(home=str(home.root)))
    first = sensor_says(made, "failure_alert", kept_instance)
    assert json.loads(first.cursor)["first_run"] == 1
    clock = home.root / "clock.txt"
    clock.write_text((system_clock() + timedelta(hours=13)).isoformat())
    monkeypatch.setenv("FACTORY_CLOCK_FILE", str(clock))
    sensor_says(made, "failure_alert", kept_instance, first.cursor)
    (alert,) = AlertBook(home).alerts()
    assert (alert.run_id, alert.is_final) == (run_id, True)


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
        assert ":2022-12-30:" in alert.id, "told again the next day"


def test_a_bad_channel_and_damaged_alert_files_stop_neither_the_burying_nor_the_night(home, kept_instance):
    instance = kept_instance
    home.settings_file.write_text(
        '[operation]\ncontracts = ["MGC"]\n[alerts]\nemail_to = ["a@b.c"]\nemail_from = "x@y.z"\n'
        'smtp_host = "mail..example.org"\n'
    )
    for name in ("alerts.jsonl", "alerts_sent.jsonl"):
        (home.root / name).write_bytes(b'garbage\n\xff\xfe\n{"id": 1}\n')
    dead = started(instance)
    os.close(hold_presence(home, dead))
    made = build_definitions(FactoryResource(home=str(home.root)))
    first = sensor_says(made, "failure_alert", instance)
    assert json.loads(first.cursor)["absent"] == [dead]
    sensor_says(made, "nightly", instance)
    second = sensor_says(made, "failure_alert", instance, first.cursor)
    assert "1 dead runs ended" in second.skip_message
    assert dead in {alert.run_id for alert in AlertBook(home).alerts()}


def test_a_clock_that_cannot_be_read_is_a_configuration_alert_and_the_burying_goes_on(home, kept_instance, monkeypatch):
    monkeypatch.setenv("FACTORY_CLOCK_FILE", str(home.root / "absent.txt"))
    dead = started(kept_instance)
    os.close(hold_presence(home, dead))
    made = build_definitions(FactoryResource(home=str(home.root)))
    assert "expected a file with one moment" in sensor_says(made, "nightly", kept_instance).skip_message
    (alert,) = AlertBook(home).alerts()
    assert alert.kind == "configuration"
    first = sensor_says(made, "failure_alert", kept_instance)
    sensor_says(made, "failure_alert", kept_instance, first.cursor)
    ended = kept_instance.get_run_by_id(dead)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE


def test_what_the_plan_says_needs_a_person_is_an_alert_of_the_night(home, instance, monkeypatch):
    home.settings_file.write_text('[operation]\ncontracts = ["MGC"]\n')
    monkeypatch.setattr(sensors, "plan", lambda *_: Plan(problems=("MGC|20: its registry is gone",)))
    made = build_definitions(FactoryResource(home=str(home.root)))
    for name in ("raw_files", "nightly", "nightly"):
        sensor_says(made, name, instance)
    (alert,) = AlertBook(home).alerts()
    assert (alert.kind, alert.partition, alert.is_final) == ("problem", "MGC", True)
    assert alert.message == "MGC|20: its registry is gone"


def test_sensors_side_by_side_are_refused_with_one_alert(home, monkeypatch):
    prepare_instance(home)
    file = home.dagster / "dagster.yaml"
    file.write_text(file.read_text().replace("use_threads: false", "use_threads: true"))
    home.settings_file.write_text('[operation]\ncontracts = ["MGC"]\n')
    made = build_definitions(FactoryResource(home=str(home.root)))
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        for name in ("nightly", "raw_files"):
            assert "expected sensors: {use_threads: false}, got true" in sensor_says(made, name, instance).skip_message
    assert [alert.kind for alert in AlertBook(home).alerts()] == ["configuration"]


def test_what_lasts_is_told_again_the_next_day(home, instance, monkeypatch):
    clock = home.root / "clock.txt"
    monkeypatch.setenv("FACTORY_CLOCK_FILE", str(clock))
    home.settings_file.write_text('[operation]\ncontracts = ["MGC"]\n')
    AppendLog(home.releases / "MGC" / "20" / "registry.jsonl").append("no entry")
    made = build_definitions(FactoryResource(home=str(home.root)))
    for day in ("30", "30", "31"):
        clock.write_text(f"2022-12-{day}T22:30:00+00:00")
        assert "registry.jsonl" in sensor_says(made, "nightly", instance).skip_message
    days = [(alert.kind, alert.time[:10]) for alert in AlertBook(home).alerts()]
    assert days == [("damage", "2022-12-30"), ("damage", "2022-12-31")]
    home.settings_file.write_text('[operation]\ncontracts = ["GOLD"]\n')
    for day in ("30", "30", "31"):
        clock.write_text(f"2022-12-{day}T22:30:00+00:00")
        sensor_says(made, "nightly", instance)
    assert [alert.kind for alert in AlertBook(home).alerts()[2:]] == ["configuration", "configuration"]


def test_damage_seen_after_a_contracts_success_skips_that_look(home, instance, monkeypatch):
    clock = home.root / "clock.txt"
    clock.write_text(NOW.isoformat())
    monkeypatch.setenv("FACTORY_CLOCK_FILE", str(clock))
    home.settings_file.write_text('[operation]\ncontracts = ["MGC"]\n')
    AppendLog(home.releases / "MGC" / "20" / "registry.jsonl").append("no entry")
    made = build_definitions(FactoryResource(home=str(home.root)))
    run = instance.create_run_for_job(failing, tags={"dagster/partition": "MGC"})
    event = dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name=run.job_name)
    context = dg.build_run_status_sensor_context(
        sensor_name="contract_succeeded", dagster_instance=instance, dagster_run=run, dagster_event=event
    )
    sensor = made.get_repository_def().get_sensor_def("contract_succeeded")
    told = sensor(context)
    assert "registry.jsonl" in told.skip_message
    assert [alert.kind for alert in AlertBook(home).alerts()] == ["damage"]


def look(home: FactoryHome, instance: dg.DagsterInstance):
    raw = RawFolder(outside="", digest=None, reason="none")
    store = FactoryResource(home=str(home.root)).store
    return look_at_contract("MGC", [20], raw, profile="fast", home=home, store=store, instance=instance)


def test_a_look_tells_settings_champion_and_a_lost_registry(home, instance):
    plain = look(home, instance)
    assert look(home, instance) == plain
    home.settings_file.write_text("[features]\ncertificate_cut_points = 11\n")
    refreshed = look(home, instance)
    assert refreshed.made_with != plain.made_with, "features are a contract's"
    assert refreshed.horizons[0].made_from != plain.horizons[0].made_from, "and its horizons are made of them"
    home.settings_file.write_text('[labels]\nevents = "all"\n')
    labelled = look(home, instance)
    assert labelled.made_with == plain.made_with
    assert labelled.horizons[0].made_from != plain.horizons[0].made_from
    home.settings_file.write_text("[operation]\nattempts_max = 5\n")
    assert look(home, instance).horizons == plain.horizons

    registry = ReleaseRegistry(home.releases, PartitionKey("MGC", 20))
    registry.record_candidate("a" * 64, data_end_day=100, clock=lambda: NOW)
    registry.promote("a" * 64, reason="x", by="y", clock=lambda: NOW)
    (home.releases / "MGC" / "20" / ("a" * 64)).mkdir()
    (promoted,) = look(home, instance).horizons
    assert (promoted.champion, promoted.lost_registry) == ("a" * 64, "")
    for name in ("registry.jsonl", "registry.head.json"):
        (home.releases / "MGC" / "20" / name).unlink()
    (lost,) = look(home, instance).horizons
    assert (lost.champion, lost.lost_registry) == ("", str(home.releases / "MGC" / "20"))


def test_horizons_are_made_from_the_slice_to_the_studys_end_and_without_a_study_from_all_of_it():
    study = Study(
        contract="MGC", opened_at=NOW, train_first_day=1, train_last_day=2, val_first_day=3, val_last_day=4,
        test_first_day=5, test_last_day=6, train_sessions=1, val_sessions=1, test_sessions=1,
    )  # fmt: skip
    days = {"bars_1min": {6: "a", 7: "b"}, "bars_5min": {6: "c", 7: "d"}}
    files = {"study.json": study.to_json().encode()}
    store = SimpleNamespace(
        read_files=lambda *_: SimpleNamespace(files=files),
        manifest=lambda name, *_: SimpleNamespace(
            content_digest="frozen", digest_at=lambda day: days[name][max(d for d in days[name] if d <= day)]
        ),
    )
    before = horizon_history(store, PartitionKey("MGC"), "all")
    days["bars_1min"][7], days["bars_5min"][8] = "B", "e"
    assert horizon_history(store, PartitionKey("MGC"), "more") == before, "sessions after the study are no input"
    days["bars_1min"][6] = "restated within its five minutes"
    assert horizon_history(store, PartitionKey("MGC"), "all") != before
    short = ShortHistory(contract="MGC", sessions=1, sessions_needed=2, labels_until_day=None, message="1 of 2")
    files.clear()
    files["short_history.json"] = short.to_json().encode()
    assert horizon_history(store, PartitionKey("MGC"), "all") == ("all", "1 of 2")

    def missing(*_):
        raise MissingPartitionError("none")

    store.read_files = missing
    assert horizon_history(store, PartitionKey("MGC"), "all") == ("all", "")


def test_the_digest_of_the_folder_is_the_one_of_what_the_graph_recorded(home, instance):
    write_world(home.raw / "SIM", world="null", seed=3, sessions_count=2)
    job = dg.Definitions(assets=[market.raw_minutes], resources={"factory": FactoryResource()})
    resolved = job.resolve_implicit_global_asset_job_def()
    assert resolved.execute_in_process(instance=instance, partition_key="SIM").success
    manifest = FactoryResource().store.manifest("raw_minutes", "market", PartitionKey("SIM"))
    outside = look_at_raw(home.raw / "SIM", instrument("SIM"), "").outside
    assert look_at_raw(home.raw / "SIM", instrument("SIM"), outside).digest == stored_raw(manifest)
