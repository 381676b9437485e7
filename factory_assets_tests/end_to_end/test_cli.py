"""Bad input at the command line: one message that says what to do, exit code 2, and a home as it was."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from factory_assets.market.synthetic import write_world
from factory_assets.models import registry
from factory_assets.orchestration.raw_folder import accept_raw
from factory_assets.vocabulary.home import FactoryHome
from factory_assets_tests.end_to_end.command_line import factory, snapshot

DECLARED = """
format = "csv"
contract = "{contract}"
bar_label = "open"
timezone = "UTC"
volume = "contracts"
expiry = "{contract}H4"

[columns]
time = "time"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
"""
ROWS = "time,open,high,low,close,volume\n2024-01-02 15:00:00{zone},100.0,101.0,99.0,100.5,7\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A FACTORY_HOME in use: settings of its own, and a raw file of the user's."""
    root = tmp_path / "home"
    (root / "raw" / "MES").mkdir(parents=True)
    (root / "raw" / "MES" / "kept.csv").write_text("of the user's\n", encoding="utf-8")
    (root / "factory.toml").write_text("[labels]\nevents = 'all'\n", encoding="utf-8")
    monkeypatch.setenv("FACTORY_HOME", str(root))
    monkeypatch.setenv("DAGSTER_HOME", str(root / "dagster"))
    monkeypatch.delenv("FACTORY_STORE_URL", raising=False)
    return root


@pytest.fixture
def vendor(tmp_path):
    """Folders of raw files, right and wrong."""
    folder = tmp_path / "vendor"
    made = {
        "naive": {"bars.csv": ROWS.format(zone="")},
        "foreign": {"bars.csv": ROWS.format(zone="Z"), "source.toml": DECLARED.format(contract="MGC")},
        "declared": {"bars.csv": ROWS.format(zone="Z"), "source.toml": DECLARED.format(contract="MES")},
        "broken_declaration": {"bars.csv": ROWS.format(zone="Z"), "source.toml": "format = csv"},
        "same_shape": {"bars.txt": "20240102 150000;100.0;101.0;99.0;100.5;7\n"},
        "not_bars": {"notes.md": "nothing"},
        "empty": {},
        "cut_off": {
            "bars.csv": ROWS.format(zone="Z") + "2024-01-02 15:01:00Z,100.0,101",
            "source.toml": DECLARED.format(contract="MES"),
        },
        "two_formats": {"bars.csv": ROWS.format(zone="Z"), "bars.parquet": "no"},
        "no_dbn": {"bars.dbn.zst": "not a DBN file"},
    }
    for name, files in made.items():
        (folder / name).mkdir(parents=True)
        for file, text in files.items():
            (folder / name / file).write_text(text, encoding="utf-8")
    return folder


def refused(answer, root, before, *says):
    """Exit code 2, exactly one message that holds each of ``says``, no traceback, nothing changed."""
    assert answer.code == 2, answer
    assert answer.err.count("factory: ") == 1, answer.err
    assert "Traceback" not in answer.err + answer.out
    assert answer.out == ""
    for text in says:
        assert text in answer.message, f"{text!r} is not in: {answer.message}"
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("nowhere", ("expected a folder of vendor files, found nothing",)),
        ("declared/bars.csv", ("expected a folder of vendor files, found a file",)),
        ("empty", ("no raw files", "Put the vendor's files there")),
        ("not_bars", ("no raw files",)),
        ("naive", ("time zone", 'bar_label = "open"', "source.toml")),
        ("foreign", ("'MGC'", "'MES' is being read", "--contract MGC")),
        ("broken_declaration", ("source.toml", "TOML")),
        ("cut_off", ("bars.csv", "line 3")),
        ("two_formats", ("several formats", "Keep one format a folder")),
        ("no_dbn", ("bars.dbn.zst",)),
    ],
)
def test_bad_raw_folders(home, vendor, folder, says):
    before = snapshot(home)
    refused(factory("ingest", "--contract", "MES", "--raw", str(vendor / folder)), home, before, *says)


