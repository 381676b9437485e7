"""What is accepted into a partition, what is refused, and what stays when it is."""

import os

import numpy as np
import pyarrow as pa
import pytest

from factory_assets.storage.store import Store
from factory_assets.vocabulary.errors import (
    BadInputError,
    BlockedPartitionError,
    ForeignContractError,
    IntegrityError,
    InvariantViolationError,
    MissingPartitionError,
    NaiveTimestampError,
    SchemaMismatchError,
    StorageError,
    UnknownNameError,
)
from factory_assets.vocabulary.frames import to_frame, to_table
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.faults.storage_experiments import failing_call
from factory_assets_tests.storage.storage_samples import (
    BARS,
    MADE_BY,
    MES,
    MGC,
    MGC_20,
    MOMENT,
    bars,
    features,
    frozen_clock,
    local_store,
    raw_minutes,
    splits,
)

PASSED = Verdict(name="sorted", passed=True, summary="all rows")
FAILED = Verdict(name="on_tick", passed=False, summary="3 prices off tick")


def _replace(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def test_what_is_read_is_what_was_written_with_the_partition_columns(tmp_path):
    store, table = local_store(tmp_path), bars(3)
    manifest = store.publish_table(BARS, MGC, table, verdicts=[PASSED], meta={"files": 2}, **MADE_BY)
    loaded = store.read_table("bars_5min", MGC)
    assert loaded.table.schema == BARS.arrow()
    assert set(loaded.table["contract"].to_pylist()) == {"MGC"}
    assert loaded.table.select(table.column_names).to_pylist() == table.to_pylist()
    assert loaded.manifest == manifest
    assert (manifest.created_at, manifest.rows, manifest.meta) == (MOMENT, 60, {"files": 2})
    assert manifest.first == ("2022-01-08T00:05:00+00:00",)
    assert manifest.verdicts == (PASSED,)
    assert loaded.ref == manifest.ref()


def test_horizon_is_added_and_checked(tmp_path):
    store, schema = local_store(tmp_path), table_schema("splits")
    store.publish_table(schema, MGC_20, splits(), **MADE_BY)
    assert store.read_table("splits", MGC_20).table["horizon"].to_pylist() == [20, 20]
    foreign = splits().append_column("horizon", pa.array([20, 15]))
    with pytest.raises(ForeignContractError, match="15"):
        store.publish_table(schema, MGC_20, foreign, **MADE_BY)
    with pytest.raises(BadInputError, match=r"CONTRACT\|HORIZON"):
        store.publish_table(schema, MGC, splits(), **MADE_BY)
    with pytest.raises(BadInputError, match="partitioned by CONTRACT"):
        store.publish_table(BARS, MGC_20, bars(), **MADE_BY)


def _foreign() -> pa.Table:
    contract = pa.array(["MGC"] * 59 + ["MES"]).dictionary_encode()
    return bars(3).append_column("contract", contract)


def _backwards() -> pa.Table:
    return bars(3).take(pa.array([1, 0, *range(2, 60)]))


def _doubled() -> pa.Table:
    return bars(3).take(pa.array([0, 0, *range(2, 60)]))


def _null() -> pa.Table:
    return _replace(bars(3), "close", pa.array([None] + [1.0] * 59))


def _session_back() -> pa.Table:
    days = bars(3)["trade_date"].cast(pa.int32()).to_numpy().copy()
    days[-1] = days[0]
    return _replace(bars(3), "trade_date", pa.array(days, pa.date32()))


WRONG = {
    "no rows": (lambda: bars(3).slice(0, 0), SchemaMismatchError, "no rows"),
    "another contract's row": (_foreign, ForeignContractError, "MES"),
    "all of another contract": (
        lambda: bars(3).append_column("contract", pa.array(["MES"] * 60).dictionary_encode()),
        ForeignContractError,
        "MES",
    ),
    "missing column": (lambda: bars(3).drop_columns(["close"]), SchemaMismatchError, "missing column close"),
    "unknown column": (
        lambda: bars(3).append_column("hint", pa.array([1.0] * 60)),
        SchemaMismatchError,
        r"unexpected columns \['hint'\]",
    ),
    "doubled column": (lambda: bars(3).append_column("close", bars(3)["close"]), SchemaMismatchError, "2 times"),
    "wrong type": (
        lambda: _replace(bars(3), "volume", pa.array(np.arange(60))),
        SchemaMismatchError,
        "volume: expected double, got int64",
    ),
    "naive times": (
        lambda: _replace(bars(3), "open_time", bars(3)["open_time"].cast(pa.timestamp("us"))),
        SchemaMismatchError,
        "open_time: expected timestamp",
    ),
    "plain text": (
        lambda: _replace(bars(3), "expiry", bars(3)["expiry"].cast(pa.string())),
        SchemaMismatchError,
        "expiry: expected dictionary",
    ),
    "null": (_null, SchemaMismatchError, "close: 1 nulls"),
    "not sorted": (_backwards, SchemaMismatchError, r"not sorted under \(close_time\) at rows 0 and 1"),
    "duplicate": (_doubled, SchemaMismatchError, "duplicate rows"),
    "session goes back": (_session_back, SchemaMismatchError, "trade_date goes back"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_is_refused_and_the_old_partition_stays(tmp_path, case):
    make, error, message = WRONG[case]
    store = local_store(tmp_path)
    old = store.publish_table(BARS, MGC, bars(3, version=7), **MADE_BY)
    files = {p: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()}
    with pytest.raises(error, match=message):
        store.publish_table(BARS, MGC, make(), **MADE_BY)
    assert {p: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()} == files
    assert store.read_table(BARS, MGC).manifest == old


def test_all_mismatches_come_in_one_message(tmp_path):
    wrong = bars(3).drop_columns(["close", "high"]).append_column("hint", pa.array([1.0] * 60))
    with pytest.raises(SchemaMismatchError, match=r"high.*close.*hint|close.*hint"):
        local_store(tmp_path).publish_table(BARS, MGC, wrong, **MADE_BY)


def test_text_in_the_order_key_sorts_by_code_point_not_by_dictionary(tmp_path):
    schema = table_schema("raw_minutes")
    table = raw_minutes(2)
    same_time = _replace(table, "open_time", pa.array([0, 0], pa.timestamp("us", "UTC")))
    codes = pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), pa.array(["b.csv", "a.csv"]))
    store = local_store(tmp_path)
    store.publish_table(schema, MGC, _replace(same_time, "source_file", codes), **MADE_BY)  # a.csv, then b.csv
    wrong = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["b.csv", "a.csv"]))
    with pytest.raises(SchemaMismatchError, match=r"b\.csv.*a\.csv"):
        store.publish_table(schema, MGC, _replace(same_time, "source_file", wrong), **MADE_BY)


