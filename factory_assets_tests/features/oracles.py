"""Every feature once more, in plain Python loops written from its definition and sharing no code with the catalogue.

An oracle takes the past of a row (:class:`Past`, lists ending with the row) and returns one number. Recursive
indicators run from the first bar of history.
"""

import itertools
import math
import statistics
from zoneinfo import ZoneInfo

FLOOR = 1e-6
TIE = 1e-9


class Past:
    """Bars up to and including row ``i`` as plain lists of adjusted prices."""

    def __init__(self, frame, i, symbol_row, sessions):
        self.i = i
        ratio = frame["adjustment_ratio"].to_list()[: i + 1]
        for short, name in (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close")):
            setattr(self, short, [p * r for p, r in zip(frame[name].to_list()[: i + 1], ratio, strict=True)])
        self.v = frame["volume"].to_list()[: i + 1]
        self.traded = frame["close"].to_list()[: i + 1]
        self.day = frame["trade_date"].dt.date.to_list()[: i + 1]
        self.close_time = frame["close_time"].iloc[i].to_pydatetime()
        self.times = [t.timestamp() for t in frame["close_time"].iloc[: i + 1]]
        self.instrument = symbol_row
        self.sessions = sessions  # date -> (open, flat) as timestamps
        self.minutes = round((frame["close_time"] - frame["open_time"]).mode()[0].total_seconds() / 60)

    def returns(self, count, back=0):
        end = len(self.c) - back
        return [snapped(self.c[k], self.c[k - 1]) for k in range(end - count, end)]

    def ranges(self):
        out = [self.h[0] - self.l[0]]
        return out + [max(self.h[k], self.c[k - 1]) - min(self.l[k], self.c[k - 1]) for k in range(1, len(self.c))]

    def typical(self):
        return [(a + b + c) / 3 for a, b, c in zip(self.h, self.l, self.c, strict=True)]

    def blocks(self):
        """Rows of each session seen, oldest first."""
        out = []
        for k, day in enumerate(self.day):
            if k == 0 or day != self.day[k - 1]:
                out.append([])
            out[-1].append(k)
        return out

    def elapsed(self, k):
        return self.times[k] - self.sessions[self.day[k]][0]


def wilder(values, period):
    """Plain mean of values 1..period, then Wilder's recursion."""
    out = [None] * len(values)
    average = sum(values[1 : period + 1]) / period
    out[period] = average
    for k in range(period + 1, len(values)):
        average = (average * (period - 1) + values[k]) / period
        out[k] = average
    return out


def ema(values, period):
    out = [None] * len(values)
    average = sum(values[:period]) / period
    out[period - 1] = average
    for k in range(period, len(values)):
        average += (values[k] - average) * 2 / (period + 1)
        out[k] = average
    return out


def atr(p, period=14):
    return wilder(p.ranges(), period)[-1]


def yard(p):
    return max(atr(p), FLOOR * p.c[-1])


def share(top, bottom, fallback, price=0.0):
    return top / bottom if bottom > TIE * price else fallback


def beyond_tie(distance, price):
    return 0.0 if abs(distance) <= TIE * price else distance


def snapped(a, b):
    """Log of a price over another; prices within 1e-9 of each other are equal."""
    value = math.log(a / b)
    return 0.0 if abs(value) <= TIE else value


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


def span_share(which):
    def run(p):
        o, h, low, c = p.o[-1], p.h[-1], p.l[-1], p.c[-1]
        top = {"body": c - o, "up": h - max(o, c), "down": min(o, c) - low, "close": c - low}[which]
        return share(top, h - low, 0.5 if which == "close" else 0.0, c)

    return run


def sma_distance(period):
    return lambda p: (p.c[-1] - sum(p.c[-period:]) / period) / yard(p)


def ema_distance(period):
    return lambda p: (p.c[-1] - ema(p.c, period)[-1]) / yard(p)


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


def rms(p, k):
    return math.sqrt(sum(r * r for r in p.returns(k)) / k)


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


def slot_volume(p):
    step = p.minutes * 60
    mine = math.ceil(p.elapsed(p.i) / step)
    past = p.blocks()[-21:-1]
    usual = sum(sum(p.v[k] for k in block if math.ceil(p.elapsed(k) / step) == mine) for block in past) / 20
    return math.log((1 + p.v[-1]) / (1 + usual))


def sign(now, before):
    return 0 if abs(now - before) <= TIE * now else (1 if now > before else -1)


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


def relative(p, k):
    return p.v[k] / max(statistics.median(p.v[k - 59 : k + 1]), 1.0)


def amihud(p):
    rows = [k for k in range(len(p.c) - 20, len(p.c)) if p.v[k] > 0]
    return sum(abs(snapped(p.c[k], p.c[k - 1])) / relative(p, k) for k in rows) / len(rows) if rows else 0.0


def covariance(x, y):
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / len(x)


def correlation(x, y):
    if min(covariance(x, x), covariance(y, y)) <= TIE**2:
        return 0.0
    return covariance(x, y) / math.sqrt(covariance(x, x) * covariance(y, y))


def signed_volume(p, k):
    return sign(p.c[k], p.c[k - 1]) * relative(p, k)


def kyle(p):
    x = [signed_volume(p, k) for k in range(len(p.c) - 20, len(p.c))]
    return 0.0 if max(x) == min(x) else covariance(x, p.returns(20)) / covariance(x, x)


def roll(p):
    now, before = p.returns(20), p.returns(20, back=1)
    value = -covariance(now, before)
    return 2 * math.sqrt(value) if value > max(TIE * covariance(now, now), FLOOR**2 / 4) else 0.0


def corwin(p):
    total, scale = 0.0, 3 - 2 * math.sqrt(2)
    for k in range(len(p.c) - 20, len(p.c)):
        beta = math.log(p.h[k] / p.l[k]) ** 2 + math.log(p.h[k - 1] / p.l[k - 1]) ** 2
        gamma = math.log(max(p.h[k], p.h[k - 1]) / min(p.l[k], p.l[k - 1])) ** 2
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / scale - math.sqrt(gamma / scale)
        total += max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0)
    return total / 20


