"""Sessions against hand-computed times and a wall-clock oracle; real bars are in ``test_session_evidence``."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.market.session_corrections import SESSION_CORRECTIONS
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import INSTRUMENTS, instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

CHICAGO = ZoneInfo("America/Chicago")
MES, MGC = instrument("MES"), instrument("MGC")


def us(text: str) -> int:
    """Microseconds of a UTC time."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000


def one(contract: str, day: str) -> Sessions:
    """The single session of a trade date."""
    wanted = date.fromisoformat(day)
    found = SessionCalendar.of(instrument(contract)).between(wanted, wanted)
    assert len(found) == 1
    return found


def wall(value_us: int) -> datetime:
    """Chicago time of a moment."""
    return datetime.fromtimestamp(value_us // 1_000_000, tz=CHICAGO)


@pytest.mark.parametrize(
    ("contract", "day", "opens", "closes", "flat"),
    [
        ("MES", "2022-03-11", "2022-03-10T23:00", "2022-03-11T22:00", "2022-03-11T21:10"),  # standard time
        ("MES", "2022-03-14", "2022-03-13T22:00", "2022-03-14T21:00", "2022-03-14T20:10"),  # the Sunday clocks change
        ("MGC", "2022-11-07", "2022-11-06T23:00", "2022-11-07T22:00", "2022-11-07T21:10"),  # and back
        ("MES", "2024-03-11", "2024-03-10T22:00", "2024-03-11T21:00", "2024-03-11T20:10"),
        ("MES", "2024-11-04", "2024-11-03T23:00", "2024-11-04T22:00", "2024-11-04T21:10"),
        # Europe changes its clocks two weeks later and one week earlier: nothing happens here.
        ("MGC", "2024-03-28", "2024-03-27T22:00", "2024-03-28T21:00", "2024-03-28T20:10"),
        ("MGC", "2024-04-01", "2024-03-31T22:00", "2024-04-01T21:00", "2024-04-01T20:10"),
        ("MGC", "2024-10-28", "2024-10-27T22:00", "2024-10-28T21:00", "2024-10-28T20:10"),
        ("MGC", "2022-09-05", "2022-09-04T22:00", "2022-09-05T18:30", "2022-09-05T18:15"),  # metals halt 13:30
        ("MES", "2022-09-05", "2022-09-04T22:00", "2022-09-05T17:00", "2022-09-05T16:45"),  # equity index halt 12:00
        ("MGC", "2021-09-06", "2021-09-05T22:00", "2021-09-06T17:00", "2021-09-06T16:45"),  # metals before 2022: 12:00
        ("MGC", "2022-11-25", "2022-11-24T23:00", "2022-11-25T18:45", "2022-11-25T18:30"),
        ("MES", "2023-11-24", "2023-11-23T23:00", "2023-11-24T18:15", "2023-11-24T18:00"),
        ("MES", "2024-07-03", "2024-07-02T22:00", "2024-07-03T17:15", "2024-07-03T17:00"),
        ("MGC", "2024-07-03", "2024-07-02T22:00", "2024-07-03T21:00", "2024-07-03T20:10"),
        ("MES", "2024-07-04", "2024-07-03T22:00", "2024-07-04T17:00", "2024-07-04T16:45"),  # holidays of their own
        ("MGC", "2024-07-04", "2024-07-03T22:00", "2024-07-04T18:30", "2024-07-04T18:15"),
        ("MES", "2024-11-28", "2024-11-27T23:00", "2024-11-28T18:00", "2024-11-28T17:45"),
        ("MES", "2024-11-29", "2024-11-28T23:00", "2024-11-29T18:15", "2024-11-29T18:00"),
        ("MGC", "2024-11-28", "2024-11-27T23:00", "2024-11-28T19:30", "2024-11-28T19:15"),
        ("MGC", "2024-11-29", "2024-11-28T23:00", "2024-11-29T19:45", "2024-11-29T19:30"),
        ("MGC", "2023-11-24", "2023-11-23T23:00", "2023-11-24T18:45", "2023-11-24T18:30"),
        ("MES", "2024-12-24", "2024-12-23T23:00", "2024-12-24T18:15", "2024-12-24T18:00"),
        ("MES", "2024-12-26", "2024-12-25T23:00", "2024-12-26T22:00", "2024-12-26T21:10"),  # opens on Christmas evening
        ("MES", "2024-12-31", "2024-12-30T23:00", "2024-12-31T22:00", "2024-12-31T21:10"),
        ("MES", "2025-01-02", "2025-01-01T23:00", "2025-01-02T22:00", "2025-01-02T21:10"),
        ("MGC", "2025-07-04", "2025-07-03T22:00", "2025-07-04T17:00", "2025-07-04T16:45"),  # a Friday: 12:00
        ("MGC", "2026-06-19", "2026-06-18T22:00", "2026-06-19T17:00", "2026-06-19T16:45"),
        ("MGC", "2026-07-03", "2026-07-02T22:00", "2026-07-03T17:00", "2026-07-03T16:45"),
        ("MES", "2026-07-02", "2026-07-01T22:00", "2026-07-02T21:00", "2026-07-02T20:10"),
        ("MGC", "2026-11-27", "2026-11-26T23:00", "2026-11-27T19:45", "2026-11-27T19:30"),
        ("MES", "2026-04-03", "2026-04-02T22:00", "2026-04-03T13:15", "2026-04-03T13:00"),  # Good Friday, a report due
        ("MES", "2018-12-05", "2018-12-04T23:00", "2018-12-05T14:30", "2018-12-05T14:15"),
        ("MGC", "2018-12-05", "2018-12-04T23:00", "2018-12-05T22:00", "2018-12-05T21:10"),
        ("MES", "2025-01-09", "2025-01-08T23:00", "2025-01-09T14:30", "2025-01-09T14:15"),
        ("MGC", "2025-01-09", "2025-01-08T23:00", "2025-01-09T22:00", "2025-01-09T21:10"),
    ],
)
def test_known_sessions(contract: str, day: str, opens: str, closes: str, flat: str) -> None:
    found = one(contract, day)
    assert (found.open_us[0], found.close_us[0], found.flat_us[0]) == (us(opens), us(closes), us(flat))
    assert found.trade_day[0] == (date.fromisoformat(day) - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("contract", "day"),
    [
        ("MGC", "2022-04-15"),  # Good Fridays: no employment report, and metals never trade
        ("MES", "2022-04-15"),
        ("MES", "2024-03-29"),
        ("MGC", "2026-04-03"),
        ("MGC", "2021-12-24"),  # Christmas observed on Friday, and on Monday
        ("MES", "2022-12-26"),
        ("MGC", "2023-01-02"),  # New Year observed, and on its day
        ("MES", "2025-01-01"),
        ("MGC", "2022-12-24"),
        ("MES", "2022-12-25"),
    ],
)
def test_no_session_on_full_holidays_and_weekends(contract: str, day: str) -> None:
    wanted = date.fromisoformat(day)
    assert len(SessionCalendar.of(instrument(contract)).between(wanted, wanted)) == 0


@pytest.mark.parametrize("contract", ["MES", "MGC"])
@pytest.mark.parametrize("close", ["2024-02-14T22:00", "2024-07-10T21:00"])
def test_the_daily_break_belongs_to_no_session(contract: str, close: str) -> None:
    sessions = SessionCalendar.of(instrument(contract)).sessions
    minutes = us(close) + np.arange(-1, 61) * MINUTE_US
    found = sessions.locate(minutes)
    assert (found[1:-1] == -1).all()
    assert found[-1] == found[0] + 1


@pytest.mark.parametrize(
    ("close", "opens"), [("2024-02-16T22:00", "2024-02-18T23:00"), ("2024-03-08T22:00", "2024-03-10T22:00")]
)
def test_the_weekend_belongs_to_no_session(close: str, opens: str) -> None:
    """49 hours from Friday to Sunday, 48 when clocks go forward in between."""
    sessions = SessionCalendar.of(MGC).sessions
    found = sessions.locate(np.arange(us(close), us(opens), MINUTE_US))
    assert (found == -1).all()
    assert sessions.locate(np.array([us(opens)]))[0] == sessions.locate(np.array([us(close) - 1]))[0] + 1


def test_a_holiday_with_a_midday_halt_is_its_own_trade_date() -> None:
    monday = date(2022, 1, 17)
    found = SessionCalendar.of(MGC).between(monday, monday + timedelta(days=1))
    assert list(found.trade_day - found.trade_day[0]) == [0, 1]
    assert found.open_us[1] == us("2022-01-17T23:00")


@pytest.mark.parametrize("contract", sorted(INSTRUMENTS))
def test_every_session_against_the_wall_clock(contract: str) -> None:
    found = SessionCalendar.of(instrument(contract)).between(date(2019, 1, 1), date(2026, 12, 31))
    # Weekdays less 23 full holidays (New Year, Good Friday, Christmas); equity index traded on three Good Fridays.
    weekdays = np.busday_count("2019-01-01", "2027-01-01")
    assert len(found) == weekdays - 23 + (0 if contract == "MGC" else 3)
    assert np.all(found.open_us[1:] >= found.close_us[:-1])
    assert np.all(np.diff(found.trade_day) > 0)
    for day, open_us, close_us, flat_us in zip(
        found.trade_day, found.open_us, found.close_us, found.flat_us, strict=True
    ):
        trade_date = date(1970, 1, 1) + timedelta(days=int(day))
        assert trade_date.weekday() < 5
        assert wall(open_us) == datetime.combine(trade_date - timedelta(days=1), time(17), tzinfo=CHICAGO)
        close = wall(close_us)
        assert close.date() == trade_date
        assert close.time() <= time(16)
        expected_flat = min(datetime.combine(trade_date, time(15, 10), tzinfo=CHICAGO), close - timedelta(minutes=15))
        assert wall(flat_us) == expected_flat


def test_corrections_say_something_the_library_does_not() -> None:
    import exchange_calendars

    schedule = exchange_calendars.get_calendar("CMES", start="2018-01-01", end="2027-12-31").schedule
    keys = [(row.trade_date, row.asset_class) for row in SESSION_CORRECTIONS]
    assert len(keys) == len(set(keys)) == 90
    for row in SESSION_CORRECTIONS:
        assert row.asset_class in {"metals", "equity_index"}
        assert row.source.startswith(("data: ", "notice: ", "extended pattern")), row.source
        moment = pd.Timestamp(row.trade_date)
        if moment in schedule.index:
            library = min(schedule.loc[moment, "close"].tz_convert(CHICAGO).time(), time(16))
            assert library != row.close, f"{row.trade_date} {row.asset_class} repeats the library"


@pytest.fixture(scope="module")
def autumn() -> Sessions:
    return SessionCalendar.of(MGC).between(date(2022, 11, 1), date(2022, 11, 30))


@given(minute=st.integers(min_value=0, max_value=40 * 1440))
def test_locate_equals_a_scan(autumn: Sessions, minute: int) -> None:
    moment = us("2022-10-27T00:00") + minute * MINUTE_US
    scan = [
        index
        for index, (start, end) in enumerate(zip(autumn.open_us, autumn.close_us, strict=True))
        if start <= moment < end
    ]
    assert autumn.locate(np.array([moment])).tolist() == (scan or [-1])


def test_locate_at_the_edges(autumn: Sessions) -> None:
    moments = np.array([autumn.open_us[0] - 1, autumn.open_us[0], autumn.close_us[0] - 1, autumn.close_us[0]])
    assert autumn.locate(moments).tolist() == [-1, 0, 0, -1]
    assert autumn.take(np.zeros(len(autumn), dtype=bool)).locate(moments).tolist() == [-1] * 4


@pytest.mark.parametrize("minutes", [1, 5, 25, 60])
def test_base_clock_equals_a_loop(autumn: Sessions, minutes: int) -> None:
    expected = []
    for start, end in zip(autumn.open_us.tolist(), autumn.close_us.tolist(), strict=True):
        moment = start
        while moment < end:
            moment = min(moment + minutes * MINUTE_US, end)
            expected.append(moment)
    assert autumn.base_clock_us(minutes).tolist() == expected
    assert set(autumn.close_us.tolist()) <= set(expected)


def test_base_clock_counts_a_regular_session() -> None:
    assert len(one("MES", "2022-03-11").base_clock_us()) == 276
    assert len(SessionCalendar.of(MES).between(date(2022, 1, 1), date(2022, 1, 2)).base_clock_us()) == 0


def test_covering_spans_the_times_with_padding() -> None:
    times = np.array([us("2022-06-14T12:00"), us("2022-06-10T23:30")])
    found = SessionCalendar.of(MES).covering(times, pad_days=2)
    assert found.trade_day[0] == (date(2022, 6, 8) - date(1970, 1, 1)).days
    assert found.trade_day[-1] == (date(2022, 6, 17) - date(1970, 1, 1)).days
    assert len(SessionCalendar.of(MES).covering(np.array([], dtype=np.int64))) == 0


def test_an_evening_bar_at_the_end_is_covered_without_padding() -> None:
    times = np.array([us("2022-06-14T23:30")])
    assert SessionCalendar.of(MES).covering(times, pad_days=0).locate(times)[0] >= 0


@pytest.mark.parametrize("moment", [us("1980-01-01T00:00"), 1_655_000_000, us("2022-01-01T00:00") * 1000])
def test_times_in_another_unit_are_refused(moment: int) -> None:
    with pytest.raises(BadInputError, match="time"):
        SessionCalendar.of(MES).covering(np.array([moment]))


def test_reversed_dates_are_refused() -> None:
    with pytest.raises(BadInputError, match="first date"):
        SessionCalendar.of(MES).between(date(2022, 2, 1), date(2022, 1, 1))


def test_calendars_are_built_once_and_read_only() -> None:
    calendar = SessionCalendar.of(MES)
    assert SessionCalendar.of(instrument("MES")) is calendar
    with pytest.raises(ValueError, match="read-only"):
        calendar.sessions.open_us[0] = 0


def test_notes_say_which_table_makes_a_session_no_regular_one() -> None:
    calendar = SessionCalendar.of(MES)
    found = calendar.between(date(2024, 12, 23), date(2025, 1, 10))
    assert dict(
        zip((str(np.datetime64(int(day), "D")) for day in found.trade_day), calendar.notes(found), strict=True)
    ) == {
        "2024-12-23": "",
        "2024-12-24": "closes 12:15 Chicago (correction table, equity_index 2024-12-24)",
        "2024-12-26": "beside 2024-12-25, a weekday without a session (calendar CMES)",
        "2024-12-27": "",
        "2024-12-30": "",
        "2024-12-31": "beside 2025-01-01, a weekday without a session (calendar CMES)",
        "2025-01-02": "beside 2025-01-01, a weekday without a session (calendar CMES)",
        "2025-01-03": "",
        "2025-01-06": "",
        "2025-01-07": "",
        "2025-01-08": "",
        "2025-01-09": "closes 08:30 Chicago (correction table, equity_index 2025-01-09)",
        "2025-01-10": "",
    }


def test_notes_of_the_library_and_of_a_restored_day() -> None:
    equity, metals = SessionCalendar.of(MES), SessionCalendar.of(MGC)
    labor_day = equity.between(date(2024, 9, 2), date(2024, 9, 2))
    assert equity.notes(labor_day) == ["closes 12:00 Chicago (calendar CMES)"]
    mourning = metals.between(date(2025, 1, 8), date(2025, 1, 10))
    assert metals.notes(mourning) == ["", "", ""]  # metals traded normally, which the correction table knows
    assert SessionCalendar.of(instrument("SIM")).notes(labor_day) == ["closes 12:00 Chicago (calendar CMES)"]