def test_a_file_that_would_overwrite_another_of_the_same_name(home, vendor):
    (home / "raw" / "MES" / "bars.csv").write_text("something else", encoding="utf-8")
    before = snapshot(home)
    answer = factory("ingest", "--contract", "MES", "--raw", str(vendor / "declared"))
    refused(answer, home, before, "already holds other content under ['bars.csv']", "rename")


@pytest.mark.parametrize(
    ("declared", "rows", "says"),
    [
        (
            ("UTC", "Asia/Tokyo"),
            ROWS.replace("15:00:00", "07:30:00"),
            ("none of 1 raw rows is valid", "outside_session"),
        ),
        (('"MESH4"', '"MES 03-24"'), ROWS, ("'MES 03-24' is no expiry name",)),
        (('expiry = "MESH4"', ""), ROWS, ("give either a fixed expiry",)),
        (("UTC", "America"), ROWS, ("'America' is no IANA zone",)),
        (
            (),
            ROWS + "2024-01-02 15:01:00{zone},100.0,99.0,99.0,100.5,7\n",
            ("1 of 2 rows would be quarantined (50.0%, at most 1.0% may be)", ": 1. Check timezone"),
        ),
    ],
)
def test_a_wrong_declaration_is_refused_before_anything_is_copied(home, vendor, declared, rows, says):
    (home / "raw" / "MES" / "kept.csv").unlink()
    text = DECLARED.format(contract="MES")
    (vendor / "declared" / "source.toml").write_text(text.replace(*declared) if declared else text, encoding="utf-8")
    (vendor / "declared" / "bars.csv").write_text(rows.format(zone=""), encoding="utf-8")
    before = snapshot(home)
    answer = factory("ingest", "--contract", "MES", "--raw", str(vendor / "declared"))
    refused(answer, home, before, *says, "source.toml")


def test_only_spreads_hold_no_minute(home, vendor):
    (home / "raw" / "MES" / "kept.csv").unlink()
    text = DECLARED.format(contract="MES").replace('expiry = "MESH4"', "") + 'expiry = "expiry"\n'
    rows = ROWS.format(zone="Z").replace("volume\n", "volume,expiry\n").replace(",7\n", ",7,MESH4-MESM4\n")
    (vendor / "declared" / "source.toml").write_text(text, encoding="utf-8")
    (vendor / "declared" / "bars.csv").write_text(rows, encoding="utf-8")
    before = snapshot(home)
    answer = factory("ingest", "--contract", "MES", "--raw", str(vendor / "declared"))
    refused(answer, home, before, "no row of an outright delivery month among 1 rows (1 of spreads)")


def test_a_corrected_declaration_is_taken_on_the_next_try(home, vendor):
    (home / "raw" / "MES" / "kept.csv").unlink()
    folder, kept = FactoryHome(home), home / "raw" / "MES"
    declaration, right = vendor / "declared" / "source.toml", DECLARED.format(contract="MES")
    declaration.write_text(right.replace('"open"\ntimezone', '"close"\ntimezone'), encoding="utf-8")
    assert accept_raw(vendor / "declared", "MES", folder)[1] == 2
    declaration.write_text(right, encoding="utf-8")
    read, copied = accept_raw(vendor / "declared", "MES", folder)
    assert (copied, read.minutes["open_time"].dt.strftime("%H:%M").tolist()) == (1, ["15:00"])
    assert (kept / "source.toml").read_text(encoding="utf-8") == right
    assert accept_raw(vendor / "declared", "MES", folder)[1] == 0
    # A file that only the home holds would silently change its meaning with the declaration.
    (vendor / "declared" / "bars.csv").rename(vendor / "declared" / "later.csv")
    declaration.write_text(right.replace('"open"\ntimezone', '"close"\ntimezone'), encoding="utf-8")
    before = snapshot(home)
    answer = factory("ingest", "--contract", "MES", "--raw", str(vendor / "declared"))
    refused(answer, home, before, f"Edit {kept / 'source.toml'}", "['bars.csv']")
    declaration.write_text(right, encoding="utf-8")
    (vendor / "declared" / "later.csv").write_text(ROWS.format(zone="Z").replace("15:00", "15:01"), encoding="utf-8")
    assert accept_raw(vendor / "declared", "MES", folder)[1] == 1
    assert sorted(path.name for path in kept.iterdir()) == ["bars.csv", "later.csv", "source.toml"]


