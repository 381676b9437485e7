"""Oracles of the traded group: each feature once more from its definition."""

from .past import FLOOR, atr, wilder


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
    "tick_atr": lambda p: p.instrument.tick_size / points(p),
    "cost_atr": lambda p: volatility_cost(p) / points(p),
}
