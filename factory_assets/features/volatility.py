"""Volatility: how much the price moves, by several estimators, and where it stands in its bands.

Belongs here: spread of returns and ranges. Does not: the ATR kernel itself (:mod:`factory_assets.indicators.atr`),
which labels share.
"""

import math

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import beyond_tie, log_ratio, ratio
from factory_assets.features.spec import Span
from factory_assets.indicators import (
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
    rolling_sum,
    wilder_atr,
    wilder_settle_bars,
)

GROUP = "volatility"
_ATR_BARS = wilder_settle_bars(14)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name="atr_pct_14",
            unit="share of price",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS),
            warmup=Span(bars=14),
        ),
        Output(
            name="atr_ratio_7_21",
            unit="log",
            scaling="robust",
            lookback=Span(bars=wilder_settle_bars(21, 1e-11)),
            warmup=Span(bars=21),
        ),
    ],
)
def average_true_range(bars: Bars) -> tuple[np.ndarray, ...]:
    """Wilder ATR14 / close (0.001 is 0.1 %), and ln(ATR7 / ATR21): is volatility rising or falling.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 21.
    """
    least = PRICE_FLOOR_SHARE * bars.close
    fast = np.maximum(wilder_atr(bars.high, bars.low, bars.close, 7), least)
    slow = np.maximum(wilder_atr(bars.high, bars.low, bars.close, 21), least)
    return bars.atr / bars.close, np.log(fast / slow)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name="realised_vol_20", unit="log per bar", scaling="robust", lookback=Span(bars=21)),
        Output(name="realised_vol_60", unit="log per bar", scaling="robust", lookback=Span(bars=61)),
        Output(name="realised_vol_ratio_10_60", unit="log", scaling="robust", lookback=Span(bars=61)),
    ],
)
def realised(bars: Bars) -> tuple[np.ndarray, ...]:
    """Square root of the mean squared log return over k bars; and the log of that over 10 bars to that over 60.

    References
    ----------
    Andersen, Bollerslev, Diebold and Labys (2003), Modeling and Forecasting Realized Volatility, Econometrica 71,
    pp. 579-625.
    """
    squared = bars.log_return**2
    short, middle, long = (np.sqrt(rolling_sum(squared, k) / k) for k in (10, 20, 60))
    return middle, long, np.log(np.maximum(short, PRICE_FLOOR_SHARE) / np.maximum(long, PRICE_FLOOR_SHARE))


@family(
    group=GROUP,
    inputs=("open", "high", "low", "close"),
    outputs=[
        Output(name="parkinson_vol_20", unit="log per bar", scaling="robust", lookback=Span(bars=20)),
        Output(name="rogers_satchell_vol_20", unit="log per bar", scaling="robust", lookback=Span(bars=20)),
        Output(name="yang_zhang_ratio_20", unit="log", scaling="robust", lookback=Span(bars=21)),
    ],
)
def range_estimators(bars: Bars) -> tuple[np.ndarray, ...]:
    """Volatility a bar from 20 bars' open, high, low and close.

    Parkinson: sqrt(mean(ln(H/L)^2) / (4 ln 2)). Rogers-Satchell: sqrt(mean(ln(H/C) ln(H/O) + ln(L/C) ln(L/O))).
    yang_zhang_ratio: ln(Yang-Zhang / Rogers-Satchell), Yang-Zhang = sqrt(var(ln(O/previous C)) + k var(ln(C/O))
    + (1 - k) Rogers-Satchell variance), k = 0.34 / (1.34 + 21/19), sample variances: what gaps and drift add.

    References
    ----------
    Parkinson (1980), Journal of Business 53, pp. 61-65; Rogers and Satchell (1991), Annals of Applied Probability 1,
    pp. 504-512; Yang and Zhang (2000), Journal of Business 73, pp. 477-491.
    """
    window = 20
    parkinson = np.sqrt(rolling_mean(log_ratio(bars.high, bars.low) ** 2, window) / (4.0 * math.log(2.0)))
    up = log_ratio(bars.high, bars.close) * log_ratio(bars.high, bars.open)
    down = log_ratio(bars.low, bars.close) * log_ratio(bars.low, bars.open)
    drift_free = rolling_mean(up + down, window)
    overnight = np.full(len(bars), np.nan)
    overnight[1:] = log_ratio(bars.open[1:], bars.close[:-1])
    share = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    inside = rolling_std(log_ratio(bars.close, bars.open), window) ** 2
    both = rolling_std(overnight, window) ** 2 + share * inside + (1.0 - share) * drift_free
    steady, full = (np.sqrt(np.maximum(variance, 0.0)) for variance in (drift_free, both))
    return parkinson, steady, np.log(np.maximum(full, PRICE_FLOOR_SHARE) / np.maximum(steady, PRICE_FLOOR_SHARE))


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name="bollinger_position_20", unit="1", scaling="robust", lookback=Span(bars=20)),
        Output(name="bollinger_width_20", unit="share of price", scaling="robust", lookback=Span(bars=20)),
    ],
)
def bollinger(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - SMA20) / (2 sigma), 0 without spread; and 4 sigma / SMA20; sigma of the last 20 closes (population).

    References
    ----------
    Bollinger (2001), Bollinger on Bollinger Bands (%b and BandWidth).
    """
    mean, deviation = bars.close_mean_std_20
    return ratio(bars.close - mean, 2.0 * deviation, 0.0), 4.0 * deviation / mean


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
def channels(bars: Bars) -> tuple[np.ndarray, ...]:
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


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name="vol_of_vol_60", unit="1", scaling="robust", lookback=Span(bars=61)),
        Output(name="downside_share_20", unit="share", scaling="minmax", lookback=Span(bars=21)),
        Output(name="jump_share_20", unit="share", scaling="minmax", lookback=Span(bars=22)),
    ],
)
def composition(bars: Bars) -> tuple[np.ndarray, ...]:
    """What the volatility is made of.

    vol_of_vol: standard deviation / mean of the absolute log return over 60 bars, 0 on flat prices.
    downside_share: squared negative / all squared returns over 20 bars, 0.5 on flat prices. jump_share:
    max(0, 1 - bipower / realised variance) over 20 bars, bipower = pi/2 x mean of |r| x |previous r|, 0 on flat prices.

    References
    ----------
    Barndorff-Nielsen, Kinnebrock and Shephard (2010), Measuring Downside Risk: Realised Semivariance;
    Barndorff-Nielsen and Shephard (2004), Journal of Financial Econometrics 2, pp. 1-37 (bipower variation).
    """
    size = np.abs(bars.log_return)
    mean, deviation = rolling_mean(size, 60), rolling_std(size, 60, 0)
    squared = rolling_sum(size**2, 20)
    falls = rolling_sum(np.where(bars.log_return < 0.0, size**2, size * 0.0), 20)
    before = np.full(len(bars), np.nan)
    before[1:] = size[:-1]
    smooth = ratio(0.5 * math.pi * rolling_sum(size * before, 20), squared, 1.0)
    return ratio(deviation, mean, 0.0), ratio(falls, squared, 0.5), np.maximum(1.0 - smooth, 0.0)


FAMILIES: tuple[FeatureFamily, ...] = (average_true_range, realised, range_estimators, bollinger, channels, composition)
