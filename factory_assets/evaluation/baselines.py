"""What a model has to beat, scored in the same table on the same decisions and sessions.

Probabilities: *prior* (class shares of the fold's training part), *majority* (its most frequent class) and *clock +
ATR* (a model that sees the minutes to flat time and ATR% only; class 0 is largely a clock). Trading: *always flat*,
*buy and hold*, *random entry* as frequent as the model. The clock + ATR models are fitted out of fold by
:mod:`factory_assets.stacking` from the features built here, like any other model.
"""

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

from factory_assets.evaluation.bootstrap import Estimate, SessionResampler, ratio
from factory_assets.evaluation.metrics import SessionOutcomes, trading_samples
from factory_assets.evaluation.simulator import PricedDecisions
from factory_assets.indicators.atr import atr_percent
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

CLOCK_ATR_MODELS = ("clock_atr_logistic", "clock_atr_lightgbm")
"""Names under which the two clock + ATR fits enter an evaluation; skill is against the better one."""

CLOCK_ATR_FEATURES = ("minutes_to_flat", "atr_percent")
"""Columns of :func:`clock_atr_features`."""

RANDOM_DRAWS = 40


def minutes_to_flat(decision_us: np.ndarray, sessions: Sessions) -> np.ndarray:
    """Minutes from each decision to its session's flat time, float64 shape (N,); known long before.

    Raises
    ------
    BadInputError
        If a decision belongs to none of the sessions.
    """
    # A decision is the close of a bar, so it belongs to the session that was open just before it.
    index = sessions.locate(np.asarray(decision_us, dtype=np.int64) - 1)
    if (index < 0).any():
        raise BadInputError(f"{int((index < 0).sum())} decisions lie in none of the {len(sessions)} sessions given")
    return (sessions.flat_us[index] - decision_us) / MINUTE_US


def clock_atr_features(decision_us: np.ndarray, sessions: Sessions, bars_5min: pd.DataFrame) -> np.ndarray:
    """What the clock + ATR baseline sees of each decision, float32 shape (N, 2), columns :data:`CLOCK_ATR_FEATURES`.

    Both values are known at the decision: the flat time is scheduled, and the ATR ends with the bar that closes then.

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times; each the close of one of the bars.
    sessions : Sessions
        Sessions that hold the decisions.
    bars_5min : DataFrame
        Base bars in order of ``close_time``, from the start of the contract's history so that the ATR does not depend
        on where a slice begins.

    Raises
    ------
    BadInputError
        Decisions outside the sessions, at which no bar closes, or at which the ATR is still warming up.
    """
    clock = minutes_to_flat(decision_us, sessions)
    atr = pd.Series(atr_percent(bars_5min), index=times_us(bars_5min["close_time"]))
    features = np.column_stack([clock, atr.reindex(decision_us).to_numpy()]).astype(np.float32)
    if wrong := int((~np.isfinite(features)).any(axis=1).sum()):
        raise BadInputError(
            f"clock + ATR: {wrong} of {len(features)} decisions are no close of the base bars given, or lie in the "
            "warm-up of the ATR; give the bars that made the decisions, with the history before them"
        )
    return features


def prior_probabilities(fold: np.ndarray, train_labels: dict[int, np.ndarray]) -> np.ndarray:
    """Class shares of each row's training part, float64 shape (N, 3).

    Parameters
    ----------
    fold : ndarray of int64, shape (N,)
        Fold of each scored row (-1: the hold-out's training part).
    train_labels : dict of int to ndarray of int8
        Labels of each fold's training part; never of its scored part.
    """
    shares = {}
    for number, labels in train_labels.items():
        if len(labels) == 0:
            raise BadInputError(f"baseline prior: the training part of fold {number} is empty")
        shares[number] = np.bincount(labels.astype(np.int64) + 1, minlength=3) / len(labels)
    missing = sorted(set(np.unique(fold).tolist()) - set(shares))
    if missing:
        raise BadInputError(f"baseline prior: scored rows of folds {missing}, training parts of {sorted(shares)}")
    out = np.empty((len(fold), 3))
    for number, row in shares.items():
        out[fold == number] = row
    return out


def up_shares(prior: np.ndarray) -> np.ndarray:
    """Share of up among the touched labels behind each row of :func:`prior_probabilities`; 0.5 if none touched."""
    touch = prior[:, 0] + prior[:, 2]
    return np.nan_to_num(ratio(prior[:, 2], touch), nan=0.5)


def majority_probabilities(prior: np.ndarray) -> np.ndarray:
    """Certainty of the training part's most frequent class, shape (N, 3). Good for F1 only, not for a log loss."""
    return np.eye(3)[np.asarray(prior).argmax(axis=1)]


