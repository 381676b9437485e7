"""Regime: which kind of market this is, by volatility, trend and structure, and by a hidden Markov model.

Belongs here: states, and probabilities of states. Does not: the measures behind them
(:mod:`factory_assets.features.volatility`, :mod:`factory_assets.features.trend`), or how the model's parameters come
about (:mod:`factory_assets.features.regime_estimation`).
"""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.hmm import filtered
from factory_assets.features.kernels import beyond_tie, lagged
from factory_assets.features.regime_kernels import session_rank, slot_rank
from factory_assets.features.restart import restarted_runs
from factory_assets.features.spec import FLAG, REGIME_COLUMN, SESSION_MINUTES_MAX, Span
from factory_assets.indicators import rolling_max, rolling_mean, rolling_min, rolling_sum

GROUP = "regime"
RANKED_SESSIONS = 20
_VOLATILITY_BARS = 20
_TREND_BARS = 50
_SWING_BARS = 20
# The earliest session ranked needs its volatility from its first bar on; where the first session seen is too short for
# that, one more session has to pass.
_RANKED = Span(sessions=RANKED_SESSIONS + 1, settle_bars=_VOLATILITY_BARS)


@family(
    group=GROUP,
    inputs=("close", "close_time", "trade_date"),
    outputs=[
        Output(name="volatility_percentile_20s", unit="share", scaling="minmax", lookback=_RANKED, warmup=_RANKED),
        Output(name="volatility_percentile_slot_20s", unit="share", scaling="minmax", lookback=_RANKED, warmup=_RANKED),
        Output(name="volatility_state", unit="state", scaling="none", lookback=_RANKED, warmup=_RANKED),
    ],
)
def volatility_regime(bars: Bars) -> tuple[np.ndarray, ...]:
    """Rank of the mean squared log return of 20 bars among its values in the 20 sessions before the bar's own.

    volatility_percentile: among all bars of those sessions; volatility_percentile_slot: among the bars of the same time
    of the session, a session without one counting half, so that the daily course of volatility is taken out.
    volatility_state: -1 below a third of all bars, 1 above two thirds, else 0. Ties within 1e-9 count half.

    References
    ----------
    Andersen and Bollerslev (1997), Intraday Periodicity and Volatility Persistence in Financial Markets, Journal of
    Empirical Finance 4, pp. 115-158.
    """
    energy = rolling_sum(bars.log_return**2, _VOLATILITY_BARS)
    share, third = session_rank(energy, bars.session_number, RANKED_SESSIONS)
    slots = -(-SESSION_MINUTES_MAX // bars.minutes)
    return share, slot_rank(energy, bars.slot, bars.session_number, slots, RANKED_SESSIONS), third


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[Output(name="trend_state", unit="state", scaling="none", lookback=Span(bars=_TREND_BARS))],
)
def trend_regime(bars: Bars) -> np.ndarray:
    """1 while close > SMA20 > SMA50, -1 while close < SMA20 < SMA50, else 0; distances within 1e-9 x price are none.

    References
    ----------
    Brock, Lakonishok and LeBaron (1992), Simple Technical Trading Rules and the Stochastic Properties of Stock Returns,
    Journal of Finance 47, pp. 1731-1764 (moving-average rules with a band).
    """
    fast, slow = rolling_mean(bars.close, 20), rolling_mean(bars.close, _TREND_BARS)
    return _agreement(beyond_tie(bars.close - fast, bars.close), beyond_tie(fast - slow, bars.close))


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[Output(name="structure_state", unit="state", scaling="none", lookback=Span(bars=2 * _SWING_BARS))],
)
def structure_regime(bars: Bars) -> np.ndarray:
    """1 if the last 20 bars have a higher high and a higher low than the 20 before, -1 if both are lower, else 0.

    0 is an inside or an outside range, or extremes equal within 1e-9 x price.

    References
    ----------
    Edwards and Magee (2001), Technical Analysis of Stock Trends, 8th ed., chapter 3 (Dow theory: successive highs and
    lows).
    """
    top, bottom = rolling_max(bars.high, _SWING_BARS), rolling_min(bars.low, _SWING_BARS)
    rises = (beyond_tie(each - lagged(each, _SWING_BARS), bars.close) for each in (top, bottom))
    return _agreement(*rises)


@family(
    group=GROUP,
    inputs=("open", "close", "trade_date", REGIME_COLUMN),
    outputs=[
        *(
            Output(name=f"hmm_{state}", unit="probability", scaling="minmax", lookback=Span(sessions=2), warmup=Span())
            for state in ("low", "mid", "high")
        ),
        Output(name="hmm_is_known", unit=FLAG, scaling="none", lookback=Span(sessions=2), warmup=Span()),
    ],
)
def hidden_states(bars: Bars) -> tuple[np.ndarray, ...]:
    """Probability, given the returns up to the bar, that volatility is in its low, mid or high state; a flag.

    Three states of zero-mean Gaussian log returns of a bar, from close to close, in a session's first bar from open to
    close, that follow each other as a Markov chain. The parameters are estimated on each quarter's first session from
    the 120 complete sessions before it and hold for the quarter. The filter starts from the chain's stationary
    distribution at the open of the session before the bar's own. Without parameters (history before the first quarter
    that 120 complete sessions precede) or that session the three are 1/3 and the flag is 0, else 1.

    References
    ----------
    Hamilton (1989), A New Approach to the Economic Analysis of Nonstationary Time Series and the Business Cycle,
    Econometrica 57, pp. 357-384 (filter); Ryden, Terasvirta and Asbrink (1998), Stylized Facts of Daily Return Series
    and the Hidden Markov Model, Journal of Applied Econometrics 13, pp. 217-244.
    """
    runs, table = restarted_runs(bars.session_number), bars.regime_table
    chosen = table.positions(bars.trade_day[runs[:, 1]])
    low, mid, high = filtered(bars.squared_return, runs, chosen, table.variances, table.transitions)
    known = np.zeros(len(bars))
    for begin, end in runs[chosen >= 0, 1:]:
        known[begin:end] = 1.0
    return low, mid, high, known


def _agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 where both are positive, -1 where both are negative, else 0, never -0; NaN where either is."""
    return np.where(np.sign(first) == np.sign(second), np.sign(first), 0.0 * (first + second)) + 0.0


FAMILIES: tuple[FeatureFamily, ...] = (volatility_regime, trend_regime, structure_regime, hidden_states)
