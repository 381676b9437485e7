"""Seeded sets of samples the checks fit on; small, scaled, with what can be learnt known.

The worlds have the shape the entry's adapter hands over: rows (N, F), or short windows (N, T, F) whose signal lies
inside the window and not in its newest row alone.
"""

from dataclasses import dataclass

import numpy as np

from factory_assets.models.registry import entry
from factory_assets.vocabulary.windows import LazyWindows

_STEPS, _SIGNAL_STEPS = 8, 3


@dataclass(frozen=True)
class World:
    """Samples drawn from a known rule, in two parts.

    Attributes
    ----------
    features, labels, weights : ndarray
        Training part, shapes (N, F) or (N, T, F), (N,), (N,).
    later_features, later_labels : ndarray
        Samples to judge on, drawn alike.
    later_signal : ndarray
        What can be known of each later label: standard normal, the higher the higher the class.
    """

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    later_features: np.ndarray
    later_labels: np.ndarray
    later_signal: np.ndarray


def sample_shape(name: str, columns: int, steps: int = _STEPS) -> tuple[int, ...]:
    """Shape of one sample of ``columns`` columns, as the model's adapter hands it over."""
    return (columns,) if entry(name).dimensions == 2 else (steps, columns)


def planted(
    name: str,
    *,
    classes: int = 3,
    rows: int = 1200,
    later: int = 1200,
    columns: int = 6,
    steps: int = _STEPS,
    seed: int = 3,
) -> World:
    """Ordered classes -1, 0, 1, ... cut from the first column plus noise: about half of the variance is signal.

    In windows it is the first column's sum over the newest steps, scaled to unit variance.
    """
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows + later, *sample_shape(name, columns, steps))).astype(np.float32)
    signal = features[:, 0] if features.ndim == 2 else features[:, -_SIGNAL_STEPS:, 0].sum(axis=1) / _SIGNAL_STEPS**0.5
    score = signal + rng.normal(scale=0.8, size=len(features))
    cuts = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    labels = np.searchsorted(cuts, score) - 1
    weights = rng.uniform(0.5, 1.5, size=rows)
    return World(features[:rows], labels[:rows], weights, features[rows:], labels[rows:], signal[rows:])


def null(name: str, *, seed: int = 5, rows: int = 1200) -> World:
    """The planted world with its labels shuffled: nothing can be learnt."""
    world = planted(name, seed=seed, rows=rows)
    rng = np.random.default_rng(seed)
    return World(
        world.features,
        rng.permutation(world.labels),
        world.weights,
        world.later_features,
        rng.permutation(world.later_labels),
        world.later_signal,
    )


def overlapping_windows(*, rows: int, windows: int, columns: int = 4, seed: int = 11) -> LazyWindows:
    """Windows that share rows of one store, in no order, some with fewer rows than steps and a pad before them."""
    rng = np.random.default_rng(seed)
    last = rng.permutation(rows)[:windows].astype(np.int64)
    reach = np.where(rng.random(windows) < 0.3, rng.integers(0, _STEPS, windows), _STEPS - 1)
    return LazyWindows(
        store=rng.normal(size=(rows, columns)).astype(np.float32),
        last=last,
        first=np.maximum(last - reach, 0).astype(np.int64),
        length=_STEPS,
        pad=np.linspace(-0.5, 0.5, columns, dtype=np.float32),
    )


def log_loss_rows(probabilities: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Log loss of each row in nats, shape (N,)."""
    chosen = probabilities[np.arange(len(labels)), np.searchsorted(classes, labels)]
    return -np.log(np.maximum(chosen, 1e-12))
