"""What has to be true of the forward period's tables before they are written, by paths of their own.

Predictions are held against the releases they are said to be of, one decision at a time; the report against plain
sums over the stored outcomes.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.evaluation.forward import CHALLENGER, CHAMPION, DIFFERENCE, PAIRED_SESSIONS, sessions_by_scope
from factory_assets.splits.study import day_text
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.verdict import Verdict

PREDICTION_CHECKS = (
    "forward_only",
    "scored_once_per_role",
    "frozen_before_session",
    "probabilities_valid",
    "predictions_recomputed",
)
REPORT_CHECKS = ("forward_report_recomputed",)
SAMPLE_RELEASES, SAMPLE_ROWS = 4, 5
PROBABILITY_TOLERANCE = 1e-6  # a float32 model may round by its place in a batch
VALUE_TOLERANCE = 1e-6
_PROBABILITIES = ["p_down", "p_flat", "p_up"]


def forward_only(days: np.ndarray, end_day: int) -> Verdict:
    """No row of the study's period."""
    inside = int((days <= end_day).sum())
    return Verdict(
        name="forward_only",
        passed=inside == 0,
        summary=f"{len(days)} rows, {inside} of them in or before {day_text(end_day)}, the study's last day",
        details={"rows": len(days), "rows_of_the_study": inside},
    )


def prediction_invariants(
    predictions: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    scored_days: Mapping[str, np.ndarray],
    frozen: Mapping[str, Sequence[tuple[str, int]]],
    end_day: int,
    say: Callable[[str, pd.Series], np.ndarray],
    seed: int,
) -> list[Verdict]:
    """Every invariant of ``forward_predictions``.

    Parameters
    ----------
    predictions : DataFrame
        What is about to be written.
    outcomes : DataFrame
        Schema ``forward_outcomes``: its sampled decisions are those to be scored.
    scored_days : mapping of str to ndarray of int32
        Sessions each role scored.
    frozen : mapping of str to sequence of (digest, day)
        By role, the releases that may speak in it and the last session each had seen, days since 1970.
    end_day : int
        Last day of the study.
    say : callable
        Asked with a digest and a row of ``outcomes``; loads the release anew and gives its three probabilities of that
        one decision.
    seed : int
        Seed of the sample that is recomputed.
    """
    roles = predictions["role"].astype(str).to_numpy()
    days = dates_days(predictions["trade_date"])
    return [
        forward_only(days, end_day),
        _once(predictions, roles, outcomes, scored_days),
        _frozen(predictions, roles, days, frozen),
        _valid(predictions),
        _recomputed(predictions, outcomes, say, seed),
    ]


def _once(
    predictions: pd.DataFrame, roles: np.ndarray, outcomes: pd.DataFrame, scored_days: Mapping[str, np.ndarray]
) -> Verdict:
    sample = outcomes[outcomes["event"].to_numpy(dtype=bool)]
    keys, days = times_us(sample["decision_time"]), dates_days(sample["trade_date"])
    decision_us = times_us(predictions["decision_time"])
    missing = extra = repeated = 0
    for role in sorted({*roles, *scored_days}):
        mine, wanted = decision_us[roles == role], keys[np.isin(days, scored_days.get(role, []))]
        repeated += len(mine) - len(np.unique(mine))
        missing, extra = missing + len(np.setdiff1d(wanted, mine)), extra + len(np.setdiff1d(mine, wanted))
    return Verdict(
        name="scored_once_per_role",
        passed=missing == extra == repeated == 0,
        summary=f"{len(predictions)} rows of {len({*roles})} roles: {missing} sampled decisions not scored, {extra} "
        f"scored that are none, {repeated} scored twice in a role",
        details={"rows": len(predictions), "missing": missing, "extra": extra, "repeated": repeated},
    )


def _frozen(
    predictions: pd.DataFrame, roles: np.ndarray, days: np.ndarray, frozen: Mapping[str, Sequence[tuple[str, int]]]
) -> Verdict:
    """Each session by a release that ended before it, and by the newest such."""
    ends, digests = dates_days(predictions["data_end"]), predictions["release"].astype(str).to_numpy()
    late = int((ends >= days).sum())
    unknown = older = 0
    for role, digest, end, day in sorted({*zip(roles, digests, ends.tolist(), days.tolist(), strict=True)}):
        known = frozen.get(role, ())
        unknown += (digest, end) not in known
        older += any(end < other < day for _, other in known)
    return Verdict(
        name="frozen_before_session",
        passed=late == unknown == older == 0,
        summary=f"{len(predictions)} rows by {len({*digests})} releases: {late} of a session the release had seen, "
        f"{unknown} sessions by a release the registry does not know in that role, {older} by one that was not the "
        "newest",
        details={"rows": len(predictions), "late": late, "unknown": unknown, "not_newest": older},
    )


def _valid(predictions: pd.DataFrame) -> Verdict:
    values = predictions[_PROBABILITIES].to_numpy(dtype=np.float64).reshape(-1, 3)
    wrong = ~(np.isfinite(values).all(axis=1) & (values >= 0).all(axis=1) & (np.abs(values.sum(axis=1) - 1.0) <= 1e-6))
    return Verdict(
        name="probabilities_valid",
        passed=not wrong.any(),
        summary=f"{len(values)} rows, {int(wrong.sum())} of them not finite, negative or not summing to one",
        details={"rows": len(values)},
    )


