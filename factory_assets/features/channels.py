"""Channels: bands around the price as wide as it is volatile: where the close stands in them, how wide they are.

Belongs here: Bollinger, Keltner and Donchian channels, of group ``volatility``. Does not: the estimators of volatility
themselves (:mod:`factory_assets.features.volatility`), distances to averages
(:mod:`factory_assets.features.moving_averages`).
"""

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import beyond_tie, ratio
from factory_assets.features.spec import Span
from factory_assets.indicators import rolling_max, rolling_mean, rolling_min, rolling_sum, wilder_settle_bars

GROUP = "volatility"
_ATR_BARS = wilder_settle_bars(14)
_KELTNER_BARS = 10
_WIDTH_BARS = 120


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name="bollinger_position_20", unit="1", scaling="robust", lookback=Span(bars=20)),
        Output(name="bollinger_width_20", unit="share of price", scaling="robust", lookback=Span(bars=20)),
        Output(
            name="bollinger_width_position_120",
            unit="share",
            scaling="minmax",
            lookback=Span(bars=20 + _WIDTH_BARS - 1),
        ),
    ],
)
def bollinger(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - SMA20) / (2 sigma), 0 without spread; width 4 sigma / SMA20; sigma of the last 20 closes (population).

    width_position: (width - narrowest) / (widest - narrowest) of the last 120 bars: 0 is Bollinger's squeeze; 0.5 where
    the widths differ by less than 0.01 basis points.

    References
    ----------
    Bollinger (2001), Bollinger on Bollinger Bands (%b, BandWidth, the Squeeze).
    """
    mean, deviation = bars.close_mean_std_20
    width = 4.0 * deviation / mean
    narrowest, widest = rolling_min(width, _WIDTH_BARS), rolling_max(width, _WIDTH_BARS)
    span = widest - narrowest
    return (
        ratio(bars.close - mean, 2.0 * deviation, 0.0),
        width,
        ratio(width - narrowest, np.where(span <= PRICE_FLOOR_SHARE, 0.0, span), 0.5),
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=f"keltner_position_{_KELTNER_BARS}", unit="1", scaling="robust", lookback=Span(bars=_KELTNER_BARS + 1)
        ),
        Output(
            name=f"keltner_width_{_KELTNER_BARS}",
            unit="share of price",
            scaling="robust",
            lookback=Span(bars=_KELTNER_BARS + 1),
        ),
    ],
)
def keltner(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - mean typical price) / mean true range over 10 bars; width 2 x mean true range / mean typical price.

    1 and -1 are Keltner's buy and sell lines. Typical price (high + low + close) / 3; true range, which counts gaps,
    instead of his high - low, at least 0.01 basis points of the close in the first.

    References
    ----------
    Keltner (1960), How To Make Money in Commodities (the ten-day moving average rule).
    """
    typical = rolling_mean((bars.high + bars.low + bars.close) / 3.0, _KELTNER_BARS)
    ranges = bars.true_range.copy()
    # Row 0 lacks the previous close, and would differ from all history.
    ranges[:1] = np.nan
    usual = rolling_sum(ranges, _KELTNER_BARS) / _KELTNER_BARS
    return (bars.close - typical) / np.maximum(usual, PRICE_FLOOR_SHARE * bars.close), 2.0 * usual / typical


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(name="squeeze_20", unit="1", scaling="robust", lookback=Span(bars=_ATR_BARS), warmup=Span(bars=19)),
        Output(name="donchian_position_20", unit="share", scaling="minmax", lookback=Span(bars=20)),
        Output(
            name="donchian_width_20_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS),
            warmup=Span(bars=19),
        ),
    ],
)
def squeeze_and_donchian(bars: Bars) -> tuple[np.ndarray, ...]:
    """Bollinger to Keltner width, 2 sigma20 / (1.5 ATR14); place in, and width of, the range of 20 bars.

    Below 1 the first is a squeeze. Donchian position = (close - lowest low) / (highest high - lowest low), 0.5 without
    range; width in ATR14.

    References
    ----------
    Carter (2012), Mastering the Trade, 2nd ed. (squeeze); Kaufman (2013), Trading Systems and
    Methods, 5th ed., chapter 5 (channel breakout).
    """
    top, bottom = rolling_max(bars.high, 20), rolling_min(bars.low, 20)
    return (
        2.0 * bars.close_mean_std_20[1] / (1.5 * bars.yardstick),
        ratio(bars.close - bottom, beyond_tie(top - bottom, bars.close), 0.5),
        (top - bottom) / bars.yardstick,
    )


FAMILIES: tuple[FeatureFamily, ...] = (bollinger, keltner, squeeze_and_donchian)
