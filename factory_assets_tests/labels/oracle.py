"""Plain-Python reference of the label rules, written from SPEC section 5 before any kernel; shares no code with one.

Loops over tuples, Python floats, ``datetime`` objects. Nothing of the factory, numpy or numba is imported here, so a
mistake in the package cannot be repeated by construction. Labels, simulator and paper trading are all compared with it.

A *minute* is a tuple ``(open_time, open, high, low, close, expiry)``; ``open_time`` is a timezone-aware datetime, the
minute closes 60 seconds later, and a list of minutes is ordered by ``open_time``.
"""

import itertools
import math
from datetime import timedelta

ONE_MINUTE = timedelta(minutes=1)
BASE_BAR = timedelta(minutes=5)


def oracle_outcome(
    decision_time,
    minutes,
    *,
    k_up,
    k_down,
    max_bars,
    atr,
    flat_time,
    cost,
    expiry=None,
    roll_time=None,
):
    """Outcome of one decision, for a long and for a short.

    ``expiry`` is the delivery month of the base bar: the first later minute of another month marks the roll at its
    open, unless ``roll_time`` says when the roll is. Both absent: there is no roll.

    Returns a dict with ``status`` ("labelled" or "no_entry"), ``vertical_time`` and, if labelled, ``label``, ``tie``,
    ``entry_time``, ``entry_price``, ``upper``, ``lower``, ``exit_long``, ``exit_short``, ``net_long``, ``net_short``,
    ``t0``, ``t1``, ``minutes_to_touch`` (None if no barrier was touched), ``mae`` and ``mfe`` (of a long, points).
    """
    vertical_time = oracle_vertical_time(
        decision_time, minutes, max_bars=max_bars, flat_time=flat_time, expiry=expiry, roll_time=roll_time
    )
    # Entry: the open of the first minute that opens at or after the decision, and before the vertical time.
    entry_position = None
    for position, minute in enumerate(minutes):
        if minute[0] >= decision_time:
            entry_position = position
            break
    if entry_position is None or minutes[entry_position][0] >= vertical_time:
        return {"status": "no_entry", "vertical_time": vertical_time}

    entry_time = minutes[entry_position][0]
    entry = minutes[entry_position][1]
    upper = entry + k_up * atr
    lower = entry - k_down * atr

    label, tie = 0, False
    exit_long = exit_short = last_close = None
    t1 = vertical_time
    touched = False
    highest = lowest = entry  # extremes seen while the position is open

    for position in range(entry_position, len(minutes)):
        open_time, first, high, low, close, _ = minutes[position]
        close_time = open_time + ONE_MINUTE
        if close_time > vertical_time:
            break
        if first >= upper:
            # Opened at or beyond the target of a long: everybody is filled at this open, nothing later matters.
            label, exit_long, exit_short, t1, touched = 1, first, first, close_time, True
            highest = max(highest, first)
            break
        if first <= lower:
            label, exit_long, exit_short, t1, touched = -1, first, first, close_time, True
            lowest = min(lowest, first)
            break
        touches_upper = high >= upper
        touches_lower = low <= lower
        # Once a barrier is touched the position is closed there: what lies beyond it was not lived through.
        highest = max(highest, min(high, upper))
        lowest = min(lowest, max(low, lower))
        if touches_upper and touches_lower:
            label, tie, exit_long, exit_short, t1, touched = 0, True, lower, upper, close_time, True
            break
        if touches_upper:
            label, exit_long, exit_short, t1, touched = 1, upper, upper, close_time, True
            break
        if touches_lower:
            label, exit_long, exit_short, t1, touched = -1, lower, lower, close_time, True
            break
        last_close = close

    if not touched:
        exit_long = exit_short = last_close  # the last close known at the vertical time

    return {
        "status": "labelled",
        "vertical_time": vertical_time,
        "label": label,
        "tie": tie,
        "entry_time": entry_time,
        "entry_price": entry,
        "upper": upper,
        "lower": lower,
        "exit_long": exit_long,
        "exit_short": exit_short,
        "net_long": exit_long - entry - cost,
        "net_short": entry - exit_short - cost,
        "t0": decision_time,
        "t1": t1,
        "minutes_to_touch": (t1 - entry_time) / ONE_MINUTE if touched else None,
        "mae": entry - lowest,
        "mfe": highest - entry,
    }


def oracle_vertical_time(decision_time, minutes, *, max_bars, flat_time, expiry=None, roll_time=None):
    """Earliest of ``max_bars`` base bars on the clock, the flat time and the roll."""
    vertical_time = min(decision_time + max_bars * BASE_BAR, flat_time)
    if roll_time is not None:
        return min(vertical_time, roll_time)
    if expiry is not None:
        for minute in minutes:
            if minute[0] >= vertical_time:
                break
            if minute[0] >= decision_time and minute[5] != expiry:
                return minute[0]
    return vertical_time


def oracle_mask(decision_time, flat_time, horizon, atr, status):
    """Reason why a base bar has no label, in order of precedence; empty if it has one."""
    bars_left, time = 0, decision_time + BASE_BAR
    while time <= flat_time:
        bars_left += 1
        time += BASE_BAR
    if bars_left < horizon:
        return "too_late"
    if atr is None or math.isnan(atr) or atr <= 0:
        return "no_atr"
    return "no_entry" if status == "no_entry" else ""


def oracle_sigma(returns, span):
    """EWM standard deviation at every position: weights (1 - 2/(span+1))**age over all returns so far, unbiased."""
    keep = 1.0 - 2.0 / (span + 1.0)
    out = []
    for last in range(len(returns)):
        weights = [keep ** (last - i) for i in range(last + 1)]
        total = sum(weights)
        squares = sum(w * w for w in weights)
        mean = sum(w * r for w, r in zip(weights, returns, strict=False)) / total
        spread = sum(w * (r - mean) ** 2 for w, r in zip(weights, returns, strict=False)) / total
        correction = total * total - squares
        out.append(math.sqrt(spread * total * total / correction) if correction > 0 else math.nan)
    return out


def oracle_cusum(closes, *, multiple, span):
    """Positions at which the symmetric CUSUM filter fires; a side that fires starts again from zero."""
    returns = [math.log(b / a) for a, b in itertools.pairwise(closes)]
    sigma = oracle_sigma(returns, span)
    up = down = 0.0
    events = []
    for i, step in enumerate(returns):
        if i < span:  # the previous bar's sigma rests on fewer than `span` returns
            continue
        threshold = multiple * sigma[i - 1]
        up = max(0.0, up + step)
        down = min(0.0, down + step)
        if down < -threshold:
            down = 0.0
            events.append(i + 1)
        elif up > threshold:
            up = 0.0
            events.append(i + 1)
    return events


def oracle_uniqueness(intervals, clock):
    """Mean over the clock's moments in [t0, t1], both ends included, of 1 / (labels alive at that moment)."""
    alive = {c: sum(1 for t0, t1 in intervals if t0 <= c <= t1) for c in clock}
    means = []
    for t0, t1 in intervals:
        shares = [1.0 / alive[c] for c in clock if t0 <= c <= t1]
        means.append(sum(shares) / len(shares))
    return means
