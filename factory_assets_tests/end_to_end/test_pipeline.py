"""The whole factory on one small SIMULATED world: what a run leaves behind, what it never shows, and what stays."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from factory_assets.evaluation.ledger import from_line
from factory_assets.features import catalogue
from factory_assets.models import registry
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.freshness import partition_freshness
from factory_assets.orchestration.inspect_store import bundle_folder
from factory_assets.orchestration.pages import page_path
from factory_assets.orchestration.run_contract import run_contract
from factory_assets.splits.study import day_text
from factory_assets.storage.sql import run_select, view_schemas
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES
from factory_assets_tests.end_to_end.command_line import factory, snapshot
from factory_assets_tests.end_to_end.sim_factory import (
    SESSIONS,
    SIM,
    SIM_20,
    SimFactory,
    checks_of,
    environment_of,
    failures,
    shared_factory,
)

BASES = ("lightgbm", "logistic", "tcn")
BASELINES = ("clock_atr_lightgbm", "clock_atr_logistic")
PRICES = ("open", "high", "low", "close")
BARS = ("expiry", "open_time", "close_time", "trade_date", *PRICES, "volume", "adjustment_ratio")
# Specification, section 13: columns at least.
VIEWS = {
    "canonical_bars": BARS,
    "quarantine": ("source_file", "open_time", "reason", *PRICES, "volume"),
    "rolls": ("trade_date", "from_expiry", "to_expiry", "ratio", "difference"),
    **{f"bars_{minutes}min": (*BARS, "minutes") for minutes in TIMEFRAMES_MINUTES},
    **{f"features_{m}min": ("close_time", *(spec.name for spec in catalogue())) for m in TIMEFRAMES_MINUTES},
    "labels": (
        *("horizon", "decision_time", "t0", "t1", "label", "tie", "eligible", "entry_price", "upper", "lower"),
        *("net_long", "net_short", "minutes_to_touch", "mae", "mfe", "uniqueness"),
    ),
    "splits": ("horizon", "decision_time", "scheme", "fold", "role"),
    **{
        f"oof_{name}": ("horizon", "decision_time", "fold", "p_down", "p_flat", "p_up", "label", "weight")
        for name in BASES
    },
    "stack": ("horizon", "decision_time", "p_down", "p_flat", "p_up", "label"),
    "trades": ("horizon",),
    "evaluation": ("horizon", "model", "metric", "value", "low", "high"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimFactory:
    return shared_factory(tmp_path_factory.getbasetemp())


@pytest.fixture
def sim(made, monkeypatch) -> SimFactory:
    """The finished factory, read only, with commands pointed at it."""
    for name, value in environment_of(made.home.root).items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="module")
def opened(made, tmp_path_factory) -> SimFactory:
    """A copy of the factory whose test period was opened once."""
    root = tmp_path_factory.mktemp("opened") / "home"
    shutil.copytree(made.home.root, root)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(root).items():
            patch.setenv(name, value)
        answer = open_test("first look")
        assert answer.code == 0, answer.err
    return dataclasses.replace(made, home=FactoryHome(root))


@pytest.fixture
def open_home(opened, monkeypatch) -> FactoryHome:
    for name, value in environment_of(opened.home.root).items():
        monkeypatch.setenv(name, value)
    return opened.home


def open_test(reason: str):
    return factory("evaluate", "--contract", "SIM", "--horizon", "20", "--open-test", "--reason", reason)


def ledger(home: FactoryHome) -> Path:
    return home.studies / "SIM.ledger.jsonl"


def test_every_step_and_every_check_is_green(sim):
    assert [str(each.key) for each in sim.outcomes] == ["SIM", "SIM|20"]
    for each in sim.outcomes:
        declared = {
            (output.name, name)
            for output in sim.outputs(by_horizon=each.key.horizon is not None)
            for name in output.checks
        }
        shown = checks_of(sim.home, each.outcome.run_id)
        assert {(check.asset_key.path[-1], check.check_name) for check in shown} == declared
        assert [(check.check_name, check.description) for check in shown if not check.passed] == []
        assert {check.partition for check in shown} == {str(each.key)}


def test_verdicts_travel_with_the_data(sim):
    for by_horizon, key in ((False, SIM), (True, SIM_20)):
        for output in sim.outputs(by_horizon=by_horizon):
            manifest = sim.store.manifest(output.name, output.group, key)
            assert sorted(verdict.name for verdict in manifest.verdicts) == sorted(output.checks), output.name
            assert manifest.blocked is None
            assert manifest.code_version
            from_files = output.name in {"raw_minutes", "open_interest", "restatements"}
            assert from_files or manifest.inputs, f"{output.name} names no input"


@pytest.mark.parametrize("view", VIEWS)
def test_views_have_the_public_columns(sim, view):
    found = run_select(sim.store, f"SELECT * FROM {view} LIMIT 3")  # noqa: S608 - names from the list above
    assert ["contract", *VIEWS[view]] == [name for name in ("contract", *VIEWS[view]) if name in found.column_names]
    for field in found.schema:
        if field.name.endswith(("_time", "t0", "t1")):
            assert str(field.type) == "timestamp[us, tz=UTC]", field
    if view not in {"quarantine", "rolls"}:
        assert found.num_rows == 3
        assert set(found["contract"].to_pylist()) == {"SIM"}


def test_the_views_are_those_of_the_specification_and_never_the_sealed_one(sim):
    views = set(view_schemas(sim.store))
    assert views >= set(VIEWS)
    extra = {"raw_minutes", "tabular", "sequence", *(f"val_{name}" for name in (*BASES, *BASELINES))}
    extra |= {
        "feature_certificate",
        "feature_choice",
        "feature_health",
        "gaps",
        "coverage",
        "open_interest",
        "regime_parameters",
        "restatements",
        "forward_outcomes",
        "forward_predictions",
        "forward_report",
    }
    assert views - set(VIEWS) == extra | {f"oof_{name}" for name in BASELINES}


def test_sql_answers_at_the_command_line(sim):
    rows = json.loads(
        factory("sql", "--json", "select count(distinct trade_date) as n, min(open_time) as t from bars_5min").out
    )
    assert rows == [{"n": SESSIONS, "t": "2023-01-02 23:00:00+00:00"}]
    assert "120" in factory("sql", "select count(distinct trade_date) as n from bars_5min").out


def test_every_fit_reads_as_many_columns_as_its_set_allows_and_the_release_those_of_the_fits_on_train(sim):
    bounds = {"boosting_optimal": (80, 120), "neural_optimal": (40, 60), "ensemble_base": (60, 80)}
    counts = run_select(
        sim.store,
        "SELECT model, feature_set, fold, count(*) AS n, count(*) FILTER (WHERE chosen) AS read FROM feature_choice "
        "GROUP BY ALL",
    ).to_pylist()
    assert {(row["model"], row["fold"]) for row in counts} == {(name, fold) for name in BASES for fold in range(-1, 5)}
    for row in counts:
        least, most = bounds[row["feature_set"]]
        assert least <= row["read"] <= most < row["n"]
    chosen = "SELECT DISTINCT column_name AS c FROM feature_choice WHERE chosen AND fold = -1 AND model {} 'tcn'"
    folder = bundle_folder(sim.home, SIM_20)
    columns = json.loads((folder / "feature_columns.json").read_bytes())["columns"]
    assert {*run_select(sim.store, chosen.format("<>"))["c"].to_pylist()} == {*columns}
    rows = json.loads((folder / "config.json").read_bytes())["sequence"]["names"]
    assert {*run_select(sim.store, chosen.format("="))["c"].to_pylist()} == {*rows}
    page = page_path(sim.home, SIM_20, "report").read_text(encoding="utf-8")
    assert "Columns chosen" in page
    assert "Stability of the chosen columns" in page


def test_status_and_validate_are_clean(sim):
    before = snapshot(sim.home.root)
    partitions = json.loads(factory("status", "--json").out)
    assert [row["partition"] for row in partitions] == [str(SIM), str(SIM_20)]
    for row, by_horizon in zip(partitions, (False, True), strict=True):
        assert sorted(row["fresh"]) == sorted(o.name for o in sim.outputs(by_horizon=by_horizon))
        assert row["last_run"]["state"] == "success"
    shown = json.loads(factory("status", "--assets", "--json").out)
    assert {row["state"] for row in shown} == {"ready"}
    expected = {(str(SIM), f"{o.group}/{o.name}") for o in sim.outputs(by_horizon=False)}
    expected |= {(str(SIM_20), f"{o.group}/{o.name}") for o in sim.outputs(by_horizon=True)}
    assert {(row["partition"], row["asset"]) for row in shown} == expected
    answer = factory("validate", "--json")
    assert answer.code == 0
    assert {row["verdict"] for row in json.loads(answer.out)} == {"ok"}
    rows = {(row["partition"], row["asset"].split("/")[0]) for row in json.loads(answer.out)}
    assert len(json.loads(answer.out)) == len(expected) + 2
    assert {(str(SIM), "studies"), (str(SIM_20), "releases")} <= rows
    assert snapshot(sim.home.root) == before


def test_validate_finds_one_flipped_bit(sim, tmp_path, monkeypatch):
    root = tmp_path / "home"
    shutil.copytree(sim.home.root, root, ignore=shutil.ignore_patterns("raw", "dagster", "features"))
    monkeypatch.setenv("FACTORY_HOME", str(root))
    part = next((root / "store" / "labels").rglob("*.parquet"))
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    part.write_bytes(damaged)
    answer = factory("validate", "--json")
    assert answer.code == 1
    wrong = [row for row in json.loads(answer.out) if row["verdict"] != "ok"]
    assert [row["asset"] for row in wrong] == ["labels/labels"]


def test_the_report_stands_alone_and_says_simulated(sim):
    answer = factory("report", "--contract", "SIM", "--horizon", "20")
    assert answer.code == 0
    path = page_path(sim.home, SIM_20, "report")
    assert str(path) in answer.out
    page = path.read_text(encoding="utf-8")
    assert "SIMULATED" in page.partition("<h1>")[0]
    beside = [page_path(sim.home, SIM, kind).name for kind in ("quality", "features")]
    assert re.findall(r'href\s*=\s*"([^"]*)"', page) == beside
    sources = re.findall(r'src\s*=\s*"([^"]{0,30})', page)
    assert len(sources) >= 8
    assert {source.partition(";")[0] for source in sources} == {"data:image/png"}
    assert "<script" not in page
    assert not re.search(r"\b(?:src|href|url)\s*[=(]\s*['\"]?(?:https?:)?//", page)
    assert page.count("SIMULATED. ") == len(sources), "each caption says so"
    for word in ("direction skill", "clock_atr_logistic", "buy_and_hold", "no_interval_overlap", "sealed"):
        assert word in page, word
    assert ">broken<" not in page


def test_the_feature_page_is_made_with_the_features_and_stands_on_the_certificate(sim):
    answer = factory("report", "--contract", "SIM")
    path = page_path(sim.home, SIM, "features")
    assert str(path) in answer.out
    page = path.read_text(encoding="utf-8")
    assert sim.store.read_files("feature_page", "features", SIM).files["features.html"] == path.read_bytes()
    assert "SIMULATED" in page.partition("<h1>")[0]
    told = run_select(
        sim.store,
        "SELECT count(*) AS n, count(DISTINCT minutes) AS timeframes, sum(cells) AS cells, bool_and(passed) AS passed "
        "FROM feature_certificate WHERE \"group\" <> 'control'",
    ).to_pylist()[0]
    assert told["passed"]
    assert told["timeframes"] == 9
    assert f"{told['cells']:,}" in page
    controls = run_select(
        sim.store,
        "SELECT minutes, feature, bool_or(must_fail AND NOT passed) AS caught FROM feature_certificate "
        "WHERE \"group\" = 'control' GROUP BY ALL",
    ).to_pylist()
    assert len(controls) >= 7 * 9
    assert all(row["caught"] for row in controls)
    health = run_select(sim.store, "SELECT sum(not_finite) AS n, bool_or(constant) AS still FROM feature_health")
    assert health.to_pylist() == [{"n": 0, "still": False}]
    study = json.loads((sim.home.studies / "SIM.json").read_text(encoding="utf-8"))
    assert f"to {study['train_last_day']}. Whatever comes later is neither drawn nor counted" in page


def test_the_quality_page_is_made_with_the_bars_and_tells_what_the_tables_hold(sim):
    answer = factory("report", "--contract", "SIM")
    assert answer.code == 0, answer.err
    path = page_path(sim.home, SIM, "quality")
    assert str(path) in answer.out
    page = path.read_text(encoding="utf-8")
    assert sim.store.read_files("quality_page", "market", SIM).files["quality.html"] == path.read_bytes()
    assert "SIMULATED" in page.partition("<h1>")[0]
    told = run_select(
        sim.store,
        "SELECT count(*) AS sessions, sum(traded_minutes) AS traded, sum(scheduled_minutes) AS scheduled FROM coverage",
    ).to_pylist()[0]
    gaps = run_select(sim.store, "SELECT count(*) AS n, sum(missing_minutes) AS minutes FROM gaps").to_pylist()[0]
    for expected in (
        f"{told['traded']:,} of {told['scheduled']:,} scheduled",
        f"{told['sessions']:,} scheduled sessions",
        f"{gaps['n']:,}, {gaps['minutes']:,} minutes",
        "bars stamped at open, ",
        "SIMULATED, not a market: good for testing the factory",
        "Jumps at rolls",
    ):
        assert expected in page, expected
    recorded = sim.store.manifest("quality_page", "market", SIM).meta
    assert recorded["source_digest"] in page


def test_the_bundle_lies_in_releases_under_its_digest(sim):
    folder = bundle_folder(sim.home, SIM_20)
    assert folder is not None
    assert folder.is_dir()
    assert str(folder) in factory("report", "--contract", "SIM", "--horizon", "20").out
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() == folder.name
    assert not list((sim.home.releases / ".staging").rglob("*.json"))
    banned = {".pkl", ".pickle", ".joblib", ".pt"}
    assert not [path for path in sim.home.root.rglob("*") if path.suffix in banned]


def test_nothing_is_written_outside_the_known_folders(sim):
    tops = {path.name for path in sim.home.root.iterdir()}
    assert tops == {"raw", "store", "studies", "releases", "reports", "dagster", "locks", "mlflow", "factory.toml"}


def test_the_report_depends_on_nothing_that_is_appended(sim):
    refs = sim.store.manifest("report", "reports", SIM_20).inputs
    of_contract = {(ref.table, ref.until_day) for ref in refs if ref.key == SIM}
    val = sim.study.val_last_day
    assert of_contract == {("study", None), ("canonical_bars", val), ("rolls", val)}


# --- the sealed period -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["labels", "tabular", "trades"])
def test_no_row_of_the_test_period_is_in_a_table(sim, name):
    days = run_select(sim.store, f"SELECT DISTINCT trade_date FROM {name}").to_pandas(date_as_object=False)  # noqa: S608
    assert len(days) > 0
    assert dates_days(days["trade_date"]).max() <= sim.study.val_last_day


@pytest.mark.parametrize(
    "name", ["splits", "stack", *(f"{period}_{model}" for period in ("oof", "val") for model in (*BASES, *BASELINES))]
)
def test_no_decision_or_outcome_of_the_test_period_is_in_a_prediction(sim, name):
    first = run_select(
        sim.store,
        f"SELECT min(open_time) AS t FROM bars_1min WHERE trade_date >= DATE '{day_text(sim.study.test_first_day)}'",  # noqa: S608
    )["t"][0].as_py()
    last = run_select(sim.store, f"SELECT max(decision_time) AS t FROM {name}")["t"][0].as_py()  # noqa: S608
    assert last <= first


def test_no_label_ends_in_the_test_period(sim):
    last = run_select(sim.store, "SELECT max(t1) AS t1, max(vertical_time) AS v FROM labels").to_pylist()[0]
    first = run_select(
        sim.store,
        f"SELECT min(open_time) AS t FROM bars_1min WHERE trade_date >= DATE '{day_text(sim.study.test_first_day)}'",  # noqa: S608
    )["t"][0].as_py()
    assert last["t1"] <= first
    assert last["v"] <= first


def test_neither_report_nor_evaluation_speaks_of_the_test_period(sim):
    page = page_path(sim.home, SIM_20, "report").read_text(encoding="utf-8")
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", page)
    sealed = {day_text(day) for day in range(sim.study.test_first_day, sim.study.end_day + 1)}
    named = {date for date in sealed if date in text}
    assert named <= {day_text(sim.study.test_first_day), day_text(sim.study.end_day)}, "cut dates only"
    assert "opened 0 times" in text
    periods = run_select(sim.store, "SELECT DISTINCT period FROM evaluation UNION SELECT DISTINCT period FROM trades")
    assert set(periods["period"].to_pylist()) == {"oof", "val"}


def test_sealed_outcomes_exist_nowhere_before_an_opening(sim):
    assert not (sim.home.root / "store" / "sealed").exists()
    answer = factory("sql", "select * from sealed_outcomes")
    assert answer.code == 2
    assert "no view ['sealed_outcomes']" in answer.message
    assert [from_line(line).kind for line in ledger(sim.home).read_text().splitlines()] == ["genesis"]


def test_sealed_assets_refuse_a_run_that_gives_no_reason(sim):
    from factory_assets.orchestration.launch import launch

    before = snapshot(sim.home.root / "store")
    sealed = [spec.key for spec in build_definitions().resolve_all_asset_specs() if spec.group_name == "sealed"]
    assert len(sealed) == 2
    outcome = launch(build_definitions(), sealed, SIM_20, home=sim.home, profile="fast")
    assert not outcome.succeeded
    assert "sealed" in outcome.failures[0].message
    assert "--open-test --reason" in outcome.failures[0].message
    assert snapshot(sim.home.root / "store") == before


def test_an_opening_writes_its_page_one_entry_and_its_result(opened, open_home):
    page = page_path(open_home, SIM_20, "test").read_text(encoding="utf-8")
    assert "SIMULATED" in page.partition("<h1>")[0]
    assert "Opened because: first look" in page
    assert "cannot prove a Sharpe of 1" in page
    first, entry, result = (from_line(line) for line in ledger(open_home).read_text().splitlines())
    assert (first.kind, entry.kind, entry.horizon, entry.reason) == ("genesis", "opening", 20, "first look")
    assert (result.kind, result.spec_hash) == ("result", entry.hash)
    assert entry.spec_hash == bundle_folder(open_home, SIM_20).name
    files = opened.store.read_files("test_report", "sealed", SIM_20).files
    assert result.metric_digest == hashlib.sha256(files["evaluation.csv"]).hexdigest()
    assert entry.previous_hash == first.hash
    table = pd.read_csv(pd.io.common.BytesIO(files["evaluation.csv"]))
    assert set(table["period"]) == {"test"}
    assert {"stack", "lightgbm", "logistic", "clock_atr_logistic"} <= set(table["model"])


def test_an_opening_leaves_every_other_table_as_it_was(made, opened):
    for by_horizon in (False, True):
        assert opened.digests(by_horizon=by_horizon) == made.digests(by_horizon=by_horizon)


def test_opened_outcomes_stay_out_of_reach_of_sql(open_home):
    assert (open_home.root / "store" / "sealed" / "sealed_outcomes").is_dir()
    for query in ("select * from sealed_outcomes", "select * from labels, sealed_outcomes"):
        answer = factory("sql", query)
        assert answer.code == 2
        assert "no view ['sealed_outcomes']" in answer.message


def _edit(home: FactoryHome) -> None:
    ledger(home).write_text(ledger(home).read_text().replace("first look", "other look"), encoding="utf-8")


def _truncate(home: FactoryHome) -> None:
    ledger(home).write_text(ledger(home).read_text().splitlines(keepends=True)[0], encoding="utf-8")


def _delete(home: FactoryHome) -> None:
    ledger(home).unlink()


def _empty(home: FactoryHome) -> None:
    ledger(home).write_bytes(b"")


def _repeat(home: FactoryHome) -> None:
    lines = ledger(home).read_text().splitlines(keepends=True)
    ledger(home).write_text("".join([*lines, lines[-1]]), encoding="utf-8")


def _delete_head(home: FactoryHome) -> None:
    shutil.rmtree(home.root / "store" / "study" / "ledger_head")


def _delete_both(home: FactoryHome) -> None:
    _delete(home)
    _delete_head(home)


@pytest.mark.parametrize("tamper", [_edit, _truncate, _delete, _empty, _repeat, _delete_head, _delete_both])
def test_a_ledger_that_was_touched_closes_the_test_period(open_home, tmp_path, tamper):
    kept = tmp_path / "kept"
    for folder in ("studies", "store/study", "store/sealed", "reports"):
        shutil.copytree(open_home.root / folder, kept / folder)
    tamper(open_home)
    before = snapshot(open_home.root, without=["dagster", "locks"])
    try:
        answer = open_test("second look")
        assert answer.code == 2, answer.err
        assert "ledger" in answer.message
        assert "stays closed" in answer.message
        assert snapshot(open_home.root, without=["dagster", "locks"]) == before
    finally:
        for folder in ("studies", "store/study", "store/sealed", "reports"):
            shutil.rmtree(open_home.root / folder)
            shutil.copytree(kept / folder, open_home.root / folder)


def test_a_second_opening_counts_two(open_home):
    answer = open_test("second look")
    assert answer.code == 0, answer.err
    entries = [from_line(line) for line in ledger(open_home).read_text().splitlines()]
    assert [entry.kind for entry in entries] == ["genesis", "opening", "result", "opening", "result"]
    page = page_path(open_home, SIM_20, "test").read_text(encoding="utf-8")
    assert re.search(r"openings of this horizon, this one included</td><td[^>]*>2<", page)
    assert entries[2].metric_digest == entries[4].metric_digest, "the same bundle on the same outcomes"


# --- determinism and growth --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rerun_on_unchanged_inputs_is_byte_identical(sim):
    before = sim.digests(by_horizon=True)
    moment = sim.store.manifest("oof_lightgbm", "boosting", SIM_20).created_at
    outcome = sim.run_phases("labels", "splits", "adapters", "models", "stacking", "evaluation")
    assert outcome.succeeded, outcome.failures
    assert sim.store.manifest("oof_lightgbm", "boosting", SIM_20).created_at > moment
    assert sim.digests(by_horizon=True) == before
    assert set(before) >= {f"oof_{name}" for name in registry.names() if registry.entry(name).adapter == "tabular"}


def test_bars_after_the_studys_end_leave_the_study_as_it_was(made, tmp_path, monkeypatch):
    root = tmp_path / "home"
    shutil.copytree(made.home.root, root, ignore=shutil.ignore_patterns("dagster", "releases"))
    for name, value in environment_of(root).items():
        monkeypatch.setenv(name, value)
    grown = dataclasses.replace(made, home=FactoryHome(root))
    for name, content in made.later_rows.items():
        (grown.home.raw / "SIM" / name).write_bytes(content)
    before = grown.digests(by_horizon=True)
    history = grown.digests(by_horizon=False)
    outcomes = tuple(run_contract(build_definitions(), "SIM", [20], home=grown.home, profile="fast", until="adapters"))
    assert failures(outcomes) == []
    days = run_select(grown.store, "SELECT count(DISTINCT trade_date) AS n FROM bars_5min")["n"][0].as_py()
    assert days == SESSIONS + len(set(_sessions_of(made)))
    assert grown.study == made.study
    # What models are fitted on; that equal inputs give equal models is the test above.
    assert grown.digests(by_horizon=True) == before
    changed = {name for name, parts in grown.digests(by_horizon=False).items() if parts != history[name]}
    assert {"raw_minutes", "canonical_bars", "bars_5min", "features_5min"} <= changed
    assert "study" not in changed
    states = partition_freshness(grown.home, SIM_20, profile="fast")
    later = {name: state.reasons for name, state in states.items() if state.state not in ("fresh", "missing")}
    assert later == {}, "a report of the study, too, is what it was"


def _sessions_of(made: SimFactory) -> set[str]:
    """Trade dates of the rows that were held back: a session opens at 23:00 or 22:00 UTC of the day before."""
    times = [
        pd.Timestamp(row.split(",")[1])
        for content in made.later_rows.values()
        for row in content.decode().splitlines()[1:]
    ]
    return {str((time.tz_convert("America/Chicago") + pd.Timedelta(hours=7)).date()) for time in times}


# --- Dagster's own commands --------------------------------------------------------------------------------------


def _dagster_command(made: SimFactory, tmp_path: Path, *command: str) -> subprocess.CompletedProcess:
    root = tmp_path / "home"
    shutil.copytree(made.home.root, root, ignore=shutil.ignore_patterns("raw", "releases", "reports"))
    program = str(Path(sys.executable).with_name(command[0]))
    environment = {**os.environ, **environment_of(root)}
    done = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    grown = dataclasses.replace(made, home=FactoryHome(root))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    old, new = (each.store.manifest("labels", "labels", SIM_20) for each in (made, grown))
    assert new.created_at > old.created_at
    assert new.parts == old.parts
    return done


def test_dagster_asset_materialize_makes_one_asset_of_a_horizon(made, tmp_path):
    _dagster_command(
        made,
        tmp_path,
        *("dagster", "asset", "materialize", "-m", "factory_assets.definitions"),
        *("--select", "labels/labels", "--partition", "SIM|20"),
    )


@pytest.mark.slow
def test_dg_launch_makes_one_asset_of_a_horizon(made, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    _dagster_command(made, tmp_path, *("dg", "launch", "--assets", "labels/labels", "--partition", "SIM|20"))
