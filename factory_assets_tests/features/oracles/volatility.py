"""Oracles of volatility, channels included: each feature once more from its definition."""

import itertools
import math
import statistics

from .past import FLOOR, atr, rms, share, snapped, yard


def log_of(first, second):
    return math.log(max(first, FLOOR) / max(second, FLOOR))


def parkinson(p):
    return math.sqrt(
        sum(snapped(a, b) ** 2 for a, b in zip(p.h[-20:], p.l[-20:], strict=True)) / 20 / (4 * math.log(2))
    )


def garman_klass(p):
    total = 0.0
    for k in range(-20, 0):
        total += snapped(p.h[k], p.l[k]) ** 2 / 2 - (2 * math.log(2) - 1) * snapped(p.c[k], p.o[k]) ** 2
    return math.sqrt(max(total / 20, 0.0))


def rs_variance(p):
    total = 0.0
    for k in range(-20, 0):
        o, h, low, c = p.o[k], p.h[k], p.l[k], p.c[k]
        total += snapped(h, c) * snapped(h, o) + snapped(low, c) * snapped(low, o)
    return max(total / 20, 0.0)


def yang_zhang(p):
    night = [snapped(p.o[k], p.c[k - 1]) for k in range(len(p.c) - 20, len(p.c))]
    inside = [snapped(c, o) for o, c in zip(p.o[-20:], p.c[-20:], strict=True)]
    k = 0.34 / (1.34 + 21 / 19)
    full = statistics.variance(night) + k * statistics.variance(inside) + (1 - k) * rs_variance(p)
    return log_of(math.sqrt(full), math.sqrt(rs_variance(p)))


def variation(values):
    return share(statistics.pstdev(values), sum(values) / len(values), 0.0)


def spells(p):
    squares = [r * r for r in p.returns(69)]
    return [math.sqrt(sum(squares[k - 10 : k]) / 10) for k in range(10, 70)]


def downside(p, k):
    r = p.returns(k)
    return share(sum(x * x for x in r if x < 0), sum(x * x for x in r), 0.5)


def jump(p, k):
    r = p.returns(k + 1)
    total = sum(x * x for x in r[1:])
    smooth = math.pi / 2 * sum(abs(a * b) for a, b in itertools.pairwise(r))
    return max(0.0, 1 - smooth / total) if total > 0 else 0.0


def width(closes):
    """Bollinger bandwidth of 20 closes; equal ones have none."""
    mean = sum(closes) / 20
    deviation = statistics.pstdev(closes)
    return 4 * deviation / mean if deviation > 1e-9 * closes[-1] else 0.0


def width_position(p):
    n = len(p.c)
    widths = [width(p.c[k - 19 : k + 1]) for k in range(n - 120, n)]
    return share(widths[-1] - min(widths), max(widths) - min(widths), 0.5, FLOOR / 1e-9)


def keltner(p):
    """Mean typical price and mean true range of ten bars."""
    return sum(p.typical()[-10:]) / 10, sum(p.ranges()[-10:]) / 10


ORACLES = {
    **{f"atr_pct_{k}": lambda p, k=k: atr(p, k) / p.c[-1] for k in (7, 14, 21)},
    "atr_ratio_7_21": lambda p: log_of(atr(p, 7) / p.c[-1], atr(p, 21) / p.c[-1]),
    **{f"realised_vol_{k}": lambda p, k=k: rms(p, k) for k in (10, 20, 60, 120)},
    **{
        f"realised_vol_ratio_{a}_{b}": lambda p, a=a, b=b: log_of(rms(p, a), rms(p, b))
        for a, b in ((5, 20), (10, 60), (20, 120))
    },
    "parkinson_vol_20": parkinson,
    "parkinson_ratio_20": lambda p: log_of(parkinson(p), rms(p, 20)),
    "garman_klass_ratio_20": lambda p: log_of(garman_klass(p), parkinson(p)),
    "rogers_satchell_vol_20": lambda p: math.sqrt(rs_variance(p)),
    "yang_zhang_ratio_20": yang_zhang,
    "vol_of_vol_60": lambda p: variation([abs(r) for r in p.returns(60)]),
    "vol_of_vol_10_60": lambda p: variation(spells(p)),
    **{f"downside_share_{k}": lambda p, k=k: downside(p, k) for k in (20, 60)},
    **{f"jump_share_{k}": lambda p, k=k: jump(p, k) for k in (20, 60)},
    "bollinger_position_20": lambda p: share(
        p.c[-1] - sum(p.c[-20:]) / 20, 2 * statistics.pstdev(p.c[-20:]), 0.0, 2 * p.c[-1]
    ),
    "bollinger_width_20": lambda p: 4 * statistics.pstdev(p.c[-20:]) / (sum(p.c[-20:]) / 20),
    "bollinger_width_position_120": width_position,
    "keltner_position_10": lambda p: (p.c[-1] - keltner(p)[0]) / max(keltner(p)[1], FLOOR * p.c[-1]),
    "keltner_width_10": lambda p: 2 * keltner(p)[1] / keltner(p)[0],
    "squeeze_20": lambda p: 2 * statistics.pstdev(p.c[-20:]) / (1.5 * yard(p)),
    "donchian_position_20": lambda p: share(p.c[-1] - min(p.l[-20:]), max(p.h[-20:]) - min(p.l[-20:]), 0.5, p.c[-1]),
    "donchian_width_20_atr": lambda p: (max(p.h[-20:]) - min(p.l[-20:])) / yard(p),
}
