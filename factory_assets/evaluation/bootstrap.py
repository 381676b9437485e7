"""Resampling of whole sessions: the interval behind every number of an evaluation.

Labels of one session overlap, so single decisions are no independent draws; sessions nearly are, because no position
survives its session's flat time. One resampler serves all models of a partition: model b and model c see the same
draws, which makes every comparison paired. Metrics themselves live in :mod:`factory_assets.evaluation.metrics`.

References
----------
Efron & Tibshirani (1993), "An Introduction to the Bootstrap", ch. 8 (blocks as units) and 13 (percentile interval).
"""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from factory_assets.vocabulary.errors import BadInputError

# An interval over resamples of which more than this share left the metric undefined would speak of the others only.
UNDEFINED_SHARE_MAX = 0.10


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its uncertainty.

    Attributes
    ----------
    value : float
        Point estimate on the sessions as they were; NaN if the metric is undefined there.
    low, high : float
        Ends of the interval; NaN where too many resamples leave the metric undefined.
    rows : int
        Decisions (or trades, or sessions) behind the value.
    """

    value: float
    low: float
    high: float
    rows: int

    def widened(self, factor: float) -> "Estimate":
        """The same value with both ends ``factor`` times as far from it."""
        low, high = (self.value + factor * (end - self.value) for end in (self.low, self.high))
        return Estimate(value=self.value, low=low, high=high, rows=self.rows)

    def shifted(self, by: float) -> "Estimate":
        """Value and both ends moved by a constant."""
        return Estimate(value=self.value + by, low=self.low + by, high=self.high + by, rows=self.rows)


@dataclass(frozen=True, eq=False)
class SessionResampler:
    """Seeded draws of sessions with replacement, shared by all metrics and models of one evaluation.

    Attributes
    ----------
    draws : ndarray of int32, shape (B, S)
        Session positions in drawn order, B resamples of S sessions each.
    confidence : float
        Coverage of the intervals, e.g. 0.95.
    """

    draws: np.ndarray
    confidence: float

    @classmethod
    def of(cls, sessions: int, *, resamples: int, confidence: float, seed: int) -> "SessionResampler":
        """Draw ``resamples`` times ``sessions`` sessions, equal under equal arguments.

        Raises
        ------
        BadInputError
            If there is no session or no resample, or the confidence is no share in (0, 1).
        """
        if sessions < 1 or resamples < 1 or not 0 < confidence < 1:
            raise BadInputError(
                f"bootstrap: expected sessions >= 1, resamples >= 1 and a confidence in (0, 1), got {sessions}, "
                f"{resamples} and {confidence}"
            )
        draws = np.random.default_rng(seed).integers(0, sessions, size=(resamples, sessions), dtype=np.int32)
        return cls(draws, confidence)

    @property
    def resamples(self) -> int:
        """Number of resamples, B."""
        return self.draws.shape[0]

    @property
    def sessions(self) -> int:
        """Number of sessions, S."""
        return self.draws.shape[1]

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each session was drawn, float64 shape (B, S); each row sums to S."""
        b, s = self.draws.shape
        flat = self.draws.astype(np.int64) + np.arange(b, dtype=np.int64)[:, None] * s
        return np.bincount(flat.ravel(), minlength=b * s).reshape(b, s).astype(np.float64)

    def totals(self, sums: np.ndarray) -> np.ndarray:
        """Totals of a per-session sum in every resample: (S,) gives (B,), (S, K) gives (B, K)."""
        if len(sums) != self.sessions:
            raise BadInputError(f"bootstrap over {self.sessions} sessions was handed sums of {len(sums)}")
        return drawn_totals(sums, self.draws)

    def estimate(self, value: float, samples: np.ndarray, rows: int) -> Estimate:
        """Point estimate with its percentile interval.

        Some statistics are biased under resampling (calibration error and drawdown grow), so that the percentile
        interval can miss the value it belongs to; the interval is then widened to it, never narrowed.

        Parameters
        ----------
        value : float
            The metric on the sessions as they were.
        samples : ndarray of float64, shape (B,)
            The metric in each resample; NaN where it is undefined.
        rows : int
            Observations behind the value.
        """
        finite = samples[np.isfinite(samples)]
        if not np.isfinite(value) or len(finite) < (1.0 - UNDEFINED_SHARE_MAX) * len(samples):
            return Estimate(value=float(value), low=np.nan, high=np.nan, rows=rows)
        tail = 0.5 * (1.0 - self.confidence)
        low, high = np.quantile(finite, [tail, 1.0 - tail])
        return Estimate(value=float(value), low=float(min(low, value)), high=float(max(high, value)), rows=rows)


