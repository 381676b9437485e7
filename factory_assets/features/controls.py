"""Positive controls: deliberately leaking features that the certificate has to catch, or it proves nothing."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pywt
import talib

from factory_assets.features import hmm
from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily
from factory_assets.features.regime_causality import Estimator
from factory_assets.features.regime_estimation import estimate_quarter
from factory_assets.features.regime_table import RegimeQuarter
from factory_assets.features.spec import FeatureSpec, Span

_CENTRED_HALF_BARS = 8
_HIGHER_BARS = 6
_HMM_ITERATIONS = 5
_WAVELET_LEVELS = 3


def centred_mean(bars: Bars) -> np.ndarray:
    """Close over a mean centred on the bar: half of the window lies in the future."""
    padded = np.pad(bars.close, _CENTRED_HALF_BARS, mode="edge")
    window = 2 * _CENTRED_HALF_BARS + 1
    return bars.close / np.lib.stride_tricks.sliding_window_view(padded, window).mean(axis=1)


def global_z_score(bars: Bars) -> np.ndarray:
    """Range / close standardised with the mean and deviation of all bars, later ones included."""
    size = bars.range / bars.close
    spread = size.std()
    return (size - size.mean()) / (spread if spread > 0.0 else 1.0)


def negative_shift(bars: Bars) -> np.ndarray:
    """Return of the next bar."""
    out = np.zeros(len(bars))
    out[:-1] = np.log(bars.close[1:] / bars.close[:-1])
    return out


def whole_series_wavelet(bars: Bars) -> np.ndarray:
    """Log close less its db4 approximation of 3 levels, reconstructed from a transform of the whole series."""
    path = np.log(bars.close / bars.close[0])
    levels = min(_WAVELET_LEVELS, pywt.dwt_max_level(len(path), "db4"))
    smooth, *details = pywt.wavedec(path, "db4", mode="symmetric", level=levels)
    approximation = pywt.waverec([smooth, *(np.zeros_like(each) for each in details)], "db4", mode="symmetric")
    return path - approximation[: len(path)]


def left_labelled_higher_timeframe(bars: Bars) -> np.ndarray:
    """Close of the higher bar that the bar lies in, stamped at its left edge, over the close."""
    bins = bars.session_index * 10_000 + bars.slot // _HIGHER_BARS
    last = np.searchsorted(bins, bins, side="right") - 1
    return np.log(bars.close[last] / bars.close)


def whole_series_hmm(bars: Bars) -> np.ndarray:
    """Probability of the low state, filtered by parameters estimated from all bars, later ones included."""
    n = len(bars)
    variance, transition, _ = hmm.estimate(bars.squared_return, np.array([0, n]), _HMM_ITERATIONS)
    run, first = np.array([[0, 0, n]]), np.zeros(1, dtype=np.int64)
    return hmm.filtered(bars.squared_return, run, first, variance[None], transition[None])[0]


def understated_lookback(bars: Bars) -> np.ndarray:
    """An exponential mean of 50 bars that claims to need 60."""
    return talib.EMA(bars.close, 50) / bars.close


def price_in_points(bars: Bars) -> np.ndarray:
    """Move of the last bar in points, which depends on the level of the prices."""
    return np.diff(bars.close, prepend=bars.close[:1])


def regimes_of_all_bars(bars: Bars, valid_from: int, valid_to: int) -> RegimeQuarter:
    """Parameters of a quarter from the last sessions of all bars, dated as if they were from those before it."""
    return _misdated(bars, valid_from, valid_to, as_of=max(valid_from, int(bars.trade_day[-1]) + 1))


def regimes_a_session_late(bars: Bars, valid_from: int, valid_to: int) -> RegimeQuarter:
    """Parameters of a quarter from sessions up to its own first one, dated as if they were from those before it."""
    own = bars.trade_day[bars.trade_day >= valid_from]
    return _misdated(bars, valid_from, valid_to, as_of=int(own[0]) + 1 if len(own) else valid_from)


def _misdated(bars: Bars, valid_from: int, valid_to: int, *, as_of: int) -> RegimeQuarter:
    honest, late = estimate_quarter(bars, valid_from, valid_to), estimate_quarter(bars, as_of, valid_to)
    if not honest.estimated:
        return honest
    return replace(honest, variance=late.variance, transition=late.transition)


def _control(function: Callable[[Bars], np.ndarray], lookback_bars: int) -> FeatureFamily:
    spec = FeatureSpec(
        name=function.__name__,
        group="control",
        inputs=("close",),
        formula=" ".join((function.__doc__ or "").split()),
        source="positive control",
        unit="1",
        scaling="none",
        lookback=Span(bars=lookback_bars),
        warmup=Span(),
        tolerance=1e-9,
    )
    return FeatureFamily(function=function, specs=(spec,))


# What must catch each: a leak is caught by either of the first two, whatever else it breaks.
LEAK = ("truncation", "perturbation")
CONTROLS: MappingProxyType[str, tuple[FeatureFamily, tuple[str, ...]]] = MappingProxyType(
    {
        family.specs[0].name: (family, aspects)
        for family, aspects in (
            (_control(centred_mean, 32), LEAK),
            (_control(global_z_score, 64), LEAK),
            (_control(negative_shift, 32), LEAK),
            (_control(whole_series_wavelet, 64), LEAK),
            (_control(left_labelled_higher_timeframe, 32), LEAK),
            (_control(whole_series_hmm, 64), LEAK),
            (_control(understated_lookback, 60), ("lookback",)),
            (_control(price_in_points, 2), ("scale",)),
        )
    }
)

# Estimators of regime parameters that look into the quarter itself: the examination of estimation has to catch them.
ESTIMATOR_CONTROLS: MappingProxyType[str, Estimator] = MappingProxyType(
    {each.__name__: each for each in (regimes_of_all_bars, regimes_a_session_late)}
)
