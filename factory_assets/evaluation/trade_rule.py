"""From probabilities to a side: expected value against cost.

The threshold's search is here too, because a threshold is part of the rule; what a side becomes in the market is the
business of :mod:`factory_assets.evaluation.simulator`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.evaluation.bootstrap import session_sums
from factory_assets.evaluation.simulator import PricedDecisions, positions_taken
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_days
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers


def flat_outcomes(labels_train: pd.DataFrame) -> tuple[float, float]:
    """Mean gross outcome of class 0 for a long and for a short, in ATR at the decision: (m0_long, m0_short).

    Class 0 is what neither barrier caught, and ties (booked at the stop on both sides).

    Parameters
    ----------
    labels_train : DataFrame
        Eligible labels of the fold's **training** part (schema ``labels``): rows of the scored part would hand the
        rule their own outcomes.

    Returns
    -------
    tuple of float
        0.0 for both if the part holds no class-0 row: nothing was ever earned there.
    """
    flat = labels_train[labels_train["label"] == 0]
    if len(flat) == 0:
        return 0.0, 0.0
    long = (flat["net_long"] + flat["cost"]) / flat["atr"]
    short = (flat["net_short"] + flat["cost"]) / flat["atr"]
    return float(long.mean()), float(short.mean())


def expected_values(
    probabilities: np.ndarray,
    *,
    atr: np.ndarray,
    cost: np.ndarray,
    m0_long: np.ndarray | float,
    m0_short: np.ndarray | float,
    barriers: Barriers,
) -> tuple[np.ndarray, np.ndarray]:
    """Expected net outcome of a long and of a short, points, shape (N,) each.

    ``EV_long = p_up k_up ATR - p_down k_down ATR + p_flat m0_long ATR - cost``;
    ``EV_short = p_down k_down ATR - p_up k_up ATR + p_flat m0_short ATR - cost`` (a short's target is the lower
    barrier, its stop the upper). All of it is known at the decision.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (N, 3)
        p_down, p_flat, p_up.
    atr, cost : ndarray of float64, shape (N,)
        Points.
    m0_long, m0_short : float or ndarray of float64, shape (N,)
        Class-0 outcome of the row's fold, ATR (:func:`flat_outcomes`).
    barriers : Barriers
        Distances in ATR.

    Examples
    --------
    >>> from factory_assets.vocabulary.settings import Barriers
    >>> long, short = expected_values(
    ...     np.array([[0.3, 0.2, 0.5]]), atr=np.array([4.0]), cost=np.array([0.375]),
    ...     m0_long=0.1, m0_short=-0.1, barriers=Barriers(k_up=3.0, k_down=2.1, max_bars=50))
    >>> [round(float(v[0]), 3) for v in (long, short)]  # .5*12 - .3*8.4 + .2*.4 - .375
    [3.185, -3.935]
    """
    p_down, p_flat, p_up = np.asarray(probabilities, dtype=np.float64).T
    touch = (p_up * barriers.k_up - p_down * barriers.k_down) * atr
    return touch + p_flat * m0_long * atr - cost, -touch + p_flat * m0_short * atr - cost


def decide(ev_long: np.ndarray, ev_short: np.ndarray, *, cost: np.ndarray, theta: float) -> np.ndarray:
    """Side to enter: that of the larger expected value if it exceeds ``theta`` x cost, else 0.

    Parameters
    ----------
    ev_long, ev_short : ndarray of float64, shape (N,)
        Expected net outcomes, points.
    cost : ndarray of float64, shape (N,)
        Round trip, points.
    theta : float
        How many times its cost a trade has to promise on top of it.

    Returns
    -------
    ndarray of int8, shape (N,)
        +1, -1 or 0; 0 too when both sides promise exactly the same, since neither is the larger.

    Raises
    ------
    BadInputError
        If an expected value is not finite: a probability, ATR or cost is missing.
    """
    broken = ~np.isfinite(ev_long + ev_short + cost)
    if broken.any():
        first = int(np.flatnonzero(broken)[0])
        raise BadInputError(f"trade rule: {int(broken.sum())} expected values are not finite, first at row {first}")
    hurdle = theta * cost
    side = np.zeros(len(ev_long), dtype=np.int8)
    side[(ev_long > ev_short) & (ev_long > hurdle)] = 1
    side[(ev_short > ev_long) & (ev_short > hurdle)] = -1
    return side


@dataclass(frozen=True, kw_only=True, eq=False)
class ThetaChoice:
    """The threshold chosen and every candidate tried on the way.

    Attributes
    ----------
    theta : float
        Candidate with the best mean daily net P&L.
    trials : DataFrame
        One row a candidate and session: ``theta``, ``chosen``, ``trade_date``, ``trades``, ``net_dollars``,
        ``net_return`` (of the account's start balance); sessions without trades are zeros. Each candidate is a trial
        of the multiple-testing log.
    """

    theta: float
    trials: pd.DataFrame


def choose_theta(
    ev_long: np.ndarray,
    ev_short: np.ndarray,
    priced: PricedDecisions,
    *,
    thetas: Sequence[float],
    trade_day: np.ndarray,
    instrument: Instrument,
    account_dollars: float,
) -> ThetaChoice:
    """Threshold by the best mean daily net P&L on out-of-fold rows, all candidates logged.

    Parameters
    ----------
    ev_long, ev_short : ndarray of float64, shape (N,)
        Expected values of **out-of-fold** probabilities, points: chosen on rows the model was fitted on, the
        threshold would trust an overconfident model.
    priced : PricedDecisions
        The same N decisions, priced.
    thetas : sequence of float
        Candidates. Equal results go to the larger one: the same money with fewer trades.
    trade_day : ndarray of int32, shape (S,)
        Every session of the period, increasing.
    instrument : Instrument
        Dollars of a point.
    account_dollars : float
        Start balance behind ``net_return``.
    """
    if not len(thetas):
        raise BadInputError("trade rule: no candidate for theta; set [evaluation] thetas")
    session = np.searchsorted(trade_day, priced.trade_day)
    best, best_mean, tables = float("nan"), -np.inf, []
    for theta in sorted(float(candidate) for candidate in thetas):
        side = decide(ev_long, ev_short, cost=priced.cost, theta=theta)
        taken = positions_taken(side, priced)
        dollars = priced.net_points(taken, side[taken]) * instrument.point_dollars
        daily = session_sums(dollars, session[taken], len(trade_day))
        counts = session_sums(np.ones(len(taken)), session[taken], len(trade_day)).astype(np.int64)
        columns = {"theta": theta, "trade_date": from_days(trade_day), "trades": counts, "net_dollars": daily}
        tables.append(pd.DataFrame(columns))
        if daily.mean() >= best_mean:
            best, best_mean = theta, float(daily.mean())
    trials = pd.concat(tables, ignore_index=True)
    trials.insert(1, "chosen", trials["theta"] == best)
    trials["net_return"] = trials["net_dollars"] / account_dollars
    return ThetaChoice(theta=best, trials=trials)
