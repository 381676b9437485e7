"""Oracles of statistics: each feature once more from its definition."""

import math

from .past import TIE, correlation, yard


def autocorrelation(lag):
    return lambda p: correlation(p.returns(60), p.returns(60, back=lag))


def skew(p):
    r = p.returns(60)
    m = sum(r) / 60
    m2, m3 = sum((x - m) ** 2 for x in r) / 60, sum((x - m) ** 3 for x in r) / 60
    return 0.0 if max(r) == min(r) else math.sqrt(60 * 59) / 58 * m3 / m2**1.5


def kurtosis(p):
    r = p.returns(60)
    m = sum(r) / 60
    m2, m4 = sum((x - m) ** 2 for x in r) / 60, sum((x - m) ** 4 for x in r) / 60
    return 0.0 if max(r) == min(r) else 59 / (58 * 57) * (61 * (m4 / m2**2 - 3) + 6)


def variance_ratio(p):
    n = len(p.c)
    five = sum(math.log(p.c[k] / p.c[k - 5]) ** 2 for k in range(n - 60, n))
    one = sum(r * r for r in p.returns(60))
    return five / (5 * one) if one > 0 else 1.0


def rank(p):
    last = p.c[-60:]
    ties = sum(abs(x - last[-1]) <= TIE * last[-1] for x in last)
    return (sum(x < last[-1] * (1 - TIE) for x in last) + 0.5 * ties) / 60


ORACLES = {
    "autocorrelation_1_60": autocorrelation(1),
    "autocorrelation_5_60": autocorrelation(5),
    "skewness_60": skew,
    "kurtosis_60": kurtosis,
    "variance_ratio_5_60": variance_ratio,
    "percentile_rank_60": rank,
    "drawdown_120_atr": lambda p: (p.c[-1] - max(p.h[-120:])) / yard(p),
    "runup_120_atr": lambda p: (p.c[-1] - min(p.l[-120:])) / yard(p),
}
