"""The same store on an object store: PUT to the final name, never a rename."""

import uuid

import fsspec
import pytest

from factory_assets.storage.store import Store
from factory_assets.vocabulary.errors import BlockedPartitionError, IntegrityError, LineageConflictError
from factory_assets.vocabulary.schemas import table_schema
from factory_assets_tests.storage.storage_samples import BARS, MADE_BY, MES, MGC, bars, frozen_clock, raw_minutes

MEMORY = fsspec.filesystem("memory")


@pytest.fixture
def store(tmp_path, monkeypatch):
    def never(*args, **options):
        pytest.fail("an object store was asked to rename")

    for name in ("mv", "mv_file", "move", "rename", "copy", "cp_file", "cp"):
        monkeypatch.setattr(type(MEMORY), name, never, raising=False)
    url = f"memory://{uuid.uuid4().hex}/prefix"
    return Store(url, clock=frozen_clock, locks_folder=tmp_path / "locks")


def _paths(store: Store) -> list[str]:
    return list(MEMORY.find(store._files._root))


def test_publish_read_block_and_sweep(store):
    first = store.publish_table(BARS, MGC, bars(version=1), **MADE_BY)
    for version in (2, 3):
        store.publish_table(BARS, MGC, bars(version=version), **MADE_BY)
    store.publish_table(BARS, MES, bars(), **MADE_BY)
    assert store.read_table(BARS, MGC).table["volume"][0].as_py() == 3
    assert store.partitions("market", "bars_5min") == [MES, MGC]
    assert not any(first.parts[0].sha256 in path for path in _paths(store))
    store.block("bars_5min", "market", MGC, [], "reason")
    with pytest.raises(BlockedPartitionError):
        store.read_table(BARS, MGC)
    MEMORY.pipe_file(f"{store._files._root}/market/bars_5min/MES/parts/{'0' * 64}.parquet", b"orphan")
    swept = store.sweep()
    assert (swept.partitions, swept.damaged) == (2, 0)
    assert swept.parts >= 1
    assert not any("0" * 64 in path for path in _paths(store))


def test_parts_are_named_by_their_content_and_equal_those_of_a_local_store(store, tmp_path):
    here = Store(str(tmp_path / "store"), clock=frozen_clock).publish_table(BARS, MGC, bars(), **MADE_BY)
    there = store.publish_table(BARS, MGC, bars(), **MADE_BY)
    assert there == here
    assert any(path.endswith(f"/parts/{there.parts[0].sha256}.parquet") for path in _paths(store))


def test_files_and_lineage(store):
    raw = table_schema("raw_minutes")
    store.publish_table(raw, MGC, raw_minutes(), **MADE_BY)
    store.publish_table(BARS, MGC, bars(), inputs=[store.read_table(raw, MGC)], **MADE_BY)
    store.publish_files("report", "reports", MGC, {"a/b.html": b"x"}, inputs=[store.read_table(BARS, MGC)], **MADE_BY)
    assert dict(store.read_files("report", "reports", MGC).files) == {"a/b.html": b"x"}
    store.publish_table(raw, MGC, raw_minutes(11), **MADE_BY)
    with pytest.raises(LineageConflictError):
        store.check_lineage([store.read_files("report", "reports", MGC), store.read_table(raw, MGC)])


def test_damage_is_detected(store):
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    for path in [p for p in _paths(store) if p.endswith((".parquet", "/manifest.json"))]:
        intact = MEMORY.cat_file(path)
        MEMORY.pipe_file(path, intact[:-20] + bytes([intact[-20] ^ 1]) + intact[-19:])
        with pytest.raises(IntegrityError):
            store.read_table(BARS, MGC)
        MEMORY.pipe_file(path, intact)
    store.read_table(BARS, MGC)


def test_a_put_that_stores_other_bytes_leaves_the_old_partition(store, monkeypatch):
    old = store.publish_table(BARS, MGC, bars(version=1), **MADE_BY)
    real = type(MEMORY).pipe_file

    def lossy(self, path, value, **options):
        damaged = value[:-1] if path.endswith("MGC/manifest.json") and value != old.encode() else value
        return real(self, path, damaged, **options)

    monkeypatch.setattr(type(MEMORY), "pipe_file", lossy)
    with pytest.raises(IntegrityError, match="other bytes"):
        store.publish_table(BARS, MGC, bars(version=2), **MADE_BY)
    assert store.read_table(BARS, MGC).manifest == old
