"""Correlation of features that begin at different rows, on all their rows: no sample, so nothing is missed."""

from collections.abc import Sequence

import numpy as np

_CHUNK_ROWS = 32_768
# Below this share of its variance over all rows a column does not move on the rows two columns share: nothing to say.
_STILL_SHARE = 1e-12


def correlation_matrix(columns: Sequence[np.ndarray], first_rows: Sequence[int]) -> np.ndarray:
    """Pearson correlation of every two columns over the rows that follow both of their warm-ups.

    All rows enter, chunk by chunk: a correlation that rests on a handful of extreme rows is found like any other.

    Parameters
    ----------
    columns : sequence of ndarray, each of shape (N,)
        Values of any float type; what stands before a column's first row is not looked at.
    first_rows : sequence of int
        First row of each column that counts; before N.

    Returns
    -------
    ndarray of float64, shape (F, F)
        Symmetric, within [-1, 1], ones on the diagonal; 0 where one of the two does not move on the shared rows, NaN in
        row and column of a feature with a missing or infinite value.
    """
    if not columns:
        return np.zeros((0, 0))
    with np.errstate(invalid="ignore", over="ignore"):
        return _pairwise(columns, np.asarray(first_rows, dtype=np.int64), len(columns[0]))


def _pairwise(columns: Sequence[np.ndarray], starts: np.ndarray, rows: int) -> np.ndarray:
    count = len(columns)
    begins, tier = np.unique(starts, return_inverse=True)
    ends = np.append(begins[1:], rows)
    centre, spread = _size(columns, starts)
    products = np.zeros((count, count))
    sums, squares = np.zeros((count, len(begins))), np.zeros((count, len(begins)))
    for first in range(int(begins[0]), rows, _CHUNK_ROWS):
        last = min(first + _CHUNK_ROWS, rows)
        block = np.empty((count, last - first))
        for k, column in enumerate(columns):
            np.divide(column[first:last] - centre[k], spread[k], out=block[k])
            block[k, : max(int(starts[k]) - first, 0)] = 0.0
        products += block @ block.T
        for k, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            part = block[:, max(int(begin) - first, 0) : max(int(end) - first, 0)]
            sums[:, k] += part.sum(axis=1)
            squares[:, k] += np.einsum("ij,ij->i", part, part)
    # Sums from each beginning to the last row: what a pair shares begins with the later of the two.
    sums, squares = (np.cumsum(each[:, ::-1], axis=1)[:, ::-1] for each in (sums, squares))
    later = np.maximum(tier[:, None], tier[None, :])
    shared = (rows - begins)[later]
    own = np.arange(count)[:, None]
    total, energy = sums[own, later], squares[own, later]
    variance = energy - total**2 / shared
    still = variance <= _STILL_SHARE * shared
    variance = np.where(still, 1.0, variance)
    matrix = (products - total * total.T / shared) / np.sqrt(variance * variance.T)
    matrix = np.clip(np.where(still | still.T, 0.0, matrix), -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _size(columns: Sequence[np.ndarray], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column from its first row on; a column that never moves counts as 1."""
    centre, spread = np.empty(len(columns)), np.empty(len(columns))
    for k, (column, start) in enumerate(zip(columns, starts, strict=True)):
        settled = column[start:].astype(np.float64, copy=False)
        centre[k], spread[k] = settled.mean(), settled.std()
    spread[spread == 0.0] = 1.0
    return centre, spread
