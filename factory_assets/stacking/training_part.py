"""What a member learns from: the rows fitted on, the tail watched by early stopping, and the scaler of the former."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factory_assets.adapters.scaling import FittedScaler
from factory_assets.models.registry import entry
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.settings import SplitSettings


@dataclass(frozen=True, kw_only=True)
class TrainingPart:
    """Rows of one fit and their scaler.

    Attributes
    ----------
    fit : TimeSeriesDataContainer
        Rows the model and the scaler are fitted on, unscaled.
    watched : TimeSeriesDataContainer or None
        The purged tail early stopping watches, unscaled; None for a model without early stopping.
    scaler : FittedScaler
        Fitted on ``fit`` alone.
    """

    fit: TimeSeriesDataContainer
    watched: TimeSeriesDataContainer | None
    scaler: FittedScaler


def training_part(
    model_name: str,
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    rows: np.ndarray | None = None,
    settings: SplitSettings,
    clock_us: np.ndarray,
    watch_tail: bool = True,
) -> TrainingPart:
    """Choose the rows of a fit and fit their scaler: the only way from a container to what a member learns from.

    A model that stops early is fitted on the part without its last ``early_stop_tail_share``, purged by
    ``purge_bars``, and watches that tail. A model that does not is fitted on the whole part. Of windows, the scaler
    knows the rows that any window fitted on shows, each once.

    Parameters
    ----------
    model_name : str
        Registry name; its entry says whether it stops early and whether it is scaled.
    data : TimeSeriesDataContainer
        Rows of the partition; only those at ``rows`` are looked at.
    kinds : sequence of str, length F
        Scaling kind of each column; models whose entry scales nothing ignore it.
    rows : ndarray of int, optional
        Positions of the training part in ``data``: no row that is scored, nothing purged or embargoed. None takes all.
        In K-fold the part may lie on both sides of the fold being scored.
    settings : SplitSettings
        Purge and tail share.
    clock_us : ndarray of int64, shape (C,)
        Every scheduled base-bar close over the part's span.
    watch_tail : bool
        False fits on the whole part and watches nothing: the number of rounds is then somebody else's choice.

    Raises
    ------
    BadInputError
        As many kinds as columns are needed.
    TooLittleHistoryError
        No tail can be cut off.
    """
    declared = entry(model_name)
    columns = len(data.feature_names)
    if len(kinds) != columns:
        raise BadInputError(f"{model_name}: {columns} columns but {len(kinds)} scaling kinds")
    fit, watched = data if rows is None else data.take(rows), None
    if declared.stops_early and watch_tail:
        fit_rows, tail_rows = early_stop_tail(
            fit.t0_us, fit.t1_us, share=settings.early_stop_tail_share, purge=settings.purge_bars, clock=clock_us
        )
        fit, watched = fit.take(fit_rows), fit.take(tail_rows)
    used = list(kinds) if declared.scaling == "catalogue" else ["none"] * columns
    return TrainingPart(fit=fit, watched=watched, scaler=FittedScaler.fit(fit.features, used, data.feature_names))
