"""One vendor's minutes as arrays that can be matched with another's: a key a delivery month and minute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.market.expiry import MONTH_CODES, delivery_indices
from factory_assets.market.quality import MinuteArrays, duplicates
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

PRICES = ("open", "high", "low", "close")
# Minutes since 1970 stay below 2^26 until the year 2097.
_MONTH_SHIFT = 32
_DAYS_MAX = 1 << 16


@dataclass(frozen=True, eq=False)
class VendorMinutes:
    """Usable minutes of one vendor, sorted by key, each key once.

    Attributes
    ----------
    key : ndarray of int64, shape (N,)
        Delivery month and minute in one number; a shift of ``s`` minutes is ``key + s``.
    prices : ndarray of float64, shape (4, N)
        Open, high, low, close in points.
    volume : ndarray of float64, shape (N,)
        As the vendor counts it; NaN where it has none.
    counts : mapping of str to int
        ``rows``, ``copies`` (of a row of the same minute), ``conflicting`` (unequal rows of one minute, all left out),
        ``unusable`` (no whole minute, or a price that is no positive number), ``minutes`` (what is left) and
        ``outside_sessions`` (how many of those lie in no session of the exchange: a wrong clock shows here).
    """

    key: np.ndarray
    prices: np.ndarray
    volume: np.ndarray
    counts: Mapping[str, int]

    @property
    def minute(self) -> np.ndarray:
        """Minutes since 1970 UTC, int64 shape (N,)."""
        return self.key & ((1 << _MONTH_SHIFT) - 1)

    @property
    def month(self) -> np.ndarray:
        """Delivery month as ``12 x year + month - 1``, int64 shape (N,)."""
        return self.key >> _MONTH_SHIFT

    @property
    def open_time(self) -> pd.DatetimeIndex:
        """Open time of each minute, UTC."""
        return from_us(self.minute * MINUTE_US)

    def __len__(self) -> int:
        """Number of minutes."""
        return len(self.key)

    def take(self, rows: np.ndarray) -> "VendorMinutes":
        """Minutes at increasing positions, or under a boolean mask."""
        return VendorMinutes(self.key[rows], self.prices[:, rows], self.volume[rows], self.counts)

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where other keys stand here: positions (int64) and whether they do (bool), both of the keys' shape."""
        if not len(self):
            return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
        at = np.minimum(np.searchsorted(self.key, keys), len(self) - 1)
        return at, self.key[at] == keys


def vendor_minutes(raw: pd.DataFrame, sessions: Sessions, what: str) -> VendorMinutes:
    """Usable minutes of a vendor's raw rows.

    Parameters
    ----------
    raw : DataFrame
        Per ``schemas.RAW_MINUTES``, in any order; prices are traded ones, nothing has been validated.
    sessions : Sessions
        All sessions of the contract's calendar.
    what : str
        Name of the vendor in messages.

    Raises
    ------
    BadInputError
        If no row is usable.
    """
    open_us = times_us(raw["open_time"], f"{what} open_time")
    days = np.clip(open_us // DAY_US, 0, _DAYS_MAX).astype(np.int32)
    prices = np.vstack([raw[name].to_numpy(dtype=np.float64) for name in PRICES])
    volume = raw["volume"].to_numpy(dtype=np.float64)
    delivery = delivery_indices(raw["expiry"], days)
    usable = np.isfinite(prices).all(axis=0) & (open_us % MINUTE_US == 0) & (open_us >= 0)
    usable &= (prices > 0).all(axis=0)
    rows = np.flatnonzero(usable)
    rows = rows[np.lexsort((volume[rows], *prices[::-1, rows], open_us[rows], delivery[rows]))]
    minutes = MinuteArrays(delivery, open_us, prices, volume).take(rows)
    exact, conflicting = duplicates(minutes)
    kept = minutes.take(~exact & ~conflicting)
    if not len(kept):
        raise BadInputError(
            f"{what}: none of {len(raw)} rows can be compared ({len(raw) - len(rows)} without a whole minute or a "
            f"positive price, {int(conflicting.sum())} in conflict with each other). Check its declaration."
        )
    counts = {
        "rows": len(raw),
        "copies": int(exact.sum()),
        "conflicting": int(conflicting.sum()),
        "unusable": len(raw) - len(rows),
        "minutes": len(kept),
        "outside_sessions": int((sessions.locate(kept.open_us) < 0).sum()),
    }
    key = (kept.delivery << _MONTH_SHIFT) | (kept.open_us // MINUTE_US)
    return VendorMinutes(key, kept.prices, kept.volume, counts)


def month_name(symbol: str, month: int) -> str:
    """Expiry name with two digits of the year, whatever a vendor wrote (``MGCG23``)."""
    return f"{symbol}{MONTH_CODES[month % 12]}{month // 12 % 100:02d}"
