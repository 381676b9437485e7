"""Two inputs that saw different versions of one ancestor slice are refused, whichever run they were read in."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from factory_assets.storage.loaded import Loaded
from factory_assets.storage.store import Store
from factory_assets.vocabulary.errors import IntegrityError, LineageConflictError
from factory_assets.vocabulary.schemas import table_schema
from factory_assets_tests.storage.storage_samples import (
    BARS,
    FIRST_DAY,
    MADE_BY,
    MGC,
    MGC_20,
    bars,
    features,
    local_store,
    raw_minutes,
    splits,
)

FEATURES_5, FEATURES_10 = table_schema("features_5min"), table_schema("features_10min")
RAW, SPLITS = table_schema("raw_minutes"), table_schema("splits")
DAY = FIRST_DAY + 1


@pytest.fixture
def store(tmp_path) -> Store:
    return local_store(tmp_path)


def _publish_bars(store: Store, sessions: int = 3, version: float = 1.0, raw_rows: int = 10) -> None:
    store.publish_table(RAW, MGC, raw_minutes(raw_rows), **MADE_BY)
    store.publish_table(BARS, MGC, bars(sessions, version=version), inputs=[store.read_table(RAW, MGC)], **MADE_BY)


def _publish_features(store: Store, schema, value: float = 1.0) -> Loaded:
    source = store.read_table(BARS, MGC)
    table = features(source.table, a=np.full(source.table.num_rows, value))
    store.publish_table(schema, MGC, table, inputs=[source], **MADE_BY)
    return store.read_table(schema, MGC)


def test_lineage_names_every_ancestor_slice(store):
    _publish_bars(store)
    made = _publish_features(store, FEATURES_5)
    manifest = store.manifest("bars_5min", "market", MGC)
    assert store.check_lineage([made]) == {
        "features_5min|MGC|full": made.manifest.content_digest,
        "bars_5min|MGC|full": manifest.content_digest,
        "raw_minutes|MGC|full": store.manifest("raw_minutes", "market", MGC).content_digest,
    }
    assert dict(made.manifest.lineage) == {k: v for k, v in store.check_lineage([made]).items() if "features" not in k}


def test_a_slice_names_its_day_and_drops_ancestors_without_sessions(store):
    _publish_bars(store)
    _publish_features(store, FEATURES_5)
    until = store.read_table(FEATURES_5, MGC, until_day=DAY)
    assert set(store.check_lineage([until])) == {f"features_5min|MGC|{DAY}", f"bars_5min|MGC|{DAY}"}


def test_inputs_of_one_version_agree(store):
    _publish_bars(store)
    inputs = [_publish_features(store, FEATURES_5), _publish_features(store, FEATURES_10), store.read_table(BARS, MGC)]
    manifest = store.publish_table(SPLITS, MGC_20, splits(), inputs=inputs, **MADE_BY)
    assert "bars_5min|MGC|full" in manifest.lineage


def test_restated_history_conflicts_and_says_what_to_do(store):
    _publish_bars(store, version=1)
    stale = _publish_features(store, FEATURES_5)
    _publish_bars(store, version=2)
    fresh = _publish_features(store, FEATURES_10)
    with pytest.raises(LineageConflictError) as refusal:
        store.publish_table(SPLITS, MGC_20, splits(), inputs=[stale, fresh], **MADE_BY)
    message = str(refusal.value)
    digests = [f.manifest.lineage["bars_5min|MGC|full"] for f in (stale, fresh)]
    assert all(digest in message for digest in digests)
    assert "features_5min|MGC|full and features_10min|MGC|full" in message
    assert "versions of bars_5min|MGC" in message
    assert "Materialize features_5min|MGC again" in message
    assert store.status("splits", "splits", MGC_20) == "missing"


def test_an_input_conflicts_with_its_own_ancestor_read_directly(store):
    _publish_bars(store, version=1)
    stale = _publish_features(store, FEATURES_5)
    _publish_bars(store, version=2)
    with pytest.raises(LineageConflictError, match=r"Materialize features_5min\|MGC again"):
        store.check_lineage([stale, store.read_table(BARS, MGC)])


def test_appended_history_agrees_on_the_slice_and_not_in_full(store):
    _publish_bars(store, sessions=3, raw_rows=10)
    _publish_features(store, FEATURES_5)
    _publish_bars(store, sessions=4, raw_rows=12)
    _publish_features(store, FEATURES_10)
    slices = [store.read_table(schema, MGC, until_day=DAY) for schema in (FEATURES_5, FEATURES_10, BARS)]
    lineage = store.check_lineage(slices)
    assert f"bars_5min|MGC|{DAY}" in lineage
    with pytest.raises(LineageConflictError, match="full history"):
        store.check_lineage([store.read_table(schema, MGC) for schema in (FEATURES_5, FEATURES_10)])


def test_figures_that_come_late_and_change_no_bar_break_no_slice(store):
    """Open interest of past sessions, given for the first time: what was made of a frozen slice still agrees."""
    interest = table_schema("open_interest")

    def published(days: list[int]) -> Loaded:
        dates = pa.array(np.array(days, dtype=np.int32), pa.date32())
        figures = {
            "expiry": pa.array(["MGCG3"] * len(days), pa.string()).dictionary_encode(),
            "open_interest": pa.array(days, pa.int64()),
        }
        table = pa.table({"trade_date": dates, **figures, "usable_from": dates})
        store.publish_table(interest, MGC, table, **MADE_BY)
        store.publish_table(BARS, MGC, bars(), inputs=[store.read_table(interest, MGC)], **MADE_BY)

    published([])
    _publish_features(store, FEATURES_5)
    published([FIRST_DAY, FIRST_DAY + 1])
    _publish_features(store, FEATURES_10)
    store.check_lineage([store.read_table(schema, MGC, until_day=DAY) for schema in (FEATURES_5, FEATURES_10)])


def test_a_slice_that_ends_in_the_appended_part_conflicts(store):
    _publish_bars(store, sessions=3)
    _publish_features(store, FEATURES_5)
    _publish_bars(store, sessions=4)
    _publish_features(store, FEATURES_10)
    late = [store.read_table(schema, MGC, until_day=FIRST_DAY + 3) for schema in (FEATURES_5, FEATURES_10)]
    with pytest.raises(LineageConflictError, match=f"until day {FIRST_DAY + 3}"):
        store.check_lineage(late)


def test_restated_history_conflicts_on_the_slice_too(store):
    _publish_bars(store, sessions=3, version=1)
    _publish_features(store, FEATURES_5)
    _publish_bars(store, sessions=4, version=2)
    _publish_features(store, FEATURES_10)
    slices = [store.read_table(schema, MGC, until_day=DAY) for schema in (FEATURES_5, FEATURES_10)]
    with pytest.raises(LineageConflictError, match=f"until day {DAY}"):
        store.check_lineage(slices)


def test_different_days_are_compared_at_the_earlier_one(store):
    _publish_bars(store, sessions=3)
    _publish_features(store, FEATURES_5)
    _publish_bars(store, sessions=4)
    early, late = store.read_table(FEATURES_5, MGC, until_day=DAY), store.read_table(BARS, MGC)
    assert {f"bars_5min|MGC|{DAY}", "bars_5min|MGC|full"} <= set(store.check_lineage([early, late]))


def test_the_day_is_passed_on_through_a_study_level_table(store):
    """A study's table made of a slice agrees with a later slice of the same length, and not with restated history."""
    _publish_bars(store, sessions=3)
    store.publish_table(SPLITS, MGC_20, splits(), inputs=[store.read_table(BARS, MGC, until_day=DAY)], **MADE_BY)
    _publish_bars(store, sessions=5)
    made = store.read_table(SPLITS, MGC_20)
    assert set(store.check_lineage([made, store.read_table(BARS, MGC, until_day=DAY)])) == {
        "splits|MGC|20|full",
        f"bars_5min|MGC|{DAY}",
    }
    _publish_bars(store, sessions=5, version=9)
    with pytest.raises(LineageConflictError, match=r"splits\|MGC\|20\|full"):
        store.check_lineage([made, store.read_table(BARS, MGC, until_day=DAY)])