@pytest.mark.parametrize("place", ["raw", "raw/MES"])
def test_a_file_where_the_raw_folder_belongs(home, vendor, place):
    shutil.rmtree(home / place)
    (home / place).write_text("a file", encoding="utf-8")
    before = snapshot(home)
    answer = factory("ingest", "--contract", "MES", "--raw", str(vendor / "declared"))
    refused(answer, home, before, str(home / place), "found a file. Move it away")


def test_another_contracts_databento_files(home, tmp_path, real_data):
    source = sorted((real_data / "MGC_databento").glob("*.dbn.zst"))
    if not source:
        pytest.skip(f"no DBN files under {real_data}")
    folder = tmp_path / "gold"
    folder.mkdir()
    (folder / source[0].name).symlink_to(source[0].resolve())
    before = snapshot(home)
    refused(factory("ingest", "--contract", "MES", "--raw", str(folder)), home, before, "MGC", "MES")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("run --contract ZZ", ("'ZZ' is not in the instrument table", "['MES', 'MGC', 'NQ', 'SIM']")),
        ("run --contract ../../escape", ("is not in the instrument table",)),
        ("ingest --contract ZZ --raw {vendor}/declared", ("'ZZ' is not in the instrument table",)),
        ("ingest --contract ZZ --raw {vendor}/declared --detect", ("'ZZ' is not in the instrument table",)),
        ("study new --contract ZZ", ("'ZZ' is not in the instrument table",)),
        ("study show --contract ZZ", ("ZZ",)),
        ("study show --contract MES", ("no study yet", "factory study new --contract MES")),
        ("run --contract MES --horizon 7", ("horizon 7", "(5, 10, 15, 20)")),
        ("run --contract MES --horizon twenty", ("--horizon 'twenty'", "5,10,15,20")),
        ("run --contract MES --horizon 5,,10", ("--horizon '5,,10'", "5,10,15,20")),
        ("run --contract MES --profile quick", ("'quick'", "fast", "standard", "full")),
        ("run --contract MES --until label", ("--until 'label'", "phases are bars, features, study, labels")),
        ("evaluate --contract MES --horizon 20", ("evaluation|MES|20", "factory run --contract MES --horizon 20")),
        ("evaluate --contract MES --horizon 20 --open-test", ("--open-test needs --reason", "recorded for ever")),
        ("evaluate --contract MES --horizon 20 --open-test --reason ' '", ("--open-test needs --reason",)),
        ("evaluate --contract MES --horizon 3", ("horizon 3",)),
        ("report --contract MES --horizon 20", ("no report yet", "factory run --contract MES --horizon 20")),
        ("predict --bundle {vendor}/nowhere --bars {vendor}/nowhere.csv", ("nowhere",)),
        ("ingest --contract MES --raw {vendor}/declared --detect", ("source.toml: already there", "--out")),
        ("ingest --contract MES --raw {vendor}/same_shape --detect", ("NinjaTrader 8", "HistData", "none is made")),
        ("ingest --contract MES --raw {vendor}/naive --out {vendor}/a.toml", ("--out", "add --detect")),
        ("ingest --contract MES --raw {vendor}/naive --declaration {vendor}/nowhere.toml", ("nowhere.toml",)),
        ("ingest --contract MES --raw {vendor}/naive --detect --declaration x.toml", ("leave out --declaration",)),
        ("ingest --contract MES --raw {vendor}/nowhere --detect", ("expected a folder of vendor files",)),
    ],
)
def test_bad_arguments(home, vendor, arguments, says):
    words = [part.strip("'").replace("{vendor}", str(vendor)) for part in re.findall(r"'[^']*'|\S+", arguments)]
    before = snapshot(home)
    refused(factory(*words), home, before, *says)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE labels",
        "SELECT 1; SELECT 2",
        "COPY (SELECT 1) TO '{home}/out.csv'",
        "SELECT * FROM read_csv('{home}/factory.toml')",
        "SELECT * FROM '{home}/raw/MES/kept.csv'",
        "SELECT * FROM sealed_outcomes",
        "ATTACH '{home}/x.duckdb'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '1GB'",
        "SELECT getenv('HOME')",
        "SELECT * FROM duckdb_settings()",
        "CREATE TABLE x AS SELECT 1",
        "EXPORT DATABASE '{home}/out'",
        "WITH x AS (SELECT 1) DELETE FROM x",
        "",
        "SELECT * FROM nothing",
    ],
)
def test_sql_refuses_everything_but_one_select_over_views(home, query):
    before = snapshot(home)
    refused(factory("sql", query.replace("{home}", str(home))), home, before)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[labels\n", ("factory.toml", "not valid TOML")),
        ("[labels]\nevent = 'all'\n", ("unknown key 'event'", "known: ")),
        ("[label]\nevents = 'all'\n", ("unknown section [label]",)),
        ("[splits]\nfolds = 'five'\n", ("expected int", "'five'")),
        ("[splits]\nfolds = 1\n", ("folds >= 2",)),
        ("[barriers.ZZ.20]\nk_up = 2.0\n", ("barriers.ZZ", "known contract")),
    ],
)
@pytest.mark.parametrize(
    "command", ["run --contract MES", "study new --contract MES", "ingest --contract MES --raw {vendor}/declared"]
)
def test_malformed_settings_are_found_before_anything_runs(home, vendor, text, says, command):
    (home / "factory.toml").write_text(text, encoding="utf-8")
    before = snapshot(home)
    refused(factory(*command.replace("{vendor}", str(vendor)).split()), home, before, *says)


