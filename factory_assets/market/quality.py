"""Which raw minutes may not enter the canonical series, and why.

A bar that breaks a rule is quarantined with the rule's name; it is never repaired, and no bar is invented in its
place. Belongs here: the rules. Does not: choosing between delivery months (:mod:`factory_assets.market.rolls`) and
putting the series together (:mod:`factory_assets.market.canonical`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

REASONS: tuple[str, ...] = (
    "conflicting_duplicate",
    "not_finite",
    "not_positive",
    "off_tick",
    "ohlc_order",
    "bad_volume",
    "off_minute",
    "outside_session",
    "spike",
)
SPIKE_WINDOW_BARS = 120
SPIKE_WARMUP_BARS = 20
SPIKE_SCALE_MIN_TICKS = 4.0
SPIKE_SUPPORT_SHARE = 0.5
SPIKE_SUPPORT_VOLUME = 3.0
SPIKE_STALE_MINUTES = 30
# A price in ticks is a whole number up to the binary rounding of the decimal it was written as.
_TICK_TOLERANCE_TICKS = 1e-6

KEPT = -1


@dataclass(frozen=True, eq=False)
class MinuteArrays:
    """Raw minutes of all expiries as arrays of length N, sorted by (delivery, open_us).

    Attributes
    ----------
    delivery : ndarray of int64
        Delivery month as ``12 x year + month - 1``.
    open_us : ndarray of int64
        Open time, microseconds since 1970 UTC.
    prices : ndarray of float64, shape (4, N)
        Open, high, low, close in points.
    volume : ndarray of float64
        Contracts.
    """

    delivery: np.ndarray
    open_us: np.ndarray
    prices: np.ndarray
    volume: np.ndarray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.open_us)

    def take(self, rows: np.ndarray) -> "MinuteArrays":
        """Rows at the given positions, or under a boolean mask."""
        return MinuteArrays(self.delivery[rows], self.open_us[rows], self.prices[:, rows], self.volume[rows])


def duplicates(minutes: MinuteArrays) -> tuple[np.ndarray, np.ndarray]:
    """Repeated rows of one expiry and minute.

    Parameters
    ----------
    minutes : MinuteArrays
        Sorted by (delivery, open_us, prices, volume), so that equal rows are neighbours.

    Returns
    -------
    exact : ndarray of bool, shape (N,)
        The row repeats the one before it in every value (the source file aside): dropped and counted.
    conflicting : ndarray of bool, shape (N,)
        Another row of the same expiry and minute has other values: nothing says which is true, so all are
        quarantined (but for exact copies, which are dropped).
    """
    n = len(minutes)
    same_key = np.zeros(n, dtype=bool)
    same_key[1:] = (np.diff(minutes.delivery) == 0) & (np.diff(minutes.open_us) == 0)
    values = np.vstack([minutes.prices, minutes.volume])
    equal = np.zeros(n, dtype=bool)
    now, before = values[:, 1:], values[:, :-1]
    equal[1:] = ((now == before) | (np.isnan(now) & np.isnan(before))).all(axis=0)
    exact = same_key & equal
    group = np.cumsum(~same_key)
    differs = np.bincount(group[same_key & ~equal], minlength=n + 1) > 0
    return exact, differs[group] & ~exact


def broken_rules(minutes: MinuteArrays, instrument: Instrument, sessions: Sessions) -> np.ndarray:
    """First rule each bar breaks on its own, int8 shape (N,): an index into :data:`REASONS`, or :data:`KEPT`.

    The rules need nothing but the bar itself, so they hold alike in history and live.

    Parameters
    ----------
    minutes : MinuteArrays
        Rows to judge.
    instrument : Instrument
        Gives the tick size.
    sessions : Sessions
        Sessions covering the rows.
    """
    prices, volume = minutes.prices, minutes.volume
    open_, high, low, close = prices
    finite = np.isfinite(prices).all(axis=0)
    with np.errstate(invalid="ignore"):
        ticks = prices / instrument.tick_size
        off_tick = (np.abs(ticks - np.rint(ticks)) > _TICK_TOLERANCE_TICKS).any(axis=0)
        broken = {
            "not_finite": ~finite,
            "not_positive": (prices <= 0).any(axis=0),
            "off_tick": off_tick,
            "ohlc_order": (low > np.minimum(open_, close)) | (high < np.maximum(open_, close)),
            "bad_volume": ~(np.isfinite(volume) & (volume >= 0)),
            "off_minute": minutes.open_us % MINUTE_US != 0,
            "outside_session": sessions.locate(minutes.open_us) < 0,
        }
    reason = np.full(len(minutes), KEPT, dtype=np.int8)
    for name, mask in broken.items():
        reason[mask & (reason == KEPT)] = REASONS.index(name)
    return reason


def spikes(minutes: MinuteArrays, session: np.ndarray, instrument: Instrument, scale_multiple: float) -> np.ndarray:
    """Bars that leave the bars before them far behind and that no other trade supports, bool shape (N,).

    A bar is a candidate if its high is above the highs of the two bars before it, or its low below their lows, by more
    than ``scale_multiple`` robust scales: the median true range of the expiry's last 120 bars *before* the bar, at
    least four ticks. Two bars, so that the return from a bad print is not taken for another one. News moves pass that
    test too (gold did on 2021-01-18, 2021-08-09 and 2022-11-23), so a candidate is a spike only if it stands alone: in
    the same minute no other expiry moved half as far the same way, and its volume is below three times the median of
    the last 120 bars.

    Whether the price comes back in the next minute is *not* asked: that would let tomorrow's bar decide whether today's
    is used, and live could not do the same. All three bars lie in one session and within 30 minutes, so the first two
    bars of a session are not judged, nor a month that hardly trades (its last price is an old one), nor the first 20
    bars of an expiry.

    Parameters
    ----------
    minutes : MinuteArrays
        Valid bars, sorted by (delivery, open_us), without duplicates.
    session : ndarray of int64, shape (N,)
        Session of each bar.
    instrument : Instrument
        Gives the tick size.
    scale_multiple : float
        Limit in robust scales. The verdict on a bar is known at the bar's close.
    """
    n = len(minutes)
    if n < 3:
        return np.zeros(n, dtype=bool)
    _, high, low, close = minutes.prices
    follows = np.zeros(n, dtype=bool)
    follows[1:] = np.diff(minutes.delivery) == 0
    before = np.concatenate([close[:1], close[:-1]])
    true_range = np.where(follows, np.maximum(high, before) - np.minimum(low, before), high - low)
    scale = _median_before(true_range, minutes.delivery, follows)
    limit = scale_multiple * np.maximum(scale, SPIKE_SCALE_MIN_TICKS * instrument.tick_size)
    inner = follows[2:] & follows[1:-1] & (session[2:] == session[:-2])
    inner &= minutes.open_us[2:] - minutes.open_us[:-2] <= SPIKE_STALE_MINUTES * MINUTE_US
    above, below = np.zeros(n), np.zeros(n)
    above[2:] = np.where(inner, high[2:] - np.maximum(high[1:-1], high[:-2]), 0.0)
    below[2:] = np.where(inner, np.minimum(low[1:-1], low[:-2]) - low[2:], 0.0)
    rising, falling = np.where(follows, high - before, 0.0), np.where(follows, before - low, 0.0)
    candidates = np.flatnonzero((above > limit) | (below > limit))
    found = np.zeros(n, dtype=bool)
    if len(candidates) == 0:
        return found
    usual_volume = _median_before(minutes.volume, minutes.delivery, follows)
    by_time = np.argsort(minutes.open_us, kind="stable")
    ordered_us = minutes.open_us[by_time]
    for row in candidates:
        start, stop = np.searchsorted(ordered_us, [minutes.open_us[row], minutes.open_us[row] + 1])
        others = by_time[start:stop]
        others = others[others != row]
        moves, size = (rising, above[row]) if above[row] >= below[row] else (falling, below[row])
        moved_along = bool((moves[others] >= SPIKE_SUPPORT_SHARE * size).any())
        found[row] = not moved_along and minutes.volume[row] < SPIKE_SUPPORT_VOLUME * usual_volume[row]
    return found


def _median_before(values: np.ndarray, delivery: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Median of the same expiry's last 120 values before each row; NaN with fewer than 20."""
    windows = pd.Series(values).groupby(delivery, sort=False).rolling(SPIKE_WINDOW_BARS, SPIKE_WARMUP_BARS)
    until = windows.median().to_numpy()
    return np.where(follows, np.concatenate([[np.nan], until[:-1]]), np.nan)
