"""Fit one member on one training part; early stopping watches a purged tail of that part and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from factory_assets.models.registry import create
from factory_assets.stacking.member import FittedMember
from factory_assets.stacking.probabilities import LABELS
from factory_assets.stacking.training_part import training_part
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import TooLittleHistoryError
from factory_assets.vocabulary.settings import SplitSettings


@dataclass(frozen=True, kw_only=True)
class MemberFit:
    """A fitted member and the record, taken at the fit, of the rows it learnt from.

    Attributes
    ----------
    member : FittedMember
        Scaler and model.
    fit_decision_us : ndarray of int64
        Decision times of the rows scaler and model were fitted on.
    watched_decision_us : ndarray of int64
        Decision times of the rows early stopping watched; empty without early stopping.
    """

    member: FittedMember
    fit_decision_us: np.ndarray
    watched_decision_us: np.ndarray

    @property
    def seen_decision_us(self) -> np.ndarray:
        """Decision times of every row that shaped the member: fitted on or watched."""
        return np.concatenate([self.fit_decision_us, self.watched_decision_us])


def fit_recorded(
    model_name: str,
    params: Mapping[str, Any],
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    rows: np.ndarray | None = None,
    settings: SplitSettings,
    clock_us: np.ndarray,
    seed: int,
) -> MemberFit:
    """Scaler and model fitted on a training part, with the record of its rows.

    Rows and scaler come from :func:`factory_assets.stacking.training_part`; the watched tail counts with its own
    sample weights.

    Parameters
    ----------
    model_name, data, kinds, rows, settings, clock_us
        As for :func:`factory_assets.stacking.training_part`.
    params : mapping
        Changes of the registry's defaults; a ``seed`` here wins over ``seed``.
    seed : int
        Seed of the fit.

    Raises
    ------
    BadInputError
        As many kinds as columns are needed.
    TooLittleHistoryError
        No tail can be cut off, or a label does not occur among the rows to fit on.
    """
    part = training_part(model_name, data, kinds, rows=rows, settings=settings, clock_us=clock_us)
    fit, tail, scaler = part.fit, part.watched, part.scaler
    counts = {label: int(np.count_nonzero((fit.label == label) & (fit.weight > 0))) for label in LABELS}
    if 0 in counts.values():
        raise TooLittleHistoryError(
            f"{model_name}: the {len(fit)} rows to fit on hold labels {counts}; every outcome has to occur. "
            "Give it more sessions or other barriers."
        )
    model = create(model_name, **{"seed": seed, **params})
    watched = None if tail is None else (scaler.transform(tail.features), tail.label, tail.weight)
    model.fit(scaler.transform(fit.features), fit.label, sample_weight=fit.weight, eval_set=watched)
    return MemberFit(
        member=FittedMember(scaler=scaler, model=model, feature_names=data.feature_names),
        fit_decision_us=fit.decision_us,
        watched_decision_us=np.empty(0, dtype=np.int64) if tail is None else tail.decision_us,
    )


def fit_member(
    model_name: str,
    params: Mapping[str, Any],
    train: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
    seed: int,
) -> FittedMember:
    """Member of :func:`fit_recorded` on all rows of ``train``, for those who publish nothing and keep no record.

    Parameters
    ----------
    model_name, params, kinds, settings, clock_us, seed
        As for :func:`fit_recorded`.
    train : TimeSeriesDataContainer
        The training part.
    """
    return fit_recorded(model_name, params, train, kinds, settings=settings, clock_us=clock_us, seed=seed).member
