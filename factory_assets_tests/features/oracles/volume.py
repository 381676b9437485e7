"""Oracles of volume and VWAP: each feature once more from its definition."""

import math
import statistics

from .past import FLOOR, share, sign, wilder, yard


def bin_of(p, k):
    return math.ceil(p.elapsed(k) / (p.minutes * 60))


def with_this_bin(p):
    """Rows of those of the 20 sessions before whose schedule has the row's bin."""
    past = []
    for block in p.blocks()[-21:-1]:
        opened, _, closed = p.sessions[p.day[block[0]]]
        if (closed - opened) / (p.minutes * 60) > bin_of(p, p.i) - 1:
            past.append(block)
    return past


def slot_volume(p):
    past = with_this_bin(p)
    found = [sum(p.v[k] for k in block if bin_of(p, k) == bin_of(p, p.i)) for block in past]
    return math.log((1 + p.v[-1]) / (1 + sum(found) / len(found))) if found else 0.0


def session_volume(p):
    found = [sum(p.v[k] for k in block if bin_of(p, k) <= bin_of(p, p.i)) for block in with_this_bin(p)]
    mine = sum(p.v[k] for k in p.blocks()[-1])
    return math.log((1 + mine) / (1 + sum(found) / len(found))) if found else 0.0


def dollar_volume(p):
    totals = [sum(p.typical()[k] * p.v[k] for k in block) for block in p.blocks()[-22:-1]]
    return math.log((p.c[-1] + totals[-1]) / (p.c[-1] + sum(totals[:-1]) / 20))


def trend(p):
    mean = sum(p.v[-60:]) / 60
    slope = sum((t - 29.5) * v for t, v in enumerate(p.v[-60:])) / sum((t - 29.5) ** 2 for t in range(60))
    return share(slope, mean, 0.0)


def up_share(p, count):
    rows = range(len(p.c) - count, len(p.c))
    up = sum(p.v[k] for k in rows if sign(p.c[k], p.c[k - 1]) > 0)
    return share(up, up + sum(p.v[k] for k in rows if sign(p.c[k], p.c[k - 1]) < 0), 0.5)


def obv(p):
    rows = range(len(p.c) - 20, len(p.c))
    return share(sum(sign(p.c[k], p.c[k - 1]) * p.v[k] for k in rows), sum(p.v[k] for k in rows), 0.0)


def located(p, k):
    return p.v[k] * (2 * share(p.c[k] - p.l[k], p.h[k] - p.l[k], 0.5, p.c[k]) - 1)


def chaikin(p):
    rows = range(len(p.c) - 20, len(p.c))
    return share(sum(located(p, k) for k in rows), sum(p.v[k] for k in rows), 0.0)


def distribution_slope(p):
    line, level = [], 0.0
    for k in range(len(p.c)):
        level += located(p, k)
        line.append(level)
    slope = sum((t - 29.5) * y for t, y in enumerate(line[-60:])) / sum((t - 29.5) ** 2 for t in range(60))
    return share(slope, sum(p.v[-60:]) / 60, 0.0)


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


def ease(p):
    spans = wilder(p.ranges(), 14)
    total = 0.0
    for k in range(len(p.c) - 14, len(p.c)):
        least = max(spans[k], FLOOR * p.c[k])
        lift = (p.h[k] + p.l[k] - p.h[k - 1] - p.l[k - 1]) / 2
        total += lift / least * (p.h[k] - p.l[k]) / least * (1 + sum(p.v[k - 19 : k + 1]) / 20) / (1 + p.v[k])
    return total / 14


def weighted_distance(p):
    weight = sum(p.v[-20:])
    weighted = sum(c * v for c, v in zip(p.c[-20:], p.v[-20:], strict=True))
    return (weighted / weight - sum(p.c[-20:]) / 20) / yard(p) if weight > 0 else 0.0


def vwap_slope(p):
    rows = p.blocks()[-1]
    return (vwap(p)[0] - vwap(p, max(len(rows) - 10, 1))[0]) / yard(p)


def vwap(p, count=None):
    """Mean and deviation over the first ``count`` bars of the row's session; all so far by default."""
    rows = p.blocks()[-1][:count]
    tp = p.typical()
    weight = sum(p.v[k] for k in rows)
    if weight == 0:
        return tp[rows[-1]], 0.0
    mean = sum(tp[k] * p.v[k] for k in rows) / weight
    return mean, math.sqrt(sum(p.v[k] * (tp[k] - mean) ** 2 for k in rows) / weight)


ORACLES = {
    "volume_ratio_20": lambda p: math.log((1 + p.v[-1]) / (1 + sum(p.v[-20:]) / 20)),
    "volume_ratio_5_60": lambda p: math.log((1 + sum(p.v[-5:]) / 5) / (1 + sum(p.v[-60:]) / 60)),
    "volume_z_20": lambda p: share(p.v[-1] - sum(p.v[-20:]) / 20, statistics.pstdev(p.v[-20:]), 0.0),
    "volume_trend_60": trend,
    "volume_variation_60": lambda p: share(statistics.pstdev(p.v[-60:]), sum(p.v[-60:]) / 60, 0.0),
    "volume_vs_same_minute_20s": slot_volume,
    "session_volume_vs_norm_20s": session_volume,
    "dollar_volume_ratio_1s_20s": dollar_volume,
    "obv_slope_20": obv,
    **{f"up_volume_share_{k}": lambda p, k=k: up_share(p, k) for k in (10, 60)},
    "chaikin_flow_20": chaikin,
    "ad_slope_60": distribution_slope,
    "mfi_14": mfi,
    "force_index_13_atr": force,
    "ease_of_movement_14_atr": ease,
    "vwma_distance_20_atr": weighted_distance,
    "vwap_distance_atr": lambda p: (p.c[-1] - vwap(p)[0]) / yard(p),
    "vwap_z": lambda p: (p.c[-1] - vwap(p)[0]) / max(vwap(p)[1], yard(p) / 4),
    "vwap_slope_10_atr": vwap_slope,
}
