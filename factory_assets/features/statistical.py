"""Statistics: memory, shape and rank of recent returns and prices.

Belongs here: descriptions of a window's distribution. Does not: its spread (:mod:`factory_assets.features.volatility`).
"""

import numpy as np

from factory_assets.features.bars import Bars, log_change
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import TIE_SHARE, percentile_rank, ratio, trailing_covariance
from factory_assets.features.spec import Span
from factory_assets.indicators import (
    rolling_kurtosis,
    rolling_max,
    rolling_min,
    rolling_skew,
    rolling_std,
    rolling_sum,
    wilder_settle_bars,
)

GROUP = "statistics"
_WINDOW = 60
_LAGS = (1, 5)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=f"autocorrelation_{lag}_60", unit="1", scaling="minmax", lookback=Span(bars=_WINDOW + lag + 1))
        for lag in _LAGS
    ],
)
def autocorrelation(bars: Bars) -> tuple[np.ndarray, ...]:
    """Correlation of the log return with the one k bars before, over 60 pairs; 0 where either does not vary.

    References
    ----------
    Campbell, Lo and MacKinlay (1997), The Econometrics of Financial Markets, p. 45.
    """
    values = []
    for lag in _LAGS:
        before = np.full(len(bars), np.nan)
        before[lag:] = bars.log_return[:-lag]
        both, now, old = trailing_covariance(bars.log_return, before, _WINDOW)
        values.append(ratio(both, _varying(now, old), 0.0))
    return tuple(values)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name="skewness_60", unit="1", scaling="robust", lookback=Span(bars=_WINDOW + 1)),
        Output(name="kurtosis_60", unit="1", scaling="robust", lookback=Span(bars=_WINDOW + 1)),
        Output(name="variance_ratio_5_60", unit="1", scaling="robust", lookback=Span(bars=_WINDOW + 5)),
    ],
)
def shape_of_returns(bars: Bars) -> tuple[np.ndarray, ...]:
    """Skewness and excess kurtosis (bias-corrected) of 60 log returns; mean squared 5-bar return / (5 x that of 1 bar).

    On flat prices 0, 0 and 1. A variance ratio above 1 means trending, below 1 reverting.

    References
    ----------
    Joanes and Gill (1998), The Statistician 47, p. 184; Lo and MacKinlay (1988), Review of Financial Studies 1,
    pp. 41-66.
    """
    single = rolling_sum(bars.log_return**2, _WINDOW)
    five = rolling_sum(log_change(bars.close, 5) ** 2, _WINDOW)
    alike = rolling_std(bars.log_return, _WINDOW) <= TIE_SHARE
    return (
        np.where(alike, 0.0, rolling_skew(bars.log_return, _WINDOW)),
        np.where(alike, 0.0, rolling_kurtosis(bars.log_return, _WINDOW)),
        ratio(five, 5.0 * single, 1.0),
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(name="percentile_rank_60", unit="share", scaling="minmax", lookback=Span(bars=_WINDOW)),
        *(
            Output(
                name=name,
                unit="ATR",
                scaling="robust",
                lookback=Span(bars=wilder_settle_bars(14)),
                warmup=Span(bars=119),
            )
            for name in ("drawdown_120_atr", "runup_120_atr")
        ),
    ],
)
def rank(bars: Bars) -> tuple[np.ndarray, ...]:
    """Share of the last 60 closes below this one; distance to the highest high and lowest low of 120 bars.

    Closes within 1e-9 of it count half. drawdown = (close - highest high) / ATR14 <= 0; runup = (close - lowest low) /
    ATR14 >= 0.

    References
    ----------
    Magdon-Ismail and Atiya (2004), Maximum Drawdown, Risk 17(10), pp. 99-102; George and Hwang (2004), The 52-Week High
    and Momentum Investing, Journal of Finance 59, pp. 2145-2176.
    """
    return (
        percentile_rank(bars.close, _WINDOW),
        (bars.close - rolling_max(bars.high, 120)) / bars.yardstick,
        (bars.close - rolling_min(bars.low, 120)) / bars.yardstick,
    )


def _varying(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root of the product of two variances of returns, 0 where one is below (1e-9)^2: the returns are equal."""
    return np.where(np.minimum(first, second) <= TIE_SHARE**2, 0.0, np.sqrt(first * second))


FAMILIES: tuple[FeatureFamily, ...] = (autocorrelation, shape_of_returns, rank)
