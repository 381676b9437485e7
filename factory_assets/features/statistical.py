"""Statistics: memory, shape, disorder and rank of recent returns, prices, ranges and volumes.

Belongs here: descriptions of a window's distribution. Does not: its spread (:mod:`factory_assets.features.volatility`).
"""

import math

import numpy as np

from factory_assets.features.bars import Bars, log_change
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import TIE_SHARE, lagged, percentile_rank, ratio
from factory_assets.features.spec import Span
from factory_assets.features.statistical_kernels import (
    ORDINAL_PATTERNS,
    SIGNS,
    correlations,
    fractional_weights,
    ordinal_patterns,
    sign_pairs,
    trailing_entropy,
    trailing_weighted_sum,
)
from factory_assets.indicators import (
    rolling_covariance,
    rolling_max,
    rolling_min,
    rolling_skew_kurtosis,
    rolling_std,
    rolling_sum,
    wilder_settle_bars,
)

GROUP = "statistics"
_PAIRS = 60
_LAGS = (1, 2, 5, 10)
_SHAPE_BARS = (20, 60)
# Bars a return spans, and single returns its variance is compared over.
_VARIANCE_RATIOS = ((2, 20), (5, 60), (10, 120))
_ORDINAL_BARS = (60, 240)
_SIGN_PAIRS = 120
_FRACTIONAL_ORDER = 0.4
_FRACTIONAL_BARS = 64
_RANK_BARS = (60, 240)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=name, unit="1", scaling="minmax", lookback=Span(bars=_PAIRS + lag + 1))
        for name, lag in (
            *((f"autocorrelation_{lag}_60", lag) for lag in _LAGS),
            ("absolute_autocorrelation_1_60", 1),
        )
    ],
)
def autocorrelation(bars: Bars) -> tuple[np.ndarray, ...]:
    """Correlation of the log return with the one k bars before, over 60 pairs; 0 where either does not vary.

    absolute: the same of the sizes of the returns, one bar apart: do large moves follow large ones.

    References
    ----------
    Campbell, Lo and MacKinlay (1997), The Econometrics of Financial Markets, p. 45; Ding, Granger and Engle (1993),
    A Long Memory Property of Stock Market Returns, Journal of Empirical Finance 1, pp. 83-106 (absolute returns).
    """
    size = np.abs(bars.log_return)
    pairs = [*((bars.log_return, lag) for lag in _LAGS), (size, 1)]
    return tuple(
        correlations(*rolling_covariance(values, lagged(values, lag), _PAIRS, ddof=0)) for values, lag in pairs
    )


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=f"{name}_{window}", unit="1", scaling="robust", lookback=Span(bars=window + 1))
        for window in _SHAPE_BARS
        for name in ("skewness", "kurtosis")
    ],
)
def shape_of_returns(bars: Bars) -> tuple[np.ndarray, ...]:
    """Skewness and excess kurtosis (bias-corrected) of 20 and 60 log returns; 0 and 0 on flat prices.

    References
    ----------
    Joanes and Gill (1998), The Statistician 47, p. 184.
    """
    values = []
    for window in _SHAPE_BARS:
        alike = rolling_std(bars.log_return, window) <= TIE_SHARE
        values += [np.where(alike, 0.0, moment) for moment in rolling_skew_kurtosis(bars.log_return, window)]
    return tuple(values)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=f"variance_ratio_{k}_{window}", unit="1", scaling="robust", lookback=Span(bars=window + 1))
        for k, window in _VARIANCE_RATIOS
    ],
)
def variance_ratio(bars: Bars) -> tuple[np.ndarray, ...]:
    """Mean squared k-bar log return / (k x that of 1 bar) over n bars: above 1 trending, below reverting.

    The k-bar returns overlap: they are the n - k + 1 within the n single ones, so the ratio stays below
    k n / (n - k + 1). No drift is taken off. 1 on flat prices.

    References
    ----------
    Lo and MacKinlay (1988), Stock Market Prices Do Not Follow Random Walks, Review of Financial Studies 1, pp. 41-66.
    """
    single = bars.log_return**2
    values = []
    for k, window in _VARIANCE_RATIOS:
        count = window - k + 1
        wide = rolling_sum(log_change(bars.close, k) ** 2, count) / count
        values.append(ratio(wide, rolling_sum(single, window) * (k / window), 1.0))
    return tuple(values)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        *(
            Output(name=f"permutation_entropy_3_{window}", unit="share", scaling="minmax", lookback=Span(bars=window))
            for window in _ORDINAL_BARS
        ),
        Output(name=f"sign_entropy_{_SIGN_PAIRS}", unit="share", scaling="minmax", lookback=Span(bars=_SIGN_PAIRS + 2)),
    ],
)
def entropy(bars: Bars) -> tuple[np.ndarray, ...]:
    """How unpredictable the order of closes and the direction of moves are: 0 one pattern only, 1 all alike.

    permutation_entropy: Shannon entropy of the order of three successive closes (six patterns) within n bars / ln 6; of
    closes within 1e-9 the earlier counts as the lower. sign_entropy: entropy of the move's sign (up, none, down) given
    the one before, H(pair) - H(first of the pair), over 120 pairs / ln 3. Both 0 on flat prices.

    References
    ----------
    Bandt and Pompe (2002), Permutation Entropy, Physical Review Letters 88, 174102; Cover and Thomas (2006), Elements
    of Information Theory, 2nd ed., p. 17 (conditional entropy).
    """
    patterns = ordinal_patterns(bars.close)
    pairs, before = sign_pairs(bars.move_sign)
    joint = trailing_entropy(pairs, _SIGN_PAIRS, SIGNS * SIGNS)
    given = np.maximum(joint - trailing_entropy(before, _SIGN_PAIRS, SIGNS), 0.0)
    return (
        *(trailing_entropy(patterns, n - 2, ORDINAL_PATTERNS) / math.log(ORDINAL_PATTERNS) for n in _ORDINAL_BARS),
        given / math.log(SIGNS),
    )


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(
            name=f"fractional_difference_d04_{_FRACTIONAL_BARS}",
            unit="sigma",
            scaling="robust",
            lookback=Span(bars=_FRACTIONAL_BARS),
        )
    ],
)
def fractional_difference(bars: Bars) -> np.ndarray:
    """(1 - L)^0.4 of the log price from 64 bars / root mean square of their 63 log returns; 0 on flat prices.

    Fixed-width weights w0 = 1, wk = -w(k-1) (0.4 - k + 1) / k. They do not sum to 0, so log prices are taken from the
    window's first one: sum of wk (ln C[k bars ago] - ln C[63 bars ago]), which is the sum of the returns weighted by
    w0 + ... + wk. At most 15.9 in size.

    References
    ----------
    Hosking (1981), Fractional Differencing, Biometrika 68, pp. 165-176; Lopez de Prado (2018), Advances in Financial
    Machine Learning, chapter 5 (fixed-width window).
    """
    count = _FRACTIONAL_BARS - 1
    # The window's first price has weight 0: it is its own origin.
    weights = np.cumsum(fractional_weights(_FRACTIONAL_ORDER, count))
    deviation = np.sqrt(rolling_sum(bars.log_return**2, count) / count)
    return ratio(trailing_weighted_sum(bars.log_return, weights), deviation, 0.0)


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[
        Output(name=f"percentile_rank_{window}", unit="share", scaling="minmax", lookback=Span(bars=window))
        for window in _RANK_BARS
    ],
)
def rank(bars: Bars) -> tuple[np.ndarray, ...]:
    """Share of the last n closes below this one; closes within 1e-9 of it, itself included, count half.

    References
    ----------
    George and Hwang (2004), The 52-Week High and Momentum Investing, Journal of Finance 59, pp. 2145-2176.
    """
    return tuple(percentile_rank(bars.close, window) for window in _RANK_BARS)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[Output(name="range_rank_240", unit="share", scaling="minmax", lookback=Span(bars=240))],
)
def range_rank(bars: Bars) -> np.ndarray:
    """Share of the last 240 ranges (high - low) below this bar's; ranges within 1e-9 of it count half.

    References
    ----------
    Crabel (1990), Day Trading with Short Term Price Patterns and Opening Range Breakout (narrow and wide ranges).
    """
    return percentile_rank(bars.range, 240)