def _recomputed(
    predictions: pd.DataFrame, outcomes: pd.DataFrame, say: Callable[[str, pd.Series], np.ndarray], seed: int
) -> Verdict:
    """Releases loaded anew, asked one decision at a time."""
    rng = np.random.default_rng(seed)
    digests = predictions["release"].astype(str)
    names = sorted(set(digests))
    chosen = [names[place] for place in rng.permutation(len(names))[:SAMPLE_RELEASES]]
    rows_of = outcomes.set_index("decision_time", drop=False)
    compared, worst = 0, 0.0
    for digest in chosen:
        mine = predictions[(digests == digest).to_numpy()]
        for place in rng.permutation(len(mine))[:SAMPLE_ROWS]:
            row = mine.iloc[int(place)]
            found = say(digest, rows_of.loc[row["decision_time"]])
            off = np.abs(found - row[_PROBABILITIES].to_numpy(dtype=np.float64)).max()
            worst, compared = max(worst, float(off) if np.isfinite(off) else math.inf), compared + 1
    return Verdict(
        name="predictions_recomputed",
        passed=worst <= PROBABILITY_TOLERANCE and (compared > 0 or len(predictions) == 0),
        summary=f"{compared} rows of {len(chosen)} releases, loaded anew and asked one decision at a time, differ by "
        f"at most {worst:.2g} (bound {PROBABILITY_TOLERANCE:g})",
        details={"rows": compared, "releases": len(chosen), "largest_difference": worst},
    )


def report_invariants(
    table: pd.DataFrame,
    predictions: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    scored_days: Mapping[str, np.ndarray],
    promoted_day: int,
    instrument: Instrument,
) -> list[Verdict]:
    """Log loss, trades and net P&L of every scope, recomputed row by row from the stored outcomes.

    Parameters
    ----------
    table : DataFrame
        What is about to be written, schema ``forward_report``.
    predictions, outcomes, scored_days
        As in :func:`prediction_invariants`.
    promoted_day : int
        Last session that had opened when the champion was promoted.
    instrument : Instrument
        Dollars of a tick.
    """
    of_scope = {place: {*days.tolist()} for place, days in sessions_by_scope(scored_days, promoted_day).items()}
    shared = of_scope.get((PAIRED_SESSIONS, CHAMPION), set())
    wanted: dict[tuple[str, str, str], float] = {}
    for (scope, role), days in of_scope.items():
        found = _plain_values(predictions, outcomes, role, days, instrument)
        wanted |= {(scope, role, metric): value for metric, value in found.items()}
    for metric in ("log_loss", "net_pnl_dollars") if shared else ():
        if (PAIRED_SESSIONS, CHALLENGER, metric) in wanted:
            wanted[PAIRED_SESSIONS, DIFFERENCE, metric] = (
                wanted[PAIRED_SESSIONS, CHALLENGER, metric] - wanted[PAIRED_SESSIONS, CHAMPION, metric]
            )
    keys = zip(table["scope"].astype(str), table["role"].astype(str), table["metric"].astype(str), strict=True)
    have = dict(zip(keys, table["value"].tolist(), strict=True))
    off = {key: abs(value - have[key]) for key, value in wanted.items() if key in have}
    wrong = sorted(".".join(key) for key, gap in off.items() if not gap <= VALUE_TOLERANCE * max(1.0, abs(wanted[key])))
    missing = sorted(".".join(key) for key in wanted.keys() - have.keys())
    strange = sorted({key[:2] for key in have} - {*of_scope, (PAIRED_SESSIONS, DIFFERENCE)})
    half = int((table["low"].isna() != table["high"].isna()).sum())
    outside = int(((table["value"] < table["low"]) | (table["value"] > table["high"])).sum())
    return [
        Verdict(
            name="forward_report_recomputed",
            passed=not wrong and not missing and not strange and half == 0 and outside == 0,
            summary=f"{len(off)} of {len(table)} values recomputed row by row from stored outcomes; off {wrong[:5]}, "
            f"missing {missing[:5]}, of sessions nobody scored {strange}; {outside} outside their interval",
            details={"values": len(table), "recomputed": len(off), "outside": outside},
        )
    ]


def _plain_values(
    predictions: pd.DataFrame, outcomes: pd.DataFrame, role: str, days: set[int], instrument: Instrument
) -> dict[str, float]:
    mine = predictions[(predictions["role"].astype(str) == role).to_numpy()]
    mine = mine[[day in days for day in dates_days(mine["trade_date"]).tolist()]]
    stored = ["label", "t1", "net_long", "net_short"]
    joined = mine.merge(outcomes[["decision_time", *stored]], on="decision_time").sort_values("decision_time")
    losses, net, trades, free = [], 0.0, 0, None
    for row in joined.itertuples(index=False):
        chosen = {-1: row.p_down, 0: row.p_flat, 1: row.p_up}[int(row.label)]
        losses.append(-math.log(max(chosen, 1e-15)))
        if row.side != 0 and (free is None or row.decision_time >= free):
            net += (row.net_long if row.side > 0 else row.net_short) * instrument.tick_dollars / instrument.tick_size
            trades, free = trades + 1, row.t1
    values = {"net_pnl_dollars": net, "trades": float(trades)}
    return values | ({"log_loss": sum(losses) / len(losses)} if losses else {})
