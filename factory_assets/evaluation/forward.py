"""The forward period: champion and challenger on sessions that came after both were frozen.

A challenger is frozen with the last session it was fitted on, since nobody chooses it. A champion is frozen when it is
promoted: what it said of earlier sessions was known to whoever chose it, so those stand apart and are compared with
nothing.

The same rule, simulator, metrics and session bootstrap as everywhere, on decisions each release made without having
seen their session. Values only: which release scores which session is decided in orchestration, the page is drawn by
:mod:`factory_assets.reports.forward`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.evaluation.bootstrap import Estimate, SessionResampler, auc_samples, drawn_totals
from factory_assets.evaluation.metrics import (
    ScoredRows,
    SessionOutcomes,
    direction_score,
    probability_metrics,
    skill,
    trading_metrics,
)
from factory_assets.evaluation.significance import power_to_detect, sessions_for_power
from factory_assets.evaluation.simulator import price_decisions, rows_at, trades_table
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers, EvaluationSettings

CHAMPION, CHALLENGER, DIFFERENCE = "champion", "challenger", "difference"
ALL_SESSIONS, PAIRED_SESSIONS, EARLIER_SESSIONS = "all", "paired", "before_promotion"
INTERVAL_SESSIONS_MIN = 5
"""Sessions below which resampling them says nothing: values stand without an interval."""
PLENTY_SESSIONS = 60
"""Sessions below which the page says that there are too few."""

# Ranks do not depend on it, and the share of ups a refit was fitted on is nobody's business.
_UP_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class ForwardResult:
    """What the forward period says so far.

    Attributes
    ----------
    table : DataFrame
        Schema ``forward_report`` without partition columns: scope, role, metric, value, low, high, rows, sessions.
    trades : DataFrame
        Schema ``trades`` with ``role`` in place of model and period.
    daily : DataFrame
        scope (``all`` or ``before_promotion``), role, trade_date, net_dollars, log_loss (mean of the session's
        decisions), every session the role scored.
    """

    table: pd.DataFrame
    trades: pd.DataFrame
    daily: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scored:
    """One role on the sessions of one scope."""

    rows: ScoredRows
    outcomes: SessionOutcomes
    trades: pd.DataFrame
    trade_day: np.ndarray


def forward_result(
    predictions: pd.DataFrame,
    *,
    outcomes: pd.DataFrame,
    bars_1min: pd.DataFrame,
    scored_days: dict[str, np.ndarray],
    promoted_day: int,
    instrument: Instrument,
    barriers: Barriers,
    settings: EvaluationSettings,
) -> ForwardResult:
    """Score both roles, each on all its sessions since the promotion, both on those they share, and the earlier ones.

    Parameters
    ----------
    predictions : DataFrame
        Schema ``forward_predictions``: one row a role and sampled decision, with the side its rule took.
    outcomes : DataFrame
        Schema ``forward_outcomes``.
    bars_1min : DataFrame
        Traded minutes that hold every scored session.
    scored_days : dict of str to ndarray of int32
        Sessions each role scored, days since 1970, increasing; those without a decision count as zero in daily figures.
    promoted_day : int
        Last session that had opened when the champion was promoted, days since 1970: it and those before are not
        forward evidence, whatever the champion was fitted on.
    instrument, barriers : Instrument, Barriers
        Dollars and geometry.
    settings : EvaluationSettings
        Resamples, confidence and seed.

    Raises
    ------
    BadInputError
        A decision without an outcome or outside the sessions of its role.
    """
    made: list[tuple[str, str, dict[str, Estimate], int]] = []
    trades, daily = [], []

    def scored(role: str, days: np.ndarray) -> _Scored:
        mine = predictions[predictions["role"].astype(str) == role]
        mine = mine[np.isin(dates_days(mine["trade_date"]), days)]
        return _scored(mine, outcomes, bars_1min, days, instrument, barriers)

    scopes = sessions_by_scope(scored_days, promoted_day)
    for (scope, role), days in scopes.items():
        if scope == PAIRED_SESSIONS:
            continue
        whole = scored(role, days)
        trades.append(whole.trades.assign(role=role))
        daily.append(_daily(role, whole).assign(scope=scope))
        made.append((scope, role, _metrics(whole, settings), len(days)))
    shared = scopes.get((PAIRED_SESSIONS, CHAMPION))
    if shared is not None:
        champion, challenger = scored(CHAMPION, shared), scored(CHALLENGER, shared)
        made.append((PAIRED_SESSIONS, CHAMPION, _metrics(champion, settings), len(shared)))
        made.append((PAIRED_SESSIONS, CHALLENGER, _metrics(challenger, settings), len(shared)))
        made.append((PAIRED_SESSIONS, DIFFERENCE, _differences(champion, challenger, settings), len(shared)))
    return ForwardResult(table=_table(made), trades=_stacked(trades), daily=_stacked(daily))


def sessions_by_scope(scored_days: Mapping[str, np.ndarray], promoted_day: int) -> dict[tuple[str, str], np.ndarray]:
    """Sessions of each scope and role that has any, days since 1970, increasing."""
    none = np.empty(0, dtype=np.int32)
    found: dict[tuple[str, str], np.ndarray] = {}
    for role in (CHAMPION, CHALLENGER):
        days = scored_days.get(role, none)
        found[ALL_SESSIONS, role] = days[days > promoted_day]
        found[EARLIER_SESSIONS, role] = days[days <= promoted_day]
    shared = np.intersect1d(found[ALL_SESSIONS, CHAMPION], found[ALL_SESSIONS, CHALLENGER])
    found |= {(PAIRED_SESSIONS, CHAMPION): shared, (PAIRED_SESSIONS, CHALLENGER): shared}
    return {place: days for place, days in found.items() if len(days)}


def forward_sentences(
    all_sessions: int, paired_sessions: int, *, earlier_sessions: int = 0, confidence: float
) -> list[str]:
    """What the page says in words of how much so many sessions can tell."""
    known = [
        f"{earlier_sessions} more sessions had opened before the champion was promoted. What it says of them was known "
        "when it was chosen: they are shown apart and are no forward evidence."
    ]
    known = known if earlier_sessions else []
    if all_sessions == 0:
        return [
            "No session after the study's end and after the champion's promotion has been scored yet: there is nothing "
            "to compare. The first one appears in the morning after it.",
            *known,
        ]
    needed = sessions_for_power(1.0, power=0.8, confidence=confidence)
    power = power_to_detect(1.0, all_sessions, confidence=confidence)
    said = [
        f"{all_sessions} forward sessions are scored, {paired_sessions} of them by champion and challenger alike. A "
        "strategy whose true annual Sharpe is 1 would pass a one-sided test at "
        f"{confidence:.0%} on so many with probability "
        f"{'0 %' if np.isnan(power) else f'{power:.0%}'}; 80 % would take {needed:,.0f} sessions "
        f"({needed / 252:.1f} years)."
    ]
    if paired_sessions < PLENTY_SESSIONS:
        said.append(
            f"{paired_sessions} compared sessions are too few to prefer either: a difference here is not evidence, "
            "whatever its sign. Intervals are given from "
            f"{INTERVAL_SESSIONS_MIN} sessions on."
        )
    return [*said, *known]


def _scored(
    mine: pd.DataFrame,
    outcomes: pd.DataFrame,
    bars_1min: pd.DataFrame,
    days: np.ndarray,
    instrument: Instrument,
    barriers: Barriers,
) -> _Scored:
    mine = mine.sort_values("decision_time", ignore_index=True)
    rows = rows_at(outcomes, times_us(mine["decision_time"]))
    session = np.searchsorted(days, dates_days(rows["trade_date"]))
    if len(rows) and not np.array_equal(dates_days(rows["trade_date"]), dates_days(mine["trade_date"])):
        raise BadInputError("forward: predictions and outcomes disagree on the session of a decision; make both again")
    trades = trades_table(mine["side"].to_numpy(), price_decisions(rows, bars_1min, barriers), instrument)
    of_trade = np.searchsorted(days, dates_days(trades["trade_date"]))
    return _Scored(
        rows=ScoredRows(
            probabilities=mine[["p_down", "p_flat", "p_up"]].to_numpy(dtype=np.float64).reshape(-1, 3),
            label=rows["label"].to_numpy(dtype=np.int8),
            fold=np.full(len(rows), -1, dtype=np.int64),
            session=session.astype(np.int64),
            up_share=np.full(len(rows), _UP_SHARE),
        ),
        outcomes=SessionOutcomes.of_trades(trades["net_dollars"].to_numpy(), of_trade, len(days)),
        trades=trades,
        trade_day=days,
    )


def _metrics(scored: _Scored, settings: EvaluationSettings) -> dict[str, Estimate]:
    resampler = _resampler(scored, settings)
    metrics = probability_metrics(scored.rows, resampler) if len(scored.rows) else {}
    return _bounded({**metrics, **trading_metrics(scored.outcomes, resampler)}, scored)


def _differences(champion: _Scored, challenger: _Scored, settings: EvaluationSettings) -> dict[str, Estimate]:
    """Challenger less champion on the same decisions and the same draws."""
    resampler = _resampler(champion, settings)
    gain = skill(challenger.rows, champion.rows, resampler)
    touched = champion.rows.label != 0

    def auc(scored: _Scored, counts: np.ndarray) -> np.ndarray:
        score = direction_score(scored.rows.probabilities[touched], scored.rows.up_share[touched])
        return auc_samples(score, scored.rows.label[touched] > 0, scored.rows.session[touched], counts)

    def difference(of: Callable[[_Scored], np.ndarray]) -> np.ndarray:
        return of(challenger) - of(champion)

    once = np.ones((1, resampler.sessions))
    direction = difference(lambda scored: auc(scored, resampler.counts))
    dollars = difference(lambda scored: scored.outcomes.net_dollars)
    found = {
        "log_loss": Estimate(value=-gain.value, low=-gain.high, high=-gain.low, rows=gain.rows),
        "direction_skill": resampler.estimate(
            float(difference(lambda scored: auc(scored, once))[0]), direction, int(touched.sum())
        ),
        "net_pnl_dollars": resampler.estimate(
            float(dollars.sum()), drawn_totals(dollars, resampler.draws), resampler.sessions
        ),
    }
    return _bounded(found, champion)


def _resampler(scored: _Scored, settings: EvaluationSettings) -> SessionResampler:
    return SessionResampler.of(
        len(scored.trade_day), resamples=settings.resamples, confidence=settings.confidence, seed=settings.seed
    )


def _bounded(metrics: dict[str, Estimate], scored: _Scored) -> dict[str, Estimate]:
    if len(scored.trade_day) >= INTERVAL_SESSIONS_MIN:
        return metrics
    nothing = float("nan")
    return {name: Estimate(value=e.value, low=nothing, high=nothing, rows=e.rows) for name, e in metrics.items()}


def _daily(role: str, scored: _Scored) -> pd.DataFrame:
    chosen = scored.rows.probabilities[np.arange(len(scored.rows)), scored.rows.column]
    days = len(scored.trade_day)
    counts = np.bincount(scored.rows.session, minlength=days)
    losses = np.bincount(scored.rows.session, weights=-np.log(np.maximum(chosen, 1e-15)), minlength=days)
    return pd.DataFrame(
        {
            "role": role,
            "trade_date": from_days(scored.trade_day),
            "net_dollars": scored.outcomes.net_dollars,
            "log_loss": np.where(counts > 0, losses / np.maximum(counts, 1), np.nan),
        }
    )


def _table(made: list[tuple[str, str, dict[str, Estimate], int]]) -> pd.DataFrame:
    rows = [
        (scope, role, metric, e.value, e.low, e.high, e.rows, sessions)
        for scope, role, metrics, sessions in made
        for metric, e in metrics.items()
    ]
    columns = ["scope", "role", "metric", "value", "low", "high", "rows", "sessions"]
    table = pd.DataFrame(rows, columns=columns).astype(
        {**dict.fromkeys(("value", "low", "high"), np.float64), **dict.fromkeys(("rows", "sessions"), np.int64)}
    )
    return table.sort_values(["scope", "role", "metric"], ignore_index=True)


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=["role"])
