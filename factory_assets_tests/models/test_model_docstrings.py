"""Examples in docstrings print what they say."""

import doctest

from factory_assets.models import base


def test_examples():
    result = doctest.testmod(base)
    assert result.attempted >= 4
    assert result.failed == 0
