"""Fit one member on one training part; early stopping watches a purged tail of that part and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from factory_assets.adapters.scaling import FittedScaler
from factory_assets.models.registry import create, entry
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.stacking.member import FittedMember
from factory_assets.stacking.probabilities import LABELS
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError, TooLittleHistoryError
from factory_assets.vocabulary.settings import SplitSettings


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
    """Scaler and model fitted on a training part.

    A model that stops early is fitted on the part without its last ``early_stop_tail_share``, purged by
    ``purge_bars``, and watches that tail with the tail's own sample weights. A model that does not is fitted on the
    whole part. The scaler is fitted on exactly the rows the model is fitted on.

    Parameters
    ----------
    model_name : str
        Registry name.
    params : mapping
        Changes of the registry's defaults; a ``seed`` here wins over ``seed``.
    train : TimeSeriesDataContainer
        The training part: rows of the fold being scored are not in it. In K-fold it may lie on both sides of that fold.
    kinds : sequence of str, length F
        Scaling kind of each column; models whose entry scales nothing ignore it.
    settings : SplitSettings
        Purge and tail share.
    clock_us : ndarray of int64, shape (C,)
        Every scheduled base-bar close over the part's span.
    seed : int
        Seed of the fit.

    Raises
    ------
    BadInputError
        As many kinds as columns are needed.
    TooLittleHistoryError
        No tail can be cut off, or a label does not occur among the rows to fit on.
    """
    declared = entry(model_name)
    columns = len(train.feature_names)
    if len(kinds) != columns:
        raise BadInputError(f"{model_name}: {columns} columns but {len(kinds)} scaling kinds")
    fit, tail = train, None
    if declared.stops_early:
        fit_rows, tail_rows = early_stop_tail(
            train.t0_us, train.t1_us, share=settings.early_stop_tail_share, purge=settings.purge_bars, clock=clock_us
        )
        fit, tail = train.take(fit_rows), train.take(tail_rows)
    counts = {label: int(np.count_nonzero((fit.label == label) & (fit.weight > 0))) for label in LABELS}
    if 0 in counts.values():
        raise TooLittleHistoryError(
            f"{model_name}: the {len(fit)} rows to fit on hold labels {counts}; every outcome has to occur. "
            "Give it more sessions or other barriers."
        )
    used = list(kinds) if declared.scaling == "catalogue" else ["none"] * columns
    scaler = FittedScaler.fit(fit.features, used, train.feature_names)
    model = create(model_name, **{"seed": seed, **params})
    watched = None if tail is None else (scaler.transform(tail.features), tail.label, tail.weight)
    model.fit(scaler.transform(fit.features), fit.label, sample_weight=fit.weight, eval_set=watched)
    return FittedMember(scaler=scaler, model=model, feature_names=train.feature_names)
