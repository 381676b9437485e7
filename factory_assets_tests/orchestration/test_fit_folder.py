"""The folder of long fits: one run at a time works in it, success removes it, an error keeps it."""

import threading
from types import SimpleNamespace

import pytest

from factory_assets.orchestration import fit_folder as module
from factory_assets.orchestration.fit_folder import fit_folder
from factory_assets.vocabulary.errors import FitError, LockTimeoutError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


@pytest.fixture
def part(tmp_path):
    models = SimpleNamespace(fit_processes=3)
    return SimpleNamespace(
        home=FactoryHome(tmp_path),
        key=PartitionKey("SIM", 20),
        horizon=20,
        settings=SimpleNamespace(models=models),
    )


def test_folder_is_the_partitions_and_goes_when_the_fits_came_through(part, tmp_path):
    with fit_folder(part, "tcn") as work:
        assert work.folder == tmp_path / "work" / "SIM" / "20" / "tcn"
        assert work.processes == 3
        assert not work.folder.exists()  # models that fit at once need none
        (work.folder / "results").mkdir(parents=True)
        other = work.folder.parent / "lstm" / "results"
        other.mkdir(parents=True)
    assert not work.folder.exists()
    assert other.exists()
    with fit_folder(part, "lstm"):
        pass
    assert not part.home.work.exists(), "whoever is last leaves nothing, not even an empty folder"


def test_error_keeps_what_the_next_run_goes_on_from(part):
    def _killed():
        with fit_folder(part, "tcn") as work:
            (work.folder / "results").mkdir(parents=True)
            raise FitError("killed")

    with pytest.raises(FitError):
        _killed()
    with fit_folder(part, "tcn") as again:
        assert (again.folder / "results").is_dir()
    assert not again.folder.exists()


def test_two_runs_do_not_fit_the_same_at_once(part, monkeypatch):
    monkeypatch.setattr(module, "_LOCK_WAIT_SECONDS", 0.05)
    said = []

    def _second(name):
        try:
            with fit_folder(part, name):
                said.append("in")
        except LockTimeoutError as problem:
            said.append(str(problem))

    with fit_folder(part, "tcn"):
        for name in ("tcn", "lstm"):
            thread = threading.Thread(target=_second, args=(name,))
            thread.start()
            thread.join()
    assert "work.SIM.20.tcn.lock: process" in said[0]
    assert said[1] == "in"
