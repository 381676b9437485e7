"""Parameters are typed, bounded, frozen; all mismatches come in one message."""

import dataclasses

import numpy as np
import pytest

from factory_assets.models import create
from factory_assets.vocabulary.errors import ConfigurationError


def test_all_mismatches_in_one_message():
    with pytest.raises(ConfigurationError) as refusal:
        create("lightgbm", depth=3, max_depth="six", learning_rate=2.0, num_leaves=True, lambda_l2=float("nan"))
    for word in (
        "unknown parameter 'depth'",
        "max_depth",
        "learning_rate",
        "num_leaves",
        "lambda_l2",
        "Known parameters",
    ):
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("logistic", {"balanced": 1}),
        ("logistic", {"max_iter": 10.0}),
        ("logistic", {"max_iter": 0}),
        ("logistic", {"seed": -1}),
    ],
)
def test_wrong_type_or_range(name, changes):
    with pytest.raises(ConfigurationError, match=next(iter(changes))):
        create(name, **changes)


def test_integers_serve_as_numbers_and_numpy_scalars_become_plain():
    params = create("lightgbm", lambda_l2=2, num_leaves=np.int64(15), learning_rate=np.float64(0.1)).params
    assert (params.lambda_l2, type(params.lambda_l2)) == (2.0, float)
    assert (params.num_leaves, type(params.num_leaves)) == (15, int)
    assert type(params.learning_rate) is float


def test_changed_parameters_leave_the_defaults_alone():
    changed = create("logistic", inverse_l2=0.5)
    assert changed.params.inverse_l2 == 0.5
    assert create("logistic").params.inverse_l2 == 0.01
    with pytest.raises(dataclasses.FrozenInstanceError):
        changed.params.inverse_l2 = 1.0
