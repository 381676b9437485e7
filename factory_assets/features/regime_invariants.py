"""Whether stored regime parameters are what they have to be, read off the rows as they are published.

Belongs here: verdicts about the table ``regime_parameters``. Does not: that an estimate is bit-identical without its
own quarter (:mod:`factory_assets.features.regime_causality`), which needs the bars.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.features.listed import listed
from factory_assets.features.regime_estimation import HISTORY_SESSIONS
from factory_assets.features.regime_table import STATE_NAMES
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.verdict import Verdict

PROPER, EARLIER = "regimes_proper", "regimes_known_before"
REGIME_CHECKS = (PROPER, EARLIER)
_TO_COLUMNS = [f"to_{name}" for name in STATE_NAMES]
_SUM_TOLERANCE = 1e-9


def regime_invariants(rows: pd.DataFrame, trade_day: Mapping[int, np.ndarray]) -> list[Verdict]:
    """Both invariants of the table.

    Parameters
    ----------
    rows : DataFrame
        ``regime_parameters`` as published, without ``contract``.
    trade_day : mapping of int to ndarray of int32
        Timeframe in minutes to the session of each of its bars, days since 1970.

    Returns
    -------
    list of Verdict
        ``regimes_proper``: three states a quarter, variances in order, transition probabilities that sum to 1, quarters
        without gaps that cover every session of the bars. ``regimes_known_before``: a quarter has parameters exactly if
        120 complete sessions lie before it, the last of which is the one its parameters are dated with.
    """
    tables = {int(minutes): own for minutes, own in rows.groupby("minutes")}
    improper = {f"{minutes} minutes: {text}" for minutes in trade_day for text in _improper(tables.get(minutes))}
    uncovered = {
        f"{minutes} minutes: sessions outside the quarters"
        for minutes, days in trade_day.items()
        if minutes in tables and not _covered(tables[minutes], days)
    }
    late = {f"{m} minutes, {text}" for m, days in trade_day.items() if m in tables for text in _late(tables[m], days)}
    quarters = rows[rows["state"] == 0]
    known = int(quarters["variance"].notna().sum())
    return [
        Verdict(
            name=PROPER,
            passed=not improper and not uncovered,
            summary=f"{len(quarters)} quarters of {len(tables)} timeframes, {known} with parameters: states in order, "
            f"probabilities that sum to 1, no gap{_except(improper | uncovered)}",
            details={"quarters": len(quarters), "quarters_estimated": known, "failed": listed(improper | uncovered)},
        ),
        Verdict(
            name=EARLIER,
            passed=not late,
            summary=f"{known} quarters estimated from the {HISTORY_SESSIONS} complete sessions before them, "
            f"{len(quarters) - known} without as many have none{_except(late)}",
            details={"quarters_estimated": known, "failed": listed(late)},
        ),
    ]


def _improper(own: pd.DataFrame | None) -> list[str]:
    if own is None:
        return ["no rows"]
    own = own.sort_values(["valid_from", "state"])
    states = len(STATE_NAMES)
    if len(own) % states or (own["state"].to_numpy() != np.tile(np.arange(states), len(own) // states)).any():
        return ["not three states a quarter"]
    begin, end, dated = (dates_days(own[name]).reshape(-1, states) for name in ("valid_from", "valid_to", "trade_date"))
    numbers = own[["variance", *_TO_COLUMNS]].to_numpy(dtype=np.float64).reshape(-1, states, 1 + states)
    missing = np.isnan(numbers)
    known = numbers[~missing.any(axis=(1, 2))]
    variances, moves = known[:, :, 0], known[:, :, 1:]
    broken = {
        "states of one quarter with different dates": any(np.ptp(each, axis=1).any() for each in (begin, end, dated)),
        "quarters that do not follow each other": (begin[1:] != end[:-1]).any() or (end <= begin).any(),
        "parameters of some states only": (missing.any(axis=(1, 2)) != missing.all(axis=(1, 2))).any(),
        "variances not in order": (variances <= 0.0).any() or (np.diff(variances, axis=1) < 0.0).any(),
        "probabilities outside 0 to 1": ((moves <= 0.0) | (moves >= 1.0)).any(),
        "probabilities that do not sum to 1": (np.abs(moves.sum(axis=2) - 1.0) > _SUM_TOLERANCE).any(),
    }
    return [text for text, found in broken.items() if found]


def _covered(own: pd.DataFrame, days: np.ndarray) -> bool:
    return bool(dates_days(own["valid_from"]).min() <= days.min() and days.max() < dates_days(own["valid_to"]).max())


def _late(own: pd.DataFrame, days: np.ndarray) -> list[str]:
    """Quarters estimated from other sessions than those before them, too early, or not although they could be."""
    held = np.unique(days)
    found = []
    for row in own[own["state"] == 0].itertuples():
        begin = np.datetime64(row.valid_from, "D")
        before = held[held < begin.astype(np.int64)]
        wanted = len(before) > HISTORY_SESSIONS
        known = pd.notna(row.variance)
        dated = len(before) == 0 or np.datetime64(row.trade_date, "D").astype(np.int64) == before[-1]
        first = held[-1] if pd.isna(row.first_session) else np.datetime64(row.first_session, "D").astype(np.int64)
        if known != wanted or not dated or (known and first != before[-HISTORY_SESSIONS]):
            found.append(f"quarter from {begin}")
    return found


def _except(problems: set[str]) -> str:
    return f"; not so: {listed(problems)}" if problems else ""
