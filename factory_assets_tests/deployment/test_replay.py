"""Recorded minutes from files, and the command line around them."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from factory_assets.deployment import score
from factory_assets.deployment.replay import main, read_minutes, replay_file
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, NaiveTimestampError

COLUMNS = ["expiry", "open_time", "open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def bars(world, tmp_path_factory):
    """Three sessions and a bit, as parquet and as CSV in another row order."""
    folder = tmp_path_factory.mktemp("bars")
    times = world.raw["open_time"]
    first, last = pd.Timestamp("2023-01-02T23:00Z"), pd.Timestamp("2023-01-05T23:40Z")
    rows = world.raw[(times >= first) & (times < last)][COLUMNS].astype({"expiry": str})
    rows.to_parquet(folder / "bars.parquet", index=False)
    rows.sample(frac=1.0, random_state=3).to_csv(folder / "bars.csv", index=False)
    return folder


FROM = pd.Timestamp("2023-01-05T23:00Z").to_pydatetime()


def test_files_of_both_kinds_give_the_same_predictions(world, bundle, bars):
    found = replay_file(bundle[0], bars / "bars.parquet", bundle[1], decide_from=FROM)
    assert found == replay_file(bundle[0], bars / "bars.csv", decide_from=FROM)
    times = world.batch["decision_time"]
    expected = times[(times > FROM) & (times <= pd.Timestamp("2023-01-05T23:40Z"))]
    assert [row["decision_time"] for row in found] == [time.isoformat() for time in expected]
    assert all(abs(row["p_down"] + row["p_flat"] + row["p_up"] - 1.0) < 1e-9 for row in found)
    with pytest.raises(IntegrityError):
        replay_file(bundle[0], bars / "bars.csv", "f" * 64)


def test_fresh_process_with_nothing_but_bundle_and_bars(bundle, bars, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "factory_assets.deployment.replay", "--decide-from", FROM.isoformat()]
    command += ["--bundle", str(bundle[0]), "--bars", str(bars / "bars.csv"), "--expected-digest", bundle[1]]
    environment = {**os.environ, "FACTORY_HOME": str(home)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert lines == replay_file(bundle[0], bars / "bars.parquet", decide_from=FROM)
    assert not any(home.iterdir())


def test_command_line_writes_a_file(bundle, bars, tmp_path):
    out = tmp_path / "out.jsonl"
    arguments = ["--bundle", str(bundle[0]), "--bars", str(bars / "bars.parquet"), "--output", str(out)]
    assert main([*arguments, "--decide-from", FROM.isoformat(), "--features"]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 8
    assert {len(row["features"]) for row in rows} == {159}


def test_bad_input_gets_one_message_and_its_exit_code(bundle, bars, tmp_path, capsys):
    bundle_arguments = ["--bundle", str(bundle[0])]
    rows = pd.read_csv(bars / "bars.csv")
    rows.assign(open_time="2023-01-05 23:00:00").to_csv(tmp_path / "naive.csv", index=False)
    rows.drop(columns="volume").to_csv(tmp_path / "short.csv", index=False)
    rows.assign(close="x").to_csv(tmp_path / "text.csv", index=False)
    rows.assign(expiry="MESH3").to_csv(tmp_path / "foreign.csv", index=False)
    (tmp_path / "noise.parquet").write_bytes(b"noise")
    cases = {
        "naive.csv": "naive", "short.csv": "volume", "text.csv": "cannot be read", "foreign.csv": "MESH3",
        "noise.parquet": "cannot be read", "absent.csv": "existing",
    }  # fmt: skip
    for name, said in cases.items():
        assert main([*bundle_arguments, "--bars", str(tmp_path / name)]) == 2, name
        captured = capsys.readouterr()
        assert said in captured.err, name
        assert captured.out == ""
    (tmp_path / "empty").mkdir()
    assert main(["--bundle", str(tmp_path / "empty"), "--bars", str(bars / "bars.csv")]) == 1
    assert "no manifest.json" in capsys.readouterr().err


def test_read_minutes_names_what_is_wrong(tmp_path):
    with pytest.raises(BadInputError, match=r"\.parquet or \.csv"):
        read_minutes(tmp_path)
    frame = pd.DataFrame({name: ["SIMH3"] if name == "expiry" else [1.0] for name in COLUMNS})
    frame.assign(open_time=pd.Timestamp("2023-01-05")).to_parquet(tmp_path / "naive.parquet")
    with pytest.raises(NaiveTimestampError):
        read_minutes(tmp_path / "naive.parquet")
    frame.to_parquet(tmp_path / "number.parquet")
    with pytest.raises(BadInputError, match="open_time"):
        read_minutes(tmp_path / "number.parquet")


def test_score_needs_the_release_columns(world):
    rows = world.batch.iloc[-20:]
    found = score(world.release, rows)
    assert list(found.columns) == ["decision_time", "p_down", "p_flat", "p_up"]
    pd.testing.assert_frame_equal(found, rows[list(found.columns)].reset_index(drop=True))
    with pytest.raises(BadInputError, match="rsi_14__5min"):
        score(world.release, rows.drop(columns="rsi_14__5min"))
