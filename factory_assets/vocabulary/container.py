"""What every adapter hands to every model: features, labels, intervals and weights under one index of decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us


@dataclass(frozen=True, kw_only=True)
class TimeSeriesDataContainer:
    """Samples of one partition in decision order; every array has length N along its first axis.

    Attributes
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing. The join key between models.
    features : ndarray of float32, shape (N, F)
        Values known at the decision; NaN where a warm-up masks the cell.
    feature_names : tuple of str
        Names along F.
    label : ndarray of int8, shape (N,)
        -1, 0 or +1.
    t0_us, t1_us : ndarray of int64, shape (N,)
        Label intervals, closed on both ends; what purging works on.
    weight : ndarray of float64, shape (N,)
        Sample weights.
    trade_day : ndarray of int32, shape (N,)
        Session of the decision, days since 1970; what resampling works on.
    """

    decision_us: np.ndarray
    features: np.ndarray
    feature_names: tuple[str, ...]
    label: np.ndarray
    t0_us: np.ndarray
    t1_us: np.ndarray
    weight: np.ndarray
    trade_day: np.ndarray

    def __post_init__(self) -> None:
        """Refuse arrays that do not share one index of increasing decision times."""
        n = len(self.decision_us)
        arrays = ("features", "label", "t0_us", "t1_us", "weight", "trade_day")
        wrong = {name: len(getattr(self, name)) for name in arrays if len(getattr(self, name)) != n}
        if wrong:
            raise BadInputError(f"container of {n} decisions: arrays of other lengths {wrong}")
        if self.features.shape[1] != len(self.feature_names):
            raise BadInputError(f"container: {self.features.shape[1]} columns but {len(self.feature_names)} names")
        if n > 1 and not bool(np.all(np.diff(self.decision_us) > 0)):
            raise BadInputError("container: decision times have to increase strictly")

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.decision_us)

    def take(self, rows: np.ndarray | Sequence[int]) -> "TimeSeriesDataContainer":
        """Samples at the given positions (sorted into decision order) or under a boolean mask."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else np.sort(index)
        return TimeSeriesDataContainer(
            decision_us=self.decision_us[index],
            features=self.features[index],
            feature_names=self.feature_names,
            label=self.label[index],
            t0_us=self.t0_us[index],
            t1_us=self.t1_us[index],
            weight=self.weight[index],
            trade_day=self.trade_day[index],
        )

    def to_numpy(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features (N, F), labels (N,) and weights (N,)."""
        return self.features, self.label, self.weight

    def to_pandas(self) -> pd.DataFrame:
        """One row a decision: decision_time, the features, label and weight."""
        frame = pd.DataFrame(self.features, columns=list(self.feature_names))
        frame.insert(0, "decision_time", from_us(self.decision_us))
        frame["label"], frame["weight"] = self.label, self.weight
        return frame
