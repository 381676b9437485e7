"""Canonical order and the validation of samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.models.samples import Samples, canonical_order, checked_features, checked_samples
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows


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


def _lazy(rng, windows, dtype=np.float32):
    """Windows over a store whose rows repeat, with a pad that equals one of its rows now and then."""
    last = rng.integers(0, 12, windows)
    return LazyWindows(
        store=rng.integers(-1, 2, size=(14, 2)).astype(dtype),
        last=last,
        first=np.maximum(last - rng.integers(0, 4, windows), 0),
        length=4,
        pad=rng.integers(-1, 2, size=2).astype(dtype),
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=60, deadline=None)
def test_windows_have_one_order_whatever_store_they_lie_in(seed, windows, dtype):
    rng = np.random.default_rng(seed)
    lazy = _lazy(rng, windows, dtype)
    target, weight = rng.integers(0, 2, windows), rng.integers(1, 3, windows).astype(float)
    shuffle = rng.permutation(windows)
    dense = lazy.materialised()[shuffle]
    one = canonical_order(Samples(lazy, target, weight))
    two = canonical_order(Samples(LazyWindows.of_array(dense), target[shuffle], weight[shuffle]))
    assert sorted(one.tolist()) == list(range(windows))
    assert np.array_equal(lazy.materialised()[one], dense[two])
    assert np.array_equal(target[one], target[shuffle][two])
    assert np.array_equal(weight[one], weight[shuffle][two])


def test_windows_stay_lazy_and_keep_their_store():
    lazy = _lazy(np.random.default_rng(0), 20)
    checked = checked_features(lazy, 3, "here")
    assert checked.store is lazy.store
    samples, _ = checked_samples(checked, np.arange(20) % 2, None, None, "here")
    assert samples.windows.store is lazy.store
    assert checked_features(lazy.mapped(lambda rows: rows.astype(np.int64)), 3, "here").dtype == np.float64


def test_hole_is_named_by_its_window_column_and_step():
    lazy = _lazy(np.random.default_rng(3), 20)
    store = lazy.store.copy()
    row = int(lazy.last[5])
    store[row, 1] = np.inf
    shown = (lazy.first <= row) & (row <= lazy.last)
    first = int(np.argmax(shown))
    step = 3 - int(lazy.last[first] - row)
    holed = LazyWindows(store=store, last=lazy.last, first=lazy.first, length=4, pad=lazy.pad)
    with pytest.raises(BadInputError, match=rf"{shown.sum()} windows .* row {first}, column 1, step {step};"):
        checked_features(holed, 3, "here")


@pytest.mark.parametrize(("dimensions", "columns"), [(2, 2), (3, 0)])
def test_windows_of_the_wrong_shape_are_refused(dimensions, columns):
    lazy = LazyWindows.of_array(np.zeros((5, 4, columns), dtype=np.float32))
    with pytest.raises(BadInputError, match="got shape"):
        checked_features(lazy, dimensions, "here")


def test_order_of_many_distinct_rows_does_not_depend_on_a_row_more_in_the_store():
    # the pad, which no window shows, shifts the ranks of some rows past a byte's end
    rng = np.random.default_rng(8)
    last = rng.permutation(np.arange(3, 700, dtype=np.int64))
    store = rng.permutation(np.linspace(0.5, 2.0, 1400, dtype=np.float32)).reshape(700, 2)
    lazy = LazyWindows(store=store, last=last, first=last - 3, length=4, pad=np.full(2, 1.1, dtype=np.float32))
    nothing = np.zeros(len(last), dtype=np.int64), np.ones(len(last))
    dense = canonical_order(Samples(LazyWindows.of_array(lazy.materialised()), *nothing))
    assert np.array_equal(canonical_order(Samples(lazy, *nothing)), dense)
