"""Kills of the whole graph: whatever a run was doing when it died, running it again leaves what a clean run leaves.

The clock stands still, so that moments are equal too; what then still differs between two runs is the name of the
attempt an output was published in, and with it the hash of its manifest.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.inspect_store import open_store, sweep_orphans, validation_rows
from factory_assets.orchestration.outputs import ATTEMPT, CATALOGUE
from factory_assets.orchestration.phases import PHASES
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.end_to_end.sim_factory import SESSIONS, SETTINGS

KILLS, KILLS_A_ROUND, SEED = 20, 4, 2026
KEY = PartitionKey("SIM", 20)
BIN = Path(sys.executable).parent
CONTRACT_RUN = [str(BIN / "factory"), "run", "--contract", "SIM", "--until", "study"]
SELECTION = " or ".join(f"group:{group}" for phase in PHASES if phase.by_horizon for group in phase.groups)
COMMAND = [str(BIN / "dagster"), "asset", "materialize", "-m", "factory_assets.definitions"]
COMMAND += ["--select", SELECTION, "--partition", str(KEY)]

pytestmark = pytest.mark.slow


def _environment(home: Path) -> dict[str, str]:
    clock = home.parent / "clock.txt"
    clock.write_text("2023-12-29T12:00:00+00:00", encoding="utf-8")
    return {
        **os.environ,
        "FACTORY_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "FACTORY_CLOCK_FILE": str(clock),
    }


def _run(home: Path, command: list[str] = COMMAND) -> None:
    done = subprocess.run(command, env=_environment(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def _killed_after(home: Path, seconds: float) -> bool:
    """Start the run in a group of its own and kill all of it; False if it had ended by then."""
    child = subprocess.Popen(
        COMMAND,
        env=_environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return True
    return False


def _content(home: Path) -> dict[str, str]:
    """Hash of every published part, bundle, study and page, and of every manifest without its attempt."""
    factory_home = FactoryHome(home)
    store, found = open_store(factory_home), {}
    all_assets()  # fills the catalogue
    for output in CATALOGUE.all():
        key = KEY if output.by_horizon else KEY.of_contract
        if output.group == "probes" or store.status(output.name, output.group, key) == "missing":
            continue
        manifest = store.manifest(output.name, output.group, key)
        assert manifest.blocked is None, output.name
        for part in manifest.parts:
            found[f"{output.name} {part.name}"] = part.sha256
        plain = {name: value for name, value in manifest.meta.items() if name != ATTEMPT}
        told = [manifest.created_at.isoformat(), manifest.settings_digest, manifest.code_version, plain]
        told.append([[verdict.name, verdict.passed, verdict.summary] for verdict in manifest.verdicts])
        found[f"{output.name} manifest"] = hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()
    for folder in (factory_home.releases, factory_home.studies, factory_home.reports):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.endswith(".lock"):
                found[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], float]:
    """A home with bars, features and study, what a clean run of the partition leaves, and how long that took."""
    start = tmp_path_factory.mktemp("start") / "home"
    write_world(start / "raw" / "SIM", world="planted", seed=7, sessions_count=SESSIONS)
    (start / "factory.toml").write_text(SETTINGS, encoding="utf-8")
    _run(start, CONTRACT_RUN)
    clean = tmp_path_factory.mktemp("clean") / "home"
    shutil.copytree(start, clean)
    _run(clean)  # numba compiles and caches in this one
    again = tmp_path_factory.mktemp("again") / "home"
    shutil.copytree(start, again)
    begin = time.perf_counter()
    _run(again)
    seconds = time.perf_counter() - begin
    assert sum(name.endswith(" manifest") for name in _content(clean)) > 50, "the store was not looked at"
    assert _content(again) == _content(clean), "two clean runs differ: nothing can be said about killed ones"
    return start, _content(clean), seconds


def _compare(home: Path, clean: dict[str, str]) -> None:
    sweep_orphans(FactoryHome(home))
    left = _content(home)
    assert {name for name in {*left, *clean} if left.get(name) != clean.get(name)} == set()
    leftovers = [path for path in home.rglob("*") if ".partial" in path.name or path.name.startswith(".proving")]
    assert not leftovers, leftovers


def test_twenty_kills_leave_what_a_clean_run_leaves(
    prepared: tuple[Path, dict[str, str], float], tmp_path: Path
) -> None:
    start, clean, seconds = prepared
    home = tmp_path / "home"
    moments = random.Random(SEED)
    killed, partitions, compared, fresh = [], set(), 0, True
    while len(killed) < KILLS or not fresh:
        if fresh:  # a store in which everything stands already shows less of what a kill may leave
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(start, home)
            kills_left = KILLS_A_ROUND
        after = moments.uniform(0.5, seconds)
        if kills_left == 0:
            _run(home)
        elif _killed_after(home, after):
            killed.append(after)
            kills_left -= 1
            rows = validation_rows(FactoryHome(home))
            wrong = [row for row in rows if row["verdict"] != "ok"]
            assert not wrong, f"after a kill at {after:.1f} s: {wrong}"
            partitions.add(len(rows))
            fresh = False
            continue
        else:
            seconds = after  # the machine has become faster: later moments would meet no run
        _compare(home, clean)
        compared, fresh = compared + 1, True
    told = (
        f"between {min(killed):.1f} and {max(killed):.1f} s of {seconds:.1f} s, {sorted(partitions)} partitions there"
    )
    sys.stdout.write(f"{len(killed)} kills {told}; {compared} times all {len(clean)} files equal\n")
    assert len(partitions) > 3, f"the kills all hit the same moment: {sorted(partitions)} partitions were there"
