"""The tick path behind the simulated worlds: volatility, hidden drift and prices of every trading minute.

A minute is a walk of single ticks: a Poisson number of them with mean equal to the minute's variance in squared ticks,
each up with probability 1/2 plus, in the planted world, a hidden tilt. So prices lie on the grid without rounding, the
minute's standard deviation is exactly sigma, and in the null world every step is a fair coin: the price is a
martingale, and turning the chart upside down changes nothing of its distribution. (Rounding a continuous path instead
would add a bounce that a model can trade on.) Volatility, volume, gaps and calendar never look at the coin.

Neighbour: :mod:`factory_assets.market.synthetic` makes raw bars of expiries out of it.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numba
import numpy as np

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.timeframes import MINUTE_US

# Drift of a minute in units of its sigma and of the hidden state.
WORLD_DRIFTS = MappingProxyType({"null": 0.0, "planted": 0.15})
LATENT_HALF_LIFE_MINUTES = 70

START_PRICE_POINTS = 4000.0
# Mean minute volatility as a share of price; with the profile below 5-minute ATR is about 5 points.
_SIGMA_SHARE = 4.8e-4
# Sigma grows with the price up to here; beyond, a lucky world would walk millions of ticks a session.
_SIGMA_PRICE_MAX_POINTS = 12_000.0
_SESSION_LOG_VOL_SD, _SESSION_LOG_VOL_AR = 0.25, 0.95
_MINUTE_LOG_VOL_SD, _MINUTE_LOG_VOL_HALF_LIFE = 0.30, 45
# Volatility by minute since the 17:00 open: Asia, London (from 540), the cash session (930 to 1320), the hour after.
_VOL_MINUTES = (0, 30, 60, 480, 540, 600, 900, 930, 960, 1080, 1200, 1300, 1320, 1335, 1380)
_VOL_SHARES = (0.9, 0.7, 0.6, 0.55, 0.75, 0.95, 0.85, 2.4, 2.0, 1.35, 1.35, 1.9, 1.7, 0.9, 0.6)
# A closed market moves as far as this many of its average minutes.
_OVERNIGHT_MINUTES, _WEEKEND_MINUTES = 30.0, 90.0
# The planted drift moves the price 5 % a session, so half a year would end anywhere between 500 and 20,000. There the
# closed hours undo this share of the distance to the start; no label and no trade spans them. The null world has none.
_PLANTED_PULL = 0.15


@dataclass(frozen=True, kw_only=True)
class MinutePath:
    """Every scheduled trading minute of a simulated market, shape (T,), before gaps and expiries.

    Attributes
    ----------
    session : ndarray of int32
        Position of the minute's session.
    minute : ndarray of int32
        Minutes since the session's open.
    open_ticks, high_ticks, low_ticks, close_ticks : ndarray of int64
        Prices in ticks of the first expiry's scale.
    moves : ndarray of int64
        Single-tick moves within the minute: activity without direction.
    sigma_ticks : ndarray of float64
        Standard deviation of the minute's change.
    usual_sigma_ticks : ndarray of float64
        What it would be at this time of day and price without clustering.
    latent : ndarray of float64
        The hidden state: AR(1) on trading minutes, unit variance. It tilts the planted world only. No bar shows it.
    """

    session: np.ndarray
    minute: np.ndarray
    open_ticks: np.ndarray
    high_ticks: np.ndarray
    low_ticks: np.ndarray
    close_ticks: np.ndarray
    moves: np.ndarray
    sigma_ticks: np.ndarray
    usual_sigma_ticks: np.ndarray
    latent: np.ndarray


def minute_path(world: str, seed: int, sessions: Sessions, tick_size: float) -> MinutePath:
    """Walk all minutes of the given sessions.

    Parameters
    ----------
    world : str
        ``"null"`` or ``"planted"``.
    seed : int
        Same seed, same path. Both worlds of one seed share volatility shape and hidden state.
    sessions : Sessions
        Sessions to trade in.
    tick_size : float
        Points a tick.

    Raises
    ------
    UnknownNameError
        If there is no such world.
    """
    if world not in WORLD_DRIFTS:
        raise UnknownNameError(f"world {world!r}: known worlds are {sorted(WORLD_DRIFTS)}")
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]
    spans = ((sessions.close_us - sessions.open_us) // MINUTE_US).astype(np.int64)
    ends = np.cumsum(spans)
    total = int(ends[-1])
    session = np.repeat(np.arange(len(spans), dtype=np.int32), spans)
    minute = (np.arange(total) - np.repeat(ends - spans, spans)).astype(np.int32)
    usual_share = _SIGMA_SHARE * np.interp(minute, _VOL_MINUTES, _VOL_SHARES)
    sigma_share = usual_share * _clustering(session, streams[0])
    latent = _ar1(streams[1].standard_normal(total), 0.5 ** (1.0 / LATENT_HALF_LIFE_MINUTES))
    tilt = WORLD_DRIFTS[world] * latent
    weekend = np.concatenate(([False], np.diff(sessions.trade_day) > 1))
    columns = [np.empty(total, dtype=np.int64) for _ in range(4)]
    moves, scales = np.empty(total, dtype=np.int64), np.empty(len(spans))
    price_ticks = round(START_PRICE_POINTS / tick_size)
    start_ticks, pull = price_ticks, _PLANTED_PULL if WORLD_DRIFTS[world] else 0.0
    scale_ticks_max = round(_SIGMA_PRICE_MAX_POINTS / tick_size)
    for number, stop in enumerate(ends):
        rows = slice(int(stop - spans[number]), int(stop))
        closed_minutes = _WEEKEND_MINUTES if weekend[number] else _OVERNIGHT_MINUTES if number else 0.0
        scale_ticks = min(price_ticks, scale_ticks_max)
        gap_ticks = _SIGMA_SHARE * scale_ticks * np.sqrt(closed_minutes) * streams[2].standard_normal()
        gap_ticks -= pull * price_ticks * np.log(price_ticks / start_ticks)
        price_ticks += int(np.rint(gap_ticks))
        sigma = sigma_share[rows] * scale_ticks
        counts = streams[3].poisson(sigma * sigma)
        coins = streams[3].random(int(counts.sum()))
        # Mean change = moves x (2 p - 1) = sigma^2 x tilt / sigma. The clip binds below a sigma of about half a tick.
        walked = _walk(price_ticks, counts, np.clip(0.5 + 0.5 * tilt[rows] / sigma, 0.0, 1.0), coins)
        for column, values in zip(columns, walked, strict=True):
            column[rows] = values
        moves[rows], scales[number] = counts, scale_ticks
        price_ticks = int(walked[3][-1])
    return MinutePath(
        session=session,
        minute=minute,
        open_ticks=columns[0],
        high_ticks=columns[1],
        low_ticks=columns[2],
        close_ticks=columns[3],
        moves=moves,
        sigma_ticks=sigma_share * scales[session],
        usual_sigma_ticks=usual_share * scales[session],
        latent=latent,
    )


def _clustering(session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sigma of each minute over the usual one of its time of day: a slow state a session times a fast one a minute."""
    slow = _SESSION_LOG_VOL_SD * _ar1(rng.standard_normal(int(session[-1]) + 1), _SESSION_LOG_VOL_AR)
    fast = _MINUTE_LOG_VOL_SD * _ar1(rng.standard_normal(len(session)), 0.5 ** (1.0 / _MINUTE_LOG_VOL_HALF_LIFE))
    return np.exp(slow[session] + fast)


@numba.njit(cache=True)
def _ar1(shocks: np.ndarray, coefficient: float) -> np.ndarray:
    """Stationary AR(1) of unit variance, started in its stationary distribution."""
    out = np.empty(len(shocks))
    scale = np.sqrt(1.0 - coefficient * coefficient)
    state = shocks[0]
    out[0] = state
    for i in range(1, len(shocks)):
        state = coefficient * state + scale * shocks[i]
        out[i] = state
    return out


@numba.njit(cache=True)
def _walk(
    start_ticks: int, counts: np.ndarray, up_probability: np.ndarray, coins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Open, high, low and close in ticks of each minute of a walk of single ticks."""
    n = len(counts)
    opens, highs = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    lows, closes = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    price, coin = start_ticks, 0
    for i in range(n):
        opens[i] = price
        highest, lowest = price, price
        for _ in range(counts[i]):
            price += 1 if coins[coin] < up_probability[i] else -1
            coin += 1
            highest = max(highest, price)
            lowest = min(lowest, price)
        highs[i], lows[i], closes[i] = highest, lowest, price
    return opens, highs, lows, closes
