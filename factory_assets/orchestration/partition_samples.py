"""The sample of one partition as the models see it: rows with roles, scaling kinds, and the columns to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd

from factory_assets.adapters import Candidates, candidates_of, column_name, container_of, sequence_container
from factory_assets.adapters.feature_sets import FeatureSet
from factory_assets.features import catalogue
from factory_assets.features.pools import pool_columns, sequence_pool, tabular_columns
from factory_assets.features.registry import registry
from factory_assets.labels import normalised
from factory_assets.orchestration.materialization import Materialization
from factory_assets.orchestration.series_volume import has_volume
from factory_assets.splits import sample_roles
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import LABELS, SEQUENCE, SPLITS, TABULAR
from factory_assets.vocabulary.settings import AdapterSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, features_name

ADAPTER_READS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tabular": (TABULAR.name,), "sequence": (SEQUENCE.name, features_name(BASE_MINUTES))}
)
"""Upstream tables a model's samples come from beside study, labels and splits, by the adapter it is declared for."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Train and val of one partition.

    Attributes
    ----------
    labels, splits : DataFrame
        The tables they come from.
    development : TimeSeriesDataContainer
        Sampled decisions of train and val with their roles; weights are average uniqueness with mean 1 over train.
    kinds : tuple of str
        Scaling kind of each name along the features' last axis, from the feature catalogue.
    """

    labels: pd.DataFrame
    splits: pd.DataFrame
    development: TimeSeriesDataContainer
    kinds: tuple[str, ...]

    @cached_property
    def train(self) -> TimeSeriesDataContainer:
        """Samples of the training period."""
        return self.development.of_split("train")

    @cached_property
    def val(self) -> TimeSeriesDataContainer:
        """Samples of the val period."""
        return self.development.of_split("val")

    @cached_property
    def train_rows(self) -> np.ndarray:
        """Positions of the training period in ``development``, int64."""
        return np.flatnonzero(self.development.assigned.in_split("train"))

    @cached_property
    def fit_rows(self) -> np.ndarray:
        """Positions in ``development`` that may be learnt from when val is predicted: rows the hold-out keeps."""
        return np.flatnonzero(self.development.assigned.in_hold_out("train"))

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Positions in ``train`` of each purged fold's training and test rows, int64."""
        roles = self.train.assigned
        return [
            (np.flatnonzero(roles.in_fold(fold, "train")), np.flatnonzero(roles.in_fold(fold, "test")))
            for fold in range(roles.folds.shape[1])
        ]


def candidates_in(part: Materialization, wanted: FeatureSet) -> Candidates:
    """Columns that fits of a set choose from in a partition; it declared the set's adapter as upstream.

    Raises
    ------
    ConfigurationError
        As :func:`factory_assets.adapters.candidates_of`.
    """
    return candidates_of(wanted, part.settings.adapters, has_volume=_in_series(part, wanted))


def pool_in(part: Materialization, wanted: FeatureSet) -> tuple[str, ...]:
    """Every column of the pool a set is made of in a partition, eligible or not."""
    columns = pool_columns(wanted.pool, part.settings.adapters, has_volume=_in_series(part, wanted))
    return tuple(column.name for column in columns)


def _in_series(part: Materialization, wanted: FeatureSet) -> bool:
    return has_volume(part, ADAPTER_READS[wanted.adapter][0])


def read_samples(part: Materialization, adapter: str, columns: Sequence[str] | None = None) -> Samples:
    """Join labels, splits and what an adapter made of a partition by decision time.

    Parameters
    ----------
    part : Materialization
        Partition being made; it declared :data:`ADAPTER_READS` of the adapter as upstream.
    adapter : str
        ``tabular`` (features are rows, (N, F)) or ``sequence`` (lazy windows, (N, T, F)).
    columns : sequence of str, optional
        Columns to read, in any order: the features come in the order of the adapter's table. All by default; none at
        all gives samples without features.

    Raises
    ------
    BadInputError
        Decisions that not all tables hold, or an adapter's table made under other ``[adapters]`` settings.
    UnknownNameError
        An adapter the factory does not have, or a column the adapter does not.
    """
    labels, splits = part.read(LABELS.name), part.read(SPLITS.name)
    sample = labels[labels["event"]].sort_values("decision_time", ignore_index=True)
    decision_us = times_us(sample["decision_time"])
    roles = sample_roles(splits, decision_us)
    in_train = roles.in_split("train")
    uniqueness = sample["uniqueness"].to_numpy(dtype=np.float64)
    weights = np.empty(len(sample))
    weights[in_train] = normalised(uniqueness[in_train])
    weights[~in_train] = uniqueness[~in_train] / uniqueness[in_train].mean()
    development, kinds = _development(part, adapter, sample, weights, columns)
    return Samples(labels=labels, splits=splits, development=replace(development, roles=roles), kinds=kinds)


def _development(
    part: Materialization, adapter: str, sample: pd.DataFrame, weights: np.ndarray, columns: Sequence[str] | None
) -> tuple[TimeSeriesDataContainer, tuple[str, ...]]:
    """Container of the sampled decisions of one adapter, and the scaling kinds of its features."""
    settings = part.settings.adapters
    if adapter == "tabular":
        kinds = _kinds(settings, _own_columns(part), in_series=has_volume(part, TABULAR.name))
        names = _wanted(columns, tuple(kinds), adapter)
        rows = part.read(TABULAR.name, columns=["decision_time", "trade_date", *names])
        return container_of(rows, sample, weights), tuple(kinds[name] for name in names)
    if adapter == "sequence":
        names = _wanted(columns, sequence_pool(has_volume=has_volume(part, SEQUENCE.name)), adapter)
        rows = part.read(features_name(BASE_MINUTES), columns=["close_time", *names], until_day=part.study.val_last_day)
        data = sequence_container(
            part.read(SEQUENCE.name), rows, sample, weights, names, window_bars=settings.sequence_window_bars
        )
        return data, tuple(spec.scaling for spec in registry().select(names))
    raise UnknownNameError(f"adapter {adapter!r}: samples can be read of {sorted(ADAPTER_READS)}")


def _wanted(columns: Sequence[str] | None, offered: tuple[str, ...], adapter: str) -> tuple[str, ...]:
    """The columns asked for in the adapter's order."""
    if columns is None:
        return offered
    if strange := sorted({*columns} - {*offered}):
        raise UnknownNameError(f"{adapter}: {len(strange)} columns it does not have, such as {strange[:3]}")
    asked = {*columns}
    return tuple(name for name in offered if name in asked)


def _own_columns(part: Materialization) -> tuple[str, ...]:
    """Feature columns of the tabular table as it was stored."""
    keys = {column.name for column in TABULAR.stored_columns}
    return tuple(name for name in part.columns_of(TABULAR.name) if name not in keys)


def _kinds(settings: AdapterSettings, names: tuple[str, ...], *, in_series: bool = True) -> Mapping[str, str]:
    """Scaling kind of each tabular column; the table has to be the one these settings make."""
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    pool = tabular_columns(settings, has_volume=in_series)
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
    return kind_of
