"""Chained digests: stable under appending and chunking, changed by any restated cell."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.storage.session_digests import session_digests
from factory_assets_tests.storage.storage_samples import FIRST_DAY, bars

MASKED = pa.table(
    {
        "trade_date": pa.array([1, 1, 2, 2, 3], pa.date32()),
        "f": pa.array([0.0, None, 1.0, 2.0, None], pa.float32()),
        "flag": pa.array([True, None, False, True, True]),
        "text": pa.array(["a", "bc", None, "", "d"]).dictionary_encode(),
        "time": pa.array([0, 1, 2, None, 4], pa.timestamp("us", "UTC")),
    }
)


def _of(table: pa.Table) -> tuple[tuple[int, str], ...]:
    return session_digests(table, "trade_date", "bars|MGC")


def test_appending_leaves_earlier_digests_alone():
    assert _of(bars(6))[:4] == _of(bars(4))
    assert [day for day, _ in _of(bars(4))] == list(range(FIRST_DAY, FIRST_DAY + 4))


def test_a_null_in_a_later_session_leaves_earlier_digests_alone():
    without = MASKED.slice(0, 2)
    assert _of(MASKED)[:1] == _of(without)


@pytest.mark.parametrize("row", [0, 25, 59])
@pytest.mark.parametrize("column", ["close", "volume", "open_time", "expiry", "minutes"])
def test_a_restated_cell_changes_its_session_and_all_later_ones(row, column):
    table = bars(3)
    values = table[column].to_pylist()
    values[row] = {"expiry": "MGCZ9"}.get(column) or values[row] + (values[1] - values[0] or 1)
    changed = table.set_column(
        table.column_names.index(column),
        column,
        pa.array(values, table[column].type.value_type).dictionary_encode()
        if column == "expiry"
        else pa.array(values, table[column].type),
    )
    session = row // 20
    before, after = _of(table), _of(changed)
    assert before[:session] == after[:session]
    assert all(a != b for a, b in zip(before[session:], after[session:], strict=True))


def test_null_is_not_zero_and_text_has_edges():
    filled = MASKED.set_column(1, "f", pa.array([0.0, 0.0, 1.0, 2.0, None], pa.float32()))
    assert _of(filled)[0] != _of(MASKED)[0]
    shifted = MASKED.set_column(3, "text", pa.array(["ab", "c", None, "", "d"]).dictionary_encode())
    assert _of(shifted)[0] != _of(MASKED)[0]
    empty = MASKED.set_column(3, "text", pa.array(["a", "bc", "", "", "d"]).dictionary_encode())
    assert _of(empty)[0] == _of(MASKED)[0]
    assert _of(empty)[1] != _of(MASKED)[1]


def test_names_types_and_partition_are_part_of_it():
    table = MASKED.select(["trade_date", "f"])
    assert _of(table) != _of(table.rename_columns(["trade_date", "g"]))
    assert _of(table) != _of(table.set_column(1, "f", table["f"].cast(pa.float64())))
    assert _of(table) != session_digests(table, "trade_date", "bars|MES")
    assert _of(table.slice(0, 0)) == ()


@given(cuts=st.lists(st.integers(0, 5), max_size=4))
@settings(max_examples=30, deadline=None)
def test_chunks_and_dictionaries_leave_no_trace(cuts):
    edges = [0, *sorted(cuts), 5]
    pieces = []
    for start, end in pairwise(edges):
        piece = MASKED.slice(start, end - start)
        text = piece["text"].cast(pa.string()).combine_chunks().dictionary_encode()
        pieces.append(piece.set_column(3, "text", pa.chunked_array([text], MASKED["text"].type)))
    assert _of(pa.concat_tables(pieces)) == _of(MASKED)


@given(
    values=st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=30),
    data=st.data(),
)
@settings(max_examples=50, deadline=None)
def test_prefix_of_sessions_equals_digests_of_the_prefix(values, data):
    days = np.sort(np.array(data.draw(st.lists(st.integers(0, 5), min_size=len(values), max_size=len(values)))))
    table = pa.table({"trade_date": pa.array(days.astype(np.int32), pa.date32()), "x": pa.array(values, pa.float32())})
    last = data.draw(st.sampled_from(sorted(set(days.tolist()))))
    prefix = table.slice(0, int(np.searchsorted(days, last, side="right")))
    assert _of(prefix) == tuple(entry for entry in _of(table) if entry[0] <= last)
