"""Coverage of sessions on made gold markets, counted by hand."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import find_gaps
from factory_assets.vocabulary.frames import from_us, to_frame, to_table
from factory_assets.vocabulary.schemas import COVERAGE
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets_tests.market.gap_worlds import (
    CALENDAR,
    FRONT,
    OTHER,
    bars_of,
    every_minute,
    holes,
    quarantine_of,
    raw_of,
    sessions_between,
    times_of,
)

# Wednesday, Thanksgiving (until 13:30), the Friday after (until 12:45), Monday.
SESSIONS = sessions_between("2022-11-23", "2022-11-28")


def coverage_of(front: set, others: set, quarantined: Sequence[int] | np.ndarray = ()) -> pd.DataFrame:
    bars, refused = bars_of(SESSIONS, front), quarantine_of(quarantined)
    raw = raw_of((FRONT, times_of(SESSIONS, front)), (OTHER, times_of(SESSIONS, others)))
    gaps = find_gaps(bars, raw, refused, CALENDAR).table
    return session_coverage(bars, raw, refused, gaps, CALENDAR)


def test_known_coverage():
    front = every_minute(SESSIONS) - holes(0, 0, 10) - holes(1, 1200, 30) - holes(2, 0, 5) - holes(2, 600, 1)
    quarantined = np.concatenate([times_of(SESSIONS, {(1, 3), (3, 7)}), [int(SESSIONS.close_us[0])]])
    found = coverage_of(front, {(0, 4), (1, 1219), (3, 1379)}, quarantined)
    assert found["trade_date"].astype(str).tolist() == ["2022-11-23", "2022-11-24", "2022-11-25", "2022-11-28"]
    assert found["scheduled_minutes"].tolist() == [1380, 1230, 1185, 1380]
    assert found["traded_minutes"].tolist() == [1370, 1200, 1179, 1380]
    assert found["zero_volume_minutes"].tolist() == [0, 0, 0, 0]
    assert found["share"].tolist() == [1370 / 1380, 1200 / 1230, 1179 / 1185, 1.0]
    assert found["any_month_minutes"].tolist() == [1371, 1201, 1179, 1380]
    assert found["silent_open_minutes"].tolist() == [4, 0, 5, 0]
    assert found["silent_close_minutes"].tolist() == [0, 10, 0, 0]
    assert found["quarantined"].tolist() == [0, 1, 0, 1]  # the third row lies in the daily break
    assert found["listed_gaps"].tolist() == [0, 0, 0, 0]
    assert found["calendar_note"].astype(str).tolist() == [
        "",
        "closes 13:30 Chicago (correction table, metals 2022-11-24)",
        "closes 12:45 Chicago (correction table, metals 2022-11-25)",
        "",
    ]
    assert found["open_time"].iloc[1] == pd.Timestamp("2022-11-23 23:00", tz="UTC")
    assert found["close_time"].iloc[1] == pd.Timestamp("2022-11-24 19:30", tz="UTC")


def test_a_session_without_a_bar_has_a_row_and_the_front_before_it():
    front = every_minute(SESSIONS) - holes(1, 0, 1230)
    found = coverage_of(front, {(2, 5)})
    row = found.iloc[1]
    assert (row["traded_minutes"], row["share"], row["any_month_minutes"]) == (0, 0.0, 0)
    assert (row["silent_open_minutes"], row["silent_close_minutes"]) == (1230, 1230)
    assert row["expiry"] == FRONT


def test_rows_between_minutes_and_rows_without_volume():
    """A row off the whole minute counts for its minute; a row of zero volume is no trade."""
    bars = bars_of(SESSIONS, every_minute(SESSIONS) - holes(2, 100, 2))
    odd = times_of(SESSIONS, {(2, 100)}) + MINUTE_US // 2
    still = pd.DataFrame({"expiry": OTHER, "open_time": from_us(times_of(SESSIONS, {(2, 101)})), "volume": 0.0})
    raw = pd.concat([raw_of((FRONT, odd)), still], ignore_index=True)
    gaps = find_gaps(bars, raw, quarantine_of(), CALENDAR).table
    found = session_coverage(bars, raw, quarantine_of(), gaps, CALENDAR)
    assert found["any_month_minutes"].tolist() == [0, 0, 1, 0]
    assert (found["silent_open_minutes"].iloc[2], found["silent_close_minutes"].iloc[2]) == (100, 1185 - 101)


def test_listed_gaps_are_counted_where_they_lie():
    sessions = sessions_between("2022-01-03", "2022-02-16")
    gone = holes(15, 600, 7) | holes(15, 700, 3) | holes(20, 0, 2)
    front = every_minute(sessions) - gone
    bars, raw = bars_of(sessions, front), raw_of((FRONT, times_of(sessions, front)))
    gaps = find_gaps(bars, raw, quarantine_of(), CALENDAR).table
    found = session_coverage(bars, raw, quarantine_of(), gaps, CALENDAR)
    assert found["listed_gaps"].iloc[[15, 20]].tolist() == [2, 1]
    assert found["listed_gaps"].sum() == len(gaps) == 3
    stored = to_frame(to_table(found, COVERAGE))
    pd.testing.assert_frame_equal(stored[found.columns.tolist()], found, check_categorical=False)
    assert stored.columns.tolist() == [column.name for column in COVERAGE.columns]
