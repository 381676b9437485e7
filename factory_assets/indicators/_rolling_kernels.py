"""Kernels behind :mod:`factory_assets.indicators.rolling`.

Rows are cut into blocks as long as the window. A window then is the end of one block and the beginning of the next:
its aggregate is a merge of two running aggregates that were only ever *added to*. Nothing is subtracted, so neither a
huge value that left the window nor 700,000 rows of history leave a trace in the result, a NaN poisons exactly the
windows that hold it, and the cost is one pass whatever the window. Moments are taken from the value each running
aggregate starts with: a block's first for the one that grows forward (``head``), its last for the one that grows
backward (``tail``). So prices far from zero keep the digits of their changes; and as every window that reads an
aggregate holds the value it was measured from, a NaN or a bad print there reaches no other window. (The idea for minima
is van Herk 1992, Gil and Werman 1993; moments merge by Chan, Golub and LeVeque 1983 and Pebay 2008, SAND2008-6212,
eqs. 3.1 and 4.)
"""

import numba
import numpy as np


@numba.njit(cache=True)
def sums(values: np.ndarray, window: int) -> np.ndarray:
    """Sum of each full window."""
    n = len(values)
    out = np.full(n, np.nan)
    tail = np.zeros(window + 1)
    for start in range(0, n, window):
        stop = min(start + window, n)
        head = 0.0
        for i in range(start, stop):
            head += values[i]
            if i >= window - 1:
                out[i] = tail[i - start + 1] + head
        # tail[k]: sum of the block's rows from k on; what a window of the next block still holds of this one.
        if stop - start == window:
            tail[window] = 0.0
            for k in range(window - 1, -1, -1):
                tail[k] = tail[k + 1] + values[start + k]
    return out


@numba.njit(cache=True)
def extremes(values: np.ndarray, window: int, sign: float) -> np.ndarray:
    """Maximum of each full window of ``sign * values``, times ``sign``."""
    n = len(values)
    out = np.full(n, np.nan)
    tail = np.full(window + 1, -np.inf)
    for start in range(0, n, window):
        stop = min(start + window, n)
        head = -np.inf
        for i in range(start, stop):
            value = sign * values[i]
            if value > head or np.isnan(value):
                head = value
            if i >= window - 1:
                rest = tail[i - start + 1]
                out[i] = sign * (rest if rest > head or np.isnan(rest) else head)
        if stop - start == window:
            tail[window] = -np.inf
            for k in range(window - 1, -1, -1):
                value = sign * values[start + k]
                tail[k] = value if value > tail[k + 1] or np.isnan(value) else tail[k + 1]
    return out


