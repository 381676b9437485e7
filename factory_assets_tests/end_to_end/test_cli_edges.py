"""The command line at its edges: interrupted demos, damaged homes, narrow terminals, and input that is nearly right."""

import io
import json
import tomllib
from contextlib import redirect_stderr
from unittest.mock import patch

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from rich.console import Console

from factory_assets import cli
from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.inspect_store import describe, open_store
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.end_to_end.command_line import factory, snapshot

SOURCE, SIM20 = "source.toml", PartitionKey("SIM", 20)


@pytest.fixture
def home(tmp_path, monkeypatch):
    root = tmp_path / "home"
    root.mkdir()
    monkeypatch.setenv("FACTORY_HOME", str(root))
    monkeypatch.setenv("DAGSTER_HOME", str(root / "dagster"))
    monkeypatch.delenv("FACTORY_STORE_URL", raising=False)
    return root


def _publish(home, text=b"1"):
    store = open_store(FactoryHome(home))
    store.publish_files("bundle", "deployment", SIM20, {"digest.txt": text}, code_version="x", settings_digest="x")
    return next(path.parent for path in (home / "store").rglob("manifest.json"))


@pytest.mark.parametrize("left", ["an empty folder", "a cut file", "a whole world", "a whole world of the user's"])
def test_a_demo_interrupted_while_writing_the_world_recovers(home, left, monkeypatch):
    monkeypatch.setattr(cli, "DEMO_SESSIONS", 3)
    monkeypatch.setattr(cli, "_run", lambda *_, **__: None)
    monkeypatch.setattr(cli, "_where", lambda *_: None)
    folder, whole = home / "raw" / "SIM", home / "whole"
    write_world(whole, world="planted", seed=cli.DEMO_SEED, sessions_count=3)
    folder.mkdir(parents=True)
    if left == "a cut file":
        for path in sorted(whole.iterdir())[:2]:
            (folder / path.name).write_bytes(path.read_bytes()[:-7])
        (folder / "SIMULATED").write_bytes((whole / "SIMULATED").read_bytes())
        assert snapshot(folder) != snapshot(whole)
    elif left != "an empty folder":
        write_world(folder, world="planted", seed=8 if "user" in left else cli.DEMO_SEED, sessions_count=3)
    before = snapshot(folder)
    assert factory("demo").code == 0
    assert snapshot(folder) == (before if "user" in left else snapshot(whole))


def test_messages_are_not_wrapped_at_80_columns(home, tmp_path):
    folder = tmp_path / ("a_folder_with_a_long_name_" * 4) / "raw"
    folder.mkdir(parents=True)
    (folder / "bars.csv").write_text("time,open,high,low,close,volume\n2024-01-02 15:00:00,1,2,1,2,7\n")
    said = io.StringIO()
    with (
        patch("sys.argv", ["factory", "ingest", "--contract", "MES", "--raw", str(folder)]),
        patch.object(cli, "err", Console(file=said, width=80)),
        redirect_stderr(said),
        pytest.raises(SystemExit) as end,
    ):
        cli.main()
    assert end.value.code == 2
    assert str(folder) in said.getvalue()
    template = said.getvalue()[said.getvalue().index("format = ") :]
    assert "[columns]" in template
    tomllib.loads(template[: template.rindex('"') + 1])


def test_sql_columns_of_one_name_are_refused(home):
    answer = factory("sql", "--json", "select 1 a, 2 a, 3 b")
    assert (answer.code, answer.out) == (2, "")
    assert "['a']: give them an alias" in answer.message
    assert json.loads(factory("sql", "--json", "select 1 a, 2 b").out) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("damage", ["folder", "manifest"])
