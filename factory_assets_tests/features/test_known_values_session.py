"""Session landmarks, opening range, flat time and city hours at the clock changes of 2022 and around an early close.

Gold in bars of 5 minutes whose price is 2000 + 10 x session + 0.1 x bar of the session: every landmark follows from how
many bars a session has and when it opens, 276 on a full one.
"""

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import compute
from factory_assets.features.bars import Bars
from factory_assets.features.kernels import opening_extremes, session_state
from factory_assets.vocabulary.timeframes import MINUTE_US

from .feature_worlds import frame_of, sessions_of

WIDTH = 5
# Clocks change in America on 13 March and 6 November 2022, in London on 27 March and 30 October.
SPRING, SUMMER, AUTUMN, EARLY = date(2022, 3, 7), date(2022, 3, 24), date(2022, 10, 26), date(2022, 11, 21)
LANDMARKS = (
    "overnight_gap_atr", "previous_high_distance_atr", "previous_low_distance_atr", "previous_close_distance_atr",
    "session_position_share", "session_body_share", "opening_range_position_30m",
)  # fmt: skip
CLOCK = ("minutes_to_flat", "is_rth", "is_new_york", "is_london", "is_asia", "time_of_day_sin", "day_of_week_sin")


@cache
def gold(first, count=10):
    """Features of every scheduled bar of ``count`` sessions, indexed by close time, and the bars themselves."""
    sessions = sessions_of("MGC", count, first)
    opens, closes, days, close = [], [], [], []
    for k in range(count):
        times = np.arange(sessions.open_us[k], sessions.close_us[k], WIDTH * MINUTE_US)
        opens.append(times)
        closes.append(np.minimum(times + WIDTH * MINUTE_US, sessions.close_us[k]))
        days.append(np.full(len(times), sessions.trade_day[k], dtype=np.int32))
        close.append(2000.0 + 10.0 * k + 0.1 * np.arange(len(times)))
    close = np.concatenate(close)
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    frame = frame_of(
        "MGC", np.concatenate(opens), np.concatenate(closes), np.concatenate(days), prices, np.ones(len(close)),
        np.ones(len(close)),
    )  # fmt: skip
    arrays = Bars.from_frame(frame, WIDTH)
    values = compute(frame, [*LANDMARKS, *CLOCK], minutes=WIDTH)
    points = values.assign(**{name: values[name] * arrays.yardstick for name in LANDMARKS if name.endswith("_atr")})
    return points.set_index("close_time"), arrays


def at(first, moment):
    return gold(first)[0].loc[pd.Timestamp(moment, tz="UTC")]


@pytest.mark.parametrize(
    ("first", "opened"),
    [
        # Sessions open at 17:00 Chicago: 23:00 UTC in winter, 22:00 in summer.
        (SPRING, "2022-03-10 23:00"),
        (SPRING, "2022-03-13 22:00"),
        (AUTUMN, "2022-11-03 22:00"),
        (AUTUMN, "2022-11-06 23:00"),
    ],
)
def test_landmarks_of_a_full_session_on_both_sides_of_a_clock_change(first, opened):
    opened = pd.Timestamp(opened)
    # The bar before is the last of a full session, 27.5 above its first; the next one begins 10 above that.
    bar = at(first, opened + pd.Timedelta(minutes=5))
    assert bar["overnight_gap_atr"] == pytest.approx(10.0 - 27.5)
    assert bar["previous_close_distance_atr"] == pytest.approx(10.0 - 27.5)
    # Bar 100 closes 505 minutes after the open, at + 10 points.
    bar = at(first, opened + pd.Timedelta(minutes=505))
    assert bar["overnight_gap_atr"] == pytest.approx(10.0 - 27.5)
    assert bar["previous_high_distance_atr"] == pytest.approx(20.0 - 27.5)
    assert bar["previous_low_distance_atr"] == pytest.approx(20.0)
    assert bar["session_position_share"] == pytest.approx(1.0)
    assert bar["session_body_share"] == pytest.approx(1.0)
    # Bars 0 to 5 close within 30 minutes of the open: from 0 to 0.5 points.
    assert bar["opening_range_position_30m"] == pytest.approx((10.0 - 0.25) / 0.25)


