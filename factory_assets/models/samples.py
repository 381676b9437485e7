"""What a fit is given, validated: finite features, integer classes, finite weights, one canonical order of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from factory_assets.vocabulary.errors import BadInputError


@dataclass(frozen=True)
class Samples:
    """Validated samples of a fit.

    Attributes
    ----------
    features : ndarray of float32 or float64, shape (N, ...)
        Finite values.
    target : ndarray of int64, shape (N,)
        Position of each label in the model's ``classes_``.
    weight : ndarray of float64, shape (N,)
        Finite, positive.
    """

    features: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.target)


def checked_features(values: Any, dimensions: int, what: str) -> np.ndarray:
    """Finite float array with the given number of dimensions; float32 stays float32, the rest becomes float64.

    Raises
    ------
    BadInputError
        Another number of dimensions, no columns, values that are no numbers, NaN or infinities.
    """
    array = np.asarray(values)
    if array.ndim != dimensions:
        raise BadInputError(f"{what}: expected {dimensions} dimensions (rows first), got shape {array.shape}")
    if 0 in array.shape[1:]:
        raise BadInputError(f"{what}: expected at least one value a row, got shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise BadInputError(f"{what}: expected numbers, got dtype {array.dtype}")
    array = array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        bad = ~np.isfinite(array.reshape(len(array), -1))
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise BadInputError(
            f"{what}: {int(bad.sum())} values are NaN or infinite, first at row {row}, column {column}; "
            "fill masked cells before the fit (adapters.scaling does)"
        )
    return array


def checked_samples(
    features: np.ndarray, labels: Any, sample_weight: Any, classes: np.ndarray | None, what: str
) -> tuple[Samples, np.ndarray]:
    """Samples in canonical order and the sorted classes their targets point into.

    Rows of weight 0 are absent samples: they are left out, and so is a class that only they carry.

    Parameters
    ----------
    features : ndarray, shape (N, ...)
        Already checked.
    labels : array_like of int, shape (N,)
        Classes, any integers.
    sample_weight : array_like of float, shape (N,), or None
        Weights; None weighs every row 1.
    classes : ndarray of int64 or None
        Classes known from training; None takes them from the labels and asks for two or more.
    what : str
        Name of the set, for messages.

    Raises
    ------
    BadInputError
        Lengths that differ, no rows, labels that are no integers, weights negative, not finite or all zero, fewer
        than two classes, or labels that training has not seen.
    """
    target, weight = np.asarray(labels), _checked_weight(sample_weight, len(features), what)
    if target.shape != (len(features),):
        raise BadInputError(f"{what}: expected {len(features)} labels, one a row, got shape {target.shape}")
    if target.dtype.kind not in "iu":
        raise BadInputError(f"{what}: expected integer classes, got dtype {target.dtype}")
    if len(target) == 0 or not weight.any():
        raise BadInputError(f"{what}: no rows of positive weight among {len(target)}")
    if not weight.all():
        kept = weight > 0
        features, target, weight = features[kept], target[kept], weight[kept]
    target = target.astype(np.int64)
    present = np.unique(target)
    if classes is None:
        classes = present
        if len(classes) < 2:
            raise BadInputError(f"{what}: expected at least two classes, got {classes.tolist()}")
    unseen = np.setdiff1d(present, classes)
    if len(unseen):
        raise BadInputError(f"{what}: labels {unseen.tolist()} are not among the training classes {classes.tolist()}")
    samples = Samples(features, np.searchsorted(classes, target), weight)
    order = canonical_order(samples)
    return Samples(np.ascontiguousarray(features[order]), samples.target[order], weight[order]), classes


def canonical_order(samples: Samples) -> np.ndarray:
    """Positions that put rows into an order of their contents, whatever order they came in.

    Sums of floating-point numbers, histograms and sub-samples depend on the order of rows; a fit that starts from this
    order does not. Rows that compare equal are equal in every byte, so their order cannot matter.
    """
    n = len(samples)
    columns = [
        np.ascontiguousarray(samples.features.reshape(n, -1) + 0.0),  # -0.0 becomes 0.0: one value, one spelling
        samples.target[:, None],
        samples.weight[:, None],
    ]
    rows = np.concatenate([column.view(np.uint8).reshape(n, -1) for column in columns], axis=1)
    return np.argsort(np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel(), kind="stable")


def _checked_weight(sample_weight: Any, n: int, what: str) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    weight = np.asarray(sample_weight)
    if weight.dtype.kind not in "fiub" or weight.shape != (n,):
        raise BadInputError(f"{what}: expected {n} weights, one a row, got {weight.dtype} of shape {weight.shape}")
    weight = weight.astype(np.float64)
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise BadInputError(
            f"{what}: {int(wrong.sum())} weights are negative or not finite, first {weight[first]} at row {first}"
        )
    return weight
