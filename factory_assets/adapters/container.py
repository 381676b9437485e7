"""Features and labels of one partition under one index of decisions, joined by key."""

import numpy as np
import pandas as pd

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
    label_us = times_us(labels_frame["decision_time"], "labels decision_time")
    order = np.argsort(label_us, kind="stable")
    label_us, chosen = label_us[order], labels_frame.iloc[order]
    tabular_us = times_us(tabular_frame["decision_time"], "tabular decision_time")
    rows = pd.Index(tabular_us).get_indexer_for(label_us) if pd.Index(tabular_us).is_unique else np.full(0, -1)

    problems = []
    if len(weights) != len(label_us):
        problems.append(f"{len(weights)} weights for {len(label_us)} labels")
    elif not bool(np.all(np.isfinite(weights)) and np.all(np.asarray(weights) >= 0)):
        problems.append("weights that are negative or not finite")
    if repeated := int(np.count_nonzero(np.diff(label_us) == 0)):
        problems.append(f"{repeated} decision times repeated in labels")
    if repeated := len(tabular_us) - len(np.unique(tabular_us)):
        problems.append(f"{repeated} decision times repeated in tabular")
    if missing := int(np.count_nonzero(rows < 0)) if len(rows) == len(label_us) else 0:
        problems.append(f"{missing} labels without a tabular row, the first at {label_us[rows < 0][0]} us")
    if masked := int(chosen[["label", "t0", "t1"]].isna().any(axis=1).sum()):
        problems.append(f"{masked} labels without an outcome; keep event and eligible rows only")
    label_day = dates_days(chosen["trade_date"])
    if not problems and bool(np.any(dates_days(tabular_frame["trade_date"])[rows] != label_day)):
        problems.append("labels and tabular disagree on the session of a decision")
    if problems:
        raise BadInputError("container: " + "; ".join(problems))

    names = [
        name for name in tabular_frame.columns if name not in {"contract", "horizon", "decision_time", "trade_date"}
    ]
    return TimeSeriesDataContainer(
        decision_us=label_us,
        features=tabular_frame[names].to_numpy(dtype=np.float32)[rows],
        feature_names=tuple(names),
        label=chosen["label"].to_numpy().astype(np.int8),
        t0_us=times_us(chosen["t0"], "t0"),
        t1_us=times_us(chosen["t1"], "t1"),
        weight=np.asarray(weights, dtype=np.float64)[order],
        trade_day=label_day,
    )
