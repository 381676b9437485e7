"""Oracles of volume and VWAP: each feature once more from its definition."""

import math
import statistics

from .past import FLOOR, share, sign, wilder, yard


def slot_volume(p):
    step = p.minutes * 60
    mine = math.ceil(p.elapsed(p.i) / step)
    past = p.blocks()[-21:-1]
    usual = sum(sum(p.v[k] for k in block if math.ceil(p.elapsed(k) / step) == mine) for block in past) / 20
    return math.log((1 + p.v[-1]) / (1 + usual))


def obv(p):
    rows = range(len(p.c) - 20, len(p.c))
    return share(sum(sign(p.c[k], p.c[k - 1]) * p.v[k] for k in rows), sum(p.v[k] for k in rows), 0.0)


def chaikin(p):
    def where(k):
        return 2 * share(p.c[k] - p.l[k], p.h[k] - p.l[k], 0.5, p.c[k]) - 1

    rows = range(len(p.c) - 20, len(p.c))
    return share(sum(where(k) * p.v[k] for k in rows), sum(p.v[k] for k in rows), 0.0)


def mfi(p):
    tp = p.typical()
    up = sum(tp[k] * p.v[k] for k in range(len(tp) - 14, len(tp)) if sign(tp[k], tp[k - 1]) > 0)
    down = sum(tp[k] * p.v[k] for k in range(len(tp) - 14, len(tp)) if sign(tp[k], tp[k - 1]) < 0)
    return 100 * share(up, up + down, 0.5)


def force(p):
    spans = wilder(p.ranges(), 14)
    total = 0.0
    for k in range(len(p.c) - 13, len(p.c)):
        usual = max(sum(p.v[k - 19 : k + 1]) / 20, 1.0)
        total += (p.c[k] - p.c[k - 1]) / max(spans[k], FLOOR * p.c[k]) * p.v[k] / usual
    return total / 13


def vwap(p):
    rows = p.blocks()[-1]
    tp = p.typical()
    weight = sum(p.v[k] for k in rows)
    if weight == 0:
        return tp[-1], 0.0
    mean = sum(tp[k] * p.v[k] for k in rows) / weight
    return mean, math.sqrt(sum(p.v[k] * (tp[k] - mean) ** 2 for k in rows) / weight)


ORACLES = {
    "volume_ratio_20": lambda p: math.log((1 + p.v[-1]) / (1 + sum(p.v[-20:]) / 20)),
    "volume_ratio_5_60": lambda p: math.log((1 + sum(p.v[-5:]) / 5) / (1 + sum(p.v[-60:]) / 60)),
    "volume_z_20": lambda p: share(p.v[-1] - sum(p.v[-20:]) / 20, statistics.pstdev(p.v[-20:]), 0.0),
    "volume_vs_same_minute_20s": slot_volume,
    "obv_slope_20": obv,
    "chaikin_flow_20": chaikin,
    "mfi_14": mfi,
    "force_index_13_atr": force,
    "vwap_distance_atr": lambda p: (p.c[-1] - vwap(p)[0]) / yard(p),
    "vwap_z": lambda p: (p.c[-1] - vwap(p)[0]) / max(vwap(p)[1], yard(p) / 4),
}