@pytest.mark.parametrize(
    "command", ["run --contract MES", "study new --contract MES", "ingest --contract MES --raw {vendor}/declared"]
)
def test_a_relative_dagster_home_is_found_before_anything_runs(home, vendor, command, monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", "dagster")
    monkeypatch.chdir(tmp_path)
    before, around = snapshot(home), snapshot(tmp_path)
    answer = factory(*command.replace("{vendor}", str(vendor)).split())
    refused(answer, home, before, "DAGSTER_HOME='dagster' is relative", "absolute path, or unset it")
    assert snapshot(tmp_path) == around


def test_a_home_that_is_a_file(tmp_path, monkeypatch):
    place = tmp_path / "home"
    place.write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("FACTORY_HOME", str(place))
    answer = factory("run", "--contract", "SIM")
    assert answer.code == 2
    assert "is a file" in answer.message
    assert place.read_text(encoding="utf-8") == "no folder"


@pytest.mark.parametrize("command", ["ingest --contract MES --raw {vendor}/declared", "run --contract SIM"])
def test_a_home_that_cannot_be_made(vendor, command, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "file" / "home"))
    answer = factory(*command.replace("{vendor}", str(vendor)).split())
    assert answer.code == 2
    assert answer.err.count("factory: ") == 1
    assert f"{tmp_path / 'file'} is no folder that may be written to" in answer.message
    assert "Traceback" not in answer.err


RUN_LOCKS = {"locks": "folder", "locks/runs": "folder"}
"""What a run leaves that made nothing: the folder of the locks that runs hold while they work, and no lock in it."""


def test_a_contract_without_raw_files_names_the_command_that_brings_some(home):
    before = snapshot(home, without=["dagster"])
    answer = factory("run", "--contract", "MGC", "--horizon", "20")
    assert answer.code == 2
    assert answer.err.count("factory: ") == 1
    assert "factory ingest --contract MGC --raw FOLDER" in answer.message
    assert "Traceback" not in answer.err
    after = snapshot(home, without=["dagster"])
    assert {name: what for name, what in after.items() if name not in before} == RUN_LOCKS
    assert {name: after.get(name) for name in before} == before


