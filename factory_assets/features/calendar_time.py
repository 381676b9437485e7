"""Calendar: what the clock alone says at the decision, the same on every timeframe.

Belongs here: features of time only. Does not: anything that reads a price. Pools take this group once, from base bars.
"""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.spec import Span
from factory_assets.features.wall_clock import minute_of_day
from factory_assets.vocabulary.timeframes import MINUTE_US

GROUP = "calendar"
_NOW = Span(bars=1)
# Pit hours of COMEX gold (Chicago wall time); cash hours of US equities for everything else.
_REGULAR_HOURS = {"metals": (7 * 60 + 20, 12 * 60 + 30)}
_CASH_HOURS = (8 * 60 + 30, 15 * 60)
_LONDON_HOURS = (8 * 60, 16 * 60 + 30)
_NEW_YORK_HOURS = (8 * 60, 17 * 60)
_TOKYO_HOURS = (9 * 60, 15 * 60 + 30)


@family(
    group=GROUP,
    inputs=("close_time", "trade_date"),
    outputs=[
        Output(name="minutes_to_flat", unit="minutes", scaling="minmax", lookback=_NOW),
        Output(name="time_of_day_sin", unit="1", scaling="none", lookback=_NOW),
        Output(name="time_of_day_cos", unit="1", scaling="none", lookback=_NOW),
        Output(name="day_of_week_sin", unit="1", scaling="none", lookback=_NOW),
        Output(name="day_of_week_cos", unit="1", scaling="none", lookback=_NOW),
    ],
)
def clock(bars: Bars) -> tuple[np.ndarray, ...]:
    """Minutes from the bar's close to flat time (0 after it); time since the session's open; weekday of the trade date.

    The last two as sin and cos of 2 pi x minutes since open / 1440 and of 2 pi x weekday / 5, Monday being 0.

    References
    ----------
    Specification of the factory, section 1 (flat time); cyclical encoding as in Bishop (2006), Pattern Recognition and
    Machine Learning, section 2.3.8 (periodic variables).
    """
    left = (bars.sessions.flat_us[bars.session_index] - bars.close_us) / MINUTE_US
    of_day = 2.0 * np.pi * (bars.elapsed_us / MINUTE_US) / 1440.0
    # 1970-01-01 was a Thursday.
    of_week = 2.0 * np.pi * ((bars.trade_day + 3) % 7) / 5.0
    return np.maximum(left, 0.0), np.sin(of_day), np.cos(of_day), np.sin(of_week), np.cos(of_week)


@family(
    group=GROUP,
    inputs=("close_time", "trade_date"),
    outputs=[
        Output(name=name, unit="flag", scaling="none", lookback=_NOW)
        for name in ("is_rth", "is_new_york", "is_london", "is_asia")
    ],
)
def hours(bars: Bars) -> tuple[np.ndarray, ...]:
    """1 while the bar's close lies in [open, close) of the place's hours, by its own city's clock; else 0.

    Regular hours are 08:30-15:00 Chicago, for metals the pit's 07:20-12:30. New York is the banking day, 08:00-17:00:
    the exchange's own hours would be the regular ones again. London 08:00-16:30, Tokyo (Asia) 09:00-15:30.

    References
    ----------
    CME Group, contract specifications (regular trading hours); LSE and TSE trading hours; Ito and Hashimoto (2006),
    Intraday seasonality in activities of the foreign exchange markets, Journal of the Japanese and International
    Economies 20(4) (business hours of the financial centres).
    """
    chicago = _REGULAR_HOURS.get(bars.instrument.asset_class, _CASH_HOURS)
    return (
        _inside(bars, "America/Chicago", chicago),
        _inside(bars, "America/New_York", _NEW_YORK_HOURS),
        _inside(bars, "Europe/London", _LONDON_HOURS),
        _inside(bars, "Asia/Tokyo", _TOKYO_HOURS),
    )


def _inside(bars: Bars, zone: str, span: tuple[int, int]) -> np.ndarray:
    minute = minute_of_day(bars.close_us, bars.trade_day, zone)
    return ((minute >= span[0]) & (minute < span[1])).astype(np.float64)


FAMILIES: tuple[FeatureFamily, ...] = (clock, hours)
