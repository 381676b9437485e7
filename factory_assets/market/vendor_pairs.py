"""Minutes that two vendors both hold, and the counts of how they differ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.market.sessions import Sessions
from factory_assets.market.vendor_minutes import PRICES, VendorMinutes, month_name
from factory_assets.vocabulary.timeframes import MINUTE_US

SIZE_BOUNDS_TICKS = (0, 1, 2, 5, 10, 50)
"""Upper ends of the classes differences are counted in; a last class holds what lies beyond."""

_EQUAL_TICKS = 1e-6
_WORST_ROWS = 20


@dataclass(frozen=True, eq=False)
class VendorPairs:
    """Minutes of A and B under equal keys.

    Attributes
    ----------
    a, b : VendorMinutes
        The minutes, aligned.
    ticks : ndarray of float64, shape (4, N)
        B - A of open, high, low and close, in ticks.
    """

    a: VendorMinutes
    b: VendorMinutes
    ticks: np.ndarray

    @property
    def equal(self) -> np.ndarray:
        """Whether all four prices are the same, bool shape (N,)."""
        return (np.abs(self.ticks) < _EQUAL_TICKS).all(axis=0)

    def __len__(self) -> int:
        """Number of minutes both hold."""
        return len(self.a)


def paired(a: VendorMinutes, b: VendorMinutes, tick_size: float) -> VendorPairs:
    """Minutes that stand in both."""
    at, found = b.find(a.key)
    a, b = a.take(found), b.take(at[found])
    return VendorPairs(a, b, (b.prices - a.prices) / tick_size)


def by_column(pairs: VendorPairs) -> pd.DataFrame:
    """How often and how far each price differs.

    Returns
    -------
    DataFrame
        ``column``, ``different`` (minutes), ``share`` (of the shared minutes), and over the different ones
        ``mean_ticks`` (of B - A), ``median_ticks`` and ``max_ticks`` (of its size); 0 where none differs.
    """
    rows = []
    for name, ticks in zip(PRICES, pairs.ticks, strict=True):
        apart = ticks[np.abs(ticks) >= _EQUAL_TICKS]
        size = np.abs(apart) if len(apart) else np.zeros(1)
        rows.append(
            {
                "column": name,
                "different": len(apart),
                "share": len(apart) / max(1, len(pairs)),
                "mean_ticks": float(apart.mean()) if len(apart) else 0.0,
                "median_ticks": float(np.median(size)),
                "max_ticks": float(size.max()),
            }
        )
    return pd.DataFrame(rows)


def by_size(pairs: VendorPairs) -> pd.DataFrame:
    """Minutes by size of the difference: ``ticks`` (the class, ``0``, ``1``, ``3-5``, ``> 50``), one column a price."""
    bounds = np.array(SIZE_BOUNDS_TICKS, dtype=np.float64) + _EQUAL_TICKS
    lows = [0, *(bound + 1 for bound in SIZE_BOUNDS_TICKS[:-1])]
    names = [str(low) if low == high else f"{low}-{high}" for low, high in zip(lows, SIZE_BOUNDS_TICKS, strict=True)]
    table = {"ticks": [*names, f"> {SIZE_BOUNDS_TICKS[-1]}"]}
    for name, ticks in zip(PRICES, pairs.ticks, strict=True):
        place = np.searchsorted(bounds, np.abs(ticks), side="left")
        table[name] = np.bincount(place, minlength=len(bounds) + 1).tolist()
    return pd.DataFrame(table)


def volume_ratios(pairs: VendorPairs) -> Mapping[str, float]:
    """Volume of B over A: ``total_ratio``, ``equal_share``, ``ratio_p05``, ``ratio_p50`` and ``ratio_p95`` by minute.

    Empty if no shared minute has a positive volume in both: one of the two has none.
    """
    a, b = pairs.a.volume, pairs.b.volume
    known = np.isfinite(a) & np.isfinite(b)
    positive = known & (a > 0) & (b > 0)
    if not positive.any():
        return {}
    low, middle, high = np.quantile(b[positive] / a[positive], [0.05, 0.5, 0.95])
    return {
        "total_ratio": float(b[known].sum() / a[known].sum()),
        "equal_share": float((a[known] == b[known]).mean()),
        "ratio_p05": float(low),
        "ratio_p50": float(middle),
        "ratio_p95": float(high),
    }


def by_month(pairs: VendorPairs, a: VendorMinutes, b: VendorMinutes, symbol: str) -> pd.DataFrame:
    """One row a delivery month.

    Parameters
    ----------
    pairs : VendorPairs
        Shared minutes of ``a`` and ``b``.
    a, b : VendorMinutes
        Minutes within the spans both hold.
    symbol : str
        Product, for the names of the months.

    Returns
    -------
    DataFrame
        ``expiry``, ``first`` and ``last`` minute of either, ``both``, ``only_a``, ``only_b``, ``equal`` (all four
        prices), ``close_offset_ticks`` (median of B - A; NaN without shared minutes), ``offset_spread_ticks`` (median
        distance from it: 0 is a constant offset).
    """
    rows = []
    for month in np.union1d(a.month, b.month):
        of_a, of_b, shared = a.month == month, b.month == month, pairs.a.month == month
        close = pairs.ticks[3, shared]
        offset = float(np.median(close)) if len(close) else np.nan
        minutes = np.concatenate([a.minute[of_a], b.minute[of_b]])
        rows.append(
            {
                "expiry": month_name(symbol, int(month)),
                "first": _text(minutes.min()),
                "last": _text(minutes.max()),
                "both": int(shared.sum()),
                "only_a": int(of_a.sum() - shared.sum()),
                "only_b": int(of_b.sum() - shared.sum()),
                "equal": int(pairs.equal[shared].sum()),
                "close_offset_ticks": offset,
                "offset_spread_ticks": float(np.median(np.abs(close - offset))) if len(close) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def by_session(pairs: VendorPairs, sessions: Sessions, a: VendorMinutes, b: VendorMinutes) -> pd.DataFrame:
    """One row a session in which either has a minute.

    Returns
    -------
    DataFrame
        ``trade_date`` (text), and minutes of all delivery months together: ``minutes_a``, ``minutes_b``, ``both``,
        ``equal``. Minutes outside any session are in none of them.
    """
    located = [sessions.locate(side.minute * MINUTE_US) for side in (a, b, pairs.a)]
    counted = [*located, located[2][pairs.equal]]
    size = len(sessions)
    counts = [np.bincount(index[index >= 0], minlength=size) for index in counted]
    seen = np.flatnonzero(counts[0] + counts[1])
    names = ("minutes_a", "minutes_b", "both", "equal")
    days = np.datetime_as_string(sessions.trade_day[seen].astype("datetime64[D]"))
    columns = {name: count[seen] for name, count in zip(names, counts, strict=True)}
    return pd.DataFrame({"trade_date": days.astype(object), **columns})


def furthest_apart(pairs: VendorPairs, symbol: str) -> pd.DataFrame:
    """The 20 shared minutes whose prices lie furthest apart, furthest first: both records, and ``ticks`` between."""
    size = np.abs(pairs.ticks).max(axis=0, initial=0.0)
    order = np.lexsort((pairs.a.key, -size))[:_WORST_ROWS]
    order = order[size[order] >= _EQUAL_TICKS]
    prices = {
        f"{name}_{letter}": side.prices[number, order]
        for number, name in enumerate(PRICES)
        for letter, side in (("a", pairs.a), ("b", pairs.b))
    }
    return pd.DataFrame(
        {
            "open_time": [_text(minute) for minute in pairs.a.minute[order]],
            "expiry": [month_name(symbol, int(month)) for month in pairs.a.month[order]],
            **prices,
            "volume_a": pairs.a.volume[order],
            "volume_b": pairs.b.volume[order],
            "ticks": size[order],
        }
    )


def _text(minute: int) -> str:
    return pd.Timestamp(int(minute), unit="m").strftime("%Y-%m-%d %H:%M")
