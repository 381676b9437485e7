"""Microstructure, from prices: what a trade moves, what it costs, how often nothing moves.

Belongs here: price impact, implicit spreads, bars without a move. Does not: classified volume and its pace
(:mod:`factory_assets.features.order_flow`, the other half of the group), plain volume comparisons
(:mod:`factory_assets.features.volume`). Volume enters relative to its trailing median, prices as log returns.
"""

import math

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import TIE_SHARE, lagged, log_ratio, ratio
from factory_assets.features.spec import Span
from factory_assets.indicators import rolling_covariance, rolling_sum

GROUP = "microstructure"
_WINDOWS = (20, 60)
# Every bar of a window is compared with the median volume of the 60 bars up to it.
_MEDIAN_BARS = 60
_QUIET_SHARE = 0.1


@family(
    group=GROUP,
    inputs=("close", "volume"),
    outputs=[
        Output(
            name=f"{name}_{window}",
            unit="log per median volume",
            scaling="robust",
            lookback=Span(bars=window + _MEDIAN_BARS - 1),
        )
        for name in ("amihud", "kyle_lambda")
        for window in _WINDOWS
    ],
)
def impact(bars: Bars) -> tuple[np.ndarray, ...]:
    """Price impact over 20 and 60 bars, volume measured in medians of the last 60 bars (at least one contract).

    amihud: mean of |log return| / relative volume over the bars that traded, 0 if none did. kyle_lambda: regression
    slope of the log return on relative volume signed by the move, 0 if that does not vary.

    References
    ----------
    Amihud (2002), Illiquidity and Stock Returns, Journal of Financial Markets 5, p. 34; Kyle (1985),
    Continuous Auctions and Insider Trading, Econometrica 53, pp. 1315-1335; Hasbrouck (2009), Journal
    of Finance 64, pp. 1445-1477.
    """
    relative = bars.relative_volume
    traded = bars.volume > 0.0
    cost = np.where(traded, np.abs(bars.log_return) / np.where(traded, relative, 1.0), 0.0 * relative)
    signed = bars.move_sign * relative
    slopes = []
    for window in _WINDOWS:
        both, spread, _ = rolling_covariance(signed, bars.log_return, window, ddof=0)
        slopes.append(ratio(both, spread, 0.0))
    return *(ratio(rolling_sum(cost, window), rolling_sum(traded, window), 0.0) for window in _WINDOWS), *slopes


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(name=f"{name}_spread_{window}", unit="log", scaling="robust", lookback=Span(bars=window + extra))
        # Over 60 bars Abdi-Ranaldo's estimate is hardly ever positive on long bars: nothing to learn from.
        for name, extra, windows in (("roll", 2, _WINDOWS), ("corwin_schultz", 1, _WINDOWS), ("abdi_ranaldo", 1, (20,)))
        for window in windows
    ],
)
def spreads(bars: Bars) -> tuple[np.ndarray, ...]:
    """Bid-ask spread as a share of price, estimated from 20 or 60 bars; 0 where the estimate is not positive.

    Roll: 2 sqrt(-cov(r, previous r)). Corwin-Schultz: mean of 2 (e^a - 1) / (1 + e^a) over pairs of bars,
    a = (sqrt(2b) - sqrt(b)) / (3 - 2 sqrt 2) - sqrt(g / (3 - 2 sqrt 2)), b the two squared ln(H/L), g that of the
    pair; a bar beyond the close before it is first moved back to touch it; negative pairs count 0. Abdi-Ranaldo:
    sqrt(mean of 4 ln(C/m) ln(C/next m)), m = sqrt(H L), taken one bar later, when the next m is known. Roll and
    Abdi-Ranaldo below 0.01 basis points count as 0.

    References
    ----------
    Roll (1984), Journal of Finance 39, p. 1129; Corwin and Schultz (2012), Journal of Finance 67, p. 725 (eqs. 14
    and 18) and p. 726 (gaps); Abdi and Ranaldo (2017), Review of Financial Studies 30, pp. 4437-4480.
    """
    before = lagged(bars.log_return, 1)
    roll = []
    for window in _WINDOWS:
        both, spread, _ = rolling_covariance(bars.log_return, before, window, ddof=0)
        roll.append(2.0 * np.sqrt(_positive(-both, spread)))
    pairs = _corwin_schultz(bars)
    middle = np.sqrt(bars.high) * np.sqrt(bars.low)
    products = lagged(log_ratio(bars.close, middle), 1) * log_ratio(lagged(bars.close, 1), middle)
    mean, size = rolling_sum(products, 20) / 20, rolling_sum(np.abs(products), 20) / 20
    abdi_ranaldo = 2.0 * np.sqrt(_positive(mean, size))
    return *roll, *(rolling_sum(pairs, window) / window for window in _WINDOWS), abdi_ranaldo


@family(
    group=GROUP,
    inputs=("close",),
    outputs=[Output(name="quiet_share_60", unit="share", scaling="minmax", lookback=Span(bars=80))],
)
def quiet(bars: Bars) -> np.ndarray:
    """Share of the last 60 bars that hardly moved: |log return| <= 0.1 x root mean square return of 20 bars up to it.

    1 on flat prices. On short bars these are the bars without a move: news too small to beat the cost of trading. On
    long bars those are rare, and the share still varies.

    References
    ----------
    Lesmond, Ogden and Trzcinka (1999), A New Estimate of Transaction Costs, Review of Financial Studies 12,
    pp. 1113-1141 (the share of zero returns; 0.1 deviations here, so that it does not depend on the bar's length).
    """
    squared = bars.log_return**2
    usual = rolling_sum(squared, 20) / 20.0
    still = np.where(np.isnan(usual), np.nan, squared <= _QUIET_SHARE**2 * usual)
    return rolling_sum(still, 60) / 60.0


def _positive(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Values, or 0 below 1e-9 of ``size`` and for spreads below 0.01 bp: a root would turn rounding into digits."""
    least = np.maximum(TIE_SHARE * size, (0.5 * PRICE_FLOOR_SHARE) ** 2)
    return np.where(values <= least, 0.0, values)


def _corwin_schultz(bars: Bars) -> np.ndarray:
    """Spread from each bar and the one before, negative estimates as 0; NaN in row 0."""
    close_before = lagged(bars.close, 1)
    gap = np.maximum(bars.low - close_before, 0.0) + np.minimum(bars.high - close_before, 0.0)
    high, low = bars.high - gap, bars.low - gap
    beta = log_ratio(high, low) ** 2 + lagged(log_ratio(bars.high, bars.low) ** 2, 1)
    gamma = log_ratio(np.maximum(high, lagged(bars.high, 1)), np.minimum(low, lagged(bars.low, 1))) ** 2
    scale = 3.0 - 2.0 * math.sqrt(2.0)
    alpha = (math.sqrt(2.0) - 1.0) * np.sqrt(beta) / scale - np.sqrt(gamma / scale)
    return np.maximum(2.0 * np.tanh(0.5 * alpha), 0.0)


FAMILIES: tuple[FeatureFamily, ...] = (impact, spreads, quiet)
