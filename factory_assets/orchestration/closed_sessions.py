"""Sessions of a contract that are over: what a study is cut from, and what stands in for one that is not open yet."""

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import dates_days, times_us


def closed_sessions(bars: pd.DataFrame, calendar: SessionCalendar) -> tuple[np.ndarray, np.ndarray]:
    """Trade days whose sessions the bars reach the end of, int32 days since 1970, and the base bars of each.

    A session that still trades would grow after a study was frozen, and its labels would change.

    Parameters
    ----------
    bars : DataFrame
        ``trade_date`` and ``close_time`` of the base bars.
    calendar : SessionCalendar
        The contract's.
    """
    days, counts = np.unique(dates_days(bars["trade_date"]), return_counts=True)
    if not len(days):
        return days, counts
    last_us = int(times_us(bars["close_time"]).max())
    sessions = calendar.covering(np.array([last_us]))
    closes_us = sessions.close_us[sessions.trade_day == days[-1]]
    closed = len(closes_us) == 1 and last_us >= int(closes_us[0])
    return (days, counts) if closed else (days[:-1], counts[:-1])
