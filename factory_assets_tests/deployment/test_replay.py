"""Recorded minutes from files, and the command line around them."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment import Predictor, score
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
    times = world.batch.frame["decision_time"]
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


def test_command_line_writes_a_file(world, bundle, bars, tmp_path):
    out = tmp_path / "out.jsonl"
    arguments = ["--bundle", str(bundle[0]), "--bars", str(bars / "bars.parquet"), "--output", str(out)]
    assert main([*arguments, "--decide-from", FROM.isoformat(), "--features"]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 8
    assert {len(row["features"]) for row in rows} == {len(world.release.columns)}


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
    assert main(["--bundle", str(tmp_path / "empty"), "--bars", str(bars / "bars.csv")]) == 2
    said = capsys.readouterr().err
    assert "no manifest.json" in said
    assert "releases/CONTRACT/HORIZON/DIGEST" in said


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


def _csv(path, *times):
    rows = [f"SIMH3,{time},100,101,99,100,5" for time in times]
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


def test_a_file_without_rows_or_with_a_row_without_a_time_says_so(tmp_path):
    fine = "2023-01-05T23:00:00+00:00"
    with pytest.raises(BadInputError, match="the file has no rows"):
        read_minutes(_csv(tmp_path / "none.csv"))
    with pytest.raises(BadInputError, match=r"row 2 \(of 3, the header not counted\) has no open_time"):
        read_minutes(_csv(tmp_path / "hole.csv", fine, "", fine))
    with pytest.raises(BadInputError, match=r"row 1 .* has no open_time"):
        read_minutes(_csv(tmp_path / "holes.csv", ""))
    for naive in ("2023-01-05 23:01:00", "2023-01-05", "20230105T230100"):
        with pytest.raises(NaiveTimestampError, match=f"row 2 .* naive open_time '{naive}'; expected ISO 8601"):
            read_minutes(_csv(tmp_path / "naive.csv", fine, naive))
    frame = pd.DataFrame({name: ["SIMH3"] * 2 if name == "expiry" else [1.0] * 2 for name in COLUMNS})
    frame.assign(open_time=[pd.Timestamp(fine), pd.NaT]).to_parquet(tmp_path / "hole.parquet")
    with pytest.raises(BadInputError, match=r"row 2 .* has no open_time"):
        read_minutes(tmp_path / "hole.parquet")


@pytest.mark.filterwarnings("error::FutureWarning")
def test_offsets_may_differ_from_row_to_row(tmp_path):
    times = (
        "2023-03-10T17:00:00-06:00",
        "2023-03-13 17:00:00-0500",
        "2023-03-14T22:00:00Z",
        "2023-03-15T22:00:00.0+00",
    )
    read = read_minutes(_csv(tmp_path / "mixed.csv", *times))
    expected = ["2023-03-10T23:00Z", "2023-03-13T22:00Z", "2023-03-14T22:00Z", "2023-03-15T22:00Z"]
    assert read["open_time"].tolist() == [pd.Timestamp(time) for time in expected]


def test_what_became_of_the_minutes_is_told(world, bundle, bars, tmp_path):
    rows = pd.read_parquet(bars / "bars.parquet").sort_values("open_time", kind="stable")
    rows.head(40).to_parquet(tmp_path / "session.parquet")
    told = []
    assert replay_file(bundle[0], tmp_path / "session.parquet", tell=told.append) == []
    assert told[0].startswith("40 minutes fed (")
    assert "not warm" in told[0]
    assert "give minutes of a second one" in told[0]
    broken = rows.reset_index(drop=True)
    last = broken.index[-3:]
    broken.loc[last, "high"] = broken.loc[last, "low"] - 1.0
    broken.to_parquet(tmp_path / "broken.parquet")
    found = replay_file(bundle[0], tmp_path / "broken.parquet", decide_from=FROM, tell=told.append)
    assert f"{len(rows)} minutes fed" in told[1]
    assert f"; {len(found)} predictions; " in told[1]
    assert "quarantined_" in told[1]
    assert f"needs {Predictor.load(bundle[0]).sessions_needed} full sessions" in told[1]
    assert "No prediction" not in told[1]


def test_update_refuses_what_is_neither_a_minute_nor_a_mapping(world):
    predictor = Predictor(world.release)
    row = world.raw.iloc[0][COLUMNS]
    for bar in (row, None, [1.0], "SIMH3"):
        with pytest.raises(BadInputError, match=rf"bar: {type(bar).__name__}; .*row\.to_dict\(\)"):
            predictor.update(bar)
    assert dict(predictor.counts) == dict(Predictor(world.release).counts)
    assert predictor.update(row.to_dict()) is None


def test_score_needs_the_release_columns(world):
    batch = world.batch.take(np.arange(len(world.batch))[-20:])
    rows = batch.frame
    found = score(world.release, rows, batch.windows)
    assert list(found.columns) == ["decision_time", "p_down", "p_flat", "p_up"]
    pd.testing.assert_frame_equal(found, rows[list(found.columns)])
    lost = world.release.columns[7]
    with pytest.raises(BadInputError, match=f"1 columns missing, the first.*{lost}"):
        score(world.release, rows.drop(columns=lost), batch.windows)
    with pytest.raises(BadInputError, match=r"\{'tabular': 20\}; expected .*'sequence'"):
        score(world.release, rows)
    with pytest.raises(BadInputError, match=r"\{'sequence': 19, 'tabular': 20\}"):
        score(world.release, rows, batch.windows[1:])
