"""A real daemon over rehearsed nights: failures, SIGKILL, a holiday, and what is left of it in the morning."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.instance import prepare_instance
from factory_assets.orchestration.operation.run_tags import ATTEMPT, STAGE, TRADE_DATE
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

pytestmark = pytest.mark.slow

LOCATION = "factory_assets_tests.orchestration.night_definitions"
STEP_S_MAX = 600
FIRST_DATE, SESSIONS = date(2022, 12, 12), 12
THURSDAY, FRIDAY, TUESDAY = "2022-12-22", "2022-12-23", "2022-12-27"
CONFIGURATION = """
[operation]
contracts = ["SIM"]
horizons = [5, 20]
delay_minutes = 15
late_minutes = 240
attempts_max = 3
backoff_minutes = 5
tick_seconds = 1
[alerts]
webhook_url = "http://127.0.0.1:{port}/hook"
"""


class Rehearsal:
    """One FACTORY_HOME, its clock, its vendor and its daemon."""

    def __init__(self, root: Path, world: Path, port: int) -> None:
        self.home, self.world = FactoryHome(root / "home"), world
        self.faults = self.home.root / "faults"
        self.faults.mkdir(parents=True)
        self.home.settings_file.write_text(CONFIGURATION.format(port=port), encoding="utf-8")
        self.clock_file = self.home.root / "clock.txt"
        self.environment = {
            **os.environ,
            "FACTORY_HOME": str(self.home.root),
            "DAGSTER_HOME": str(self.home.dagster),
            "FACTORY_CLOCK_FILE": str(self.clock_file),
        }
        self.log_file = (root / "daemon.log").open("ab")
        self.daemon: subprocess.Popen | None = None
        self.groups: list[int] = []

    def set_clock(self, text: str) -> None:
        partial = self.clock_file.with_suffix(".new")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.clock_file)

    def advance(self, minutes: int) -> None:
        now = datetime.fromisoformat(self.clock_file.read_text())
        self.set_clock((now + timedelta(minutes=minutes)).isoformat())

    def deliver(self, until: str) -> None:
        """The vendor's file grows to the end of a trade date, in one step."""
        folder = self.home.raw / "SIM"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.world / "source.toml", folder / "source.toml")
        for path in sorted(self.world.glob("*.csv")):
            head, *rows = path.read_text().splitlines(keepends=True)
            kept = [row for row in rows if row.split(",")[1] < f"{until} 22:00:00Z"]
            partial = folder / "growing.tmp"
            partial.write_text("".join([head, *kept]))
            partial.replace(folder / path.name)

    def start(self) -> None:
        self.daemon = subprocess.Popen(
            [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", LOCATION],
            env=self.environment, stdout=self.log_file, stderr=self.log_file, start_new_session=True,
        )  # fmt: skip

        self.groups.append(self.daemon.pid)

    def leave_nothing(self) -> None:
        """End whatever any daemon of this rehearsal has left running."""
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self.daemon is not None:
            self.daemon.wait()

    def kill_everything(self) -> None:
        """What a power cut does: daemon, code server and run at once."""
        os.killpg(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait()

    def kill_the_daemon_alone(self) -> None:
        self.daemon.kill()
        self.daemon.wait()

    def runs(self, **tags: str) -> list[dg.DagsterRun]:
        with dg.DagsterInstance.from_config(str(self.home.dagster)) as instance:
            return [run for run in reversed(instance.get_runs()) if all(run.tags.get(k) == v for k, v in tags.items())]

    def ended(self, stage: str, trade_date: str) -> list[str]:
        """Status of each attempt of a stage that is over, in order."""
        runs = self.runs(**{STAGE: stage, TRADE_DATE: trade_date})
        return [run.status.value for run in runs if run.is_finished]

    def successes(self, trade_date: str) -> Counter:
        return Counter(
            (run.job_name, run.tags["dagster/partition"])
            for run in self.runs(**{TRADE_DATE: trade_date})
            if run.status == dg.DagsterRunStatus.SUCCESS
        )

    def looks(self) -> int:
        """Ticks of the night's sensor so far that are over."""
        with dg.DagsterInstance.from_config(str(self.home.dagster)) as instance:
            states = [state for state in instance.all_instigator_state() if state.instigator_name == "nightly"]
            if not states:
                return 0
            ticks = instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id)
            return sum(tick.status.value != "STARTED" for tick in ticks)

    def wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        begin = time.monotonic()
        while not is_so():
            assert time.monotonic() - begin < STEP_S_MAX, f"{what}: not within {STEP_S_MAX} s; {self.told()}"
            time.sleep(0.5)

    def wait_for_looks(self, count: int = 3) -> None:
        """Until nothing is under way and the night's sensor has looked that often since."""
        self.wait_for("runs end", lambda: all(run.is_finished for run in self.runs()))
        before = self.looks()
        self.wait_for("looks", lambda: self.looks() >= before + count)

    def alerts(self) -> list[dict]:
        path = self.home.root / "alerts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def told(self) -> list[tuple[str, str, str, str]]:
        return [
            (run.tags.get("dagster/partition", ""), run.job_name, run.tags.get(ATTEMPT, ""), run.status.value)
            for run in self.runs()
        ]


@contextmanager
def webhook() -> Iterator[tuple[int, list[dict]]]:
    bodies: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], bodies
        server.shutdown()


