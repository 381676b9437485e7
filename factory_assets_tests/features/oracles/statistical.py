"""Oracles of statistics: each feature once more from its definition."""

import math
from collections import Counter

from .past import TIE, beyond_tie, correlation, rms, sign, snapped, yard


def autocorrelation(lag, of=float):
    return lambda p: correlation([of(r) for r in p.returns(60)], [of(r) for r in p.returns(60, back=lag)])


def skew(n):
    def value(p):
        r = p.returns(n)
        m = sum(r) / n
        m2, m3 = sum((x - m) ** 2 for x in r) / n, sum((x - m) ** 3 for x in r) / n
        return 0.0 if max(r) == min(r) else math.sqrt(n * (n - 1)) / (n - 2) * m3 / m2**1.5

    return value


def kurtosis(n):
    def value(p):
        r = p.returns(n)
        m = sum(r) / n
        m2, m4 = sum((x - m) ** 2 for x in r) / n, sum((x - m) ** 4 for x in r) / n
        return 0.0 if max(r) == min(r) else (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)

    return value


def variance_ratio(k, n):
    def value(p):
        last = len(p.c) - 1
        wide = [snapped(p.c[j], p.c[j - k]) ** 2 for j in range(last - n + k, last + 1)]
        single = [r * r for r in p.returns(n)]
        return sum(wide) / len(wide) / (k * sum(single) / n) if sum(single) > 0 else 1.0

    return value


def shannon(symbols):
    counts = Counter(symbols).values()
    return -sum(c / len(symbols) * math.log(c / len(symbols)) for c in counts)


def permutation(n):
    """Order of three closes as the places of the lowest, middle and highest, the earlier of a tie being the lower."""

    def lower(closes, a, b):
        step = beyond_tie(closes[b] - closes[a], closes[b])
        return step > 0 or (step == 0 and a < b)

    def value(p):
        window = p.c[-n:]
        orders = []
        for k in range(2, n):
            three = window[k - 2 : k + 1]
            orders.append(
                tuple(sum(lower(three, other, own) for other in range(3) if other != own) for own in range(3))
            )
        return shannon(orders) / math.log(6)

    return value


def sign_entropy(p):
    n = len(p.c)
    signs = {k: sign(p.c[k], p.c[k - 1]) for k in range(n - 121, n)}
    pairs = [(signs[k - 1], signs[k]) for k in range(n - 120, n)]
    # Entropy of the second sign within each kind of first, weighted by how often that comes.
    firsts = Counter(first for first, _ in pairs)
    return sum(
        count / 120 * shannon([now for first, now in pairs if first == kind]) for kind, count in firsts.items()
    ) / math.log(3)


def fractional(p):
    logs = [math.log(c / p.c[-64]) for c in reversed(p.c[-64:])]
    weight, total = 1.0, 0.0
    for k in range(64):
        total += weight * logs[k]
        weight *= -(0.4 - k) / (k + 1)
    return total / rms(p, 63) if rms(p, 63) > 0 else 0.0


def rank(values, n):
    last = values[-n:]
    ties = sum(abs(x - last[-1]) <= TIE * last[-1] for x in last)
    return (sum(x < last[-1] * (1 - TIE) for x in last) + 0.5 * ties) / n


def ranges(p):
    return [beyond_tie(h - low, c) for h, low, c in zip(p.h, p.l, p.c, strict=True)]


ORACLES = {
    **{f"autocorrelation_{lag}_60": autocorrelation(lag) for lag in (1, 2, 5, 10)},
    "absolute_autocorrelation_1_60": autocorrelation(1, of=abs),
    **{f"skewness_{n}": skew(n) for n in (20, 60)},
    **{f"kurtosis_{n}": kurtosis(n) for n in (20, 60)},
    **{f"variance_ratio_{k}_{n}": variance_ratio(k, n) for k, n in ((2, 20), (5, 60), (10, 120))},
    **{f"permutation_entropy_3_{n}": permutation(n) for n in (60, 240)},
    "sign_entropy_120": sign_entropy,
    "fractional_difference_d04_64": fractional,
    **{f"percentile_rank_{n}": lambda p, n=n: rank(p.c, n) for n in (60, 240)},
    "range_rank_240": lambda p: rank(ranges(p), 240),
    "volume_rank_240": lambda p: rank(p.v, 240),
    "drawdown_120_atr": lambda p: (p.c[-1] - max(p.h[-120:])) / yard(p),
    "runup_120_atr": lambda p: (p.c[-1] - min(p.l[-120:])) / yard(p),
}
