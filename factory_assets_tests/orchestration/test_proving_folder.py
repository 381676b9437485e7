"""Where a release is proven: nothing of it stays, whatever became of the process that proved it."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from factory_assets.orchestration import proving_folder as module
from factory_assets.orchestration.proving_folder import proving_folder
from factory_assets.vocabulary.errors import FitError, LockTimeoutError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


@pytest.fixture
def part(tmp_path):
    return SimpleNamespace(home=FactoryHome(tmp_path), key=PartitionKey("SIM", 20), horizon=20)


def left(part) -> list[str]:
    return sorted(path.name for path in part.home.releases.iterdir())


def test_what_is_moved_out_stays_and_the_rest_goes_even_after_an_error(part):
    with proving_folder(part, "bundle") as folder:
        assert list(folder.iterdir()) == []
        assert folder.parent == part.home.releases
        (folder / "kept").mkdir()
        (folder / "other").write_text("x")
        (folder / "kept").rename(part.home.releases / "kept")
    assert left(part) == ["kept"]

    def broken():
        with proving_folder(part, "bundle") as folder:
            (folder / "x").write_text("x")
            raise FitError("parity")

    with pytest.raises(FitError):
        broken()
    assert left(part) == ["kept"]


def test_what_a_killed_process_left_goes_with_the_next_attempt(part):
    child = os.fork()
    if child == 0:
        with proving_folder(part, "refit") as folder:
            (folder / "half").write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (found,) = left(part)
    assert found.startswith(".")
    with proving_folder(part, "refit") as folder:
        assert folder.name == found
        assert list(folder.iterdir()) == []
    assert left(part) == []


def test_what_another_run_is_proving_is_left_alone(part, monkeypatch):
    monkeypatch.setattr(module, "_LOCK_WAIT_SECONDS", 0.05)
    said = []

    def second(name):
        try:
            with proving_folder(part, name):
                said.append("in")
        except LockTimeoutError as problem:
            said.append(str(problem))

    with proving_folder(part, "refit") as folder:
        (folder / "mine").write_text("x")
        for name in ("refit", "bundle"):
            thread = threading.Thread(target=second, args=(name,))
            thread.start()
            thread.join()
        assert (folder / "mine").exists()
    assert "proving.SIM.20.refit.lock: process" in said[0]
    assert said[1] == "in"
