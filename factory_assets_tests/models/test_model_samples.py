"""Canonical order and the validation of samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.models.samples import Samples, canonical_order, checked_samples
from factory_assets.vocabulary.errors import BadInputError


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=60, deadline=None)
def test_any_order_of_rows_becomes_one(seed, rows, columns, dtype):
    rng = np.random.default_rng(seed)
    features = rng.integers(-1, 2, size=(rows, columns)).astype(dtype)  # many rows repeat
    samples = Samples(features, rng.integers(0, 2, rows), rng.integers(1, 3, rows).astype(float))
    shuffle = rng.permutation(rows)
    moved = Samples(samples.features[shuffle], samples.target[shuffle], samples.weight[shuffle])
    a, b = canonical_order(samples), canonical_order(moved)
    assert sorted(a.tolist()) == list(range(rows))
    for field in ("features", "target", "weight"):
        assert np.array_equal(getattr(samples, field)[a], getattr(moved, field)[b])


def test_zero_has_one_spelling():
    one, two = np.array([[0.0], [1.0], [-0.0]]), np.array([[0.0], [-0.0], [1.0]])
    targets = np.array([5, 3, 4]), np.array([4, 5, 3])  # the same rows, but for the sign of zero
    a = canonical_order(Samples(one, targets[0], np.ones(3)))
    b = canonical_order(Samples(two, targets[1], np.ones(3)))
    assert targets[0][a].tolist() == targets[1][b].tolist()


def test_rows_of_weight_zero_and_their_class_are_left_out():
    samples, classes = checked_samples(
        np.arange(8.0).reshape(4, 2), np.array([7, 9, 8, 7]), np.array([1.0, 2.0, 0.0, 1.0]), None, "here"
    )
    assert classes.tolist() == [7, 9]
    assert len(samples) == 3
    assert sorted(zip(samples.target.tolist(), samples.weight.tolist(), strict=True)) == [(0, 1.0), (0, 1.0), (1, 2.0)]


def test_class_only_with_weight_zero_leaves_one_class():
    with pytest.raises(BadInputError, match="two classes"):
        checked_samples(np.ones((3, 1)), np.array([1, 1, 2]), np.array([1.0, 1.0, 0.0]), None, "here")


@pytest.mark.parametrize(
    ("labels", "weights", "word"),
    [
        (np.array([True, False, True]), None, "integer"),
        (np.array([0, 1, 0]), np.array([1.0, np.inf, 1.0]), "row 1"),
        (np.array([0, 1, 0]), np.array([1.0, np.nan, 1.0]), "row 1"),
        (np.array([0, 1, 0]), np.ones((3, 1)), "3 weights"),
        (np.array([[0], [1], [0]]), None, "3 labels"),
        (np.array([0, 1, 0]), np.array(["a", "b", "c"]), "weights"),
    ],
)
def test_refusals_name_the_place(labels, weights, word):
    with pytest.raises(BadInputError, match=word):
        checked_samples(np.ones((3, 1)), labels, weights, None, "here")
