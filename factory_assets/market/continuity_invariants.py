"""What has to be true of gaps and coverage, recomputed from bars and raw rows along another way.

The makers work on session positions and minute counts; here everything is Chicago wall-clock times, the calendar
library's own schedule and pandas joins. Neighbours: :mod:`factory_assets.market.gaps` and
:mod:`factory_assets.market.coverage` make the tables.
"""

import numpy as np
import pandas as pd

from factory_assets.market.counted_verdict import counted_verdict
from factory_assets.market.gaps import CALENDAR_EDGE_MINUTES
from factory_assets.market.session_corrections import SESSION_CORRECTIONS
from factory_assets.market.sessions import CHICAGO, SessionCalendar
from factory_assets.market.waits import OBSERVATIONS_MIN, POOLS
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.verdict import Verdict

SHARE_DROP = 0.75
"""A session warns if its share of traded minutes falls below this part of the median of the sessions before it."""
SHARE_HISTORY_SESSIONS = (5, 20)
"""Fewest and most sessions that median is taken from."""
SILENT_EDGE_MINUTES = 30
"""A session warns if all months are silent for so long at its scheduled open or close."""

_SAMPLED = 20
_NAMED = 5
_MINUTE = pd.Timedelta(minutes=1)


def coverage_invariants(
    canonical: pd.DataFrame,
    quarantine: pd.DataFrame,
    gaps: pd.DataFrame,
    coverage: pd.DataFrame,
    instrument: Instrument,
    calendar: SessionCalendar,
) -> list[Verdict]:
    """Judge the table ``coverage`` before it is written.

    Returns
    -------
    list of Verdict
        ``coverage_accounts_for_bars`` (blocking): every bar, gap and quarantined row is counted in the session it
        lies in by Chicago wall clock, bars with and without a trade apart, and every scheduled session is there.
        Warnings, with the sessions' names:
        ``session_shares_steady`` (the share of traded minutes collapses) and ``schedule_is_traded`` (no delivery
        month trades at a session's edge, or all day: the calendar is wrong or data are lacking).
    """
    return [
        _accounts_for_bars(canonical, quarantine, gaps, coverage, _schedule(coverage, instrument, calendar.name)),
        _shares_steady(coverage),
        _schedule_is_traded(coverage),
    ]


def gap_invariants(
    canonical: pd.DataFrame, raw: pd.DataFrame, quarantine: pd.DataFrame, gaps: pd.DataFrame, coverage: pd.DataFrame
) -> list[Verdict]:
    """Judge the table ``gaps`` before it is written.

    Returns
    -------
    list of Verdict
        All blocking. ``gaps_hold_no_bar``: each gap lies in one session, holds no bar that traded, and ends at one or
        at the session's edge. ``gap_limits_recomputed``: of 40 waits, the longest and others spread over time, those
        above their percentile are listed, and no other. ``gap_explanations_recomputed``: other months traded in
        exactly the gaps that say so, and the calendar explains exactly those silent ones that lie within an hour of an
        early close or of the open after a holiday.
    """
    traded = _trades(canonical)
    waits = _waits(traded, coverage)
    return [
        _hold_no_bar(traded, gaps, coverage),
        _limits(waits, gaps),
        _explanations(raw, quarantine, gaps, coverage),
    ]


def _trades(canonical: pd.DataFrame) -> pd.DataFrame:
    """Bars without those of zero volume, unless no bar tells a volume."""
    return canonical.query("volume != 0") if canonical["volume"].max() > 0 else canonical


def _dates(frame: pd.DataFrame, column: str = "trade_date") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(frame[column]).as_unit("us")


def _wall(times: pd.Series) -> pd.Series:
    return times.dt.tz_convert(CHICAGO).dt.tz_localize(None)


def _trade_dates(times: pd.Series) -> pd.Series:
    """Chicago date of each time, the next day's from 17:00 on."""
    return (_wall(times) + pd.Timedelta(hours=7)).dt.normalize()


def _schedule(coverage: pd.DataFrame, instrument: Instrument, calendar_name: str) -> pd.Series:
    """Chicago wall time of each scheduled session's close, from the library and the dated table, by trade date."""
    import exchange_calendars

    days = _dates(coverage)
    start, end = days.min() - pd.Timedelta(days=10), days.max() + pd.Timedelta(days=10)
    library = exchange_calendars.get_calendar(calendar_name, start=start, end=end).schedule["close"]
    closes = _wall(library).clip(upper=pd.Series(library.index + pd.Timedelta(hours=16), index=library.index))
    asset_class = "equity_index" if instrument.simulated else instrument.asset_class
    for row in SESSION_CORRECTIONS:
        if row.asset_class == asset_class:
            day = pd.Timestamp(row.trade_date)
            closes[day] = day + pd.Timedelta(hours=row.close.hour, minutes=row.close.minute)
    return closes.sort_index().loc[days.min() : days.max()]