def test_landmarks_of_the_session_after_an_early_close():
    # Friday 25 November closed at 12:45 Chicago: 19 h 45 min are 237 bars, the last at + 23.6 points. The first
    # bar of Monday's session closes at 23:05 UTC on Sunday.
    bar = at(EARLY, "2022-11-27 23:05")
    assert bar["overnight_gap_atr"] == pytest.approx(10.0 - 23.6)
    assert bar["previous_high_distance_atr"] == pytest.approx(10.0 - 23.6)
    assert bar["previous_low_distance_atr"] == pytest.approx(10.0)
    # Thanksgiving, its own session, closed at 13:30 Chicago: 20 h 30 min are 246 bars.
    bar = at(EARLY, "2022-11-24 23:05")
    assert bar["overnight_gap_atr"] == pytest.approx(10.0 - 24.5)
    # The last bar of the short session still stands in that session, against the same opening range.
    bar = at(EARLY, "2022-11-25 18:45")
    assert bar["trade_date"] == pd.Timestamp("2022-11-25")
    assert bar["previous_close_distance_atr"] == pytest.approx(10.0 + 23.6 - 24.5)
    assert bar["opening_range_position_30m"] == pytest.approx((23.6 - 0.25) / 0.25)


def test_opening_range_grows_until_half_past_the_open():
    _, arrays = gold(SPRING)
    top, bottom = opening_extremes(arrays.high, arrays.low, arrays.elapsed_us, arrays.session_number, 30 * MINUTE_US)
    # 14 March opens at 22:00 UTC on the 13th; six bars close by 22:30, the seventh does not count.
    start = int(np.searchsorted(arrays.close_us, pd.Timestamp("2022-03-13 22:05", tz="UTC").value // 1000))
    base = arrays.close[start]
    assert top[start : start + 8] - base == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5])
    assert bottom[start : start + 8] == pytest.approx(np.full(8, base))