def buy_and_hold(bars_1min: pd.DataFrame, trade_day: np.ndarray, instrument: Instrument) -> SessionOutcomes:
    """One contract bought at the period's first open and held to its last close, marked at each session's last close.

    Marks are traded prices; over a roll the previous close is carried into the new expiry by the adjustment ratio
    (``close x ratio before / ratio after``), since a roll's gap is no gain. A round trip at the high cost is charged
    in the first session and at every roll. It holds overnight, which no model may: a yardstick, not an alternative.

    Parameters
    ----------
    bars_1min : DataFrame
        Traded minutes with ``open_time``, ``trade_date``, ``open``, ``close``, ``expiry`` and ``adjustment_ratio``.
    trade_day : ndarray of int32, shape (S,)
        Sessions of the period. A session without a traded minute is a zero.
    instrument : Instrument
        Dollars of a point, cost.
    """
    columns = ["open", "close", "expiry", "adjustment_ratio"]
    day = dates_days(bars_1min["trade_date"])
    rows = bars_1min.loc[np.isin(day, trade_day), columns]
    days = day[np.isin(day, trade_day)]
    net, trips = np.zeros(len(trade_day)), np.zeros(len(trade_day))
    if len(rows) == 0:
        return SessionOutcomes.of_daily(net, trips)
    first = np.flatnonzero(np.r_[True, np.diff(days) != 0])
    last = np.r_[first[1:] - 1, len(days) - 1]
    close = rows["close"].to_numpy()[last]
    factor, expiry = rows["adjustment_ratio"].to_numpy()[last], rows["expiry"].astype(str).to_numpy()[last]
    before = np.r_[rows["open"].to_numpy()[0], close[:-1] * factor[:-1] / factor[1:]]
    entered = np.r_[True, expiry[1:] != expiry[:-1]]
    points = close - before - entered * instrument.cost_price(high_volatility=True)
    at = np.searchsorted(trade_day, days[first])
    net[at], trips[at] = points * instrument.point_dollars, entered
    return SessionOutcomes.of_daily(net, trips)


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomEntry:
    """Many random traders as frequent as one model.

    Attributes
    ----------
    metrics : dict of str to Estimate
        Mean over the draws of each trading metric; intervals cover sessions and draws.
    daily_dollars : ndarray of float64, shape (S,)
        Mean daily net P&L over the draws.
    """

    metrics: dict[str, Estimate]
    daily_dollars: np.ndarray


def random_entry(
    priced: PricedDecisions,
    *,
    trades: int,
    long_share: float,
    session: np.ndarray,
    instrument: Instrument,
    resampler: SessionResampler,
    seed: int,
    draws: int = RANDOM_DRAWS,
) -> RandomEntry:
    """Enter at random decisions, as often as the model and on its mix of sides, under the simulator's rules.

    At each decision with no position open a coin decides; its probability is solved for so that the mean number of
    trades over the draws is the model's. Metrics are means over the draws, never metrics of the mean trader, whose
    daily P&L would be smoother than any trader's.

    Parameters
    ----------
    priced : PricedDecisions
        The model's decisions, priced.
    trades : int
        Round trips of the model.
    long_share : float
        Share of them that were long.
    session : ndarray of int64, shape (N,)
        Position of each decision's session.
    instrument : Instrument
        Dollars of a point.
    resampler : SessionResampler
        Sessions and confidence.
    seed : int
        Seed of the coins.
    draws : int
        Random traders, at least 20.
    """
    if draws < 20:
        raise BadInputError(f"random entry: expected at least 20 draws, got {draws}")
    generator = np.random.default_rng(seed)
    coins = generator.random((draws, len(priced)))
    sides = np.where(generator.random((draws, len(priced))) < long_share, np.int8(1), np.int8(-1)).astype(np.int8)
    usable = np.isfinite(priced.entry_price)
    probability = _entry_probability(coins, usable, priced, trades)
    values: dict[str, list[float]] = {}
    samples: dict[str, list[np.ndarray]] = {}
    daily = np.zeros(resampler.sessions)
    identity = np.arange(resampler.sessions, dtype=np.int32)[None]
    blocks = np.array_split(np.arange(resampler.resamples), draws)
    for row, side, block in zip(coins, sides, blocks, strict=True):
        taken = _enter(row, usable, priced.decision_us, priced.exit_us, probability)
        dollars = priced.net_points(taken, side[taken]) * instrument.point_dollars
        outcomes = SessionOutcomes.of_trades(dollars, session[taken], resampler.sessions)
        daily += outcomes.net_dollars / draws
        for name, value in trading_samples(outcomes, identity).items():
            values.setdefault(name, []).append(float(value[0]))
        for name, sample in trading_samples(outcomes, resampler.draws[block]).items():
            samples.setdefault(name, []).append(sample)
    metrics = {name: resampler.estimate(_mean(values[name]), np.concatenate(samples[name]), trades) for name in values}
    return RandomEntry(metrics=metrics, daily_dollars=daily)


def _mean(values: list[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _entry_probability(coins: np.ndarray, usable: np.ndarray, priced: PricedDecisions, trades: int) -> float:
    """Probability at which the mean number of trades over all rows of coins is the wanted one, by bisection."""
    if trades == 0:
        return 0.0

    def count(probability: float) -> float:
        taken = [_enter(row, usable, priced.decision_us, priced.exit_us, probability) for row in coins]
        return float(np.mean([len(positions) for positions in taken]))

    low, high = 0.0, 1.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        if count(middle) < trades:
            low = middle
        else:
            high = middle
    return high


@numba.njit(cache=True)
def _enter(
    coins: np.ndarray, usable: np.ndarray, decision_us: np.ndarray, exit_us: np.ndarray, probability: float
) -> np.ndarray:
    taken = np.empty(len(coins), dtype=np.int64)
    count = 0
    free_us = np.iinfo(np.int64).min
    for i in range(len(coins)):
        if usable[i] and coins[i] < probability and decision_us[i] >= free_us:
            taken[count] = i
            count += 1
            free_us = exit_us[i]
    return taken[:count].copy()
