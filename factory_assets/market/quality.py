"""Which raw minutes may not enter the canonical series, and why.

A bar that breaks a rule is quarantined with the rule's name; it is never repaired, and no bar is invented in its
place. Belongs here: the rules. Does not: choosing between delivery months (:mod:`factory_assets.market.rolls`) and
putting the series together (:mod:`factory_assets.market.canonical`).
"""

from dataclasses import dataclass

import numpy as np

from factory_assets.market.quality_kernels import copies, first_broken, unsupported_leaps
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
"""Names of the rules; a bar that breaks several is quarantined under the first of them."""
SPIKE_WINDOW_BARS = 120
SPIKE_WARMUP_BARS = 20
SPIKE_SCALE_MIN_TICKS = 4.0
SPIKE_SUPPORT_SHARE = 0.5
SPIKE_SUPPORT_VOLUME = 3.0
SPIKE_STALE_MINUTES = 30
# A price in ticks is a whole number up to the binary rounding of the decimal it was written as.
_TICK_TOLERANCE_TICKS = 1e-6

KEPT = -1
# The kernel numbers the rules it asks from 1, in this order.
_ASKED = ("not_finite", "not_positive", "off_tick", "ohlc_order", "bad_volume", "off_minute", "outside_session")
_CODE_OF_RULE = np.array([KEPT, *map(REASONS.index, _ASKED)], dtype=np.int8)


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
    return copies(minutes.delivery, minutes.open_us, minutes.prices, minutes.volume)


def broken_rules(
    minutes: MinuteArrays, instrument: Instrument, sessions: Sessions, *, has_volume: bool = True
) -> np.ndarray:
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
    has_volume : bool
        Whether the source has volume, which then has to be finite and not negative; if it was declared to have none,
        a bar's volume has to be NaN.
    """
    number = first_broken(
        minutes.open_us,
        minutes.prices,
        minutes.volume,
        sessions.locate(minutes.open_us) >= 0,
        instrument.tick_size,
        _TICK_TOLERANCE_TICKS,
        MINUTE_US,
        has_volume,
    )
    return _CODE_OF_RULE[number]


def spikes(minutes: MinuteArrays, session: np.ndarray, instrument: Instrument, scale_multiple: float) -> np.ndarray:
    """Bars that leave the bars before them far behind and that no other trade supports, bool shape (N,).

    A bar is a candidate if its high is above the highs of the two bars before it, or its low below their lows, by more
    than ``scale_multiple`` robust scales: the median true range of the expiry's last 120 bars *before* the bar, at
    least four ticks. Two bars, so that the return from a bad print is not taken for another one. News moves pass that
    test too (gold did on 2021-01-18, 2021-08-09 and 2022-11-23), so a candidate is a spike only if it stands alone: in
    the same minute no other expiry moved half as far the same way, and its volume is below three times the median of
    the last 120 bars (at least one contract). A series without volume has the other expiries alone to speak for it.

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
    return unsupported_leaps(
        minutes.delivery,
        minutes.open_us,
        minutes.prices,
        minutes.volume,
        session,
        SPIKE_STALE_MINUTES * MINUTE_US,
        SPIKE_WINDOW_BARS,
        SPIKE_WARMUP_BARS,
        scale_multiple,
        SPIKE_SCALE_MIN_TICKS * instrument.tick_size,
        SPIKE_SUPPORT_SHARE,
        SPIKE_SUPPORT_VOLUME,
    )
