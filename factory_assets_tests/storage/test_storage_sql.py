"""One SELECT over verified partitions; hostile statements are in faults/."""

from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pytest

from factory_assets.storage.sql import _sandbox, run_select
from factory_assets.vocabulary.errors import (
    BadInputError,
    BlockedPartitionError,
    IntegrityError,
    MissingPartitionError,
    UnknownNameError,
)
from factory_assets.vocabulary.schemas import predictions_schema, table_schema
from factory_assets_tests.storage.storage_samples import BARS, MADE_BY, MES, MGC, MGC_20, bars, local_store, splits


@pytest.fixture
def store(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(3, version=2), **MADE_BY)
    store.publish_table(BARS, MES, bars(2, version=5), **MADE_BY)
    store.publish_table(table_schema("splits"), MGC_20, splits(), **MADE_BY)
    return store


def test_a_view_unites_the_partitions(store):
    found = run_select(
        store, "SELECT contract, count(*) AS n, sum(volume) AS v FROM bars_5min GROUP BY ALL ORDER BY contract"
    )
    assert found.to_pylist() == [{"contract": "MES", "n": 40, "v": 200.0}, {"contract": "MGC", "n": 60, "v": 120.0}]


def test_times_are_utc_and_dates_are_dates(store):
    row = run_select(store, "SELECT min(close_time) AS t, min(trade_date) AS d FROM bars_5min").to_pylist()[0]
    assert row["t"] == datetime(2022, 1, 8, 0, 5, tzinfo=UTC)
    assert row["d"] == date(2022, 1, 8)
    hour = run_select(store, "SELECT DISTINCT hour(close_time) AS h FROM bars_5min ORDER BY h").to_pylist()
    assert hour == [{"h": 0}, {"h": 1}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT count(*) AS n FROM bars_5min", [{"n": 100}]),
        ("WITH x AS (SELECT close FROM bars_5min) SELECT count(close) AS n FROM x", [{"n": 100}]),
        ("WITH bars_5min AS (SELECT * FROM bars_5min LIMIT 3) SELECT count(*) AS n FROM bars_5min", [{"n": 3}]),
        ("WITH mine AS (SELECT 1 AS n) SELECT * FROM mine", [{"n": 1}]),
        ('SELECT MAX("Volume") AS n FROM MAIN.Bars_5Min', [{"n": 5.0}]),
        ("SELECT b.volume AS n FROM bars_5min b JOIN splits s USING (contract) LIMIT 1", [{"n": 2.0}]),
        ("SELECT (b).volume AS n FROM bars_5min b WHERE contract = 'MES' LIMIT 1", [{"n": 5.0}]),
        ("SELECT x.volume AS n FROM (SELECT b AS x FROM bars_5min b WHERE contract = 'MES') LIMIT 1", [{"n": 5.0}]),
        ("SELECT horizon AS n FROM splits NATURAL JOIN splits s LIMIT 1", [{"n": 20}]),
        ("SELECT sum(n) AS n FROM range(4) t(n)", [{"n": 6}]),
        ("SELECT count(*) AS n FROM (SELECT * EXCLUDE (open) FROM bars_5min)", [{"n": 100}]),
        ("SELECT 1 AS n UNION ALL SELECT 1", [{"n": 1}, {"n": 1}]),
        ("SELECT DISTINCT n FROM (VALUES (7)) v(n) -- remark; with a semicolon", [{"n": 7}]),
        ("SELECT 3 AS n;", [{"n": 3}]),
    ],
)
def test_honest_queries_work(store, query, expected):
    assert run_select(store, query).to_pylist() == expected


def test_select_star_has_every_declared_column(store):
    assert run_select(store, "FROM bars_5min LIMIT 1").column_names == BARS.arrow().names
    assert run_select(store, "SELECT COLUMNS('open.*') FROM bars_5min LIMIT 1").column_names == ["open_time", "open"]