@numba.njit(cache=True)
def mean_m2(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sum of squared deviations of each full window."""
    n = len(values)
    means, m2s = np.full(n, np.nan), np.full(n, np.nan)
    tail_mean, tail_m2 = np.zeros(window + 1), np.zeros(window + 1)
    tail_origin = 0.0
    for start in range(0, n, window):
        stop = min(start + window, n)
        origin = values[start]
        shift = tail_origin - origin
        mean, m2 = 0.0, 0.0
        for i in range(start, stop):
            count = i - start + 1
            value = values[i] - origin
            step = value - mean
            mean += step / count
            m2 += step * (value - mean)
            if i >= window - 1:
                rest = window - count
                if rest == 0:
                    means[i], m2s[i] = origin + mean, m2
                else:
                    delta = tail_mean[count] + shift - mean
                    means[i] = origin + (mean + delta * (rest / window))
                    m2s[i] = m2 + tail_m2[count] + delta * delta * (rest * count / window)
        if stop - start == window:
            tail_origin = values[stop - 1]
            mean, m2 = 0.0, 0.0
            for k in range(window - 1, -1, -1):
                value = values[start + k] - tail_origin
                step = value - mean
                mean += step / (window - k)
                m2 += step * (value - mean)
                tail_mean[k], tail_m2[k] = mean, m2
    return means, m2s


@numba.njit(cache=True)
def comoments(first: np.ndarray, second: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of (x - mean x)(y - mean y), and the sums of squared deviations of x and of y, of each full window."""
    n = len(first)
    crosses, x_m2s, y_m2s = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    tail = np.zeros((window + 1, 5))
    x_tail_origin, y_tail_origin = 0.0, 0.0
    for start in range(0, n, window):
        stop = min(start + window, n)
        x_origin, y_origin = first[start], second[start]
        x_shift, y_shift = x_tail_origin - x_origin, y_tail_origin - y_origin
        x_mean, y_mean, cross, x_m2, y_m2 = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(start, stop):
            count = i - start + 1
            share = 1.0 / count
            x, y = first[i] - x_origin, second[i] - y_origin
            x_step, y_step = x - x_mean, y - y_mean
            x_mean += x_step * share
            y_mean += y_step * share
            cross += x_step * (y - y_mean)
            x_m2 += x_step * (x - x_mean)
            y_m2 += y_step * (y - y_mean)
            if i >= window - 1:
                rest = window - count
                if rest == 0:
                    crosses[i], x_m2s[i], y_m2s[i] = cross, x_m2, y_m2
                else:
                    x_delta = tail[count, 0] + x_shift - x_mean
                    y_delta = tail[count, 1] + y_shift - y_mean
                    weight = rest * count / window
                    crosses[i] = cross + tail[count, 2] + x_delta * y_delta * weight
                    x_m2s[i] = x_m2 + tail[count, 3] + x_delta * x_delta * weight
                    y_m2s[i] = y_m2 + tail[count, 4] + y_delta * y_delta * weight
        if stop - start == window:
            x_tail_origin, y_tail_origin = first[stop - 1], second[stop - 1]
            x_mean, y_mean, cross, x_m2, y_m2 = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(window - 1, -1, -1):
                share = 1.0 / (window - k)
                x, y = first[start + k] - x_tail_origin, second[start + k] - y_tail_origin
                x_step, y_step = x - x_mean, y - y_mean
                x_mean += x_step * share
                y_mean += y_step * share
                cross += x_step * (y - y_mean)
                x_m2 += x_step * (x - x_mean)
                y_m2 += y_step * (y - y_mean)
                tail[k, 0], tail[k, 1], tail[k, 2], tail[k, 3], tail[k, 4] = x_mean, y_mean, cross, x_m2, y_m2
    return crosses, x_m2s, y_m2s


@numba.njit(cache=True)
def _with(count: float, held: tuple[float, float, float, float], value: float) -> tuple[float, float, float, float]:
    """Mean and central moment sums (orders 2 to 4) of a set and one value, ``count`` values together."""
    mean, m2, m3, m4 = held
    delta = value - mean
    step = delta / count
    gain = delta * step * (count - 1.0)
    m4 += gain * step * step * (count * count - 3.0 * count + 3.0) + 6.0 * step * step * m2 - 4.0 * step * m3
    m3 += gain * step * (count - 2.0) - 3.0 * step * m2
    return mean + step, m2 + gain, m3, m4


@numba.njit(cache=True)
def _merged(
    na: float, a: tuple[float, float, float, float], nb: float, b: tuple[float, float, float, float], share: float
) -> tuple[float, float, float]:
    """Central moment sums (orders 2 to 4) of two sets together; ``share`` is 1 / (na + nb)."""
    step = (b[0] - a[0]) * share
    gain = step * step * na * nb
    m2 = a[1] + b[1] + gain * (na + nb)
    m3 = a[2] + b[2] + gain * step * (na * na - nb * nb) + 3.0 * step * (na * b[1] - nb * a[1])
    m4 = (
        a[3]
        + b[3]
        + gain * step * step * (na * na * na + nb * nb * nb)
        + 6.0 * step * step * (na * na * b[1] + nb * nb * a[1])
        + 4.0 * step * (na * b[2] - nb * a[2])
    )
    return m2, m3, m4


@numba.njit(cache=True)
def moments(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Central moment sums of orders 2, 3 and 4 of each full window."""
    n = len(values)
    m2s, m3s, m4s = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    tail = np.zeros((window + 1, 4))
    tail_origin = 0.0
    share = 1.0 / window
    for start in range(0, n, window):
        stop = min(start + window, n)
        origin = values[start]
        shift = tail_origin - origin
        head = (0.0, 0.0, 0.0, 0.0)
        for i in range(start, stop):
            count = i - start + 1
            head = _with(float(count), head, values[i] - origin)
            if i >= window - 1:
                if count == window:
                    m2s[i], m3s[i], m4s[i] = head[1], head[2], head[3]
                else:
                    rest = (tail[count, 0] + shift, tail[count, 1], tail[count, 2], tail[count, 3])
                    m2s[i], m3s[i], m4s[i] = _merged(float(window - count), rest, float(count), head, share)
        if stop - start == window:
            tail_origin = values[stop - 1]
            back = (0.0, 0.0, 0.0, 0.0)
            for k in range(window - 1, -1, -1):
                back = _with(float(window - k), back, values[start + k] - tail_origin)
                tail[k, 0], tail[k, 1], tail[k, 2], tail[k, 3] = back
    return m2s, m3s, m4s


@numba.njit(cache=True)
def regressions(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Co-moment with time, sum (t - mean t)(y - mean y), and sum of squared deviations of y, of each full window."""
    n = len(values)
    cross, m2s = np.full(n, np.nan), np.full(n, np.nan)
    tail_mean, tail_m2, tail_cross = np.zeros(window + 1), np.zeros(window + 1), np.zeros(window + 1)
    tail_origin = 0.0
    for start in range(0, n, window):
        stop = min(start + window, n)
        origin = values[start]
        shift = tail_origin - origin
        mean, m2, co = 0.0, 0.0, 0.0
        for i in range(start, stop):
            count = i - start + 1
            value = values[i] - origin
            step = value - mean
            # A new last row lies count / 2 rows after the mean time of the earlier ones.
            co += (count / 2.0) * step * ((count - 1) / count)
            mean += step / count
            m2 += step * (value - mean)
            if i >= window - 1:
                rest = window - count
                if rest == 0:
                    cross[i], m2s[i] = co, m2
                else:
                    delta = mean - (tail_mean[count] + shift)
                    share = rest * count / window
                    cross[i] = co + tail_cross[count] + (window / 2.0) * delta * share
                    m2s[i] = m2 + tail_m2[count] + delta * delta * share
        if stop - start == window:
            tail_origin = values[stop - 1]
            mean, m2, co = 0.0, 0.0, 0.0
            for k in range(window - 1, -1, -1):
                count = window - k
                value = values[start + k] - tail_origin
                step = value - mean
                co -= (count / 2.0) * step * ((count - 1) / count)
                mean += step / count
                m2 += step * (value - mean)
                tail_mean[k], tail_m2[k], tail_cross[k] = mean, m2, co
    return cross, m2s
