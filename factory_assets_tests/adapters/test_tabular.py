"""The as-of join against a naive loop, and the verdicts that watch it."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.adapters import adapter_invariants, build_tabular, column_name
from factory_assets.market.as_of import as_of_index
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError, UnknownNameError
from factory_assets.vocabulary.frames import dates_days, from_days, from_us, times_us, to_table
from factory_assets.vocabulary.schemas import TABULAR
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

START_US = 19_000 * DAY_US


def _features(minutes, bars, seed, names=("a", "b")):
    """A feature table with missing bars and warm-up cells."""
    random = np.random.default_rng(seed)
    places = np.sort(random.choice(np.arange(1, 2 * bars), bars, replace=False))
    close_us = START_US + places * minutes * MINUTE_US
    table = pd.DataFrame({"close_time": from_us(close_us), "trade_date": from_days(close_us // DAY_US)})
    for name in names:
        table[name] = random.standard_normal(bars).astype(np.float32)
        table.loc[: bars // 5, name] = np.nan
    return table


@pytest.fixture(scope="module")
def world():
    features = {5: _features(5, 300, 1), 15: _features(15, 120, 2), 60: _features(60, 40, 3)}
    decision_us = START_US + np.arange(-10, 400) * 5 * MINUTE_US
    pool = {15: ("a", "b"), 5: ("b",), 60: ("a", "b")}
    tabular = build_tabular(decision_us, (decision_us // DAY_US).astype(np.int32), features, pool)
    return features, decision_us, pool, tabular


def _naive(decision_us, close_us, values):
    """One decision at a time: the last bar already closed."""
    result = []
    for decision in decision_us:
        known = [value for close, value in zip(close_us, values, strict=True) if close <= decision]
        result.append(known[-1] if known else np.nan)
    return np.array(result, dtype=np.float32)


def test_values_equal_the_naive_join(world):
    features, decision_us, pool, tabular = world
    for minutes, names in pool.items():
        close_us = times_us(features[minutes]["close_time"])
        for name in names:
            expected = _naive(decision_us, close_us, features[minutes][name])
            found = tabular[column_name(name, minutes)].to_numpy()
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)
            assert np.isfinite(found).sum() > 100


def _column_by_column(decision_us, features, pool):
    """The definition: one feature after the other."""
    columns = []
    for minutes, names in pool.items():
        (rows,) = as_of_index(decision_us, [times_us(features[minutes]["close_time"])])
        for name in names:
            column = features[minutes][name].to_numpy(dtype=np.float32)
            columns.append(np.where(rows >= 0, column[np.maximum(rows, 0)], np.float32(np.nan)))
    return np.column_stack(columns)


@pytest.mark.parametrize("decisions", [slice(None), slice(-1, None), slice(0, 1), slice(0, 0), slice(200, 215)])
def test_tables_of_any_make_are_gathered_column_by_column(world, decisions):
    features, decision_us, pool, _ = world
    asked = decision_us[decisions]
    # live tables are float64, hold columns in another order and more of them; cells may be infinite
    mixed = {
        minutes: table.assign(a=table["a"].astype(np.float64) / 3, more=1)[["close_time", "more", "b", "a"]]
        for minutes, table in features.items()
    }
    mixed[15].loc[mixed[15].index[::9], "b"] = np.float32(np.inf)
    for tables in (features, mixed):
        found = build_tabular(asked, (asked // DAY_US).astype(np.int32), tables, pool).iloc[:, 2:]
        values = found.to_numpy()
        assert values.dtype == np.float32
        expected = _column_by_column(asked, tables, pool)
        assert values.tobytes(order="C") == expected.tobytes(order="C")
        if len(asked):
            assert all(found[name].to_numpy().flags.contiguous for name in found)


def test_columns_keys_and_schema(world):
    _, decision_us, _, tabular = world
    assert list(tabular.columns) == [
        "decision_time",
        "trade_date",
        "a__15min",
        "b__15min",
        "b__5min",
        "a__60min",
        "b__60min",
    ]
    assert times_us(tabular["decision_time"]).tolist() == decision_us.tolist()
    assert dates_days(tabular["trade_date"]).tolist() == (decision_us // DAY_US).tolist()
    assert tabular.iloc[:10, 2:].isna().all(axis=None)  # before the first bar of any timeframe
    assert to_table(tabular.assign(contract="SIM", horizon=20), TABULAR).num_columns == 9


def test_a_later_bar_changes_no_earlier_row(world):
    features, decision_us, pool, tabular = world
    cut = decision_us[200]
    changed = {
        minutes: table.assign(a=table["a"].where(times_us(table["close_time"]) <= cut, 99.0))
        for minutes, table in features.items()
    }
    again = build_tabular(decision_us, dates_days(tabular["trade_date"]), changed, pool)
    pd.testing.assert_frame_equal(again.iloc[:201], tabular.iloc[:201])
    assert not again.iloc[201:].equals(tabular.iloc[201:])


def test_bad_pools_and_times_are_refused(world):
    features, decision_us, _, tabular = world
    day = dates_days(tabular["trade_date"])
    with pytest.raises(UnknownNameError, match="no table of 30 minutes, z of 5min"):
        build_tabular(decision_us, day, features, {30: ("a",), 5: ("a", "z")})
    with pytest.raises(BadInputError, match=r"repeated \['a__5min'\]"):
        build_tabular(decision_us, day, features, {5: ("a", "b", "a")})
    with pytest.raises(BadInputError, match="0 columns"):
        build_tabular(decision_us, day, features, {5: ()})
    with pytest.raises(BadInputError, match="decision times have to increase strictly; row 1"):
        build_tabular(decision_us[::-1], day, features, {5: ("a",)})
    with pytest.raises(BadInputError, match="409 trade days for 410"):
        build_tabular(decision_us, day[1:], features, {5: ("a",)})
    with pytest.raises(BadInputError, match="features_5min close_time"):
        build_tabular(decision_us, day, {5: features[5].iloc[::-1]}, {5: ("a",)})
    naive = features[5].assign(close_time=features[5]["close_time"].dt.tz_localize(None))
    with pytest.raises(NaiveTimestampError):
        build_tabular(decision_us, day, {5: naive}, {5: ("a",)})


def _failed(tabular, world, **changes):
    features, decision_us, pool, _ = world
    return {v.name for v in adapter_invariants(tabular, decision_us, features, pool, **changes) if not v.passed}


def test_verdicts_pass_on_the_right_table_with_counts(world):
    features, decision_us, pool, tabular = world
    verdicts = {v.name: v for v in adapter_invariants(tabular, decision_us, features, pool)}
    assert [name for name, v in verdicts.items() if v.passed] == ["one_shared_index", "known_at_decision", "no_nan"]
    assert verdicts["known_at_decision"].details["cells"] == 5 * 410
    shares = tabular["a__60min"].isna().mean()
    assert verdicts["no_nan"].details["nan_share_a__60min"] == pytest.approx(shares)


def test_verdicts_see_what_is_wrong(world):
    features, decision_us, pool, tabular = world
    day = dates_days(tabular["trade_date"])
    # the classic: bars stamped by their open, so each value arrives one bar early
    early = {
        minutes: table.assign(close_time=table["close_time"] - pd.Timedelta(minutes=minutes))
        for minutes, table in features.items()
    }
    assert _failed(build_tabular(decision_us, day, early, pool), world) == {"known_at_decision"}
    one_cell = tabular.copy()
    one_cell.loc[300, "b__5min"] += 1e-3
    assert _failed(one_cell, world) == {"known_at_decision"}
    assert _failed(tabular.iloc[1:], world) == {"one_shared_index"}
    assert "one_shared_index" in _failed(tabular.iloc[[0, *range(409)]], world)
    assert _failed(tabular.assign(extra=np.float32(np.nan)), world) == {"no_nan"}
    assert _failed(tabular.assign(extra=np.float32(np.inf)), world) == {"no_nan"}
    filled = tabular.iloc[:, 2:].fillna(0.0).to_numpy()
    assert _failed(tabular, world, filled=filled) == set()
    filled[7, 1] = np.nan
    assert _failed(tabular, world, filled=filled) == {"no_nan"}
