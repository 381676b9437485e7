"""What the model class promises around any network: bits of a row, no window materialised twice, nothing disturbed."""

import numpy as np
import pytest
import torch

from factory_assets.models import create, model_from_files
from factory_assets.vocabulary.windows import LazyWindows

STEPS, COLUMNS = 60, 150


@pytest.fixture(scope="module")
def lazy():
    rng = np.random.default_rng(4)
    last = np.sort(rng.choice(np.arange(2_000, dtype=np.int64), 1_300, replace=False))
    return LazyWindows(
        store=rng.normal(size=(2_000, COLUMNS)).astype(np.float32),
        last=last,
        first=np.maximum(last - STEPS + 1, 0),
        length=STEPS,
        pad=np.zeros(COLUMNS, dtype=np.float32),
    )


@pytest.fixture(scope="module")
def model(lazy):
    labels = np.random.default_rng(5).integers(-1, 2, 200)
    return create("tcn", epochs_max=1).fit(lazy[:200], labels)


def test_window_of_full_size_predicts_alone_and_at_every_place_of_a_batch(model, lazy):
    one = lazy[700:701]
    alone = model.predict_proba(one)[0]
    for place in range(16):
        rows = np.arange(100, 116)
        rows[place] = 700
        assert np.array_equal(model.predict_proba(lazy[rows])[place], alone)
    whole = model.predict_proba(lazy)
    assert np.array_equal(whole[700], alone)
    assert np.array_equal(whole[::-7], model.predict_proba(lazy[::-7]))


def test_narrow_networks_on_small_windows_keep_every_bit_too():
    # small matrices are where kernels have edges: here a batch of several windows gave other last bits by place
    rng = np.random.default_rng(0)
    windows, labels = rng.normal(size=(60, 6, 5)).astype(np.float32), rng.integers(0, 3, 60)
    narrow = create("tcn", channels=8, epochs_max=1).fit(windows, labels)
    whole = narrow.predict_proba(windows)
    for row in range(60):
        assert np.array_equal(narrow.predict_proba(windows[row : row + 1])[0], whole[row])
        assert np.array_equal(narrow.predict_proba(windows[max(0, row - 5) : row + 1])[-1], whole[row])


def test_no_more_than_a_few_windows_are_ever_materialised(lazy, monkeypatch):
    most = []
    original = LazyWindows.materialised

    def _counting(self):
        most.append(len(self))
        return original(self)

    monkeypatch.setattr(LazyWindows, "materialised", _counting)
    monkeypatch.setattr(LazyWindows, "__array__", None)
    labels = np.random.default_rng(5).integers(-1, 2, len(lazy))
    model = create("tcn", epochs_max=1).fit(lazy, labels, eval_set=(lazy[:100], labels[:100]))
    assert most == []
    model.predict_proba(lazy)
    assert most == [512, 512, 276]


def test_loading_and_predicting_draw_nothing(model, lazy):
    torch.manual_seed(3)
    loaded = model_from_files(model.to_files())
    proba = loaded.predict_proba(lazy[:20])
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert np.array_equal(proba, model.predict_proba(lazy[:20]))


def test_network_that_predicts_has_the_weights_that_are_saved(model, lazy):
    tensors = model._fitted.state.tensors
    windows = torch.from_numpy(lazy[:3].materialised())
    trained = model._network(3, (STEPS, COLUMNS)).eval()
    trained.load_state_dict({n.removeprefix("network."): t for n, t in tensors.items() if n != "log_prior"})
    logits = trained(windows).detach().double().numpy() + tensors["log_prior"].numpy()
    by_hand = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(model.predict_proba(lazy[:3]), by_hand, atol=1e-6)
