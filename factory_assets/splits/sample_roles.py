"""From the splits table to the roles of a container's samples, by decision time."""

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.sample_roles import ABSENT, ROLES, VAL, SampleRoles


def sample_roles(splits_frame: pd.DataFrame, decision_us: np.ndarray) -> SampleRoles:
    """Roles of samples as the splits table gives them.

    Parameters
    ----------
    splits_frame : DataFrame
        The ``splits`` table, in any order.
    decision_us : ndarray of int64, shape (N,)
        Decision times of the samples, increasing: exactly those of the table.

    Raises
    ------
    BadInputError
        Decisions that only one of the two holds or that repeat, folds that are not numbered from 0, or roles their
        scheme does not have.
    """
    scheme = splits_frame["scheme"].astype(str).to_numpy()
    keys, fold = times_us(splits_frame["decision_time"], "splits decision_time"), splits_frame["fold"].to_numpy()
    role = splits_frame["role"].astype(str).to_numpy()
    if unknown := sorted(set(role.tolist()) - set(ROLES)):
        raise BadInputError(f"the splits table holds unknown roles {unknown}; expected {ROLES}")
    codes = np.array([ROLES.index(name) for name in role], dtype=np.int8)

    def _column(name: str, number: int, wanted_us: np.ndarray) -> np.ndarray:
        here = (scheme == name) & (fold == number)
        order = np.argsort(keys[here], kind="stable")
        if not np.array_equal(keys[here][order], wanted_us):
            missing = len(np.setdiff1d(keys[here], wanted_us))
            extra = len(np.setdiff1d(wanted_us, keys[here]))
            raise BadInputError(
                f"{name}, fold {number}: {missing} decisions of the splits table are not among the samples, {extra} "
                f"samples are not in the table, {int(here.sum())} rows for {len(wanted_us)} samples; make both from "
                "one labels table"
            )
        return codes[here][order]

    hold_out = _column("hold_out", 0, decision_us)
    in_train = hold_out != VAL
    numbers = np.unique(fold[scheme == "purged_kfold"]).tolist()
    if not numbers or numbers != list(range(len(numbers))):
        raise BadInputError(f"the splits table holds the purged folds {numbers}; expected 0, 1, ... without a gap")
    folds = np.full((len(decision_us), len(numbers)), ABSENT, dtype=np.int8)
    for number in numbers:
        folds[in_train, number] = _column("purged_kfold", number, decision_us[in_train])
    return SampleRoles(hold_out=hold_out, folds=folds)
