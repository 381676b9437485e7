"""What a member learns from: rows fitted on, the tail early stopping watches, the columns chosen, and their scaler."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factory_assets.adapters.choice_record import FeatureChoice
from factory_assets.adapters.feature_choice import choose_columns
from factory_assets.adapters.feature_sets import Candidates
from factory_assets.adapters.scaling import FittedScaler
from factory_assets.models.registry import entry
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.settings import SplitSettings


@dataclass(frozen=True, kw_only=True)
class TrainingPart:
    """Rows of one fit, with the columns it reads, and their scaler.

    Attributes
    ----------
    fit : TimeSeriesDataContainer
        Rows the model and the scaler are fitted on, unscaled.
    watched : TimeSeriesDataContainer or None
        The purged tail early stopping watches, unscaled; None for a model without early stopping.
    scaler : FittedScaler
        Fitted on ``fit`` alone.
    choice : FeatureChoice or None
        How the columns were chosen, from ``fit`` alone; None where all columns are read.
    """

    fit: TimeSeriesDataContainer
    watched: TimeSeriesDataContainer | None
    scaler: FittedScaler
    choice: FeatureChoice | None = None


def training_part(
    model_name: str,
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    rows: np.ndarray | None = None,
    settings: SplitSettings,
    clock_us: np.ndarray,
    watch_tail: bool = True,
    candidates: Candidates | None = None,
) -> TrainingPart:
    """Choose rows and columns of a fit and fit their scaler: the only way from a container to what is learnt from.

    A model that stops early is fitted on the part without its last ``early_stop_tail_share``, purged by
    ``purge_bars``, and watches that tail. A model that does not is fitted on the whole part. Columns are chosen on the
    rows to fit on (:func:`factory_assets.adapters.choose_columns`), and so are the numbers of the scaler; of windows,
    it knows the rows that any window fitted on shows, each once.

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
    candidates : Candidates, optional
        Set to choose columns of; None reads all columns of ``data``.

    Raises
    ------
    BadInputError
        As many kinds as columns are needed; or the rows do not let as many columns be chosen as the set asks for.
    TooLittleHistoryError
        No tail can be cut off.
    """
    declared = entry(model_name)
    columns = len(data.feature_names)
    if len(kinds) != columns:
        raise BadInputError(f"{model_name}: {columns} columns but {len(kinds)} scaling kinds")
    places = np.arange(len(data)) if rows is None else data.positions(rows)
    fit_rows, tail_rows = places, None
    if declared.stops_early and watch_tail:
        of_fit, of_tail = early_stop_tail(
            data.t0_us[places],
            data.t1_us[places],
            share=settings.early_stop_tail_share,
            purge=settings.purge_bars,
            clock=clock_us,
        )
        fit_rows, tail_rows = places[of_fit], places[of_tail]
    kind_of, choice = dict(zip(data.feature_names, kinds, strict=True)), None
    if candidates is not None:
        choice = choose_columns(data.features, data.feature_names, candidates, rows=fit_rows)
        data = data.of_columns(choice.columns)
    fit = data.take(fit_rows)
    used = [kind_of[name] if declared.scaling == "catalogue" else "none" for name in fit.feature_names]
    return TrainingPart(
        fit=fit,
        watched=None if tail_rows is None else data.take(tail_rows),
        scaler=FittedScaler.fit(fit.features, used, fit.feature_names),
        choice=choice,
    )