def test_a_table_that_may_be_empty_may_be_empty(tmp_path):
    store, schema = local_store(tmp_path), table_schema("quarantine")
    empty = pa.table({c.name: pa.array([], type=c.type) for c in schema.columns})
    manifest = store.publish_table(schema, MGC, empty, **MADE_BY)
    assert (manifest.rows, manifest.first) == (0, None)
    loaded = store.read_table("quarantine", MGC).table
    assert (loaded.num_rows, loaded.schema) == (0, schema.arrow())


def test_a_false_blocking_invariant_writes_nothing(tmp_path):
    store = local_store(tmp_path)
    with pytest.raises(InvariantViolationError, match="on_tick: 3 prices off tick"):
        store.publish_table(BARS, MGC, bars(), verdicts=[PASSED, FAILED], **MADE_BY)
    with pytest.raises(InvariantViolationError, match="on_tick"):
        store.publish_files("report", "reports", MGC, {"a.html": b"x"}, verdicts=[FAILED], **MADE_BY)
    assert store.status("bars_5min", "market", MGC) == "missing"
    assert not (tmp_path / "store").exists()
    with pytest.raises(BadInputError, match="more than once"):
        store.publish_table(BARS, MGC, bars(), verdicts=[PASSED, PASSED], **MADE_BY)


def test_a_warning_is_kept_and_does_not_stop(tmp_path):
    warning = Verdict(name="calibration", passed=False, summary="0.2", blocking=False)
    manifest = local_store(tmp_path).publish_table(BARS, MGC, bars(), verdicts=[warning], **MADE_BY)
    assert manifest.verdicts == (warning,)


def test_block_keeps_bytes_and_refuses_until_a_publication_succeeds(tmp_path):
    store = local_store(tmp_path)
    old = store.publish_table(BARS, MGC, bars(), **MADE_BY)
    blocked = store.block("bars_5min", "market", MGC, [PASSED, FAILED], "off-tick prices")
    assert store.status("bars_5min", "market", MGC) == "blocked"
    assert (blocked.parts, blocked.sessions, blocked.previous) == (old.parts, old.sessions, old.sha256)
    with pytest.raises(
        BlockedPartitionError, match=r"on_tick.*off-tick prices.*factory run --contract MGC --until bars"
    ):
        store.read_table(BARS, MGC)
    store.block(BARS, "market", MGC, [FAILED], "again")
    store.sweep()
    assert len(list((tmp_path / "store").rglob("*.parquet"))) == 1
    store.publish_table(BARS, MGC, bars(version=2), **MADE_BY)
    assert store.read_table(BARS, MGC).table["volume"][0].as_py() == 2


