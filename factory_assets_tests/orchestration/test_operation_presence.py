"""Dead runs, runs nobody took up, and the one daemon of a home: who is there is proven by locks."""

import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from typer.testing import CliRunner

from factory_assets.cli import app
from factory_assets.orchestration.operation.failed_runs import long_runs, new_failures
from factory_assets.orchestration.operation.one_daemon import become_daemon, daemon_process
from factory_assets.orchestration.operation.presence import (
    bury_abandoned_runs,
    bury_dead_runs,
    end_presence,
    hold_presence,
    is_present,
    run_lock_path,
    sweep_locks,
)
from factory_assets.orchestration.operation.run_tags import STAGE
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets_tests.orchestration.sample_runs import failing, started

NOW = datetime(2022, 12, 30, 22, 30, tzinfo=UTC)
HOLDER = """
import sys, time
from pathlib import Path
from factory_assets.orchestration.operation.presence import hold_presence
from factory_assets.vocabulary.home import FactoryHome
hold_presence(FactoryHome(Path(sys.argv[1])), sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


def test_a_run_is_present_until_its_process_is_killed(home):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(home.root), "run-1"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert is_present(home, "run-1")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run_lock_path(home, "run-1").exists(), "a killed process tidies nothing up"
    assert not is_present(home, "run-1")
    assert not is_present(home, "run-2")


def test_a_dead_run_is_marked_failed_at_the_second_look_and_a_live_one_never(home, instance):
    dead, alive, another_homes = started(instance), started(instance), started(instance)
    os.close(hold_presence(home, dead))
    descriptor = hold_presence(home, alive)
    assert bury_dead_runs(instance, home, []) == ([], [dead])
    assert bury_dead_runs(instance, home, [dead]) == ([dead], [])
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    begun = dg.DagsterRunStatus.STARTED
    assert statuses == {dead: dg.DagsterRunStatus.FAILURE, alive: begun, another_homes: begun}
    (alert,) = new_failures(instance, [], older_than=0, now=NOW)
    assert "The process of this run is gone" in alert.message

    os.close(descriptor)
    assert bury_dead_runs(instance, home, [dead]) == ([], [alive]), "a suspicion of another run is none of this one's"


def test_a_run_that_died_before_it_held_its_lock_is_ended_if_a_sensor_asked_for_it(home, instance):
    asked = started(instance, **{STAGE: "night"})
    assert bury_dead_runs(instance, home, []) == ([], [asked])
    assert bury_dead_runs(instance, home, [asked]) == ([asked], [])


def test_locks_of_runs_that_are_over_are_swept_and_no_others(home, instance):
    over = failing.execute_in_process(instance=instance, raise_on_error=False).run_id
    under_way = started(instance)
    for run_id in (over, under_way, "another-instances"):
        os.close(hold_presence(home, run_id))
    sweep_locks(instance, home)
    left = {path.stem for path in run_lock_path(home, "x").parent.iterdir()}
    assert left == {under_way, "another-instances"}


def test_a_run_holds_its_lock_while_its_steps_run(home, instance):
    seen = {}

    @dg.op
    def looks(context: dg.OpExecutionContext, factory: dg.ResourceParam[FactoryResource]) -> None:
        seen[context.run_id] = is_present(factory.place, context.run_id)

    @dg.job(resource_defs={"factory": FactoryResource()})
    def looking() -> None:
        looks()

    result = looking.execute_in_process(instance=instance)
    assert seen == {result.run_id: True}
    assert not is_present(home, result.run_id)
    assert list(run_lock_path(home, "x").parent.iterdir()) == [], "and tidies it up"


def test_the_last_holder_of_a_runs_lock_removes_it_and_no_other(home):
    first, second = hold_presence(home, "run-1"), hold_presence(home, "run-1")
    end_presence(home, "run-1", first)
    assert is_present(home, "run-1")
    end_presence(home, "run-1", second)
    assert not run_lock_path(home, "run-1").exists()


def test_a_lock_whose_file_is_removed_while_it_is_taken_is_taken_anew(home, monkeypatch):
    os.close(hold_presence(home, "run-1"))
    taken = []

    def flock(descriptor, how):
        taken.append(how)
        if len(taken) == 1:  # the last holder left in between
            run_lock_path(home, "run-1").unlink()
        real(descriptor, how)

    real = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)
    descriptor = hold_presence(home, "run-1")
    monkeypatch.undo()
    assert len(taken) == 2
    assert is_present(home, "run-1")
    os.close(descriptor)


def test_a_run_that_no_process_ever_took_up_is_ended_after_hours_and_one_that_lives_or_is_to_start_is_told(
    home, kept_instance
):
    instance = kept_instance
    tags = {"dagster/partition": "MGC|5"}
    created = instance.create_run_for_job(failing, tags=tags).run_id
    lockless, alive, other_job = started(instance, **tags), started(instance, **tags), started(instance)
    starting = instance.create_run_for_job(failing, tags=tags, status=dg.DagsterRunStatus.STARTING).run_id
    descriptor = hold_presence(home, alive)
    soon, later = (system_clock() + timedelta(hours=hours) for hours in (11, 13))
    assert bury_abandoned_runs(instance, home, now=soon, hours_max=12) == []
    assert long_runs(instance, now=soon, hours_max=12) == []
    somebody_elses = FactoryHome(home.root / "another")
    assert bury_abandoned_runs(instance, somebody_elses, now=later, hours_max=12) == []
    assert set(bury_abandoned_runs(instance, home, now=later, hours_max=12)) == {created, lockless}
    assert "no process ever worked on it" in new_failures(instance, [], older_than=0, now=NOW)[0].message
    found = {alert.run_id: alert for alert in long_runs(instance, now=later, hours_max=12)}
    assert set(found) == {alive, starting, other_job}
    assert found[alive].headline == "MGC|5 failing: long run"
    assert found[alive].is_final
    assert "STARTED for 13 hours" in found[alive].message
    ids = [{alert.id for alert in long_runs(instance, now=later + timedelta(days=d), hours_max=12)} for d in (0, 0, 1)]
    assert ids[0] == ids[1]
    assert not ids[0] & ids[2], "told again the next day"
    os.close(descriptor)


def test_only_one_daemon_takes_a_home_and_the_lock_outlives_exec_and_goes_with_the_process(home):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from factory_assets.orchestration.operation.one_daemon import become_daemon\n"
        "from factory_assets.vocabulary.home import FactoryHome\n"
        "assert become_daemon(FactoryHome(Path(sys.argv[1])))\n"
        "os.execv('/bin/sh', ['/bin/sh', '-c', 'echo turned; exec sleep 60'])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"turned\n"
        assert not become_daemon(home)
        assert daemon_process(home) == str(process.pid)
        for command in ("daemon", "ui"):
            monkey = pytest.MonkeyPatch()
            with monkey.context() as patched:
                said = []
                patched.setattr(os, "execv", lambda path, arguments, said=said: said.append([path, *arguments]))
                answer = CliRunner().invoke(app, [command])
                if command == "daemon":
                    assert isinstance(answer.exception, BadInputError)
                    assert f"has a daemon: process {process.pid}" in str(answer.exception)
                    assert said == []
                else:
                    ((path, *_),) = said
                    assert path.endswith("dagster-webserver"), "the web UI alone"
        process.kill()
        process.wait()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if become_daemon(home) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