def test_only_named_tables_and_columns_are_read(store, monkeypatch):
    asked = []
    real = store.read_table

    def recorded(schema, key, *, columns=None, until_day=None):
        asked.append((schema.name, str(key), columns))
        return real(schema, key, columns=columns, until_day=until_day)

    monkeypatch.setattr(store, "read_table", recorded)
    run_select(store, "SELECT max(close) FROM bars_5min WHERE contract = 'MGC'")
    assert asked == [("bars_5min", "MES", ["contract", "close"]), ("bars_5min", "MGC", ["contract", "close"])]


def test_predictions_are_views_once_they_exist(store):
    with pytest.raises(UnknownNameError, match="oof_lightgbm"):
        run_select(store, "SELECT * FROM oof_lightgbm")
    schema = predictions_schema("oof_lightgbm", "models")
    columns = {c.name: pa.array([1 if c.type != BARS.columns[1].type else 0], c.type) for c in schema.columns}
    store.publish_table(schema, MGC_20, pa.table(columns), **MADE_BY)
    row = run_select(store, "SELECT p_up, horizon FROM oof_lightgbm").to_pylist()
    assert row == [{"p_up": 1.0, "horizon": 20}]


def test_unknown_and_missing_tables_say_so(store):
    with pytest.raises(UnknownNameError, match=r"no view \['nothing'\]; the views are \[.*'bars_5min'.*'splits'"):
        run_select(store, "SELECT * FROM nothing")
    with pytest.raises(MissingPartitionError, match="labels"):
        run_select(store, "SELECT * FROM labels")
    with pytest.raises(BadInputError, match="nope"):
        run_select(store, "SELECT nope FROM bars_5min")


def test_sealed_outcomes_are_no_view_even_when_they_exist(store):
    sealed = table_schema("sealed_outcomes")
    columns = {
        c.name: pa.nulls(1, c.type)
        if c.nullable
        else pa.array([""]).dictionary_encode()
        if c.name == "mask_reason"
        else pa.array([0], c.type)
        if not pa.types.is_boolean(c.type)
        else pa.array([False])
        for c in sealed.columns
    }
    store.publish_table(sealed, MGC_20, pa.table(columns), **MADE_BY)
    for query in ("SELECT * FROM sealed_outcomes", "SELECT * FROM labels l, Sealed_Outcomes s"):
        with pytest.raises(UnknownNameError) as refusal:
            run_select(store, query)
        assert "'sealed_outcomes'" not in str(refusal.value).partition("the views are")[2]


def test_the_engine_itself_reaches_nothing_even_if_a_statement_got_past_the_walk(tmp_path):
    (tmp_path / "secret.csv").write_text("swordfish\n")
    frame_in_python = bars(1)
    connection = _sandbox(threads=1, memory_limit_megabytes=100)
    connection.execute("SET lock_configuration = true")
    for statement in (
        f"SELECT * FROM read_text('{tmp_path}/secret.csv')",  # noqa: S608
        f"SELECT * FROM '{tmp_path}/secret.csv'",  # noqa: S608
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/out.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET python_enable_replacements = true",
        "SELECT * FROM frame_in_python",
        "SELECT getenv('HOME')",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
    assert frame_in_python.num_rows
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_a_blocked_or_damaged_partition_stops_only_queries_that_use_it(store, tmp_path):
    store.block("splits", "splits", MGC_20, [], "x")
    next((tmp_path / "store" / "market" / "bars_5min" / "MES").rglob("*.parquet")).write_bytes(b"?")
    with pytest.raises(BlockedPartitionError, match=r"splits\|MGC\|20"):
        run_select(store, "SELECT count(*) FROM splits")
    with pytest.raises(IntegrityError, match="MES"):
        run_select(store, "SELECT count(*) FROM bars_5min")
    assert run_select(store, "SELECT 1 AS n").to_pylist() == [{"n": 1}]
