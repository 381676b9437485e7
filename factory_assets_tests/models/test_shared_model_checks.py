"""Registered means tested: every model x every shared check."""

import pytest

from factory_assets.models import names
from factory_assets.models.checks import CHECKS


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", names())
def test_model_passes(name, check):
    CHECKS[check](name)


def test_the_registry_and_the_checks_are_not_empty():
    assert {"lightgbm", "logistic", "logistic_meta", "tcn"} <= set(names())
    assert len(CHECKS) == 24
