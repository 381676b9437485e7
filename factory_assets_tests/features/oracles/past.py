"""What oracles read: the past of a row as plain lists, and the few formulas several of them share."""

import math
import statistics

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
        self.sessions = sessions  # date -> (open, flat, close) as timestamps
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


def restarted(p):
    """Rows from the open of the session before the row's own."""
    return [k for rows in p.blocks()[-2:] for k in rows]


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


def sign(now, before):
    return 0 if abs(now - before) <= TIE * now else (1 if now > before else -1)


def covariance(x, y):
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / len(x)


def correlation(x, y):
    if min(covariance(x, x), covariance(y, y)) <= TIE**2:
        return 0.0
    return covariance(x, y) / math.sqrt(covariance(x, x) * covariance(y, y))


def rms(p, k):
    return math.sqrt(sum(r * r for r in p.returns(k)) / k)


def relative(p, k):
    return p.v[k] / max(statistics.median(p.v[k - 59 : k + 1]), 1.0)


def signed_volume(p, k):
    return sign(p.c[k], p.c[k - 1]) * relative(p, k)