def drawn_totals(sums: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Sum of a per-session value over drawn sessions: (S,) gives (B,), (S, K) gives (B, K).

    Added in drawn order and not by a matrix product, whose last digits depend on the number of BLAS threads.

    Parameters
    ----------
    sums : ndarray of float64, shape (S,) or (S, K)
        Value of each session.
    draws : ndarray of int32, shape (B, n)
        Session positions.
    """
    columns = np.ascontiguousarray(sums, dtype=np.float64).reshape(len(sums), -1)
    totals = _totals_kernel(columns, np.ascontiguousarray(draws, dtype=np.int32))
    return totals[:, 0].copy() if np.ndim(sums) == 1 else totals


@numba.njit(cache=True)
def _totals_kernel(sums: np.ndarray, draws: np.ndarray) -> np.ndarray:
    resamples, steps = draws.shape
    columns = sums.shape[1]
    out = np.zeros((resamples, columns))
    for b in range(resamples):
        for i in range(steps):
            for k in range(columns):
                out[b, k] += sums[draws[b, i], k]
    return out


def session_sums(values: np.ndarray, session: np.ndarray, sessions: int) -> np.ndarray:
    """Sum of a per-row value by session, (N,) to (S,) and (N, K) to (S, K); what most metrics need of the rows."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 1:
        return np.bincount(session, weights=values, minlength=sessions)
    return np.column_stack([np.bincount(session, weights=column, minlength=sessions) for column in values.T])


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient, NaN where the denominator is not positive."""
    numerator, denominator = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def auc_samples(score: np.ndarray, positive: np.ndarray, session: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Probability that a positive row outranks a negative one, ties counting one half, under each row of counts.

    A row drawn k times is k rows. Rows are sorted once; each resample is then a single pass.

    Parameters
    ----------
    score : ndarray of float64, shape (N,)
        Higher means more likely positive. Only the order matters.
    positive : ndarray of bool, shape (N,)
        The class of the row.
    session : ndarray of int, shape (N,)
        Position of the row's session along the columns of ``counts``.
    counts : ndarray of float64, shape (B, S)
        How often each session was drawn.

    Returns
    -------
    ndarray of float64, shape (B,)
        NaN for a resample without any pair.
    """
    order = np.argsort(score, kind="stable")
    score = score[order]
    # Rows of one score are one step of the ROC curve, whatever their order.
    new_step = np.r_[True, score[1:] != score[:-1]] if len(order) else np.zeros(0, dtype=bool)
    return _auc_kernel(
        np.ascontiguousarray(positive[order]),
        new_step,
        np.ascontiguousarray(session[order].astype(np.int64)),
        np.ascontiguousarray(counts, dtype=np.float64),
    )


@numba.njit(cache=True)
def _auc_kernel(positive: np.ndarray, new_step: np.ndarray, session: np.ndarray, counts: np.ndarray) -> np.ndarray:
    n, resamples = len(positive), counts.shape[0]
    out = np.empty(resamples)
    for b in range(resamples):
        wins = below = ups = tied_up = tied_down = 0.0  # "below": negatives of lower scores
        for i in range(n):
            if new_step[i]:
                wins += tied_up * (below + 0.5 * tied_down)
                below += tied_down
                ups += tied_up
                tied_up = tied_down = 0.0
            weight = counts[b, session[i]]
            if positive[i]:
                tied_up += weight
            else:
                tied_down += weight
        wins += tied_up * (below + 0.5 * tied_down)
        pairs = (ups + tied_up) * (below + tied_down)
        out[b] = wins / pairs if pairs > 0.0 else np.nan
    return out


def drawdown_samples(
    total: np.ndarray, lowest: np.ndarray, highest: np.ndarray, inside: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """Largest fall of equity from its running peak when sessions follow each other in the drawn order.

    A session is four numbers, and chaining them gives exactly the drawdown of the trade-by-trade equity.

    Parameters
    ----------
    total : ndarray of float64, shape (S,)
        Net P&L of the session, dollars.
    lowest, highest : ndarray of float64, shape (S,)
        Lowest (<= 0) and highest (>= 0) running P&L within the session, from its start, dollars.
    inside : ndarray of float64, shape (S,)
        Largest fall within the session, dollars (>= 0).
    draws : ndarray of int, shape (B, S)
        Session positions in order; ``arange(S)[None]`` for the path as it was.

    Returns
    -------
    ndarray of float64, shape (B,)
        Dollars, >= 0. Drawing sessions independently breaks streaks of bad sessions, so the interval is of a path
        without any memory from session to session.
    """
    arrays = [np.ascontiguousarray(a, dtype=np.float64) for a in (total, lowest, highest, inside)]
    return _drawdown_kernel(*arrays, np.ascontiguousarray(draws, dtype=np.int32))


@numba.njit(cache=True)
def _drawdown_kernel(
    total: np.ndarray, lowest: np.ndarray, highest: np.ndarray, inside: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    resamples, steps = draws.shape
    out = np.empty(resamples)
    for b in range(resamples):
        equity = peak = worst = 0.0
        for i in range(steps):
            s = draws[b, i]
            worst = max(worst, inside[s], peak - equity - lowest[s])
            peak = max(peak, equity + highest[s])
            equity += total[s]
        out[b] = worst
    return out
