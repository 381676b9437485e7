"""One release for all tests of the package, written once."""

from datetime import UTC, datetime

import pytest

from factory_assets.deployment import write_bundle
from factory_assets_tests.deployment.release_world import release_world

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def world():
    return release_world()


@pytest.fixture(scope="session")
def bundle(world, tmp_path_factory):
    """Folder and digest of the written release; tests that change it work on a copy."""
    releases = tmp_path_factory.mktemp("releases")
    return write_bundle(world.release, releases, clock=lambda: NOW, code_version="test")
