"""Which base bars of a contract are labelled, with which barriers, costs and events: the ``labels`` table.

Neighbours: :mod:`factory_assets.labels.triple_barrier` gives the outcomes, :mod:`factory_assets.labels.events` the
sample, :mod:`factory_assets.labels.weights` the uniqueness; :mod:`factory_assets.labels.invariants` checks the table
without any of them. Splitting the table by the study's dates, and sealing a part of it, happens in orchestration.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.indicators import atr_percent
from factory_assets.labels.costs import decision_costs
from factory_assets.labels.events import cusum_events
from factory_assets.labels.triple_barrier import TripleBarrierOutcome, triple_barrier
from factory_assets.labels.weights import average_uniqueness
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError
from factory_assets.vocabulary.frames import dates_days, from_us, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.schemas import LABELS
from factory_assets.vocabulary.settings import Barriers, LabelSettings

MASK_REASONS = ("", "too_late", "no_atr", "no_entry", "unfinished")
"""Values of ``mask_reason`` in order of precedence; empty marks a labelled row."""

_NO_ROLL_US = np.iinfo(np.int64).max // 60_000_000 * 60_000_000  # past every data, and still on a whole minute


@dataclass(frozen=True, kw_only=True)
class _Decisions:
    """Base bars as decisions: everything known at their close, shape (N,)."""

    t0_us: np.ndarray
    trade_day: np.ndarray
    flat_us: np.ndarray
    roll_us: np.ndarray
    atr: np.ndarray
    cost: np.ndarray
    high_volatility: np.ndarray
    adjusted_close: np.ndarray
    clock_us: np.ndarray


def label_decisions(
    bars_5min: pd.DataFrame,
    bars_1min: pd.DataFrame,
    sessions: Sessions,
    instrument: Instrument,
    barriers: Barriers,
    settings: LabelSettings,
    horizon: int,
    *,
    from_day: int | None = None,
) -> pd.DataFrame:
    """Label every base bar of one contract, or say why it has no label.

    A row without a label keeps its place (``eligible`` False, outcome columns null) under the first reason that holds:
    ``too_late`` (fewer than ``horizon`` scheduled base-bar closes remain to flat time), ``no_atr`` (warm-up, or prices
    that have not moved), ``unfinished`` (no barrier touched and the bars end before the vertical time: the outcome is
    not known yet) and ``no_entry`` (no minute opens between the decision and the vertical time).

    Parameters
    ----------
    bars_5min, bars_1min : DataFrame
        Ladder bars of the contract with the columns of ``bars_5min`` and ``bars_1min``, in time order, traded prices.
    sessions : Sessions
        Sessions that hold every bar.
    instrument : Instrument
        Ticks and costs.
    barriers : Barriers
        Geometry of the horizon.
    settings : LabelSettings
        Events and cost history.
    horizon : int
        Base bars that have to remain to flat time.
    from_day : int, optional
        First session to label, days since 1970. Earlier bars are history behind ATR, costs and events alone: no
        outcome of theirs is walked, and no row of theirs is returned. None labels everything.

    Returns
    -------
    DataFrame
        The columns of the ``labels`` table (without contract and horizon), one row a base bar, in time order.
        ``decision_time``, ``trade_date``, ``t0``, ``atr``, ``vertical_time``, ``cost`` and ``high_volatility`` are
        known at the decision; everything else, eligibility included, at ``t1``. ``label`` is float64, NaN if masked.

    Raises
    ------
    NaiveTimestampError
        Bars without a time zone.
    BadInputError
        Bars outside the sessions or off their clock, of another trade date than theirs, unsorted or not finite; base
        bars and minutes of different expiries.
    ConfigurationError
        A horizon below 1, or events of an unknown kind.
    """
    if horizon < 1:
        raise ConfigurationError(f"labels of {instrument.symbol}: expected a horizon of at least 1 bar, got {horizon}")
    if settings.events not in {"cusum", "all"}:
        raise ConfigurationError(f"[labels] events: expected 'cusum' or 'all', got {settings.events!r}")
    decisions = _decisions(bars_5min, bars_1min, sessions, instrument, settings)
    reason = np.zeros(len(decisions.t0_us), dtype=np.int8)
    reason[~(decisions.atr > 0)] = MASK_REASONS.index("no_atr")
    reason[_closes_left(decisions) < horizon] = MASK_REASONS.index("too_late")
    first = 0 if from_day is None else int(np.searchsorted(decisions.trade_day, from_day))
    walked = first + np.flatnonzero(reason[first:] == 0)
    outcome = _outcomes(bars_1min, decisions, walked, barriers)
    open_us = times_us(bars_1min["open_time"], "bars_1min.open_time")
    known_us = int(times_us(bars_1min["close_time"], "bars_1min.close_time")[-1]) if len(open_us) else 0
    untouched = np.isnan(outcome.minutes_to_touch)
    reason[walked[~outcome.has_entry]] = MASK_REASONS.index("no_entry")
    reason[walked[untouched & (outcome.vertical_us > known_us)]] = MASK_REASONS.index("unfinished")
    event = reason == 0
    if settings.events == "cusum":
        event &= cusum_events(
            decisions.adjusted_close,
            sigma_multiple=settings.cusum_sigma_multiple,
            span_bars=settings.cusum_span_bars,
        )
    return _table(decisions, outcome, walked, reason, event).iloc[first:].reset_index(drop=True)


def _decisions(
    bars_5min: pd.DataFrame,
    bars_1min: pd.DataFrame,
    sessions: Sessions,
    instrument: Instrument,
    settings: LabelSettings,
) -> _Decisions:
    where = f"labels of {instrument.symbol}"
    t0_us = times_us(bars_5min["close_time"], f"{where}: bars_5min.close_time")
    trade_day = dates_days(bars_5min["trade_date"])
    session = sessions.locate(times_us(bars_5min["open_time"], f"{where}: bars_5min.open_time"))
    minute_us = times_us(bars_1min["open_time"], f"{where}: bars_1min.open_time")
    clock_us = sessions.base_clock_us()
    problems = []
    outside = np.flatnonzero(session < 0)
    if len(outside):
        problems.append(f"{len(outside)} base bars are in no session, the first at row {outside[0]}")
    else:
        wrong = np.flatnonzero(sessions.trade_day[session] != trade_day)
        if len(wrong):
            problems.append(f"{len(wrong)} base bars carry another trade date, the first at row {wrong[0]}")
    slot = np.searchsorted(clock_us, t0_us)
    off = np.flatnonzero((slot >= len(clock_us)) | (clock_us[np.minimum(slot, len(clock_us) - 1)] != t0_us))
    if len(off):
        problems.append(f"{len(off)} base bars close off the session clock, the first at row {off[0]}")
    if len(t0_us) > 1 and not bool(np.all(np.diff(t0_us) > 0)):
        problems.append("base bars are not in time order")
    if problems:
        raise BadInputError(f"{where}: " + "; ".join(problems) + ". Pass one contract's ladder and its own sessions.")
    atr_pct = atr_percent(bars_5min)
    close = bars_5min["close"].to_numpy(np.float64)
    cost, high = decision_costs(atr_pct, trade_day, instrument, settings.cost_history_sessions)
    return _Decisions(
        t0_us=t0_us,
        trade_day=trade_day,
        flat_us=sessions.flat_us[session],
        roll_us=_next_roll_us(bars_5min, bars_1min, t0_us, minute_us, sessions, where),
        atr=atr_pct * close,
        cost=cost,
        high_volatility=high,
        adjusted_close=close * bars_5min["adjustment_ratio"].to_numpy(np.float64),
        clock_us=clock_us,
    )


def _next_roll_us(
    bars_5min: pd.DataFrame,
    bars_1min: pd.DataFrame,
    t0_us: np.ndarray,
    minute_us: np.ndarray,
    sessions: Sessions,
    where: str,
) -> np.ndarray:
    """Open of the session at which the series changes expiry next, for each decision."""
    names = pd.CategoricalDtype(sorted({*bars_1min["expiry"].unique(), *bars_5min["expiry"].unique()}))
    minute_expiry = bars_1min["expiry"].astype(names).cat.codes.to_numpy()
    bar_expiry = bars_5min["expiry"].astype(names).cat.codes.to_numpy()
    changed = np.flatnonzero(np.diff(minute_expiry) != 0) + 1
    roll_session = sessions.locate(minute_us[changed])
    if bool(np.any(roll_session < 0)):
        row = changed[np.flatnonzero(roll_session < 0)[0]]
        raise BadInputError(f"{where}: bars_1min row {row} is in no session. Pass the contract's own sessions.")
    # A change inside a session (never the roll rule's doing) counts from its first minute, not from the open.
    inside = sessions.locate(minute_us[changed - 1]) == roll_session
    rolls_us = np.where(inside, minute_us[changed], sessions.open_us[roll_session])
    following = np.searchsorted(rolls_us, t0_us, side="left")
    expected = minute_expiry[np.concatenate(([0], changed))][following] if len(minute_us) else bar_expiry
    wrong = np.flatnonzero(expected != bar_expiry)
    if len(wrong):
        raise BadInputError(
            f"{where}: {len(wrong)} base bars are of another expiry than the minutes around them, the first at row "
            f"{wrong[0]} ({bars_5min['expiry'].iloc[wrong[0]]}). Build both from the same canonical bars."
        )
    return np.append(rolls_us, _NO_ROLL_US)[following]


def _closes_left(decisions: _Decisions) -> np.ndarray:
    """Scheduled base-bar closes after the decision and not after flat time; negative past flat time."""
    clock = decisions.clock_us
    return np.searchsorted(clock, decisions.flat_us, side="right") - np.searchsorted(
        clock, decisions.t0_us, side="right"
    )


def _outcomes(
    bars_1min: pd.DataFrame, decisions: _Decisions, rows: np.ndarray, barriers: Barriers
) -> TripleBarrierOutcome:
    return triple_barrier(
        bars_1min["open_time"],
        bars_1min["open"],
        bars_1min["high"],
        bars_1min["low"],
        bars_1min["close"],
        decisions.t0_us[rows],
        decisions.atr[rows],
        k_up=barriers.k_up,
        k_down=barriers.k_down,
        max_bars=barriers.max_bars,
        flat_time=decisions.flat_us[rows],
        roll_time=decisions.roll_us[rows],
        cost=decisions.cost[rows],
    )


def _table(
    decisions: _Decisions, outcome: TripleBarrierOutcome, walked: np.ndarray, reason: np.ndarray, event: np.ndarray
) -> pd.DataFrame:
    n = len(reason)
    kept = np.flatnonzero(reason[walked] == 0)
    rows = walked[kept]

    def times(values_us: np.ndarray) -> pd.DatetimeIndex:
        full = np.full(n, np.iinfo(np.int64).min, dtype=np.int64)
        full[rows] = values_us[kept]
        return from_us(full)

    def floats(values: np.ndarray) -> np.ndarray:
        full = np.full(n, np.nan)
        full[rows] = values[kept]
        return full

    tie = np.zeros(n, dtype=bool)
    tie[rows] = outcome.tie[kept]
    uniqueness = np.full(n, np.nan)
    sample = event[rows]
    uniqueness[rows[sample]] = average_uniqueness(
        outcome.t0_us[kept][sample], outcome.t1_us[kept][sample], decisions.clock_us
    )
    columns: dict[str, Any] = {
        "decision_time": from_us(decisions.t0_us),
        "trade_date": decisions.trade_day.astype("datetime64[D]").astype("datetime64[ms]"),
        "t0": from_us(decisions.t0_us),
        "t1": times(outcome.t1_us),
        "label": floats(outcome.label),
        "tie": tie,
        "eligible": reason == 0,
        "mask_reason": pd.Categorical.from_codes(reason, categories=list(MASK_REASONS)),
        "event": event,
        "entry_time": times(outcome.entry_us),
        "vertical_time": times(outcome.vertical_us),
        "atr": np.where(decisions.atr > 0, decisions.atr, np.nan),
        "cost": decisions.cost,
        "high_volatility": decisions.high_volatility,
        "uniqueness": uniqueness,
    }
    prices = ("entry_price", "upper", "lower", "exit_long", "exit_short", "net_long", "net_short")
    columns |= {name: floats(getattr(outcome, name)) for name in (*prices, "minutes_to_touch", "mae", "mfe")}
    return pd.DataFrame({column.name: columns[column.name] for column in LABELS.columns})
