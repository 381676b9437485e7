"""Sessions against hand-computed times, a wall-clock oracle and the real bars."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.market.readers import read_folder
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
        ("MGC", "2022-09-05", "2022-09-04T22:00", "2022-09-05T18:30", "2022-09-05T18:15"),  # metals halt 13:30
        ("MES", "2022-09-05", "2022-09-04T22:00", "2022-09-05T17:00", "2022-09-05T16:45"),  # equity index halt 12:00
        ("MGC", "2021-09-06", "2021-09-05T22:00", "2021-09-06T17:00", "2021-09-06T16:45"),  # metals before 2022: 12:00
        ("MGC", "2022-11-25", "2022-11-24T23:00", "2022-11-25T18:45", "2022-11-25T18:30"),
        ("MES", "2023-11-24", "2023-11-23T23:00", "2023-11-24T18:15", "2023-11-24T18:00"),
        ("MES", "2024-07-03", "2024-07-02T22:00", "2024-07-03T17:15", "2024-07-03T17:00"),
        ("MGC", "2024-07-03", "2024-07-02T22:00", "2024-07-03T21:00", "2024-07-03T20:10"),
        ("MES", "2025-01-09", "2025-01-08T23:00", "2025-01-09T14:30", "2025-01-09T14:15"),
        ("MGC", "2025-01-09", "2025-01-08T23:00", "2025-01-09T22:00", "2025-01-09T21:10"),
    ],
)
def test_known_sessions(contract: str, day: str, opens: str, closes: str, flat: str) -> None:
    found = one(contract, day)
    assert (found.open_us[0], found.close_us[0], found.flat_us[0]) == (us(opens), us(closes), us(flat))
    assert found.trade_day[0] == (date.fromisoformat(day) - date(1970, 1, 1)).days


@pytest.mark.parametrize("day", ["2022-04-15", "2022-12-26", "2023-01-02", "2022-12-24", "2022-12-25"])
def test_no_session_on_full_holidays_and_weekends(day: str) -> None:
    wanted = date.fromisoformat(day)
    assert len(SessionCalendar.of(MGC).between(wanted, wanted)) == 0


def test_a_holiday_with_a_midday_halt_is_its_own_trade_date() -> None:
    monday = date(2022, 1, 17)
    found = SessionCalendar.of(MGC).between(monday, monday + timedelta(days=1))
    assert list(found.trade_day - found.trade_day[0]) == [0, 1]
    assert found.open_us[1] == us("2022-01-17T23:00")


@pytest.mark.parametrize("contract", sorted(INSTRUMENTS))
def test_every_session_against_the_wall_clock(contract: str) -> None:
    found = SessionCalendar.of(instrument(contract)).between(date(2019, 1, 1), date(2026, 12, 31))
    # Weekdays less 23 full holidays (New Year, Good Friday, Christmas); equity index traded on two Good Fridays.
    weekdays = np.busday_count("2019-01-01", "2027-01-01")
    assert len(found) == weekdays - 23 + (0 if contract == "MGC" else 2)
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
    assert len(keys) == len(set(keys)) == 68
    for row in SESSION_CORRECTIONS:
        assert row.asset_class in {"metals", "equity_index"}
        assert len(row.source) > 40
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


def test_every_real_gold_bar_lies_in_a_session_and_early_closes_are_met(real_data) -> None:
    minutes = read_folder(real_data / "MGC_databento", MGC).minutes
    times = minutes["open_time"].astype("int64").to_numpy()
    found = SessionCalendar.of(MGC).between(date(2020, 12, 21), date(2022, 12, 30))
    index = found.locate(times)
    assert len(times) == 1_004_273
    assert (index >= 0).all()
    first = pd.Series(times).groupby(index).min()
    last = pd.Series(times).groupby(index).max()
    assert first.index.tolist() == list(range(len(found))), "a session without any trade"
    assert (first.to_numpy() - found.open_us == 0).all()
    # Some month trades within three minutes of every close, early ones included.
    assert ((found.close_us - last.to_numpy()) <= 3 * MINUTE_US).all()


def test_real_equity_index_bars_lie_in_sessions(real_data) -> None:
    raw = pd.read_csv(real_data / "NQ_firstrate" / "NQ_1min_sample.csv")
    times = pd.DatetimeIndex(raw["timestamp"]).tz_localize("America/New_York").tz_convert("UTC").as_unit("us").asi8
    found = SessionCalendar.of(MES).covering(times)
    assert (found.locate(times) >= 0).all()
    black_friday = found.locate(np.array([us("2023-11-24T12:00")]))[0]
    assert (found.locate(times) == black_friday).sum() == 1155  # every minute from 17:00 to 12:15
