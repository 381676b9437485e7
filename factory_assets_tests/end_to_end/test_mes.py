"""The real Micro E-mini month through the command line: market, features, labels, and what is lacking then."""

import json
import shutil

import pytest

from factory_assets.orchestration.inspect_store import open_store
from factory_assets.storage.sql import run_select
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.end_to_end.command_line import factory, snapshot
from factory_assets_tests.end_to_end.sim_factory import environment_of

HORIZONS = (5, 10, 15, 20)
LABEL_CHECKS = {"label_contract", "t1_complete", "costs_once", "random_walk_null"}
# Base bars of the 13 closed sessions; a longer horizon leaves out more closes before flat time, five a session each.
BARS, LABELLED = 3_509, {5: 3_300, 10: 3_235, 15: 3_170, 20: 3_105}
LACKING = "13 closed sessions have bars, at least 60 are needed"


@pytest.fixture(scope="module")
def mes(real_data, tmp_path_factory):
    """A home the month was brought into and run with all horizons; what the run said."""
    root = tmp_path_factory.mktemp("mes")
    vendor, home = root / "vendor", root / "home"
    vendor.mkdir()
    (source,) = (real_data / "MES_ninjatrader").glob("*.txt")
    shutil.copyfile(source, vendor / source.name)
    home.mkdir()
    (home / "factory.toml").write_text("[features]\ncertificate_cut_points = 10\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(home).items():
            patch.setenv(name, value)
        undeclared = factory("ingest", "--contract", "MES", "--raw", str(vendor), "--detect")
        (vendor / "source.toml").write_text(
            'format = "ninjatrader8"\ncontract = "MES"\nexpiry = "MESU6"\n', encoding="utf-8"
        )
        brought = factory("ingest", "--contract", "MES", "--raw", str(vendor))
        until = factory("run", "--contract", "MES", "--horizon", "20", "--until", "labels")
        ran = factory("run", "--contract", "MES", "--horizon", ",".join(map(str, HORIZONS)))
        yield FactoryHome(home), undeclared, brought, until, ran


def _one(home, query):
    return run_select(open_store(home), query).to_pylist()


@pytest.mark.slow
def test_the_month_reaches_labels_and_stops_there(mes):
    home, undeclared, brought, until, ran = mes
    assert undeclared.code == 2
    assert "NinjaTrader 8 (UTC, stamped at the close) 17899 of 17899 minutes lie in MES sessions" in undeclared.message
    assert brought.code == 0, brought.err
    assert until.code == 0, until.err
    assert ran.code == 2, ran.err
    assert ran.err.count("factory: ") == 1
    assert LACKING in ran.message
    assert "47 are lacking" in ran.message
    assert "Traceback" not in ran.err
    made = {name.split("/")[1] for name in snapshot(home.root / "store") if name.count("/") == 1}
    groups = {name for name in snapshot(home.root / "store") if "/" not in name and not name.startswith(".")}
    assert groups == {"market", "features", "study", "labels"}
    assert "ledger_head" not in made
    assert not home.releases.exists() or not list(home.releases.rglob("*.json"))


@pytest.mark.slow
def test_the_labels_hold_on_thirteen_sessions(mes):
    home = mes[0]
    for horizon in HORIZONS:
        manifest = open_store(home).manifest("labels", "labels", PartitionKey("MES", horizon))
        assert {verdict.name for verdict in manifest.verdicts} == LABEL_CHECKS
        assert all(verdict.passed for verdict in manifest.verdicts), horizon
    rows = _one(
        home,
        "select horizon, count(*) n, sum(eligible::int) labelled, count(distinct trade_date) sessions, "
        "max(trade_date)::varchar last from labels group by 1 order by 1",
    )
    assert {row["horizon"]: row["labelled"] for row in rows} == LABELLED
    assert {(row["n"], row["sessions"], row["last"]) for row in rows} == {(BARS, 13, "2026-06-11")}
    record = (home.studies / "MES.labelled.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["labelled_until"] for line in record] == ["2026-06-11"]


@pytest.mark.slow
def test_a_bar_is_stamped_at_its_close_and_the_hole_stays(mes):
    home = mes[0]
    first = _one(
        home,
        "select trade_date::varchar session, strftime(min(open_time at time zone 'America/Chicago'), '%H:%M') opened, "
        "count(*) as n from bars_1min group by 1 order by 1",
    )
    assert [row["opened"] for row in first[1:]] == ["17:00"] * 13
    assert [row["n"] for row in first] == [1020, *[1380] * 9, 1339, 1380, 1380, 360]
    (hole,) = _one(home, "select sum(minutes)::int n, count(*) bars from bars_5min where trade_date = '2026-06-09'")
    assert (hole["n"], hole["bars"]) == (1339, 269)


@pytest.mark.slow
@pytest.mark.parametrize("command", [("study", "new"), ("study", "show"), ("run", "--until", "splits")])
def test_other_ways_to_ask_give_the_same_answer(mes, command, monkeypatch):
    for name, value in environment_of(mes[0].root).items():
        monkeypatch.setenv(name, value)
    answer = factory(*command, "--contract", "MES")
    assert answer.code == 2
    assert LACKING in answer.message
    assert answer.err.count("factory: ") == 1
