"""Fits in child processes give the bytes of fits made here, say what went wrong, end with their parent, and resume."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factory_assets.models import fit_versions as versions_module
from factory_assets.models.fit_versions import fit_versions, versions_now
from factory_assets.models.registry import entry
from factory_assets.stacking import FitRequest, FitWork, fit_files, fit_members, fit_recorded
from factory_assets.stacking.fit_files import perform, read_result, write_tasks
from factory_assets.stacking.fit_processes import FitProcesses, _Child
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, FitError, TooLittleHistoryError
from factory_assets_tests.stacking.conftest import QUICK_TCN
from factory_assets_tests.stacking.fit_night import digests_of, requests_of
from factory_assets_tests.stacking.stack_world import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
EPOCHS = 40


def _fits(world, folder, *, processes, requests=None, data=None):
    return fit_members(
        requests or requests_of(world, epochs=3),
        data or world.development,
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        work=None if folder is None else FitWork(folder=folder, processes=processes),
    )


def _tasks(world, folder, requests, **changes):
    given = {"settings": SETTINGS, "clock_us": world.clock_us} | changes
    return write_tasks(folder, requests, world.development, world.kinds, **given)


def _until(condition):
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def plain(window_world):
    """The fits made here, without a folder."""
    return _fits(window_world, None, processes=0)


def test_same_bytes_with_no_and_with_two_processes(window_world, plain, tmp_path):
    expected = digests_of(plain)
    for processes in (0, 2):
        fits = _fits(window_world, tmp_path / str(processes), processes=processes)
        assert digests_of(fits) == expected
        for fit, direct in zip(fits, plain, strict=True):
            assert np.array_equal(
                fit.member.predict_proba(window_world.val.features),
                direct.member.predict_proba(window_world.val.features),
            )
            assert fit.member.rounds == direct.member.rounds


def test_rows_and_other_models_go_the_same_way_through_files(world, tmp_path):
    """A container of rows, columns first in memory, and a model without rounds: what the files hold is the fit."""
    columns_first = replace(world.development, features=np.asfortranarray(world.development.features))
    changed = replace(world, development=columns_first)
    request = FitRequest(name="fold_0", model_name="logistic", params={}, seed=3, rows=world.folds[0][0])
    (task,) = _tasks(changed, tmp_path, [request])
    perform(task)
    direct = fit_recorded(
        "logistic", {}, world.development, world.kinds, rows=world.folds[0][0], settings=SETTINGS,
        clock_us=world.clock_us, seed=3,
    )  # fmt: skip
    assert digests_of([read_result(task)]) == digests_of([direct])


def test_no_task_holds_anything_executable_and_children_share_the_arrays(window_world, tmp_path):
    tasks = _tasks(window_world, tmp_path, requests_of(window_world, epochs=1))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".npy", ".json"}
    stores = [json.loads(task.read_text())["data"]["windows"]["store"] for task in tasks]
    assert len(set(stores)) == 1
    assert (tmp_path / "arrays" / f"{stores[0]}.npy").stat().st_size > window_world.train.features.store.nbytes // 2
    for path in (tmp_path / "arrays").iterdir():
        np.load(path, allow_pickle=False)


def test_children_are_shared_by_batches_and_end_with_the_block(window_world, plain, tmp_path):
    requests = requests_of(window_world, epochs=3)[:1]
    with FitProcesses(tmp_path, 2) as children:
        work = FitWork(folder=tmp_path, processes=2, children=children)
        given = {"settings": SETTINGS, "clock_us": window_world.clock_us, "work": work}
        seen = []
        for name in ("fold_0", "canary_0"):
            named = [replace(one, name=name) for one in requests]
            fits = fit_members(named, window_world.development, window_world.kinds, **given)
            assert digests_of(fits) == digests_of(plain[:1])  # one process, the same bytes
            seen.append(_children(os.getpid()))
    assert len(seen[0]) == 1  # one task, one child
    assert seen[0] == seen[1]
    assert not any(_alive(child) for child in seen[0])


def test_error_of_a_fit_is_the_error_here(window_world, tmp_path):
    flat = np.where(window_world.development.label == 0, 1, window_world.development.label).astype(np.int8)
    data = replace(window_world.development, label=flat)
    with pytest.raises(TooLittleHistoryError, match="every outcome has to occur"):
        _fits(window_world, tmp_path, processes=2, data=data)


def test_children_are_new_after_an_error(window_world, tmp_path):
    """The first problem ends all children; whoever goes on with the same ``FitProcesses`` gets others."""
    good = requests_of(window_world, epochs=1)[:1]
    bad = [replace(one, params={**one.params, "epochs_max": 0}) for one in good]
    given = {"settings": SETTINGS, "clock_us": window_world.clock_us}
    with FitProcesses(tmp_path, 1) as children:
        work = FitWork(folder=tmp_path, processes=1, children=children)
        with pytest.raises(ConfigurationError, match="epochs_max"):
            fit_members(bad, window_world.development, window_world.kinds, work=work, **given)
        assert not [child for child in _children(os.getpid()) if _alive(child)]
        assert len(fit_members(good, window_world.development, window_world.kinds, work=work, **given)) == 1


@pytest.mark.parametrize("said", ["", '{"task": "x', '{"task": "fold_0", "error": "FitError"'])
def test_answer_cut_by_a_kill_is_a_death_of_the_child(tmp_path, said):
    child = _Child(tmp_path, 0)
    child.end()
    child._process.wait()
    dying = "import os, signal, sys; sys.stdin.readline(); os.write(1, sys.argv[1].encode()); os.kill(os.getpid(), 9)"
    child._process = subprocess.Popen(
        [sys.executable, "-c", dying, said], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child._ended.clear()
    try:
        with pytest.raises(FitError, match=r"fold_0: the process that fitted it was killed by SIGKILL.*Run it again"):
            child._perform(Path("fold_0"))
    finally:
        child.close()


def test_child_refuses_a_task_of_other_code_or_libraries(window_world, tmp_path, monkeypatch):
    """As if a source file had been edited, and a library replaced, after this process had begun its run."""
    earlier = fit_versions(entry("tcn").model_class) | {"sources of factory_assets": "e" * 16, "numpy": "1.0"}
    monkeypatch.setattr(fit_files, "fit_versions", lambda _: earlier)
    told = r"fold_0_\w+: the run began with numpy 1.0, now \d.*; sources of factory_assets eeee.*run it again"
    with pytest.raises(FitError, match=told):
        _fits(window_world, tmp_path, processes=1, requests=requests_of(window_world, epochs=1)[:1])
    assert not any((tmp_path / "results").iterdir())


def test_edit_while_a_fit_runs_leaves_no_result(window_world, tmp_path, monkeypatch):
    """Modules are imported as they are needed: an edit between two imports may be in the fit."""
    (task,) = _tasks(window_world, tmp_path, requests_of(window_world, epochs=1)[:1])
    honest = FitRequest.fit

    def _edited_meanwhile(self, *arguments, **named):
        fit = honest(self, *arguments, **named)
        now = versions_now(entry("tcn").model_class) | {"sources of factory_assets": "f" * 16}
        monkeypatch.setattr(fit_files, "versions_now", lambda _: now)
        return fit

    monkeypatch.setattr(FitRequest, "fit", _edited_meanwhile)
    with pytest.raises(FitError, match="now ffff"):
        perform(task)
    assert read_result(task) is None


def test_defect_in_a_child_shows_its_traceback(window_world, tmp_path):
    requests = [
        replace(request, params={**request.params, "no_such": 1}) for request in requests_of(window_world, epochs=1)
    ]
    with pytest.raises(BadInputError, match="plain names"):
        _tasks(window_world, tmp_path, [requests[0], requests[0]])
    tasks = _tasks(window_world, tmp_path, requests[:1])
    tasks[0].write_text("{}")
    told = pytest.raises(RuntimeError, match=r"exit 1: Traceback[\s\S]*KeyError")
    with told, FitProcesses(tmp_path, 1) as children:
        children.perform(tasks)


def test_killed_child_is_an_error_that_says_what_to_do(window_world, tmp_path, monkeypatch):
    """What the kernel does for want of memory: SIGKILL to one of two children in the middle of a fit."""
    killed = []

    def _kill_first(folder):
        _until(lambda: any((tmp_path / "checkpoints").glob("*/checkpoint.json")))
        killed.append(_children(os.getpid())[0])
        os.kill(killed[0], signal.SIGKILL)

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_kill_first, tmp_path)
        with pytest.raises(FitError, match=r"killed by SIGKILL.*fit_processes = 1.*Run it again"):
            _fits(window_world, tmp_path, processes=2, requests=requests_of(window_world, epochs=5000))
        waiting.result()
    assert not [child for child in _children(os.getpid()) if _alive(child)]
    assert any((tmp_path / "checkpoints").glob("*/checkpoint.json"))


def test_child_ends_in_the_middle_of_a_fit_when_its_parent_is_gone(window_world, tmp_path):
    """The kernel closes the pipe of a parent that was killed; closing it here is the same to the child."""
    (task,) = _tasks(window_world, tmp_path, requests_of(window_world, epochs=10_000)[:1])
    command = [sys.executable, "-m", "factory_assets.stacking.fit_worker"]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        child.stdin.write(f"{task}\n")
        child.stdin.flush()
        _until(lambda: any((tmp_path / "checkpoints").glob("*/checkpoint.json")))
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(LIMIT_S) == 0
    finally:
        child.kill()
    assert child.stdout.read() == ""
    assert read_result(task) is None


@pytest.fixture(scope="module")
def whole_night(window_world, tmp_path_factory):
    """Digests of an uninterrupted night."""
    return digests_of(_fits(window_world, None, processes=0, requests=requests_of(window_world, epochs=EPOCHS)))


@pytest.mark.slow
def test_night_killed_mid_fit_resumes_to_the_same_bytes(whole_night, tmp_path):
    """SIGKILL to the parent while two children fit: they end with it, the next attempt goes on from what is left."""
    command = [sys.executable, "-m", "factory_assets_tests.stacking.fit_night", str(tmp_path), "2", str(EPOCHS)]
    begun = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _until(lambda: _epochs(tmp_path) >= 5)
        children = _children(begun.pid)
        assert len(children) == 2
    finally:
        begun.kill()
        begun.wait()
    _until(lambda: not any(_alive(child) for child in children))  # no fit goes on without its parent
    assert not any((tmp_path / "results").glob("train_*"))
    assert _epochs(tmp_path) >= 5
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == whole_night


def _epochs(folder):
    """Epochs in the checkpoints and results a night has come to."""
    written = [int(path.stem.removeprefix("epoch_")) for path in folder.glob("checkpoints/*/epoch_*.safetensors")]
    return max(written, default=0) + EPOCHS * len(list(folder.glob("results/*/result.json")))


def test_resumed_fit_takes_its_epochs_from_the_checkpoint(window_world, tmp_path, monkeypatch):
    """Kill the fit after its second checkpoint: the next attempt runs the epochs that lack, and no more."""
    from factory_assets.models.neural.checkpoints import Checkpoints

    class _PowerCut(BaseException):
        pass

    honest, written = Checkpoints.write, []

    def _write(self, checkpoint):
        honest(self, checkpoint)
        written.append(len(checkpoint.curves["train_loss"]))
        if len(written) == 2:
            raise _PowerCut

    monkeypatch.setattr(Checkpoints, "write", _write)
    requests = requests_of(window_world, epochs=5)[:1]
    with pytest.raises(_PowerCut):
        _fits(window_world, tmp_path, processes=0, requests=requests)
    fits = _fits(window_world, tmp_path, processes=0, requests=requests)
    assert written == sorted(set(written))  # no epoch was run twice
    assert digests_of(fits) == digests_of(_fits(window_world, None, processes=0, requests=requests))
    assert not any((tmp_path / "checkpoints").iterdir())


def test_finished_fits_are_not_fitted_again(window_world, tmp_path, monkeypatch):
    requests = requests_of(window_world, epochs=2)
    first = _fits(window_world, tmp_path, processes=0, requests=requests)
    monkeypatch.setattr(FitRequest, "fit", lambda *_, **__: pytest.fail("fitted again"))
    assert digests_of(_fits(window_world, tmp_path, processes=0, requests=requests)) == digests_of(first)


def _requests(**changes):
    return lambda given: {**given, "requests": [replace(one, **changes) for one in given["requests"]]}


def _data(change):
    return lambda given: {**given, "data": replace(given["data"], **change(given["data"]))}


def _settings(**changes):
    return lambda given: {**given, "settings": replace(SETTINGS, **changes)}


OTHER_FITS = {
    "seed": _requests(seed=4),
    "parameters": _requests(params={"channels": 8, "epochs_max": 1}),
    "rows": _requests(rows=np.arange(900)),
    "frozen": _requests(frozen=True, rounds=2),
    "labels": _data(lambda data: {"label": np.roll(data.label, 1)}),
    "label ends": _data(lambda data: {"t1_us": data.t1_us + 1}),
    "weights": _data(lambda data: {"weight": data.weight * 1.01}),
    "feature names": _data(lambda data: {"feature_names": tuple(reversed(data.feature_names))}),
    "features": lambda given: {**given, "data": given["data"].with_store(given["data"].store * np.float32(1.5))},
    "purge": _settings(purge_bars=SETTINGS.purge_bars + 1),
    "tail share": _settings(early_stop_tail_share=SETTINGS.early_stop_tail_share / 2),
    "kinds": lambda given: {**given, "kinds": ("bounded", *given["kinds"][1:])},
    "clock": lambda given: {**given, "clock_us": given["clock_us"][:-1]},
}


@pytest.mark.parametrize("change", OTHER_FITS.values(), ids=OTHER_FITS)
def test_anything_else_is_another_fit_and_clears_what_was_left(window_world, tmp_path, change):
    _assert_other_fits(window_world, tmp_path, change)


@pytest.mark.parametrize("library", ["numpy", "scipy", "torch", "safetensors", "lightgbm", "scikit-learn", "numba"])
def test_another_library_is_another_fit(window_world, tmp_path, library, monkeypatch):
    honest = versions_module._version

    def _upgraded(given):
        monkeypatch.setattr(versions_module, "_version", lambda name: "99.0" if name == library else honest(name))
        versions_module._libraries_first_seen.cache_clear()
        return given

    try:
        _assert_other_fits(window_world, tmp_path, _upgraded)
    finally:
        versions_module._libraries_first_seen.cache_clear()


def test_other_code_is_another_fit(window_world, tmp_path, monkeypatch):
    def _edited(given):
        monkeypatch.setattr(versions_module, "sources_version", lambda package: f"other {package}")
        return given

    _assert_other_fits(window_world, tmp_path, _edited)


def _assert_other_fits(world, folder, change):
    """Whatever was left of a fit is not used, and goes, once something it depends on has changed."""

    def _written(given):
        rest = dict(given)
        return write_tasks(folder, rest.pop("requests"), rest.pop("data"), rest.pop("kinds"), **rest)

    given = {
        "requests": requests_of(world, epochs=1)[:2],
        "data": world.development,
        "kinds": world.kinds,
        "settings": SETTINGS,
        "clock_us": world.clock_us,
    }
    before = _written(given)
    for task in before:
        for kind in ("results", "checkpoints"):
            (folder / kind / task.stem).mkdir()
    (folder / "arrays" / "half.partial").write_bytes(b"half")
    changed = change(given)
    after = _written(changed)
    assert not {task.stem for task in before} & {task.stem for task in after}
    assert {path.stem for path in (folder / "tasks").iterdir()} == {task.stem for task in after}
    assert not any((folder / "results").iterdir())
    assert not any((folder / "checkpoints").iterdir())
    mentioned = "".join(task.read_text() for task in after)
    assert all(path.stem in mentioned for path in (folder / "arrays").iterdir())
    assert _written(changed) == after


def test_work_of_other_names_in_the_folder_stays(window_world, tmp_path):
    """The canary's fits come after the folds' in one folder: beginning them does not throw the folds' results away."""
    folds = _tasks(window_world, tmp_path, requests_of(window_world, epochs=1)[:1])
    perform(folds[0])
    others = [replace(one, name="canary_0") for one in requests_of(window_world, epochs=1)[:1]]
    _tasks(window_world, tmp_path, others)
    assert read_result(folds[0]) is not None


def test_damaged_result_and_damaged_array_are_made_again(window_world, tmp_path):
    requests = [replace(one, params={**QUICK_TCN}) for one in requests_of(window_world, epochs=1)[:1]]
    expected = digests_of(_fits(window_world, tmp_path, processes=0, requests=requests))
    (network,) = (tmp_path / "results").glob("*/network.safetensors")
    network.write_bytes(network.read_bytes()[:-1] + b"\0")
    for array in (tmp_path / "arrays").iterdir():
        array.write_bytes(array.read_bytes()[:-5])
    assert digests_of(_fits(window_world, tmp_path, processes=0, requests=requests)) == expected


def test_children_run_one_thread_each(window_world, tmp_path):
    child = _Child(tmp_path, 0)
    try:
        environment = Path(f"/proc/{child._process.pid}/environ")
        _until(lambda: b"NUMBA_NUM_THREADS=" in environment.read_bytes())  # empty until the interpreter is loaded
        for name in (b"OMP_NUM_THREADS", b"OPENBLAS_NUM_THREADS", b"MKL_NUM_THREADS", b"NUMBA_NUM_THREADS"):
            assert name + b"=1" in environment.read_bytes().split(b"\0")
    finally:
        child.end()
        child.close()
