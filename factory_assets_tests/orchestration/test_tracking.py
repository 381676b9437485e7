"""The log of runs: what is in it, that nothing is in it twice, and that nothing depends on it."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from factory_assets.orchestration.tracking import Tracker
from factory_assets.orchestration.tracking.place import TrackingPlace
from factory_assets.orchestration.tracking.run_log import _chosen
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import TrackingSettings
from factory_assets_tests.orchestration.tracking_samples import Maker, files_of, runs

ON = TrackingSettings()
# What MLflow takes for a sign of tests or of CI, in which it sends nothing anyway.
QUIET = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return FactoryHome(tmp_path / "home")


@pytest.fixture
def maker(home):
    return Maker(home)


def test_a_model_run_says_what_it_was_made_with_and_of(home, maker):
    published = maker.model()
    tracker = Tracker(home, ON)
    assert tracker.take(published) is None
    assert (tracker.logged, tracker.skipped) == (1, 0)
    (run,) = runs(home, "MGC|20")
    assert (run.info.run_name, run.info.status) == ("lightgbm", "FINISHED")
    assert run.data.params == {"num_leaves": "31", "balanced": "True", "splits.folds": "5", "models.seed": "11"}
    assert run.data.metrics == {"best_iteration": 21.0, "fold_0_best_iteration": 17.0}
    expected = {
        "factory.model": "lightgbm",
        "factory.contract": "MGC",
        "factory.horizon": "20",
        "factory.profile": "fast",
        "factory.simulated": "false",
        "factory.code_version": "c" * 16,
        "factory.settings_digest": "s" * 64,
        "factory.dagster_run": "dagster-run",
    }
    assert expected.items() <= run.data.tags.items()
    (data,) = run.inputs.dataset_inputs
    lineage = published.outputs["model_lightgbm"].manifest.lineage
    assert {data.dataset.name: data.dataset.digest} == dict(lineage)
    assert run.info.start_time == 1772424300000


def test_equal_content_updates_its_run_and_other_content_makes_another(home, maker):
    first = maker.model()
    for published in (first, maker.model(), first):
        assert Tracker(home, ON).take(published) is None
    (kept,) = runs(home, "MGC|20")
    Tracker(home, ON).take(maker.model(predictions="b"))
    Tracker(home, ON).take(maker.model(parameters={"num_leaves": 63}))
    found = runs(home, "MGC|20")
    assert len(found) == 3
    assert kept.info.run_id in {run.info.run_id for run in found}
    assert sorted(run.data.params["num_leaves"] for run in found) == ["31", "31", "63"]


def test_an_evaluation_adds_to_the_run_whose_predictions_it_scored(home, maker):
    tracker = Tracker(home, ON)
    old, new = maker.model(predictions="a"), maker.model(predictions="b")
    for published in (old, new):
        tracker.take(published)
    rows = [
        ("lightgbm", "oof", "log_loss", 0.9, 0.8, 1.0),
        ("lightgbm", "val", "direction_skill", 0.02, float("nan"), 0.05),
        ("majority", "oof", "log_loss", 1.1, 1.0, 1.2),  # nothing was fitted for it
    ]
    assert tracker.take(maker.evaluation(old, rows)) is None
    first, second = sorted(runs(home, "MGC|20"), key=lambda run: len(run.data.metrics), reverse=True)
    added = {name: value for name, value in first.data.metrics.items() if "." in name}
    assert added == {
        "oof.log_loss": 0.9,
        "oof.log_loss.low": 0.8,
        "oof.log_loss.high": 1.0,
        "val.direction_skill": 0.02,
        "val.direction_skill.high": 0.05,
    }
    assert "factory.evaluation" in first.data.tags
    assert "factory.evaluation" not in second.data.tags
    predictions = old.outputs["oof_lightgbm"].manifest.content_digest
    assert predictions != new.outputs["oof_lightgbm"].manifest.content_digest
    assert first.data.params["num_leaves"] == "31"


def test_an_evaluation_of_models_that_were_not_logged_is_kept(home, maker):
    published = maker.model()
    rows = [("lightgbm", "oof", "log_loss", 0.9, 0.8, 1.0)]
    Tracker(home, ON).take(maker.evaluation(published, rows))
    (run,) = runs(home, "MGC|20")
    assert (run.info.run_name, run.data.metrics["oof.log_loss"]) == ("lightgbm", 0.9)


@pytest.mark.parametrize("evaluations", [1, 2])
def test_a_model_logged_after_its_evaluation_takes_up_the_run_that_one_began(home, maker, evaluations):
    published, rows = maker.model(), [("lightgbm", "oof", "log_loss", 0.9, 0.8, 1.0)]
    for _ in range(evaluations):
        Tracker(home, ON).take(maker.evaluation(published, rows))
    for _ in range(2):
        assert Tracker(home, ON).take(published) is None
    (run,) = runs(home, "MGC|20")
    assert run.data.params["num_leaves"] == "31"
    assert run.data.metrics["oof.log_loss"] == 0.9
    assert run.data.metrics["best_iteration"] == 21.0
    assert "factory.evaluation" in run.data.tags
    # The same predictions under other parameters are another run, which takes nothing from the first.
    Tracker(home, ON).take(maker.model(parameters={"num_leaves": 63}))
    assert sorted(run.data.params["num_leaves"] for run in runs(home, "MGC|20")) == ["31", "63"]


def test_curves_are_drawn_thinned_once_and_kept_whole(home, maker):
    long = {"train_loss": [1.0 / (n + 1) for n in range(1000)], "watched_loss": [2.0, 1.5, float("1.25")]}
    curves = {"fold_0": long, "train": {"train_loss": [0.5]}}
    settings = TrackingSettings(curve_points_max=10)
    for _ in range(2):
        Tracker(home, settings).take(maker.model(curves=curves))
    (run,) = runs(home, "MGC|20")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home.mlflow / 'mlflow.db'}")
    drawn = client.get_metric_history(run.info.run_id, "fold_0.train_loss")
    assert [(point.step, point.value) for point in drawn] == [
        (step, 1.0 / step) for step in (1, 112, 223, 334, 445, 556, 667, 778, 889, 1000)
    ]
    watched = client.get_metric_history(run.info.run_id, "fold_0.watched_loss")
    assert [(point.step, point.value) for point in watched] == [(1, 2.0), (2, 1.5), (3, 1.25)]
    assert json.loads(files_of(run)["curves.json"]) == curves


@pytest.mark.parametrize(
    ("rounds", "points", "expected"), [(0, 5, []), (1, 5, [0]), (3, 3, [0, 1, 2]), (9, 3, [0, 4, 8])]
)
def test_the_first_and_the_last_round_are_always_drawn(rounds, points, expected):
    assert _chosen(rounds, points) == expected


def test_a_release_is_kept_as_the_files_it_is(home, maker):
    files = {"config.json": b"{}", "models/lightgbm/trees.txt": b"\x00\xfftrees", "manifest.json": b"{}"}
    published = maker.release(files)
    for _ in range(2):
        assert Tracker(home, ON).take(published) is None
    (run,) = runs(home, "MGC|20")
    assert run.info.run_name == f"bundle {'d' * 12}"
    assert files_of(run) == {f"release/{name}": content for name, content in files.items()}
    assert run.data.tags["factory.release"] == "d" * 64


def test_a_simulated_partition_says_so(home):
    Tracker(home, ON).take(Maker(home, PartitionKey("SIM", 5)).model())
    (run,) = runs(home, "SIM|5 SIMULATED")
    assert run.data.tags["factory.simulated"] == "true"


def test_nothing_is_written_outside_the_home(home, maker, tmp_path):
    Tracker(home, ON).take(maker.release({"config.json": b"{}"}))
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    made = {path.name for path in home.root.iterdir()} - {"store", "releases"}
    assert {"mlflow", "locks"} <= made
    assert all(name in {"mlflow", "locks"} or name.endswith(".lock") for name in made)
    assert {path.name for path in home.mlflow.iterdir()} == {"mlflow.db", "artifacts"}


def test_what_is_no_model_and_a_log_switched_off_need_no_mlflow(home, maker):
    other = maker.model()
    labels_only = Tracker(home, ON)
    outputs = {"labels": other.outputs["oof_lightgbm"]}
    assert labels_only.take(type(other)(**{**vars(other), "outputs": outputs})) is None
    off = Tracker(home, TrackingSettings(enabled=False))
    assert off.take(other) is None
    assert (labels_only.logged, off.logged, off.skipped) == (0, 0, 0)
    assert not home.mlflow.exists()


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


NOWHERE = {
    "relative": "sqlite:///mlflow.db",
    "memory": "sqlite://",
    "query": "sqlite:////tmp/q?.db",
    "port": "http://localhost:50x0",
    "large port": "http://localhost:99999",
    "host": "http://a..b/",
    "server port": "postgresql://u:secret@localhost:54x/db",
}


@pytest.mark.parametrize("uri", NOWHERE.values(), ids=NOWHERE)
@pytest.mark.parametrize("by_variable", [True, False])
def test_a_place_that_is_none_is_refused_where_it_is_decided(home, monkeypatch, uri, by_variable):
    if by_variable:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(BadInputError, match="MLFLOW_TRACKING_URI=" if by_variable else r"\[tracking\] uri=") as caught:
        TrackingPlace.of(home, ON if by_variable else TrackingSettings(uri=uri))
    assert "expected" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    ["garbage", "folder", "half", "artifacts", "unreachable", "scheme", "server", "value", *NOWHERE],
)
def test_a_broken_log_is_one_message_and_no_failure(home, maker, monkeypatch, caplog, damage):
    settings = ON
    home.mlflow.mkdir(parents=True)
    if damage == "garbage":
        (home.mlflow / "mlflow.db").write_bytes(b"no database at all " * 100)
    elif damage == "folder":
        (home.mlflow / "mlflow.db").mkdir()
    elif damage == "half":
        (home.mlflow / "mlflow.db").write_bytes(b"")
    elif damage == "artifacts":
        (home.mlflow / "artifacts").write_text("a file where a folder belongs")
    elif damage == "unreachable":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{_closed_port()}")
    elif damage == "server":
        settings = TrackingSettings(uri=f"postgresql://u:secret@127.0.0.1:{_closed_port()}/db")
    elif damage == "scheme":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{home.mlflow}")
    elif damage == "value":

        def refuse(*_):
            raise ValueError("a library's own check")

        monkeypatch.setattr(TrackingPlace, "client", refuse)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE[damage])
    tracker = Tracker(home, settings)
    published = maker.release({"config.json": b"{}"})
    message = tracker.take(published)
    assert message is not None
    assert "MGC|20: the run log (MLflow) could not be written" in message
    assert "[tracking] enabled = false" in message
    assert "secret" not in message
    assert tracker.take(published) is None
    assert tracker.take(maker.model()) is None
    assert (tracker.logged, tracker.skipped) == (0, 3)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [message]


def _python(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in QUIET and not name.startswith("MLFLOW_")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environment},
        timeout=120,
    )


def test_eight_processes_at_once_make_one_log_of_a_fresh_home(home):
    # The imports are shared, so that all eight arrive at the missing database within milliseconds of each other.
    script = """
        import os, sys, traceback
        from pathlib import Path
        import mlflow.store.tracking.sqlalchemy_store
        from factory_assets.orchestration.tracking import Tracker
        from factory_assets.vocabulary.home import FactoryHome
        from factory_assets.vocabulary.settings import TrackingSettings
        from factory_assets_tests.orchestration.tracking_samples import Maker

        home = FactoryHome(Path(sys.argv[1]))
        published = [Maker(home).model(f"m{n}") for n in range(8)]
        ready, go = os.pipe()
        children = []
        for each in published:
            if child := os.fork():
                children.append(child)
                continue
            os.close(go)
            os.read(ready, 1)  # every child wakes when the parent closes its end
            try:
                problem = Tracker(home, TrackingSettings()).take(each)
                print(problem or "logged", flush=True)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(ready)
        os.close(go)
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    """
    done = _python(script, str(home.root), PYTHONPATH=str(Path(__file__).resolve().parents[2]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["logged"] * 8 + [str([0] * 8)]
    assert sorted(run.info.run_name for run in runs(home, "MGC|20")) == [f"m{n}" for n in range(8)]


TELEMETRY = """
    import socket, sys, threading, time
    from pathlib import Path

    asked = []

    def refused(name):
        def call(*arguments, **_):
            asked.append(f"{name} {arguments[0] if name == 'getaddrinfo' else arguments[-1]}")
            raise OSError("no network in this test")
        return call

    socket.getaddrinfo = refused("getaddrinfo")
    socket.socket.connect = refused("connect")
    silent, root = sys.argv[1] == "silent", Path(sys.argv[2])
    from factory_assets.orchestration.tracking import Tracker, place
    from factory_assets.vocabulary.home import FactoryHome
    from factory_assets.vocabulary.settings import TrackingSettings
    from factory_assets_tests.orchestration.tracking_samples import Maker

    if not silent:
        place._SILENT.clear()
    home = FactoryHome(root)
    tracker = Tracker(home, TrackingSettings())
    assert tracker.take(Maker(home).model()) is None
    deadline = time.monotonic() + (1.0 if silent else 20.0)
    while time.monotonic() < deadline and (silent or not asked):
        time.sleep(0.05)
    print(asked)
    print([thread.name for thread in threading.enumerate() if thread is not threading.main_thread()])
