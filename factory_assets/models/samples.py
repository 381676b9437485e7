"""What a fit is given, validated: finite features, integer classes, finite weights, one canonical order of rows."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows

Features: TypeAlias = np.ndarray | LazyWindows


@dataclass(frozen=True)
class Samples:
    """Validated samples of a fit.

    Attributes
    ----------
    features : ndarray of float32 or float64, shape (N, F), or LazyWindows, shape (N, T, F)
        Finite values.
    target : ndarray of int64, shape (N,)
        Position of each label in the model's ``classes_``.
    weight : ndarray of float64, shape (N,)
        Finite, positive.
    """

    features: Features
    target: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.target)

    @property
    def table(self) -> np.ndarray:
        """Features of a model of single rows, shape (N, F)."""
        assert isinstance(self.features, np.ndarray), "windows have no table"
        return self.features

    @property
    def windows(self) -> LazyWindows:
        """Features of a sequence model, shape (N, T, F)."""
        assert isinstance(self.features, LazyWindows), "rows have no windows"
        return self.features


def checked_features(values: Any, dimensions: int, what: str) -> Features:
    """Finite floats with the given number of dimensions; float32 stays float32, the rest becomes float64.

    Windows, dense or lazy, come back lazy: what is checked is the rows some window shows, and ``pad`` where one does.

    Raises
    ------
    BadInputError
        Another number of dimensions, no columns, values that are no numbers, NaN or infinities.
    """
    array = values if isinstance(values, LazyWindows) else np.asarray(values)
    if array.ndim != dimensions:
        raise BadInputError(f"{what}: expected {dimensions} dimensions (rows first), got shape {array.shape}")
    if 0 in array.shape[1:]:
        raise BadInputError(f"{what}: expected at least one value a row, got shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise BadInputError(f"{what}: expected numbers, got dtype {array.dtype}")
    if array.dtype != np.float32:
        array = array.mapped(_as_float64) if isinstance(array, LazyWindows) else _as_float64(array)
    if isinstance(array, LazyWindows) or dimensions == 3:
        windows = array if isinstance(array, LazyWindows) else LazyWindows.of_array(array)
        _refuse_holes_in_windows(windows, what)
        return windows
    if not np.isfinite(array).all():
        bad = ~np.isfinite(array)
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise BadInputError(
            f"{what}: {int(bad.sum())} values are NaN or infinite, first at row {row}, column {column}; "
            "fill masked cells before the fit (adapters.scaling does)"
        )
    return array


def checked_samples(
    features: Features, labels: Any, sample_weight: Any, classes: np.ndarray | None, what: str
) -> tuple[Samples, np.ndarray]:
    """Samples in canonical order and the sorted classes their targets point into.

    Rows of weight 0 are absent samples: they are left out, and so is a class that only they carry.

    Parameters
    ----------
    features : ndarray, shape (N, F), or LazyWindows, shape (N, T, F)
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
    ordered = features[order]
    if isinstance(ordered, np.ndarray):
        ordered = np.ascontiguousarray(ordered)
    return Samples(ordered, samples.target[order], weight[order]), classes


def canonical_order(samples: Samples) -> np.ndarray:
    """Positions that put rows into an order of their contents, whatever order they came in.

    Sums of floating-point numbers, histograms and sub-samples depend on the order of rows; a fit that starts from this
    order does not. Rows that compare equal are equal in every byte, so their order cannot matter. Windows are put into
    the order of their contents too, whatever store they lie in.
    """
    n = len(samples)
    features = samples.features
    content = _window_ranks(features) if isinstance(features, LazyWindows) else _one_zero(features.reshape(n, -1))
    columns = [content, samples.target[:, None], samples.weight[:, None]]
    rows = np.concatenate([column.view(np.uint8).reshape(n, -1) for column in columns], axis=1)
    return np.argsort(_void_rows(rows), kind="stable")


def _window_ranks(windows: LazyWindows) -> np.ndarray:
    """Per step the rank of its row among the distinct rows, shape (N, T): orders windows as their contents would.

    Big-endian, so that ranks compare as their bytes do: extra rows in a store shift ranks but never their order.
    """
    used = windows.compacted()
    rows = _one_zero(np.concatenate([used.store, used.pad[None]]))  # positions() says -1, the last row, for pad
    _, ranks = np.unique(_void_rows(rows), return_inverse=True)
    return ranks.astype(">i8")[used.positions()]


def _one_zero(rows: np.ndarray) -> np.ndarray:
    """-0.0 becomes 0.0: one value, one spelling."""
    return np.ascontiguousarray(rows + 0.0)


def _void_rows(rows: np.ndarray) -> np.ndarray:
    """Each row as one value that is compared byte by byte, shape (N,)."""
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()


def _as_float64(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64, copy=False)


def _refuse_holes_in_windows(windows: LazyWindows, what: str) -> None:
    wrong = ~np.isfinite(windows.store).all(axis=1)
    before = np.concatenate([[0], np.cumsum(wrong)])
    padded = windows.last - windows.first + 1 < windows.length
    holed = (before[windows.last + 1] > before[windows.first]) | (padded & ~np.isfinite(windows.pad).all())
    if not holed.any():
        return
    row = int(np.argmax(holed))
    step, column = (int(i) for i in np.argwhere(~np.isfinite(windows[row : row + 1].materialised()[0]))[0])
    raise BadInputError(
        f"{what}: {int(holed.sum())} windows show NaN or infinite values, first at row {row}, column {column}, step "
        f"{step}; fill masked cells and the pad before the fit (adapters.scaling does)"
    )


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
