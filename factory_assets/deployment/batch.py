"""Batch side of a release: probabilities of many decisions at once, and what live has to equal at each of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.deployment.inputs import feature_rows_of, inputs_of
from factory_assets.deployment.release import SEQUENCE, TABULAR, Inputs, Release
from factory_assets.evaluation.trade_rule import decide, expected_values
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.windows import LazyWindows

PROBABILITIES = ("p_down", "p_flat", "p_up")
OUTCOME_MASKS = ("no_entry", "unfinished")
"""Reasons for a missing label that nobody knows at the decision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchRows:
    """What a live run has to say at each of N base bars, with the features it has to say it from.

    Attributes
    ----------
    frame : DataFrame
        ``decision_time``, ``trade_date``, ``p_down``, ``p_flat``, ``p_up``, ``ev_long``, ``ev_short``, ``side``,
        ``eligible``, ``event``, ``event_known``, ``cost``, ``atr``, then the release's tabular columns; one row a base
        bar, in time order. ``eligible`` is eligibility as known at the decision. Where the label is missing for a
        reason of the outcome (:data:`OUTCOME_MASKS`) the table does not say whether the bar was an event:
        ``event_known`` is False.
    columns : tuple of str
        The tabular columns.
    windows : LazyWindows or None
        Window of each row; None if no member of the release reads windows.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    windows: LazyWindows | None

    def __post_init__(self) -> None:
        """Refuse windows of other rows."""
        if self.windows is not None and len(self.windows) != len(self.frame):
            raise BadInputError(f"batch: {len(self.windows)} windows of {len(self.frame)} rows; expected one a row")

    def __len__(self) -> int:
        """Number of base bars."""
        return len(self.frame)

    def take(self, rows: np.ndarray) -> "BatchRows":
        """The rows under a boolean mask or at integer positions, windows with them."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return BatchRows(
            frame=self.frame.iloc[places].reset_index(drop=True),
            columns=self.columns,
            windows=None if self.windows is None else self.windows[places],
        )

    @property
    def inputs(self) -> Inputs:
        """What :meth:`Release.probabilities` takes."""
        rows = self.frame[list(self.columns)].to_numpy(dtype=np.float32)
        return {TABULAR: rows} if self.windows is None else {TABULAR: rows, SEQUENCE: self.windows}


def score(release: Release, tabular: pd.DataFrame, windows: LazyWindows | None = None) -> pd.DataFrame:
    """The stack's probabilities of given decisions.

    Parameters
    ----------
    release : Release
        Fitted stack.
    tabular : DataFrame
        ``decision_time`` and the release's tabular columns, as :func:`factory_assets.adapters.build_tabular` makes
        them; other columns are ignored.
    windows : LazyWindows, optional
        Window of each row, as :func:`factory_assets.deployment.inputs.inputs_of` makes them; needed if a member reads
        windows.

    Returns
    -------
    DataFrame
        ``decision_time``, ``p_down``, ``p_flat``, ``p_up``, one row a row given; known at the decision.

    Raises
    ------
    BadInputError
        Columns or windows missing, or windows of other rows.
    """
    missing = [name for name in ("decision_time", *release.columns) if name not in tabular.columns]
    if missing:
        raise BadInputError(
            f"score {release.contract}|{release.horizon}: {len(missing)} columns missing, the first {missing[:5]}; "
            "build the rows with the release's pool"
        )
    rows = tabular[list(release.columns)].to_numpy(dtype=np.float32)
    probabilities = release.probabilities({TABULAR: rows} if windows is None else {TABULAR: rows, SEQUENCE: windows})
    frame = pd.DataFrame(probabilities, columns=list(PROBABILITIES))
    frame.insert(0, "decision_time", pd.DatetimeIndex(tabular["decision_time"]))
    return frame


def batch_rows(release: Release, labels: pd.DataFrame, features: Mapping[int, pd.DataFrame]) -> BatchRows:
    """What a live run of the release has to say at each base bar, from stored batch tables alone.

    Parameters
    ----------
    release : Release
        Fitted stack and rule.
    labels : DataFrame
        Rows of the ``labels`` table, one a base bar, in time order: ``decision_time``, ``trade_date``, ``mask_reason``,
        ``event``, ``atr``, ``cost``. Outcomes are not read.
    features : mapping of int to DataFrame
        ``features_*`` tables with the columns of :attr:`Release.reads`, history before the first label included.

    Returns
    -------
    BatchRows
        One row a label row.
    """
    decision_us = times_us(labels["decision_time"], "labels decision_time")
    inputs = inputs_of(release, decision_us, feature_rows_of(features))
    found = inputs.get(SEQUENCE)
    windows = found if isinstance(found, LazyWindows) else None
    tabular = pd.DataFrame(np.asarray(inputs[TABULAR]), columns=list(release.columns), copy=False)
    tabular.insert(0, "decision_time", pd.DatetimeIndex(labels["decision_time"]))
    rows = score(release, tabular, windows)
    reason = labels["mask_reason"].astype(str).to_numpy()
    atr, cost = (labels[name].to_numpy(dtype=np.float64) for name in ("atr", "cost"))
    ev_long, ev_short = expected_values(
        rows[list(PROBABILITIES)].to_numpy(),
        atr=atr,
        cost=cost,
        m0_long=release.m0_long,
        m0_short=release.m0_short,
        barriers=release.barriers,
    )
    event = labels["event"].to_numpy(dtype=bool)
    side = np.zeros(len(rows), dtype=np.int8)
    side[event] = decide(ev_long[event], ev_short[event], cost=cost[event], theta=release.theta)
    said = rows.assign(
        trade_date=labels["trade_date"].to_numpy(),
        ev_long=ev_long,
        ev_short=ev_short,
        side=side,
        eligible=~np.isin(reason, ["too_late", "no_atr"]),
        event=event,
        event_known=~np.isin(reason, OUTCOME_MASKS),
        cost=cost,
        atr=atr,
    )
    frame = pd.concat([said, tabular[list(release.columns)]], axis=1)
    return BatchRows(frame=frame, columns=release.columns, windows=windows)
