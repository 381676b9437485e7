"""Gaps on made gold markets: what is listed, what explains it, and that later sessions change nothing."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.continuity_invariants import coverage_invariants, gap_invariants
from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import EXPLANATIONS, Gaps, find_gaps, longest_unexplained
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets.vocabulary.frames import from_us, to_frame, to_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import GAPS
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

# Thirty-two sessions: the Monday of Martin Luther King's day (no. 10) closes at 13:30, the next is a regular Tuesday.
SESSIONS = sessions_between("2022-01-03", "2022-02-15")
HOLIDAY, TUESDAY = 10, 11
MONDAY = 15


def gaps_of(
    gone: set[tuple[int, int]],
    others: set[tuple[int, int]] | None = None,
    quarantined: set[tuple[int, int]] | None = None,
    volume: float = 5.0,
) -> Gaps:
    """Gaps of a market that trades every minute but the holes; the other month trades the same minutes by default."""
    front = every_minute(SESSIONS) - gone
    others = front if others is None else others
    raw = raw_of((FRONT, times_of(SESSIONS, front)), (OTHER, times_of(SESSIONS, others)), volume=volume)
    refused = quarantine_of(times_of(SESSIONS, quarantined or set()))
    return find_gaps(bars_of(SESSIONS, front), raw, refused, CALENDAR)


def test_the_calendar_of_these_tests():
    days = SESSIONS.trade_day.astype("datetime64[D]").astype(str)
    assert (days[HOLIDAY], days[TUESDAY], days[MONDAY], len(days)) == ("2022-01-17", "2022-01-18", "2022-01-24", 32)


def test_one_gap_by_hand():
    found = gaps_of(holes(MONDAY, 600, 7)).table
    row = found.iloc[0]
    assert len(found) == 1
    assert row["expiry"] == FRONT
    assert row["trade_date"] == pd.Timestamp("2022-01-24")
    assert row["start_time"] == pd.Timestamp("2022-01-24 09:00", tz="UTC")  # 17:00 Chicago on Sunday and ten hours
    assert row["end_time"] == pd.Timestamp("2022-01-24 09:07", tz="UTC")
    assert (row["missing_minutes"], row["usual_minutes"]) == (7, 0)
    # Of 15 sessions before it one was a holiday; 31 minutes of each are too few, 121 of each are enough.
    assert (row["observations"], row["pool"]) == (14 * 121, "any weekday, 60 minutes around")
    assert row["explanation"] == "other_expiries_silent"
    assert row["evidence"] == (
        "no other month traded in it; 1 did in 60 minutes of the hour before, 1 in 60 minutes of the hour behind"
    )


def test_edges_of_a_session_and_whole_sessions_are_gaps():
    found = gaps_of(holes(20, 0, 3) | holes(21, 1375, 5) | holes(22, 0, 1380), others=every_minute(SESSIONS)).table
    assert found["missing_minutes"].tolist() == [3, 5, 1380]
    assert found["explanation"].tolist() == ["unexplained"] * 3
    assert found["start_time"].iloc[0] == pd.Timestamp("2022-01-30 23:00", tz="UTC")
    assert found["end_time"].iloc[1] == pd.Timestamp("2022-02-01 22:00", tz="UTC")
    assert found["evidence"].iloc[2] == "1 other month traded in 1380 of its minutes"
    assert found["expiry"].iloc[2] == FRONT  # the front of the session before it


def test_before_the_first_bar_and_behind_the_last_one_is_no_gap():
    assert len(gaps_of(holes(0, 0, 200) | holes(31, 900, 480)).table) == 0


def test_at_the_edges_of_a_session_less_history_lies_around():
    """Within 60 minutes of minute 1370 lie 70 minutes of a session; the first ten of them need 15 sessions."""
    assert gaps_of(holes(MONDAY, 1370, 10)).counts["unjudged"] == 1
    assert gaps_of(holes(MONDAY + 1, 1370, 10)).table["observations"].tolist() == [15 * 70]


def test_too_little_history_is_counted_and_not_listed():
    found = gaps_of(holes(7, 600, 90))
    assert len(found.table) == 0
    assert (found.counts["unjudged"], found.counts["longest_unjudged_minutes"]) == (1, 90)


def test_calendar_explains_a_quiet_close_of_a_holiday_unless_another_month_traded():
    gone = holes(HOLIDAY, 1180, 4) | holes(HOLIDAY, 1210, 4)  # the session closes at minute 1230
    front = every_minute(SESSIONS) - gone
    found = gaps_of(gone, others=front | {(HOLIDAY, 1211)}).table
    assert found["explanation"].tolist() == ["calendar", "unexplained"]
    assert (
        found["evidence"]
        .iloc[0]
        .startswith("session closes 13:30 Chicago (correction table, metals 2022-01-17); no other")
    )
    assert found["evidence"].iloc[1] == "1 other month traded in 1 of its minutes"


@pytest.mark.parametrize(
    ("first", "number", "explanation"),
    [
        (600, 240, "other_expiries_silent"),  # four hours inside
        (1169, 4, "other_expiries_silent"),  # begins 61 minutes before the close
        (1170, 4, "calendar"),
        (1170, 60, "calendar"),
        (1169, 61, "other_expiries_silent"),  # longer than the last hour
        (45, 10, "other_expiries_silent"),  # near the open, but the session before was a regular one
    ],
)
def test_of_a_shortened_session_the_calendar_explains_the_last_hour_only(first, number, explanation):
    found = gaps_of(holes(HOLIDAY, first, number)).table
    assert found["explanation"].tolist() == [explanation]


GOOD_FRIDAY = sessions_between("2022-03-14", "2022-04-20")
BEFORE, BEHIND = 23, 24
"""Positions of Thursday 2022-04-14 and Monday 2022-04-18; between them lies a weekday without a session."""


@pytest.mark.parametrize(
    ("session", "first", "number", "explanation"),
    [
        (BEFORE, 600, 240, "other_expiries_silent"),
        (BEFORE, 1330, 50, "other_expiries_silent"),  # a full-length session closes as on any day
        (BEHIND, 0, 60, "calendar"),
        (BEHIND, 56, 4, "calendar"),
        (BEHIND, 57, 4, "other_expiries_silent"),
        (BEHIND, 0, 61, "other_expiries_silent"),
        (BEHIND, 600, 240, "other_expiries_silent"),
    ],
)
def test_beside_a_holiday_the_calendar_explains_the_first_hour_behind_it_only(session, first, number, explanation):
    days = GOOD_FRIDAY.trade_day.astype("datetime64[D]").astype(str)
    assert (days[BEFORE], days[BEHIND]) == ("2022-04-14", "2022-04-18")
    bars, raw = _world(GOOD_FRIDAY, holes(session, first, number))
    found = find_gaps(bars, raw, quarantine_of(), CALENDAR).table
    assert found["explanation"].tolist() == [explanation]
    verdicts = gap_invariants(
        bars, raw, quarantine_of(), found, session_coverage(bars, raw, quarantine_of(), found, CALENDAR)
    )
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []


def _world(sessions: Sessions, gone: set[tuple[int, int]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars and raw rows of two months that trade every minute but the holes."""
    minutes = every_minute(sessions) - gone
    times = times_of(sessions, minutes)
    return bars_of(sessions, minutes), raw_of((FRONT, times), (OTHER, times))