def test_block_works_where_nothing_was_published(tmp_path):
    store = local_store(tmp_path)
    store.block("model", "models", MGC_20, [FAILED], "did not converge")
    assert store.status("model", "models", MGC_20) == "blocked"
    assert store.manifest("model", "models", MGC_20).parts == ()
    with pytest.raises(BlockedPartitionError, match="did not converge"):
        store.read_files("model", "models", MGC_20)
    store.publish_files("model", "models", MGC_20, {"m.txt": b"ok"}, **MADE_BY)
    assert store.read_files("model", "models", MGC_20).files == {"m.txt": b"ok"}


def test_missing_partition_names_the_command(tmp_path):
    store = local_store(tmp_path)
    with pytest.raises(MissingPartitionError, match="factory run --contract MGC --until bars"):
        store.read_table(BARS, MGC)
    with pytest.raises(MissingPartitionError, match="factory run --contract MGC --horizon 20"):
        store.read_files("model", "models", MGC_20)
    with pytest.raises(MissingPartitionError):
        store.manifest("bars_5min", "market", MGC)


def test_equal_content_makes_equal_bytes_however_it_is_chunked(tmp_path):
    store = local_store(tmp_path)
    one = store.publish_table(BARS, MGC, bars(4), **MADE_BY)
    pieces = [bars(4).slice(start, 7) for start in range(0, 80, 7)]
    reencoded = [_replace(p, "expiry", p["expiry"].cast(pa.string()).dictionary_encode()) for p in pieces]
    two = store.publish_table(BARS, MGC, pa.concat_tables(reencoded).replace_schema_metadata({"x": "y"}), **MADE_BY)
    assert two.parts == one.parts
    assert two.sessions == one.sessions
    assert two.sha256 != one.sha256  # a new manifest that names the one before
    assert two.previous == one.sha256


def test_old_parts_go_one_generation_later(tmp_path):
    store = local_store(tmp_path)
    parts = [store.publish_table(BARS, MGC, bars(version=v), **MADE_BY).parts[0].sha256 for v in range(4)]
    left = {p.stem for p in (tmp_path / "store").rglob("*.parquet")}
    assert left == set(parts[2:])
    assert len(list((tmp_path / "store").rglob("manifests/*.json"))) == 4


def test_files_round_trip_with_folders_in_their_names(tmp_path):
    store = local_store(tmp_path)
    files = {"models/fold_0.txt": b"tree", "config.json": b"{}", "empty.bin": b""}
    manifest = store.publish_files("bundle", "deployment", MGC_20, files, meta={"folds": 5}, **MADE_BY)
    loaded = store.read_files("bundle", "deployment", MGC_20)
    assert dict(loaded.files) == files
    assert loaded.ref.digest == manifest.content_digest
    assert [part.rows for part in manifest.parts] == [None] * 3
    with pytest.raises(BadInputError, match="no files"):
        store.publish_files("bundle", "deployment", MGC_20, {}, **MADE_BY)


@pytest.mark.parametrize(
    "name", ["../escape", "/etc/x", "a/../b", "", ".hidden", "a//b", "a\0b", "a b", "a/" * 9 + "b"]
)
def test_file_names_outside_the_allow_list_are_refused(tmp_path, name):
    with pytest.raises(BadInputError, match="file name"):
        local_store(tmp_path).publish_files("bundle", "deployment", MGC, {name: b"x"}, **MADE_BY)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("word", ["..", "../x", "a/b", "", ".locks", "A", "a b", "a" * 81])
def test_table_and_group_names_outside_the_allow_list_are_refused(tmp_path, word):
    store = local_store(tmp_path)
    with pytest.raises(BadInputError):
        store.publish_files(word, "models", MGC, {"a": b"x"}, **MADE_BY)
    with pytest.raises(BadInputError):
        store.status("models", word, MGC)
    with pytest.raises(BadInputError):
        store.lock(word, "models", MGC)


@pytest.mark.parametrize("text", ["../../escape", "MGC|../x", "mgc", "MGC|7", "MGC|²0", ""])
def test_keys_outside_the_allow_list_never_exist(text):
    with pytest.raises(UnknownNameError):
        PartitionKey.parse(text)


def test_a_link_out_of_the_store_is_not_followed_for_writing(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "market").symlink_to(outside)
    with pytest.raises(StorageError, match="out of the store"):
        local_store(tmp_path).publish_table(BARS, MGC, bars(), **MADE_BY)
    assert list(outside.iterdir()) == []


