"""Phase 5: from feature tables to what a model is handed.

Belongs here: which columns of which timeframe make a row, the as-of join of their values to decision times, which base
bars make a decision's window, the shape handed over
(:class:`factory_assets.vocabulary.container.TimeSeriesDataContainer`), scaling fitted on a training part, and the
independent checks of all of it. Does not: computing features (:mod:`factory_assets.features`), deciding which rows
train (:mod:`factory_assets.splits`), fitting models (:mod:`factory_assets.models`).
"""

from factory_assets.adapters.container import container_of, sequence_container
from factory_assets.adapters.fold_windows import fold_windows_verdict
from factory_assets.adapters.invariants import ScalerCase, adapter_invariants, scaler_invariants
from factory_assets.adapters.scaling import FittedScaler
from factory_assets.adapters.sequence import build_sequence, window_index, windows_of
from factory_assets.adapters.sequence_invariants import sequence_invariants
from factory_assets.adapters.tabular import build_tabular, column_name

__all__ = [
    "FittedScaler",
    "ScalerCase",
    "adapter_invariants",
    "build_sequence",
    "build_tabular",
    "column_name",
    "container_of",
    "fold_windows_verdict",
    "scaler_invariants",
    "sequence_container",
    "sequence_invariants",
    "window_index",
    "windows_of",
]
