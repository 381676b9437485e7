"""What a reader verifies, and the slices it can ask for."""

import shutil

import numpy as np
import pyarrow as pa
import pytest

from factory_assets.storage import partition_folder
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, SchemaMismatchError
from factory_assets.vocabulary.schemas import FLOAT, Column, TableSchema, table_schema
from factory_assets_tests.storage.storage_samples import (
    BARS,
    FIRST_DAY,
    MADE_BY,
    MES,
    MGC,
    bars,
    features,
    local_store,
    raw_minutes,
)

FEATURES = table_schema("features_5min")


def test_columns_come_in_the_order_asked_for(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    assert store.read_table(BARS, MGC, columns=["volume", "close"]).table.column_names == ["volume", "close"]
    with pytest.raises(BadInputError, match=r"no columns \['nope'\]"):
        store.read_table(BARS, MGC, columns=["nope"])


def test_until_day_keeps_the_sessions_up_to_and_including_it(tmp_path):
    store = local_store(tmp_path)
    manifest = store.publish_table(BARS, MGC, bars(4), **MADE_BY)
    loaded = store.read_table(BARS, MGC, columns=["close"], until_day=np.int32(FIRST_DAY + 1))
    assert loaded.table.column_names == ["close"]
    assert loaded.table["close"].to_pylist() == bars(4)["close"].to_pylist()[:40]
    assert loaded.ref.until_day == FIRST_DAY + 1
    assert loaded.ref.digest == dict(manifest.sessions)[FIRST_DAY + 1]
    assert store.read_table(BARS, MGC, until_day=FIRST_DAY - 1).table.num_rows == 0
    assert store.read_table(BARS, MGC, until_day=FIRST_DAY + 99).table.num_rows == 80
    store.publish_table(table_schema("raw_minutes"), MGC, raw_minutes(), **MADE_BY)
    with pytest.raises(BadInputError, match="no session column"):
        store.read_table("raw_minutes", MGC, until_day=FIRST_DAY)


def test_open_columns_keep_their_nulls(tmp_path):
    store = local_store(tmp_path)
    table = features(bars(), a=np.arange(60)).append_column("b", pa.array([None] * 5 + [1.5] * 55, type=pa.float32()))
    store.publish_table(FEATURES, MGC, table, **MADE_BY)
    loaded = store.read_table(FEATURES, MGC).table
    assert loaded.schema == FEATURES.arrow(["a", "b"])
    assert loaded["b"].null_count == 5
    assert loaded["a"].to_pylist() == table["a"].to_pylist()


def test_a_table_of_several_row_groups_comes_back_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("factory_assets.storage.parquet.ROW_GROUP_ROWS", 7)
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(4), **MADE_BY)
    loaded = store.read_table(BARS, MGC).table
    assert loaded.select(bars(4).column_names).to_pylist() == bars(4).to_pylist()


def test_a_changed_declaration_is_noticed(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    wider = TableSchema(**{**BARS.__dict__, "columns": (*BARS.columns, Column("vwap", FLOAT, "new"))})
    with pytest.raises(SchemaMismatchError, match="vwap: declared double, stored nothing"):
        store.read_table(wider, MGC)
    narrower = TableSchema(**{**BARS.__dict__, "columns": BARS.columns[:-1]})
    with pytest.raises(SchemaMismatchError, match="adjustment_ratio: stored double, declared nothing"):
        store.read_table(narrower, MGC)


def test_the_hash_is_checked_before_the_parser_sees_a_byte(tmp_path, monkeypatch):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    part = next((tmp_path / "store").rglob("*.parquet"))
    part.write_bytes(b"PAR1 not what was written PAR1")
    parsed = []
    monkeypatch.setattr("factory_assets.storage.store.read_parquet", lambda *a: parsed.append(a))
    with pytest.raises(IntegrityError, match=r"materialize bars_5min\|MGC again"):
        store.read_table(BARS, MGC)
    assert parsed == []
    part.unlink()
    with pytest.raises(IntegrityError, match="is gone"):
        store.read_table(BARS, MGC)


def test_a_damaged_partition_is_repaired_by_publishing_it_again(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    base = tmp_path / "store" / "market" / "bars_5min" / "MGC"
    next((base / "parts").iterdir()).write_bytes(b"damaged")
    (base / "manifest.json").write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        store.status("bars_5min", "market", MGC)
    assert store.sweep().damaged == 1
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    assert store.read_table(BARS, MGC).table.num_rows == 60


def test_a_folder_copied_to_another_contract_is_refused(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    base = tmp_path / "store" / "market" / "bars_5min"
    shutil.copytree(base / "MGC", base / "MES")
    with pytest.raises(IntegrityError, match=r"belongs to market/bars_5min\|MGC"):
        store.read_table(BARS, MES)


def test_a_manifest_swapped_for_an_older_one_is_still_verified_against_its_parts(tmp_path):
    store = local_store(tmp_path)
    for version in range(3):
        store.publish_table(BARS, MGC, bars(version=version), **MADE_BY)
    base = tmp_path / "store" / "market" / "bars_5min" / "MGC"
    first = min(base.glob("manifests/*.json"), key=lambda p: p.stat().st_mtime_ns)
    shutil.copy(first, base / "manifest.json")
    with pytest.raises(IntegrityError, match="is gone"):
        store.read_table(BARS, MGC)


def test_a_reader_survives_publications_between_its_two_reads(tmp_path, monkeypatch):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(version=0), **MADE_BY)
    real, versions = partition_folder.PartitionFolder.read_part, iter((1, 2))

    def overtaken(self, part):
        for version in versions:  # both publications pass before the first part is read
            store.publish_table(BARS, MGC, bars(version=version), **MADE_BY)
        return real(self, part)

    monkeypatch.setattr(partition_folder.PartitionFolder, "read_part", overtaken)
    assert store.read_table(BARS, MGC).table["volume"][0].as_py() == 2