def test_a_hole_filled_with_rows_without_volume_is_a_gap():
    """The same table as if the rows were not there; the checks agree."""
    gone = holes(MONDAY, 600, 240)
    bare_bars, bare_raw = _world(SESSIONS, gone)
    expected = find_gaps(bare_bars, bare_raw, quarantine_of(), CALENDAR)
    bars, raw = _world(SESSIONS, set())
    for frame in (bars, raw):
        filled = frame["open_time"].isin(from_us(times_of(SESSIONS, gone)))
        frame.loc[filled, "volume"] = 0.0
    found = find_gaps(bars, raw, quarantine_of(), CALENDAR)
    assert (found.table["missing_minutes"].tolist(), found.counts["rows_without_volume"]) == ([240], 240)
    pd.testing.assert_frame_equal(found.table, expected.table)
    coverage = session_coverage(bars, raw, quarantine_of(), found.table, CALENDAR)
    row = coverage.iloc[MONDAY]
    assert (row["traded_minutes"], row["zero_volume_minutes"], row["share"]) == (1140, 240, 1140 / 1380)
    assert coverage["traded_minutes"].sum() + coverage["zero_volume_minutes"].sum() == len(bars)
    verdicts = [
        *gap_invariants(bars, raw, quarantine_of(), found.table, coverage),
        *coverage_invariants(bars, quarantine_of(), found.table, coverage, MGC, CALENDAR),
    ]
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_where_the_series_tells_no_volume_every_bar_is_a_trade(volume):
    bars, raw = _world(SESSIONS, holes(MONDAY, 600, 7))
    found = find_gaps(bars.assign(volume=volume), raw, quarantine_of(), CALENDAR)
    assert found.table["missing_minutes"].tolist() == [7]
    assert found.counts["rows_without_volume"] == 0


def test_other_months_have_to_trade_nearby_for_their_silence_to_mean_anything():
    gone = holes(MONDAY, 600, 7)
    near, far = {(MONDAY, 667 - 1)}, {(MONDAY, 667), (MONDAY, 539)}
    assert gaps_of(gone, others=near).table["explanation"].tolist() == ["other_expiries_silent"]
    alone = gaps_of(gone, others=far).table
    assert alone["explanation"].tolist() == ["unexplained"]
    assert alone["evidence"].tolist() == ["no other month traded within an hour of it"]


def test_another_session_bears_no_witness():
    gone = holes(25, 1370, 10)
    next_open = {(26, minute) for minute in range(60)}
    assert gaps_of(gone, others=next_open).table["explanation"].tolist() == ["unexplained"]


def test_rows_without_volume_are_no_trades_and_unknown_volume_is_one():
    gone = holes(MONDAY, 600, 7)
    everywhere = every_minute(SESSIONS)
    assert gaps_of(gone, everywhere, volume=0.0).table["evidence"].tolist() == [
        "no other month traded within an hour of it"
    ]
    assert gaps_of(gone, everywhere, volume=np.nan).table["evidence"].tolist() == [
        "1 other month traded in 7 of its minutes"
    ]


