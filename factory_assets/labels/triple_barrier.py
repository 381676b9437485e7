"""Triple-barrier outcomes from plain arrays: the checked public entry to the walk.

Neighbours: :mod:`factory_assets.labels.path` walks, :mod:`factory_assets.labels.label_table` decides which base bars
of a contract are labelled and with which barriers and costs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.labels.path import NO_ENTRY, walk_to_barrier
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.timeframes import BASE_MINUTES, MINUTE_US


@dataclass(frozen=True, kw_only=True, eq=False)
class TripleBarrierOutcome:
    """Outcome of N decisions; every array has shape (N,), prices and outcomes are traded points.

    A row without an entry (``has_entry`` False) holds NaN prices, label 0 and ``t1_us = vertical_us``; mask it.
    Everything but ``t0_us`` and ``vertical_us`` belongs to the future of the decision: it is known at ``t1_us``.

    Attributes
    ----------
    t0_us, t1_us : ndarray of int64
        Decision time and the moment the outcome is known, microseconds since 1970 UTC.
    vertical_us : ndarray of int64
        Vertical barrier.
    entry_position : ndarray of int64
        Position of the entry minute among the minutes; -1 if none opens before the vertical time.
    entry_us : ndarray of int64
        Open time of the entry minute; the int64 minimum without one.
    entry_price, upper, lower : ndarray of float64
        Entry and barriers.
    label : ndarray of int8
        +1 upper first, -1 lower first, 0 neither or tie.
    tie : ndarray of bool
        One minute touched both barriers.
    exit_long, exit_short : ndarray of float64
        Exit prices before costs; they differ on a tie only.
    net_long, net_short : ndarray of float64
        ``exit_long - entry - cost`` and ``entry - exit_short - cost``.
    minutes_to_touch : ndarray of float64
        Minutes from the entry minute's open to ``t1``; NaN without a touch.
    mae, mfe : ndarray of float64
        Largest move against and in favour of a long while open, >= 0; a short's trade places.
    """

    t0_us: np.ndarray
    t1_us: np.ndarray
    vertical_us: np.ndarray
    entry_position: np.ndarray
    entry_us: np.ndarray
    entry_price: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    label: np.ndarray
    tie: np.ndarray
    exit_long: np.ndarray
    exit_short: np.ndarray
    net_long: np.ndarray
    net_short: np.ndarray
    minutes_to_touch: np.ndarray
    mae: np.ndarray
    mfe: np.ndarray

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.t0_us)

    @property
    def has_entry(self) -> np.ndarray:
        """Whether a minute opened between the decision and the vertical time, bool, shape (N,)."""
        return self.entry_position != NO_ENTRY

    def to_frame(self) -> pd.DataFrame:
        """One row a decision; times as UTC timestamps, the rest under the attribute names."""
        columns: dict[str, Any] = {"t0": from_us(self.t0_us), "t1": from_us(self.t1_us)}
        columns["vertical_time"], columns["entry_time"] = from_us(self.vertical_us), from_us(self.entry_us)
        names = ("entry_price", "upper", "lower", "label", "tie", "exit_long", "exit_short", "net_long", "net_short")
        columns.update({name: getattr(self, name) for name in (*names, "minutes_to_touch", "mae", "mfe")})
        return pd.DataFrame(columns)


def triple_barrier(
    open_time: Any,
    open: Any,  # noqa: A002 - the field's own word
    high: Any,
    low: Any,
    close: Any,
    decision_time: Any,
    atr: Any,
    *,
    k_up: float,
    k_down: float,
    max_bars: int,
    flat_time: Any = None,
    roll_time: Any = None,
    cost: Any = 0.0,
) -> TripleBarrierOutcome:
    """Which barrier a position opened after each decision meets first, and what a long and a short earn.

    Entry is the open of the first minute opening at or after the decision. Barriers stand at ``entry + k_up x atr``
    and ``entry - k_down x atr``, unrounded; long and short share the pair (a short's target is the lower, its stop
    the upper). The vertical barrier is ``decision + max_bars x 5 minutes`` or, if earlier, flat time or the roll.

    Parameters
    ----------
    open_time : DatetimeIndex or Series of timezone-aware times, or ndarray of int64, shape (M,)
        Open of each traded 1-minute bar (int64: microseconds since 1970 UTC), strictly increasing, on whole minutes;
        minutes without a trade are absent.
    open, high, low, close : array_like of float64, shape (M,)
        Traded prices, points.
    decision_time : times as ``open_time``, shape (N,)
        Close times of the base bars at which decisions are taken, never decreasing, on whole minutes. An outcome uses
        minutes that *open* at or after it only.
    atr : array_like of float64, shape (N,)
        ATR in traded points known at the decision, positive. A value that uses later bars leaks the future.
    k_up, k_down : float
        Barrier distances in ATR, positive.
    max_bars : int
        Vertical barrier in 5-minute bars of clock time, positive.
    flat_time : times as ``open_time``, shape (N,), optional
        Flat time of each decision's session. Inside a session the clock of scheduled base bars has no holes, so plain
        addition of ``max_bars x 5 minutes`` equals counting scheduled closes wherever flat time does not come first.
        Without it labels run across the close of the session.
    roll_time : times as ``open_time``, shape (N,), optional
        Next roll of each decision (a time past its end where there is none). Without it the minutes have to be of one
        expiry.
    cost : float or array_like of float64, shape (N,)
        Round-trip cost, points, >= 0; charged once on either side.

    Returns
    -------
    TripleBarrierOutcome
        Aligned arrays; :meth:`TripleBarrierOutcome.to_frame` gives a table.

    Raises
    ------
    NaiveTimestampError
        Times without a time zone (a plain ``datetime64`` array has none).
    BadInputError
        Unequal lengths, unsorted or off-minute times, non-finite prices, a high below or a low above the bar's other
        prices, ATR not positive, a negative cost; all mismatches in one message.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, section 3.4 (triple-barrier method).

    Examples
    --------
    >>> minute = 60_000_000
    >>> out = triple_barrier(
    ...     [0, minute], [100.0, 101.0], [101.5, 103.0], [99.5, 100.5], [101.0, 102.5], [0], [1.0],
    ...     k_up=2.0, k_down=1.0, max_bars=12, cost=0.375,
    ... )
    >>> int(out.label[0]), float(out.exit_long[0]), float(out.net_long[0]), int(out.t1_us[0] // minute)
    (1, 102.0, 1.625, 2)
    """
    minutes_us = as_times_us(open_time, "open_time")
    t0_us = as_times_us(decision_time, "decision_time")
    prices = {
        name: np.ascontiguousarray(values, dtype=np.float64)
        for name, values in (("open", open), ("high", high), ("low", low), ("close", close))
    }
    atr_points = np.ascontiguousarray(atr, dtype=np.float64)
    cost_points = np.ascontiguousarray(np.broadcast_to(np.asarray(cost, dtype=np.float64), t0_us.shape))
    vertical_us = t0_us + np.int64(max_bars * BASE_MINUTES * MINUTE_US)
    limits = {"flat_time": flat_time, "roll_time": roll_time}
    limit_us = {name: as_times_us(value, name) for name, value in limits.items() if value is not None}
    problems = [
        f"{name}: expected {len(t0_us)} times, one a decision, got {len(value)}"
        for name, value in limit_us.items()
        if len(value) != len(t0_us)
    ]
    problems += _minute_problems(minutes_us, prices)
    problems += _decision_problems(t0_us, atr_points, cost_points)
    if not (k_up > 0 and k_down > 0 and np.isfinite(k_up) and np.isfinite(k_down) and max_bars > 0):
        problems.append(f"expected positive k_up, k_down and max_bars, got {k_up}, {k_down} and {max_bars}")
    if problems:
        raise BadInputError("triple_barrier: " + "; ".join(problems) + ". Nothing was labelled; correct the input.")
    for value in limit_us.values():
        vertical_us = np.minimum(vertical_us, value)
    if bool(np.any(vertical_us % MINUTE_US)):
        raise BadInputError("triple_barrier: flat_time and roll_time have to lie on whole minutes. Correct the input.")
    return _outcome(minutes_us, prices, t0_us, k_up * atr_points, k_down * atr_points, vertical_us, cost_points)


def _outcome(
    minutes_us: np.ndarray,
    prices: dict[str, np.ndarray],
    t0_us: np.ndarray,
    up_points: np.ndarray,
    down_points: np.ndarray,
    vertical_us: np.ndarray,
    cost: np.ndarray,
) -> TripleBarrierOutcome:
    bars = (minutes_us, prices["open"], prices["high"], prices["low"], prices["close"])
    walked = walk_to_barrier(*bars, t0_us, up_points, down_points, vertical_us)
    entry, label, tie, upper, lower, exit_long, exit_short, t1_us, minutes_to_touch, mae, mfe = walked
    found = entry != NO_ENTRY
    entry_us = np.full(len(entry), np.iinfo(np.int64).min, dtype=np.int64)
    entry_us[found] = minutes_us[entry[found]]
    entry_price = np.full(len(entry), np.nan)
    entry_price[found] = prices["open"][entry[found]]
    return TripleBarrierOutcome(
        t0_us=t0_us,
        t1_us=t1_us,
        vertical_us=vertical_us,
        entry_position=entry,
        entry_us=entry_us,
        entry_price=entry_price,
        upper=upper,
        lower=lower,
        label=label,
        tie=tie,
        exit_long=exit_long,
        exit_short=exit_short,
        net_long=exit_long - entry_price - cost,
        net_short=entry_price - exit_short - cost,
        minutes_to_touch=minutes_to_touch,
        mae=mae,
        mfe=mfe,
    )


def as_times_us(times: Any, what: str) -> np.ndarray:
    """Times at a public entry as int64 microseconds: integers as they are, timestamps only with a time zone.

    Raises
    ------
    NaiveTimestampError
        Timestamps without a time zone.
    """
    plain = times if isinstance(times, pd.Series | pd.Index) else np.asarray(times)
    if plain.dtype.kind in "iu":
        return np.ascontiguousarray(plain, dtype=np.int64)
    if not len(plain) and plain.dtype.kind == "f":  # an empty list has no type of its own
        return np.zeros(0, dtype=np.int64)
    return np.ascontiguousarray(times_us(times, what))


def _minute_problems(minutes_us: np.ndarray, prices: dict[str, np.ndarray]) -> list[str]:
    problems = [
        f"{name}: expected {len(minutes_us)} values, one a minute, got shape {values.shape}"
        for name, values in prices.items()
        if values.shape != minutes_us.shape
    ]
    if problems:
        return problems
    back = np.flatnonzero(np.diff(minutes_us) <= 0)
    if len(back):
        problems.append(f"open_time: {len(back)} times do not increase, the first at row {back[0] + 1}")
    off = np.flatnonzero(minutes_us % MINUTE_US)
    if len(off):
        problems.append(f"open_time: {len(off)} times are not on a whole minute, the first at row {off[0]}")
    for name, values in prices.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            problems.append(f"{name}: {len(bad)} non-finite prices, the first at row {bad[0]}")
    inside = (prices["high"] >= np.maximum(prices["open"], prices["close"])) & (
        prices["low"] <= np.minimum(prices["open"], prices["close"])
    )
    broken = np.flatnonzero(~inside)
    if len(broken) and not any("non-finite" in problem for problem in problems):
        problems.append(f"{len(broken)} bars whose high or low is inside open and close, the first at row {broken[0]}")
    return problems


def _decision_problems(t0_us: np.ndarray, atr: np.ndarray, cost: np.ndarray) -> list[str]:
    problems = []
    back = np.flatnonzero(np.diff(t0_us) < 0)
    if len(back):
        problems.append(f"decision_time: {len(back)} times decrease, the first at row {back[0] + 1}")
    if bool(np.any(t0_us % MINUTE_US)):
        problems.append("decision_time: not on whole minutes; decisions are closes of base bars")
    if atr.shape != t0_us.shape:
        problems.append(f"atr: expected {len(t0_us)} values, one a decision, got shape {atr.shape}")
    else:
        bad = np.flatnonzero(~(np.isfinite(atr) & (atr > 0)))
        if len(bad):
            problems.append(f"atr: {len(bad)} values not finite and positive, the first at row {bad[0]}; mask them")
    if not bool(np.all(np.isfinite(cost) & (cost >= 0))):
        problems.append("cost: expected finite points >= 0")
    return problems
