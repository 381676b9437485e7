"""What a model's probabilities and trades are worth, each number with its session-bootstrap interval.

Values first, tables later: the rows of the evaluation table are put together in
:mod:`factory_assets.evaluation.report_table`. Every decision counts once (no uniqueness weights), so that the values
are those of scikit-learn on the same rows. Only *direction skill* and *net P&L* speak of an edge: volatility
clustering alone improves log loss, Brier score and macro F1.

References
----------
Naeini, Cooper & Hauskrecht (2015), AAAI, "Obtaining well calibrated probabilities using Bayesian binning" (ECE); Nixon
et al. (2019), CVPR workshops, "Measuring calibration in deep learning" (equal-mass bins); Brier (1950), Monthly Weather
Review 78; Sharpe (1994), Journal of Portfolio Management 21; Sortino & Price (1994), Journal of Investing 3.
"""

from dataclasses import dataclass

import numpy as np

from factory_assets.evaluation.bootstrap import (
    Estimate,
    SessionResampler,
    auc_samples,
    drawdown_samples,
    drawn_totals,
    ratio,
    session_sums,
)
from factory_assets.vocabulary.errors import BadInputError

CALIBRATION_BINS = 15
PROBABILITY_FLOOR = 1e-15
SESSIONS_PER_YEAR = 252
CROSS_FIT_WIDENING = 2.0**0.5
# Fits that learned no more than their prior tie; without rounding their last digits would rank whole folds.
SCORE_DECIMALS = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredRows:
    """Probabilities and outcomes of the same decisions, in decision order.

    Attributes
    ----------
    probabilities : ndarray of float64, shape (N, 3)
        p_down, p_flat, p_up; rows sum to one.
    label : ndarray of int8, shape (N,)
        -1, 0 or +1. Known at the label's ``t1``, not at the decision.
    fold : ndarray of int64, shape (N,)
        Fold whose training part never saw the row; -1 for rows after the training period.
    session : ndarray of int64, shape (N,)
        Position of the decision's session among the sessions that are resampled.
    up_share : ndarray of float64, shape (N,)
        Share of +1 among the touched labels of the training part behind the row's fit; known before the row is scored.
    """

    probabilities: np.ndarray
    label: np.ndarray
    fold: np.ndarray
    session: np.ndarray
    up_share: np.ndarray

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths and rows that are no distribution."""
        n = len(self.label)
        lengths = {name: len(getattr(self, name)) for name in ("fold", "session", "up_share")}
        if self.probabilities.shape != (n, 3) or set(lengths.values()) != {n}:
            raise BadInputError(
                f"scored rows: expected probabilities ({n}, 3) and {n} of everything else, one a label, got "
                f"{self.probabilities.shape} and {lengths}"
            )
        sums = self.probabilities.sum(axis=1)
        wrong = ~((np.abs(sums - 1.0) <= 1e-6) & (self.probabilities >= 0).all(axis=1))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise BadInputError(
                f"scored rows: {int(wrong.sum())} rows are no probabilities (finite, >= 0, sum 1), first at position "
                f"{row}: {self.probabilities[row]}"
            )

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.label)

    @property
    def column(self) -> np.ndarray:
        """Column of the class that came true, shape (N,)."""
        return self.label.astype(np.int64) + 1


def row_log_loss(rows: ScoredRows) -> np.ndarray:
    """Minus the log probability of what came true, floored at 1e-15, shape (N,), nats."""
    chosen = rows.probabilities[np.arange(len(rows)), rows.column]
    return -np.log(np.maximum(chosen, PROBABILITY_FLOOR))


def row_brier(rows: ScoredRows) -> np.ndarray:
    """Squared distance between the probabilities and the outcome's unit vector, shape (N,), 0 to 2."""
    return ((rows.probabilities - np.eye(3)[rows.column]) ** 2).sum(axis=1)


def log_loss(rows: ScoredRows, resampler: SessionResampler) -> Estimate:
    """Mean log loss, nats a decision."""
    return _mean(row_log_loss(rows), rows.session, resampler)