def _accounts_for_bars(
    canonical: pd.DataFrame, quarantine: pd.DataFrame, gaps: pd.DataFrame, coverage: pd.DataFrame, closes: pd.Series
) -> Verdict:
    days = _dates(coverage)
    same_days = len(days) == len(closes) and bool((days == closes.index).all())
    closes = closes.reindex(days)
    opens = pd.Series(days - pd.Timedelta(hours=7), index=days)
    scheduled = ((closes - opens) // _MINUTE).to_numpy()

    def counted(times: pd.Series) -> np.ndarray:
        day = _trade_dates(times)
        inside = (day.map(opens) <= _wall(times)) & (_wall(times) < day.map(closes))
        return day[inside].value_counts().reindex(days, fill_value=0).to_numpy()

    bars, traded = counted(canonical["open_time"]), counted(_trades(canonical)["open_time"])
    told = coverage["traded_minutes"].to_numpy()
    listed = pd.Series(1, index=_dates(gaps)).groupby(level=0).sum().reindex(days, fill_value=0).to_numpy()
    first = canonical.drop_duplicates("trade_date")
    front = pd.Series(first["expiry"].astype(str).to_numpy(), index=_dates(first)).reindex(days).ffill()
    problems = {
        "sessions other than the schedule's": int(not same_days),
        "bars outside every session": len(canonical) - int(bars.sum()),
        "sessions whose opening differs": int((_wall(coverage["open_time"]).to_numpy() != opens.to_numpy()).sum()),
        "sessions whose close differs": int((_wall(coverage["close_time"]).to_numpy() != closes.to_numpy()).sum()),
        "sessions whose scheduled minutes differ": int((coverage["scheduled_minutes"].to_numpy() != scheduled).sum()),
        "sessions whose bars differ": int((told + coverage["zero_volume_minutes"].to_numpy() != bars).sum()),
        "sessions whose traded bars differ": int((told != traded).sum()),
        "sessions with more bars than minutes": int((bars > scheduled).sum()),
        "shares that are no quotient": int((~np.isclose(coverage["share"].to_numpy() * scheduled, traded)).sum()),
        "sessions whose gaps differ": int((coverage["listed_gaps"].to_numpy() != listed).sum()),
        "sessions whose quarantined rows differ": int(
            (coverage["quarantined"].to_numpy() != counted(quarantine["open_time"])).sum()
        ),
        "sessions with another front month": int((coverage["expiry"].astype(str).to_numpy() != front.to_numpy()).sum()),
        "sessions in which all months trade less than the front": int(
            (coverage["any_month_minutes"] < coverage["traded_minutes"]).sum()
        )
        if (canonical["volume"] != 0).any()
        else 0,
        "shortened sessions without a note": int(
            ((scheduled < scheduled.max(initial=0)) & (coverage["calendar_note"].astype(str) == "")).sum()
        ),
    }
    good = f"{len(canonical)} bars lie in {len(days)} scheduled sessions of {int(scheduled.sum())} minutes"
    return counted_verdict("coverage_accounts_for_bars", problems, good, bars=len(canonical), sessions=len(days))


def _shares_steady(coverage: pd.DataFrame) -> Verdict:
    """The newest session may still be trading, so it is no reason to warn."""
    fewest, most = SHARE_HISTORY_SESSIONS
    usual = coverage["share"].rolling(most, min_periods=fewest).median().shift()
    fallen = coverage[(coverage["share"] < SHARE_DROP * usual)].drop(index=coverage.index[-1], errors="ignore")
    named = [
        f"{row.trade_date:%Y-%m-%d} {row.share:.1%} against {usual[row.Index]:.1%}"
        for row in fallen.nsmallest(_NAMED, "share").itertuples()
    ]
    lowest = coverage["share"].min()
    return Verdict(
        name="session_shares_steady",
        passed=fallen.empty,
        summary=f"{len(fallen)} sessions below {SHARE_DROP:.0%} of the sessions before them: {', '.join(named)}"
        if named
        else f"no session of {len(coverage)} is below {SHARE_DROP:.0%} of those before it; the lowest has {lowest:.1%}",
        details={"sessions": len(fallen), "lowest_share": float(lowest)},
        blocking=False,
    )


def _schedule_is_traded(coverage: pd.DataFrame) -> Verdict:
    """The files may begin within the first session and end within the newest one."""
    at_open, at_close = coverage["silent_open_minutes"].copy(), coverage["silent_close_minutes"].copy()
    at_open.iloc[0] = at_close.iloc[-1] = 0
    silent = coverage[(at_open >= SILENT_EDGE_MINUTES) | (at_close >= SILENT_EDGE_MINUTES)]
    named = [
        f"{row.trade_date:%Y-%m-%d} (first trade {row.silent_open_minutes} minutes after the open, last one "
        f"{row.silent_close_minutes} before the close)"
        for row in silent.head(_NAMED).itertuples()
    ]
    worst = int(max(at_open.max(), at_close.max()))
    return Verdict(
        name="schedule_is_traded",
        passed=silent.empty,
        summary=f"{len(silent)} sessions in which no month trades for {SILENT_EDGE_MINUTES} minutes at an edge: "
        f"{', '.join(named)}"
        if named
        else f"some month trades within {worst} minutes of every scheduled open and close",
        details={"sessions": len(silent), "longest_silence_minutes": worst},
        blocking=False,
    )


def _spans(coverage: pd.DataFrame) -> pd.DataFrame:
    return coverage[["open_time", "close_time", "calendar_note"]].set_index(_dates(coverage))


def _hold_no_bar(canonical: pd.DataFrame, gaps: pd.DataFrame, coverage: pd.DataFrame) -> Verdict:
    span = _spans(coverage).reindex(_dates(gaps))
    opens = pd.DatetimeIndex(canonical["open_time"])
    inside = opens.searchsorted(gaps["end_time"]) - opens.searchsorted(gaps["start_time"])
    bar_before = gaps["start_time"].sub(_MINUTE).isin(opens).to_numpy()
    bar_behind = gaps["end_time"].isin(opens).to_numpy()
    start, end = pd.DatetimeIndex(gaps["start_time"]), pd.DatetimeIndex(gaps["end_time"])
    at_open, at_close = start == pd.DatetimeIndex(span["open_time"]), end == pd.DatetimeIndex(span["close_time"])
    problems = {
        "gaps that hold a bar": int((inside > 0).sum()),
        "gaps outside their session": int(((start < span["open_time"]) | (end > span["close_time"])).sum()),
        "gaps that begin behind no bar": int((~(bar_before | at_open)).sum()),
        "gaps that end before no bar": int((~(bar_behind | at_close)).sum()),
        "gaps of another length": int((((end - start) // _MINUTE) != gaps["missing_minutes"]).sum()),
        "gaps no longer than usual": int((gaps["missing_minutes"] <= gaps["usual_minutes"]).sum()),
        "percentiles of too few waits": int((gaps["observations"] < OBSERVATIONS_MIN).sum()),
        "gaps that overlap or go back": int((start[1:] < end[:-1]).sum()),
    }
    missing = int(gaps["missing_minutes"].sum())
    good = f"{len(gaps)} gaps of {missing} minutes hold no bar and end at bars or session edges"
    return counted_verdict("gaps_hold_no_bar", problems, good, gaps=len(gaps), missing_minutes=missing)


def _waits(canonical: pd.DataFrame, coverage: pd.DataFrame) -> pd.DataFrame:
    """Every wait by differences between neighbouring times: bars' ends and openings, bars' starts and closes."""
    span = _spans(coverage)
    ends = pd.concat([coverage["open_time"], canonical["close_time"]], ignore_index=True).sort_values(kind="stable")
    starts = pd.concat([coverage["close_time"], canonical["open_time"]], ignore_index=True).sort_values(kind="stable")
    first, last = canonical["open_time"].iloc[0], canonical["close_time"].iloc[-1]
    # A bar that ends at the close begins no wait.
    ends = ends[~ends.isin(coverage["close_time"]) & (ends > first) & (ends < last)].reset_index(drop=True)
    behind = pd.DatetimeIndex(starts)[pd.DatetimeIndex(starts).searchsorted(pd.DatetimeIndex(ends))]
    day = _trade_dates(ends)
    known = day.drop_duplicates()
    regular = known.map(span["calendar_note"].astype(str) == "").set_axis(known)
    return pd.DataFrame(
        {
            "day": day,
            "start": ends,
            "minute": (_wall(ends) - (day - pd.Timedelta(hours=7))) // _MINUTE,
            "length": (behind - pd.DatetimeIndex(ends)) // _MINUTE,
            "regular": day.isin(regular.index[regular]),
        }
    )


def _limits(waits: pd.DataFrame, gaps: pd.DataFrame) -> Verdict:
    long = waits[waits["length"] > 0]
    spread = long.iloc[np.linspace(0, len(long) - 1, _SAMPLED).astype(int)] if len(long) else long
    sampled = pd.concat([long.nlargest(_SAMPLED, "length"), spread]).drop_duplicates("start")
    listed = gaps.set_index("start_time")[["missing_minutes", "usual_minutes", "observations"]]
    history = waits[waits["regular"]]
    day, weekday = history["day"].to_numpy(), history["day"].dt.weekday.to_numpy()
    minute, length = history["minute"].to_numpy(), history["length"].to_numpy()
    otherwise = 0
    for wait in sampled.itertuples():
        expected = None
        for _, radius, same_weekday in POOLS:
            pool = (day < np.datetime64(wait.day)) & (np.abs(minute - wait.minute) <= radius)
            if same_weekday:
                pool &= weekday == wait.day.weekday()
            observed = np.sort(length[pool])
            if len(observed) >= OBSERVATIONS_MIN:
                usual = int(observed[-(len(observed) // 1000) - 1])
                expected = (wait.length, usual, len(observed)) if wait.length > usual else None
                break
        found = tuple(listed.loc[wait.start]) if wait.start in listed.index else None
        otherwise += found != expected
    problems = {
        "gaps that are no wait": int((~gaps["start_time"].isin(long["start"])).sum()),
        "waits judged otherwise": otherwise,
    }
    good = f"{len(sampled)} of {len(long)} waits recomputed from the sessions before them"
    return counted_verdict("gap_limits_recomputed", problems, good, recomputed=len(sampled), waits=len(long))


def _explanations(raw: pd.DataFrame, quarantine: pd.DataFrame, gaps: pd.DataFrame, coverage: pd.DataFrame) -> Verdict:
    name = gaps["explanation"].astype(str).to_numpy()
    minutes = gaps[["start_time", "expiry", "missing_minutes"]].loc[gaps.index.repeat(gaps["missing_minutes"])]
    number = minutes.groupby(level=0).cumcount()
    owner = pd.DataFrame(
        {
            "gap": minutes.index,
            "front": minutes["expiry"].astype(str),
            "minute": minutes["start_time"] + number * _MINUTE,
        }
    )

    def in_gaps(rows: pd.DataFrame, *, of_front: bool) -> np.ndarray:
        minute = rows["open_time"].dt.floor("min")
        near = minute.isin(owner["minute"])
        found = owner.merge(pd.DataFrame({"minute": minute[near], "expiry": rows["expiry"][near].astype(str)}))
        return gaps.index.isin(found["gap"][(found["expiry"] == found["front"]) == of_front])

    traded = raw["volume"] != 0
    others = in_gaps(raw.loc[traded, ["open_time", "expiry"]], of_front=False)
    set_aside = in_gaps(quarantine, of_front=True)
    at_edge = _beside_calendar_edge(gaps, coverage)
    problems = {
        "gaps explained by silence in which others traded": int((others & np.isin(name, _SILENT)).sum()),
        "gaps without a trade of others, beside an edge of the calendar, not explained by it": int(
            (~others & at_edge & ~np.isin(name, ["calendar", "quarantined"])).sum()
        ),
        "calendar explanations away from its edges": int(((name == "calendar") & ~at_edge).sum()),
        "quarantined explanations without a row": int(((name == "quarantined") & ~set_aside).sum()),
        "explanations without evidence": int((gaps["evidence"].astype(str) == "").sum()),
    }
    tally = ", ".join(f"{what} {number}" for what, number in pd.Series(name).value_counts().items()) or "none"
    return counted_verdict("gap_explanations_recomputed", problems, f"{len(gaps)} gaps: {tally}", gaps=len(gaps))


def _beside_calendar_edge(gaps: pd.DataFrame, coverage: pd.DataFrame) -> np.ndarray:
    """Gaps within the hour before an early close, or behind the open after a weekday that has no session."""
    days = _dates(coverage)
    span = _spans(coverage).reindex(_dates(gaps))
    hour = pd.Timedelta(minutes=CALENDAR_EDGE_MINUTES)
    early = (_wall(span["close_time"]) - pd.DatetimeIndex(span.index)) < pd.Timedelta(hours=16)
    before_close = early.to_numpy() & (
        pd.DatetimeIndex(gaps["start_time"]) >= pd.DatetimeIndex(span["close_time"]) - hour
    )
    # The first session of the table has no gaps: nothing lies before it that could tell what is usual.
    lacks = ~(_dates(gaps) - pd.offsets.BDay()).isin(days)
    behind_open = lacks & (pd.DatetimeIndex(gaps["end_time"]) <= pd.DatetimeIndex(span["open_time"]) + hour)
    return before_close | behind_open


_SILENT = ["calendar", "other_expiries_silent"]
