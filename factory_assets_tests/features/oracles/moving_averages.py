"""Oracles of moving averages: each feature once more from its definition."""

import itertools

from .past import TIE, ema, restarted, yard


def sma(p, period, back=0):
    end = len(p.c) - back
    return sum(p.c[end - period : end]) / period


def sma_distance(period):
    return lambda p: (p.c[-1] - sma(p, period)) / yard(p)


def ema_distance(period):
    return lambda p: (p.c[-1] - ema(p.c, period)[-1]) / yard(p)


def ema_slope(period, back):
    return lambda p: (ema(p.c, period)[-1] - ema(p.c, period)[-1 - back]) / yard(p)


def sma_slope(period, back):
    return lambda p: (sma(p, period) - sma(p, period, back)) / yard(p)


def ema_spread(fast, slow):
    return lambda p: (ema(p.c, fast)[-1] - ema(p.c, slow)[-1]) / yard(p)


def sma_spread(fast, slow):
    return lambda p: (sma(p, fast) - sma(p, slow)) / yard(p)


def kama(p):
    closes = [p.c[k] for k in restarted(p)]
    line = [closes[0]]
    for k in range(1, len(closes)):
        past = closes[max(k - 10, 0) : k + 1]
        way = sum(abs(b - a) for a, b in itertools.pairwise(past))
        e = abs(past[-1] - past[0]) / way if way > TIE * closes[k] else 0.0
        weight = (e * 2 / 3 + (1 - e) * 2 / 31) ** 2
        line.append(weight * closes[k] + (1 - weight) * line[-1])
    return line


ORACLES = {
    **{f"distance_sma_{k}_atr": sma_distance(k) for k in (10, 20, 50, 100, 200)},
    **{f"distance_ema_{k}_atr": ema_distance(k) for k in (9, 12, 21, 26, 50)},
    **{f"slope_ema_{k}_{back}_atr": ema_slope(k, back) for k, back in ((9, 3), (21, 5))},
    **{f"slope_sma_{k}_{back}_atr": sma_slope(k, back) for k, back in ((20, 5), (50, 10), (100, 20), (200, 50))},
    **{f"spread_ema_{fast}_{slow}_atr": ema_spread(fast, slow) for fast, slow in ((9, 21), (21, 50))},
    **{f"spread_sma_{fast}_{slow}_atr": sma_spread(fast, slow) for fast, slow in ((20, 100), (50, 200))},
    "distance_kama_10_atr": lambda p: (p.c[-1] - kama(p)[-1]) / yard(p),
    "slope_kama_10_5_atr": lambda p: (kama(p)[-1] - kama(p)[max(len(restarted(p)) - 6, 0)]) / yard(p),
}
