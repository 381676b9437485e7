"""Oracles of returns and momentum: each feature once more from its definition."""

import itertools

from .past import FLOOR, TIE, ema, snapped, wilder, yard


def rsi(period):
    def run(p):
        moves = [0.0] + [b - a for a, b in itertools.pairwise(p.c)]
        gain = wilder([max(m, 0.0) for m in moves], period)[-1]
        loss = wilder([max(-m, 0.0) for m in moves], period)[-1]
        return 50.0 if gain + loss <= FLOOR * p.c[-1] else 100 * gain / (gain + loss)

    return run


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
    **{f"log_return_{k}": (lambda p, k=k: snapped(p.c[-1], p.c[-1 - k])) for k in (1, 3, 5, 10, 20, 60)},
    **{f"rsi_{k}": rsi(k) for k in (7, 14, 21)},
    "stochastic_k_14": stoch,
    "stochastic_d_14_3": lambda p: sum(stoch(p, back) for back in range(3)) / 3,
    "macd_line_12_26_atr": lambda p: macd(p)[0] / yard(p),
    "macd_histogram_12_26_9_atr": lambda p: macd(p)[1] / yard(p),
    "cci_20": cci,
    "aroon_oscillator_25": aroon,
}
