"""From the splits table to positions in a container, by decision time."""

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us


def fold_rows(splits_frame: pd.DataFrame, decision_us: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Train and test positions of each purged fold, in order of the folds.

    Parameters
    ----------
    splits_frame : DataFrame
        The ``splits`` table; purged and embargoed rows are in neither part.
    decision_us : ndarray of int64, shape (N,)
        Decision times of the container of train rows: exactly those of the table.

    Raises
    ------
    BadInputError
        Decisions that only one of the two holds.
    """
    return [(rows["train"], rows["test"]) for rows in _rows(splits_frame, "purged_kfold", decision_us)]


def hold_out_rows(splits_frame: pd.DataFrame, decision_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Train and val positions of the hold-out; purged rows are in neither part.

    Parameters
    ----------
    splits_frame : DataFrame
        The ``splits`` table.
    decision_us : ndarray of int64, shape (N,)
        Decision times of the container of train and val rows: exactly those of the table.

    Raises
    ------
    BadInputError
        Decisions that only one of the two holds.
    """
    (rows,) = _rows(splits_frame, "hold_out", decision_us)
    return rows["train"], rows["val"]


def _rows(splits_frame: pd.DataFrame, scheme: str, decision_us: np.ndarray) -> list[dict[str, np.ndarray]]:
    chosen = splits_frame[splits_frame["scheme"].astype(str) == scheme]
    keys, role = times_us(chosen["decision_time"], "splits decision_time"), chosen["role"].astype(str).to_numpy()
    fold = chosen["fold"].to_numpy()
    folds = []
    for number in np.unique(fold):
        here = fold == number
        missing = len(np.setdiff1d(keys[here], decision_us))
        extra = len(np.setdiff1d(decision_us, keys[here]))
        if missing or extra or int(here.sum()) != len(decision_us):
            raise BadInputError(
                f"{scheme}, fold {number}: {missing} decisions of the splits table are not among the samples, {extra} "
                f"samples are not in the table, {int(here.sum())} rows for {len(decision_us)} samples; make both from "
                "one labels table"
            )
        place = pd.Index(decision_us).get_indexer_for(keys[here])
        names = ("train", "test", "val")
        folds.append({name: np.sort(place[role[here] == name]) for name in names})
    if not folds:
        raise BadInputError(f"the splits table holds no rows of scheme {scheme}")
    return folds
