"""Out-of-fold predictions of one model: every row predicted once, by a member that never saw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.adapters.feature_sets import Candidates
from factory_assets.stacking.fit_members import FitWork, fit_members
from factory_assets.stacking.fit_request import FitRequest
from factory_assets.stacking.member import FittedMember
from factory_assets.stacking.member_fit import MemberFit
from factory_assets.stacking.probabilities import LABELS, VAL_FOLD, predictions_frame
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.settings import SplitSettings

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Predictions keyed by decision time, and the record of what each fold's member saw.

    Attributes
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, increasing.
    fold : ndarray of int64, shape (N,)
        Fold that scored the row.
    probabilities : ndarray of float64, shape (N, 3)
        Of the labels -1, 0, +1.
    label : ndarray of int8, shape (N,)
    weight : ndarray of float64, shape (N,)
    fits : tuple of MemberFit
        One a fold: the member and the rows it was fitted on and watched, as recorded at the fit.
    """

    decision_us: np.ndarray
    fold: np.ndarray
    probabilities: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    fits: tuple[MemberFit, ...]

    @property
    def members(self) -> tuple[FittedMember, ...]:
        """Fitted member of each fold."""
        return tuple(fit.member for fit in self.fits)

    @property
    def seen_decision_us(self) -> Mapping[int, np.ndarray]:
        """Decision times each fold's member was fitted on or watched; for the invariants."""
        return {fold: fit.seen_decision_us for fold, fit in enumerate(self.fits)}

    def to_frame(self) -> pd.DataFrame:
        """Rows of ``oof_<model>``."""
        return predictions_frame(
            decision_us=self.decision_us,
            fold=self.fold,
            probabilities=self.probabilities,
            label=self.label,
            weight=self.weight,
        )


def fold_requests(
    model_name: str,
    params: Mapping[str, Any],
    folds: Folds,
    rows: np.ndarray,
    *,
    seed: int,
    candidates: Candidates | None = None,
) -> list[FitRequest]:
    """A fit for each fold, named ``fold_0``, ``fold_1``, ...

    Parameters
    ----------
    model_name, params, seed, candidates
        As for :func:`factory_assets.stacking.fit_recorded`.
    folds : sequence of (train_rows, test_rows)
        Positions in the training period; the test rows of all folds together are every row exactly once. Whatever
        stands in ``train_rows`` is learnt from, so purging and embargo have happened before.
    rows : ndarray of int, shape (N,)
        Positions of the training period in the container the fits are made from.

    Raises
    ------
    BadInputError
        Test rows that repeat or leave rows out, or a row that is in both parts of one fold.
    """
    _refuse_folds(folds, len(rows))
    return [
        FitRequest(
            name=f"fold_{fold}",
            model_name=model_name,
            params=params,
            seed=seed,
            rows=rows[train_rows],
            candidates=candidates,
        )
        for fold, (train_rows, _) in enumerate(folds)
    ]


def predict_folds(data: TimeSeriesDataContainer, folds: Folds, fits: Sequence[MemberFit]) -> OutOfFold:
    """Predict each fold's test rows by the fold's own fit.

    Parameters
    ----------
    data : TimeSeriesDataContainer
        The training period.
    folds : sequence of (train_rows, test_rows)
        As for :func:`fold_requests`.
    fits : sequence of MemberFit
        One a fold, in their order.

    Raises
    ------
    BadInputError
        Folds that do not test every row once, or another number of fits.
    """
    _refuse_folds(folds, len(data))
    if len(fits) != len(folds):
        raise BadInputError(f"out of fold: {len(fits)} fits for {len(folds)} folds")
    fold_of = np.empty(len(data), dtype=np.int64)
    probabilities = np.empty((len(data), len(LABELS)))
    for fold, ((_, test_rows), fit) in enumerate(zip(folds, fits, strict=True)):
        probabilities[test_rows] = fit.member.predict_samples(data.take(test_rows))
        fold_of[test_rows] = fold
    return OutOfFold(
        decision_us=data.decision_us,
        fold=fold_of,
        probabilities=probabilities,
        label=data.label,
        weight=data.weight,
        fits=tuple(fits),
    )


def out_of_fold(
    model_name: str,
    params: Mapping[str, Any],
    data: TimeSeriesDataContainer,
    folds: Folds,
    kinds: Sequence[str],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
    seed: int,
    candidates: Candidates | None = None,
    work: FitWork | None = None,
) -> OutOfFold:
    """Fit a member a fold and predict the fold's test rows with it.

    Parameters
    ----------
    model_name, params, kinds, settings, clock_us, seed, candidates
        As for :func:`factory_assets.stacking.fit_recorded`.
    data : TimeSeriesDataContainer
        The training period; its rows are what ``folds`` points into.
    folds : sequence of (train_rows, test_rows)
        As for :func:`fold_requests`.
    work : FitWork, optional
        As for :func:`factory_assets.stacking.fit_members`.

    Raises
    ------
    BadInputError
        Test rows that repeat or leave rows out, or a row that is in both parts of one fold.
    TooLittleHistoryError
        A fold too small to fit on.
    """
    requests = fold_requests(model_name, params, folds, np.arange(len(data)), seed=seed, candidates=candidates)
    fits = fit_members(requests, data, kinds, settings=settings, clock_us=clock_us, work=work)
    return predict_folds(data, folds, fits)


def predict_val(member: FittedMember, val: TimeSeriesDataContainer) -> pd.DataFrame:
    """Rows of ``val_<model>``: the val period predicted by a member fitted on train alone (fold -1).

    Raises
    ------
    BadInputError
        If val lacks a column the member reads.
    """
    return predictions_frame(
        decision_us=val.decision_us,
        fold=np.full(len(val), VAL_FOLD),
        probabilities=member.predict_samples(val),
        label=val.label,
        weight=val.weight,
    )


def _refuse_folds(folds: Folds, rows: int) -> None:
    if not folds:
        raise BadInputError("out of fold: no folds were given")
    problems = []
    for fold, (train_rows, test_rows) in enumerate(folds):
        if both := len(np.intersect1d(train_rows, test_rows)):
            problems.append(f"fold {fold}: {both} rows are in both its training and its test part")
    scored = np.concatenate([np.asarray(test_rows, dtype=np.int64) for _, test_rows in folds])
    if len(scored) and (scored.min() < 0 or scored.max() >= rows):
        problems.append(f"positions reach from {scored.min()} to {scored.max()}, the data has {rows} rows")
    else:
        times = np.bincount(scored, minlength=rows)
        if (times != 1).any():
            problems.append(f"{int((times == 0).sum())} rows are in no test part, {int((times > 1).sum())} in several")
    if problems:
        raise BadInputError("out of fold: " + "; ".join(problems))
