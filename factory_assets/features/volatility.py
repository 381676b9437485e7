"""Volatility: how much the price moves, by several estimators, how that changes, and what it is made of.

Belongs here: spread of returns and ranges. Does not: bands around the price (:mod:`factory_assets.features.channels`,
of the same group), the ATR kernel itself (:mod:`factory_assets.indicators.atr`), which labels share.
"""

import math

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import log_ratio, ratio
from factory_assets.features.spec import Span
from factory_assets.indicators import (
    rolling_mean_std,
    rolling_std,
    rolling_sum,
    wilder_atr,
    wilder_settle_bars,
)

GROUP = "volatility"
_SHARE_BARS = (20, 60)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=name,
            unit=unit,
            scaling="robust",
            lookback=Span(bars=wilder_settle_bars(period)),
            warmup=Span(bars=period),
        )
        for name, unit, period in (
            ("atr_pct_7", "share of price", 7),
            ("atr_pct_14", "share of price", 14),
            ("atr_pct_21", "share of price", 21),
            ("atr_ratio_7_21", "log", 21),
        )
    ],
)
def average_true_range(bars: Bars) -> tuple[np.ndarray, ...]:
    """Wilder ATR of k bars / close (0.001 is 0.1 %), and ln(ATR7 / ATR21): is volatility rising or falling.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 21.
    """
    fast, slow = (wilder_atr(bars.high, bars.low, bars.close, period) for period in (7, 21))
    least = PRICE_FLOOR_SHARE * bars.close
    rising = np.log(np.maximum(fast, least) / np.maximum(slow, least))
    return fast / bars.close, bars.atr / bars.close, slow / bars.close, rising


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        *(
            Output(name=f"realised_vol_{k}", unit="log per bar", scaling="robust", lookback=Span(bars=k + 1))
            for k in (10, 20, 60, 120)
        ),
        *(
            Output(
                name=f"realised_vol_ratio_{short}_{long}", unit="log", scaling="robust", lookback=Span(bars=long + 1)
            )
            for short, long in ((5, 20), (10, 60), (20, 120))
        ),
    ],
)
def realised(bars: Bars) -> tuple[np.ndarray, ...]:
    """Square root of the mean squared log return over k bars; and the log of that over few bars to that over many.

    References
    ----------
    Andersen, Bollerslev, Diebold and Labys (2003), Modeling and Forecasting Realized Volatility, Econometrica 71,
    pp. 579-625.
    """
    squared = bars.log_return**2
    over = {k: np.sqrt(rolling_sum(squared, k) / k) for k in (5, 10, 20, 60, 120)}
    return (
        *(over[k] for k in (10, 20, 60, 120)),
        *(_log_of(over[short], over[long]) for short, long in ((5, 20), (10, 60), (20, 120))),
    )


