"""Candidate pools: their asserted sizes, what each timeframe lends, and the columns of the tabular table."""

from dataclasses import replace

import pytest

from factory_assets.features import pools
from factory_assets.features.pools import (
    MULTI_TIMEFRAME_COLUMNS_MIN,
    POOL_ADAPTERS,
    POOL_COLUMNS_MIN,
    POOL_COLUMNS_MIN_WITHOUT_VOLUME,
    RAW,
    column_name,
    pool_columns,
    sequence_pool,
    tabular_columns,
    tabular_pool,
)
from factory_assets.features.registry import catalogue, registry
from factory_assets.vocabulary.errors import ConfigurationError, UnknownNameError
from factory_assets.vocabulary.settings import AdapterSettings
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

SETTINGS = AdapterSettings()
CALENDAR = {spec.name for spec in catalogue() if spec.group == "calendar"}
READING = {spec.name for spec in catalogue() if spec.reads_volume}


def test_the_asserted_sizes_are_the_specifications():
    assert dict(POOL_COLUMNS_MIN) == {"tabular": 290, "tabular_1h": 180, "sequence": 180}
    assert MULTI_TIMEFRAME_COLUMNS_MIN == 14
    assert len(RAW) == 12
    assert {*POOL_COLUMNS_MIN_WITHOUT_VOLUME} == {*POOL_COLUMNS_MIN}
    assert all(POOL_COLUMNS_MIN_WITHOUT_VOLUME[name] < least for name, least in POOL_COLUMNS_MIN.items())


@pytest.mark.parametrize("has_volume", [True, False])
def test_every_pool_has_at_least_its_size(has_volume):
    least = POOL_COLUMNS_MIN if has_volume else POOL_COLUMNS_MIN_WITHOUT_VOLUME
    sizes = {pool: len(pool_columns(pool, SETTINGS, has_volume=has_volume)) for pool in POOL_ADAPTERS}
    assert sizes["raw"] == 12
    assert sizes["tabular_1h"] == sizes["sequence"] == sum(has_volume or not spec.reads_volume for spec in catalogue())
    assert all(sizes[name] >= bound for name, bound in least.items())


@pytest.mark.parametrize("has_volume", [True, False])
def test_every_other_timeframe_lends_its_columns_and_the_primary_all(has_volume):
    found = {}
    for column in pool_columns("tabular", SETTINGS, has_volume=has_volume):
        found.setdefault(column.minutes, []).append(column.spec.name)
        assert column.name == column_name(column.spec.name, column.minutes)
    assert {*found} == {*TIMEFRAMES_MINUTES}
    assert next(iter(found)) == SETTINGS.tabular_primary_minutes == 15
    for minutes, names in found.items():
        priced = [name for name in names if name not in CALENDAR]
        assert len(priced) >= 14
        assert ({*names} >= CALENDAR) is (minutes == 5)
        assert has_volume or not READING & {*names}


def test_a_catalogue_that_shrank_is_noticed(monkeypatch):
    monkeypatch.setattr(pools, "POOL_COLUMNS_MIN", dict.fromkeys(POOL_COLUMNS_MIN, 10000))
    told = r"pool 'tabular_1h' of a series with volume: \d+ columns, expected at least 10000; the catalogue has \d+"
    with pytest.raises(ConfigurationError, match=told):
        tabular_pool(60, ())
    with pytest.raises(ConfigurationError, match="pool 'sequence'"):
        sequence_pool()
    assert sequence_pool(has_volume=False)
    monkeypatch.setattr(pools, "POOL_COLUMNS_MIN", {"tabular": 10_000, "tabular_1h": 1, "sequence": 1})
    with pytest.raises(ConfigurationError, match="pool 'tabular' of a series with volume"):
        pool_columns("tabular", SETTINGS)
    # a user who asks for fewer timeframes gets fewer columns
    assert len(pool_columns("tabular", replace(SETTINGS, tabular_other_minutes=(5,)))) < 290
    monkeypatch.setattr(pools, "RAW", (*RAW[:-1], "volume_ratio_20"))
    with pytest.raises(ConfigurationError, match="'raw': 11 columns without volume, expected 12"):
        pool_columns("raw", SETTINGS)


def test_unknown_pools_are_refused():
    with pytest.raises(
        UnknownNameError, match=r"'daily': known pools are \['raw', 'sequence', 'tabular', 'tabular_1h'\]"
    ):
        pool_columns("daily", SETTINGS)


@pytest.mark.parametrize("has_volume", [True, False])
@pytest.mark.parametrize(("primary", "others"), [(15, (5, 30)), (60, ()), (5, (60, 15)), (15, (60,))])
def test_the_table_holds_both_tabular_pools_once(primary, others, has_volume):
    settings = replace(SETTINGS, tabular_primary_minutes=primary, tabular_other_minutes=others)
    held = tabular_columns(settings, has_volume=has_volume)
    columns = [column_name(name, minutes) for minutes, names in held.items() for name in names]
    wanted = [
        column.name
        for pool in ("tabular", "tabular_1h")
        for column in pool_columns(pool, settings, has_volume=has_volume)
    ]
    assert len(set(columns)) == len(columns)
    assert {*columns} == {*wanted}
    assert list(held) == sorted(held)
    order = list(registry().specs)
    for names in held.values():
        assert list(names) == sorted(names, key=order.index)


def test_raw_is_returns_and_the_clock():
    specs = [registry().specs[name] for name in RAW]
    assert {spec.group for spec in specs} == {"returns", "calendar"}
    assert not any(spec.reads_volume for spec in specs)
    assert [column.name for column in pool_columns("raw", SETTINGS)] == list(RAW)
