"""Oracles of wavelets: each feature once more from its definition, one window at a time."""

import itertools
import math

# Daubechies (1992), table 6.1, N = 4: h_0 to h_7.
H = [
    0.2303778133088965, 0.7148465705529157, 0.6308807679298589, -0.0279837694168599,
    -0.1870348117190930, 0.0308413818355607, 0.0328830116668852, -0.0105974017850690,
]  # fmt: skip
G = [H[7], -H[6], H[5], -H[4], H[3], -H[2], H[1], -H[0]]


def split(x):
    """Smooth and detail of one level: filters meet every second row, first and last ones reach over the ends."""

    def meet(taps, k):
        return sum(taps[n] * x[2 * k - 6 + n] for n in range(8) if 0 <= 2 * k - 6 + n < len(x))

    count = (len(x) + 7) // 2
    return [meet(H, k) for k in range(count)], [meet(G, k) for k in range(count)]


def bands(x):
    first, d1 = split(x)
    second, d2 = split(first)
    a3, d3 = split(second)
    return {"d1": d1, "d2": d2, "d3": d3, "a3": a3}


def returns(p):
    return p.returns(64)


def volumes(p):
    logs = [math.log(1 + v) for v in p.v[-64:]]
    mean = sum(logs) / 64 if max(logs) > min(logs) else logs[0]
    return [value - mean for value in logs]


def energy(x):
    return sum(value * value for value in x)


def sigma(x):
    return max(math.sqrt(energy(x) / 64), 1e-6)


LAST = {"d1": 31, "d2": 17, "d3": 9, "a3": 12}


def last(x, band):
    return bands(x)[band][LAST[band]] / sigma(x)


def share(x, band):
    return energy(bands(x)[band]) / (64 * sigma(x) ** 2)


def net_of_gross(steps, x):
    return sum(steps) / max(sum(abs(step) for step in steps), sigma(x) / 1000)


def trend(p):
    x = returns(p)
    return net_of_gross(bands(x)["a3"][5:13], x)


def volume_trend(p):
    x = volumes(p)
    path = bands(x)["a3"][5:12]
    return net_of_gross([b - a for a, b in itertools.pairwise(path)], x)


def of_input(name, window, unit):
    return {
        **{f"wavelet_{name}_{band}_sigma": lambda p, band=band: last(window(p), band) for band in LAST},
        **{
            f"wavelet_{name}_energy_{band}": lambda p, band=band: math.log(
                1 + energy(bands(window(p))[band]) / 64 / unit**2
            )
            for band in LAST
        },
        **{f"wavelet_{name}_share_{band}": lambda p, band=band: share(window(p), band) for band in ("d1", "d2", "d3")},
    }


ORACLES = {
    **of_input("return", returns, 1e-4),
    "wavelet_return_trend_strength": trend,
    **of_input("volume", volumes, 1.0),
    "wavelet_volume_trend_strength": volume_trend,
}
