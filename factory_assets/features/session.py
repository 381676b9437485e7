"""Session: where the price stands against this session's and the previous session's landmarks.

Belongs here: prices anchored to sessions. Does not: the clock itself (:mod:`factory_assets.features.calendar_time`)
or the session's VWAP (:mod:`factory_assets.features.volume`).
"""

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import beyond_tie, opening_extremes, ratio, session_range_norm, session_state
from factory_assets.features.spec import Span
from factory_assets.indicators import wilder_settle_bars
from factory_assets.vocabulary.timeframes import MINUTE_US

GROUP = "session"
NORM_SESSIONS = 20
OPENING_MINUTES = 30
_ATR_BARS = wilder_settle_bars(14)


@family(
    group=GROUP,
    inputs=("open", "high", "low", "close", "trade_date"),
    outputs=[
        Output(name=name, unit=unit, scaling=scaling, lookback=Span(bars=_ATR_BARS, sessions=sessions))
        for name, unit, scaling, sessions in (
            ("session_position_share", "share", "minmax", 1),
            ("session_body_share", "share", "minmax", 1),
            ("overnight_gap_atr", "ATR", "robust", 2),
            ("previous_high_distance_atr", "ATR", "robust", 2),
            ("previous_low_distance_atr", "ATR", "robust", 2),
            ("previous_close_distance_atr", "ATR", "robust", 2),
        )
    ],
)
def landmarks(bars: Bars) -> tuple[np.ndarray, ...]:
    """Close - low and close - open as shares of the session's range so far; distances to the session before, in ATR14.

    The shares are 0.5 and 0 without range. The distances are of the close to the high, low and close of the session
    before; the overnight gap is (session open - close before) / ATR14. Known at each bar's close: only bars of the
    session up to it count.

    References
    ----------
    Crabel (1990), Day Trading with Short Term Price Patterns and Opening Range Breakout; Steidlmayer and Hawkins
    (2003), Steidlmayer on Markets, 2nd ed. (the previous day's range).
    """
    first, top, bottom, before_top, before_bottom, before_close = session_state(
        bars.open, bars.high, bars.low, bars.close, bars.session_number
    )
    width = beyond_tie(top - bottom, bars.close)
    return (
        ratio(bars.close - bottom, width, 0.5),
        ratio(bars.close - first, width, 0.0),
        (first - before_close) / bars.yardstick,
        (bars.close - before_top) / bars.yardstick,
        (bars.close - before_bottom) / bars.yardstick,
        (bars.close - before_close) / bars.yardstick,
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close", "close_time", "trade_date"),
    outputs=[
        Output(
            name="opening_range_position_30m",
            unit="half ranges",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS, sessions=1),
        )
    ],
)
def opening_range(bars: Bars) -> np.ndarray:
    """(close - middle) / half the width of the session's first 30 minutes' range: beyond 1 or -1 it has broken out.

    Of the range so far while they last. It holds the bars that close by then, at least the first one, and counts at
    least ATR14 / 4 as its half width.

    References
    ----------
    Crabel (1990), Day Trading with Short Term Price Patterns and Opening Range Breakout.
    """
    top, bottom = opening_extremes(
        bars.high, bars.low, bars.elapsed_us, bars.session_number, OPENING_MINUTES * MINUTE_US
    )
    half = np.maximum(0.5 * (top - bottom), 0.25 * bars.yardstick)
    return (bars.close - 0.5 * (top + bottom)) / half


@family(
    group=GROUP,
    inputs=("open", "high", "low", "close", "trade_date"),
    outputs=[
        Output(name="session_range_ratio_20s", unit="1", scaling="robust", lookback=Span(sessions=NORM_SESSIONS + 1))
    ],
)
def range_against_norm(bars: Bars) -> np.ndarray:
    """Session's range so far / close, over the mean range / close of the 20 sessions before (at least 0.01 bp).

    References
    ----------
    Crabel (1990), Day Trading with Short Term Price Patterns and Opening Range Breakout (contraction).
    """
    _, top, bottom, _, _, _ = session_state(bars.open, bars.high, bars.low, bars.close, bars.session_number)
    usual = session_range_norm(top, bottom, bars.close, bars.session_number, NORM_SESSIONS)
    return (top - bottom) / bars.close / np.maximum(usual, PRICE_FLOOR_SHARE)


FAMILIES: tuple[FeatureFamily, ...] = (landmarks, opening_range, range_against_norm)