def test_too_little_history_says_how_many_sessions_are_lacking(home):
    write_world(home / "raw" / "SIM", world="planted", seed=7, sessions_count=20)
    (home / "factory.toml").write_text("[features]\ncertificate_cut_points = 10\n", encoding="utf-8")
    answer = factory("run", "--contract", "SIM", "--horizon", "20")
    assert answer.code == 2, answer.err
    assert answer.err.count("factory: ") == 1, answer.err
    said = re.search(r"20 closed sessions have bars, at least (\d+) are needed .* (\d+) are lacking", answer.message)
    assert said
    assert int(said[1]) - 20 == int(said[2])
    assert int(said[1]) >= 60
    assert "Traceback" not in answer.err
    after = snapshot(home, without=["dagster", "locks"])
    made = {name.split("/")[1] for name in after if name.startswith("store/")}
    assert made == {".parsed", "market", "features", "study", "labels"}
    assert [name for name in after if name.startswith("studies/") and not name.endswith(".lock")] == [
        "studies/SIM.labelled.jsonl"
    ]
    placed = sorted(name for name in after if name.startswith(("reports/", "releases/")))
    assert placed == ["reports/SIM_features.html", "reports/SIM_quality.html"]


def test_lists_parse_as_json(home):
    listed = json.loads(factory("models", "--json").out)
    assert [row["name"] for row in listed] == list(registry.names())
    features = json.loads(factory("features", "--json").out)
    assert len(features) >= 45
    asked_for = {"name", "group", "formula", "lookback", "lookback_bars", "unit", "scaling", "reference"}
    assert asked_for | {"warmup", "tolerance", "inputs", "reads_volume"} <= set(features[0])
    traded = json.loads(factory("features", "--group", "traded", "--json").out)
    assert [row["name"] for row in traded] == [row["name"] for row in features if row["group"] == "traded"]
    listed = factory("features").out
    assert all(row["name"] in listed for row in features)
    assert f"{len(features)} features" in listed
    assert factory("features", "--group", "nothing").code == 2
    assert json.loads(factory("status", "--json").out) == []
    assert json.loads(factory("validate", "--json").out) == []


def test_listing_an_empty_home_changes_nothing(home):
    before = snapshot(home)
    for command in ("status", "validate", "models", "features"):
        assert factory(command).code == 0
    assert snapshot(home) == before


def test_json_holds_no_nan_and_tables_show_values_as_they_are(home):
    query = "select 'nan'::double as a, 'inf'::double as b, [1.5, 'nan'::double] as c, '[red]x[/red] [/bold]' as d"
    answer = factory("sql", "--json", query)

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    assert json.loads(answer.out, parse_constant=no_constant) == [
        {"a": None, "b": None, "c": [1.5, None], "d": "[red]x[/red] [/bold]"}
    ]
    assert "[red]x[/red] [/bold]" in factory("sql", query).out


def test_detect_writes_a_declaration_that_reads_nothing_until_it_is_confirmed(home, vendor):
    before = snapshot(home)
    command = ("ingest", "--contract", "MES", "--raw", str(vendor / "naive"))
    answer = factory(*command, "--detect")
    assert answer.code == 0, answer.err
    written = (vendor / "naive" / "source.toml").read_text(encoding="utf-8")
    assert answer.out.strip() == written.strip()
    assert "confirmed = false" in written
    assert "as UTC, stamped at the open: 1 of 1 minutes lie in MES sessions" in written
    assert "set confirmed = true" in answer.message
    refused(factory(*command), home, before, "missing key 'bar_label'", "missing key 'volume'")


def test_detect_proposes_what_databento_files_prove(home, tmp_path, real_data):
    source = sorted((real_data / "MGC_databento").glob("*.dbn.zst"))
    if not source:
        pytest.skip(f"no DBN files under {real_data}")
    folder = tmp_path / "gold"
    folder.mkdir()
    (folder / source[0].name).symlink_to(source[0].resolve())
    before = snapshot(home)
    answer = factory("ingest", "--contract", "MGC", "--raw", str(folder), "--detect")
    assert answer.code == 0
    assert 'format = "databento_dbn"' in answer.out
    assert "UTC" in answer.message
    assert snapshot(home) == before


def test_the_installed_command_exits_with_two_and_shows_no_traceback(home):
    command = shutil.which("factory", path=str(Path(sys.executable).parent))
    assert command
    done = subprocess.run(
        [command, "run", "--contract", "ZZ"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("factory: contract 'ZZ'")
