"""Oracles of the calendar: each feature once more from its definition."""

import math
from zoneinfo import ZoneInfo


def local_minutes(p, zone):
    wall = p.close_time.astimezone(ZoneInfo(zone))
    return wall.hour * 60 + wall.minute


def regular(p):
    first, last = (440, 750) if p.instrument.asset_class == "metals" else (510, 900)
    return float(first <= local_minutes(p, "America/Chicago") < last)


ORACLES = {
    "minutes_to_flat": lambda p: max((p.sessions[p.day[-1]][1] - p.times[-1]) / 60, 0.0),
    "time_of_day_sin": lambda p: math.sin(2 * math.pi * p.elapsed(p.i) / 86400),
    "time_of_day_cos": lambda p: math.cos(2 * math.pi * p.elapsed(p.i) / 86400),
    "day_of_week_sin": lambda p: math.sin(2 * math.pi * p.day[-1].weekday() / 5),
    "day_of_week_cos": lambda p: math.cos(2 * math.pi * p.day[-1].weekday() / 5),
    "is_rth": regular,
    "is_new_york": lambda p: float(480 <= local_minutes(p, "America/New_York") < 1020),
    "is_london": lambda p: float(480 <= local_minutes(p, "Europe/London") < 990),
    "is_asia": lambda p: float(540 <= local_minutes(p, "Asia/Tokyo") < 930),
}
