"""Oracles of trend: each feature once more from its definition."""

import math
import statistics

from .past import FLOOR, TIE, restarted, share, wilder, yard


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


def line_fit(p, count):
    y = p.c[-count:]
    mt, my = (count - 1) / 2, sum(y) / count
    cross = sum((t - mt) * (v - y[-1] - (my - y[-1])) for t, v in enumerate(y))
    total, time = sum((v - my) ** 2 for v in y), sum((t - mt) ** 2 for t in range(count))
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


def supertrend(p):
    """Side and line, from the definition: both bands are kept, the one on the other side of the close is the line."""
    rows, ranges = restarted(p), p.ranges()
    seen, uppers, lowers, up = [], [], [], True
    for k in rows:
        seen.append(ranges[k])
        average = sum(seen[:10]) / len(seen[:10])
        for later in seen[10:]:
            average = (9 * average + later) / 10
        middle, tie = (p.h[k] + p.l[k]) / 2, TIE * p.c[k]
        upper, lower = middle + 3 * average, middle - 3 * average
        if k == rows[0]:
            up = p.c[k] >= middle - tie
        else:
            if p.c[k - 1] <= uppers[-1] + tie:
                upper = min(upper, uppers[-1])
            if p.c[k - 1] >= lowers[-1] - tie:
                lower = max(lower, lowers[-1])
            up = p.c[k] >= lower - tie if up else p.c[k] > upper + tie
        uppers.append(upper)
        lowers.append(lower)
    return (1.0, lowers[-1]) if up else (-1.0, uppers[-1])


def parabolic(p):
    """Wilder's rules one after another, the first two bars of the run saying how it begins."""
    rows = restarted(p)
    first, second = rows[0], rows[1]
    down, rise = p.l[first] - p.l[second], p.h[second] - p.h[first]
    tie = TIE * p.h[second]
    long = not (down > tie and down - rise > tie)
    stop, extreme, factor = (p.l[first], p.h[second], 0.02) if long else (p.h[first], p.l[second], 0.02)
    shown = None
    for k in rows[1:]:
        two = [second] if k == second else [k - 1, k]
        lowest, highest, tie = min(p.l[j] for j in two), max(p.h[j] for j in two), TIE * p.h[k]
        if long and p.l[k] <= stop + tie:
            long, stop, extreme, factor = False, max(extreme, highest), p.l[k], 0.02
            shown = stop
        elif not long and p.h[k] >= stop - tie:
            long, stop, extreme, factor = True, min(extreme, lowest), p.h[k], 0.02
            shown = stop
        else:
            shown = stop
            if long and p.h[k] > extreme + tie:
                extreme, factor = p.h[k], min(factor + 0.02, 0.2)
            if not long and p.l[k] < extreme - tie:
                extreme, factor = p.l[k], min(factor + 0.02, 0.2)
        stop += factor * (extreme - stop)
        stop = min(stop, lowest) if long else max(stop, highest)
    return shown


def hurst(p):
    closes, floor = p.c[-121:], TIE * p.c[-1]
    points = []
    for k in (1, 2, 4, 8, 16):
        way = [abs(closes[j] - closes[j - k]) for j in range(k, 121)]
        points.append((math.log(k), math.log(max(sum(way) / len(way), floor))))
    if points[0][1] <= math.log(floor):
        return 0.5
    mx, my = (sum(point[axis] for point in points) / 5 for axis in (0, 1))
    slope = sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)
    return min(max(slope, 0.0), 1.0)


ORACLES = {
    "plus_di_14": lambda p: directional(p)[0],
    "minus_di_14": lambda p: directional(p)[1],
    "adx_14": lambda p: directional(p)[2],
    **{f"regression_slope_{k}_atr": (lambda p, k=k: line_fit(p, k)[0] / yard(p)) for k in (20, 60)},
    **{f"regression_r2_{k}": (lambda p, k=k: line_fit(p, k)[1]) for k in (20, 60)},
    **{f"efficiency_ratio_{k}": efficiency(k) for k in (10, 20, 60)},
    "vortex_difference_14": vortex,
    "choppiness_14": chop,
    "supertrend_direction_10_3": lambda p: supertrend(p)[0],
    "supertrend_distance_10_3_atr": lambda p: (p.c[-1] - supertrend(p)[1]) / yard(p),
    "sar_distance_atr": lambda p: (p.c[-1] - parabolic(p)) / yard(p),
    "hurst_120": hurst,
}