def brier(rows: ScoredRows, resampler: SessionResampler) -> Estimate:
    """Multi-class Brier score: mean of the three squared errors' sum, 0 (perfect) to 2."""
    return _mean(row_brier(rows), rows.session, resampler)


def skill(rows: ScoredRows, baseline: ScoredRows, resampler: SessionResampler) -> Estimate:
    """Log loss of the baseline minus the model's, paired by decision and by draw; positive is better than it.

    Raises
    ------
    BadInputError
        If the two do not score the same outcomes.
    """
    if not (np.array_equal(rows.label, baseline.label) and np.array_equal(rows.session, baseline.session)):
        raise BadInputError("skill: model and baseline have to score the same decisions in the same order")
    return _mean(row_log_loss(baseline) - row_log_loss(rows), rows.session, resampler)


def _mean(values: np.ndarray, session: np.ndarray, resampler: SessionResampler) -> Estimate:
    sums = session_sums(np.column_stack([values, np.ones(len(values))]), session, resampler.sessions)
    total, rows = resampler.totals(sums).T
    value = float(values.mean()) if len(values) else np.nan
    return resampler.estimate(value, ratio(total, rows), len(values))


def equal_mass_bins(confidence: np.ndarray) -> np.ndarray:
    """Bin of each value, int64 shape (N,): fifteen bins of equal counts as far as equal values stay together.

    A model that always says the same thing has one bin, not fifteen random ones.
    """
    n = len(confidence)
    edges = np.sort(confidence)[[n * k // CALIBRATION_BINS for k in range(1, CALIBRATION_BINS)]] if n else np.zeros(0)
    return np.searchsorted(edges, confidence, side="right").astype(np.int64)


def calibration_error(rows: ScoredRows, resampler: SessionResampler) -> Estimate:
    """Top-label expected calibration error: |share right - mean confidence| averaged over equal-mass bins, 0 to 1.

    Bins are those of the rows as they were; resamples refill them.
    """
    confidence = rows.probabilities.max(axis=1)
    right = rows.probabilities.argmax(axis=1) == rows.column
    bin_of = equal_mass_bins(confidence)
    sums = np.zeros((resampler.sessions, CALIBRATION_BINS))
    np.add.at(sums, (rows.session, bin_of), right - confidence)
    counts = session_sums(np.ones(len(rows)), rows.session, resampler.sessions)
    value = float(np.abs(sums.sum(axis=0)).sum() / len(rows)) if len(rows) else np.nan
    samples = ratio(np.abs(resampler.totals(sums)).sum(axis=1), resampler.totals(counts))
    return resampler.estimate(value, samples, len(rows))


def macro_f1(rows: ScoredRows, resampler: SessionResampler) -> Estimate:
    """Mean F1 of the three classes at the most probable class; 0 for a class neither predicted nor seen."""
    cell = 3 * rows.column + rows.probabilities.argmax(axis=1)
    sums = np.zeros((resampler.sessions, 9))
    np.add.at(sums, (rows.session, cell), 1.0)
    value = float(_macro_f1(sums.sum(axis=0)[None])[0]) if len(rows) else np.nan
    return resampler.estimate(value, _macro_f1(resampler.totals(sums)), len(rows))


def _macro_f1(cells: np.ndarray) -> np.ndarray:
    confusion = cells.reshape(-1, 3, 3)  # outcome along axis 1, prediction along axis 2
    hits = confusion.diagonal(axis1=1, axis2=2)
    f1 = np.nan_to_num(ratio(2.0 * hits, confusion.sum(axis=1) + confusion.sum(axis=2)), nan=0.0)
    return np.where(cells.sum(axis=1) > 0, f1.mean(axis=1), np.nan)


def direction_score(probabilities: np.ndarray, up_share: np.ndarray) -> np.ndarray:
    """How much more a row leans up than its training part did, shape (N,): log-odds of up given a touch, less theirs.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (N, 3)
        p_down, p_flat, p_up.
    up_share : ndarray of float64, shape (N,)
        Share of up among the touched labels of the training part behind the row's fit.
    """
    touch = probabilities[:, 0] + probabilities[:, 2]
    lean = _log_odds(np.nan_to_num(ratio(probabilities[:, 2], touch), nan=0.5)) - _log_odds(up_share)
    return np.round(lean, SCORE_DECIMALS)


def _log_odds(share: np.ndarray) -> np.ndarray:
    inside = np.clip(share, PROBABILITY_FLOOR, 1.0 - 1e-12)
    return np.log(inside) - np.log1p(-inside)


def direction_auc(rows: ScoredRows, resampler: SessionResampler) -> Estimate:
    """Chance that of two touched decisions, one up and one down, the up one has the higher :func:`direction_score`.

    On rows of one fit (``val``, ``test``) this is the plain AUC of p_up / (p_up + p_down). Out of fold, plain AUC is
    wrong in either usual form. *Pooled*, it falls below one half for a model that knows nothing: a fold that went up
    was predicted by a fit on the others, which went up less. *Within folds*, it rises above one half once features
    are slow against a fold: ranking a fold's rows against each other uses its own mean, and a drifting price has
    always reverted to the mean of the past it is compared with. Subtracting each training part's log-odds of up, which
    is known before the fold is scored, removes the first without the second. In 2,500 null worlds of the tests' kind
    with fast and with slow features: pooled -.031 and -.015, within folds +.001 and +.037, this -.004 and -.002.

    Out of fold the interval is sqrt(2) times as wide as the sessions' own: decision i helps to predict j and j helps
    to predict i, so each agreement by chance is counted twice, which resampling finished predictions cannot see.

    References
    ----------
    Bengio & Grandvalet (2004), JMLR 5, "No unbiased estimator of the variance of K-fold cross-validation", p. 1093;
    Stambaugh (1999), Journal of Financial Economics 54 (bias of regressions on slow predictors).
    """
    touched = rows.label != 0
    score = direction_score(rows.probabilities[touched], rows.up_share[touched])
    arrays = (score, rows.label[touched] > 0, rows.session[touched])
    value = float(auc_samples(*arrays, np.ones((1, resampler.sessions)))[0])
    estimate = resampler.estimate(value, auc_samples(*arrays, resampler.counts), int(touched.sum()))
    fits = len(np.unique(rows.fold))
    return estimate.widened(CROSS_FIT_WIDENING) if fits > 1 else estimate


def probability_metrics(rows: ScoredRows, resampler: SessionResampler) -> dict[str, Estimate]:
    """All metrics of probabilities that need no second model."""
    auc = direction_auc(rows, resampler)
    return {
        "log_loss": log_loss(rows, resampler),
        "brier": brier(rows, resampler),
        "calibration_error": calibration_error(rows, resampler),
        "macro_f1": macro_f1(rows, resampler),
        "direction_auc": auc,
        "direction_skill": auc.shifted(-0.5),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionOutcomes:
    """Trading outcomes by session, shape (S,) each; sessions without trades are zeros.

    Attributes
    ----------
    net_dollars : ndarray of float64
        Net P&L of the session.
    lowest_dollars, highest_dollars : ndarray of float64
        Lowest (<= 0) and highest (>= 0) running net P&L within the session, after each trade.
    fall_dollars : ndarray of float64
        Largest fall of the running net P&L within the session (>= 0).
    trades, wins : ndarray of float64
        Round trips decided in the session, and those with a net gain.
    """

    net_dollars: np.ndarray
    lowest_dollars: np.ndarray
    highest_dollars: np.ndarray
    fall_dollars: np.ndarray
    trades: np.ndarray
    wins: np.ndarray

    @classmethod
    def of_trades(cls, net_dollars: np.ndarray, session: np.ndarray, sessions: int) -> "SessionOutcomes":
        """Outcomes of trades in the order they were closed.

        Parameters
        ----------
        net_dollars : ndarray of float64, shape (T,)
            Net outcome of each trade.
        session : ndarray of int64, shape (T,)
            Position of the trade's session, not decreasing.
        sessions : int
            Number of sessions, S.
        """
        net = session_sums(net_dollars, session, sessions)
        lowest, highest, fall = np.zeros(sessions), np.zeros(sessions), np.zeros(sessions)
        running = np.zeros(sessions)
        for s, dollars in zip(session.tolist(), net_dollars.tolist(), strict=True):
            running[s] += dollars
            fall[s] = max(fall[s], highest[s] - running[s])
            lowest[s] = min(lowest[s], running[s])
            highest[s] = max(highest[s], running[s])
        return cls(
            net_dollars=net,
            lowest_dollars=lowest,
            highest_dollars=highest,
            fall_dollars=fall,
            trades=session_sums(np.ones(len(net_dollars)), session, sessions),
            wins=session_sums(net_dollars > 0, session, sessions),
        )

    @classmethod
    def of_daily(cls, net_dollars: np.ndarray, trades: np.ndarray) -> "SessionOutcomes":
        """Outcomes known once a session only (a position marked at each close); no trade is called a win."""
        return cls(
            net_dollars=net_dollars,
            lowest_dollars=np.minimum(net_dollars, 0.0),
            highest_dollars=np.maximum(net_dollars, 0.0),
            fall_dollars=np.maximum(-net_dollars, 0.0),
            trades=trades,
            wins=np.full(len(net_dollars), np.nan),
        )


def trading_metrics(outcomes: SessionOutcomes, resampler: SessionResampler) -> dict[str, Estimate]:
    """All metrics of one account that trades one contract.

    ``net_pnl_dollars`` is the sum over the period, ``sharpe_annual`` and ``sortino_annual`` come from daily net P&L
    x sqrt(252) (zero target; Sortino's denominator is the root mean square of the losses over *all* sessions),
    ``max_drawdown_dollars`` is the largest fall of closed-trade equity from its peak, the start included,
    ``turnover_contracts_per_session`` counts both sides of a round trip, ``hit_rate`` is the share of trades with a
    net gain. Ratios without variation are NaN.
    """
    values = trading_samples(outcomes, np.arange(resampler.sessions, dtype=np.int32)[None])
    samples = trading_samples(outcomes, resampler.draws)
    trades = int(outcomes.trades.sum())
    rows = {"net_pnl_dollars": resampler.sessions, "sharpe_annual": resampler.sessions}
    rows |= {"sortino_annual": resampler.sessions, "max_drawdown_dollars": resampler.sessions}
    return {name: resampler.estimate(float(values[name][0]), samples[name], rows.get(name, trades)) for name in values}


def trading_samples(outcomes: SessionOutcomes, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Every trading metric for every drawn sequence of sessions, each of shape (B,).

    Parameters
    ----------
    outcomes : SessionOutcomes
        Outcomes by session, S of them.
    draws : ndarray of int32, shape (B, n)
        Sequences of session positions.
    """
    n = draws.shape[1]
    daily = outcomes.net_dollars
    loss = np.minimum(daily, 0.0)
    columns = np.column_stack([daily, daily**2, loss**2, outcomes.trades, outcomes.wins])
    total, squares, loss_squares, trades, wins = drawn_totals(columns, draws).T
    spread = squares - total**2 / n
    # A difference of sums is exact to about n x 1e-16 of its terms: what is below is rounding, not variation.
    spread = np.where(spread > 1e-12 * squares, spread, 0.0)
    year = np.sqrt(SESSIONS_PER_YEAR)
    return {
        "net_pnl_dollars": total,
        "sharpe_annual": year * ratio(total / n, np.sqrt(spread / max(n - 1, 1))),
        "sortino_annual": year * ratio(total / n, np.sqrt(loss_squares / n)),
        "max_drawdown_dollars": drawdown_samples(
            daily, outcomes.lowest_dollars, outcomes.highest_dollars, outcomes.fall_dollars, draws
        ),
        "turnover_contracts_per_session": 2.0 * trades / n,
        "trades": trades,
        "hit_rate": ratio(wins, trades),
    }
