"""Wavelets: on which time scales the last 64 bars moved, how much, and which way.

Belongs here: what a db4 transform of the trailing window says of returns and of volume. Does not: the transform itself
(:mod:`factory_assets.features.wavelet_kernels`); a transform of the whole series, which reads the future and is a
positive control (:mod:`factory_assets.features.controls`).

The details D1, D2 and D3 hold swings of about 2 to 4, 4 to 8 and 8 to 16 bars, the approximation A3 everything slower.
"""

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.spec import Span
from factory_assets.features.wavelet_kernels import WINDOW_BARS, trailing_wavelets

GROUP = "wavelets"
_BANDS = ("d1", "d2", "d3", "a3")
_BASIS_POINT = 1e-4
# A smooth path whose steps add up to less than a thousandth of sigma goes nowhere.
_PATH_FLOOR_SIGMA = 1e-3


def _outputs(of: str, lookback_bars: int) -> list[Output]:
    """Declarations of the twelve features of one input, in the order of :func:`_measures`."""
    names = [
        *((f"wavelet_{of}_{band}_sigma", "sigma", "robust") for band in _BANDS),
        *((f"wavelet_{of}_energy_{band}", "log", "robust") for band in _BANDS),
        *((f"wavelet_{of}_share_{band}", "share", "minmax") for band in _BANDS[:3]),
        (f"wavelet_{of}_trend_strength", "share", "minmax"),
    ]
    lookback = Span(bars=lookback_bars)
    return [Output(name=name, unit=unit, scaling=scaling, lookback=lookback) for name, unit, scaling in names]


@family(group=GROUP, inputs=("close",), outputs=_outputs("return", WINDOW_BARS + 1))
def return_wavelets(bars: Bars) -> tuple[np.ndarray, ...]:
    """db4 transform, 3 levels, of the last 64 log returns of the close, zero beyond both ends.

    sigma = root of the window's mean squared return, at least 1e-6. d1, d2, d3, a3: the band's last coefficient at
    least half of whose squared weights lie in the window (numbers 31, 17, 9, 12 from 0) / sigma. energy: ln(1 + sum of
    the band's squared coefficients / 64 / 1 squared basis point); the four sums add up to the window's sum of squares.
    share: sum of the band's squared coefficients / (64 sigma^2); a3's is the rest to 1. trend_strength: sum of a3's
    coefficients 5 to 12 / sum of their absolute values (at least sigma / 1000): 1 when the smoothed price only rose.
    All are 0 where no price moved.

    References
    ----------
    Percival and Walden (2000), Wavelet Methods for Time Series Analysis, chapter 4 (energy decomposition) and chapter 8
    (variance by scale); Daubechies (1992), Ten Lectures on Wavelets, table 6.1, p. 195 (db4).
    """
    return _measures(trailing_wavelets(bars.log_return, 1, False), _BASIS_POINT)


@family(group=GROUP, inputs=("volume",), outputs=_outputs("volume", WINDOW_BARS))
def volume_wavelets(bars: Bars) -> tuple[np.ndarray, ...]:
    """db4 transform, 3 levels, of ln(1 + volume) less its mean over the last 64 bars, zero beyond both ends.

    sigma = root of the window's mean square, at least 1e-6. d1, d2, d3, a3: the band's last coefficient at least half
    of whose squared weights lie in the window (numbers 31, 17, 9, 12 from 0) / sigma. energy: ln(1 + sum of the band's
    squared coefficients / 64). share: sum of the band's squared coefficients / (64 sigma^2); a3's is the rest to 1.
    trend_strength: a3's coefficient 11 - coefficient 5, / sum of the absolute steps between them (at least sigma /
    1000): 1 when the smoothed volume only rose. All are 0 where volume does not vary.

    References
    ----------
    Percival and Walden (2000), Wavelet Methods for Time Series Analysis, chapter 4 (energy decomposition) and chapter 8
    (variance by scale); Daubechies (1992), Ten Lectures on Wavelets, table 6.1, p. 195 (db4).
    """
    return _measures(trailing_wavelets(np.log1p(bars.volume), 0, True), 1.0)


def _measures(
    transformed: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], unit: float
) -> tuple[np.ndarray, ...]:
    """The twelve features of one input; ``unit`` is what root mean energies are measured in."""
    last, energy, net, gross = transformed
    mean_energy = energy / WINDOW_BARS
    sigma = np.maximum(np.sqrt(mean_energy[0] + mean_energy[1] + mean_energy[2] + mean_energy[3]), PRICE_FLOOR_SHARE)
    return (
        *(last / sigma),
        *np.log1p(mean_energy / (unit * unit)),
        *(mean_energy[:3] / (sigma * sigma)),
        net / np.maximum(gross, _PATH_FLOOR_SIGMA * sigma),
    )


FAMILIES: tuple[FeatureFamily, ...] = (return_wavelets, volume_wavelets)