@family(
    group=GROUP,
    inputs=("volume",),
    outputs=[Output(name="volume_rank_240", unit="share", scaling="minmax", lookback=Span(bars=240))],
)
def volume_rank(bars: Bars) -> np.ndarray:
    """Share of the last 240 volumes below this bar's; equal ones count half.

    References
    ----------
    Gervais, Kaniel and Mingelgrin (2001), The High-Volume Return Premium, Journal of Finance 56, pp. 877-919.
    """
    return percentile_rank(bars.volume, 240)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(
            name=name,
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=wilder_settle_bars(14)),
            warmup=Span(bars=119),
        )
        for name in ("drawdown_120_atr", "runup_120_atr")
    ],
)
def drawdown(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - highest high of 120 bars) / ATR14 <= 0, and (close - lowest low of 120 bars) / ATR14 >= 0.

    References
    ----------
    Magdon-Ismail and Atiya (2004), Maximum Drawdown, Risk 17(10), pp. 99-102.
    """
    return (
        (bars.close - rolling_max(bars.high, 120)) / bars.yardstick,
        (bars.close - rolling_min(bars.low, 120)) / bars.yardstick,
    )


FAMILIES: tuple[FeatureFamily, ...] = (
    autocorrelation,
    shape_of_returns,
    variance_ratio,
    entropy,
    fractional_difference,
    rank,
    range_rank,
    volume_rank,
    drawdown,
)
