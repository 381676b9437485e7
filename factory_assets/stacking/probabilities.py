"""Class columns and frames of predictions: p_down, p_flat, p_up for the labels -1, 0, +1."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us

COLUMNS: MappingProxyType[int, str] = MappingProxyType({-1: "p_down", 0: "p_flat", 1: "p_up"})
"""Probability column of each label, in column order."""

LABELS: tuple[int, ...] = tuple(COLUMNS)
VAL_FOLD = -1


def predictions_frame(
    *, decision_us: np.ndarray, fold: np.ndarray, probabilities: np.ndarray, label: np.ndarray, weight: np.ndarray
) -> pd.DataFrame:
    """Frame of ``oof_<model>`` and ``val_<model>`` (``schemas.predictions_schema``, without the partition columns).

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times.
    fold : ndarray of int, shape (N,)
        Fold whose training part never saw the row; -1 for val.
    probabilities : ndarray of float64, shape (N, 3)
        Of the labels -1, 0, +1.
    label : ndarray of int, shape (N,)
        Outcomes.
    weight : ndarray of float64, shape (N,)
        Sample weights.
    """
    columns = {
        "decision_time": from_us(decision_us),
        "fold": np.asarray(fold, dtype=np.int64),
        **{name: probabilities[:, place].astype(np.float64) for place, name in enumerate(COLUMNS.values())},
        "label": np.asarray(label, dtype=np.int8),
        "weight": np.asarray(weight, dtype=np.float64),
    }
    return pd.DataFrame(columns)


def probabilities_of(frame: pd.DataFrame) -> np.ndarray:
    """The three probability columns of a frame, float64, shape (N, 3)."""
    return frame[list(COLUMNS.values())].to_numpy(dtype=np.float64)


def label_columns(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """A model's class columns as the three label columns, shape (N, 3).

    Raises
    ------
    BadInputError
        If the model was fitted on other classes than -1, 0 and +1: its probabilities would leave an outcome out.
    """
    if tuple(classes.tolist()) != LABELS:
        raise BadInputError(f"model of classes {classes.tolist()}: expected one fitted on all of {list(LABELS)}")
    return probabilities
