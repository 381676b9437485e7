"""The tabular adapter: one row a decision, columns from several timeframes, each as last known at the decision."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.market.as_of import as_of_index
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days, from_us, times_us

_BARS_AT_ONCE = 64
"""Bars of a table whose features are gathered together, which one live decision gains by; more go column by column."""


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
    _check_times(decision_us, "decision times")
    if len(trade_day) != len(decision_us):
        raise BadInputError(f"tabular: {len(trade_day)} trade days for {len(decision_us)} decisions")
    names = _pooled_names(features, pool)
    # column-major: each feature is gathered into, and later read from, contiguous memory
    values = np.full((len(decision_us), len(names)), np.nan, dtype=np.float32, order="F")
    closes_us = [_close_us(features[minutes], minutes) for minutes in pool]
    place = 0
    for (minutes, chosen), rows in zip(pool.items(), as_of_index(decision_us, closes_us), strict=True):
        known = rows[int(np.searchsorted(rows, 0)) :]
        into = values[len(values) - len(known) :, place : place + len(chosen)]
        _gather(features[minutes], chosen, known, into=into)
        place += len(chosen)
    frame = pd.DataFrame(values, columns=names, copy=False)
    frame.insert(0, "decision_time", from_us(decision_us))
    frame.insert(1, "trade_date", from_days(trade_day))
    return frame


def _gather(table: pd.DataFrame, chosen: Sequence[str], rows: np.ndarray, *, into: np.ndarray) -> None:
    """Write the chosen features at increasing rows of a table into float32 columns, shape (len(rows), len(chosen))."""
    begin, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    if end - begin <= _BARS_AT_ONCE:
        bars = table.iloc[begin:end].take(table.columns.get_indexer(list(chosen)), axis=1)
        into[:] = bars.to_numpy(dtype=np.float32)[rows - begin]
        return
    for place, feature in enumerate(chosen):
        into[:, place] = table[feature].to_numpy(dtype=np.float32)[rows]


def _pooled_names(features: Mapping[int, pd.DataFrame], pool: Mapping[int, Sequence[str]]) -> list[str]:
    """Column names in pool order, after refusing what cannot be gathered."""
    unknown = [f"no table of {minutes} minutes" for minutes in pool if minutes not in features]
    for minutes in pool:
        if minutes in features:
            unknown += [f"{name} of {minutes}min" for name in pool[minutes] if name not in features[minutes].columns]
    if unknown:
        raise UnknownNameError(f"tabular pool: {', '.join(unknown)}; materialize features first or correct the pool")
    names = [column_name(feature, minutes) for minutes, chosen in pool.items() for feature in chosen]
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if not names or repeated:
        raise BadInputError(f"tabular pool: {len(names)} columns, repeated {repeated}; expected each feature once")
    return names


def _close_us(table: pd.DataFrame, minutes: int) -> np.ndarray:
    close_us = times_us(table["close_time"], f"features_{minutes}min close_time")
    _check_times(close_us, f"features_{minutes}min close_time")
    return close_us


def _check_times(times: np.ndarray, what: str) -> None:
    stuck = np.flatnonzero(np.diff(times) <= 0)
    if len(stuck):
        raise BadInputError(f"tabular: {what} have to increase strictly; row {stuck[0] + 1} does not")
