"""Oracles of volatility: each feature once more from its definition."""

import itertools
import math
import statistics

from .past import FLOOR, atr, rms, share, snapped, yard


def parkinson(p):
    return math.sqrt(
        sum(snapped(a, b) ** 2 for a, b in zip(p.h[-20:], p.l[-20:], strict=True)) / 20 / (4 * math.log(2))
    )


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
    return math.log(max(math.sqrt(full), FLOOR) / max(math.sqrt(rs_variance(p)), FLOOR))


def vol_of_vol(p):
    size = [abs(r) for r in p.returns(60)]
    return share(statistics.pstdev(size), sum(size) / 60, 0.0)


def downside(p):
    r = p.returns(20)
    return share(sum(x * x for x in r if x < 0), sum(x * x for x in r), 0.5)


def jump(p):
    r = p.returns(21)
    total = sum(x * x for x in r[1:])
    smooth = math.pi / 2 * sum(abs(a * b) for a, b in itertools.pairwise(r))
    return max(0.0, 1 - smooth / total) if total > 0 else 0.0


ORACLES = {
    "atr_pct_14": lambda p: atr(p) / p.c[-1],
    "atr_ratio_7_21": lambda p: math.log(max(atr(p, 7), FLOOR * p.c[-1]) / max(atr(p, 21), FLOOR * p.c[-1])),
    "realised_vol_20": lambda p: rms(p, 20),
    "realised_vol_60": lambda p: rms(p, 60),
    "realised_vol_ratio_10_60": lambda p: math.log(max(rms(p, 10), FLOOR) / max(rms(p, 60), FLOOR)),
    "parkinson_vol_20": parkinson,
    "rogers_satchell_vol_20": lambda p: math.sqrt(rs_variance(p)),
    "yang_zhang_ratio_20": yang_zhang,
    "bollinger_position_20": lambda p: share(
        p.c[-1] - sum(p.c[-20:]) / 20, 2 * statistics.pstdev(p.c[-20:]), 0.0, 2 * p.c[-1]
    ),
    "bollinger_width_20": lambda p: 4 * statistics.pstdev(p.c[-20:]) / (sum(p.c[-20:]) / 20),
    "squeeze_20": lambda p: 2 * statistics.pstdev(p.c[-20:]) / (1.5 * yard(p)),
    "donchian_position_20": lambda p: share(p.c[-1] - min(p.l[-20:]), max(p.h[-20:]) - min(p.l[-20:]), 0.5, p.c[-1]),
    "donchian_width_20_atr": lambda p: (max(p.h[-20:]) - min(p.l[-20:])) / yard(p),
    "vol_of_vol_60": vol_of_vol,
    "downside_share_20": downside,
    "jump_share_20": jump,
}
