"""The real graph as Dagster sees it: keys, families, jobs, what each asset says of itself, what importing costs."""

import json
import os
import subprocess
import sys

import dagster as dg
import pytest

from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.check_meanings import MEANINGS
from factory_assets.orchestration.jobs import CONTRACT_JOB, HORIZON_JOB, NIGHT_GROUP, NIGHT_JOB, SEALED
from factory_assets.orchestration.no_implicit_io import NoImplicitIO
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.orchestration.partitions import CONTRACT, CONTRACT_HORIZON
from factory_assets.orchestration.phases import PHASES, keys_of, phases_until
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.errors import FactoryError, UnknownNameError
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.schemas import fixed_tables
from factory_assets.vocabulary.timeframes import HORIZONS_BARS
from factory_assets_tests.orchestration import freshness_probe, probe_definitions

__all__ = ["probe_definitions"]  # imported so that its outputs are declared, as they are when its tests run first

HEAVY = (
    "lightgbm",
    "sklearn",
    "matplotlib",
    "talib",
    "scipy.stats",
    "exchange_calendars",
    "torch",
    "mlflow",
    "xgboost",
    "catboost",
)
SEALED_KEYS = {dg.AssetKey(["sealed", name]) for name in SEALED}


@pytest.fixture(scope="module")
def definitions():
    return build_definitions()


def declared_outputs():
    """Outputs of the factory itself: the small graphs of other tests, imported above, are all in the group probes."""
    return [output for output in CATALOGUE.all() if output.group != "probes"]


@pytest.fixture(scope="module")
def specs(definitions):
    return {spec.key: spec for spec in definitions.resolve_all_asset_specs()}


def test_partition_keys_read_contract_bar_horizon():
    keys = set(CONTRACT_HORIZON.get_partition_keys())
    assert keys == {f"{symbol}|{horizon}" for symbol in INSTRUMENTS for horizon in HORIZONS_BARS}
    assert "MES|20" in keys
    assert CONTRACT_HORIZON.get_partition_keys()[0].keys_by_dimension.keys() == {"contract", "horizon"}
    assert [dimension.name for dimension in CONTRACT_HORIZON.partitions_defs] == ["contract", "horizon"]


def test_each_asset_is_in_one_of_two_families_and_no_group_mixes_them(specs):
    families = {}
    for spec in specs.values():
        assert spec.partitions_def in {CONTRACT, CONTRACT_HORIZON}, spec.key
        families.setdefault(spec.group_name, set()).add(spec.partitions_def)
    assert {group: len(found) for group, found in families.items()} == dict.fromkeys(families, 1)


def test_every_fixed_table_is_made_by_one_asset_of_its_group_and_family(specs):
    for name, schema in fixed_tables().items():
        spec = specs[dg.AssetKey([schema.group, name])]
        assert spec.group_name == schema.group
        assert (spec.partitions_def == CONTRACT_HORIZON) is schema.by_horizon


def test_key_prefix_is_the_group(specs):
    assert {key: key.path[0] for key in specs} == {key: spec.group_name for key, spec in specs.items()}


@pytest.mark.parametrize("job", [CONTRACT_JOB, HORIZON_JOB, NIGHT_JOB])
def test_sealed_assets_are_in_no_job(definitions, job):
    keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
    assert keys
    assert not keys & SEALED_KEYS


def test_the_jobs_hold_everything_that_is_not_sealed_once(definitions, specs):
    jobs = (CONTRACT_JOB, HORIZON_JOB, NIGHT_JOB)
    held = [key for job in jobs for key in definitions.resolve_job_def(job).asset_layer.selected_asset_keys]
    assert len(held) == len(set(held))
    assert set(held) == set(specs) - SEALED_KEYS


def test_phases_cover_the_jobs_and_never_the_sealed_assets(definitions, specs):
    chosen = [key for family in (False, True) for key in keys_of(definitions, PHASES, by_horizon=family)]
    assert len(chosen) == len(set(chosen))
    assert set(chosen) == {key for key in specs if key.path[0] != NIGHT_GROUP} - SEALED_KEYS
    for phase in PHASES:
        assert keys_of(definitions, [phase], by_horizon=phase.by_horizon), f"phase {phase.name} has no asset"
        assert not keys_of(definitions, [phase], by_horizon=not phase.by_horizon)


