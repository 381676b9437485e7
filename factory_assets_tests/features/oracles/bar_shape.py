"""Oracles of the bar shape: each feature once more from its definition."""

from .past import beyond_tie, share, yard


def span_share(which):
    def run(p):
        o, h, low, c = p.o[-1], p.h[-1], p.l[-1], p.c[-1]
        top = {"body": c - o, "up": h - max(o, c), "down": min(o, c) - low, "close": c - low}[which]
        return share(top, h - low, 0.5 if which == "close" else 0.0, c)

    return run


ORACLES = {
    "body_share": span_share("body"),
    "upper_wick_share": span_share("up"),
    "lower_wick_share": span_share("down"),
    "close_location_share": span_share("close"),
    "range_atr": lambda p: (p.h[-1] - p.l[-1]) / yard(p),
    "opening_gap_atr": lambda p: beyond_tie(p.o[-1] - p.c[-2], p.c[-1]) / yard(p),
}
