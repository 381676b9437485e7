"""Batch side of a release: probabilities of many decisions at once, and what live has to equal at each of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.adapters import build_tabular
from factory_assets.deployment.release import Release
from factory_assets.evaluation.trade_rule import decide, expected_values
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, times_us

PROBABILITIES = ("p_down", "p_flat", "p_up")
OUTCOME_MASKS = ("no_entry", "unfinished")
"""Reasons for a missing label that nobody knows at the decision."""


def score(release: Release, tabular: pd.DataFrame) -> pd.DataFrame:
    """The stack's probabilities of given decisions.

    Parameters
    ----------
    release : Release
        Fitted stack.
    tabular : DataFrame
        ``decision_time`` and the release's feature columns, as :func:`factory_assets.adapters.build_tabular` makes
        them; other columns are ignored.

    Returns
    -------
    DataFrame
        ``decision_time``, ``p_down``, ``p_flat``, ``p_up``, one row a row given; known at the decision.

    Raises
    ------
    BadInputError
        Columns missing.
    """
    missing = [name for name in ("decision_time", *release.columns) if name not in tabular.columns]
    if missing:
        raise BadInputError(
            f"score {release.contract}|{release.horizon}: {len(missing)} columns missing, the first {missing[:5]}; "
            "build the rows with the release's pool"
        )
    probabilities = release.probabilities(tabular[list(release.columns)].to_numpy(dtype=np.float32))
    frame = pd.DataFrame(probabilities, columns=list(PROBABILITIES))
    frame.insert(0, "decision_time", tabular["decision_time"].to_numpy())
    frame["decision_time"] = pd.DatetimeIndex(tabular["decision_time"])
    return frame


def batch_rows(release: Release, labels: pd.DataFrame, features: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """What a live run of the release has to say at each base bar, from stored batch tables alone.

    Parameters
    ----------
    release : Release
        Fitted stack and rule.
    labels : DataFrame
        Rows of the ``labels`` table, one a base bar: ``decision_time``, ``trade_date``, ``mask_reason``, ``event``,
        ``atr``, ``cost``. Outcomes are not read.
    features : mapping of int to DataFrame
        ``features_*`` tables of the pool's timeframes, history before the first label included.

    Returns
    -------
    DataFrame
        ``decision_time``, ``trade_date``, ``p_down``, ``p_flat``, ``p_up``, ``ev_long``, ``ev_short``, ``side``,
        ``eligible``, ``event``, ``event_known``, ``cost``, ``atr``, then the release's feature columns.
        ``eligible`` is eligibility as known at the decision. Where the label is missing for a reason of the outcome
        (:data:`OUTCOME_MASKS`) the table does not say whether the bar was an event: ``event_known`` is False.
    """
    tabular = build_tabular(
        times_us(labels["decision_time"], "labels decision_time"),
        dates_days(labels["trade_date"]),
        features,
        release.pool,
    )
    rows = score(release, tabular)
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
    return pd.concat(
        [
            rows.assign(
                trade_date=labels["trade_date"].to_numpy(),
                ev_long=ev_long,
                ev_short=ev_short,
                side=side,
                eligible=~np.isin(reason, ["too_late", "no_atr"]),
                event=event,
                event_known=~np.isin(reason, OUTCOME_MASKS),
                cost=cost,
                atr=atr,
            ),
            tabular[list(release.columns)],
        ],
        axis=1,
    )
