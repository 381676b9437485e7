"""``factory status``: one row a partition that holds anything, why it is not fresh, from manifests alone."""

import io
import json
import shutil
from datetime import UTC, datetime
from unittest.mock import patch

import dagster as dg
import pytest
from rich.console import Console

from factory_assets import cli
from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.orchestration.inspect_store import open_store
from factory_assets.orchestration.instance import prepare_instance
from factory_assets.orchestration.partition_status import reason_lines, short_rows, status_rows
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.end_to_end.command_line import factory, snapshot

MGC, MGC_20 = PartitionKey("MGC"), PartitionKey("MGC", 20)
CHAMPION, CHALLENGER = "a" * 64, "b" * 64
WIDTH = 100


def _clock() -> datetime:
    return datetime(2026, 3, 2, 4, 5, tzinfo=UTC)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("DAGSTER_HOME", "FACTORY_PROFILE", "FACTORY_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "home"))
    made = FactoryHome((tmp_path / "home").resolve())
    store = open_store(made)
    # Made by other code and other settings than those in force: stale for both, and their readers with them.
    said = {"code_version": "c", "settings_digest": "s"}
    study = store.publish_files("study", "study", MGC, {"study.json": b"{}"}, **said)
    store.publish_files("model_lightgbm", "boosting", MGC_20, {"model.json": b"{}"}, inputs=[study.ref()], **said)
    store.block("labels", "labels", MGC_20, [], "the null is not met")
    registry = ReleaseRegistry(made.releases, MGC_20)
    registry.record_candidate(CHAMPION, data_end_day=20000, clock=_clock)
    registry.promote(CHAMPION, reason="first", by="a test", clock=_clock)
    registry.record_refit(CHALLENGER, parent=CHAMPION, data_end_day=20010, clock=_clock)
    return made


@dg.op
def fails():
    raise dg.Failure("a night that fails", allow_retries=False)


@dg.job
def night():
    fails()


@pytest.fixture
def failed_night(home, monkeypatch):
    """The home's own instance with one failed run of MGC|20."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare_instance(home)
    with dg.DagsterInstance.get() as instance:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        tags = {"dagster/partition": str(MGC_20)}
        return night.execute_in_process(instance=instance, raise_on_error=False, tags=tags, run_config=quiet).run_id


def test_partitions_that_hold_nothing_are_left_out_and_the_rest_tell_all(home):
    contract, horizon = status_rows(home)
    assert (contract["partition"], horizon["partition"]) == ("MGC", "MGC|20")
    assert (contract["stale"], horizon["stale"]) == (["study"], ["model_lightgbm"])
    assert horizon["blocked"] == ["labels"]
    assert "bundle" in horizon["missing"]
    assert "sealed_outcomes" not in horizon["missing"]
    assert (contract["champion"], horizon["champion"]) == (None, CHAMPION)
    assert horizon["champion_since"].startswith("2026-03-02T04:05")
    assert (horizon["challenger"], horizon["challenger_data_end"]) == (CHALLENGER, "2024-10-14")
    assert horizon["last_run"] is None
    causes = {(reason["cause"], reason["at"]): reason["outputs"] for reason in horizon["reasons"]}
    assert causes[("blocked", "labels")] == ["labels"]
    assert causes[("settings", "study")] == ["model_lightgbm"]
    assert causes[("settings", "model_lightgbm")] == ["model_lightgbm"]
    lines = list(reason_lines([contract, horizon]))
    assert "MGC|20: blocked at labels: the null is not met" in lines
    # Study and model were changed by the same: one line, with the study, which is no output of this partition.
    (told,) = (line for line in lines if line.startswith("MGC|20: settings at study: "))
    assert told.endswith("(outputs made of it: 1)")


def test_equal_reasons_are_one_line_with_three_places():
    reasons = [
        {"cause": "input", "at": f"a{n}", "detail": "bars changed", "outputs": [f"a{n}", "page"]} for n in range(5)
    ]
    row = {"partition": "MGC|20", "damaged": [], "reasons": reasons, "other_code": ["x", "y"], "has_volume": None}
    assert list(reason_lines([row])) == [
        "MGC|20: input at a0, a1, a2 and 2 more: bars changed (outputs made of it: 1)",
        "code: 2 outputs were made by another version of the code, nothing else about them changed",
    ]


def test_a_contract_without_volume_is_told_once(home):
    store, said = open_store(home), {"code_version": "c", "settings_digest": "s"}
    bare = {"has_volume": False}
    store.publish_files("decision_rule", "evaluation", MGC_20, {"rule.json": b"{}"}, meta=bare, **said)
    contract, horizon = status_rows(home)
    assert (contract["has_volume"], horizon["has_volume"]) == (None, False)
    store.publish_files("study", "study", MGC, {"study.json": b"{}"}, meta=bare, **said)
    told = [line for line in reason_lines(status_rows(home)) if "volume" in line]
    assert told == ["MGC: the series has no volume; features that read it are masked"]
    store.publish_files("study", "study", MGC, {"study.json": b"{}"}, meta={"has_volume": True}, **said)
    assert status_rows(home)[0]["has_volume"] is True


def test_the_last_run_of_each_partition_is_told(home, failed_night):
    contract, horizon = status_rows(home)
    assert contract["last_run"] is None
    assert (horizon["last_run"]["state"], horizon["last_run"]["run_id"]) == ("failure", failed_night)
    assert datetime.fromisoformat(horizon["last_run"]["ended"]).tzinfo is not None


def test_status_is_judged_from_manifests_and_changes_nothing(home, failed_night):
    before = status_rows(home)
    for parts in (home.root / "store").rglob("parts"):
        shutil.rmtree(parts)
    seen = snapshot(home.root)
    assert status_rows(home) == before
    assert snapshot(home.root) == seen


def test_the_table_fits_a_hundred_columns_and_json_has_every_name(home, failed_night):
    said = io.StringIO()
    with patch("sys.argv", ["factory", "status"]), patch.object(cli, "out", Console(file=said, width=WIDTH)):
        cli.app(standalone_mode=False)
    text = said.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= WIDTH
    assert "…" not in text
    for shown in ("MGC|20", CHAMPION[:12], CHALLENGER[:12], "2026-03-02", "failure", "labels: the null is not met"):
        assert shown in text
    rows = json.loads(factory("status", "--json").out)
    assert rows == json.loads(json.dumps(status_rows(home)))
    counts = short_rows(rows)[1]
    assert (counts["blocked"], counts["stale"], counts["fresh"]) == (1, 1, 0)
    assert {row["asset"] for row in json.loads(factory("status", "--assets", "--json").out)} == {
        "study/study",
        "boosting/model_lightgbm",
        "labels/labels",
    }


def test_a_touched_registry_is_a_damaged_row_and_the_others_stand(home):
    path = home.releases / "MGC" / "20" / "registry.jsonl"
    path.write_bytes(path.read_bytes().replace(b"first", b"other"))
    contract, horizon = status_rows(home)
    assert contract["damaged"] == []
    (told,) = horizon["damaged"]
    assert told.startswith("release registry: ")
    assert horizon["champion"] is None
    assert horizon["blocked"] == ["labels"]


def test_profiles_are_held_against_on_request(home):
    answer = factory("status", "--profile", "huge")
    assert answer.code == 2
    assert "profile 'huge'" in answer.message
