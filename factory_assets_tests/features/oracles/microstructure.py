"""Oracles of microstructure: each feature once more from its definition."""

import math
import statistics

from .past import FLOOR, TIE, correlation, covariance, relative, share, signed_volume, snapped


def amihud(p):
    rows = [k for k in range(len(p.c) - 20, len(p.c)) if p.v[k] > 0]
    return sum(abs(snapped(p.c[k], p.c[k - 1])) / relative(p, k) for k in rows) / len(rows) if rows else 0.0


def kyle(p):
    x = [signed_volume(p, k) for k in range(len(p.c) - 20, len(p.c))]
    return 0.0 if max(x) == min(x) else covariance(x, p.returns(20)) / covariance(x, x)


def roll(p):
    now, before = p.returns(20), p.returns(20, back=1)
    value = -covariance(now, before)
    return 2 * math.sqrt(value) if value > max(TIE * covariance(now, now), FLOOR**2 / 4) else 0.0


def corwin(p):
    total, scale = 0.0, 3 - 2 * math.sqrt(2)
    for k in range(len(p.c) - 20, len(p.c)):
        beta = math.log(p.h[k] / p.l[k]) ** 2 + math.log(p.h[k - 1] / p.l[k - 1]) ** 2
        gamma = math.log(max(p.h[k], p.h[k - 1]) / min(p.l[k], p.l[k - 1])) ** 2
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / scale - math.sqrt(gamma / scale)
        total += max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0)
    return total / 20


def abdi(p):
    middle = [math.sqrt(a * b) for a, b in zip(p.h, p.l, strict=True)]
    terms = [
        snapped(p.c[k - 1], middle[k - 1]) * snapped(p.c[k - 1], middle[k]) for k in range(len(p.c) - 20, len(p.c))
    ]
    value = sum(terms) / 20
    return 2 * math.sqrt(value) if value > max(TIE * sum(abs(t) for t in terms) / 20, FLOOR**2 / 4) else 0.0


def bulk(p, k):
    window = [snapped(p.c[j], p.c[j - 1]) for j in range(k - 19, k + 1)]
    sigma = math.sqrt(sum(r * r for r in window) / 20)
    return p.v[k] * (2 * statistics.NormalDist().cdf(window[-1] / sigma) - 1) if sigma > 0 else 0.0


def imbalance(p):
    rows = range(len(p.c) - 20, len(p.c))
    return share(sum(bulk(p, k) for k in rows), sum(p.v[k] for k in rows), 0.0)


def vpin(p):
    rows = range(len(p.c) - 50, len(p.c))
    return share(sum(abs(bulk(p, k)) for k in rows), sum(p.v[k] for k in rows), 0.0)


def signed_autocorrelation(p):
    n = len(p.c)
    return correlation(
        [signed_volume(p, k) for k in range(n - 60, n)], [signed_volume(p, k) for k in range(n - 61, n - 1)]
    )


ORACLES = {
    "amihud_20": amihud,
    "kyle_lambda_20": kyle,
    "roll_spread_20": roll,
    "corwin_schultz_spread_20": corwin,
    "abdi_ranaldo_spread_20": abdi,
    "flow_imbalance_20": imbalance,
    "vpin_50": vpin,
    "signed_volume_autocorrelation_1_60": signed_autocorrelation,
}
