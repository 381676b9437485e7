"""When the hidden Markov model is estimated, and from which sessions: on each quarter's first, from earlier ones alone.

Belongs here: the rule. Does not: the arithmetic (:mod:`factory_assets.features.hmm`), nor the proof on a partition's
own bars that no later one enters (:mod:`factory_assets.features.regime_causality`).
"""

from typing import TYPE_CHECKING

import numpy as np

from factory_assets.features import hmm
from factory_assets.features.regime_table import RegimeQuarter, RegimeTable
from factory_assets.features.spec import SESSION_MINUTES_MAX
from factory_assets.market.sessions import SessionCalendar

if TYPE_CHECKING:
    from factory_assets.features.bars import Bars

HISTORY_SESSIONS = 120
"""Complete sessions an estimate needs and is made from: the last ones before the quarter."""

# Row visits an estimate may cost, and the iterations that leaves, by timeframe alone. On two years of gold every
# estimate ends within half a unit of the log likelihood that 2,000 iterations reach; sampling error of its nine free
# parameters is worth nine times as much.
_ROW_VISITS = 1_000_000
_ITERATIONS_MIN, _ITERATIONS_MAX = 50, 200
# One-minute bars of every fourth session are as many as five-minute bars of all; four and the five weekdays share no
# divisor, so every weekday enters.
_SESSIONS_STEP = {1: 4}


def estimate_regimes(bars: "Bars") -> RegimeTable:
    """Parameters of every quarter the bars reach into, and of the next one if they end with the session before it.

    Parameters
    ----------
    bars : Bars
        All history of one contract and timeframe.

    Returns
    -------
    RegimeTable
        Contiguous quarters from that of the first bar on. A quarter's row depends on no bar of its first session or
        later, and never changes once a bar of that session is there: history is append-only.
    """
    quarters = tuple(estimate_quarter(bars, *span) for span in quarters_of(bars))
    return RegimeTable(contract=bars.instrument.symbol, minutes=bars.minutes, quarters=quarters)


def quarters_of(bars: "Bars") -> list[tuple[int, int]]:
    """First scheduled session of each quarter the bars reach into, and of the one after it, days since 1970.

    Sessions are scheduled years ahead, so the end of a quarter is known at its beginning.
    """
    if len(bars) == 0:
        return []
    calendar = SessionCalendar.of(bars.instrument).sessions
    days = calendar.trade_day
    quarter = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) // 3
    firsts = days[np.diff(quarter, prepend=quarter[0] - 1) != 0]
    reached = int(bars.trade_day[-1])
    place = int(np.searchsorted(days, reached))
    over = place + 1 < len(days) and days[place] == reached and int(bars.close_us[-1]) >= int(calendar.close_us[place])
    begin, end = np.searchsorted(firsts, [int(bars.trade_day[0]), int(days[place + 1]) if over else reached], "right")
    return [(int(firsts[at]), int(firsts[at + 1])) for at in range(max(int(begin) - 1, 0), int(end))]


def estimate_quarter(bars: "Bars", valid_from: int, valid_to: int) -> RegimeQuarter:
    """Parameters of one quarter, from the :data:`HISTORY_SESSIONS` complete sessions before it.

    The first session of the bars may have begun before they do and never counts as complete.

    Parameters
    ----------
    bars : Bars
        History; bars of sessions from ``valid_from`` on are not looked at.
    valid_from, valid_to : int
        First scheduled session of the quarter and of the next, days since 1970.
    """
    stop = int(np.searchsorted(bars.trade_day, valid_from))
    day = bars.trade_day[:stop]
    complete = np.flatnonzero(day[1:] != day[:-1]) + 1
    known_day = int(bars.trade_day[max(stop - 1, 0)])
    used = complete[-HISTORY_SESSIONS:]
    if len(used) < HISTORY_SESSIONS:
        return RegimeQuarter(
            valid_from=valid_from,
            valid_to=valid_to,
            known_day=known_day,
            sessions=len(used),
            rows=0,
            first_day=None,
            variance=None,
            transition=None,
        )
    step = _SESSIONS_STEP.get(bars.minutes, 1)
    ends = np.append(used[1:], stop)
    chosen = slice((HISTORY_SESSIONS - 1) % step, None, step)  # the last session is always one of them
    parts = [bars.squared_return[a:b] for a, b in zip(used[chosen], ends[chosen], strict=True)]
    squared = np.concatenate(parts)
    bounds = np.cumsum([0, *(len(part) for part in parts)])
    variance, transition, _ = hmm.estimate(squared, bounds, iterations_of(bars.minutes))
    return RegimeQuarter(
        valid_from=valid_from,
        valid_to=valid_to,
        known_day=known_day,
        sessions=len(used),
        rows=len(squared),
        first_day=int(bars.trade_day[used[0]]),
        variance=tuple(variance.tolist()),
        transition=tuple(tuple(row) for row in transition.tolist()),
    )


def iterations_of(minutes: int) -> int:
    """Iterations of an estimate, a function of the timeframe alone: fewer where there are more bars to go through."""
    step = _SESSIONS_STEP.get(minutes, 1)
    scheduled = HISTORY_SESSIONS * SESSION_MINUTES_MAX // (minutes * step)
    return min(max(_ROW_VISITS // scheduled, _ITERATIONS_MIN), _ITERATIONS_MAX)
