"""What every adapter hands to every model: features, labels, intervals and weights under one index of decisions.

Belongs here: the container and its cuts. Does not: joining tables into one (:mod:`factory_assets.adapters`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.sample_roles import SampleRoles
from factory_assets.vocabulary.torch_samples import TorchSamples
from factory_assets.vocabulary.windows import LazyWindows


@dataclass(frozen=True, kw_only=True)
class TimeSeriesDataContainer:
    """Samples of one partition in decision order; every array has length N along its first axis.

    Attributes
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing. The join key between models.
    features : ndarray of float32, shape (N, F), or LazyWindows, shape (N, T, F)
        Values known at the decision (adapter tabular), or the window of base bars that ends with it (adapter sequence);
        NaN where a warm-up masks the cell, and in windows where there is no row to show.
    feature_names : tuple of str
        Names along F, in both cases.
    label : ndarray of int8, shape (N,)
        -1, 0 or +1.
    t0_us, t1_us : ndarray of int64, shape (N,)
        Label intervals, closed on both ends; what purging works on.
    weight : ndarray of float64, shape (N,)
        Sample weights.
    trade_day : ndarray of int32, shape (N,)
        Session of the decision, days since 1970; what resampling works on.
    roles : SampleRoles, optional
        What each sample may be used for in the hold-out and in every purged fold; cuts carry it along. None where no
        splits table speaks of the samples: decisions of a live or sealed period.
    """

    decision_us: np.ndarray
    features: np.ndarray | LazyWindows
    feature_names: tuple[str, ...]
    label: np.ndarray
    t0_us: np.ndarray
    t1_us: np.ndarray
    weight: np.ndarray
    trade_day: np.ndarray
    roles: SampleRoles | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not share one index of increasing decision times."""
        n = len(self.decision_us)
        arrays: tuple[str, ...] = ("features", "label", "t0_us", "t1_us", "weight", "trade_day")
        arrays += () if self.roles is None else ("roles",)
        wrong = {name: len(getattr(self, name)) for name in arrays if len(getattr(self, name)) != n}
        if wrong:
            raise BadInputError(f"container of {n} decisions: arrays of other lengths {wrong}")
        if self.features.shape[-1] != len(self.feature_names):
            raise BadInputError(f"container: {self.features.shape[-1]} columns but {len(self.feature_names)} names")
        if n > 1 and not bool(np.all(np.diff(self.decision_us) > 0)):
            raise BadInputError("container: decision times have to increase strictly")

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.decision_us)

    @property
    def assigned(self) -> SampleRoles:
        """:attr:`roles`.

        Raises
        ------
        BadInputError
            Samples no splits table speaks of.
        """
        if self.roles is None:
            raise BadInputError(
                f"container of {len(self)} decisions: no splits table speaks of them, so they have no split and no "
                "fold; hand over roles (factory_assets.splits.sample_roles)"
            )
        return self.roles

    @property
    def split(self) -> np.ndarray:
        """Period of each sample, text of shape (N,): ``train`` or ``val``. Raises as :attr:`assigned`."""
        return self.assigned.split

    @property
    def fold(self) -> np.ndarray:
        """Fold that tests each sample, int64 of shape (N,); -1 for val. Raises as :attr:`assigned`."""
        return self.assigned.fold

    @property
    def store(self) -> np.ndarray:
        """Rows the values live in, shape (R, F): the features themselves, or what windows look at."""
        return self.features.store if isinstance(self.features, LazyWindows) else self.features

    def with_store(self, values: np.ndarray) -> "TimeSeriesDataContainer":
        """The same samples over other values, which stand where :attr:`store` stands now, row by row.

        Raises
        ------
        BadInputError
            Values of another shape.
        """
        if values.shape != self.store.shape:
            raise BadInputError(f"container: values of shape {values.shape} for a store of {self.store.shape}")
        if isinstance(self.features, LazyWindows):
            return replace(self, features=replace(self.features, store=values))
        return replace(self, features=values)

    def store_rows(self, rows: np.ndarray | Sequence[int]) -> np.ndarray:
        """Which rows of :attr:`store` the samples at these positions (or under this mask) show, bool, shape (R,)."""
        index = self.positions(rows)
        if isinstance(self.features, LazyWindows):
            return self.features[index].used_rows()
        shown = np.zeros(len(self), dtype=bool)
        shown[index] = True
        return shown

    @staticmethod
    def positions(rows: np.ndarray | Sequence[int]) -> np.ndarray:
        """Positions in decision order of positions in any order or of a boolean mask."""
        index = np.asarray(rows)
        if index.size == 0:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(index) if index.dtype == bool else np.sort(index)

    def take(self, rows: np.ndarray | Sequence[int]) -> "TimeSeriesDataContainer":
        """Samples at the given positions (sorted into decision order) or under a boolean mask."""
        index = self.positions(rows)
        return TimeSeriesDataContainer(
            decision_us=self.decision_us[index],
            features=self.features[index],
            feature_names=self.feature_names,
            label=self.label[index],
            t0_us=self.t0_us[index],
            t1_us=self.t1_us[index],
            weight=self.weight[index],
            trade_day=self.trade_day[index],
            roles=None if self.roles is None else self.roles.take(index),
        )

    def of_columns(self, names: Sequence[str]) -> "TimeSeriesDataContainer":
        """The same samples with these columns alone, in this order; rows or the windows' store are copied once.

        All columns in their own order are the container itself.

        Raises
        ------
        BadInputError
            Columns the container lacks, or one named twice.
        """
        wanted = tuple(names)
        if wanted == self.feature_names:
            return self
        place_of = {name: place for place, name in enumerate(self.feature_names)}
        lacking = [name for name in wanted if name not in place_of]
        if lacking or len(set(wanted)) < len(wanted):
            raise BadInputError(
                f"container of {len(place_of)} columns: {len(lacking)} of the {len(wanted)} wanted are not among them, "
                f"the first {lacking[:5]}, {len(wanted) - len(set(wanted))} are named twice; make both from one pool"
            )
        places = np.array([place_of[name] for name in wanted], dtype=np.int64)
        if isinstance(self.features, LazyWindows):
            return replace(self, features=self.features.of_columns(places), feature_names=wanted)
        return replace(self, features=np.take(self.features, places, axis=1), feature_names=wanted)

    def of_split(self, split: str) -> "TimeSeriesDataContainer":
        """Samples of a period, ``train`` or ``val``.

        ``train`` is the whole period: rows next to val are among it whose outcomes reach into val. Predict them out of
        fold, but fit what val judges on ``of_hold_out("train")``.

        Raises
        ------
        BadInputError
            Another name, or samples without roles.
        """
        return self.take(self.assigned.in_split(split))

    def of_hold_out(self, role: str) -> "TimeSeriesDataContainer":
        """Samples with a role in the hold-out: ``train`` (may be learnt from when val is judged), ``purged``, ``val``.

        Raises
        ------
        BadInputError
            Another role, or samples without roles.
        """
        return self.take(self.assigned.in_hold_out(role))

    def of_fold(self, fold: int, role: str) -> "TimeSeriesDataContainer":
        """Samples with a role in a purged fold.

        Parameters
        ----------
        fold : int
            Number of the fold, from 0.
        role : str
            ``train``: what may be learnt from when the fold's ``test`` rows are judged; ``purged`` and ``embargoed``
            rows lie too near to those and are in neither.

        Raises
        ------
        BadInputError
            Another fold or role, or samples without roles.
        """
        return self.take(self.assigned.in_fold(fold, role))

    def to_numpy(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features (N, F) or (N, T, F), labels (N,) and weights (N,).

        Of a part: ``data.of_fold(0, "test").to_numpy()``. Windows are materialised: N x T x F values. Take a few
        samples first, or use :meth:`to_torch`.
        """
        return np.asarray(self.features), self.label, self.weight

    def to_torch(self) -> TorchSamples:
        """The samples as a map-style dataset of torch tensors, gathered when asked for; unscaled, as they are here."""
        return TorchSamples(self.features, self.label, self.weight)

    def to_pandas(self) -> pd.DataFrame:
        """One row a decision: decision_time, the features (of a window its newest row), label and weight.

        With roles, ``split`` and ``fold`` too.
        """
        rows = self.features.newest() if isinstance(self.features, LazyWindows) else self.features
        frame = pd.DataFrame(rows, columns=list(self.feature_names))
        frame.insert(0, "decision_time", from_us(self.decision_us))
        frame["label"], frame["weight"] = self.label, self.weight
        if self.roles is not None:
            frame["split"], frame["fold"] = self.split, self.fold
        return frame
