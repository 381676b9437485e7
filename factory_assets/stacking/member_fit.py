"""Fit one member on one training part; early stopping watches a purged tail of that part and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from factory_assets.adapters.choice_record import FeatureChoice
from factory_assets.adapters.feature_sets import Candidates
from factory_assets.models.registry import create, entry
from factory_assets.stacking.member import FittedMember
from factory_assets.stacking.probabilities import LABELS
from factory_assets.stacking.training_part import TrainingPart, training_part
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError, TooLittleHistoryError
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
    curves : mapping of str to sequence of float
        Loss of every round by name (``train_loss``, ``watched_loss``): mean cross-entropy in nats, each decision
        counted with its sample weight and, for models that balance the classes, with its class's weight too. Such
        means are comparable between rounds of one fit, not with the log loss of a report. Empty for models without
        rounds and for frozen fits.
    choice : FeatureChoice or None
        How the member's columns were chosen; None where it reads all of its container.
    """

    member: FittedMember
    fit_decision_us: np.ndarray
    watched_decision_us: np.ndarray
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    choice: FeatureChoice | None = None

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
    candidates: Candidates | None = None,
    checkpoints: Path | None = None,
) -> MemberFit:
    """Scaler and model fitted on a training part, with the record of its rows and columns.

    Rows, columns and scaler come from :func:`factory_assets.stacking.training_part`; the watched tail counts with its
    own sample weights.

    Parameters
    ----------
    model_name, data, kinds, rows, settings, clock_us, candidates
        As for :func:`factory_assets.stacking.training_part`.
    params : mapping
        Changes of the registry's defaults; a ``seed`` here wins over ``seed``.
    seed : int
        Seed of the fit.
    checkpoints : Path, optional
        Folder in which a resumable model keeps what a killed fit goes on from; it belongs to this very fit. Models
        that cannot resume ignore it.

    Raises
    ------
    BadInputError
        As many kinds as columns are needed.
    TooLittleHistoryError
        No tail can be cut off, or a label does not occur among the rows to fit on.
    """
    part = training_part(
        model_name, data, kinds, rows=rows, settings=settings, clock_us=clock_us, candidates=candidates
    )
    return _fitted(model_name, {"seed": seed, **params}, part, checkpoints=checkpoints, told=True)


def fit_frozen(
    model_name: str,
    params: Mapping[str, Any],
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    rounds: int | None,
    rows: np.ndarray | None = None,
    settings: SplitSettings,
    clock_us: np.ndarray,
    seed: int,
    candidates: Candidates | None = None,
    checkpoints: Path | None = None,
) -> MemberFit:
    """Scaler and model fitted on all given rows, for a number of rounds that was chosen before.

    Nothing is watched and no loss is reported: the rows may hold outcomes (of the sealed period) of which no statistic
    may leave, and only the fitted member does.

    Parameters
    ----------
    model_name, params, data, kinds, rows, settings, clock_us, seed, candidates, checkpoints
        As for :func:`fit_recorded`. A refit hands over the frozen columns alone, and no candidates.
    rounds : int or None
        Boosting rounds or epochs, e.g. :attr:`FittedMember.rounds` of the member to refit; None exactly for models
        without rounds.

    Raises
    ------
    BadInputError
        Rounds for a model that has none, or none for one that has; or kinds that do not fit the columns.
    TooLittleHistoryError
        A label does not occur among the rows.
    """
    parameter = entry(model_name).rounds_parameter
    if (parameter is None) != (rounds is None):
        raise BadInputError(
            f"{model_name}: got {rounds} rounds for a frozen fit; expected "
            f"{'none, it has no rounds' if parameter is None else 'the number the frozen recipe came to'}"
        )
    chosen = {} if parameter is None else {parameter: rounds}
    part = training_part(
        model_name,
        data,
        kinds,
        rows=rows,
        settings=settings,
        clock_us=clock_us,
        watch_tail=False,
        candidates=candidates,
    )
    return _fitted(model_name, {"seed": seed, **params, **chosen}, part, checkpoints=checkpoints, told=False)


def fit_member(
    model_name: str,
    params: Mapping[str, Any],
    train: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
    seed: int,
    candidates: Candidates | None = None,
) -> FittedMember:
    """Member of :func:`fit_recorded` on all rows of ``train``, for those who publish nothing and keep no record.

    Parameters
    ----------
    model_name, params, kinds, settings, clock_us, seed, candidates
        As for :func:`fit_recorded`.
    train : TimeSeriesDataContainer
        The training part.
    """
    return fit_recorded(
        model_name, params, train, kinds, settings=settings, clock_us=clock_us, seed=seed, candidates=candidates
    ).member


def _fitted(
    model_name: str, params: Mapping[str, Any], part: TrainingPart, *, checkpoints: Path | None, told: bool
) -> MemberFit:
    fit, tail, scaler = part.fit, part.watched, part.scaler
    counts = {label: int(np.count_nonzero((fit.label == label) & (fit.weight > 0))) for label in LABELS}
    if 0 in counts.values():
        raise TooLittleHistoryError(
            f"{model_name}: the {len(fit)} rows to fit on hold labels {counts}; every outcome has to occur. "
            "Give it more sessions or other barriers."
        )
    model = create(model_name, **params)
    if checkpoints is not None and model.entry.resumable:
        model.checkpoint_in(checkpoints)
    watched = None if tail is None else (scaler.transform(tail.features), tail.label, tail.weight)
    model.fit(scaler.transform(fit.features), fit.label, sample_weight=fit.weight, eval_set=watched)
    return MemberFit(
        member=FittedMember(scaler=scaler, model=model, feature_names=fit.feature_names),
        fit_decision_us=fit.decision_us,
        watched_decision_us=np.empty(0, dtype=np.int64) if tail is None else tail.decision_us,
        curves={name: list(losses) for name, losses in model.fit_curves_.items()} if told else {},
        choice=part.choice,
    )
