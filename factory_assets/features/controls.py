"""Positive controls: deliberately leaking features that the certificate has to catch, or it proves nothing."""

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import talib

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily
from factory_assets.features.spec import FeatureSpec, Span

_CENTRED_HALF_BARS = 8
_HIGHER_BARS = 6


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


def whole_series_filter(bars: Bars) -> np.ndarray:
    """Close over a low-pass filter of the whole series, as a wavelet or Fourier transform of all bars gives it."""
    spectrum = np.fft.rfft(np.log(bars.close / bars.close[0]))
    spectrum[max(len(spectrum) // 8, 1) :] = 0.0
    return np.log(bars.close / bars.close[0]) - np.fft.irfft(spectrum, len(bars))


def left_labelled_higher_timeframe(bars: Bars) -> np.ndarray:
    """Close of the higher bar that the bar lies in, stamped at its left edge, over the close."""
    bins = bars.session_index * 10_000 + bars.slot // _HIGHER_BARS
    last = np.searchsorted(bins, bins, side="right") - 1
    return np.log(bars.close[last] / bars.close)


def understated_lookback(bars: Bars) -> np.ndarray:
    """An exponential mean of 50 bars that claims to need 60."""
    return talib.EMA(bars.close, 50) / bars.close


def price_in_points(bars: Bars) -> np.ndarray:
    """Move of the last bar in points, which depends on the level of the prices."""
    return np.diff(bars.close, prepend=bars.close[:1])


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
            (_control(whole_series_filter, 64), LEAK),
            (_control(left_labelled_higher_timeframe, 32), LEAK),
            (_control(understated_lookback, 60), ("lookback",)),
            (_control(price_in_points, 2), ("scale",)),
        )
    }
)