def abdi(p):
    middle = [math.sqrt(a * b) for a, b in zip(p.h, p.l, strict=True)]
    terms = [
        snapped(p.c[k - 1], middle[k - 1]) * snapped(p.c[k - 1], middle[k]) for k in range(len(p.c) - 20, len(p.c))
    ]
    value = sum(terms) / 20
    return 2 * math.sqrt(value) if value > max(TIE * sum(abs(t) for t in terms) / 20, FLOOR**2 / 4) else 0.0


def bulk(p, k):
    window = [snapped(p.c[j], p.c[j - 1]) for j in range(k - 19, k + 1)]
    sigma = math.sqrt(sum(r * r for r in window) / 20)
    return p.v[k] * (2 * statistics.NormalDist().cdf(window[-1] / sigma) - 1) if sigma > 0 else 0.0


def imbalance(p):
    rows = range(len(p.c) - 20, len(p.c))
    return share(sum(bulk(p, k) for k in rows), sum(p.v[k] for k in rows), 0.0)


def vpin(p):
    rows = range(len(p.c) - 50, len(p.c))
    return share(sum(abs(bulk(p, k)) for k in rows), sum(p.v[k] for k in rows), 0.0)


def signed_autocorrelation(p):
    n = len(p.c)
    return correlation(
        [signed_volume(p, k) for k in range(n - 60, n)], [signed_volume(p, k) for k in range(n - 61, n - 1)]
    )


def autocorrelation(lag):
    return lambda p: correlation(p.returns(60), p.returns(60, back=lag))


def skew(p):
    r = p.returns(60)
    m = sum(r) / 60
    m2, m3 = sum((x - m) ** 2 for x in r) / 60, sum((x - m) ** 3 for x in r) / 60
    return 0.0 if max(r) == min(r) else math.sqrt(60 * 59) / 58 * m3 / m2**1.5


def kurtosis(p):
    r = p.returns(60)
    m = sum(r) / 60
    m2, m4 = sum((x - m) ** 2 for x in r) / 60, sum((x - m) ** 4 for x in r) / 60
    return 0.0 if max(r) == min(r) else 59 / (58 * 57) * (61 * (m4 / m2**2 - 3) + 6)


def variance_ratio(p):
    n = len(p.c)
    five = sum(math.log(p.c[k] / p.c[k - 5]) ** 2 for k in range(n - 60, n))
    one = sum(r * r for r in p.returns(60))
    return five / (5 * one) if one > 0 else 1.0


def rank(p):
    last = p.c[-60:]
    ties = sum(abs(x - last[-1]) <= TIE * last[-1] for x in last)
    return (sum(x < last[-1] * (1 - TIE) for x in last) + 0.5 * ties) / 60


def session_before(p):
    rows = p.blocks()[-2]
    return max(p.h[k] for k in rows), min(p.l[k] for k in rows), p.c[rows[-1]]


def session_place(p):
    rows = p.blocks()[-1]
    top, bottom = max(p.h[k] for k in rows), min(p.l[k] for k in rows)
    return share(p.c[-1] - bottom, top - bottom, 0.5, p.c[-1])


def opening(p):
    rows = p.blocks()[-1]
    kept = [k for k in rows if k == rows[0] or p.elapsed(k) <= 1800]
    top, bottom = max(p.h[k] for k in kept), min(p.l[k] for k in kept)
    return (p.c[-1] - (top + bottom) / 2) / max((top - bottom) / 2, yard(p) / 4)


def range_norm(p):
    def width(rows):
        return (max(p.h[k] for k in rows) - min(p.l[k] for k in rows)) / p.c[rows[-1]]

    blocks = p.blocks()
    return width(blocks[-1]) / max(sum(width(rows) for rows in blocks[-21:-1]) / 20, FLOOR)


def local_minutes(p, zone):
    wall = p.close_time.astimezone(ZoneInfo(zone))
    return wall.hour * 60 + wall.minute


def regular(p):
    first, last = (440, 750) if p.instrument.asset_class == "metals" else (510, 900)
    return float(first <= local_minutes(p, "America/Chicago") < last)