def test_a_session_state_is_the_same_whether_its_first_bar_is_missing_or_late():
    # A session whose first hour had no trade begins with its first bar; the one before is still the one before.
    _, arrays = gold(EARLY)
    kept = np.ones(len(arrays), dtype=bool)
    start = int(np.searchsorted(arrays.close_us, pd.Timestamp("2022-11-27 23:05", tz="UTC").value // 1000))
    kept[start : start + 12] = False
    number = arrays.session_number[kept]
    state = session_state(*(getattr(arrays, name)[kept] for name in ("open", "high", "low", "close")), number)
    first, top, bottom, before_top, before_bottom, before_close = (array[start] for array in state)
    monday, friday = 2050.0, 2040.0
    assert (first, top, bottom) == pytest.approx((monday + 1.2,) * 3)
    assert (before_top, before_bottom, before_close) == pytest.approx((friday + 23.6, friday, friday + 23.6))
    highest, lowest = opening_extremes(
        arrays.high[kept], arrays.low[kept], arrays.elapsed_us[kept], number, 30 * MINUTE_US
    )
    # No bar closes within the first 30 minutes: the first one is the range.
    assert (highest[start + 5], lowest[start + 5]) == pytest.approx((monday + 1.2,) * 2)


@pytest.mark.parametrize(
    ("first", "moment", "minutes"),
    [
        # 15:10 Chicago is 21:10 UTC in winter and 20:10 in summer.
        (SPRING, "2022-03-11 21:05", 5),
        (SPRING, "2022-03-10 23:05", 1325),
        (SPRING, "2022-03-14 20:05", 5),
        (SPRING, "2022-03-14 20:10", 0),
        (SPRING, "2022-03-13 22:05", 1325),
        (AUTUMN, "2022-11-04 20:05", 5),
        (AUTUMN, "2022-11-07 20:05", 65),
        (AUTUMN, "2022-11-06 23:05", 1325),
        # 15 minutes before the closes at 13:30 and 12:45 Chicago.
        (EARLY, "2022-11-24 19:10", 5),
        (EARLY, "2022-11-24 23:05", 1165),
        (EARLY, "2022-11-25 18:25", 5),
        (EARLY, "2022-11-25 18:45", 0),
        (EARLY, "2022-11-28 21:05", 5),
    ],
)
def test_minutes_to_flat(first, moment, minutes):
    assert at(first, moment)["minutes_to_flat"] == minutes


@pytest.mark.parametrize(
    ("first", "day", "flag", "begin", "end"),
    [
        # London 08:00-16:30: on UTC from November to March, an hour ahead of it in summer.
        (SPRING, "2022-03-11", "is_london", "08:00", "16:25"),
        (SPRING, "2022-03-14", "is_london", "08:00", "16:25"),
        (SUMMER, "2022-03-25", "is_london", "08:00", "16:25"),
        (SUMMER, "2022-03-28", "is_london", "07:00", "15:25"),
        (AUTUMN, "2022-10-28", "is_london", "07:00", "15:25"),
        (AUTUMN, "2022-10-31", "is_london", "08:00", "16:25"),
        (AUTUMN, "2022-11-07", "is_london", "08:00", "16:25"),
        (EARLY, "2022-11-25", "is_london", "08:00", "16:25"),
        # New York 08:00-17:00.
        (SPRING, "2022-03-11", "is_new_york", "13:00", "21:55"),
        (SPRING, "2022-03-14", "is_new_york", "12:00", "20:55"),
        (AUTUMN, "2022-11-04", "is_new_york", "12:00", "20:55"),
        (AUTUMN, "2022-11-07", "is_new_york", "13:00", "21:55"),
        (EARLY, "2022-11-25", "is_new_york", "13:00", "18:45"),
        # The pit's 07:20-12:30 Chicago.
        (SPRING, "2022-03-11", "is_rth", "13:20", "18:25"),
        (SPRING, "2022-03-14", "is_rth", "12:20", "17:25"),
        (AUTUMN, "2022-11-04", "is_rth", "12:20", "17:25"),
        (AUTUMN, "2022-11-07", "is_rth", "13:20", "18:25"),
        (EARLY, "2022-11-25", "is_rth", "13:20", "18:25"),
        # Tokyo 09:00-15:30 has no summer time.
        (SPRING, "2022-03-11", "is_asia", "00:00", "06:25"),
        (SPRING, "2022-03-14", "is_asia", "00:00", "06:25"),
        (SUMMER, "2022-03-28", "is_asia", "00:00", "06:25"),
    ],
)
def test_hours_follow_their_own_citys_clock(first, day, flag, begin, end):
    values = gold(first)[0]
    session = values[values["trade_date"] == pd.Timestamp(day)]
    inside = session.index[session[flag] == 1.0]
    wanted = pd.date_range(f"{day} {begin}", f"{day} {end}", freq="5min", tz="UTC")
    assert inside.tolist() == wanted.tolist()
    assert set(session[flag]) == {0.0, 1.0}


def test_the_clock_counts_from_the_sessions_open_across_the_change():
    for first, opened in ((SPRING, "2022-03-10 23:00"), (SPRING, "2022-03-13 22:00"), (AUTUMN, "2022-11-06 23:00")):
        six_hours = pd.Timestamp(opened) + pd.Timedelta(hours=6)
        assert at(first, six_hours)["time_of_day_sin"] == pytest.approx(1.0)
    # Bars of Sunday evening belong to Monday.
    assert at(SPRING, "2022-03-13 22:05")["day_of_week_sin"] == pytest.approx(0.0)
