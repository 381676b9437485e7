"""What a profile may lower of the models, where its floors are, and what the user's file does to it."""

from types import MappingProxyType

import pytest

from factory_assets.models import registry
from factory_assets.vocabulary import settings as module
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.settings import PROFILE_FLOORS, PROFILES, ModelSettings, load_settings


def _profile(monkeypatch, model_parameters):
    changed = {**PROFILES, "fast": {"models": {"parameters": model_parameters}}}
    monkeypatch.setattr(module, "PROFILES", MappingProxyType(changed))


def test_fast_has_fewer_epochs_than_the_registry_and_not_below_the_floor():
    fast = PROFILES["fast"]["models"]["parameters"]["tcn"]
    defaults = registry.entry("tcn").defaults.as_dict()
    assert set(fast) == set(PROFILE_FLOORS)
    for name, floor in PROFILE_FLOORS.items():
        assert floor <= fast[name] < defaults[name]
    for profile in ("standard", "full"):
        assert load_settings(profile).models.parameters == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs_max": PROFILE_FLOORS["epochs_max"] - 1}, "tcn.epochs_max = 5"),
        ({"patience": PROFILE_FLOORS["patience"] - 1}, "tcn.patience = 1"),
        ({"channels": 256}, "tcn.channels = 256"),
        ({"epochs_max": 99, "learning_rate": 0.1}, "tcn.learning_rate = 0.1"),
    ],
)
def test_profile_below_a_floor_or_of_anything_but_epochs_is_refused(monkeypatch, changes, said):
    _profile(monkeypatch, {"tcn": changes})
    with pytest.raises(ConfigurationError, match=said):
        load_settings("fast")


def test_users_file_stands_beside_the_profile_and_may_go_below_its_floor(tmp_path):
    path = tmp_path / "factory.toml"
    path.write_text(
        "[models.parameters.lightgbm]\nnum_leaves = 15\n[models.parameters.tcn]\nepochs_max = 1\n", encoding="utf-8"
    )
    found = load_settings("fast", path).models.parameters
    fast = PROFILES["fast"]["models"]["parameters"]["tcn"]
    assert found == {"lightgbm": {"num_leaves": 15}, "tcn": {**fast, "epochs_max": 1}}


def test_number_of_processes_is_in_no_digest(tmp_path):
    path = tmp_path / "factory.toml"
    digests = set()
    for processes in (0, 1, 2):
        path.write_text(f"[models]\nfit_processes = {processes}\n", encoding="utf-8")
        settings = load_settings("fast", path)
        assert settings.models.fit_processes == processes
        digests.add(settings.digest("models", "splits"))
    assert len(digests) == 1
    path.write_text("[models]\nseed = 12\n", encoding="utf-8")
    assert load_settings("fast", path).digest("models", "splits") not in digests
    assert ModelSettings().fit_processes == 2