@family(
    group=GROUP,
    inputs=("open", "high", "low", "close"),
    outputs=[
        Output(name="parkinson_vol_20", unit="log per bar", scaling="robust", lookback=Span(bars=20)),
        Output(name="parkinson_ratio_20", unit="log", scaling="robust", lookback=Span(bars=21)),
        Output(name="garman_klass_ratio_20", unit="log", scaling="robust", lookback=Span(bars=20)),
        Output(name="rogers_satchell_vol_20", unit="log per bar", scaling="robust", lookback=Span(bars=20)),
        Output(name="yang_zhang_ratio_20", unit="log", scaling="robust", lookback=Span(bars=21)),
    ],
)
def range_estimators(bars: Bars) -> tuple[np.ndarray, ...]:
    """Volatility a bar from 20 bars' open, high, low and close.

    Parkinson: sqrt(mean(ln(H/L)^2) / (4 ln 2)). parkinson_ratio: ln(Parkinson / realised volatility): movement inside
    the bars against movement between their closes. garman_klass_ratio: ln(Garman-Klass / Parkinson), Garman-Klass =
    sqrt(mean(ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2)): ranges that came back against ranges that closed at their end.
    Rogers-Satchell: sqrt(mean(ln(H/C) ln(H/O) + ln(L/C) ln(L/O))). yang_zhang_ratio: ln(Yang-Zhang / Rogers-Satchell),
    Yang-Zhang = sqrt(var(ln(O/previous C)) + k var(ln(C/O)) + (1 - k) Rogers-Satchell variance), k = 0.34 / (1.34 +
    21/19), sample variances: what gaps and drift add. Volatilities count at least 0.01 basis points in a ratio.

    References
    ----------
    Parkinson (1980), Journal of Business 53, pp. 61-65; Garman and Klass (1980), Journal of Business 53, pp. 67-78;
    Rogers and Satchell (1991), Annals of Applied Probability 1, pp. 504-512; Yang and Zhang (2000), Journal of Business
    73, pp. 477-491.
    """
    window = 20
    realised_20 = np.sqrt(rolling_sum(bars.log_return**2, window) / window)
    body = log_ratio(bars.close, bars.open)
    whole = log_ratio(bars.high, bars.low) ** 2
    parkinson = np.sqrt(rolling_sum(whole, window) / (window * 4.0 * math.log(2.0)))
    garman_klass = _root(rolling_sum(0.5 * whole - (2.0 * math.log(2.0) - 1.0) * body**2, window) / window)
    up = log_ratio(bars.high, bars.close) * log_ratio(bars.high, bars.open)
    down = log_ratio(bars.low, bars.close) * log_ratio(bars.low, bars.open)
    drift_free = rolling_sum(up + down, window) / window
    overnight = np.full(len(bars), np.nan)
    overnight[1:] = log_ratio(bars.open[1:], bars.close[:-1])
    share = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    inside = rolling_std(body, window) ** 2
    both = rolling_std(overnight, window) ** 2 + share * inside + (1.0 - share) * drift_free
    steady = _root(drift_free)
    return (
        parkinson,
        _log_of(parkinson, realised_20),
        _log_of(garman_klass, parkinson),
        steady,
        _log_of(_root(both), steady),
    )


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name="vol_of_vol_60", unit="1", scaling="robust", lookback=Span(bars=61)),
        Output(name="vol_of_vol_10_60", unit="1", scaling="robust", lookback=Span(bars=70)),
    ],
)
def volatility_of_volatility(bars: Bars) -> tuple[np.ndarray, ...]:
    """Standard deviation / mean over 60 bars: of the absolute log return, and of the 10-bar realised volatility.

    0 on flat prices. The first is raised by single large moves, the second by calm and nervous spells in turn.

    References
    ----------
    Corsi, Mittnik, Pigorsch and Pigorsch (2008), The Volatility of Realized Volatility, Econometric Reviews 27,
    pp. 46-78.
    """
    spells = np.sqrt(rolling_sum(bars.log_return**2, 10) / 10.0)
    return _variation(np.abs(bars.log_return)), _variation(spells)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        *(
            Output(name=f"downside_share_{k}", unit="share", scaling="minmax", lookback=Span(bars=k + 1))
            for k in _SHARE_BARS
        ),
        *(
            Output(name=f"jump_share_{k}", unit="share", scaling="minmax", lookback=Span(bars=k + 2))
            for k in _SHARE_BARS
        ),
    ],
)
def composition(bars: Bars) -> tuple[np.ndarray, ...]:
    """What the realised variance of k bars is made of.

    downside_share: squared negative / all squared log returns, 0.5 on flat prices; the upside's share is the rest.
    jump_share: max(0, 1 - bipower / realised variance), bipower = pi/2 x sum of |r| x |previous r|, 0 on flat prices.

    References
    ----------
    Barndorff-Nielsen, Kinnebrock and Shephard (2010), Measuring Downside Risk: Realised Semivariance;
    Barndorff-Nielsen and Shephard (2004), Journal of Financial Econometrics 2, pp. 1-37 (bipower variation).
    """
    size = np.abs(bars.log_return)
    squared = size * size
    falling = np.where(bars.log_return < 0.0, squared, size * 0.0)
    paired = np.full(len(bars), np.nan)
    paired[1:] = size[1:] * size[:-1]
    falls, jumps = [], []
    for k in _SHARE_BARS:
        total = rolling_sum(squared, k)
        falls.append(ratio(rolling_sum(falling, k), total, 0.5))
        smooth = ratio(0.5 * math.pi * rolling_sum(paired, k), total, 1.0)
        jumps.append(np.maximum(1.0 - smooth, 0.0))
    return (*falls, *jumps)


def _root(variance: np.ndarray) -> np.ndarray:
    """Square root of a variance that rounding may have left below 0."""
    return np.sqrt(np.maximum(variance, 0.0))


def _log_of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Logarithm of one volatility over another, each at least 0.01 basis points: 0 on flat prices."""
    return np.log(np.maximum(first, PRICE_FLOOR_SHARE) / np.maximum(second, PRICE_FLOOR_SHARE))


def _variation(values: np.ndarray) -> np.ndarray:
    """Standard deviation (population) / mean of the last 60 values, 0 where they are."""
    mean, deviation = rolling_mean_std(values, 60, ddof=0)
    return ratio(deviation, mean, 0.0)


FAMILIES: tuple[FeatureFamily, ...] = (
    average_true_range,
    realised,
    range_estimators,
    volatility_of_volatility,
    composition,
)
