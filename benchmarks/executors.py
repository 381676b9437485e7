"""Ways to run the graph, on the same partition in one go: in this process, a process a step by spawn, by forkserver.

Each way runs the whole horizon job of one simulated partition with Dagster's own command. CPU is everything any process
of the run used, also those that outlived their parents; memory is what all of them held together at the worst moment.
What is left of the CPU when the asset bodies are taken out (loading code, planning, events, tracking) is orchestration;
a body is everything from its first read to its last published byte, invariants included.

As a code location, this file is the factory's with the executor that ``BENCH_EXECUTOR`` names.
"""

import argparse
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.phases import PHASES

CONTRACT, HORIZON, SESSIONS, RUNS = "SIM", 20, 130, 3
SELECTION = " or ".join(f"group:{group}" for phase in PHASES if phase.by_horizon for group in phase.groups)
PRELOAD = ["factory_assets.definitions", "pandas", "pyarrow", "numba", "sklearn.linear_model"]
EXECUTORS = {
    "in_process": dg.in_process_executor,
    "spawn": dg.multiprocess_executor.configured({"max_concurrent": 2, "start_method": {"spawn": {}}}),
    "forkserver": dg.multiprocess_executor.configured(
        {"max_concurrent": 2, "start_method": {"forkserver": {"preload_modules": PRELOAD}}}
    ),
}
SETTINGS = "[models]\nfit_processes = {fit_processes}\n"
WAYS = (
    # name, executor, processes for model fits
    ("in process, fits in 2 processes (the default)", "in_process", 2),
    ("in process, fits too", "in_process", 0),
    ("a process a step, spawn", "spawn", 0),
    ("a process a step, forkserver", "forkserver", 0),
)
_PR_SET_CHILD_SUBREAPER = 36

defs = build_definitions(executor=EXECUTORS[os.environ.get("BENCH_EXECUTOR", "in_process")])


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    bodies_cpu_s: float


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak megabytes of a command with all its descendants."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    child = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    peak, stop = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, stop))
    watcher.start()
    told, _ = child.communicate()
    wall_s = time.perf_counter() - begin
    while True:  # whoever outlived its parent was handed to this process, and is counted once it has been waited for
        try:
            os.wait()
        except ChildProcessError:
            break
    stop.set()
    watcher.join()
    if child.returncode != 0:
        sys.exit(told.decode()[-4000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return wall_s, cpu_s, peak[0]


def _watch(peak: list[float], stop: threading.Event) -> None:
    """Keep the largest sum of proportional memory over all descendants."""
    while not stop.wait(1.0):
        peak[0] = max(peak[0], sum(_proportional_mb(pid) for pid in _descendants(os.getpid())))


def _descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended meanwhile
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def _proportional_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def bodies_cpu_s(home: Path, *, runs: int) -> float:
    """CPU seconds that the asset bodies of the last runs said they took."""
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    steps: dict[tuple[str, str], float] = {}
    with dg.DagsterInstance.get() as instance:
        for record in instance.get_run_records(limit=runs):
            run_id = record.dagster_run.run_id
            for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
                event = entry.dagster_event
                # Outputs of one step are told one after the other; the last one knows what all of it took.
                steps[run_id, event.step_key] = float(event.materialization.metadata["body_cpu_s"].value)
    return sum(steps.values())


def run_once(prepared: Path, scratch: Path, executor: str, fit_processes: int) -> Cost:
    """The horizon job on a fresh copy of a home that has bars, features and study."""
    home = scratch / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(prepared, home)
    (home / "factory.toml").write_text(SETTINGS.format(fit_processes=fit_processes))
    environment = {"FACTORY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"), "BENCH_EXECUTOR": executor}
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-f", __file__]
    command += ["--select", SELECTION, "--partition", f"{CONTRACT}|{HORIZON}"]
    wall_s, cpu_s, memory_mb = measured(command, environment)
    return Cost(wall_s, cpu_s, memory_mb, bodies_cpu_s(home, runs=1))


def prepare(home: Path) -> None:
    """Bars, features and study of the simulated contract."""
    from factory_assets.market.synthetic import write_world

    write_world(home / "raw" / CONTRACT, world="planted", seed=7, sessions_count=SESSIONS)
    command = [str(Path(sys.executable).with_name("factory")), "run", "--contract", CONTRACT, "--until", "study"]
    measured(command, {"FACTORY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")})


def compare() -> None:
    """Print the medians of each way, and how they stand to the default."""
    with tempfile.TemporaryDirectory() as folder:
        prepared, scratch = Path(folder) / "prepared", Path(folder)
        prepare(prepared)
        print(f"{CONTRACT}|{HORIZON}, horizon job, {SESSIONS} sessions, median of {RUNS} runs, {os.cpu_count()} cores")
        costs: dict[str, list[Cost]] = {name: [] for name, _, _ in WAYS}
        for _ in range(RUNS):  # in turn, so that a slow minute of the machine hits all of them
            for name, executor, fit_processes in WAYS:
                costs[name].append(run_once(prepared, scratch, executor, fit_processes))
        first = statistics.median(cost.cpu_s for cost in costs[WAYS[0][0]])
        for name, runs in costs.items():
            wall_s, cpu_s, memory_mb, bodies_s = (
                statistics.median(getattr(cost, field) for cost in runs)
                for field in ("wall_s", "cpu_s", "memory_mb", "bodies_cpu_s")
            )
            print(
                f"{name:48s} wall {wall_s:6.1f} s  CPU {cpu_s:6.1f} s ({cpu_s / first:4.2f} x)  memory "
                f"{memory_mb:6.0f} MB  outside the bodies {cpu_s - bodies_s:5.1f} s ({(cpu_s - bodies_s) / cpu_s:5.1%})"
            )


def overhead(home: Path, contract: str, horizons: str) -> None:
    """Print what of ``factory run`` on a home of the user's is not spent in asset bodies."""
    command = [str(Path(sys.executable).with_name("factory")), "run", "--contract", contract, "--horizon", horizons]
    wall_s, cpu_s, memory_mb = measured(command, {"FACTORY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")})
    outside_s = cpu_s - bodies_cpu_s(home, runs=1 + len(horizons.split(",")))
    print(
        f"factory run --contract {contract} --horizon {horizons}: wall {wall_s:.1f} s, CPU {cpu_s:.1f} s, memory "
        f"{memory_mb:.0f} MB; outside the asset bodies {outside_s:.1f} s of CPU ({outside_s / cpu_s:.1%})"
    )


def main() -> None:
    """Compare the ways on a simulated contract, or with ``--home`` measure a run on real bars."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="FACTORY_HOME whose raw files are there already")
    parser.add_argument("--contract", default="MGC")
    parser.add_argument("--horizon", default="20")
    chosen = parser.parse_args()
    if chosen.home is None:
        compare()
    else:
        overhead(chosen.home.resolve(), chosen.contract, chosen.horizon)


if __name__ == "__main__":
    main()
