"""One contract, one position, one account: from sides at decision times to trades.

Prices come from the one walk of :mod:`factory_assets.labels.path`, fed with what is known at the decision (ATR,
vertical time, cost) and the traded minutes; outcomes stored with the labels are never read, which is why the two can
be compared. Which side to take is decided in :mod:`factory_assets.evaluation.trade_rule`.
"""

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

from factory_assets.labels.path import NO_ENTRY, walk_to_barrier
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, from_us, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers

TRADE_COLUMNS = (
    "decision_time",
    "side",
    "entry_time",
    "exit_time",
    "entry_price",
    "exit_price",
    "cost",
    "net_points",
    "net_dollars",
    "trade_date",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PricedDecisions:
    """What a long and a short entered at each decision would do; arrays of shape (N,) in decision order.

    Everything but ``decision_us``, ``cost`` and ``trade_day`` is of the future of the decision: it is known at
    ``exit_us``.

    Attributes
    ----------
    decision_us, entry_us, exit_us : ndarray of int64
        Decision, open of the entry minute, and the moment the position is closed, microseconds since 1970 UTC.
    entry_price, exit_long, exit_short : ndarray of float64
        Points. NaN where no minute opens before the vertical time: no trade happens there.
    cost : ndarray of float64
        Round trip, points.
    trade_day : ndarray of int32
        Session of the decision, days since 1970.
    """

    decision_us: np.ndarray
    entry_us: np.ndarray
    exit_us: np.ndarray
    entry_price: np.ndarray
    exit_long: np.ndarray
    exit_short: np.ndarray
    cost: np.ndarray
    trade_day: np.ndarray

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.decision_us)

    def net_points(self, position: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Outcome after costs of entering at the given decisions on the given sides, points, shape of ``position``."""
        entry, cost = self.entry_price[position], self.cost[position]
        return np.where(side > 0, self.exit_long[position] - entry - cost, entry - self.exit_short[position] - cost)


def price_decisions(labels: pd.DataFrame, bars_1min: pd.DataFrame, barriers: Barriers) -> PricedDecisions:
    """Walk the traded minutes once for every decision.

    Parameters
    ----------
    labels : DataFrame
        Decisions to be priced, in time order: ``decision_time``, ``trade_date``, ``atr``, ``vertical_time``,
        ``cost`` (schema ``labels``). All of them are known at the decision.
    bars_1min : DataFrame
        Traded minutes: ``open_time``, ``open``, ``high``, ``low``, ``close``. They must reach the last vertical time.
    barriers : Barriers
        Distances in ATR.

    Raises
    ------
    BadInputError
        Missing columns, unsorted times, an ATR that is not positive or a cost that is negative.
    """
    _need(labels, ("decision_time", "trade_date", "atr", "vertical_time", "cost"), "labels")
    _need(bars_1min, ("open_time", "open", "high", "low", "close"), "bars_1min")
    open_us = np.ascontiguousarray(times_us(bars_1min["open_time"], "bars_1min.open_time"))
    decision_us = np.ascontiguousarray(times_us(labels["decision_time"], "labels.decision_time"))
    vertical_us = np.ascontiguousarray(times_us(labels["vertical_time"], "labels.vertical_time"))
    atr, cost = (np.ascontiguousarray(labels[name], dtype=np.float64) for name in ("atr", "cost"))
    prices = [np.ascontiguousarray(bars_1min[name], dtype=np.float64) for name in ("open", "high", "low", "close")]
    problems = []
    if np.any(np.diff(open_us) <= 0):
        problems.append("bars_1min: open_time has to increase")
    if np.any(np.diff(decision_us) <= 0):
        problems.append("labels: decision_time has to increase strictly")
    for name, wrong in (("atr > 0", ~(atr > 0)), ("cost >= 0", ~(cost >= 0)), ("finite", ~np.isfinite(atr + cost))):
        if wrong.any():
            first = labels["decision_time"].iloc[int(np.flatnonzero(wrong)[0])]
            problems.append(f"labels: expected {name}, broken in {int(wrong.sum())} rows, first at {first}")
    if problems:
        raise BadInputError("simulator: " + "; ".join(problems) + ". Hand over eligible decisions in time order.")
    walked = walk_to_barrier(open_us, *prices, decision_us, barriers.k_up * atr, barriers.k_down * atr, vertical_us)
    entry, exit_long, exit_short, t1_us = walked[0], walked[5], walked[6], walked[7]
    found = entry != NO_ENTRY
    entry_us = np.full(len(entry), np.iinfo(np.int64).min, dtype=np.int64)
    entry_price = np.full(len(entry), np.nan)
    entry_us[found], entry_price[found] = open_us[entry[found]], prices[0][entry[found]]
    return PricedDecisions(
        decision_us=decision_us,
        entry_us=entry_us,
        exit_us=t1_us,
        entry_price=entry_price,
        exit_long=exit_long,
        exit_short=exit_short,
        cost=cost,
        trade_day=dates_days(labels["trade_date"]),
    )


def positions_taken(side: np.ndarray, priced: PricedDecisions) -> np.ndarray:
    """Positions of the decisions that become trades, int64, increasing.

    One position at a time: a signal is ignored while a trade is open. A trade is closed at its ``exit_time`` (the
    close of the minute that touched, or the vertical time), so a decision **at exactly that moment** may enter again:
    its entry is the open of a later minute. A decision without an entry minute takes no trade and blocks nothing.
    """
    signal = np.ascontiguousarray(side, dtype=np.int8)
    if len(signal) != len(priced):
        raise BadInputError(f"simulator: {len(signal)} sides for {len(priced)} decisions")
    signal = np.where(np.isfinite(priced.entry_price), signal, np.int8(0))
    return _sequential(signal, priced.decision_us, priced.exit_us)


@numba.njit(cache=True)
def _sequential(side: np.ndarray, decision_us: np.ndarray, exit_us: np.ndarray) -> np.ndarray:
    taken = np.empty(len(side), dtype=np.int64)
    count = 0
    free_us = np.iinfo(np.int64).min
    for i in range(len(side)):
        if side[i] != 0 and decision_us[i] >= free_us:
            taken[count] = i
            count += 1
            free_us = exit_us[i]
    return taken[:count].copy()


def simulate(
    decision_us: np.ndarray,
    side: np.ndarray,
    labels: pd.DataFrame,
    bars_1min: pd.DataFrame,
    instrument: Instrument,
    barriers: Barriers,
) -> pd.DataFrame:
    """Trade one contract on the given sides.

    Parameters
    ----------
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing; each must be an eligible row of ``labels``.
    side : ndarray of int8, shape (N,)
        +1 enter long, -1 enter short, 0 stay out. Must rest on what was known at the decision.
    labels : DataFrame
        Geometry per decision (see :func:`price_decisions`); further rows are ignored.
    bars_1min : DataFrame
        Traded minutes.
    instrument : Instrument
        Dollars of a point.
    barriers : Barriers
        Distances in ATR.

    Returns
    -------
    DataFrame
        Schema ``trades`` without model and period, in decision order.

    Raises
    ------
    BadInputError
        A decision that ``labels`` does not hold, or broken input.
    """
    geometry = rows_at(labels, np.asarray(decision_us, dtype=np.int64))
    return trades_table(side, price_decisions(geometry, bars_1min, barriers), instrument)


def trades_table(side: np.ndarray, priced: PricedDecisions, instrument: Instrument) -> pd.DataFrame:
    """Trades that the sides become, schema ``trades`` without model and period."""
    taken = positions_taken(side, priced)
    chosen = np.asarray(side, dtype=np.int8)[taken]
    points = priced.net_points(taken, chosen)
    return pd.DataFrame(
        {
            "decision_time": from_us(priced.decision_us[taken]),
            "side": chosen,
            "entry_time": from_us(priced.entry_us[taken]),
            "exit_time": from_us(priced.exit_us[taken]),
            "entry_price": priced.entry_price[taken],
            "exit_price": np.where(chosen > 0, priced.exit_long[taken], priced.exit_short[taken]),
            "cost": priced.cost[taken],
            "net_points": points,
            "net_dollars": points * instrument.point_dollars,
            "trade_date": from_days(priced.trade_day[taken]),
        },
        columns=list(TRADE_COLUMNS),
    )


def rows_at(labels: pd.DataFrame, decision_us: np.ndarray) -> pd.DataFrame:
    """Rows of ``labels`` at the given decision times, in that order: a join by key, never by position.

    Raises
    ------
    BadInputError
        If a decision is not there, or is there but not eligible.
    """
    have = times_us(labels["decision_time"], "labels.decision_time")
    at = np.searchsorted(have, decision_us)
    found = (at < len(have)) & (have[np.minimum(at, len(have) - 1)] == decision_us) if len(have) else at < 0
    if not found.all():
        missing = decision_us[~found]
        raise BadInputError(
            f"{len(missing)} of {len(decision_us)} decisions have no row in labels, first {from_us(missing[:1])[0]}; "
            "predictions and labels have to come from one run of the partition"
        )
    rows = labels.iloc[at]
    if "eligible" in rows.columns and not bool(rows["eligible"].all()):
        masked = rows.loc[~rows["eligible"], "decision_time"]
        raise BadInputError(f"{len(masked)} scored decisions have no label (masked), first {masked.iloc[0]}")
    return rows.reset_index(drop=True)


def _need(frame: pd.DataFrame, names: tuple[str, ...], what: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise BadInputError(f"simulator: {what} lacks the columns {missing}")
