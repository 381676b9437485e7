"""What the quality page measures: jumps at rolls, the session's volume, how far a refused row lies off. By hand."""

from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.quarantine_distance import quarantine_distance_ticks
from factory_assets.market.roll_jumps import roll_jumps, session_gaps
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.volume_profile import volume_profile
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

MGC = instrument("MGC")
CALENDAR = SessionCalendar.of(MGC)


def bars_of(rows: list[tuple[str, str, float, float, float]]) -> pd.DataFrame:
    """Canonical bars from (trade date, expiry, open, close, adjustment ratio)."""
    frame = pd.DataFrame(rows, columns=["trade_date", "expiry", "open", "close", "adjustment_ratio"])
    return frame.assign(
        trade_date=pd.to_datetime(frame["trade_date"]).astype("datetime64[ms]"),
        expiry=frame["expiry"].astype("category"),
    )


def rolls_of(rows: list[tuple[str, str, str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["trade_date", "from_expiry", "to_expiry", "ratio"])
    frame["trade_date"] = pd.to_datetime(frame["trade_date"]).astype("datetime64[ms]")
    return frame.assign(difference=1.0, paired_minutes=9, reason="volume share reached")


FOUR_SESSIONS = bars_of(
    [
        ("2021-01-26", "MGCG1", 100.0, 101.0, 1.0),
        ("2021-01-26", "MGCG1", 101.0, 100.0, 1.0),
        ("2021-01-27", "MGCG1", 100.3, 99.0, 1.0),
        ("2021-01-28", "MGCJ1", 200.2, 201.0, 0.5),
        ("2021-01-29", "MGCJ1", 200.6, 200.0, 0.5),
    ]
)
ONE_ROLL = rolls_of([("2021-01-28", "MGCG1", "MGCJ1", 0.5)])


def test_jumps_by_hand():
    (roll,) = roll_jumps(FOUR_SESSIONS, ONE_ROLL, 0.1).to_dict("records")
    assert (roll["close_before"], roll["open_after"]) == (99.0, 200.2)
    assert roll["traded_jump_ticks"] == pytest.approx(1012)
    assert roll["adjusted_jump_ticks"] == pytest.approx(22), "99 of the old month is 198 of the new"
    assert roll["difference_jump_ticks"] == pytest.approx(1002), "the made difference is one point"
    assert roll["ordinary_share"] == 0.0, "ordinary gaps were 3 and 4 ticks"
    gaps = session_gaps(FOUR_SESSIONS, 0.1)
    assert gaps["rolled"].tolist() == [False, True, False]
    assert gaps["adjusted_jump_ticks"].tolist() == pytest.approx([3, 22, -4])
    assert gaps["traded_jump_ticks"].iloc[[0, 2]].tolist() == pytest.approx([3, -4])


@pytest.mark.parametrize(("opened", "share"), [(198.3, 1.0), (198.35, 0.5), (197.6, 0.5), (198.5, 0.0)])
def test_a_roll_is_held_against_ordinary_gaps_of_either_sign(opened, share):
    bars = FOUR_SESSIONS.copy()
    bars.loc[3, "open"] = opened
    assert roll_jumps(bars, ONE_ROLL, 0.1)["ordinary_share"].tolist() == [share]


def test_one_session_and_no_roll_have_no_gap():
    one = FOUR_SESSIONS.iloc[:2]
    assert session_gaps(one, 0.1).empty
    assert roll_jumps(one, rolls_of([]), 0.1).empty
    lone = roll_jumps(FOUR_SESSIONS.iloc[[2, 3]], ONE_ROLL, 0.1)
    assert lone["ordinary_share"].isna().all(), "nothing says what is ordinary"


@given(
    sessions=st.lists(
        st.tuples(st.integers(1, 4), st.integers(900, 1100), st.booleans(), st.sampled_from([0.9, 1.0, 1.2])),
        min_size=2,
        max_size=8,
    )
)
@settings(max_examples=50, deadline=None)
def test_gaps_are_those_of_a_walk_over_the_rows(sessions):
    rows, month, chain = [], 0, 1.0
    for number, (bars, level, rolled, ratio) in enumerate(sessions):
        if rolled and number:
            month, chain = month + 1, chain * ratio
        day = f"2021-01-{number + 4:02d}"
        rows += [(day, f"MGC{'GJMQVZ'[month % 6]}1", level + k / 10, level + k / 5, chain) for k in range(bars)]
    frame = bars_of(rows)
    expected = []
    for before, after in pairwise(rows):
        if before[0] != after[0]:
            old_in_new = before[3] * before[4] / after[4]
            expected.append((before[1] != after[1], (after[2] - before[3]) / 0.1, (after[2] - old_in_new) / 0.1))
    found = session_gaps(frame, 0.1)
    assert found["rolled"].tolist() == [row[0] for row in expected]
    assert found["traded_jump_ticks"].to_numpy() == pytest.approx([row[1] for row in expected])
    assert found["adjusted_jump_ticks"].to_numpy() == pytest.approx([row[2] for row in expected])


# --- volume ------------------------------------------------------------------------------------------------------

# 2022-11-23 and 2022-11-28 are whole; metals closed early on 2022-11-24 and 2022-11-25.
DAYS = CALENDAR.between(date(2022, 11, 23), date(2022, 11, 28))


def minutes_of(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    """Bars from (session, minute since its open, volume)."""
    opens = np.array([DAYS.open_us[session] + minute * MINUTE_US for session, minute, _ in rows], dtype=np.int64)
    return pd.DataFrame({"open_time": from_us(opens), "volume": [volume for *_, volume in rows]})


def test_volume_by_minute_counts_silence_as_nothing_and_early_closes_not_at_all():
    spans = ((DAYS.close_us - DAYS.open_us) // MINUTE_US).tolist()
    assert spans[0] == spans[3] == 1380
    assert max(spans[1:3]) < 1300
    bars = minutes_of(
        [(0, 0, 10), (1, 0, 20), (2, 0, 30), (3, 0, 40), (0, 5, 8), (3, 5, 4), (0, 1300, 6), (3, 1379, 0)]
    )
    found = volume_profile(bars, DAYS).set_index("minute")
    assert len(found) == 1380
    assert found.loc[0, ["low", "median", "high", "traded_share"]].tolist() == [17.5, 25.0, 32.5, 1.0]
    assert found.loc[5, ["low", "median", "high", "traded_share"]].tolist() == [0.0, 2.0, 5.0, 0.5]
    assert found.loc[1300, ["low", "median", "high", "traded_share"]].tolist() == [1.5, 3.0, 4.5, 0.5]
    assert found["sessions"].loc[[0, 1300]].tolist() == [4, 2]


def test_a_session_without_bars_is_no_silent_one():
    bars = minutes_of([(0, 0, 10), (3, 0, 40)])
    assert volume_profile(bars, DAYS)["sessions"].iloc[0] == 2


def test_minutes_before_the_first_bar_and_after_the_last_were_not_silent():
    bars = minutes_of([(0, 600, 10), (1, 0, 5), (1, 600, 30), (3, 600, 20), (3, 601, 4)])
    found = volume_profile(bars, DAYS).set_index("minute")
    assert found["sessions"].loc[[0, 599, 600, 601, 602]].tolist() == [2, 2, 3, 3, 2]
    assert found.loc[600, ["median", "traded_share"]].tolist() == [20.0, 1.0]
    assert found.loc[599, ["median", "traded_share"]].tolist() == [0.0, 0.0]


@pytest.mark.filterwarnings("error")
def test_a_minute_that_no_session_schedules_has_no_quartiles_and_no_warning():
    found = volume_profile(minutes_of([(0, 600, 10), (0, 601, 4)]), DAYS).set_index("minute")
    assert found["sessions"].loc[[599, 600, 601, 602]].tolist() == [0, 1, 1, 0]
    assert found["median"].loc[[600, 601]].tolist() == [10.0, 4.0]
    assert found["median"].drop([600, 601]).isna().all()


def test_a_series_without_volume_has_trading_but_no_contracts():
    found = volume_profile(minutes_of([(0, 0, np.nan), (3, 0, np.nan), (3, 1, np.nan)]), DAYS)
    assert found[["low", "median", "high"]].isna().to_numpy().all()
    assert found["traded_share"].iloc[:3].tolist() == [1.0, 0.5, 0.0]


def test_volume_by_minute_equals_a_loop():
    rng = np.random.default_rng(4)
    rows = [(s, m, float(v)) for s in range(4) for m, v in enumerate(rng.integers(0, 50, 1140)) if rng.random() < 0.8]
    rows = [(0, 0, 3.0), *(row for row in rows if row[:2] != (0, 0)), (3, 1379, 2.0)]
    found = volume_profile(minutes_of(rows), DAYS)
    by_place = {(s, m): v for s, m, v in rows}
    for minute in (0, 17, 600, 1139):
        values = [by_place.get((s, minute), 0.0) for s in range(4)]
        expected = np.quantile(values, [0.25, 0.5, 0.75])
        assert found.loc[minute, ["low", "median", "high"]].to_numpy(dtype=float) == pytest.approx(expected)


# --- quarantine --------------------------------------------------------------------------------------------------


def test_distance_of_refused_rows_by_hand():
    at = pd.Timestamp("2022-11-23 15:00", tz="UTC")
    bars = pd.DataFrame(
        {
            "open_time": [at, at + pd.Timedelta(minutes=2), at + pd.Timedelta(minutes=3)],
            "expiry": pd.Categorical(["MGCG3", "MGCG3", "MGCJ3"]),
            "close": [1700.0, 1710.0, 1800.0],
        }
    )
    rows = [
        ("MGCG3", 1, 1700.5, 1702.0, 1699.0, 1701.0),  # 20 ticks from 1700, the bar before
        ("MGCG3", 2, 1700.0, 1700.0, 1690.0, 1700.0),  # its own minute is no reference: 100 ticks from 1700
        ("MGCG3", 5, 1710.0, 2000.0, 1710.0, 1710.0),  # 2900 ticks from 1710, not from the other month
        ("MGCM3", 5, 1710.0, 1710.0, 1710.0, 1710.0),  # a month without bars
        ("MGCG3", 63, 1710.0, 1711.0, 1710.0, 1710.0),  # more than an hour after the last bar
        ("MGCG3", 5, np.nan, 1710.0, 1710.0, 1710.0),
        ("MGCG3", 5, 1710.0, np.inf, 1710.0, 1710.0),
        ("MGCG3", -9_000_000, 1710.0, 1711.0, 1710.0, 1710.0),
    ]
    quarantine = pd.DataFrame(
        {
            "expiry": pd.Categorical([row[0] for row in rows]),
            "open_time": [at + pd.Timedelta(minutes=row[1]) for row in rows],
            **{name: [row[2 + k] for row in rows] for k, name in enumerate(("open", "high", "low", "close"))},
        }
    ).iloc[::-1]  # fmt: skip
    found = quarantine_distance_ticks(quarantine, bars, 0.1)[::-1]
    np.testing.assert_allclose(found, [20, 100, 2900, np.nan, np.nan, np.nan, np.nan, np.nan], atol=1e-6)


def test_an_empty_quarantine_has_no_distances():
    bars = pd.DataFrame(
        {"open_time": from_us(np.array([0])), "expiry": ["MGCG3"], "close": [1.0], "day": from_days(np.array([0]))}
    )
    empty = bars.iloc[:0].assign(open=1.0, high=1.0, low=1.0)
    assert quarantine_distance_ticks(empty, bars, 0.1).shape == (0,)
