"""Phase 5: from feature tables to what a model is handed.

Belongs here: which columns of which timeframe make a row, the as-of join of their values to decision times, which base
bars make a decision's window, the shape handed over
(:class:`factory_assets.vocabulary.container.TimeSeriesDataContainer`), named feature sets, what a training part says of
columns before a model sees it (which ones are read, how they are scaled), and the independent checks of all of it. Does
not: computing features (:mod:`factory_assets.features`), deciding which rows train (:mod:`factory_assets.splits`),
fitting models (:mod:`factory_assets.models`).
"""

from factory_assets.adapters.choice_invariants import columns_verdict
from factory_assets.adapters.choice_record import FeatureChoice
from factory_assets.adapters.container import container_of, sequence_container
from factory_assets.adapters.feature_choice import choose_columns
from factory_assets.adapters.feature_sets import Candidates, candidates_of, feature_set
from factory_assets.adapters.fold_windows import fold_windows_verdict
from factory_assets.adapters.invariants import Learnt, ScalerCase, adapter_invariants, scaler_invariants
from factory_assets.adapters.scaling import FittedScaler
from factory_assets.adapters.sequence import build_sequence, window_index, windows_of
from factory_assets.adapters.sequence_invariants import sequence_invariants
from factory_assets.adapters.tabular import build_tabular, column_name

__all__ = [
    "Candidates",
    "FeatureChoice",
    "FittedScaler",
    "Learnt",
    "ScalerCase",
    "adapter_invariants",
    "build_sequence",
    "build_tabular",
    "candidates_of",
    "choose_columns",
    "column_name",
    "columns_verdict",
    "container_of",
    "feature_set",
    "fold_windows_verdict",
    "scaler_invariants",
    "sequence_container",
    "sequence_invariants",
    "window_index",
    "windows_of",
]
