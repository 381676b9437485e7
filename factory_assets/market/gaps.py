"""Gaps of the canonical series: where the market, or the vendor, was silent for longer than it ever usually is.

Belongs here: the list of gaps and what explains each. Does not: how long a wait usually is
(:mod:`factory_assets.market.waits`), or how much of each session traded (:mod:`factory_assets.market.coverage`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from factory_assets.market.sessions import REGULAR_MINUTES, SessionCalendar, Sessions
from factory_assets.market.waits import POOLS, Judgement, Waits, unusual_waits, waits_of, weekdays
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, from_us, times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

EXPLANATIONS: tuple[str, ...] = ("calendar", "other_expiries_silent", "quarantined", "unexplained")
AROUND_MINUTES = 60
"""Within how much of a gap other months have to have traded for their silence in it to mean anything.

As long as the daily break, so that no trade of another session bears witness.
"""
CALENDAR_EDGE_MINUTES = 60
"""Scheduled minutes before an early close, and behind the open after a holiday, whose silence the calendar explains.

There trading thins out or begins late. A longer silence, or one further inside, is no matter of the calendar even where
it reaches the edge: the market is open, and the other months say whether it traded.
"""


@dataclass(frozen=True, eq=False)
class Gaps:
    """Listed gaps and their counts.

    Attributes
    ----------
    table : DataFrame
        Per ``schemas.GAPS`` without ``contract``, in time order.
    counts : mapping of str to int
        ``waits`` (a minute or longer), ``listed``, one count an explanation, ``unjudged`` (too little history before
        them), ``longest_unjudged_minutes`` and ``rows_without_volume`` (bars that are no trade).
    """

    table: pd.DataFrame
    counts: Mapping[str, int]


class _Gap(NamedTuple):
    """What an explanation has to know of a gap."""

    expiry: str
    start_us: int
    end_us: int
    usual_minutes: int


@dataclass(frozen=True, eq=False)
class _Trades:
    """Rows of delivery months in time order: when, and of which month (a position in ``names``)."""

    open_us: np.ndarray
    code: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "_Trades":
        open_us = times_us(rows["open_time"])
        # Runs of ordered times, one a month, which a stable sort merges.
        order = np.argsort(open_us, kind="stable")
        expiry = rows["expiry"].astype("category").cat
        return cls(open_us[order], expiry.codes.to_numpy()[order], [str(name) for name in expiry.categories])

    def between(self, start_us: int, end_us: int) -> "_Trades":
        first, last = np.searchsorted(self.open_us, [start_us, end_us])
        return _Trades(self.open_us[first:last], self.code[first:last], self.names)

    def of_month(self, expiry: str) -> "_Trades":
        return self._where(self.code == self._code(expiry))

    def of_others(self, expiry: str) -> "_Trades":
        return self._where(self.code != self._code(expiry))

    def _where(self, rows: np.ndarray) -> "_Trades":
        return _Trades(self.open_us[rows], self.code[rows], self.names)

    def _code(self, expiry: str) -> int:
        return self.names.index(expiry) if expiry in self.names else -1

    @property
    def months(self) -> int:
        return len(np.unique(self.code))

    @property
    def minutes(self) -> int:
        return len(np.unique(self.open_us // MINUTE_US))


def find_gaps(canonical: pd.DataFrame, raw: pd.DataFrame, quarantine: pd.DataFrame, calendar: SessionCalendar) -> Gaps:
    """List every gap longer than the 99.9th percentile for its minute of the week, and explain it.

    A gap is a run of scheduled minutes of one session without a trade of the front month, also at the session's
    edges; the limits are those of :func:`factory_assets.market.waits.unusual_waits`. Some vendors fill silent minutes
    with rows of zero volume: such a bar is no trade (:func:`is_trade`). Explanations, the first that holds:

    ``quarantined``
        The front month's rows in the gap were set aside; with them no part of it would be longer than usual.
    ``calendar``
        No other delivery month traded in the gap, and it lies wholly in the last :data:`CALENDAR_EDGE_MINUTES` before
        the close of a shortened session, or in as many behind the open after a weekday without a session.
    ``other_expiries_silent``
        No other delivery month traded in the gap, though some did within an hour of it. So the market paused, or the
        vendor lost all months at once; it is not the front month's rows alone that are lacking.
    ``unexplained``
        Other months traded in the gap, or the files hold none that could bear witness.

    Parameters
    ----------
    canonical : DataFrame
        Table ``canonical_bars``.
    raw : DataFrame
        Columns ``expiry``, ``open_time`` and ``volume`` of the table ``raw_minutes`` the bars were made of; a row of
        zero volume is no trade.
    quarantine : DataFrame
        Table ``quarantine`` made along with the bars.
    calendar : SessionCalendar
        Sessions of the contract.

    Returns
    -------
    Gaps
        A row is known when its gap has lasted longer than usual, its evidence when its session has ended. Later
        sessions change no row; the wait behind the newest bar is not listed until a later session has a bar.

    Raises
    ------
    BadInputError
        No bars, or a bar outside every session.
    """
    open_us = times_us(canonical["open_time"], "canonical_bars.open_time")
    if (sessions_of(canonical, calendar).locate(open_us) < 0).any():
        raise BadInputError("canonical_bars: bars outside every session; build the table again")
    traded = is_trade(canonical)
    open_us, sessions = open_us[traded], sessions_of(canonical[traded], calendar)
    notes = calendar.notes(sessions)
    waits = waits_of(open_us, sessions)
    judged = unusual_waits(waits, weekdays(sessions), np.array([not note for note in notes]))
    table = _table(waits, judged, sessions, fronts_of(canonical, sessions))
    trades = _Trades.of(raw.loc[raw["volume"].to_numpy() != 0, ["expiry", "open_time"]])
    refused = _Trades.of(quarantine[["expiry", "open_time"]])
    session = waits.session[judged.wait]
    start_us, end_us = times_us(table["start_time"]), times_us(table["end_time"])
    at_edge = _at_calendar_edge(start_us, end_us, session, sessions, calendar)
    found = [
        _explained(_Gap(*gap), note, trades, refused)
        for *gap, note in zip(
            table["expiry"].astype(str),
            start_us.tolist(),
            end_us.tolist(),
            table["usual_minutes"].tolist(),
            [notes[s] if edge else "" for s, edge in zip(session.tolist(), at_edge.tolist(), strict=True)],
            strict=True,
        )
    ]
    table["explanation"] = pd.Categorical([name for name, _ in found], categories=list(EXPLANATIONS))
    table["evidence"] = pd.Categorical([text for _, text in found])
    counts = {
        "waits": int((waits.length > 0).sum()),
        "listed": len(table),
        **{name: int((table["explanation"] == name).sum()) for name in EXPLANATIONS},
        "unjudged": judged.unjudged,
        "longest_unjudged_minutes": judged.longest_unjudged,
        "rows_without_volume": int((~traded).sum()),
    }
    return Gaps(table=table, counts=counts)


def longest_unexplained(gaps: pd.DataFrame, number: int = 10) -> str:
    """The longest gaps that nothing explains, one line a gap: when, how long, how long is usual, and the evidence."""
    rows = gaps[gaps["explanation"] == "unexplained"].nlargest(number, "missing_minutes")
    return "\n".join(
        f"{row.start_time:%Y-%m-%d %H:%M} UTC {row.expiry}: {row.missing_minutes} minutes, usual {row.usual_minutes}; "
        f"{row.evidence}"
        for row in rows.itertuples(index=False)
    )


def is_trade(canonical: pd.DataFrame) -> np.ndarray:
    """Which canonical bars are trades, bool shape (N,): not those of zero volume, where the series tells any volume.

    Without volume (NaN), or with zeros alone, nothing tells a filler from a trade, and every bar counts.
    """
    volume = canonical["volume"].to_numpy()
    return volume != 0 if (volume > 0).any() else np.ones(len(volume), dtype=np.bool_)


def sessions_of(canonical: pd.DataFrame, calendar: SessionCalendar) -> Sessions:
    """Scheduled sessions from the first to the last one that has a canonical bar.

    Raises
    ------
    BadInputError
        If there are no bars.
    """
    if canonical.empty:
        raise BadInputError("canonical_bars: no bars, so there are no sessions to look for gaps in")
    first, last = from_days(dates_days(canonical["trade_date"].iloc[[0, -1]])).astype("datetime64[D]").tolist()
    return calendar.between(first, last)


def fronts_of(canonical: pd.DataFrame, sessions: Sessions) -> np.ndarray:
    """Front month of each session, text of shape (S,); a session without a bar keeps the front before it."""
    days = pd.Series(dates_days(canonical["trade_date"]))
    first = ~days.duplicated().to_numpy()
    front = pd.Series(canonical["expiry"].astype(str).to_numpy(dtype=object)[first], index=days[first])
    return front.reindex(sessions.trade_day).ffill().to_numpy(dtype=object)


def _table(waits: Waits, judged: Judgement, sessions: Sessions, fronts: np.ndarray) -> pd.DataFrame:
    session = waits.session[judged.wait]
    start_us = sessions.open_us[session] + waits.minute[judged.wait] * MINUTE_US
    length = waits.length[judged.wait]
    return pd.DataFrame(
        {
            "expiry": pd.Categorical(fronts[session]),
            "trade_date": from_days(sessions.trade_day[session]),
            "start_time": from_us(start_us),
            "end_time": from_us(start_us + length * MINUTE_US),
            "missing_minutes": length,
            "usual_minutes": judged.usual,
            "observations": judged.observations,
            "pool": pd.Categorical.from_codes(judged.pool, [name for name, _, _ in POOLS]),
        }
    )


def _at_calendar_edge(
    start_us: np.ndarray, end_us: np.ndarray, session: np.ndarray, sessions: Sessions, calendar: SessionCalendar
) -> np.ndarray:
    """Which gaps lie wholly beside an early close or the open after a holiday, bool shape (G,)."""
    opens, closes = sessions.open_us[session], sessions.close_us[session]
    shortened = closes - opens < REGULAR_MINUTES * MINUTE_US
    days = calendar.sessions.trade_day.astype("datetime64[D]")
    weekdays_since_last = np.concatenate([[1], np.busday_count(days[:-1], days[1:])])
    behind_holiday = weekdays_since_last[np.searchsorted(calendar.sessions.trade_day, sessions.trade_day[session])] > 1
    edge_us = CALENDAR_EDGE_MINUTES * MINUTE_US
    return (shortened & (start_us >= closes - edge_us)) | (behind_holiday & (end_us <= opens + edge_us))


def _explained(gap: _Gap, calendar_note: str, trades: _Trades, refused: _Trades) -> tuple[str, str]:
    """Explanation of one gap and the evidence for it; ``calendar_note`` is empty where the calendar cannot explain."""
    start_us, end_us = gap.start_us, gap.end_us
    set_aside = np.unique(refused.between(start_us, end_us).of_month(gap.expiry).open_us // MINUTE_US)
    edges = np.concatenate([[start_us // MINUTE_US - 1], set_aside, [end_us // MINUTE_US]])
    if (np.diff(edges) - 1).max() <= gap.usual_minutes:
        return "quarantined", f"rows of {len(set_aside)} of its minutes were quarantined"
    inside = trades.between(start_us, end_us).of_others(gap.expiry)
    if len(inside.open_us):
        months = "1 other month" if inside.months == 1 else f"{inside.months} other months"
        return "unexplained", f"{months} traded in {inside.minutes} of its minutes"
    reach_us = AROUND_MINUTES * MINUTE_US
    before = trades.between(start_us - reach_us, start_us).of_others(gap.expiry)
    behind = trades.between(end_us, end_us + reach_us).of_others(gap.expiry)
    witnesses = (
        f"no other month traded in it; {before.months} did in {before.minutes} minutes of the hour before, "
        f"{behind.months} in {behind.minutes} minutes of the hour behind"
    )
    if calendar_note:
        return "calendar", f"session {calendar_note}; {witnesses}"
    if before.months or behind.months:
        return "other_expiries_silent", witnesses
    return "unexplained", "no other month traded within an hour of it"
