"""Samples of a partition: scaling kinds belong to the tabular table the settings in force would make."""

from dataclasses import replace

import pytest

from factory_assets.adapters import column_name
from factory_assets.features import catalogue
from factory_assets.features.pools import tabular_pool
from factory_assets.orchestration.partition_samples import _kinds
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.settings import AdapterSettings

SETTINGS = AdapterSettings()


def _columns(settings):
    pool = tabular_pool(settings.tabular_primary_minutes, settings.tabular_other_minutes)
    return tuple(column_name(name, minutes) for minutes, names in pool.items() for name in names)


def test_kinds_are_the_catalogues_by_column():
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    columns = _columns(SETTINGS)
    kinds = _kinds(SETTINGS, columns)
    assert len(kinds) == len(columns) > 50
    assert list(kinds) == [scaling[column.rsplit("__", 1)[0]] for column in columns]
    assert {"robust", "minmax", "none"} == set(kinds)


def test_table_of_other_settings_is_refused_with_what_to_do():
    other = replace(SETTINGS, tabular_other_minutes=SETTINGS.tabular_other_minutes[:-1])
    gone = f"__{SETTINGS.tabular_other_minutes[-1]}min"
    with pytest.raises(BadInputError, match=rf"not wanted: \w+{gone}.*lacking: none.*Materialize tabular again"):
        _kinds(other, _columns(SETTINGS))
    with pytest.raises(BadInputError, match=rf"not wanted: none, lacking: \w+{gone}.*Materialize tabular again"):
        _kinds(SETTINGS, _columns(other))
    with pytest.raises(BadInputError, match="another order"):
        _kinds(SETTINGS, _columns(SETTINGS)[::-1])
