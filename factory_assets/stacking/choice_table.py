"""The choices of many fits as one table, and the check that none is missing and the released ones are those used."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.adapters.choice_record import CHOSEN, FeatureChoice
from factory_assets.stacking.cross_fit import KFOLD
from factory_assets.stacking.probabilities import VAL_FOLD
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.verdict import Verdict

_TRAIN, _FOLD = "train", "fold_"


def choice_rows(choices: Mapping[str, Mapping[str, FeatureChoice]]) -> pd.DataFrame:
    """Rows of ``feature_choice``: one a base model, fit and candidate.

    Parameters
    ----------
    choices : mapping of str to mapping of str to FeatureChoice
        By model and fit: ``fold_0``, ``fold_1``, ... and ``train``, which is fold -1.

    Returns
    -------
    DataFrame
        Columns of ``schemas.FEATURE_CHOICE`` without the partition's, in its order of rows.

    Raises
    ------
    BadInputError
        A fit of another name, or no choice at all.
    """
    rows = [
        (
            model,
            _fold_of(fit),
            fate.column,
            choice.set_name,
            fate.reason in CHOSEN,
            fate.reason,
            fate.cluster,
            fate.representative,
            fate.correlation,
            fate.masked_share,
        )
        for model, fits in choices.items()
        for fit, choice in fits.items()
        for fate in choice.fates
    ]
    if not rows:
        raise BadInputError("feature_choice: no fit chose among any columns; expected at least one")
    names = (
        "model", "fold", "column_name", "feature_set", "chosen", "reason", "cluster", "representative", "correlation",
        "masked_share",
    )  # fmt: skip
    return pd.DataFrame(rows, columns=list(names)).sort_values(["model", "fold", "column_name"], ignore_index=True)


def choices_verdict(rows: pd.DataFrame, splits_frame: pd.DataFrame, released: Mapping[str, Sequence[str]]) -> Verdict:
    """Whether the table holds every fit of every base model, and says of the released fits what their files say.

    Parameters
    ----------
    rows : DataFrame
        The ``feature_choice`` table.
    splits_frame : DataFrame
        ``scheme`` and ``fold`` of the ``splits`` table.
    released : mapping of str to sequence of str
        Columns each model's fit on train reads, by its files.

    Returns
    -------
    Verdict
        ``choices_complete``.
    """
    folds = {int(fold) for fold in np.unique(splits_frame.loc[splits_frame["scheme"].astype(str) == KFOLD, "fold"])}
    wanted = {(model, fold) for model in released for fold in {*folds, VAL_FOLD}}
    found = set(zip(rows["model"].astype(str), rows["fold"].astype(int), strict=True))
    repeated = int(rows.duplicated(["model", "fold", "column_name"]).sum())
    final = rows[rows["chosen"] & (rows["fold"] == VAL_FOLD)]
    said = {str(model): {*own["column_name"].astype(str)} for model, own in final.groupby("model", observed=True)}
    other = sorted(model for model, columns in released.items() if said.get(model, set()) != {*columns})
    return Verdict(
        name="choices_complete",
        passed=found == wanted and not repeated and not other and bool(wanted),
        summary=f"{len(rows)} rows of {len(found)} fits, {len(wanted)} expected: {len(wanted - found)} fits lacking, "
        f"{len(found - wanted)} too many, {repeated} rows repeated; models whose released files read other columns: "
        f"{', '.join(other) or 'none'}",
        details={"rows": len(rows), "fits": len(found), "lacking": len(wanted - found), "repeated": repeated},
    )


def _fold_of(fit: str) -> int:
    if fit == _TRAIN:
        return VAL_FOLD
    number = fit.removeprefix(_FOLD)
    if not fit.startswith(_FOLD) or not number.isdigit():
        raise BadInputError(f"feature_choice: a fit named {fit!r}, expected {_FOLD}0, {_FOLD}1, ... or {_TRAIN}")
    return int(number)
