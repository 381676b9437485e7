"""Volume and VWAP worked out by hand; sessions across clock changes and early closes."""

import math
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.features import compute
from factory_assets.features.volume_kernels import accumulated_slope, change_since, session_totals, slot_norms
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

from .feature_worlds import frame_of, sessions_of
from .test_feature_known_values import hourly, last

CHICAGO = ZoneInfo("America/Chicago")


def test_trend_and_variation_of_growing_volume():
    # 1, 2, ..., 60: slope 1, mean 30.5, variance (60^2 - 1) / 12.
    frame = hourly(np.full(60, 100.0), volume=np.arange(1.0, 61.0))
    assert last(frame, "volume_trend_60") == pytest.approx(1 / 30.5)
    assert last(frame, "volume_variation_60") == pytest.approx(math.sqrt(3599 / 12) / 30.5)


def test_up_volume_share_leaves_ties_out():
    # Rises of 30 and 10 contracts, falls of 20, ties of 40: 40 of 60, in every window of whole turns.
    close = np.r_[100.0, 100.0 + np.cumsum(np.tile([1.0, 1.0, -1.0, 0.0], 20))]
    frame = hourly(close, volume=np.r_[5.0, np.tile([30.0, 10.0, 20.0, 40.0], 20)])
    assert last(frame, "up_volume_share_60") == pytest.approx(2 / 3)
    # Ten bars: two whole turns and the fall and the tie of the one before: 80 up, 60 down.
    assert last(frame, "up_volume_share_10") == pytest.approx(80 / 140)


def test_accumulation_slope_of_closes_at_the_high():
    n = 70
    close = np.full(n, 101.0)
    frame = hourly(close, openings=np.full(n, 100.0), high=close, low=close - 2.0, volume=np.full(n, 7.0))
    assert last(frame, "ad_slope_60") == pytest.approx(1.0)
    # Closes at the low for the last 60 bars: the line falls by all that is traded.
    low = hourly(close, openings=np.full(n, 102.0), high=close + 2.0, low=close, volume=np.full(n, 7.0))
    assert last(low, "ad_slope_60") == pytest.approx(-1.0)


def test_slope_of_a_line_from_its_increments():
    # 0, 1, 3: the middle point does not matter to the slope of three.
    out = accumulated_slope(np.array([np.nan, 1.0, 2.0, 2.0]), 3)
    assert np.isnan(out[:2]).all()
    assert out[2:].tolist() == pytest.approx([1.5, 2.0])


@given(
    increments=st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=40),
    window=st.integers(2, 9),
)
def test_slope_equals_a_regression_of_the_sum(increments, window):
    values = np.array(increments)
    out = accumulated_slope(values, window)
    assert np.isnan(out[: window - 1]).all()
    t = np.arange(window) - (window - 1) / 2
    for i in range(window - 1, len(values)):
        line = np.cumsum(values[i - window + 1 : i + 1])
        size = np.abs(values[i - window + 1 : i + 1]).sum() + 1.0
        assert out[i] == pytest.approx((t * line).sum() / (t * t).sum(), abs=1e-9 * size)


def test_slope_keeps_no_trace_of_a_huge_past():
    values = np.r_[1e15, -3e14, np.random.default_rng(0).standard_normal(50)]
    late = accumulated_slope(values, 10)[-20:]
    assert late == pytest.approx(accumulated_slope(values[20:], 10)[-20:], rel=1e-11)


def test_force_and_ease_of_one_heavy_bar_on_a_ramp():
    # Up 1 a bar with ATR 1 and range 1; volume 9, in the last bar 19 against a mean of 9.5.
    close = 100.0 + np.arange(60.0)
    frame = hourly(close, openings=close - 1.0, high=close, low=close - 1.0, volume=np.r_[np.full(59, 9.0), 19.0])
    assert last(frame, "force_index_13_atr") == pytest.approx((12 + 19 / 9.5) / 13)
    assert last(frame, "ease_of_movement_14_atr") == pytest.approx((13 + 10.5 / 20) / 14)


