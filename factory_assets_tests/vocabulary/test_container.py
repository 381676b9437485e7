"""The container over rows and over windows: one interface, cuts that agree, tensors gathered on demand."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows

SAMPLES, ROWS, LENGTH = 6, 20, 4
LAST = np.array([1, 4, 5, 9, 10, 17])
FIRST = np.array([0, 1, 5, 6, 7, 14])


def _container(features):
    return TimeSeriesDataContainer(
        decision_us=np.arange(SAMPLES) * 100,
        features=features,
        feature_names=("a", "b"),
        label=np.array([-1, 0, 1, 1, 0, -1], dtype=np.int8),
        t0_us=np.arange(SAMPLES) * 100,
        t1_us=np.arange(SAMPLES) * 100 + 50,
        weight=np.arange(SAMPLES) / 2,
        trade_day=np.arange(SAMPLES, dtype=np.int32),
    )


def _of_rows():
    return _container(np.arange(2 * SAMPLES, dtype=np.float32).reshape(SAMPLES, 2))


def _of_windows():
    store = np.arange(2 * ROWS, dtype=np.float32).reshape(ROWS, 2)
    return _container(LazyWindows(store=store, last=LAST, first=FIRST, length=LENGTH, pad=np.full(2, -9, np.float32)))


@pytest.mark.parametrize("whole", [_of_rows(), _of_windows()], ids=["rows", "windows"])
@given(places=st.sets(st.integers(0, SAMPLES - 1)))
def test_cuts_by_positions_and_by_mask_are_in_decision_order(whole, places):
    mask = np.isin(np.arange(SAMPLES), list(places))
    chosen = np.flatnonzero(mask)
    for rows in (mask, chosen, chosen[::-1], sorted(places, reverse=True)):
        part = whole.take(rows)
        assert part.decision_us.tolist() == (chosen * 100).tolist()
        assert np.array_equal(np.asarray(part.features), np.asarray(whole.features)[chosen])
        for name in ("label", "t0_us", "t1_us", "weight", "trade_day"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[chosen]), name
    assert whole.take(mask).store.shape[1] == 2


def test_windows_share_one_store_through_every_cut():
    whole = _of_windows()
    assert whole.take([0, 3]).take([1]).store is whole.store


@pytest.mark.parametrize("whole", [_of_rows(), _of_windows()], ids=["rows", "windows"])
@given(data=st.data())
def test_rows_shown_are_exactly_those_whose_change_is_seen(whole, data):
    chosen = sorted(data.draw(st.sets(st.integers(0, SAMPLES - 1))))
    mask = np.isin(np.arange(SAMPLES), chosen)
    shown = whole.store_rows(chosen)
    assert shown.shape == (len(whole.store),)
    assert shown.dtype == bool
    assert np.array_equal(shown, whole.store_rows(mask))
    before = np.asarray(whole.take(chosen).features)
    seen = []
    for row in range(len(whole.store)):
        values = whole.store.copy()
        values[row] += 1000
        seen.append(not np.array_equal(np.asarray(whole.with_store(values).take(chosen).features), before))
    assert shown.tolist() == seen


@pytest.mark.parametrize("whole", [_of_rows(), _of_windows()], ids=["rows", "windows"])
def test_other_values_in_the_same_places(whole):
    changed = whole.with_store(whole.store * 3)
    assert np.array_equal(changed.store, whole.store * 3)
    assert type(changed.features) is type(whole.features)
    assert np.array_equal(changed.label, whole.label)
    with pytest.raises(BadInputError, match=r"values of shape \(3, 2\) for a store of"):
        whole.with_store(whole.store[:3])


def test_arrays_of_both_kinds():
    x, y, weight = _of_rows().to_numpy()
    assert (x.shape, y.tolist(), weight.tolist()) == ((6, 2), [-1, 0, 1, 1, 0, -1], [0, 0.5, 1, 1.5, 2, 2.5])
    x, _, _ = _of_windows().to_numpy()
    assert x.shape == (6, LENGTH, 2)
    assert x[0].tolist() == [[-9, -9], [-9, -9], [0, 1], [2, 3]]
    assert x[5].tolist() == [[28, 29], [30, 31], [32, 33], [34, 35]]


def test_frames_show_the_newest_row():
    frame = _of_windows().to_pandas()
    assert list(frame.columns) == ["decision_time", "a", "b", "label", "weight"]
    assert frame["a"].tolist() == (LAST * 2).tolist()
    assert _of_rows().to_pandas()["b"].tolist() == [1, 3, 5, 7, 9, 11]


@pytest.mark.parametrize("whole", [_of_rows(), _of_windows()], ids=["rows", "windows"])
def test_tensors_of_one_sample_and_of_batches(whole):
    import torch

    samples, values = whole.to_torch(), np.asarray(whole.features)
    assert len(samples) == SAMPLES
    x, y, weight = samples[2]
    assert x.numpy().tolist() == values[2].tolist()
    assert (y.item(), weight.item()) == (2, 1.0)
    for rows in ([4, 0, 0], slice(1, 4), np.array([5]), whole.label == 0, torch.tensor([3, 1]), []):
        places = np.arange(SAMPLES)[np.asarray(rows, dtype=np.int64) if isinstance(rows, list) else rows]
        x, y, weight = samples[rows]
        assert (x.dtype, y.dtype, weight.dtype) == (torch.float32, torch.int64, torch.float32)
        assert np.array_equal(x.numpy(), values[places])
        assert y.tolist() == (whole.label[places] + 1).tolist()
        assert weight.tolist() == whole.weight[places].tolist()
    for beyond in (SAMPLES, -SAMPLES - 1):
        with pytest.raises(IndexError):
            samples[beyond]


def test_torchs_loader_gathers_whole_batches():
    import torch

    whole = _of_windows()
    sampler = torch.utils.data.BatchSampler(range(SAMPLES), batch_size=4, drop_last=False)
    by_batch = list(torch.utils.data.DataLoader(whole.to_torch(), sampler=sampler, batch_size=None))
    by_sample = list(torch.utils.data.DataLoader(whole.to_torch(), batch_size=4))
    assert [len(x) for x, _, _ in by_batch] == [4, 2]
    for one, other in zip(by_batch, by_sample, strict=True):
        assert all(torch.equal(left, right) for left, right in zip(one, other, strict=True))
    by_batch[0][0][:] = 0  # what the model does to a batch never reaches the store
    assert whole.store[5].tolist() == [10, 11]


def test_torch_is_not_imported_before_a_sample_is_asked_for():
    code = (
        "import sys, numpy as np; from factory_assets.vocabulary.torch_samples import TorchSamples; "
        "assert len(TorchSamples(np.zeros((2, 1)), np.zeros(2), np.zeros(2))) == 2; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_containers_that_do_not_fit_are_refused():
    for whole in (_of_rows(), _of_windows()):
        with pytest.raises(BadInputError, match="2 columns but 1 names"):
            replace(whole, feature_names=("a",))
        with pytest.raises(BadInputError, match=r"arrays of other lengths \{'features': 5\}"):
            replace(whole, features=whole.features[:5])
        with pytest.raises(BadInputError, match="increase strictly"):
            replace(whole, decision_us=whole.decision_us[::-1])


@pytest.mark.parametrize("whole", [_of_rows(), _of_windows()], ids=["rows", "windows"])
def test_columns_are_taken_by_name_in_the_order_asked_for(whole):
    names = whole.feature_names
    assert whole.of_columns(names) is whole
    for wanted in (names[::-1], names[1:], names[:1]):
        taken = whole.of_columns(wanted)
        assert taken.feature_names == tuple(wanted)
        places = [names.index(name) for name in wanted]
        assert np.array_equal(np.asarray(taken.features), np.asarray(whole.features)[..., places], equal_nan=True)
        for name in ("decision_us", "label", "t0_us", "t1_us", "weight", "trade_day"):
            assert getattr(taken, name) is getattr(whole, name)
    with pytest.raises(BadInputError, match=r"1 of the 2 wanted are not among them, the first \['other'\]"):
        whole.of_columns((names[0], "other"))
    with pytest.raises(BadInputError, match="1 are named twice"):
        whole.of_columns((names[0], names[0]))