def test_until_stops_after_the_named_phase():
    assert [phase.name for phase in phases_until("features")] == ["bars", "features"]
    assert phases_until(None) == PHASES
    with pytest.raises(UnknownNameError, match=r"--until 'feature': phases are bars, features, study, labels"):
        phases_until("feature")


def test_each_phase_reads_only_earlier_or_its_own_phases(specs):
    place = {group: number for number, phase in enumerate(PHASES) for group in phase.groups}
    place[NIGHT_GROUP] = len(PHASES)
    for key, spec in specs.items():
        if key in SEALED_KEYS:
            continue
        for upstream in spec.deps:
            assert upstream.asset_key not in SEALED_KEYS, f"{key} reads the sealed {upstream.asset_key}"
            assert place[upstream.asset_key.path[0]] <= place[spec.group_name], f"{key} reads {upstream.asset_key}"


def test_every_asset_says_what_it_is_and_who_made_it(specs):
    for key, spec in specs.items():
        assert spec.description, key
        assert len(spec.description.split()) >= 4, f"{key}: {spec.description}"
        assert spec.owners == ["team:factory"], key
        assert spec.kinds, key
        assert spec.code_version == code_version(), key


def test_every_table_shows_its_columns_with_meaning_and_nullability(specs):
    declared = {output.name: output.schema for output in declared_outputs()}
    tables = {name: schema for name, schema in declared.items() if schema is not None}
    assert set(fixed_tables()) <= set(tables)
    for name, schema in tables.items():
        shown = specs[dg.AssetKey([schema.group, name])].metadata["dagster/column_schema"].columns
        assert [column.name for column in shown] == [column.name for column in schema.stored_columns], name
        assert [column.constraints.nullable for column in shown] == [c.nullable for c in schema.stored_columns], name
        assert all(column.description for column in shown), name
        assert shown[0].name == "contract"


def test_graphs_of_other_tests_are_not_taken_for_the_factorys():
    probes = {output.name for output in CATALOGUE.all()} - {output.name for output in declared_outputs()}
    assert {*freshness_probe.NAMES, "probe_peeked"} <= probes
    assert all(name.startswith(("fresh_", "probe_")) for name in probes)


def test_every_declared_invariant_is_a_blocking_check_of_its_partition(definitions):
    graph = definitions.resolve_asset_graph()
    declared = {(output.key, name) for output in declared_outputs() for name in output.checks}
    assert {(key.asset_key, key.name) for key in graph.asset_check_keys} == declared
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert spec.blocking
        assert spec.partitions_def == graph.get(key.asset_key).partitions_def


@pytest.mark.parametrize(
    ("output", "checks"),
    [
        ("features_5min", {"truncation_invariant", "future_perturbation_invariant", "positive_controls_caught"}),
        ("labels", {"label_contract", "t1_complete", "random_walk_null"}),
        ("splits", {"no_interval_overlap", "folds_non_empty"}),
        ("tabular", {"one_shared_index", "no_nan"}),
        ("oof_lightgbm", {"oof_once_per_row", "scaler_ignores_other_rows"}),
        ("study", {"ledger_intact"}),
        ("bundle", {"parity", "bundle_verified"}),
        ("canonical_bars", {"no_foreign_contract", "data_contract"}),
    ],
)
def test_the_invariants_of_the_specification_are_declared(output, checks):
    assert checks <= set(CATALOGUE[output].checks)


def test_nothing_is_handed_through_dagsters_own_storage(definitions):
    assert isinstance(definitions.resources["io_manager"], NoImplicitIO)

    @dg.op
    def hands_a_value_on() -> int:
        return 1

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(NoImplicitIO())})
    def careless() -> None:
        hands_a_value_on()

    result = careless.execute_in_process(raise_on_error=False)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert FactoryError.__name__ in str(failed.step_failure_data.error.cause)
    assert "publish it as a Product" in str(failed.step_failure_data.error.cause)


def test_importing_the_code_location_loads_no_heavy_library():
    script = (
        f"import json, sys, factory_assets.definitions\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}, timeout=120
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_importing_the_command_line_loads_no_graph():
    script = "import sys, factory_assets.cli\nprint([m for m in ('dagster', 'pandas', 'numba') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_check_has_its_meaning_and_every_meaning_its_check():
    declared = {name for output in declared_outputs() for name in output.checks}
    assert declared == set(MEANINGS)
