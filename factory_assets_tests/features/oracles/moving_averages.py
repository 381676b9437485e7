"""Oracles of moving averages: each feature once more from its definition."""

from .past import ema, yard


def sma_distance(period):
    return lambda p: (p.c[-1] - sum(p.c[-period:]) / period) / yard(p)


def ema_distance(period):
    return lambda p: (p.c[-1] - ema(p.c, period)[-1]) / yard(p)


ORACLES = {
    **{f"distance_sma_{k}_atr": sma_distance(k) for k in (10, 20, 50, 100, 200)},
    **{f"distance_ema_{k}_atr": ema_distance(k) for k in (9, 21)},
    "slope_ema_21_5_atr": lambda p: (ema(p.c, 21)[-1] - ema(p.c, 21)[-6]) / yard(p),
    "slope_sma_50_10_atr": lambda p: (sum(p.c[-50:]) / 50 - sum(p.c[-60:-10]) / 50) / yard(p),
}
