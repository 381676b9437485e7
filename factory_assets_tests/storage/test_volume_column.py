"""Volume at rest: a number on every row, or NaN on every row; never null, never on some rows only."""

import numpy as np
import pyarrow as pa
import pytest

from factory_assets.storage.sql import run_select
from factory_assets.vocabulary.errors import SchemaMismatchError
from factory_assets.vocabulary.frames import to_frame, to_table
from factory_assets.vocabulary.schemas import QUARANTINE, table_schema
from factory_assets_tests.storage.storage_samples import BARS, MADE_BY, MGC, bars, local_store

ROWS = 60


def _with(volume: np.ndarray) -> pa.Table:
    table = bars()
    return table.set_column(table.column_names.index("volume"), "volume", pa.array(volume))


def test_a_series_without_volume_comes_back_as_it_was(tmp_path):
    store = local_store(tmp_path)
    frame = to_frame(_with(np.full(ROWS, np.nan)))
    stored = to_table(frame, BARS)
    assert (stored["volume"].null_count, stored.field("volume").nullable) == (0, False)
    store.publish_table(BARS, MGC, stored, **MADE_BY)
    loaded = store.read_table(BARS, MGC).table
    assert loaded["volume"].null_count == 0
    assert np.isnan(loaded["volume"].to_numpy()).all()
    assert to_frame(loaded)["volume"].isna().all()
    others = loaded.drop(["contract", "volume"])
    assert others.equals(bars().drop(["volume"]).cast(others.schema))
    answer = run_select(store, "select count(*) as n, count(*) filter (where isnan(volume)) as bare from bars_5min")
    assert answer.to_pylist() == [{"n": ROWS, "bare": ROWS}]


@pytest.mark.parametrize("bare", [1, ROWS - 1])
def test_volume_on_some_rows_only_is_refused_on_both_ways_in(tmp_path, bare):
    store = local_store(tmp_path)
    volume = np.ones(ROWS)
    volume[:bare] = np.nan
    with pytest.raises(SchemaMismatchError, match=rf"column volume: {bare} of 60 cells are NaN; expected all or none"):
        store.publish_table(BARS, MGC, _with(volume), **MADE_BY)
    with pytest.raises(SchemaMismatchError, match=rf"volume: {bare} nulls in a column that has none"):
        to_table(to_frame(_with(volume)), BARS)
    nulls = pa.array([None] * ROWS, pa.float64())
    table = bars()
    with pytest.raises(SchemaMismatchError, match="column volume: 60 nulls where there may be none"):
        store.publish_table(BARS, MGC, table.set_column(table.column_names.index("volume"), "volume", nulls), **MADE_BY)


def test_no_other_column_may_be_wholly_missing():
    frame = to_frame(bars())
    for name in ("close", "adjustment_ratio"):
        with pytest.raises(SchemaMismatchError, match=f"{name}: 60 nulls"):
            to_table(frame.assign(**{name: np.nan}), BARS)
    declared = {column.name: column.all_or_none for column in table_schema("canonical_bars").columns}
    assert [name for name, either in declared.items() if either] == ["volume"]
    # a quarantined row shows what it came with
    assert not any(column.all_or_none for column in QUARANTINE.columns)