def test_a_file_where_a_folder_belongs_is_a_damaged_row(home, damage):
    partition = _publish(home)
    for path in sorted(partition.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if damage == "manifest":
        (partition / "manifest.json").mkdir()
    else:
        partition.rmdir()
        partition.write_text("a plain file")
    (row,) = json.loads(factory("status", "--assets", "--json").out)
    assert (row["partition"], row["state"]) == ("SIM|20", "damaged")
    assert "Move away what lies there" in row["why"]
    answer = factory("validate", "--json")
    assert answer.code == 1
    (row,) = json.loads(answer.out)
    assert "Move away what lies there" in row["verdict"]


@pytest.mark.parametrize("command", ["status", "validate"])
def test_a_store_that_cannot_be_reached_is_one_message(home, monkeypatch, command):
    def unreachable(*_, **__):
        raise ConnectionRefusedError("connect call failed")

    monkeypatch.setenv("FACTORY_STORE_URL", "memory://unreachable")
    for call in ("cat_file", "ls"):
        monkeypatch.setattr(MemoryFileSystem, call, unreachable)
    answer = factory(command)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("factory: ") == 1
    assert "FACTORY_STORE_URL" in answer.message
    assert "connect call failed" in answer.message


def test_validate_removes_what_interrupted_writers_left_and_says_so(home):
    partition = _publish(home)
    before = snapshot(home)
    (partition / "parts" / ".tmp-1-1").write_bytes(b"half")
    (partition / "parts" / f"{'0' * 64}.txt").write_bytes(b"orphan")
    answer = factory("validate", "--json")
    assert answer.code == 0
    assert "1 temporary files, 1 parts no manifest names (10 bytes)" in answer.message
    assert [row["verdict"] for row in json.loads(answer.out)] == ["ok"]
    assert snapshot(home) == before
    assert factory("validate").err == ""


def test_models_and_features_are_json_all_the_way_down(home):
    models = {row["name"]: row for row in json.loads(factory("models", "--json").out)}
    assert "model_class" not in models["lightgbm"]
    assert models["lightgbm"]["window"] is None
    assert models["lightgbm"]["defaults"]["max_depth"] == 6
    assert models["lightgbm"]["search_space"]["lambda_l2"] == {"low": 0.01, "high": 100.0, "log": True}
    for row in json.loads(factory("features", "--json").out):
        assert isinstance(row["inputs"], list)
        assert set(row["lookback"]) == {"bars", "sessions", "settle_bars"}


def test_describe_goes_into_whatever_an_entry_holds():
    assert describe(PartitionKey("SIM", 20)) == {"contract": "SIM", "horizon": 20}


def test_the_evaluation_table_fits_80_columns():
    metrics = {
        "log_loss": 1.0986122886,
        "direction_skill": -0.00729123,
        "sharpe_annual": -12.34567,
        "net_pnl_dollars": -12345.678,
        "trades": 123456.0,
        "brier": 0.5,
        "x": None,
    }
    rows = [
        {"contract": "SIM", "horizon": 20, "model": model, "period": period, "metric": metric, "value": value}
        for model in ("random_entry_lightgbm", "prior")
        for period in ("oof", "val")
        for metric, value in metrics.items()
    ]
    shown = io.StringIO()
    with patch.object(cli, "out", Console(file=shown, width=80)):
        cli._print_evaluation(rows, SIM20)
    lines = shown.getvalue().splitlines()
    found = [line.split() for line in lines if line.strip().startswith("random_entry_lightgbm")]
    assert found == [["random_entry_lightgbm", "1.0986", "-0.0072912", "-12346", "-12.346", "123456"]] * 2
    assert "…" not in shown.getvalue()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (0.0, "0"), (0.0123456789, "0.012346"), (-1234.567, "-1234.6"),
     (99999.96, "100000"), (2.5, "2.5"), (123456.7, "123457")],
)  # fmt: skip
def test_numbers_in_the_table_have_five_digits(value, text):
    assert cli._rounded(value) == text


def test_a_reason_without_open_test_is_refused(home):
    answer = factory("evaluate", "--contract", "SIM", "--horizon", "20", "--reason", "x")
    assert answer.code == 2
    assert "--reason belongs to --open-test" in answer.message


def test_horizons_are_named_and_run_once(home, monkeypatch):
    answer = factory("run", "--contract", "SIM", "--horizon", "20,")
    assert answer.code == 2
    assert "--horizon '20,': expected one horizon" in answer.message
    ran, printed = [], []
    monkeypatch.setattr(cli, "_run", lambda _, horizons, **__: ran.append(horizons))
    monkeypatch.setattr(cli, "_where", lambda _, key: printed.append(str(key)))
    assert factory("run", "--contract", "SIM", "--horizon", "20, 5,20").code == 0
    assert (ran, printed) == ([[20, 5]], ["SIM|20", "SIM|5"])


def test_a_corrupt_study_is_not_shown(home):
    (home / "studies").mkdir()
    (home / "studies" / "SIM.json").write_text('{"contract": "SIM"')
    answer = factory("study", "show", "--contract", "SIM")
    assert (answer.code, answer.out) == (2, "")
    assert "SIM.json: study file: not JSON" in answer.message


def test_a_bundle_that_is_none_is_named(home, tmp_path):
    answer = factory("predict", "--bundle", str(tmp_path), "--bars", str(tmp_path / "bars.csv"))
    assert answer.code == 2
    assert "releases/CONTRACT/HORIZON/DIGEST" in answer.message
