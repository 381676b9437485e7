"""Seeded sets of samples the checks fit on; small, scaled, with what can be learnt known."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class World:
    """Samples drawn from a known rule, in two parts.

    Attributes
    ----------
    features, labels, weights : ndarray
        Training part, shapes (N, F), (N,), (N,).
    later_features, later_labels : ndarray
        Samples to judge on, drawn alike.
    """

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    later_features: np.ndarray
    later_labels: np.ndarray


def planted(*, classes: int = 3, rows: int = 1200, later: int = 1200, columns: int = 6, seed: int = 3) -> World:
    """Ordered classes -1, 0, 1, ... cut from the first column plus noise: about half of the variance is signal."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows + later, columns)).astype(np.float32)
    score = features[:, 0] + rng.normal(scale=0.8, size=len(features))
    cuts = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    labels = np.searchsorted(cuts, score) - 1
    weights = rng.uniform(0.5, 1.5, size=rows)
    return World(features[:rows], labels[:rows], weights, features[rows:], labels[rows:])


def null(*, seed: int = 5, rows: int = 1200) -> World:
    """The planted world with its labels shuffled: nothing can be learnt."""
    world = planted(seed=seed, rows=rows)
    rng = np.random.default_rng(seed)
    return World(
        world.features,
        rng.permutation(world.labels),
        world.weights,
        world.later_features,
        rng.permutation(world.later_labels),
    )


def log_loss_rows(probabilities: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Log loss of each row in nats, shape (N,)."""
    chosen = probabilities[np.arange(len(labels)), np.searchsorted(classes, labels)]
    return -np.log(np.maximum(chosen, 1e-12))
