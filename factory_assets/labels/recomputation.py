"""Outcomes recomputed from minutes with masks over whole windows: what the invariants compare the kernel's with.

Shares no code with :mod:`factory_assets.labels.path`; slow, for samples.
"""

import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.settings import Barriers
from factory_assets.vocabulary.timeframes import BASE_MINUTES, MINUTE_US


def recomputed_outcomes(
    rows: pd.DataFrame, bars_1min: pd.DataFrame, *, expiry: np.ndarray, flat_us: np.ndarray, barriers: Barriers
) -> dict[str, np.ndarray]:
    """Outcome columns of the ``labels`` table for the given rows.

    Parameters
    ----------
    rows : DataFrame
        Labelled rows; only ``t0`` and ``atr`` are read.
    bars_1min : DataFrame
        Minutes of the contract.
    expiry : ndarray of str, shape (N,)
        Delivery month of each row's base bar.
    flat_us : ndarray of int64, shape (N,)
        Flat time of each row's session.
    barriers : Barriers
        Geometry.

    Returns
    -------
    dict of str to ndarray, shape (N,)
        Times as int64 microseconds, the rest float64; NaN and 0 where no minute can be entered.
    """
    open_us = times_us(bars_1min["open_time"], "bars_1min.open_time")
    prices = {name: bars_1min[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")}
    months = bars_1min["expiry"].astype(str).to_numpy(dtype=object)
    t0_us = times_us(rows["t0"], "labels.t0")
    vertical_us = np.minimum(t0_us + barriers.max_bars * BASE_MINUTES * MINUTE_US, flat_us)
    first = np.searchsorted(open_us, t0_us)
    past = np.searchsorted(open_us, vertical_us)
    found: list[dict[str, float]] = []
    times: list[tuple[int, int, int]] = []
    for row, atr in enumerate(rows["atr"].to_numpy(np.float64)):
        window = slice(int(first[row]), int(past[row]))
        rolled = np.flatnonzero(months[window] != expiry[row])
        if len(rolled):
            window = slice(window.start, window.start + int(rolled[0]))
            vertical_us[row] = open_us[window.stop]
        outcome, touched_at = _settled({name: values[window] for name, values in prices.items()}, barriers, atr)
        found.append(outcome)
        entered = int(open_us[window.start]) if window.start < window.stop else 0
        known = int(vertical_us[row]) if touched_at < 0 else int(open_us[window.start + touched_at]) + MINUTE_US
        times.append((entered, known, int(vertical_us[row])))
    columns = {name: np.array([outcome[name] for outcome in found], dtype=np.float64) for name in _COLUMNS}
    table = np.array(times, dtype=np.int64).reshape(-1, 3)
    return {**columns, "entry_time": table[:, 0], "t1": table[:, 1], "vertical_time": table[:, 2]}


_COLUMNS = ("entry_price", "upper", "lower", "label", "tie", "exit_long", "exit_short", "mae", "mfe")


def _settled(prices: dict[str, np.ndarray], barriers: Barriers, atr: float) -> tuple[dict[str, float], int]:
    """Outcome over one window, and the position of the minute that touched (-1 if none did)."""
    if not len(prices["open"]):
        return dict.fromkeys(_COLUMNS, np.nan), -1
    entry = prices["open"][0]
    upper, lower = entry + barriers.k_up * atr, entry - barriers.k_down * atr
    up, down = prices["high"] >= upper, prices["low"] <= lower
    touches = np.flatnonzero(up | down)
    at = int(touches[0]) if len(touches) else -1
    lived = slice(0, at if at >= 0 else None)
    highs, lows = [entry, *prices["high"][lived]], [entry, *prices["low"][lived]]
    label, tie = 0.0, False
    exit_long = exit_short = prices["close"][-1]
    if at >= 0:
        first = prices["open"][at]
        if not lower < first < upper:
            label, exit_long, exit_short = (1.0 if first >= upper else -1.0), first, first
            highs, lows = [*highs, first], [*lows, first]
        else:
            tie = bool(up[at] and down[at])
            label = float(up[at]) - float(down[at])
            exit_long, exit_short = (lower if down[at] else upper), (upper if up[at] else lower)
            highs, lows = [*highs, min(prices["high"][at], upper)], [*lows, max(prices["low"][at], lower)]
    values = (entry, upper, lower, label, tie, exit_long, exit_short, entry - min(lows), max(highs) - entry)
    return dict(zip(_COLUMNS, values, strict=True)), at