def test_quarantine_explains_a_gap_only_if_nothing_unusual_is_left_of_it():
    gone = holes(MONDAY, 600, 7)
    assert gaps_of(gone, quarantined=gone).table["explanation"].tolist() == ["quarantined"]
    part = gaps_of(gone, quarantined=holes(MONDAY, 600, 6)).table
    assert part["explanation"].tolist() == ["other_expiries_silent"]
    foreign = find_gaps(
        bars_of(SESSIONS, every_minute(SESSIONS) - gone),
        raw_of((FRONT, times_of(SESSIONS, every_minute(SESSIONS) - gone))),
        quarantine_of(times_of(SESSIONS, gone), expiry=OTHER),
        CALENDAR,
    )
    assert foreign.table["explanation"].tolist() == ["unexplained"]


def test_counts_add_up_and_the_table_keeps_its_schema():
    gone = holes(HOLIDAY, 1200, 4) | holes(MONDAY, 600, 7) | holes(20, 100, 3) | holes(3, 5, 2)
    found = gaps_of(gone, others=every_minute(SESSIONS) - gone | holes(20, 100, 1))
    assert found.counts["waits"] == 4
    assert found.counts["listed"] + found.counts["unjudged"] == 4
    assert sum(found.counts[name] for name in EXPLANATIONS) == found.counts["listed"] == 3
    assert (found.counts["calendar"], found.counts["other_expiries_silent"], found.counts["unexplained"]) == (1, 1, 1)
    stored = to_frame(to_table(found.table, GAPS))
    assert stored.columns.tolist() == [column.name for column in GAPS.columns]
    pd.testing.assert_frame_equal(stored, found.table, check_categorical=False)
    nothing = gaps_of(set()).table
    assert len(nothing) == 0
    assert to_table(nothing, GAPS).num_rows == 0


@pytest.mark.parametrize("until", [20, 30])
def test_later_sessions_change_no_listed_gap(until):
    rng = np.random.default_rng(3)
    gone: set[tuple[int, int]] = set()
    for _ in range(90):
        gone |= holes(int(rng.integers(0, 32)), int(rng.integers(0, 1100)), int(rng.integers(1, 60)))
    front = every_minute(SESSIONS) - gone
    others = {pair for pair in every_minute(SESSIONS) if rng.random() < 0.02}
    whole = gaps_of(gone, others=others).table

    def until_session(pairs: set[tuple[int, int]]) -> np.ndarray:
        return times_of(SESSIONS, {pair for pair in pairs if pair[0] < until})

    bars = bars_of(SESSIONS, {pair for pair in front if pair[0] < until})
    raw = raw_of((FRONT, until_session(front)), (OTHER, until_session(others)))
    part = find_gaps(bars, raw, quarantine_of(), CALENDAR).table
    early = whole[whole["start_time"] < bars["close_time"].iloc[-1]].reset_index(drop=True)
    assert len(early) > 10
    pd.testing.assert_frame_equal(part, early, check_categorical=False)


def test_row_order_of_the_raw_files_does_not_matter():
    gone = holes(MONDAY, 600, 7) | holes(20, 1, 4)
    front = every_minute(SESSIONS) - gone
    raw = raw_of((FRONT, times_of(SESSIONS, front)), (OTHER, times_of(SESSIONS, front)))
    bars = bars_of(SESSIONS, front)
    first = find_gaps(bars, raw, quarantine_of(), CALENDAR).table
    again = find_gaps(bars, raw.sample(frac=1.0, random_state=1), quarantine_of(), CALENDAR).table
    pd.testing.assert_frame_equal(first, again)


def test_the_longest_unexplained_are_told():
    found = gaps_of(holes(20, 100, 3) | holes(21, 200, 5), others=set()).table
    assert longest_unexplained(found).splitlines() == [
        "2022-02-01 02:20 UTC MGCG2: 5 minutes, usual 0; no other month traded within an hour of it",
        "2022-01-31 00:40 UTC MGCG2: 3 minutes, usual 0; no other month traded within an hour of it",
    ]
    assert longest_unexplained(found, number=1).count("UTC") == 1


def test_bad_input_is_refused():
    bars = bars_of(SESSIONS, every_minute(SESSIONS))
    raw, refused = raw_of((FRONT, times_of(SESSIONS, {(0, 0)}))), quarantine_of()
    with pytest.raises(BadInputError, match="no bars"):
        find_gaps(bars.iloc[:0], raw, refused, CALENDAR)
    equity = SessionCalendar.of(instrument("MES"))
    assert len(equity.between(date(2022, 1, 17), date(2022, 1, 17))) == 1
    with pytest.raises(BadInputError, match="outside every session"):
        find_gaps(bars, raw, refused, equity)  # metals trade 90 minutes longer on the holiday
    naive = raw.assign(open_time=raw["open_time"].dt.tz_localize(None))
    with pytest.raises(NaiveTimestampError):
        find_gaps(bars, naive, refused, CALENDAR)
