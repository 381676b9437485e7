"""Oracles of trend: each feature once more from its definition."""

import math
import statistics

from .past import FLOOR, TIE, share, wilder, yard


def directional(p):
    up, down = [0.0], [0.0]
    for k in range(1, len(p.c)):
        rise, fall, band = p.h[k] - p.h[k - 1], p.l[k - 1] - p.l[k], TIE * p.c[k]
        up.append(rise if rise > band and rise - fall > band else 0.0)
        down.append(fall if fall > band and fall - rise > band else 0.0)
    size, plus, minus = wilder(p.ranges(), 14), wilder(up, 14), wilder(down, 14)
    pdi = [100 * a / s if s > FLOOR * c else 0.0 for a, s, c in zip(plus[14:], size[14:], p.c[14:], strict=True)]
    mdi = [100 * a / s if s > FLOOR * c else 0.0 for a, s, c in zip(minus[14:], size[14:], p.c[14:], strict=True)]
    dx = [100 * abs(a - b) / (a + b) if a + b > TIE else 0.0 for a, b in zip(pdi, mdi, strict=True)]
    return pdi[-1], mdi[-1], wilder([0.0, *dx], 14)[-1]


def line_fit(p):
    y = p.c[-20:]
    mt, my = 9.5, sum(y) / 20
    cross = sum((t - mt) * (v - y[-1] - (my - y[-1])) for t, v in enumerate(y))
    total, time = sum((v - my) ** 2 for v in y), sum((t - mt) ** 2 for t in range(20))
    flat = statistics.pstdev(y) <= TIE * y[-1]
    return cross / time, 0.0 if flat else cross * cross / (time * total)


def efficiency(k):
    def run(p):
        way = sum(abs(p.c[j] - p.c[j - 1]) for j in range(len(p.c) - k, len(p.c)))
        return share(p.c[-1] - p.c[-1 - k], way, 0.0, p.c[-1])

    return run


def vortex(p):
    rows = range(len(p.c) - 14, len(p.c))
    tr = p.ranges()
    up = sum(abs(p.h[k] - p.l[k - 1]) for k in rows)
    down = sum(abs(p.l[k] - p.h[k - 1]) for k in rows)
    return share(up - down, sum(tr[k] for k in rows), 0.0, p.c[-1])


def chop(p):
    width = max(p.h[-14:]) - min(p.l[-14:])
    value = sum(p.ranges()[-14:]) / width if width > TIE * p.c[-1] else 14.0
    return 100 * math.log10(min(max(value, 1.0), 14.0)) / math.log10(14)


ORACLES = {
    "plus_di_14": lambda p: directional(p)[0],
    "minus_di_14": lambda p: directional(p)[1],
    "adx_14": lambda p: directional(p)[2],
    "regression_slope_20_atr": lambda p: line_fit(p)[0] / yard(p),
    "regression_r2_20": lambda p: line_fit(p)[1],
    **{f"efficiency_ratio_{k}": efficiency(k) for k in (10, 20, 60)},
    "vortex_difference_14": vortex,
    "choppiness_14": chop,
}
