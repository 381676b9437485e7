"""A home and instances of their own for the tests of runs, sensors and nights."""

import dagster as dg
import pytest

from factory_assets.orchestration.instance import prepare_instance
from factory_assets.vocabulary.home import FactoryHome


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("FACTORY_CLOCK_FILE", raising=False)
    return FactoryHome(tmp_path)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def kept_instance(home):
    """An instance with every storage, as a daemon has it."""
    prepare_instance(home)
    with dg.DagsterInstance.from_config(str(home.dagster)) as made:
        yield made
