"""Wall clocks of other cities, so that London and Tokyo hours follow their own daylight saving."""

from functools import cache
from typing import cast

import numpy as np
import pandas as pd

from factory_assets.vocabulary.timeframes import MINUTE_US

_FIRST_DAY = np.datetime64("1999-12-01")
_LAST_DAY = np.datetime64("2050-02-01")


def minute_of_day(times_us: np.ndarray, trade_day: np.ndarray, zone: str) -> np.ndarray:
    """Minutes since local midnight of each time, int64 shape (N,), in [0, 1440).

    Clocks change on Sunday mornings, when no CME session is open: one offset serves a whole session, the one at noon
    UTC of its trade date.

    Parameters
    ----------
    times_us : ndarray of int64, shape (N,)
        Microseconds since 1970 UTC.
    trade_day : ndarray of int32, shape (N,)
        Session of each time, days since 1970.
    zone : str
        IANA zone, e.g. ``"Europe/London"``.
    """
    offset_us = _offsets_us(zone)[trade_day - _FIRST_DAY.astype(np.int64)]
    return (times_us + offset_us) // MINUTE_US % (24 * 60)


@cache
def _offsets_us(zone: str) -> np.ndarray:
    days = np.arange(_FIRST_DAY, _LAST_DAY + 1).astype("datetime64[us]") + np.timedelta64(12, "h")
    noon = pd.DatetimeIndex(days, tz="UTC")
    local = noon.tz_convert(zone).tz_localize(None).as_unit("us")
    return cast(np.ndarray, local.asi8 - noon.as_unit("us").asi8)
