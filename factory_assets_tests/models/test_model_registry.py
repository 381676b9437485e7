"""The registry is closed, refuses duplicates, and loads users' packages once."""

import dataclasses
import sys
import types

import pytest

from factory_assets.models import ModelParameters, SearchRange, create, entry, names, parameter
from factory_assets.models import registry as module
from factory_assets.models.registry import ModelRegistry
from factory_assets.vocabulary.errors import ConfigurationError, UnknownNameError


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Parameters(ModelParameters):
    strength: float = parameter(1.0, low=0.0, high=10.0)


def _fields(**changes):
    fields = {
        "name": "mine",
        "family": "classical",
        "adapter": "tabular",
        "primary_minutes": 15,
        "feature_set": "tabular",
        "scaling": "none",
        "window": None,
        "defaults": _Parameters(),
        "search_space": {},
        "determinism": "bitwise",
        "file_format": "json",
    }
    return {**fields, **changes}


def _class():
    return type("Mine", (), {})


def test_duplicate_name_raises_and_keeps_the_first():
    registry = ModelRegistry(modules=(), group=None)
    first = registry.register(**_fields())(_class())
    with pytest.raises(ConfigurationError, match="taken"):
        registry.register(**_fields())(_class())
    assert registry.entry("mine").model_class is first


def test_read_registry_is_closed():
    registry = ModelRegistry(modules=(), group=None)
    registry.register(**_fields())(_class())
    assert registry.names() == ("mine",)
    with pytest.raises(ConfigurationError, match="closed"):
        registry.register(**_fields(name="late"))(_class())
    assert registry.names() == ("mine",)
    with pytest.raises(TypeError):
        registry._entries()["late"] = registry.entry("mine")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="lightgbm"):
        create("lightgmb")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"adapter": "images"}, "adapter"),
        ({"scaling": "some"}, "scaling"),
        ({"determinism": "mostly"}, "determinism"),
        ({"file_format": "pickle"}, "file_format"),
        ({"search_space": {"depth": SearchRange(low=1, high=2)}}, "depth"),
        ({"search_space": {"strength": SearchRange(low=2, high=3)}}, "outside"),
        ({"rounds_parameter": "rounds"}, "rounds"),
        ({"resumable": True}, "resumable"),
        ({"memorising": {"leaf": 1}}, "leaf"),
    ],
)
def test_entry_that_contradicts_itself_is_refused(change, word):
    registry = ModelRegistry(modules=(), group=None)
    with pytest.raises(ConfigurationError, match=word):
        registry.register(**_fields(**change))(_class())
    assert registry.names() == ()


class _Point:
    def __init__(self, name, load):
        self.name, self.value, self.load, self.loaded = name, f"package.{name}", self._counted(load), 0

    def _counted(self, load):
        def _load():
            self.loaded += 1
            return load()

        return _load


def test_users_package_is_loaded_once_and_lazily(monkeypatch):
    registry = ModelRegistry(modules=(), group="factory_assets.models")
    point = _Point("theirs", lambda: registry.register(**_fields(name="theirs"))(_class()))
    monkeypatch.setattr(module, "entry_points", lambda group: [point] if group == "factory_assets.models" else [])
    assert point.loaded == 0
    assert registry.names() == ("theirs",)
    assert registry.entry("theirs").name == "theirs"
    assert point.loaded == 1


def test_users_package_that_cannot_be_imported_is_named(monkeypatch):
    def _missing():
        raise ImportError("no module named package")

    registry = ModelRegistry(modules=(), group="factory_assets.models")
    monkeypatch.setattr(module, "entry_points", lambda **_: [_Point("broken", _missing)])
    with pytest.raises(ConfigurationError, match=r"broken.*no module named package"):
        registry.names()


def test_users_package_that_takes_our_name_is_refused(monkeypatch):
    registry = ModelRegistry(modules=(), group="factory_assets.models")
    registry.register(**_fields(name="lightgbm"))(_class())
    point = _Point("thief", lambda: registry.register(**_fields(name="lightgbm"))(_class()))
    monkeypatch.setattr(module, "entry_points", lambda **_: [point])
    with pytest.raises(ConfigurationError, match="taken"):
        registry.names()


def test_reading_while_modules_are_imported_is_an_error(monkeypatch):
    registry = ModelRegistry(modules=("reads_too_early",), group=None)
    early = types.ModuleType("reads_too_early")
    monkeypatch.setitem(sys.modules, "reads_too_early", early)
    monkeypatch.setattr("importlib.import_module", lambda _name: registry.names())
    with pytest.raises(ConfigurationError, match="still being imported"):
        registry.names()


def test_importing_the_package_imports_no_modelling_library():
    import subprocess

    libraries = {"lightgbm", "sklearn", "torch", "safetensors"}
    code = f"import sys, factory_assets.models as m; m.names(); print({libraries} & {{*sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_defaults_are_those_of_the_specification():
    defaults = entry("lightgbm").defaults
    found = (defaults.num_iterations, defaults.max_depth, defaults.learning_rate, defaults.early_stopping_round)
    assert found == (500, 6, 0.05, 50)
    assert defaults.max_bin == 63
    assert defaults.num_threads == 2
    assert entry("logistic").defaults.balanced is True
    assert entry("logistic_meta").defaults.balanced is False
    tcn = entry("tcn")
    assert (tcn.defaults.learning_rate, tcn.defaults.patience, tcn.window, tcn.dimensions) == (1e-3, 10, 60, 3)
    assert tcn.defaults.class_weighted is True
    assert (tcn.resumable, tcn.own_process) == (True, True)
    assert not any(entry(name).resumable or entry(name).own_process for name in names() if name != "tcn")
    assert names() == tuple(sorted(names()))