def test_inputs_of_another_contract_are_refused(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MES, bars(), **MADE_BY)
    other = store.read_table(BARS, MES)
    with pytest.raises(ForeignContractError, match=r"bars_5min\|MES"):
        store.publish_table(
            table_schema("features_5min"), MGC, features(bars(), a=np.ones(60)), inputs=[other], **MADE_BY
        )


def test_partitions_lists_what_was_published(tmp_path):
    store = local_store(tmp_path)
    for key in (MGC, MES):
        store.publish_table(BARS, key, bars(), **MADE_BY)
    store.publish_table(table_schema("splits"), MGC_20, splits(), **MADE_BY)
    store.publish_table(table_schema("splits"), PartitionKey("MGC", 5), splits(), **MADE_BY)
    (tmp_path / "store" / "market" / "bars_5min" / "stranger").mkdir()
    assert store.partitions("market", "bars_5min") == [MES, MGC]
    assert store.partitions("splits", "splits") == [PartitionKey("MGC", 5), MGC_20]
    assert store.partitions("splits", "nothing") == []
    assert store.tables() == [("market", "bars_5min"), ("splits", "splits")]


def test_folders_that_are_not_the_stores_are_ignored(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    (tmp_path / "store" / "My Backup").mkdir()
    (tmp_path / "store" / "market" / ".cache").mkdir()
    assert store.tables() == [("market", "bars_5min")]
    assert store.sweep().partitions == 1


def test_bytes_that_a_disk_changed_on_the_way_never_get_their_name(tmp_path, monkeypatch):
    store = local_store(tmp_path)
    old = store.publish_table(BARS, MGC, bars(version=1), **MADE_BY)
    real = os.write

    def lying(descriptor, data):
        changed = bytes(data).replace(b"PAR1", b"PAR2") if len(data) > 100 else bytes(data)
        changed = b"QAR1" if changed == b"PAR1" else changed
        return real(descriptor, changed)

    monkeypatch.setattr(os, "write", lying)
    with pytest.raises(IntegrityError, match="check the disk"):
        store.publish_table(BARS, MGC, bars(version=2), **MADE_BY)
    monkeypatch.setattr(os, "write", real)
    assert store.read_table(BARS, MGC).manifest == old
    assert len(list((tmp_path / "store").rglob("parts/*"))) == 1


def test_every_byte_is_synced_before_its_name_and_every_name_before_the_next_step(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(version=1), **MADE_BY)
    with failing_call(None) as calls:
        store.publish_table(BARS, MGC, bars(version=2), **MADE_BY)
    steps = [call for call in calls if call in {"write", "fsync", "replace", "unlink"}]
    squeezed = [step for step, before in zip(steps, [None, *steps], strict=False) if step != before]
    one_file = ["write", "fsync", "replace", "fsync"]
    # The lock's own line, then the part, the kept manifest and the current manifest.
    assert squeezed == one_file * 3
    store.publish_table(BARS, MGC, bars(version=3), **MADE_BY)
    with failing_call(None) as calls:
        store.publish_table(BARS, MGC, bars(version=4), **MADE_BY)
    assert calls.index("unlink") > max(n for n, call in enumerate(calls) if call in {"fsync", "replace"})


def test_frames_survive_the_way_through_the_store(tmp_path):
    store = local_store(tmp_path)
    first = store.publish_table(BARS, MGC, bars(), **MADE_BY)
    frame = to_frame(store.read_table(BARS, MGC).table)
    again = store.publish_table(BARS, MGC, to_table(frame, BARS), **MADE_BY)
    assert (again.parts, again.content_digest) == (first.parts, first.content_digest)
    assert to_frame(store.read_table(BARS, MGC).table).equals(frame)


def test_a_naive_clock_is_refused(tmp_path):
    store = Store(str(tmp_path / "store"), clock=lambda: MOMENT.replace(tzinfo=None))
    with pytest.raises(NaiveTimestampError):
        store.publish_table(BARS, MGC, bars(), **MADE_BY)
    assert store.status("bars_5min", "market", MGC) == "missing"


def test_a_writer_that_the_lock_did_not_stop_is_noticed(tmp_path):
    first = local_store(tmp_path)
    elsewhere = Store(str(tmp_path / "store"), clock=frozen_clock, locks_folder=tmp_path / "another host")
    first.publish_table(BARS, MGC, bars(version=1), **MADE_BY)
    folder = first._folder("bars_5min", "market", MGC)
    seen, mine = folder.current_bytes(), first.manifest("bars_5min", "market", MGC)
    theirs = elsewhere.publish_table(BARS, MGC, bars(version=2), **MADE_BY)
    with pytest.raises(StorageError, match="another host"):
        folder.commit(mine, seen)
    assert first.manifest("bars_5min", "market", MGC) == theirs
