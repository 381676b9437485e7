"""Checks of gaps and coverage: green on honest tables, red on each defect put in by hand."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.continuity_invariants import coverage_invariants, gap_invariants
from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import find_gaps
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.market.gap_worlds import (
    CALENDAR,
    FRONT,
    MGC,
    OTHER,
    bars_of,
    every_minute,
    holes,
    quarantine_of,
    raw_of,
    sessions_between,
    times_of,
)

SESSIONS = sessions_between("2022-01-03", "2022-02-15")
HOLIDAY, MONDAY = 10, 15
GONE = holes(HOLIDAY, 1200, 4) | holes(MONDAY, 600, 7) | holes(20, 100, 3) | holes(22, 1370, 10) | holes(24, 0, 6)
SET_ASIDE = holes(26, 300, 2)
FRONTS = every_minute(SESSIONS) - GONE - SET_ASIDE
BARS = bars_of(SESSIONS, FRONTS)
RAW = raw_of((FRONT, times_of(SESSIONS, FRONTS | SET_ASIDE)), (OTHER, times_of(SESSIONS, FRONTS | holes(20, 101, 1))))
QUARANTINE = quarantine_of(np.concatenate([times_of(SESSIONS, SET_ASIDE), SESSIONS.close_us[:1] + 5 * MINUTE_US]))
LISTED = find_gaps(BARS, RAW, QUARANTINE, CALENDAR).table
COVERED = session_coverage(BARS, RAW, QUARANTINE, LISTED, CALENDAR)


def judged_gaps(gaps: pd.DataFrame = LISTED) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in gap_invariants(BARS, RAW, QUARANTINE, gaps, COVERED)}


def judged_coverage(coverage: pd.DataFrame = COVERED, bars: pd.DataFrame = BARS) -> dict[str, Verdict]:
    verdicts = coverage_invariants(bars, QUARANTINE, LISTED, coverage, MGC, CALENDAR)
    return {verdict.name: verdict for verdict in verdicts}


def changed(frame: pd.DataFrame, row: int, **values: object) -> pd.DataFrame:
    """The table with other values in one row; text columns may take any text."""
    made = frame.copy()
    for name, value in values.items():
        column = made[name].astype(object) if isinstance(made[name].dtype, pd.CategoricalDtype) else made[name].copy()
        column.iloc[row] = value
        made[name] = column
    return made


def shifted(row: int, minutes: int) -> pd.DataFrame:
    step = pd.Timedelta(minutes=minutes)
    return changed(LISTED, row, start_time=LISTED["start_time"][row] + step, end_time=LISTED["end_time"][row] + step)


def test_honest_tables_pass():
    found = judged_gaps() | judged_coverage()
    assert all(verdict.passed for verdict in found.values()), {n: v.summary for n, v in found.items() if not v.passed}
    assert found["gap_explanations_recomputed"].summary == (
        "6 gaps: other_expiries_silent 3, calendar 1, unexplained 1, quarantined 1"
    )
    assert found["gap_limits_recomputed"].details["recomputed"] == 6
    assert found["coverage_accounts_for_bars"].details == {"bars": len(BARS), "sessions": 32}
    blocking = {name for name, verdict in found.items() if verdict.blocking}
    assert set(found) - blocking == {"session_shares_steady", "schedule_is_traded"}


GAP_FAULTS: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
    "a bar in a gap": ("gaps_hold_no_bar", lambda: shifted(1, 1)),
    "a gap too short": (
        "gaps_hold_no_bar",
        lambda: changed(LISTED, 1, end_time=LISTED["end_time"][1] - pd.Timedelta(minutes=1), missing_minutes=6),
    ),
    "another length": ("gaps_hold_no_bar", lambda: changed(LISTED, 1, missing_minutes=8)),
    "another session": ("gaps_hold_no_bar", lambda: changed(LISTED, 1, trade_date=pd.Timestamp("2022-01-25"))),
    "no longer than usual": ("gaps_hold_no_bar", lambda: changed(LISTED, 1, usual_minutes=7)),
    "too little history": ("gaps_hold_no_bar", lambda: changed(LISTED, 1, observations=999)),
    "out of order": ("gaps_hold_no_bar", lambda: LISTED.iloc[::-1].reset_index(drop=True)),
    "a gap left out": ("gap_limits_recomputed", lambda: LISTED.drop(index=1).reset_index(drop=True)),
    "another percentile": ("gap_limits_recomputed", lambda: changed(LISTED, 1, usual_minutes=1)),
    "another pool": ("gap_limits_recomputed", lambda: changed(LISTED, 1, observations=2000)),
    "silence that was none": (
        "gap_explanations_recomputed",
        lambda: changed(LISTED, 2, explanation="other_expiries_silent"),
    ),
    "a holiday that was none": ("gap_explanations_recomputed", lambda: changed(LISTED, 1, explanation="calendar")),
    "a holiday passed over": ("gap_explanations_recomputed", lambda: changed(LISTED, 0, explanation="unexplained")),
    "no quarantined row": ("gap_explanations_recomputed", lambda: changed(LISTED, 1, explanation="quarantined")),
    "no evidence": ("gap_explanations_recomputed", lambda: changed(LISTED, 1, evidence="")),
}


@pytest.mark.parametrize("fault", GAP_FAULTS)
def test_a_wrong_gap_is_found(fault):
    name, table = GAP_FAULTS[fault]
    found = judged_gaps(table())[name]
    assert not found.passed
    assert found.blocking


@pytest.mark.parametrize(
    ("session", "first", "found", "told"),
    [
        (HOLIDAY, 1169, "other_expiries_silent", "calendar"),  # the hour before its close begins at 1170
        (HOLIDAY, 1170, "calendar", "other_expiries_silent"),
        (HOLIDAY + 1, 1200, "other_expiries_silent", "calendar"),  # a regular session behind a shortened one
    ],
)
def test_the_calendar_has_to_explain_the_hour_at_its_edge_and_no_more(session, first, found, told):
    minutes = every_minute(SESSIONS) - holes(session, first, 4)
    bars, times = bars_of(SESSIONS, minutes), times_of(SESSIONS, minutes)
    raw, refused = raw_of((FRONT, times), (OTHER, times)), quarantine_of()
    gaps = find_gaps(bars, raw, refused, CALENDAR).table
    coverage = session_coverage(bars, raw, refused, gaps, CALENDAR)
    assert gaps["explanation"].tolist() == [found]
    for explanation, passed in ((found, True), (told, False)):
        verdicts = gap_invariants(bars, raw, refused, changed(gaps, 0, explanation=explanation), coverage)
        assert {verdict.name: verdict.passed for verdict in verdicts}["gap_explanations_recomputed"] is passed


COVERAGE_FAULTS: dict[str, Callable[[], pd.DataFrame]] = {
    "a bar too many": lambda: changed(COVERED, 3, traded_minutes=1379),
    "a filler counted as a trade": lambda: changed(COVERED, 3, traded_minutes=1379, zero_volume_minutes=1),
    "a filler too many": lambda: changed(COVERED, 3, zero_volume_minutes=1),
    "another schedule": lambda: changed(COVERED, HOLIDAY, scheduled_minutes=1380),
    "another share": lambda: changed(COVERED, 3, share=0.9),
    "another opening": lambda: changed(COVERED, 3, open_time=COVERED["open_time"][3] - pd.Timedelta(hours=1)),
    "another close": lambda: changed(
        COVERED, HOLIDAY, close_time=COVERED["close_time"][HOLIDAY] - pd.Timedelta(hours=1)
    ),
    "a session left out": lambda: COVERED.drop(index=5).reset_index(drop=True),
    "a gap miscounted": lambda: changed(COVERED, MONDAY, listed_gaps=0),
    "a quarantined row miscounted": lambda: changed(COVERED, 26, quarantined=3),
    "another front": lambda: changed(COVERED, 3, expiry=OTHER),
    "less than the front": lambda: changed(COVERED, 3, any_month_minutes=1379),
    "a holiday unsaid": lambda: changed(COVERED, HOLIDAY, calendar_note=""),
}


@pytest.mark.parametrize("fault", COVERAGE_FAULTS)
def test_wrong_coverage_is_found(fault):
    found = judged_coverage(COVERAGE_FAULTS[fault]())["coverage_accounts_for_bars"]
    assert not found.passed
    assert found.blocking


def test_a_bar_outside_every_session_is_found():
    stray = BARS.iloc[[0]].assign(open_time=pd.Timestamp("2022-01-04 22:30", tz="UTC"))  # in the daily break
    bars = pd.concat([BARS, stray], ignore_index=True).sort_values("open_time", ignore_index=True)
    assert judged_coverage(bars=bars)["coverage_accounts_for_bars"].details["bars outside every session"] == 1


def test_a_share_that_collapses_warns_with_numbers():
    coverage = changed(COVERED, 12, share=0.7)
    found = judged_coverage(coverage)["session_shares_steady"]
    assert not found.passed
    assert not found.blocking
    assert found.summary == "1 sessions below 75% of the sessions before them: 2022-01-19 70.0% against 100.0%"
    assert judged_coverage(changed(COVERED, 12, share=0.76))["session_shares_steady"].passed
    assert judged_coverage(changed(COVERED, 4, share=0.1))["session_shares_steady"].passed  # four sessions are no usual
    assert judged_coverage(changed(COVERED, 31, share=0.1))["session_shares_steady"].passed  # still trading, perhaps


def test_a_schedule_nobody_trades_warns():
    coverage = changed(COVERED, 12, silent_close_minutes=30)
    found = judged_coverage(coverage)["schedule_is_traded"]
    assert not found.passed
    assert not found.blocking
    assert "2022-01-19 (first trade 0 minutes after the open, last one 30 before the close)" in found.summary
    assert not judged_coverage(changed(COVERED, 12, silent_open_minutes=45))["schedule_is_traded"].passed
    assert judged_coverage(changed(COVERED, 0, silent_open_minutes=600))["schedule_is_traded"].passed
    assert judged_coverage(changed(COVERED, 31, silent_close_minutes=600))["schedule_is_traded"].passed


def test_a_market_without_gaps_passes():
    whole = every_minute(SESSIONS)
    bars, raw = bars_of(SESSIONS, whole), raw_of((FRONT, times_of(SESSIONS, whole)))
    gaps = find_gaps(bars, raw, quarantine_of(), CALENDAR).table
    coverage = session_coverage(bars, raw, quarantine_of(), gaps, CALENDAR)
    verdicts = [
        *gap_invariants(bars, raw, quarantine_of(), gaps, coverage),
        *coverage_invariants(bars, quarantine_of(), gaps, coverage, MGC, CALENDAR),
    ]
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []
