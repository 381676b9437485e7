"""The one kernel that walks prices to a barrier: labels, simulator and paper trading all call it.

Belongs here: the walk over 1-minute bars and nothing else. Does not: what a decision is, which ones count, what they
cost (:mod:`factory_assets.labels.label_table`, :mod:`factory_assets.labels.costs`), or checks of the input
(:func:`factory_assets.labels.triple_barrier.triple_barrier` is the checked entry).

Rules of the walk
-----------------
* Entry is the open of the first minute with ``open_time >= decision``; barriers stand at ``entry + up_points`` and
  ``entry - down_points``, unrounded. The entry minute itself is walked.
* A minute that opens at or beyond a barrier settles at its open and is never a tie: the open came first.
* Otherwise ``high >= upper`` and ``low <= lower`` are touches and fill at the barrier. Both in one minute is a tie:
  label 0, and either side is booked at its stop (a long leaves at ``lower``, a short at ``upper``).
* After a touch the outcome is known at that minute's close. Without one, both sides leave at the last close known at
  the vertical time, and the outcome is known then.
"""

import numba
import numpy as np

from factory_assets.labels._search import first_at_or_after
from factory_assets.vocabulary.timeframes import MINUTE_US

NO_ENTRY = -1
"""Entry position of a decision before whose vertical time no minute opens."""


@numba.njit(cache=True)
def walk_to_barrier(
    open_us: np.ndarray,
    open_price: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    decision_us: np.ndarray,
    up_points: np.ndarray,
    down_points: np.ndarray,
    vertical_us: np.ndarray,
) -> tuple[
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
    np.ndarray,
]:
    """Walk N entries over M minutes; every array contiguous, nothing is checked here.

    Parameters
    ----------
    open_us : ndarray of int64, shape (M,)
        Open times of 1-minute bars, microseconds since 1970, strictly increasing, on whole minutes.
    open_price, high, low, close : ndarray of float64, shape (M,)
        Traded prices in points, finite.
    decision_us : ndarray of int64, shape (N,)
        Decision times. Any order is right, increasing order is fast.
    up_points, down_points : ndarray of float64, shape (N,)
        Distance of the upper and lower barrier from the entry, points, positive.
    vertical_us : ndarray of int64, shape (N,)
        Vertical times on whole minutes: nothing that opens at or after them is seen. A caller that trades a series
        of several expiries puts them no later than the roll.

    Returns
    -------
    entry : ndarray of int64
        Position of the entry minute, :data:`NO_ENTRY` if none opens in [decision, vertical); the row's prices are
        then NaN, its label 0 and its ``t1`` the vertical time.
    label : ndarray of int8
        +1 upper first, -1 lower first, 0 neither or tie.
    tie : ndarray of bool
        One minute touched both.
    upper, lower : ndarray of float64
        Barriers, points.
    exit_long, exit_short : ndarray of float64
        Where a long and a short leave, points, before costs.
    t1_us : ndarray of int64
        The moment the outcome is known.
    minutes_to_touch : ndarray of float64
        Whole minutes from the entry minute's open to ``t1``; NaN without a touch.
    mae, mfe : ndarray of float64
        Largest move against and in favour of a long while it was open, points, >= 0; for a short they trade places.
        In the minute of a touch the extremes count up to the barriers, in a gap only the open does.
    """
    n = len(decision_us)
    entry = np.full(n, NO_ENTRY, dtype=np.int64)
    label = np.zeros(n, dtype=np.int8)
    tie = np.zeros(n, dtype=np.bool_)
    upper_out = np.full(n, np.nan)
    lower_out = np.full(n, np.nan)
    exit_long = np.full(n, np.nan)
    exit_short = np.full(n, np.nan)
    t1_us = vertical_us.copy()
    minutes_to_touch = np.full(n, np.nan)
    mae = np.full(n, np.nan)
    mfe = np.full(n, np.nan)
    start, past = 0, 0
    for i in range(n):
        start = first_at_or_after(open_us, decision_us[i], start)
        past = first_at_or_after(open_us, vertical_us[i], max(past, start))
        if start >= past:
            continue
        price = open_price[start]
        upper, lower = price + up_points[i], price - down_points[i]
        entry[i], upper_out[i], lower_out[i] = start, upper, lower
        highest, lowest = price, price
        at = start
        while at < past and high[at] < upper and low[at] > lower:
            highest, lowest = max(highest, high[at]), min(lowest, low[at])
            at += 1
        if at == past:
            exit_long[i] = exit_short[i] = close[past - 1]
        else:
            first = open_price[at]
            if first >= upper or first <= lower:
                label[i] = 1 if first >= upper else -1
                exit_long[i] = exit_short[i] = first
                highest, lowest = max(highest, first), min(lowest, first)
            else:
                up, down = high[at] >= upper, low[at] <= lower
                tie[i] = up and down
                label[i] = np.int8(up) - np.int8(down)
                exit_long[i] = lower if down else upper
                exit_short[i] = upper if up else lower
                highest, lowest = max(highest, min(high[at], upper)), min(lowest, max(low[at], lower))
            t1_us[i] = open_us[at] + MINUTE_US
            minutes_to_touch[i] = (t1_us[i] - open_us[start]) // MINUTE_US
        mae[i], mfe[i] = price - lowest, highest - price
    return entry, label, tie, upper_out, lower_out, exit_long, exit_short, t1_us, minutes_to_touch, mae, mfe
