"""The trainer: both losses by hand, what it leaves behind, refusals, precision, batches."""

import random

import numpy as np
import pytest
import torch

from factory_assets.models import create
from factory_assets.models.checks.worlds import log_loss_rows, overlapping_windows, planted
from factory_assets.models.neural.batches import WindowBatches
from factory_assets.models.neural.isolation import Runtime, isolated_fit
from factory_assets.models.neural.trainer import derived_seed
from factory_assets.models.samples import Samples
from factory_assets.vocabulary.errors import FitError


@pytest.fixture(scope="module")
def world():
    return planted("tcn", rows=300, later=200)


def _weighted_loss(model, features, labels, weights, train_labels, train_weights):
    """Mean of -log q weighted by sample weight x W / (K W_c), q the posterior before prior correction; by hand."""
    total = {c: train_weights[train_labels == c].sum() for c in (-1, 0, 1)}
    shares = np.array([total[c] / train_weights.sum() for c in (-1, 0, 1)])
    balanced = model.predict_proba(features) / shares
    balanced /= balanced.sum(axis=1, keepdims=True)
    weight = weights * np.array([train_weights.sum() / (3 * total[c]) for c in labels])
    return (weight * log_loss_rows(balanced, labels, np.array([-1, 0, 1]))).sum() / weight.sum()


def test_both_losses_are_the_class_and_sample_weighted_cross_entropy(world):
    skewed = np.where(world.labels == 1, 0.2, world.weights)
    later_weights = np.random.default_rng(1).uniform(0.1, 3.0, len(world.later_labels))
    model = create("tcn", epochs_max=1, dropout=0.0, learning_rate=1e-6, weight_decay=0.0)
    model.fit(world.features, world.labels, skewed, (world.later_features, world.later_labels, later_weights))
    of = (world.labels, skewed)
    by_hand = _weighted_loss(model, world.later_features, world.later_labels, later_weights, *of)
    assert model.fit_curves_["watched_loss"] == pytest.approx([by_hand], abs=2e-6)
    by_hand = _weighted_loss(model, world.features, world.labels, skewed, *of)
    assert model.fit_curves_["train_loss"] == pytest.approx([by_hand], abs=1e-3)  # the weights moved by one step


def test_without_class_weights_the_loss_is_the_sample_weighted_one_of_the_probabilities(world):
    later_weights = np.random.default_rng(1).uniform(0.1, 3.0, len(world.later_labels))
    model = create("tcn", epochs_max=3, class_weighted=False)
    model.fit(world.features, world.labels, world.weights, (world.later_features, world.later_labels, later_weights))
    losses = log_loss_rows(model.predict_proba(world.later_features), world.later_labels, model.classes_)
    best = model.fit_report_["best_iteration"] - 1
    by_hand = np.average(losses, weights=later_weights)
    assert model.fit_curves_["watched_loss"][best] == pytest.approx(by_hand, abs=2e-6)


def test_stops_after_patience_epochs_without_a_better_loss_and_keeps_the_best(world):
    model = create("tcn", patience=4, learning_rate=5e-3)
    model.fit(world.features, world.labels, eval_set=(world.later_features, world.later_labels))
    watched = model.fit_curves_["watched_loss"]
    best = model.fit_report_["best_iteration"]
    assert best == int(np.argmin(watched)) + 1
    assert len(watched) == len(model.fit_curves_["train_loss"]) == model.fit_report_["epochs"] == best + 4 < 60


def test_generators_and_threads_are_left_as_found(world):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = create("tcn", epochs_max=2).fit(world.features, world.labels)
        model.predict_proba(world.later_features[:3])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    drawn = torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    assert drawn == (torch.rand(1).item(), np.random.rand(), random.random())  # noqa: NPY002


def test_generators_are_left_as_found_by_a_fit_that_fails():
    torch.manual_seed(6)

    def _broken_off():
        with isolated_fit(Runtime(device="cpu", bf16=False)):
            torch.rand(100)
            raise FitError("broken off")

    with pytest.raises(FitError):
        _broken_off()
    drawn = torch.rand(1)
    torch.manual_seed(6)
    assert torch.equal(drawn, torch.rand(1))


def test_seed_and_what_was_drawn_before(world):
    def _bytes(seed):
        return (
            create("tcn", epochs_max=2, seed=seed).fit(world.features, world.labels).to_files()["network.safetensors"]
        )

    first = _bytes(1)
    torch.rand(7)
    assert _bytes(1) == first
    assert _bytes(2) != first
    assert len({derived_seed(seed, epoch) for seed in range(20) for epoch in range(20)}) == 400


def test_loss_that_is_not_finite_is_an_error_that_says_what_to_do(world):
    model = create("tcn", epochs_max=2)
    with pytest.raises(FitError, match=r"epoch 1 .*not finite.*lower learning_rate \(now 0\.001\)"):
        model.fit(world.features * np.float32(3e37), world.labels)
    assert not model.is_fitted


def test_bfloat16_learns_the_same_signal_within_the_stated_tolerance():
    world = planted("tcn")
    half = len(world.later_labels) // 2
    losses = {}
    for bf16 in (False, True):
        model = create("tcn", epochs_max=25)
        model._runtime = Runtime(device="cpu", bf16=bf16)
        watched = (world.later_features[:half], world.later_labels[:half])
        model.fit(world.features, world.labels, world.weights, watched)
        proba = model.predict_proba(world.later_features[half:])
        losses[bf16] = log_loss_rows(proba, world.later_labels[half:], model.classes_).mean()
    assert losses[True] != losses[False]
    assert abs(losses[True] - losses[False]) < 0.05
    assert losses[True] < np.log(3) - 0.1


def test_batches_show_the_windows_in_order_and_are_of_one_size():
    lazy = overlapping_windows(rows=90, windows=67)
    target = np.arange(67) % 3
    weight = np.linspace(0.5, 2.0, 67)
    batches = WindowBatches.of(Samples(lazy, target, weight), np.array([1.0, 2.0, 4.0]), "cpu")
    order = np.random.default_rng(0).permutation(67)
    parts = list(batches.batches(order, 20))
    assert [len(part[1]) for part in parts] == [17, 17, 17, 16]
    windows, targets, weights = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    assert np.array_equal(windows, lazy.materialised()[order])
    assert np.array_equal(targets, target[order])
    by_hand = weight * 2.0**target
    assert np.allclose(weights, (by_hand / by_hand.mean())[order])
