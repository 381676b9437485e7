"""Whether one vendor's clock runs beside the other's: by how many minutes its stamps lie off, week by week.

A wrong bar label moves every bar by one minute, a wrong time zone by hours, a clock that keeps (or does not keep)
daylight saving by an hour in half of the weeks. No single bar shows it; the moves of many minutes do: they agree at
the true shift and at no other. Prices are not compared, so a series that was adjusted by a constant is placed as well.

Neighbour: :mod:`factory_assets.market.vendor_comparison` says what a shift means.
"""

import numpy as np
import pandas as pd

from factory_assets.market.vendor_minutes import VendorMinutes
from factory_assets.vocabulary.frames import from_days

SHIFT_MINUTES_MAX = 90
ZONE_HOURS_MAX = 14
CORRELATION_MIN = 0.5
"""Moves of two records of one market agree far better than this at the true shift, and hardly at all at another."""

_ROWS_SEARCHED_MAX = 60_000
_WEEK_ROWS_MIN = 300
_PAIRS_MIN = 30
# Of the pairs the best-matched shift of the week has: fewer agree by chance.
_PAIRS_SHARE_MIN = 0.2
_DAY_MINUTES = 24 * 60
# 1970-01-01 was a Thursday; weeks begin on Sunday, when clocks change and markets are closed.
_DAYS_TO_SUNDAY = 4


def candidate_shifts() -> np.ndarray:
    """Shifts that are tried, in minutes, ascending: every minute up to 90, every hour up to 14 and its neighbours."""
    near = np.arange(-SHIFT_MINUTES_MAX, SHIFT_MINUTES_MAX + 1)
    hours = 60 * np.arange(-ZONE_HOURS_MAX, ZONE_HOURS_MAX + 1)
    return np.unique(np.concatenate([near, hours - 1, hours, hours + 1]))


def sunday_of(minute: np.ndarray) -> np.ndarray:
    """Sunday (UTC) each minute's week begins on, days since 1970, of minutes since 1970."""
    return (minute // _DAY_MINUTES + _DAYS_TO_SUNDAY) // 7 * 7 - _DAYS_TO_SUNDAY


def weekly_shifts(a: VendorMinutes, b: VendorMinutes) -> pd.DataFrame:
    """Best shift of every week: how many minutes later B stamps the bars that A holds.

    Each bar's move is log(close / open). For each candidate shift the moves of A's minutes that moved are correlated
    with those of B's minutes that many minutes later, within each week; the shift with the highest correlation is the
    week's. Of A at most 60,000 minutes are asked, spread over the weeks and within them.

    Parameters
    ----------
    a, b : VendorMinutes
        The two records, each under the clock and bar label it is declared with.

    Returns
    -------
    DataFrame
        One row a week with at least 30 pairs at some shift: ``week`` (its Sunday, UTC), ``minutes`` (pairs at the best
        shift), ``shift_minutes`` (float; NaN if no shift correlates by 0.5: this is not the same market),
        ``correlation`` (at the best shift), ``correlation_unshifted`` (as declared; NaN without pairs).
    """
    moves_a, moves_b = _moves(a), _moves(b)
    rows = _asked(a, b, moves_a)
    weeks, place = np.unique(sunday_of(a.minute[rows]), return_inverse=True)
    shifts = candidate_shifts()
    pairs = np.zeros((len(shifts), len(weeks)), dtype=np.int64)
    agreement = np.full((len(shifts), len(weeks)), np.nan)
    for number, shift in enumerate(shifts):
        at, found = b.find(a.key[rows] + shift)
        pairs[number], agreement[number] = _correlations(
            moves_a[rows[found]], moves_b[at[found]], place[found], len(weeks)
        )
    most = pairs.max(axis=0, initial=0)
    weeks, pairs, agreement = weeks[most >= _PAIRS_MIN], pairs[:, most >= _PAIRS_MIN], agreement[:, most >= _PAIRS_MIN]
    enough = pairs >= np.maximum(_PAIRS_MIN, _PAIRS_SHARE_MIN * most[most >= _PAIRS_MIN])
    judged = np.where(enough & np.isfinite(agreement), agreement, -1.0)
    best = judged.argmax(axis=0)
    columns = np.arange(len(weeks))
    known = judged[best, columns] >= CORRELATION_MIN
    return pd.DataFrame(
        {
            "week": from_days(weeks),
            "minutes": pairs[best, columns],
            "shift_minutes": np.where(known, shifts[best].astype(np.float64), np.nan),
            "correlation": np.where(enough[best, columns], agreement[best, columns], np.nan),
            "correlation_unshifted": agreement[int(np.searchsorted(shifts, 0)), columns],
        }
    )


def _asked(a: VendorMinutes, b: VendorMinutes, moves: np.ndarray) -> np.ndarray:
    """Minutes of A to look for in B: those that moved, in months and weeks B holds, no week more than its part."""
    shared = np.isin(a.month, np.unique(b.month)) & np.isin(sunday_of(a.minute), np.unique(sunday_of(b.minute)))
    rows = np.flatnonzero((moves != 0) & shared)
    weeks, place, counts = np.unique(sunday_of(a.minute[rows]), return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    number = np.empty(len(rows), dtype=np.int64)
    number[order] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = -(-counts // max(_WEEK_ROWS_MIN, _ROWS_SEARCHED_MAX // max(1, len(weeks))))
    return rows[number % step[place] == 0]


def _moves(minutes: VendorMinutes) -> np.ndarray:
    return np.log(minutes.prices[3] / minutes.prices[0])


def _correlations(x: np.ndarray, y: np.ndarray, place: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and correlation of x and y in each of ``size`` places; NaN where one of the two does not vary."""
    count = np.bincount(place, minlength=size)
    n = np.maximum(count, 1)
    mean_x, mean_y = np.bincount(place, x, size) / n, np.bincount(place, y, size) / n
    dx, dy = x - mean_x[place], y - mean_y[place]
    xx, yy, xy = (np.bincount(place, product, size) for product in (dx * dx, dy * dy, dx * dy))
    varied = (xx > 0) & (yy > 0)
    return count, np.where(varied, xy / np.sqrt(np.where(varied, xx * yy, 1.0)), np.nan)
