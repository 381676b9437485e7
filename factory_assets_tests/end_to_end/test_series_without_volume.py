"""A simulated vendor without volume, through the command line: from files to a release that equals batch live."""

import json
import re

import numpy as np
import pytest

from factory_assets.deployment import load_bundle
from factory_assets.features import catalogue
from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.inspect_store import bundle_folder, open_store
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.storage.sql import run_select
from factory_assets.vocabulary.frames import to_frame
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.schemas import SEQUENCE, TABULAR
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name, features_name
from factory_assets_tests.end_to_end.command_line import factory
from factory_assets_tests.end_to_end.sim_factory import SETTINGS, SIM, SIM_20, environment_of

# Two months, so that the series rolls; as few sessions as purge, embargo and folds leave anything of.
SESSIONS, SEED = 66, 7
READING = {spec.name for spec in catalogue() if spec.reads_volume}
SAID = f"masked because the series has no volume: {len(READING)} features"
RUN_SETTINGS = '[market]\nroll_rule = "calendar"\n' + SETTINGS.replace("epochs_max = 2", "epochs_max = 1")


def without_volume(folder):
    """Take the volume out of a written world, and out of its declaration."""
    for path in folder.glob("*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].endswith(',"volume"')
        path.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n", encoding="utf-8")
    declaration = folder / "source.toml"
    text = declaration.read_text(encoding="utf-8")
    bare = text.replace('volume = "contracts"', 'volume = "none"').replace('volume = "volume"\n', "")
    assert bare != text
    declaration.write_text(bare, encoding="utf-8")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A home whose only contract has no volume, after a whole run; what ingest and run said."""
    root = tmp_path_factory.mktemp("bare")
    vendor, home = root / "vendor", root / "home"
    home.mkdir()
    (home / "factory.toml").write_text(RUN_SETTINGS, encoding="utf-8")
    write_world(vendor, world="planted", seed=SEED, sessions_count=SESSIONS)
    without_volume(vendor)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(home).items():
            patch.setenv(name, value)
        brought = factory("ingest", "--contract", "SIM", "--raw", str(vendor))
        ran = factory("run", "--contract", "SIM", "--horizon", "20", "--profile", "fast")
        assert (brought.code, ran.code) == (0, 0), brought.err + ran.err
        yield FactoryHome(home)


def _frame(home, name, key=SIM):
    return to_frame(open_store(home).read_table(CATALOGUE[name].schema, key).table)


def _manifest(home, name, key):
    return open_store(home).manifest(name, CATALOGUE[name].group, key)


@pytest.mark.slow
def test_the_market_holds_no_volume_and_rolls_by_the_calendar(bare):
    for name in ("raw_minutes", "canonical_bars", *(bars_name(minutes) for minutes in TIMEFRAMES_MINUTES)):
        assert _frame(bare, name)["volume"].isna().all(), name
    rolls = _frame(bare, "rolls")
    assert len(rolls) >= 1
    assert set(rolls["reason"].astype(str)) == {"calendar day reached"}
    assert _frame(bare, "quarantine").empty or "bad_volume" not in set(_frame(bare, "quarantine")["reason"])


@pytest.mark.slow
def test_features_that_read_it_are_masked_and_all_pages_say_so(bare):
    for minutes in TIMEFRAMES_MINUTES:
        values, manifest = _frame(bare, features_name(minutes)), _manifest(bare, features_name(minutes), SIM)
        empty = {name for name in values.columns if values[name].isna().all()}
        assert empty == READING, minutes
        assert manifest.meta["has_volume"] is False
        (use,) = (verdict for verdict in manifest.verdicts if verdict.name == "volume_use_declared")
        assert use.passed
        assert use.summary.endswith(SAID)
    status = factory("status")
    assert "SIM: the series has no volume; features that read it are masked" in re.sub(r"\s+", " ", status.out)
    told = {row["partition"]: row["has_volume"] for row in json.loads(factory("status", "--json").out)}
    assert told == {"SIM": False, "SIM|20": False}
    page = next(bare.reports.rglob("*report*.html")).read_text(encoding="utf-8")
    assert SAID in page


@pytest.mark.slow
def test_no_model_is_shown_a_column_without_values(bare):
    rows = _frame(bare, TABULAR.name, SIM_20)
    columns = [name for name in rows.columns if "__" in name]
    assert not {name.rpartition("__")[0] for name in columns} & READING
    assert not [name for name in columns if rows[name].isna().all()]
    for table in (TABULAR.name, SEQUENCE.name):
        manifest = _manifest(bare, table, SIM_20)
        assert manifest.meta["has_volume"] is False
        assert all(verdict.passed for verdict in manifest.verdicts)
    for name in ("lightgbm", "tcn"):
        oof = _frame(bare, f"oof_{name}", SIM_20)
        assert len(oof) > 500
        assert np.isfinite(oof[["p_down", "p_flat", "p_up"]].to_numpy()).all()


@pytest.mark.slow
def test_the_release_reads_no_volume_and_equals_batch_live(bare):
    release = load_bundle(bundle_folder(bare, SIM_20))
    assert release.has_volume is False
    assert not {name for names in release.reads.values() for name in names} & READING
    verdicts = {verdict.name: verdict for verdict in _manifest(bare, "bundle", SIM_20).verdicts}
    assert {name for name, verdict in verdicts.items() if verdict.passed} == set(verdicts)
    assert verdicts["parity"].details["decisions"] > 50
    for name, scaled in release.members.items():
        assert np.isfinite([scaled.scaler.center, scaled.scaler.scale, scaled.scaler.fill]).all(), name


@pytest.mark.slow
def test_the_answer_of_a_query_is_json_all_the_same(bare):
    query = "select open_time, volume from canonical_bars order by 1 limit 2"
    assert [np.isnan(row["volume"]) for row in run_select(open_store(bare), query).to_pylist()] == [True, True]
    assert [row["volume"] for row in json.loads(factory("sql", query, "--json").out)] == [None, None]
