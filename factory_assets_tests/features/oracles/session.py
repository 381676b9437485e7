"""Oracles of the session: each feature once more from its definition."""

from .past import FLOOR, share, yard


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


def session_body(p):
    rows = p.blocks()[-1]
    return share(p.c[-1] - p.o[rows[0]], max(p.h[k] for k in rows) - min(p.l[k] for k in rows), 0.0, p.c[-1])


ORACLES = {
    "session_position_share": session_place,
    "session_body_share": session_body,
    "overnight_gap_atr": lambda p: (p.o[p.blocks()[-1][0]] - session_before(p)[2]) / yard(p),
    "previous_high_distance_atr": lambda p: (p.c[-1] - session_before(p)[0]) / yard(p),
    "previous_low_distance_atr": lambda p: (p.c[-1] - session_before(p)[1]) / yard(p),
    "previous_close_distance_atr": lambda p: (p.c[-1] - session_before(p)[2]) / yard(p),
    "opening_range_position_30m": opening,
    "session_range_ratio_20s": range_norm,
}
