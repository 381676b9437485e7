"""The set a model reads: its entry's, or the one the file names; whatever a model cannot read is refused at once."""

import pytest

from factory_assets.models import registry
from factory_assets.orchestration.model_inputs import set_of_model
from factory_assets.orchestration.resources import FactoryResource, settings_in_force
from factory_assets.vocabulary.errors import ConfigurationError, UnknownNameError
from factory_assets.vocabulary.settings import FactorySettings


def test_without_a_word_the_entry_decides():
    assert set_of_model("lightgbm", {}).name == registry.entry("lightgbm").feature_set
    assert {name: set_of_model(name, {}).pool for name in ("lightgbm", "logistic", "tcn")} == {
        "lightgbm": "tabular", "logistic": "tabular_1h", "tcn": "sequence",
    }  # fmt: skip


def test_the_file_may_name_another_set_or_a_whole_pool_and_the_digest_tells(tmp_path):
    path = tmp_path / "factory.toml"
    path.write_text(
        '[models.inputs.lightgbm]\nfeature_set = "tabular"\n[models.inputs.tcn]\nfeature_set = "transformer_raw"\n'
        "[models.parameters.lightgbm]\nnum_leaves = 7\n",
        encoding="utf-8",
    )
    settings = settings_in_force("fast", path)
    chosen = {name: set_of_model(name, settings.models.inputs) for name in ("lightgbm", "logistic", "tcn")}
    assert {name: one.name for name, one in chosen.items()} == {
        "lightgbm": "tabular", "logistic": "ensemble_base", "tcn": "transformer_raw",
    }  # fmt: skip
    assert chosen["lightgbm"].columns_max is None
    assert settings.models.parameters["lightgbm"] == {"num_leaves": 7}
    assert settings.digest("models") != FactorySettings().digest("models")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[models.inputs.lightgmb]\nfeature_set = 'tabular'\n", "[models.inputs.lightgmb]: models whose inputs can be"),
        ("[models.inputs.logistic_meta]\nfeature_set = 'raw'\n", "[models.inputs.logistic_meta]: models whose inputs"),
        ("[models.inputs.lightgbm]\nfeature_sets = 'tabular'\n", "unknown key 'feature_sets'; known: ['feature_set']"),
        ("[models.inputs.lightgbm]\nfeature_set = 'best'\n", "expected one of ['boosting_optimal', 'ensemble_base',"),
        ("[models.inputs.lightgbm]\nfeature_set = 'sequence'\n", "'tabular_1h'], got 'sequence'"),
        ("[models.inputs.tcn]\nfeature_set = 'boosting_optimal'\n", "'transformer_raw'], got 'boosting_optimal'"),
        ("[models.inputs.tcn]\nfeature_set = 3\n", "got 3"),
        ("[models.inputs]\nlightgbm = 'tabular'\n", "expected a section [models.inputs.lightgbm]"),
    ],
)
def test_what_no_run_could_read_is_refused_with_everything_else_that_is_wrong(tmp_path, text, says):
    (tmp_path / "factory.toml").write_text(f"[evaluation]\nresamples = 0\n{text}", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        FactoryResource(home=str(tmp_path)).settings  # noqa: B018
    assert says in str(caught.value)
    assert "resamples >= 100" in str(caught.value)


def test_settings_that_went_round_the_file_are_refused_too():
    with pytest.raises(
        ConfigurationError, match=r"model 'tcn': feature set 'tabular' is of the adapter 'tabular'.*'raw'"
    ):
        set_of_model("tcn", {"tcn": {"feature_set": "tabular"}})
    with pytest.raises(UnknownNameError, match="known sets are"):
        set_of_model("tcn", {"tcn": {"feature_set": "best"}})
