"""Memory of parsed files: found only by its own recipe, and never with a bit changed."""

import logging
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory_assets.storage import Parsed, Store
from factory_assets.storage.parsed_files import ParsedFiles
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.partition import PartitionKey

KEY, FILE, OTHER = PartitionKey("MGC"), "a" * 64, "b" * 64
TABLE = pa.table({"expiry": pa.array(["MGCG2", "MGCJ2"]).dictionary_encode(), "close": [1.5, float("nan")]})


def parsed_in(folder: Path) -> ParsedFiles:
    return Store(str(folder), clock=system_clock).parsed


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".parsed" / "MGC").iterdir()}


def test_what_was_kept_is_found_by_its_recipe_alone(tmp_path: Path) -> None:
    memory = parsed_in(tmp_path)
    assert memory.find(KEY, FILE, "r1") is None
    memory.keep(KEY, FILE, "r1", Parsed(TABLE, {"rows_read": 3}))
    found = parsed_in(tmp_path).find(KEY, FILE, "r1")
    assert found is not None
    assert found.table.column("expiry").to_pylist() == ["MGCG2", "MGCJ2"]
    assert str(found.table.column("close").to_pylist()) == "[1.5, nan]"
    assert found.figures == {"rows_read": 3}
    assert memory.find(KEY, FILE, "r2") is memory.find(KEY, OTHER, "r1") is None
    assert memory.find(PartitionKey("MES"), FILE, "r1") is None


def test_a_new_recipe_takes_the_place_and_nothing_is_left_of_files_that_went(tmp_path: Path) -> None:
    memory = parsed_in(tmp_path)
    memory.keep(KEY, FILE, "r1", Parsed(TABLE, {}))
    memory.keep(KEY, FILE, "r2", Parsed(TABLE.slice(0, 1), {}))
    memory.keep(KEY, OTHER, "r2", Parsed(TABLE.slice(1, 1), {}))
    assert memory.find(KEY, FILE, "r1") is None
    assert len(names(tmp_path)) == 5
    assert memory.retain(KEY, {FILE}) == 3
    assert memory.find(KEY, FILE, "r2").table.num_rows == 1
    assert memory.find(KEY, OTHER, "r2") is None
    assert len(names(tmp_path)) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_bit_is_ever_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture, data: st.DataObject) -> None:
    memory = parsed_in(tmp_path)
    memory.keep(KEY, FILE, "r1", Parsed(TABLE, {"rows_read": 2}))
    path = data.draw(st.sampled_from(sorted((tmp_path / ".parsed" / "MGC").iterdir())))
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "gone"]))
    if kind == "flip":
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(bytes(content))
    elif kind == "cut":
        path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content) - 1))]))
    else:
        path.unlink()
    with caplog.at_level(logging.ERROR):
        assert memory.find(KEY, FILE, "r1") is None
    memory.keep(KEY, FILE, "r1", Parsed(TABLE, {"rows_read": 2}))
    assert memory.find(KEY, FILE, "r1").table.num_rows == 2


def test_a_name_that_is_no_hash_reaches_no_path(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="expected a sha256"):
        parsed_in(tmp_path).find(KEY, "../../escape", "r1")


def test_receipts_are_believed_only_whole(tmp_path: Path) -> None:
    receipts = Store(str(tmp_path), clock=system_clock).receipts
    assert receipts.find(KEY) is None
    receipts.keep(KEY, {"code": "1", "raw a": "2"})
    assert receipts.find(KEY) == {"code": "1", "raw a": "2"}
    assert receipts.find(PartitionKey("MES")) is None
    path = tmp_path / ".receipts" / "MGC.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        assert receipts.find(KEY) is None, position
