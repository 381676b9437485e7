"""Raw minutes of all delivery months as arrays, in the one order that their values alone decide.

Belongs here: the order, and nothing that judges a row. :mod:`factory_assets.market.canonical` works on the result, so
its own outcome depends neither on the order of the rows nor on their split into files. Files come nearly sorted: rows
are put into blocks a month and sorted only where that is not yet their order.
"""

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

from factory_assets.market.expiry import delivery_indices
from factory_assets.market.quality import MinuteArrays
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import DAY_US

PRICES = ("open", "high", "low", "close")
_COLUMNS = ("source_file", "expiry", "open_time", *PRICES, "volume")
_DAYS_MAX = 1 << 16


@dataclass(frozen=True, eq=False)
class RawRows:
    """Raw minutes of length N, sorted by (delivery, open_us, open, high, low, close, volume, file, row of the file).

    Attributes
    ----------
    order : ndarray of int64, shape (N,)
        Position of each row in the frame it came from.
    minutes : MinuteArrays
        The rows.
    expiry : ndarray of int32, shape (N,)
        Index of each row's name in ``names``.
    names : ndarray of object, shape (E,)
        Distinct names of expiries, as the rows spell them, in text order.
    """

    order: np.ndarray
    minutes: MinuteArrays
    expiry: np.ndarray
    names: np.ndarray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.order)


def sorted_rows(raw: pd.DataFrame, instrument: Instrument) -> RawRows:
    """Raw minutes in their one order.

    Parameters
    ----------
    raw : DataFrame
        Per ``schemas.RAW_MINUTES``, in any order; ``source_row`` may be absent.
    instrument : Instrument
        Product of the rows, for messages.

    Raises
    ------
    BadInputError
        Missing columns, no rows, a row without a time, or a name that is no expiry.
    NaiveTimestampError
        ``open_time`` carries no time zone.
    """
    missing = [name for name in _COLUMNS if name not in raw.columns]
    if missing or len(raw) == 0:
        raise BadInputError(
            f"{instrument.symbol}: raw minutes have {len(raw)} rows and lack columns {missing}; expected at least one "
            f"row with {list(_COLUMNS)}"
        )
    open_us = times_us(raw["open_time"], "raw open_time")
    timeless = int((open_us == np.iinfo(np.int64).min).sum())
    if timeless:
        raise BadInputError(f"{instrument.symbol}: {timeless} raw rows have no open_time. Correct the raw files.")
    # A corrupt time far off the calendar is quarantined later; here it only must not overflow.
    delivery = delivery_indices(raw["expiry"], np.clip(open_us // DAY_US, 0, _DAYS_MAX).astype(np.int32))
    order = _by_month_and_time(delivery, open_us)
    arrays = _taken(raw, delivery, open_us, order)
    repeated = _repeated(arrays.delivery, arrays.open_us)
    if len(repeated):
        order[repeated] = order[repeated][_by_values(raw, arrays, order, repeated)]
        arrays = _taken(raw, delivery, open_us, order)
    codes, names = pd.factorize(raw["expiry"])
    by_text = np.argsort(np.asarray(names, dtype=str), kind="stable")
    rank = np.empty(len(names), dtype=np.int32)
    rank[by_text] = np.arange(len(names))
    spelled = np.array([str(names[place]) for place in by_text], dtype=object)
    return RawRows(order, arrays, rank[codes[order]], spelled)


def _by_month_and_time(delivery: np.ndarray, open_us: np.ndarray) -> np.ndarray:
    """Positions sorted by month and time; rows of one month that come in time order are not sorted again."""
    # 16 bits hold every month there is, and are sorted by counting.
    order = np.argsort((delivery - delivery.min()).astype(np.uint16), kind="stable")
    return order if _in_order(delivery, open_us, order) else np.lexsort((open_us, delivery))


def _taken(raw: pd.DataFrame, delivery: np.ndarray, open_us: np.ndarray, order: np.ndarray) -> MinuteArrays:
    prices = np.empty((len(PRICES), len(order)))
    for side, name in enumerate(PRICES):
        np.take(raw[name].to_numpy(dtype=np.float64), order, out=prices[side], mode="clip")
    return MinuteArrays(delivery[order], open_us[order], prices, raw["volume"].to_numpy(dtype=np.float64)[order])


def _by_values(raw: pd.DataFrame, arrays: MinuteArrays, order: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Order of rows that share month and time: by values, then by where they were read."""
    minutes, positions = arrays.take(rows), order[rows]
    files = pd.factorize(raw["source_file"].iloc[positions].astype(str), sort=True)[0]
    places = (raw["source_row"].to_numpy()[positions],) if "source_row" in raw.columns else ()
    keys = (*places, files, minutes.volume, *minutes.prices[::-1], minutes.open_us, minutes.delivery)
    return np.lexsort(keys)


@numba.njit(cache=True)
def _in_order(delivery: np.ndarray, open_us: np.ndarray, order: np.ndarray) -> bool:
    for k in range(1, len(order)):
        here, before = order[k], order[k - 1]
        if delivery[here] == delivery[before] and open_us[here] < open_us[before]:
            return False
    return True


@numba.njit(cache=True)
def _repeated(delivery: np.ndarray, open_us: np.ndarray) -> np.ndarray:
    """Rows whose month and time another row has too, increasing."""
    n = len(open_us)
    found = np.empty(n, dtype=np.int64)
    count = 0
    for row in range(n):
        twin = row > 0 and delivery[row] == delivery[row - 1] and open_us[row] == open_us[row - 1]
        next_ = row + 1 < n and delivery[row] == delivery[row + 1] and open_us[row] == open_us[row + 1]
        if twin or next_:
            found[count] = row
            count += 1
    return found[:count].copy()
