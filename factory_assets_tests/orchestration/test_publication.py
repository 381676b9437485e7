"""What stands between a broken invariant and a reader: the check, the step, the store and every later run."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import dagster as dg
import pytest

from factory_assets.orchestration.materialization import Materialization
from factory_assets.orchestration.outputs import ATTEMPT, CATALOGUE, Output
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.storage import Store
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import (
    BlockedPartitionError,
    FactoryError,
    LineageConflictError,
    MissingPartitionError,
)
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.orchestration import probe_definitions as probes
from factory_assets_tests.orchestration.probe_definitions import SCRIPT, SIDE, SOURCE, Script

SIM, MES, MGC, NQ = (PartitionKey(symbol) for symbol in ("SIM", "MES", "MGC", "NQ"))
ENDS = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_SUCCESS}


class Probe:
    """One FACTORY_HOME with one Dagster instance; every ``run`` is a run of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.instance = dg.DagsterInstance.ephemeral()
        self.store = Store(str(root / "store"), clock=system_clock, locks_folder=root / "locks")

    def run(self, *names: str, key: str | None = "SIM", job: str = "probes", **tags: str) -> dg.ExecuteInProcessResult:
        resolved = probes.defs.resolve_job_def(job) if job else probes.defs.resolve_implicit_global_asset_job_def()
        return resolved.execute_in_process(
            instance=self.instance,
            partition_key=key,
            asset_selection=[dg.AssetKey(["probes", name]) for name in names],
            raise_on_error=False,
            run_config={
                "resources": {"factory": {"config": {"home": str(self.root)}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags=tags,
        )

    def make(self, *names: str, value: float = 1.0) -> None:
        SCRIPT.value = value
        assert self.run(*names).success

    def value(self, key: PartitionKey = SIM) -> float:
        (found,) = set(self.store.read_table(SOURCE, key).table["value"].to_pylist())
        return found

    def part_bytes(self) -> dict[str, bytes]:
        """Every immutable part in the store."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted((self.root / "store").rglob("parts/*"))
            if path.is_file()
        }


@pytest.fixture
def probe(tmp_path):
    for each in fields(Script):
        setattr(SCRIPT, each.name, getattr(Script(), each.name))
    with Probe(tmp_path).instance:
        yield Probe(tmp_path)


def message(result: dg.ExecuteInProcessResult) -> str:
    """What the user is told of the one failed step."""
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told is not None, failed.step_failure_data.error
    return told.description


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def materialized(result: dg.ExecuteInProcessResult) -> set[tuple[str, str]]:
    return {
        (event.asset_key.path[-1], str(event.partition))
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    }


def test_a_false_invariant_is_a_red_check_of_its_partition_and_writes_nothing(probe):
    probe.make(SOURCE.name, SIDE)
    before = probe.part_bytes()
    SCRIPT.value, SCRIPT.broken = 2.0, {"SIM"}
    result = probe.run(SOURCE.name, SIDE)

    assert not result.success
    red = checks(result)["probe_holds"]
    assert not red.passed
    assert red.partition == "SIM"
    assert red.severity == dg.AssetCheckSeverity.ERROR
    assert red.description == "4 rows of SIM compared"
    assert red.metadata["rows"].value == 4
    assert checks(result)["probe_warns"].passed
    assert materialized(result) == set()
    assert "probe_holds: 4 rows of SIM compared" in message(result)
    assert "nothing was written" in message(result)

    assert probe.part_bytes() == before
    for name in (SOURCE.name, SIDE):
        manifest = probe.store.manifest(name, "probes", SIM)
        assert manifest.blocked is not None, name
        assert [verdict.name for verdict in manifest.blocked.verdicts] == ["probe_holds"]
        assert manifest.parts, f"{name}: the old partition's bytes are no longer named"


def test_the_step_is_not_retried_although_the_job_retries(probe):
    SCRIPT.broken = {"SIM"}
    result = probe.run(SOURCE.name, SIDE)
    assert SCRIPT.calls == ["SIM"]
    ends = [event.event_type for event in result.all_events if event.event_type in ENDS]
    assert ends == [dg.DagsterEventType.STEP_FAILURE]


def test_a_partition_that_never_passed_has_no_bytes_and_is_blocked(probe):
    SCRIPT.broken = {"SIM"}
    probe.run(SOURCE.name, SIDE)
    assert probe.part_bytes() == {}
    with pytest.raises(BlockedPartitionError, match="probe_holds"):
        probe.store.read_files(SIDE, "probes", SIM)


def test_the_consumer_selected_alone_in_a_later_run_refuses_and_names_the_invariant(probe):
    probe.make(SOURCE.name, SIDE)
    SCRIPT.broken = {"SIM"}
    probe.run(SOURCE.name, SIDE)
    later = probe.run("probe_consumed")
    assert not later.success
    assert "probe_holds" in message(later)
    assert "probe_source|SIM" in message(later)
    with pytest.raises(MissingPartitionError):
        probe.store.manifest("probe_consumed", "probes", SIM)


def test_a_horizon_consumer_refuses_the_blocked_contract_partition_too(probe):
    SCRIPT.broken = {"SIM"}
    probe.run(SOURCE.name, SIDE)
    later = probe.run("probe_by_horizon", key="SIM|20", job="")
    assert not later.success
    assert "probe_holds" in message(later)


def test_a_later_passing_run_unblocks(probe):
    SCRIPT.broken = {"SIM"}
    probe.run(SOURCE.name, SIDE)
    SCRIPT.broken = set()
    probe.make(SOURCE.name, SIDE, value=3.0)
    assert probe.run("probe_consumed").success
    assert probe.value() == 3.0
    assert probe.run("probe_by_horizon", key="SIM|20", job="").success
    assert probe.store.status("probe_by_horizon", "probes", PartitionKey("SIM", 20)) == "ready"


def test_another_contract_is_untouched_by_a_block(probe):
    probe.make(SOURCE.name, SIDE)
    SCRIPT.broken = {"MES"}
    assert not probe.run(SOURCE.name, SIDE, key="MES").success
    assert probe.run("probe_consumed", key="SIM").success


def test_a_warning_is_recorded_and_blocks_nothing(probe):
    SCRIPT.warned = True
    result = probe.run(SOURCE.name, SIDE)
    assert result.success
    warned = checks(result)["probe_warns"]
    assert not warned.passed
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert probe.run("probe_consumed").success
    (recorded,) = [v for v in probe.store.manifest(SOURCE.name, "probes", SIM).verdicts if v.name == "probe_warns"]
    assert not recorded.passed


def test_producer_and_consumer_in_one_run_both_stop(probe):
    SCRIPT.broken = {"SIM"}
    result = probe.run(SOURCE.name, SIDE, "probe_consumed")
    assert not result.success
    assert materialized(result) == set()
    with pytest.raises(MissingPartitionError):
        probe.store.manifest("probe_consumed", "probes", SIM)


@pytest.mark.parametrize("names", [("probe_holds",), ("probe_holds", "probe_warns", "probe_surprise"), ()])
def test_forgotten_and_undeclared_verdicts_are_refused(probe, names):
    probe.make(SOURCE.name, SIDE)
    before = probe.part_bytes()
    SCRIPT.verdict_names, SCRIPT.value = names, 2.0
    result = probe.run(SOURCE.name, SIDE)
    assert not result.success
    assert "invariants declared ['probe_holds', 'probe_warns'], evaluated" in message(result)
    assert probe.part_bytes() == before


def test_a_forgotten_output_is_refused_before_anything_is_written(probe):
    SCRIPT.forget_side = True
    result = probe.run(SOURCE.name, SIDE)
    assert "made no probe_side" in message(result)
    assert probe.part_bytes() == {}


def test_reading_what_is_not_declared_upstream_raises(probe):
    probe.make(SOURCE.name, SIDE)
    result = probe.run("probe_peeked")
    assert "probe_side is read but not declared upstream" in message(result)


def test_a_name_is_declared_once():
    with pytest.raises(FactoryError, match="declared twice"):
        CATALOGUE.add(Output(name=SIDE, group="elsewhere", description="", by_horizon=False))


def test_in_a_range_one_failing_key_stops_only_itself(probe):
    SCRIPT.broken = {"MGC"}
    span = {"dagster/asset_partition_range_start": "MES", "dagster/asset_partition_range_end": "SIM"}
    result = probe.run(SOURCE.name, SIDE, key=None, **span)
    assert not result.success
    assert SCRIPT.calls == ["MES", "MGC", "NQ", "SIM"]
    assert message(result).startswith("MGC: ")
    assert "probe_holds" in message(result)
    assert "MGC: 4 rows of MGC compared" in checks(result)["probe_holds"].description
    assert [probe.store.status(SOURCE.name, "probes", key) for key in (MES, MGC, SIM)] == ["ready", "blocked", "ready"]
    assert materialized(result) == {(name, key) for name in (SOURCE.name, SIDE) for key in ("MES", "NQ", "SIM")}


def test_a_defect_is_raised_as_it_is_after_what_is_known_was_told(probe):
    SCRIPT.defects = {"MGC"}
    span = {"dagster/asset_partition_range_start": "MES", "dagster/asset_partition_range_end": "SIM"}
    result = probe.run(SOURCE.name, SIDE, key=None, **span)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "a defect at MGC" in failed.step_failure_data.error.to_string()
    assert set(SCRIPT.calls) == {"MES", "MGC"}, "what comes after the defect is not begun"
    assert checks(result)["probe_holds"].passed
    assert materialized(result) == {(name, "MES") for name in (SOURCE.name, SIDE)}


def test_in_a_range_each_partition_shows_its_own_hash(probe):
    span = {"dagster/asset_partition_range_start": "MES", "dagster/asset_partition_range_end": "SIM"}
    result = probe.run(SOURCE.name, SIDE, key=None, **span)
    assert result.success
    shown = {
        event.partition: event.step_materialization_data.materialization.metadata["sha256"].value
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key.path[-1] == SOURCE.name
    }
    assert shown == {
        str(key): probe.store.manifest(SOURCE.name, "probes", key).parts[0].sha256 for key in (MES, MGC, NQ, SIM)
    }
    assert len(set(shown.values())) == 4


def test_a_range_of_horizons_runs_each_and_a_reversed_one_says_that_it_is_empty(probe):
    assert probe.run(SOURCE.name, SIDE, key="MES").success
    span = {"dagster/asset_partition_range_start": "MES|10", "dagster/asset_partition_range_end": "MES|20"}
    result = probe.run("probe_by_horizon", key=None, job="", **span)
    assert result.success
    assert materialized(result) == {("probe_by_horizon", f"MES|{bars}") for bars in (10, 15, 20)}

    reversed_span = {"dagster/asset_partition_range_start": "MES|20", "dagster/asset_partition_range_end": "MES|10"}
    result = probe.run("probe_by_horizon", key=None, job="", **reversed_span)
    assert not result.success
    assert message(result).startswith("no partition from MES|20 to MES|10: the range is empty")
    assert materialized(result) == set()


def test_two_inputs_of_different_versions_of_one_ancestor_are_refused_across_runs(probe):
    probe.make(SOURCE.name, SIDE, value=1.0)
    probe.make("probe_left")
    probe.make(SOURCE.name, SIDE, value=2.0)
    probe.make("probe_right", value=2.0)
    refused = probe.run("probe_joined")
    assert not refused.success
    assert "different versions of probe_source|SIM" in message(refused)
    assert "Materialize probe_left|SIM again" in message(refused)
    with pytest.raises(MissingPartitionError):
        probe.store.manifest("probe_joined", "probes", SIM)

    probe.make("probe_left")
    assert probe.run("probe_joined").success


def test_a_rerun_with_equal_content_keeps_inputs_in_agreement(probe):
    probe.make(SOURCE.name, SIDE)
    probe.make("probe_left")
    probe.make(SOURCE.name, SIDE)
    probe.make("probe_right")
    assert probe.run("probe_joined").success


def test_dagsters_own_command_exits_non_zero_on_a_false_invariant(tmp_path):
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("dagster")),
        *("asset", "materialize", "-m", "factory_assets_tests.orchestration.probe_definitions"),
        *("--select", "probes/probe_source,probes/probe_side", "--partition", "SIM"),
    ]
    environment = {
        **os.environ,
        "FACTORY_HOME": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "PROBE_BREAKS": "SIM",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert "probe_holds: 4 rows of SIM compared" in done.stderr + done.stdout
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_siblings_of_two_attempts_are_refused(probe):
    probe.make(SOURCE.name, SIDE)
    reads = (SOURCE.name, SIDE)

    def read_both() -> None:
        factory = FactoryResource(home=str(probe.root))
        work = Materialization(SIM, factory, reads, settings_sections=(), tags={})
        work.read(SOURCE.name)
        work.read_files(SIDE)

    read_both()
    # What a kill between the two publications of a second attempt leaves behind.
    probe.store.publish_files(
        SIDE, "probes", SIM, {"side.txt": b"2.0"}, code_version="x", settings_digest="x", meta={ATTEMPT: "killed run"}
    )
    with pytest.raises(LineageConflictError, match="probe_source and probe_side are made together"):
        read_both()
    probe.make(SOURCE.name, SIDE)
    read_both()
