"""The tabular adapter: one row a decision, columns from several timeframes, each as last known at the decision."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.adapters.feature_rows import FeatureRows
from factory_assets.market.as_of import as_of_index
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.timeframes import features_name


def column_name(feature: str, minutes: int) -> str:
    """Name of a feature of one timeframe in the tabular row, e.g. ``rsi_14__15min``."""
    return f"{feature}__{minutes}min"


def build_tabular(
    decision_us: np.ndarray,
    trade_day: np.ndarray,
    features: Mapping[int, pd.DataFrame],
    pool: Mapping[int, Sequence[str]],
) -> pd.DataFrame:
    """Join every pooled feature to the decisions by the latest ``close_time`` at or before the decision.

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing.
    trade_day : ndarray of int32, shape (N,)
        Session of each decision, days since 1970.
    features : mapping of int to DataFrame
        Timeframe in minutes to its ``features_*`` table, sorted by ``close_time``.
    pool : mapping of int to sequence of str
        Timeframe in minutes to the features it lends, in the order of the columns.

    Returns
    -------
    DataFrame
        ``decision_time``, ``trade_date``, then one float32 column a pooled feature, named by :func:`column_name`. NaN
        where the feature is warming up or no bar of that timeframe has closed yet. Known at the decision.

    Raises
    ------
    UnknownNameError
        The pool names a timeframe without a table or a feature the table lacks; all of them in one message.
    BadInputError
        Times that do not increase, arrays of different lengths, an empty pool, or a feature pooled twice.
    """
    if len(trade_day) != len(decision_us):
        raise BadInputError(f"tabular: {len(trade_day)} trade days for {len(decision_us)} decisions")
    names = [column_name(feature, minutes) for minutes, chosen in pool.items() for feature in chosen]
    rows = {minutes: FeatureRows.of(table, features_name(minutes)) for minutes, table in features.items()}
    frame = pd.DataFrame(tabular_values(decision_us, rows, pool), columns=names, copy=False)
    frame.insert(0, "decision_time", from_us(decision_us))
    frame.insert(1, "trade_date", from_days(trade_day))
    return frame


def tabular_values(
    decision_us: np.ndarray, features: Mapping[int, FeatureRows], pool: Mapping[int, Sequence[str]]
) -> np.ndarray:
    """The columns of :func:`build_tabular` alone, float32 of shape (N, F): what a decision's members read of it.

    Parameters and errors as there.
    """
    _check_times(decision_us, "decision times")
    _refuse_what_cannot_be_gathered(features, pool)
    # column-major: each feature is gathered into, and later read from, contiguous memory
    columns = sum(len(chosen) for chosen in pool.values())
    values = np.full((len(decision_us), columns), np.nan, dtype=np.float32, order="F")
    place = 0
    closes_us = [features[minutes].close_us for minutes in pool]
    for (minutes, chosen), rows in zip(pool.items(), as_of_index(decision_us, closes_us), strict=True):
        known = rows[int(np.searchsorted(rows, 0)) :]
        late = slice(len(values) - len(known), None)
        for feature in chosen:
            values[late, place] = features[minutes].columns[feature][known]
            place += 1
    return values


def _refuse_what_cannot_be_gathered(features: Mapping[int, FeatureRows], pool: Mapping[int, Sequence[str]]) -> None:
    unknown = [f"no table of {minutes} minutes" for minutes in pool if minutes not in features]
    repeated, columns = [], 0
    for minutes, chosen in pool.items():
        columns += len(chosen)
        known = features[minutes].columns if minutes in features else set(chosen)
        unknown += [f"{name} of {minutes}min" for name in chosen if name not in known]
        if len(set(chosen)) < len(chosen):
            repeated += [column_name(name, minutes) for name, times in Counter(chosen).items() if times > 1]
    if unknown:
        raise UnknownNameError(f"tabular pool: {', '.join(unknown)}; materialize features first or correct the pool")
    if not columns or repeated:
        raise BadInputError(f"tabular pool: {columns} columns, repeated {repeated}; expected each feature once")


def _check_times(times: np.ndarray, what: str) -> None:
    stuck = np.flatnonzero(np.diff(times) <= 0)
    if len(stuck):
        raise BadInputError(f"tabular: {what} have to increase strictly; row {stuck[0] + 1} does not")