"""


def test_mlflow_asks_nobody_anything(home):
    done = _python(TELEMETRY, "silent", str(home.root), PYTHONPATH=str(Path(__file__).resolve().parents[2]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "[]"]


@pytest.mark.slow
def test_without_our_switches_mlflow_does_ask(home):
    """The control of the test above: it would see what it looks for."""
    done = _python(TELEMETRY, "loud", str(home.root), PYTHONPATH=str(Path(__file__).resolve().parents[2]))
    assert done.returncode == 0, done.stderr
    assert "telemetry" in done.stdout.splitlines()[0]


def test_the_code_location_loads_without_mlflow():
    script = """
        import sys
        from factory_assets.definitions import defs
        defs.resolve_all_job_defs()
        print([name for name in sys.modules if name.split(".")[0] in {"mlflow", "dagster_mlflow", "sqlparse"}])
    """
    done = _python(script, PYTHONPATH=str(Path(__file__).resolve().parents[2]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_where_the_log_lies(home, monkeypatch):
    own = TrackingPlace.of(home, ON)
    assert own.uri == f"sqlite:///{home.mlflow / 'mlflow.db'}"
    assert own.artifacts == (home.mlflow / "artifacts").as_uri()
    served = TrackingPlace.of(home, TrackingSettings(uri="http://127.0.0.1:5000"))
    assert (served.uri, served.artifacts, served.database) == ("http://127.0.0.1:5000", None, None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/mlflow.db")
    assert TrackingPlace.of(home, TrackingSettings(uri="http://127.0.0.1:5000")).database == Path(
        "/elsewhere/mlflow.db"
    )


def _everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("is_left", [True, False], ids=["mv", "cp"])
def test_a_home_that_was_moved_or_copied_keeps_its_log_to_itself(home, maker, tmp_path, is_left):
    Tracker(home, ON).take(maker.release({"config.json": b"old"}, "d" * 64))
    place = tmp_path / "B"
    (shutil.move if is_left else shutil.copytree)(home.root, place)
    before = _everything(home.root)
    moved = FactoryHome(place)
    assert Tracker(moved, ON).take(Maker(moved).release({"config.json": b"new"}, "e" * 64)) is None
    # The old run, too, is written to again: its files are where they were brought.
    assert Tracker(moved, ON).take(Maker(moved).release({"config.json": b"old"}, "d" * 64)) is None
    assert _everything(home.root) == before
    assert home.root.exists() is not is_left
    found = runs(moved, "MGC|20")
    assert sorted(files_of(run)["release/config.json"] for run in found) == [b"new", b"old"]
    assert all(run.info.artifact_uri.startswith(moved.mlflow.as_uri()) for run in found)
    with sqlite3.connect(moved.mlflow / "mlflow.db") as opened:
        places = [row[0] for row in opened.execute("select artifact_location from experiments")]
    assert len(places) == 2
    assert all(at.startswith(moved.mlflow.as_uri()) for at in places)


def test_an_experiment_of_the_users_own_keeps_its_place(home, maker):
    Tracker(home, ON).take(maker.model())
    client = TrackingPlace.of(home, ON).client()
    client.create_experiment("mine", artifact_location="s3://bucket/mlflow/artifacts/mine")
    client.create_experiment("near", artifact_location="file:///data/artifacts/near")
    home.root.rename(home.root.parent / "B")
    moved = TrackingPlace.of(FactoryHome(home.root.parent / "B"), ON)
    moved.prepare()
    client = moved.client()
    assert client.get_experiment_by_name("mine").artifact_location == "s3://bucket/mlflow/artifacts/mine"
    assert client.get_experiment_by_name("near").artifact_location == "file:///data/artifacts/near"
    assert client.get_experiment_by_name("MGC|20").artifact_location == f"{moved.artifacts}/MGC_20"


def test_two_homes_with_one_store_of_the_users_write_each_into_their_own(home, maker, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'shared' / 'mlflow.db'}")
    second = FactoryHome(tmp_path / "second")
    for _ in range(2):
        for each in (home, second):
            assert Tracker(each, ON).take(Maker(each).release({"config.json": b"{}"})) is None
    client = TrackingPlace.of(home, ON).client()
    kept = {each.name: each.artifact_location for each in client.search_experiments() if "MGC" in each.name}
    assert len(kept) == 2
    assert {at.rpartition("/")[0] for at in kept.values()} == {
        (each.mlflow / "artifacts").as_uri() for each in (home, second)
    }
