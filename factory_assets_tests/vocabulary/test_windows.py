"""Lazy windows against a loop over windows and steps: what they show, how they are cut, what they hold."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows


@st.composite
def _windows(draw, windows_min=0):
    """Windows over 1 to 12 rows of 1 to 3 columns, of 1 to 6 steps, some cut short by history or an outage."""
    rows, columns, length = draw(st.integers(1, 12)), draw(st.integers(1, 3)), draw(st.integers(1, 6))
    last = draw(st.lists(st.integers(0, rows - 1), min_size=windows_min, max_size=8))
    first = [place - draw(st.integers(0, min(place, length - 1))) for place in last]
    return LazyWindows(
        store=np.arange(rows * columns, dtype=np.float32).reshape(rows, columns),
        last=np.array(last, dtype=np.int64),
        first=np.array(first, dtype=np.int64),
        length=length,
        pad=-1 - np.arange(columns, dtype=np.float32),
    )


def _naive(windows):
    """Window by window and step by step: a row of the store, or the pad."""
    shown = np.empty(windows.shape, dtype=windows.dtype)
    for window, (last, first) in enumerate(zip(windows.last, windows.first, strict=True)):
        for step in range(windows.length):
            place = last - (windows.length - 1) + step
            shown[window, step] = windows.store[place] if place >= first else windows.pad
    return shown


def test_known_windows_by_hand():
    store = np.array([[0.0, 10], [1, 11], [2, 12], [3, 13], [4, 14]], dtype=np.float32)
    pad = np.array([-1.0, -2.0], dtype=np.float32)
    # history begins at row 0; nothing but row 3 after an outage; a whole window
    windows = LazyWindows(store=store, last=np.array([1, 3, 4]), first=np.array([0, 3, 2]), length=3, pad=pad)
    assert (windows.shape, windows.ndim, windows.dtype, len(windows)) == ((3, 3, 2), 3, np.float32, 3)
    expected = [[[-1, -2], [0, 10], [1, 11]], [[-1, -2], [-1, -2], [3, 13]], [[2, 12], [3, 13], [4, 14]]]
    assert windows.materialised().tolist() == expected
    assert windows.positions().tolist() == [[-1, 0, 1], [-1, -1, 3], [2, 3, 4]]
    assert windows.newest().tolist() == [[1, 11], [3, 13], [4, 14]]
    assert windows[:2].used_rows().tolist() == [True, True, False, True, False]


@given(_windows())
def test_values_positions_and_used_rows_equal_the_loop(windows):
    shown = _naive(windows)
    assert np.array_equal(windows.materialised(), shown)
    assert np.array_equal(np.asarray(windows), shown)
    assert np.asarray(windows, dtype=np.float64).dtype == np.float64
    assert np.array_equal(np.vstack([windows.store, windows.pad])[windows.positions()], shown)
    assert np.array_equal(windows.newest(), shown[:, -1])
    used = {place for last, first in zip(windows.last, windows.first, strict=True) for place in range(first, last + 1)}
    assert np.flatnonzero(windows.used_rows()).tolist() == sorted(used)
    assert len(windows.used_rows()) == len(windows.store)


@given(_windows(), st.data())
def test_cuts_equal_the_cuts_of_the_array(windows, data):
    shown = _naive(windows)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(windows), max_size=len(windows))), dtype=bool)
    bounds = st.none() | st.integers(-9, 9)
    cut = slice(data.draw(bounds), data.draw(bounds), data.draw(st.sampled_from([None, 1, 2, -1])))
    cuts = [mask, cut, np.flatnonzero(mask), [], np.empty(0, dtype=np.int64)]
    if len(windows):
        places = data.draw(st.lists(st.integers(-len(windows), len(windows) - 1), max_size=9))
        cuts += [np.array(places, dtype=np.int64), places]
    for rows in cuts:
        taken = windows[rows]
        expected = shown[np.array(rows, dtype=np.int64) if isinstance(rows, list) else rows]
        assert taken.shape == expected.shape
        assert np.array_equal(taken.materialised(), expected)
        assert taken.store is windows.store


@given(_windows(windows_min=1), st.integers(-99, 99))
def test_one_position_is_one_window(windows, place):
    if -len(windows) <= place < len(windows):
        assert np.array_equal(np.asarray(windows[place]), _naive(windows)[place][None])
    else:
        with pytest.raises(IndexError):
            windows[place]


@given(_windows())
def test_mapping_goes_row_by_row_and_through_the_pad(windows):
    def _shifted(rows):
        return np.asfortranarray(np.hstack([rows * 2, rows[:, :1] + 0.5]))

    mapped = windows.mapped(_shifted)
    assert mapped.shape == (len(windows), windows.length, windows.store.shape[1] + 1)
    assert mapped.store.flags["C_CONTIGUOUS"]
    expected = [_shifted(window) for window in _naive(windows)]
    assert np.array_equal(mapped.materialised(), np.stack(expected) if expected else np.empty(mapped.shape))


@given(_windows())
def test_compacted_windows_show_the_same_and_hold_no_other_row(windows):
    small = windows.compacted()
    assert np.array_equal(small.materialised(), _naive(windows))
    assert small.used_rows().all()
    assert len(small.store) == windows.used_rows().sum()


@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 3))
def test_an_array_as_windows_is_that_array(windows, length, columns):
    values = np.random.default_rng(1).standard_normal((windows, length, columns)).astype(np.float32)
    lazy = LazyWindows.of_array(values)
    assert lazy.shape == values.shape
    assert np.array_equal(np.asarray(lazy), values)
    assert lazy.used_rows().all()
    if windows:
        assert np.shares_memory(lazy.store, values)
        assert np.array_equal(np.asarray(lazy[::-1]), values[::-1])
    with pytest.raises(BadInputError, match=r"shape \(N, T, F\), got \(2, 2\)"):
        LazyWindows.of_array(np.zeros((2, 2)))


def test_no_window_over_no_row():
    none = np.empty(0, dtype=np.int64)
    windows = LazyWindows(store=np.empty((0, 2)), last=none, first=none, length=3, pad=np.zeros(2))
    assert windows.materialised().shape == (0, 3, 2)
    assert windows.used_rows().shape == (0,)
    assert windows.compacted().shape == windows[:].shape == (0, 3, 2)


def test_taking_copies_no_row_and_materialising_is_a_copy():
    store = np.zeros((1000, 4), dtype=np.float32)
    last = np.arange(59, 1000)
    windows = LazyWindows(store=store, last=last, first=last - 59, length=60, pad=np.zeros(4, dtype=np.float32))
    part = windows[np.arange(0, 900, 3)][10:90][np.ones(80, dtype=bool)]
    assert part.store is store
    assert part.last.nbytes + part.first.nbytes == 2 * 8 * 80
    shown = part.materialised()
    shown[:] = 7
    assert not store.any()
    with pytest.raises(ValueError, match="materialised by copying"):
        np.asarray(windows, copy=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"last": [4]}, "1 reach outside it.*window 0 shows rows 2 to 4"),
        ({"first": [-1], "last": [0]}, "window 0 shows rows -1 to 0"),
        ({"first": [3], "last": [2]}, "begin after they end"),
        ({"first": [0], "last": [3]}, "too long; window 0 shows rows 0 to 3"),
        ({"first": [0, 1]}, r"\(1,\) last rows, \(2,\) first rows"),
        ({"first": [[0]], "last": [[0]]}, r"expected \(N,\)"),
        ({"first": [0.0], "last": [0.0]}, "positions of type float64"),
        ({"first": [True], "last": [True]}, "expected int64"),
        ({"pad": np.zeros(3)}, r"pad \(3,\)"),
        ({"store": np.zeros(4)}, r"store \(4,\)"),
        ({"length": 0}, "at least 1"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes, message):
    good = {"store": np.zeros((4, 2)), "last": [3], "first": [2], "length": 3, "pad": np.zeros(2)}
    arrays = {
        name: np.asarray(value) if name in {"last", "first"} else value for name, value in {**good, **changes}.items()
    }
    with pytest.raises(BadInputError, match=message):
        LazyWindows(**arrays)


def test_a_mapping_that_drops_rows_is_refused():
    windows = LazyWindows.of_array(np.zeros((2, 3, 1)))
    with pytest.raises(BadInputError, match="made 5 rows of 6"):
        windows.mapped(lambda rows: rows[:5])


@given(_windows(), st.data())
def test_columns_of_windows_are_those_of_each_window(windows, data):
    columns = windows.shape[2]
    places = np.array(data.draw(st.permutations(range(columns)))[: data.draw(st.integers(1, columns))], dtype=np.int64)
    taken = windows.of_columns(places)
    assert taken.shape == (*windows.shape[:2], len(places))
    assert np.array_equal(taken.materialised(), _naive(windows)[:, :, places])
    assert np.array_equal(taken.used_rows(), windows.used_rows())
    assert taken.store.flags.c_contiguous


def test_columns_of_windows_cost_one_copy_of_the_rows_and_none_of_the_windows():
    store = np.zeros((20_000, 40), dtype=np.float32)
    last = np.arange(100, 20_000, dtype=np.int64)
    windows = LazyWindows(store=store, last=last, first=last - 59, length=60, pad=np.zeros(40, dtype=np.float32))
    tracemalloc.start()
    try:
        taken = windows[::2].of_columns(np.arange(0, 40, 4))
        parts = [taken[:100], taken[100:], taken[np.arange(0, 900, 3)]]
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    rows_bytes, positions_bytes = store.nbytes // 4, 2 * 8 * len(taken)
    assert all(part.store is taken.store for part in parts)
    # checks of positions take a few arrays of the length of N; gathered, the windows would take 24 MB
    assert peak < rows_bytes + 8 * positions_bytes < np.prod(taken.shape) * 4 / 10
    assert held < rows_bytes + 3 * positions_bytes