def volatility_cost(p):
    spans = wilder(p.ranges(), 14)
    pct = [None if a is None else a / c for a, c in zip(spans, p.c, strict=True)]
    pool = [pct[k] for rows in p.blocks()[-21:] for k in rows if pct[k] is not None]
    mine = pct[-1]
    place = (sum(x < mine for x in pool) + 0.5 * sum(x == mine for x in pool)) / len(pool)
    return p.instrument.cost_price(high_volatility=place > 0.5)


def points(p):
    return max(atr(p) / p.c[-1], FLOOR) * p.traded[-1]


ORACLES = {
    **{f"log_return_{k}": (lambda p, k=k: snapped(p.c[-1], p.c[-1 - k])) for k in (1, 3, 5, 10, 20, 60)},
    **{f"rsi_{k}": rsi(k) for k in (7, 14, 21)},
    "stochastic_k_14": stoch,
    "stochastic_d_14_3": lambda p: sum(stoch(p, back) for back in range(3)) / 3,
    "macd_line_12_26_atr": lambda p: macd(p)[0] / yard(p),
    "macd_histogram_12_26_9_atr": lambda p: macd(p)[1] / yard(p),
    "cci_20": cci,
    "aroon_oscillator_25": aroon,
    "body_share": span_share("body"),
    "upper_wick_share": span_share("up"),
    "lower_wick_share": span_share("down"),
    "close_location_share": span_share("close"),
    "range_atr": lambda p: (p.h[-1] - p.l[-1]) / yard(p),
    "opening_gap_atr": lambda p: beyond_tie(p.o[-1] - p.c[-2], p.c[-1]) / yard(p),
    **{f"distance_sma_{k}_atr": sma_distance(k) for k in (10, 20, 50, 100, 200)},
    **{f"distance_ema_{k}_atr": ema_distance(k) for k in (9, 21)},
    "slope_ema_21_5_atr": lambda p: (ema(p.c, 21)[-1] - ema(p.c, 21)[-6]) / yard(p),
    "slope_sma_50_10_atr": lambda p: (sum(p.c[-50:]) / 50 - sum(p.c[-60:-10]) / 50) / yard(p),
    "plus_di_14": lambda p: directional(p)[0],
    "minus_di_14": lambda p: directional(p)[1],
    "adx_14": lambda p: directional(p)[2],
    "regression_slope_20_atr": lambda p: line_fit(p)[0] / yard(p),
    "regression_r2_20": lambda p: line_fit(p)[1],
    **{f"efficiency_ratio_{k}": efficiency(k) for k in (10, 20, 60)},
    "vortex_difference_14": vortex,
    "choppiness_14": chop,
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
    "amihud_20": amihud,
    "kyle_lambda_20": kyle,
    "roll_spread_20": roll,
    "corwin_schultz_spread_20": corwin,
    "abdi_ranaldo_spread_20": abdi,
    "flow_imbalance_20": imbalance,
    "vpin_50": vpin,
    "signed_volume_autocorrelation_1_60": signed_autocorrelation,
    "autocorrelation_1_60": autocorrelation(1),
    "autocorrelation_5_60": autocorrelation(5),
    "skewness_60": skew,
    "kurtosis_60": kurtosis,
    "variance_ratio_5_60": variance_ratio,
    "percentile_rank_60": rank,
    "drawdown_120_atr": lambda p: (p.c[-1] - max(p.h[-120:])) / yard(p),
    "runup_120_atr": lambda p: (p.c[-1] - min(p.l[-120:])) / yard(p),
    "session_position_share": session_place,
    "overnight_gap_atr": lambda p: (p.o[p.blocks()[-1][0]] - session_before(p)[2]) / yard(p),
    "previous_high_distance_atr": lambda p: (p.c[-1] - session_before(p)[0]) / yard(p),
    "previous_low_distance_atr": lambda p: (p.c[-1] - session_before(p)[1]) / yard(p),
    "previous_close_distance_atr": lambda p: (p.c[-1] - session_before(p)[2]) / yard(p),
    "opening_range_position_30m": opening,
    "session_range_ratio_20s": range_norm,
    "minutes_to_flat": lambda p: max((p.sessions[p.day[-1]][1] - p.times[-1]) / 60, 0.0),
    "time_of_day_sin": lambda p: math.sin(2 * math.pi * p.elapsed(p.i) / 86400),
    "time_of_day_cos": lambda p: math.cos(2 * math.pi * p.elapsed(p.i) / 86400),
    "day_of_week_sin": lambda p: math.sin(2 * math.pi * p.day[-1].weekday() / 5),
    "day_of_week_cos": lambda p: math.cos(2 * math.pi * p.day[-1].weekday() / 5),
    "is_rth": regular,
    "is_london": lambda p: float(480 <= local_minutes(p, "Europe/London") < 990),
    "is_asia": lambda p: float(540 <= local_minutes(p, "Asia/Tokyo") < 930),
    "tick_atr": lambda p: p.instrument.tick_size / points(p),
    "cost_atr": lambda p: volatility_cost(p) / points(p),
}
