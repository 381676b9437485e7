"""Oracles of returns and momentum: each feature once more from its definition."""

import itertools

from .past import FLOOR, TIE, ema, share, snapped, wilder, yard


def rsi_series(p, period):
    moves = [0.0] + [b - a for a, b in itertools.pairwise(p.c)]
    gains = wilder([max(m, 0.0) for m in moves], period)
    losses = wilder([max(-m, 0.0) for m in moves], period)
    both = list(zip(gains, losses, p.c, strict=True))[period:]
    return [50.0 if up + down <= FLOOR * c else 100 * up / (up + down) for up, down, c in both]


def rsi(period):
    return lambda p: rsi_series(p, period)[-1]


def stochastic_rsi(p):
    last = rsi_series(p, 14)[-14:]
    width = max(last) - min(last)
    return 50.0 if width <= 0.01 else 100 * (last[-1] - min(last)) / width


def stoch(p, back=0):
    end = len(p.c) - back
    top, bottom = max(p.h[end - 14 : end]), min(p.l[end - 14 : end])
    return 50.0 if top - bottom <= TIE * p.c[end - 1] else 100 * (p.c[end - 1] - bottom) / (top - bottom)


def macd(p):
    fast, slow = _macd_ema(p.c, 12, 26), _macd_ema(p.c, 26, 26)
    line = [a - b for a, b in zip(fast, slow, strict=True) if a is not None and b is not None]
    return line[-1], line[-1] - ema(line, 9)[-1]


def _macd_ema(values, period, start):
    """TA-Lib starts both averages on the same row."""
    skip = start - period
    return [None] * skip + ema(values[skip:], period)


def smoothed(values, *periods):
    """Exponential mean of the exponential mean ..., each starting where the one before does."""
    for period in periods:
        values = [v for v in ema(values, period) if v is not None]
    return values


def trix(p):
    before, now = smoothed(p.c, 15, 15, 15)[-2:]
    return 100 * (now / before - 1)


def true_strength(p):
    moves = [b - a for a, b in itertools.pairwise(p.c)]
    net, way = smoothed(moves, 25, 13)[-1], smoothed([abs(m) for m in moves], 25, 13)[-1]
    return 0.0 if way <= FLOOR * p.c[-1] else 100 * net / way


def ultimate(p):
    total = 0.0
    for weight, count in ((4, 7), (2, 14), (1, 28)):
        rows = range(len(p.c) - count, len(p.c))
        bought = sum(p.c[k] - min(p.l[k], p.c[k - 1]) for k in rows)
        ranged = sum(max(p.h[k], p.c[k - 1]) - min(p.l[k], p.c[k - 1]) for k in rows)
        total += weight * share(bought, ranged, 0.5, p.c[-1])
    return 100 * total / 7


def cci(p):
    tp = p.typical()[-20:]
    mean = sum(tp) / 20
    if max(tp) - min(tp) <= TIE * p.c[-1]:
        return 0.0
    return (tp[-1] - mean) / (0.015 * sum(abs(x - mean) for x in tp) / 20)


def aroon(p):
    top, bottom = p.h[-26:], p.l[-26:]
    since_top = next(k for k in range(26) if top[25 - k] >= max(top) * (1 - TIE))
    since_bottom = next(k for k in range(26) if bottom[25 - k] <= min(bottom) * (1 + TIE))
    return 100 * ((25 - since_top) - (25 - since_bottom)) / 25


ORACLES = {
    **{
        f"log_return_{k}": (lambda p, k=k: snapped(p.c[-1], p.c[-1 - k])) for k in (1, 2, 3, 5, 10, 15, 20, 30, 60, 120)
    },
    **{f"rsi_{k}": rsi(k) for k in (7, 14, 21)},
    "stochastic_rsi_14": stochastic_rsi,
    "trix_15_pct": trix,
    "true_strength_25_13": true_strength,
    "ultimate_oscillator_7_14_28": ultimate,
    "stochastic_k_14": stoch,
    "stochastic_d_14_3": lambda p: sum(stoch(p, back) for back in range(3)) / 3,
    "macd_line_12_26_atr": lambda p: macd(p)[0] / yard(p),
    "macd_signal_12_26_9_atr": lambda p: (macd(p)[0] - macd(p)[1]) / yard(p),
    "macd_histogram_12_26_9_atr": lambda p: macd(p)[1] / yard(p),
    "cci_20": cci,
    "aroon_oscillator_25": aroon,
}