def test_files_carry_lineage_like_tables(store):
    _publish_bars(store, version=1)
    store.publish_files("model", "models", MGC_20, {"m.txt": b"1"}, inputs=[store.read_table(BARS, MGC)], **MADE_BY)
    model = store.read_files("model", "models", MGC_20)
    _publish_bars(store, version=2)
    with pytest.raises(LineageConflictError, match=r"Materialize model\|MGC\|20 again"):
        store.publish_files(
            "report", "reports", MGC_20, {"r.html": b"x"}, inputs=[model, store.read_table(BARS, MGC)], **MADE_BY
        )


def test_equal_content_of_another_run_agrees(store):
    _publish_bars(store)
    first = _publish_features(store, FEATURES_5)
    _publish_bars(store)
    second = _publish_features(store, FEATURES_10)
    assert first.manifest.inputs[0].manifest_sha256 != second.manifest.inputs[0].manifest_sha256
    store.check_lineage([first, second])


def test_different_versions_of_a_table_without_sessions_conflict_in_full(store):
    _publish_bars(store)
    store.publish_table(RAW, MGC, raw_minutes(11), **MADE_BY)
    with pytest.raises(LineageConflictError, match=r"raw_minutes\|MGC"):
        store.check_lineage([store.read_table(BARS, MGC), store.read_table(RAW, MGC)])


def test_a_forged_or_forgotten_reference_is_refused(store, tmp_path):
    _publish_bars(store)
    ref = store.read_table(BARS, MGC).ref
    with pytest.raises(IntegrityError, match="claims the digest"):
        store.check_lineage([dataclasses.replace(ref, digest="0" * 32)])
    with pytest.raises(IntegrityError, match="gone"):
        store.check_lineage([dataclasses.replace(ref, manifest_sha256="0" * 64)])
    for path in (tmp_path / "store" / "market" / "raw_minutes").rglob("manifests/*.json"):
        path.unlink()
    with pytest.raises(IntegrityError, match=r"raw_minutes\|MGC"):
        local_store(tmp_path).check_lineage([ref])
