"""Bar shape: what one bar looks like, whatever its size or price.

Belongs here: quantities of a single bar (and the close before it). Does not: anything with a window, except the ATR
that sizes are measured in.
"""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import beyond_tie, ratio
from factory_assets.features.spec import Span
from factory_assets.indicators import wilder_settle_bars

GROUP = "bar_shape"
_ONE = Span(bars=1)
_ATR = Span(bars=wilder_settle_bars(14))
_ATR_WARMUP = Span(bars=14)


@family(
    group=GROUP,
    inputs=("open", "high", "low", "close"),
    outputs=[
        Output(name="body_share", unit="share", scaling="minmax", lookback=_ONE),
        Output(name="upper_wick_share", unit="share", scaling="minmax", lookback=_ONE),
        Output(name="lower_wick_share", unit="share", scaling="minmax", lookback=_ONE),
        Output(name="close_location_share", unit="share", scaling="minmax", lookback=_ONE),
    ],
)
def shape(bars: Bars) -> tuple[np.ndarray, ...]:
    """Shares of the range high - low: close - open; high - max(open, close); min(open, close) - low; close - low.

    On a bar without range the first three are 0 and the close location is 0.5.

    References
    ----------
    Nison (1991), Japanese Candlestick Charting Techniques (real body and shadows).
    """
    span = bars.range
    return (
        ratio(bars.close - bars.open, span, 0.0),
        ratio(bars.high - np.maximum(bars.open, bars.close), span, 0.0),
        ratio(np.minimum(bars.open, bars.close) - bars.low, span, 0.0),
        bars.close_location,
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close"),
    outputs=[Output(name="range_atr", unit="ATR", scaling="robust", lookback=_ATR, warmup=_ATR_WARMUP)],
)
def bar_range(bars: Bars) -> np.ndarray:
    """(high - low) / ATR14: the bar's size against what is usual now.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems, p. 21.
    """
    return (bars.high - bars.low) / bars.yardstick


@family(
    group=GROUP,
    inputs=("open", "high", "low", "close"),
    outputs=[Output(name="opening_gap_atr", unit="ATR", scaling="robust", lookback=_ATR, warmup=_ATR_WARMUP)],
)
def opening_gap(bars: Bars) -> np.ndarray:
    """(open - previous close) / ATR14: what happened between the bars.

    References
    ----------
    Bulkowski (2005), Encyclopedia of Chart Patterns, 2nd ed. (gaps).
    """
    out = np.full(len(bars), np.nan)
    out[1:] = beyond_tie(bars.open[1:] - bars.close[:-1], bars.close[1:]) / bars.yardstick[1:]
    return out


FAMILIES: tuple[FeatureFamily, ...] = (shape, bar_range, opening_gap)