def test_weighted_mean_against_simple_mean():
    # 19 bars of 10 contracts at 100, one of 20 at 103: weighted 100 + 60 / 210, simple 100 + 3 / 20; ATR 3 / 14.
    frame = hourly(np.r_[np.full(29, 100.0), 103.0], volume=np.r_[np.full(29, 10.0), 20.0])
    assert last(frame, "vwma_distance_20_atr") == pytest.approx((60 / 210 - 3 / 20) / (3 / 14))


def test_nothing_traded_is_neutral():
    rng = np.random.default_rng(2)
    frame = hourly(100.0 + np.cumsum(rng.standard_normal(600)), volume=np.zeros(600))
    values = compute(frame, minutes=60).iloc[-1]
    expected = {
        "volume_trend_60": 0.0, "volume_variation_60": 0.0, "volume_vs_same_minute_20s": 0.0,
        "session_volume_vs_norm_20s": 0.0, "dollar_volume_ratio_1s_20s": 0.0, "up_volume_share_10": 0.5,
        "up_volume_share_60": 0.5, "ad_slope_60": 0.0, "force_index_13_atr": 0.0, "vwma_distance_20_atr": 0.0,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == expected


NUMBER = np.array([0, 0, 1, 1, 2, 3, 3])
SLOT = np.array([0, 1, 0, 1, 0, 0, 1])
VOLUME = np.array([99.0, 99.0, 4.0, 6.0, 8.0, 1.0, 5.0])


@pytest.mark.parametrize(
    ("bins_of_session_1", "bins_of_session_2", "usual", "usual_cumulated"),
    [
        # Session 2 had a second bin without a bar: it counts 0, and the 8 of the first bin in the sum so far.
        (2, 2, 3.0, 9.0),
        # Session 2 closed early: only session 1 says what is usual in the second bin.
        (2, 1, 6.0, 10.0),
        # No earlier session has the bin: the row's own values.
        (1, 1, 5.0, 6.0),
    ],
)
def test_usual_volume_of_a_bin(bins_of_session_1, bins_of_session_2, usual, usual_cumulated):
    scheduled = np.array([2, 2, bins_of_session_1, bins_of_session_1, bins_of_session_2, 2, 2])
    found = slot_norms(VOLUME, SLOT, NUMBER, scheduled, 2)
    assert all(np.isnan(values[:5]).all() for values in found)
    assert [values[5] for values in found] == [6.0, 1.0, 6.0]
    assert [values[6] for values in found] == [usual, 6.0, usual_cumulated]


def test_usual_volume_forgets_what_is_older_than_its_sessions():
    # One bin a session, volumes 1, 2, 4, 8, ...: of two sessions each.
    n = 9
    volume = 2.0 ** np.arange(n)
    one = np.ones(n, dtype=np.int64)
    usual, so_far, usual_so_far = slot_norms(volume, 0 * one, np.arange(n), one, 2)
    assert usual[3:].tolist() == usual_so_far[3:].tolist() == ((volume[1:-2] + volume[2:-1]) / 2).tolist()
    assert so_far[3:].tolist() == volume[3:].tolist()


def test_totals_of_sessions():
    # Sums of the sessions: 9 (perhaps not whole), 3, 5, 7; two of them before the last whole one.
    last_one, usual = session_totals(np.array([9.0, 1, 2, 5, 7, 8, 8]), np.array([0, 1, 1, 2, 3, 4, 4]), 2)
    assert np.isnan(last_one[:5]).all()
    assert np.isnan(usual[:5]).all()
    assert last_one[5:].tolist() == [7.0, 7.0]
    assert usual[5:].tolist() == [4.0, 4.0]


def test_change_stays_within_the_session():
    values = np.array([1.0, 3.0, 6.0, 20.0, 22.0, 25.0, 29.0])
    assert change_since(values, np.array([0, 0, 0, 1, 1, 1, 1]), 2).tolist() == [0, 2, 5, 0, 2, 5, 7]


def test_vwap_slope_of_a_young_session():
    # A session of bars 99 to 101, then 100, 100 and 103, 10 contracts each: VWAP 100, 100, 101; ATR (13 x 2 + 4) / 14.
    sessions = sessions_of("MGC", 3, date(2023, 3, 13))
    hour = 60 * MINUTE_US
    times = np.r_[np.arange(sessions.open_us[0], sessions.close_us[0], hour), sessions.open_us[1] + hour * np.arange(3)]
    close = np.full(len(times), 100.0)
    close[-1] = 103.0
    day = sessions.trade_day[np.r_[np.zeros(len(times) - 3, dtype=int), 1, 1, 1]]
    prices = {"open": close, "high": close + 1.0, "low": close - 1.0, "close": close}
    frame = frame_of("MGC", times, times + hour, day, prices, np.full(len(times), 10.0), np.ones(len(times)))
    assert last(frame, "vwap_slope_10_atr") == pytest.approx(14 / 30)
    assert last(frame, "vwap_distance_atr") == pytest.approx(2 * 14 / 30)


def scheduled_half_hours(first, end):
    """Every scheduled 30-minute bar of gold, its volume given by Chicago's clock alone."""
    calendar = SessionCalendar.of(instrument("MGC")).between(first, end)
    step = 30 * MINUTE_US
    opens = [np.arange(a, b, step) for a, b in zip(calendar.open_us, calendar.close_us, strict=True)]
    day = np.repeat(calendar.trade_day, [len(times) for times in opens])
    closed = np.repeat(calendar.close_us, [len(times) for times in opens])
    times = np.concatenate(opens)
    wall = pd.to_datetime(times, unit="us", utc=True).tz_convert(CHICAGO)
    of_day = ((wall.hour * 60 + wall.minute) - 17 * 60) % 1440
    rng = np.random.default_rng(1)
    close = 1800.0 * np.exp(np.cumsum(rng.standard_normal(len(times))) * 1e-3)
    prices = {"open": close, "high": close + rng.random(len(times)), "low": close - rng.random(len(times)),
              "close": close}  # fmt: skip
    volume = 100.0 + (of_day.to_numpy() * 3.0) % 700.0
    return frame_of("MGC", times, np.minimum(times + step, closed), day, prices, volume, np.ones(len(times)))


CLOCK_CHANGES = pytest.mark.parametrize(
    ("first", "end", "change", "hours"),
    [
        # American clocks went forward on Sunday 13 March 2022, back on Sunday 6 November 2022.
        (date(2022, 2, 1), date(2022, 4, 8), "2022-03-14", (23, 22)),
        (date(2022, 9, 20), date(2022, 12, 16), "2022-11-07", (22, 23)),
    ],
)


@CLOCK_CHANGES
def test_usual_volume_keeps_to_the_exchange_clock(first, end, change, hours):
    frame = scheduled_half_hours(first, end)
    opened = frame.groupby("trade_date")["open_time"].min()
    assert opened[opened.index < change].dt.hour.iloc[-1] == hours[0]
    assert set(opened[opened.index >= change].dt.hour) == {hours[1]}
    values = compute(frame, ["volume_vs_same_minute_20s", "session_volume_vs_norm_20s"])
    after = values[values["trade_date"] >= change]
    assert after.notna().all().all()
    # The volume is the clock's alone, early closes (the last bins of which are short) and the days after them included.
    assert after.iloc[:, 2:].abs().max().max() < 1e-12
    # Minutes of the day in UTC would be off by an hour's worth of volume.
    key = frame["open_time"].dt.hour * 60 + frame["open_time"].dt.minute
    usual = frame.groupby(key)["volume"].transform(lambda column: column.rolling(20).mean().shift())
    wrong = np.log((1.0 + frame["volume"]) / (1.0 + usual))[frame["trade_date"] == change]
    assert wrong.abs().mean() > 0.1


@CLOCK_CHANGES
def test_vwap_restarts_with_every_session(first, end, change, hours):
    frame = scheduled_half_hours(first, end)
    typical = (frame["high"] + frame["low"] + frame["close"]) / 3.0
    session = frame["trade_date"]
    mean = (typical * frame["volume"]).groupby(session).cumsum() / frame["volume"].groupby(session).cumsum()
    atr = compute(frame, ["atr_pct_14"])["atr_pct_14"] * frame["close"]
    values = compute(frame, ["vwap_distance_atr", "vwap_slope_10_atr"])
    known = values["vwap_distance_atr"].notna()
    assert (session[~known] == session.iloc[0]).all()
    np.testing.assert_allclose(values["vwap_distance_atr"][known], ((frame["close"] - mean) / atr)[known], atol=1e-9)
    opening = known & (session != session.shift())
    assert (values["vwap_slope_10_atr"][opening] == 0.0).all()
    assert change in set(session[opening].dt.strftime("%Y-%m-%d"))


def test_an_early_close_is_measured_by_its_own_bins_and_leaves_later_afternoons_alone():
    frame = scheduled_half_hours(date(2022, 9, 20), date(2022, 12, 16))
    short = frame["trade_date"] == "2022-11-25"
    # 17:00 to 12:45 is 39 bins and a half; a whole session has 46.
    assert short.sum() == 40
    assert (frame["trade_date"] == "2022-11-28").sum() == 46
    frame.loc[short, "volume"] *= 2.0
    values = compute(frame, ["volume_vs_same_minute_20s", "session_volume_vs_norm_20s"])
    volume = frame.loc[short, "volume"].to_numpy()
    both = values.loc[short]
    assert both.iloc[:, 2].to_numpy() == pytest.approx(np.log((1 + volume) / (1 + volume / 2)))
    assert both.iloc[:, 3].to_numpy() == pytest.approx(np.log((1 + volume.cumsum()) / (1 + volume.cumsum() / 2)))
    monday = values.loc[frame["trade_date"] == "2022-11-28"]
    usual = frame.loc[frame["trade_date"] == "2022-11-28", "volume"].to_numpy()
    # The doubled day is one of 20 in the bins it has; after its close nothing is unusual.
    assert monday.iloc[:40, 2].to_numpy() == pytest.approx(np.log((1 + usual[:40]) / (1 + usual[:40] * 21 / 20)))
    assert monday.iloc[40:, 2].abs().max() < 1e-12
    assert monday.iloc[39, 3] == pytest.approx(math.log((1 + usual[:40].sum()) / (1 + usual[:40].sum() * 21 / 20)))
    assert monday.iloc[40:, 3].abs().max() < 1e-12


def test_dollar_volume_of_whole_sessions():
    frame = scheduled_half_hours(date(2022, 9, 20), date(2022, 12, 16))
    dollars = (frame["high"] + frame["low"] + frame["close"]) / 3.0 * frame["volume"]
    totals = dollars.groupby(frame["trade_date"]).sum()
    values = compute(frame, ["dollar_volume_ratio_1s_20s"])
    row = int(np.flatnonzero(frame["trade_date"] == "2022-11-28")[7])
    here = totals.index.get_loc(frame["trade_date"].iloc[row])
    # Friday's half day against the twenty sessions to Thanksgiving, which was one as well.
    one = frame["close"].iloc[row]
    wanted = math.log((one + totals.iloc[here - 1]) / (one + totals.iloc[here - 21 : here - 1].mean()))
    assert values.iloc[row, 2] == pytest.approx(wanted)
    assert -0.5 < wanted < -0.1
    first = values["dollar_volume_ratio_1s_20s"].first_valid_index()
    assert frame["trade_date"].iloc[first] == totals.index[22]
