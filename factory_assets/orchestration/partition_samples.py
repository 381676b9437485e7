"""The sample of one partition as the models see it: train and val containers, folds as positions, scaling kinds."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from factory_assets.adapters import column_name, container_of
from factory_assets.features import catalogue
from factory_assets.features.pools import tabular_pool
from factory_assets.labels import normalised
from factory_assets.orchestration.materialization import Materialization
from factory_assets.stacking import fold_rows, hold_out_rows
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import LABELS, SPLITS, TABULAR
from factory_assets.vocabulary.settings import AdapterSettings


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Train and val of one partition.

    Attributes
    ----------
    labels, splits : DataFrame
        The tables they come from.
    development : TimeSeriesDataContainer
        Sampled decisions of train and val; weights are average uniqueness with mean 1 over train.
    train_rows, val_rows : ndarray of int
        Positions of the two periods in ``development``.
    fit_rows : ndarray of int
        Positions in ``development`` that may be learnt from when val is predicted: train rows the hold-out keeps.
    folds : list of (ndarray, ndarray)
        Positions in ``train`` of each purged fold's training and test rows.
    kinds : tuple of str
        Scaling kind of each column, from the feature catalogue.
    """

    labels: pd.DataFrame
    splits: pd.DataFrame
    development: TimeSeriesDataContainer
    train_rows: np.ndarray
    val_rows: np.ndarray
    fit_rows: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    kinds: tuple[str, ...]

    @cached_property
    def train(self) -> TimeSeriesDataContainer:
        """Samples of the training period."""
        return self.development.take(self.train_rows)

    @cached_property
    def val(self) -> TimeSeriesDataContainer:
        """Samples of the val period."""
        return self.development.take(self.val_rows)


def read_samples(part: Materialization) -> Samples:
    """Join labels, splits and the tabular rows of a partition by decision time.

    Raises
    ------
    BadInputError
        Decisions that not all three tables hold, or a tabular table made under other ``[adapters]`` settings.
    """
    labels, splits, rows = part.read(LABELS.name), part.read(SPLITS.name), part.read(TABULAR.name)
    sample = labels[labels["event"]].sort_values("decision_time", ignore_index=True)
    decision_us = times_us(sample["decision_time"])
    fit_rows, val_rows = hold_out_rows(splits, decision_us)
    train_rows = np.setdiff1d(np.arange(len(sample)), val_rows)
    uniqueness = sample["uniqueness"].to_numpy(dtype=np.float64)
    weights = np.empty(len(sample))
    weights[train_rows] = normalised(uniqueness[train_rows])
    weights[val_rows] = uniqueness[val_rows] / uniqueness[train_rows].mean()
    development = container_of(rows, sample, weights)
    return Samples(
        labels=labels,
        splits=splits,
        development=development,
        train_rows=train_rows,
        val_rows=val_rows,
        fit_rows=fit_rows,
        folds=fold_rows(splits, decision_us[train_rows]),
        kinds=_kinds(part.settings.adapters, development.feature_names),
    )


def _kinds(settings: AdapterSettings, names: tuple[str, ...]) -> tuple[str, ...]:
    """Scaling kind of each tabular column; the table has to be the one these settings make."""
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    pool = tabular_pool(settings.tabular_primary_minutes, settings.tabular_other_minutes)
    kind_of = {column_name(name, minutes): scaling[name] for minutes, chosen in pool.items() for name in chosen}
    if tuple(kind_of) != names:
        strange = [name for name in names if name not in kind_of]
        lacking = [name for name in kind_of if name not in names]
        raise BadInputError(
            f"tabular was made under other [adapters] settings or features: it holds {len(names)} columns, "
            f"{len(kind_of)} are wanted now; not wanted: {', '.join(strange[:3]) or 'none'}, lacking: "
            f"{', '.join(lacking[:3]) or 'none'}{'' if strange or lacking else ' (another order)'}. "
            "Materialize tabular again, or take the settings back."
        )
    return tuple(kind_of[name] for name in names)