@pytest.fixture
def nights(tmp_path, monkeypatch):
    world = tmp_path / "world"
    write_world(world, world="null", seed=3, sessions_count=SESSIONS, first_date=FIRST_DATE)
    with webhook() as (port, bodies):
        made = Rehearsal(tmp_path, world, port)
        for name in ("FACTORY_HOME", "DAGSTER_HOME", "FACTORY_CLOCK_FILE"):
            monkeypatch.setenv(name, made.environment[name])
        made.webhook_bodies = bodies
        prepare_instance(made.home)
        yield made
        made.leave_nothing()
        made.log_file.close()


def promote(home: FactoryHome, horizon: int) -> None:
    """A champion by decree: what its bundle holds is not this test's business."""
    registry = ReleaseRegistry(home.releases, PartitionKey("SIM", horizon))

    def clock() -> datetime:
        return datetime(2022, 12, 22, 12, tzinfo=UTC)

    registry.record_candidate("a" * 64, data_end_day=19_300, clock=clock)
    registry.promote("a" * 64, reason="rehearsal", by="test", clock=clock)


def test_nights_fail_are_killed_and_come_about_once_and_a_holiday_asks_for_nothing(nights):
    # The first ingestion: by its files, then what is missing downstream.
    nights.deliver(THURSDAY)
    nights.set_clock(f"{THURSDAY}T22:30:00+00:00")
    promote(nights.home, 20)
    nights.start()
    expected = {("contract", "SIM"): 1, ("horizon", "SIM|5"): 1, ("horizon", "SIM|20"): 1, ("night", "SIM|20"): 1}
    nights.wait_for("the first ingestion", lambda: nights.successes(THURSDAY) == expected)
    nights.wait_for_looks()
    assert nights.successes(THURSDAY) == expected
    assert len(nights.runs()) == 4

    # Friday's night fails once, then loses its machine in the middle of the second attempt.
    (nights.faults / "fail-stand_in_features").write_text("1")
    nights.set_clock(f"{FRIDAY}T22:30:00+00:00")
    nights.deliver(FRIDAY)
    nights.wait_for("the first failure", lambda: nights.ended("contract", FRIDAY) == ["FAILURE"])
    (nights.faults / "hold-stand_in_features").touch()
    nights.advance(minutes=6)
    nights.wait_for("the second attempt", (nights.faults / "held-stand_in_features").exists)
    nights.kill_everything()
    (nights.faults / "hold-stand_in_features").unlink()
    (begun,) = [run for run in nights.runs() if not run.is_finished]
    assert begun.status == dg.DagsterRunStatus.STARTED, "a dead run looks alive to Dagster"
    nights.advance(minutes=6)
    nights.start()
    friday = {("contract", "SIM"): 1, ("night", "SIM|20"): 1}
    nights.wait_for("Friday's night", lambda: nights.successes(FRIDAY) == friday)
    nights.wait_for_looks()
    assert nights.successes(FRIDAY) == friday
    assert nights.ended("contract", FRIDAY) == ["FAILURE", "FAILURE", "SUCCESS"]
    lines = nights.alerts()
    assert [(line["attempt"], line["is_final"]) for line in lines] == [(1, False), (2, False)]
    assert lines[0]["step"] == "make_stand_in_features"
    assert "was told to fail" in lines[0]["message"]
    assert "process of this run is gone" in lines[1]["message"]
    assert nights.webhook_bodies == [], "the night came about: nobody is woken"

    # A holiday, by the calendar and not by the files.
    before = len(nights.runs())
    nights.set_clock("2022-12-26T23:30:00+00:00")
    nights.wait_for_looks()
    assert len(nights.runs()) == before

    # Tuesday: the daemon alone dies while a run is under way (the run goes on); then the refit never succeeds.
    (nights.faults / "held-stand_in_features").unlink()
    (nights.faults / "hold-stand_in_features").touch()
    (nights.faults / "fail-stand_in_night").write_text("99")
    nights.set_clock(f"{TUESDAY}T22:30:00+00:00")
    nights.deliver(TUESDAY)
    nights.wait_for("Tuesday's run", (nights.faults / "held-stand_in_features").exists)
    nights.kill_the_daemon_alone()
    nights.start()
    before = nights.looks()
    nights.wait_for("looks", lambda: nights.looks() >= before + 3)
    (nights.faults / "hold-stand_in_features").unlink()
    for attempt in (1, 2, 3):
        wanted = ["FAILURE"] * attempt
        nights.wait_for(f"failure {attempt}", lambda wanted=wanted: nights.ended("night", TUESDAY) == wanted)
        nights.advance(minutes=6)
    nights.wait_for_looks()
    assert nights.ended("night", TUESDAY) == ["FAILURE"] * 3
    assert nights.ended("contract", TUESDAY) == ["SUCCESS"]
    (woken,) = nights.webhook_bodies
    assert (woken["partition"], woken["trade_date"], woken["stage"]) == ("SIM|20", TUESDAY, "night")
    assert (woken["attempt"], woken["is_final"]) == (3, True)
    assert [line["is_final"] for line in nights.alerts()[2:]] == [False, False, True]
