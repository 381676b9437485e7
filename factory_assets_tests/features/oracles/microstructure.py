"""Oracles of microstructure: each feature once more from its definition."""

import math
import statistics

from .past import FLOOR, TIE, correlation, covariance, relative, share, signed_volume, snapped


def rows(p, count, back=0):
    """The last ``count`` rows, ``back`` rows earlier."""
    n = len(p.c) - back
    return range(n - count, n)


def amihud(window):
    def value(p):
        traded = [k for k in rows(p, window) if p.v[k] > 0]
        costs = [abs(snapped(p.c[k], p.c[k - 1])) / relative(p, k) for k in traded]
        return sum(costs) / len(costs) if costs else 0.0

    return value


def kyle(window):
    def value(p):
        x = [signed_volume(p, k) for k in rows(p, window)]
        return 0.0 if max(x) == min(x) else covariance(x, p.returns(window)) / covariance(x, x)

    return value


def roll(window):
    def value(p):
        now, before = p.returns(window), p.returns(window, back=1)
        negative = -covariance(now, before)
        return 2 * math.sqrt(negative) if negative > max(TIE * covariance(now, now), FLOOR**2 / 4) else 0.0

    return value


def corwin_schultz_pair(p, k):
    """Spread from bars k - 1 and k; the second is moved to the close before it if it lies beyond."""
    high, low, close = p.h[k], p.l[k], p.c[k - 1]
    if low > close:
        high, low = high - (low - close), close
    elif high < close:
        high, low = close, low + (close - high)
    beta = math.log(high / low) ** 2 + math.log(p.h[k - 1] / p.l[k - 1]) ** 2
    gamma = math.log(max(high, p.h[k - 1]) / min(low, p.l[k - 1])) ** 2
    scale = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / scale - math.sqrt(gamma / scale)
    return max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0)


def corwin(window):
    return lambda p: sum(corwin_schultz_pair(p, k) for k in rows(p, window)) / window


def abdi(p):
    middle = [math.sqrt(a * b) for a, b in zip(p.h, p.l, strict=True)]
    terms = [snapped(p.c[k - 1], middle[k - 1]) * snapped(p.c[k - 1], middle[k]) for k in rows(p, 20)]
    mean, size = sum(terms) / 20, sum(abs(t) for t in terms) / 20
    return 2 * math.sqrt(mean) if mean > max(TIE * size, FLOOR**2 / 4) else 0.0


def recent_rms(p, k):
    return math.sqrt(sum(snapped(p.c[j], p.c[j - 1]) ** 2 for j in range(k - 19, k + 1)) / 20)


def quiet(p):
    return sum(abs(snapped(p.c[k], p.c[k - 1])) <= 0.1 * recent_rms(p, k) for k in rows(p, 60)) / 60


def bulk(p, k):
    sigma = recent_rms(p, k)
    return p.v[k] * (2 * statistics.NormalDist().cdf(snapped(p.c[k], p.c[k - 1]) / sigma) - 1) if sigma > 0 else 0.0


def imbalance(window):
    return lambda p: share(sum(bulk(p, k) for k in rows(p, window)), sum(p.v[k] for k in rows(p, window)), 0.0)


def vpin(p):
    return share(sum(abs(bulk(p, k)) for k in rows(p, 50)), sum(p.v[k] for k in rows(p, 50)), 0.0)


def session_imbalance(p):
    today = p.blocks()[-1]
    return share(sum(bulk(p, k) for k in today), sum(p.v[k] for k in today), 0.0)


def signed_autocorrelation(lag):
    return lambda p: correlation(
        [signed_volume(p, k) for k in rows(p, 60)], [signed_volume(p, k) for k in rows(p, 60, back=lag)]
    )


def response(p):
    return correlation(p.returns(60), [signed_volume(p, k) for k in rows(p, 60, back=1)])


def trade_intensity(p):
    """The bar's length from the session's clock: bins start at its open, the last one may be short."""
    full = 60.0 * p.minutes
    length = p.elapsed(len(p.c) - 1) % full or full
    return math.log((1 + p.v[-1] * full / length) / (1 + statistics.median(p.v[-60:])))


ORACLES = {
    **{f"amihud_{window}": amihud(window) for window in (20, 60)},
    **{f"kyle_lambda_{window}": kyle(window) for window in (20, 60)},
    **{f"roll_spread_{window}": roll(window) for window in (20, 60)},
    **{f"corwin_schultz_spread_{window}": corwin(window) for window in (20, 60)},
    "abdi_ranaldo_spread_20": abdi,
    "quiet_share_60": quiet,
    **{f"flow_imbalance_{window}": imbalance(window) for window in (5, 20, 60)},
    "vpin_50": vpin,
    "session_flow_imbalance": session_imbalance,
    **{f"signed_volume_autocorrelation_{lag}_60": signed_autocorrelation(lag) for lag in (1, 5)},
    "signed_volume_return_correlation_1_60": response,
    "trade_intensity_60": trade_intensity,
}
