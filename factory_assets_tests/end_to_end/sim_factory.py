"""One small SIMULATED factory, run once a test session: 120 sessions of bars, of which the raw files hold 124."""

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import open_store
from factory_assets.orchestration.launch import RunOutcome, launch
from factory_assets.orchestration.outputs import CATALOGUE, Output
from factory_assets.orchestration.phases import PHASES, keys_of
from factory_assets.orchestration.run_contract import PartitionOutcome, run_contract
from factory_assets.splits.study import Study
from factory_assets.storage import Store, StudyFiles
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey

SIM, SIM_20 = PartitionKey("SIM"), PartitionKey("SIM", 20)
SESSIONS, LATER_SESSIONS, SEED = 120, 4, 7
# Shorter fits and fewer resamples and cut points than the defaults; purge, embargo, folds and windows are the defaults.
SETTINGS = """
[features]
certificate_cut_points = 10
[evaluation]
resamples = 300
[deployment]
parity_minutes = 400
[models.parameters.lightgbm]
num_iterations = 40
num_threads = 1
[models.parameters.tcn]
channels = 16
epochs_max = 2
"""


@dataclass(frozen=True)
class SimFactory:
    """A home, and what its runs came to."""

    home: FactoryHome
    outcomes: tuple[PartitionOutcome, ...]
    later_rows: dict[str, bytes]

    @property
    def store(self) -> Store:
        """Its store, opened anew."""
        return open_store(self.home)

    @property
    def study(self) -> Study:
        """Its frozen study."""
        return Study.from_json(StudyFiles(self.home.studies).read("SIM") or "")

    def outputs(self, *, by_horizon: bool) -> list[Output]:
        """Declared outputs of one family that a run makes."""
        return [
            o for o in CATALOGUE.all() if o.by_horizon == by_horizon and o.group not in {"sealed", "probes", "nightly"}
        ]

    def digests(self, *, by_horizon: bool) -> dict[str, tuple[str, ...]]:
        """Sha256 of every part of every output of one family."""
        key = SIM_20 if by_horizon else SIM
        return {
            output.name: tuple(part.sha256 for part in self.store.manifest(output.name, output.group, key).parts)
            for output in self.outputs(by_horizon=by_horizon)
        }

    def run_phases(self, *names: str) -> RunOutcome:
        """Materialize the horizon's assets of some phases again."""
        definitions = build_definitions()
        chosen = keys_of(definitions, [phase for phase in PHASES if phase.name in names], by_horizon=True)
        return launch(definitions, chosen, SIM_20, home=self.home, profile="fast")


def environment_of(root: Path) -> dict[str, str]:
    """Variables under which commands and runs use this home."""
    return {"FACTORY_HOME": str(root), "DAGSTER_HOME": str(root / "dagster")}


def shared_factory(worker_folder: Path) -> SimFactory:
    """The finished factory of a test session, this worker's copy of it. Whoever changes a home copies it again.

    The workers of one session make it once: the first to ask does, the others wait for it.
    """
    session_folder = worker_folder.parent if "PYTEST_XDIST_WORKER" in os.environ else worker_folder
    return _copy_of_the_made(session_folder / "sim_made", worker_folder / "sim")


@cache
def _copy_of_the_made(original: Path, own: Path) -> SimFactory:
    original.mkdir(exist_ok=True)
    record = original / "made.json"
    with (original / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            record.write_text(json.dumps(_made_at(original)), encoding="utf-8")
    found = json.loads(record.read_text(encoding="utf-8"))
    if found["failures"]:
        pytest.fail("\n".join(found["failures"]))
    shutil.copytree(original / "home", own / "home")
    outcomes = [
        PartitionOutcome(PartitionKey.parse(key), RunOutcome(run, True, ())) for key, run in found["runs"].items()
    ]
    later = {path.name: path.read_bytes() for path in sorted((original / "later").iterdir())}
    return SimFactory(FactoryHome(own / "home"), tuple(outcomes), later)


def _made_at(original: Path) -> dict[str, object]:
    """Make the factory and the rows held back; the runs by partition, and every failure."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(original / "home").items():
            patch.setenv(name, value)
        made = make_factory(original / "home")
    (original / "later").mkdir()
    for name, content in made.later_rows.items():
        (original / "later" / name).write_bytes(content)
    runs = {str(each.key): each.outcome.run_id for each in made.outcomes}
    return {"runs": runs, "failures": failures(made.outcomes)}


def make_factory(root: Path) -> SimFactory:
    """Write the world, hold its last sessions back, and run everything until the report."""
    home = FactoryHome(root)
    root.mkdir(parents=True, exist_ok=True)
    home.settings_file.write_text(SETTINGS, encoding="utf-8")
    files = write_world(home.raw / "SIM", world="planted", seed=SEED, sessions_count=SESSIONS + LATER_SESSIONS)
    later = hold_back(files)
    outcomes = run_contract(build_definitions(), "SIM", [20], home=home, profile="fast")
    return SimFactory(home, tuple(outcomes), later)


def hold_back(files: tuple[Path, ...]) -> dict[str, bytes]:
    """Cut the rows of the last sessions out of raw files; what was cut, by the name of a file to bring it with."""
    sessions = SessionCalendar.of(instrument("SIM")).between(date(2023, 1, 2), date(2023, 12, 31))
    cut = str(np.datetime64(int(sessions.open_us[SESSIONS]), "us").astype("datetime64[s]")).replace("T", " ")
    later = {}
    for path in files:
        header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        place = header.strip().replace('"', "").split(",").index("open_time")
        kept = [row for row in rows if row.split(",")[place].replace("T", " ") < cut]
        held = rows[len(kept) :]
        assert all(row.split(",")[place].replace("T", " ") >= cut for row in held)
        if held:
            later[path.name.replace(".csv", "_later.csv")] = "".join([header, *held]).encode()
        if kept:
            path.write_text("".join([header, *kept]), encoding="utf-8")
        else:
            path.unlink()
    assert later
    return later


def failures(outcomes: tuple[PartitionOutcome, ...]) -> list[str]:
    """Every failed step with its message."""
    return [f"{o.key} {f.step}: {f.message[-1500:]}" for o in outcomes for f in o.outcome.failures]


def checks_of(home: FactoryHome, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """Check results the web UI shows of one run."""
    assert os.environ["FACTORY_HOME"] == str(home.root)
    with dg.DagsterInstance.get() as instance:
        entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        return [entry.dagster_event.event_specific_data for entry in entries]
