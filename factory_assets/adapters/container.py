"""Features and labels of one partition under one index of decisions, joined by key."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.adapters.feature_rows import FeatureRows
from factory_assets.adapters.sequence import windows_of
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, times_us


def container_of(
    tabular_frame: pd.DataFrame, labels_frame: pd.DataFrame, weights: np.ndarray
) -> TimeSeriesDataContainer:
    """Container of the given labels with their features, joined by ``decision_time``, never by position.

    Parameters
    ----------
    tabular_frame : DataFrame
        The ``tabular`` table; may hold decisions without a label, which are left out.
    labels_frame : DataFrame
        Rows of the ``labels`` table that make the sample, in any order; every one has a label and an interval.
    weights : ndarray of float64, shape (N,)
        Sample weight of each row of ``labels_frame``, in its order.

    Returns
    -------
    TimeSeriesDataContainer
        One sample a label row, in order of decision time.

    Raises
    ------
    BadInputError
        Decision times that repeat on either side, labels without a tabular row, masked labels, sessions that differ, or
        weights that are missing, negative or not finite; all problems in one message.
    """
    rows, outcome = _joined(tabular_frame, labels_frame, weights, "tabular")
    names = [
        name for name in tabular_frame.columns if name not in {"contract", "horizon", "decision_time", "trade_date"}
    ]
    features = tabular_frame[names].to_numpy(dtype=np.float32)[rows]
    return TimeSeriesDataContainer(features=features, feature_names=tuple(names), **outcome)


def sequence_container(
    sequence_frame: pd.DataFrame,
    features_frame: pd.DataFrame,
    labels_frame: pd.DataFrame,
    weights: np.ndarray,
    names: Sequence[str],
    *,
    window_bars: int,
) -> TimeSeriesDataContainer:
    """Container of the given labels with their windows of base bars, joined by time, never by position.

    Parameters
    ----------
    sequence_frame : DataFrame
        The ``sequence`` table; may hold decisions without a label, which are left out.
    features_frame : DataFrame
        The ``features_5min`` table, sorted by ``close_time``; it may reach further back and on than the windows.
    labels_frame, weights
        As for :func:`container_of`.
    names : sequence of str
        Features of a row, in the order of the last axis (:func:`factory_assets.features.pools.sequence_pool`).
    window_bars : int
        T the sequence table was made with.

    Returns
    -------
    TimeSeriesDataContainer
        One sample a label row, in order of decision time; features are lazy windows of shape (N, T, F).

    Raises
    ------
    BadInputError
        As :func:`container_of`; windows whose bars the feature table does not hold or holds another number of, or that
        were made under another ``window_bars``.
    UnknownNameError
        Features the table lacks.
    """
    rows, outcome = _joined(sequence_frame, labels_frame, weights, "sequence")
    held = FeatureRows.of(features_frame, "features")
    closes = pd.Index(held.close_us)
    last, first = (
        closes.get_indexer(times_us(sequence_frame[name], f"sequence {name}")[rows]).astype(np.int64)
        for name in ("last_close", "first_close")
    )
    longest = int(sequence_frame["rows"].max()) if len(sequence_frame) else window_bars
    problems = []
    if absent := int(np.count_nonzero((last < 0) | (first < 0))):
        problems.append(f"{absent} windows begin or end with a bar the feature table does not hold")
    elif torn := int(np.count_nonzero(last - first + 1 != sequence_frame["rows"].to_numpy()[rows])):
        problems.append(f"{torn} windows have another number of bars in the feature table than when they were made")
    if longest != window_bars:
        problems.append(f"the longest window has {longest} bars, {window_bars} are wanted")
    if problems:
        raise BadInputError(
            "container: " + "; ".join(problems) + ". Materialize sequence again, or take the [adapters] settings back."
        )
    windows = windows_of(held.columns, names, last, first, window_bars=window_bars)
    return TimeSeriesDataContainer(features=windows, feature_names=tuple(names), **outcome)


def _joined(
    index_frame: pd.DataFrame, labels_frame: pd.DataFrame, weights: np.ndarray, what: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """Row of an adapter's table for each label in decision order, and the container's fields that come from labels."""
    label_us = times_us(labels_frame["decision_time"], "labels decision_time")
    order = np.argsort(label_us, kind="stable")
    label_us, chosen = label_us[order], labels_frame.iloc[order]
    index_us = times_us(index_frame["decision_time"], f"{what} decision_time")
    rows = pd.Index(index_us).get_indexer_for(label_us) if pd.Index(index_us).is_unique else np.full(0, -1)

    problems = []
    if len(weights) != len(label_us):
        problems.append(f"{len(weights)} weights for {len(label_us)} labels")
    elif not bool(np.all(np.isfinite(weights)) and np.all(np.asarray(weights) >= 0)):
        problems.append("weights that are negative or not finite")
    if repeated := int(np.count_nonzero(np.diff(label_us) == 0)):
        problems.append(f"{repeated} decision times repeated in labels")
    if repeated := len(index_us) - len(np.unique(index_us)):
        problems.append(f"{repeated} decision times repeated in {what}")
    if missing := int(np.count_nonzero(rows < 0)) if len(rows) == len(label_us) else 0:
        problems.append(f"{missing} labels without a {what} row, the first at {label_us[rows < 0][0]} us")
    if masked := int(chosen[["label", "t0", "t1"]].isna().any(axis=1).sum()):
        problems.append(f"{masked} labels without an outcome; keep event and eligible rows only")
    label_day = dates_days(chosen["trade_date"])
    if not problems and bool(np.any(dates_days(index_frame["trade_date"])[rows] != label_day)):
        problems.append(f"labels and {what} disagree on the session of a decision")
    if problems:
        raise BadInputError("container: " + "; ".join(problems))
    return rows, {
        "decision_us": label_us,
        "label": chosen["label"].to_numpy().astype(np.int8),
        "t0_us": times_us(chosen["t0"], "t0"),
        "t1_us": times_us(chosen["t1"], "t1"),
        "weight": np.asarray(weights, dtype=np.float64)[order],
        "trade_day": label_day,
    }
