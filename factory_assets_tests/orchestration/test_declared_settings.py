"""Settings in the graph: only declared sections are read and digested, the registry judges models."""

import dataclasses
import re
from pathlib import Path

import pytest

from factory_assets import orchestration
from factory_assets.models import registry
from factory_assets.orchestration.declared_settings import SECTIONS, DeclaredSettings
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization
from factory_assets.orchestration.outputs import CATALOGUE, Output
from factory_assets.orchestration.resources import FactoryResource, settings_in_force
from factory_assets.vocabulary.errors import ConfigurationError, FactoryError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import FactorySettings

SIM_20 = PartitionKey("SIM", 20)
SETTINGS = FactorySettings()


def expected(section: str) -> object:
    return SETTINGS.barriers_of("SIM", 20) if section == "barriers" else getattr(SETTINGS, section)


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_section_is_handed_out_if_and_only_if_it_was_declared(section):
    assert getattr(DeclaredSettings(SETTINGS, SIM_20, [section]), section) == expected(section)
    others = DeclaredSettings(SETTINGS, SIM_20, SECTIONS - {section})
    with pytest.raises(FactoryError, match=rf"{section}.*not declared; add it to `settings_sections`"):
        getattr(others, section)


@pytest.mark.parametrize("section", sorted(SECTIONS - {"profile", "barriers"}))
def test_the_digest_covers_exactly_the_declared_sections(section):
    values = getattr(SETTINGS, section)
    name = next(each.name for each in dataclasses.fields(values) if isinstance(getattr(values, each.name), int | float))
    changed = dataclasses.replace(
        SETTINGS, **{section: dataclasses.replace(values, **{name: getattr(values, name) + 1})}
    )

    def moved(*sections: str) -> bool:
        before, after = (DeclaredSettings(each, SIM_20, sections).digest for each in (SETTINGS, changed))
        return before != after

    assert moved(section)
    assert moved("profile", section)
    assert not moved(*(SECTIONS - {section}))
    assert not moved()


def test_only_the_partitions_own_barriers_enter_its_digest():
    rows = SETTINGS.barriers["SIM"]
    wider = dataclasses.replace(rows[10], k_up=9.0)
    changed = dataclasses.replace(SETTINGS, barriers={**SETTINGS.barriers, "SIM": {**rows, 10: wider}})
    moved = {
        horizon: DeclaredSettings(SETTINGS, PartitionKey("SIM", horizon), ["barriers"]).digest
        != DeclaredSettings(changed, PartitionKey("SIM", horizon), ["barriers"]).digest
        for horizon in rows
    }
    assert moved == {5: False, 10: True, 15: False, 20: False}


def test_a_body_reads_through_its_declaration(tmp_path):
    factory = FactoryResource(home=str(tmp_path))
    part = Materialization(SIM_20, factory, [], settings_sections=["labels"], tags={})
    assert part.settings.labels == SETTINGS.labels
    with pytest.raises(FactoryError, match="'barriers' is read but not declared"):
        part.barriers  # noqa: B018
    with pytest.raises(FactoryError, match="'models' is read but not declared"):
        part.settings.models  # noqa: B018
    assert part.settings.digest == SETTINGS.digest("labels")


def test_no_body_goes_around_its_declaration():
    folder = Path(orchestration.__file__).parent
    around = [
        path.name
        for path in [*sorted((folder / "assets").glob("*.py")), folder / "partition_samples.py"]
        if re.search(
            r"factory\.settings|load_settings|settings_in_force|FactorySettings|\w+Settings\(", path.read_text()
        )
    ]
    assert around == []


def test_a_section_there_is_not_is_found_when_the_asset_is_declared():
    before = len(CATALOGUE.all())
    output = Output(name="probe_misspelt", group="probes", description="", by_horizon=False)
    with pytest.raises(FactoryError, match=r"settings sections \['evalution'\]: known are"):
        factory_asset(output, settings_sections=["evalution"])
    assert len(CATALOGUE.all()) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[models.parameters.lightgmb]\nnum_leaves = 3\n", "[models.parameters.lightgmb]: models whose parameters can"),
        ("[models.parameters.logistic_meta]\ninverse_l2 = 1.0\n", "[models.parameters.logistic_meta]: models whose"),
        (
            "[models.parameters.lightgbm]\nnum_leafs = 3\n",
            "[models.parameters.lightgbm]: unknown parameter 'num_leafs'",
        ),
        ("[models.parameters.lightgbm]\nnum_leaves = 'many'\n", "num_leaves: expected an integer, got 'many'"),
        ("[models.parameters.lightgbm]\nnum_leaves = -1\n", "num_leaves: expected a value in"),
        ("[models.parameters.logistic]\ninverse_l2 = true\n", "inverse_l2: expected float, got True"),
    ],
)
def test_model_names_and_parameters_are_held_against_the_registry(tmp_path, text, says):
    (tmp_path / "factory.toml").write_text(f"[evaluation]\nresamples = 0\n{text}", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        FactoryResource(home=str(tmp_path)).settings  # noqa: B018
    assert says in str(caught.value)
    assert "resamples >= 100" in str(caught.value), "everything wrong with the file is one message"
    assert "factory.toml" in str(caught.value)


def test_parameters_a_model_takes_are_kept(tmp_path):
    path = tmp_path / "factory.toml"
    path.write_text("[models.parameters.lightgbm]\nnum_leaves = 7\n[models.parameters.logistic]\n", encoding="utf-8")
    parameters = settings_in_force("standard", path).models.parameters
    assert parameters == {"lightgbm": {"num_leaves": 7}, "logistic": {}}
    assert registry.create("lightgbm", **parameters["lightgbm"]).params.as_dict()["num_leaves"] == 7
