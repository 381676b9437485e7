"""The sample of one partition as the models see it: train and val containers, folds as positions, scaling kinds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.adapters import column_name, container_of
from factory_assets.features import catalogue
from factory_assets.features.pools import tabular_pool
from factory_assets.labels import normalised
from factory_assets.orchestration.materialization import Materialization
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import LABELS, SPLITS, TABULAR


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Train and val of one partition.

    Attributes
    ----------
    labels, splits : DataFrame
        The tables they come from.
    train, val : TimeSeriesDataContainer
        Sampled decisions of each period; weights are average uniqueness with mean 1 over train.
    folds : list of (ndarray, ndarray)
        Positions in ``train`` of each purged fold's training and test rows.
    fit_rows : ndarray of int
        Positions in ``train`` that may be learnt from when val is predicted: the hold-out purges the rest.
    kinds : tuple of str
        Scaling kind of each column, from the feature catalogue.
    """

    labels: pd.DataFrame
    splits: pd.DataFrame
    train: TimeSeriesDataContainer
    val: TimeSeriesDataContainer
    folds: list[tuple[np.ndarray, np.ndarray]]
    fit_rows: np.ndarray
    kinds: tuple[str, ...]


def read_samples(part: Materialization) -> Samples:
    """Join labels, splits and the tabular rows of a partition by decision time."""
    labels, splits, rows = part.read(LABELS.name), part.read(SPLITS.name), part.read(TABULAR.name)
    sample = labels[labels["event"]].reset_index(drop=True)
    role = _hold_out_roles(sample, splits)
    in_val = role == "val"
    uniqueness = sample["uniqueness"].to_numpy(dtype=np.float64)
    weights = np.empty(len(sample))
    weights[~in_val] = normalised(uniqueness[~in_val])
    weights[in_val] = uniqueness[in_val] / uniqueness[~in_val].mean()
    train = container_of(rows, sample[~in_val], weights[~in_val])
    return Samples(
        labels=labels,
        splits=splits,
        train=train,
        val=container_of(rows, sample[in_val], weights[in_val]),
        folds=_folds(train.decision_us, splits),
        fit_rows=np.flatnonzero(role[~in_val] == "train"),
        kinds=_kinds(part, train.feature_names),
    )


def _hold_out_roles(sample: pd.DataFrame, splits: pd.DataFrame) -> np.ndarray:
    hold_out = splits[splits["scheme"] == "hold_out"]
    roles = pd.Series(hold_out["role"].astype(str).to_numpy(), index=times_us(hold_out["decision_time"]))
    found = roles.reindex(times_us(sample["decision_time"]))
    if found.isna().any():
        raise BadInputError(
            f"{int(found.isna().sum())} sampled decisions have no role in the hold-out; materialize splits again"
        )
    return found.to_numpy(dtype=str)


def _folds(decision_us: np.ndarray, splits: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    table = splits[splits["scheme"] == "purged_kfold"]
    position = pd.Index(decision_us)
    folds = []
    for _, rows in table.groupby("fold", sort=True):
        where = position.get_indexer_for(times_us(rows["decision_time"]))
        if (where < 0).any():
            raise BadInputError("the splits hold decisions the sample does not; materialize splits again")
        role = rows["role"].astype(str).to_numpy()
        folds.append((np.sort(where[role == "train"]), np.sort(where[role == "test"])))
    return folds


def _kinds(part: Materialization, names: tuple[str, ...]) -> tuple[str, ...]:
    settings = part.settings.adapters
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    pool = tabular_pool(settings.tabular_primary_minutes, settings.tabular_other_minutes)
    kind_of = {column_name(name, minutes): scaling[name] for minutes, chosen in pool.items() for name in chosen}
    return tuple(kind_of[name] for name in names)
