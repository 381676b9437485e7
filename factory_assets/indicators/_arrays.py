"""Checks every public entry of the package makes on its arrays before a kernel sees them."""

from typing import Any

import numpy as np

from factory_assets.vocabulary.errors import BadInputError


def as_float(values: Any, what: str) -> np.ndarray:
    """One-dimensional contiguous float64 copy-on-need of ``values``."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BadInputError(f"{what}: expected one dimension, got shape {array.shape}; pass one column")
    return array


def check_window(window: int, what: str, least: int = 1) -> None:
    """Refuse a window that holds too few rows for the statistic."""
    if window < least:
        raise BadInputError(f"{what}: expected a window of at least {least} rows, got {window}")


def check_finite(**arrays: np.ndarray) -> None:
    """Refuse unequal lengths and non-finite values, all columns in one message."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise BadInputError(f"arrays of one set of bars have different lengths: {lengths}")
    problems = []
    for name, array in arrays.items():
        bad = np.flatnonzero(~np.isfinite(array))
        if len(bad):
            problems.append(f"{name}: {len(bad)} non-finite values, the first at row {bad[0]}")
    if problems:
        raise BadInputError(
            "; ".join(problems) + ". A recursive indicator never recovers from one: quarantine such bars first."
        )
