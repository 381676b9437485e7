"""Microstructure: liquidity, spread and order flow estimated from bars.

Belongs here: price impact, implicit spreads, classified volume. Does not: plain volume comparisons
(:mod:`factory_assets.features.volume`). Volume enters relative to its trailing median, prices as log returns.
"""

import math

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import (
    TIE_SHARE,
    bulk_imbalance,
    log_ratio,
    ratio,
    trailing_covariance,
    trailing_median,
)
from factory_assets.features.spec import Span
from factory_assets.indicators import rolling_mean, rolling_sum

GROUP = "microstructure"
_MEDIAN_BARS = 60


@family(
    group=GROUP,
    inputs=("close", "volume"),
    outputs=[
        Output(name="amihud_20", unit="log per median volume", scaling="robust", lookback=Span(bars=79)),
        Output(name="kyle_lambda_20", unit="log per median volume", scaling="robust", lookback=Span(bars=79)),
    ],
)
def impact(bars: Bars) -> tuple[np.ndarray, ...]:
    """Price impact over 20 bars, volume measured in medians of the last 60 bars (at least one contract).

    amihud: mean of |log return| / relative volume over the bars that traded, 0 if none did. kyle_lambda: regression
    slope of the log return on relative volume signed by the move, 0 if that does not vary.

    References
    ----------
    Amihud (2002), Illiquidity and Stock Returns, Journal of Financial Markets 5, p. 34; Kyle (1985),
    Continuous Auctions and Insider Trading, Econometrica 53, pp. 1315-1335; Hasbrouck (2009), Journal
    of Finance 64, pp. 1445-1477.
    """
    relative = _relative_volume(bars)
    traded = bars.volume > 0.0
    cost = np.where(traded, np.abs(bars.log_return) / np.where(traded, relative, 1.0), 0.0 * relative)
    both, spread, _ = trailing_covariance(bars.move_sign * relative, bars.log_return, 20)
    return ratio(rolling_sum(cost, 20), rolling_sum(traded, 20), 0.0), ratio(both, spread, 0.0)


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[
        Output(name="roll_spread_20", unit="log", scaling="robust", lookback=Span(bars=22)),
        Output(name="corwin_schultz_spread_20", unit="log", scaling="robust", lookback=Span(bars=21)),
        Output(name="abdi_ranaldo_spread_20", unit="log", scaling="robust", lookback=Span(bars=21)),
    ],
)
def spreads(bars: Bars) -> tuple[np.ndarray, ...]:
    """Bid-ask spread as a share of price, estimated from 20 bars; 0 where the estimate is not positive.

    Roll: 2 sqrt(-cov(r, previous r)). Corwin-Schultz: mean of 2 (e^a - 1) / (1 + e^a) over pairs of bars,
    a = (sqrt(2b) - sqrt(b)) / (3 - 2 sqrt 2) - sqrt(g / (3 - 2 sqrt 2)), b the two squared ln(H/L), g that of the
    pair; negative pairs count 0. Abdi-Ranaldo: sqrt(mean of 4 ln(C/m) ln(C/next m)), m = sqrt(H L), taken one bar
    later, when the next m is known. Spreads below 0.01 basis points count as 0.

    References
    ----------
    Roll (1984), Journal of Finance 39, p. 1129; Corwin and Schultz (2012), Journal of Finance 67, p. 725 (eqs. 14
    and 18); Abdi and Ranaldo (2017), Review of Financial Studies 30, pp. 4437-4480.
    """
    before = _previous(bars.log_return)
    both, spread, _ = trailing_covariance(bars.log_return, before, 20)
    roll = 2.0 * np.sqrt(_positive(-both, spread))
    close_before = _previous(bars.close)
    middle = np.sqrt(bars.high) * np.sqrt(bars.low)
    old, new = log_ratio(close_before, _previous(middle)), log_ratio(close_before, middle)
    size = rolling_mean(np.abs(old * new), 20)
    return roll, _corwin_schultz(bars), 2.0 * np.sqrt(_positive(rolling_mean(old * new, 20), size))


@family(
    group=GROUP,
    inputs=("close", "volume"),
    outputs=[
        Output(name="flow_imbalance_20", unit="share", scaling="minmax", lookback=Span(bars=40)),
        Output(name="vpin_50", unit="share", scaling="minmax", lookback=Span(bars=70)),
        Output(name="signed_volume_autocorrelation_1_60", unit="1", scaling="minmax", lookback=Span(bars=120)),
    ],
)
def order_flow(bars: Bars) -> tuple[np.ndarray, ...]:
    """Order flow by bulk classification: a bar's buy share is Phi(log return / root mean square return of 20 bars).

    flow_imbalance: bought - sold over 20 bars / volume. vpin: |bought - sold| over 50 bars / volume (a proxy: bars of
    time instead of equal volume). signed_volume_autocorrelation: correlation over 60 bars of volume / trailing median,
    signed by the move, with its previous value. Each 0 where nothing was traded or nothing varies.

    References
    ----------
    Easley, Lopez de Prado and O'Hara (2012), Flow Toxicity and Liquidity, Review of Financial Studies 25,
    pp. 1457-1493; Hasbrouck (1991), Measuring the Information Content of Stock Trades, Journal of
    Finance 46, pp. 179-207.
    """
    deviation = np.sqrt(rolling_sum(bars.log_return**2, 20) / 20.0)
    net = bulk_imbalance(bars.log_return, deviation, bars.volume)
    signed = bars.move_sign * _relative_volume(bars)
    both, now, old = trailing_covariance(signed, _previous(signed), 60)
    return (
        ratio(rolling_sum(net, 20), rolling_sum(bars.volume, 20), 0.0),
        ratio(rolling_sum(np.abs(net), 50), rolling_sum(bars.volume, 50), 0.0),
        ratio(both, np.sqrt(now * old), 0.0),
    )


def _relative_volume(bars: Bars) -> np.ndarray:
    return bars.volume / np.maximum(trailing_median(bars.volume, _MEDIAN_BARS), 1.0)


def _previous(values: np.ndarray) -> np.ndarray:
    out = np.full(len(values), np.nan)
    out[1:] = values[:-1]
    return out


def _positive(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Values, or 0 below 1e-9 of ``size`` and for spreads below 0.01 bp: a root would turn rounding into digits."""
    least = np.maximum(TIE_SHARE * size, (0.5 * PRICE_FLOOR_SHARE) ** 2)
    return np.where(values <= least, 0.0, values)


def _corwin_schultz(bars: Bars) -> np.ndarray:
    single = log_ratio(bars.high, bars.low) ** 2
    beta = single + _previous(single)
    top = np.maximum(bars.high, _previous(bars.high))
    bottom = np.minimum(bars.low, _previous(bars.low))
    gamma = log_ratio(top, bottom) ** 2
    scale = 3.0 - 2.0 * math.sqrt(2.0)
    alpha = (math.sqrt(2.0) - 1.0) * np.sqrt(beta) / scale - np.sqrt(gamma / scale)
    return rolling_mean(np.maximum(2.0 * np.tanh(0.5 * alpha), 0.0), 20)


FAMILIES: tuple[FeatureFamily, ...] = (impact, spreads, order_flow)
