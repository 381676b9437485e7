"""The calendar against every real bar there is, and the gaps of two years of gold. ``-s`` prints the figures."""

import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.canonical import build_canonical
from factory_assets.market.continuity_invariants import coverage_invariants, gap_invariants
from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import EXPLANATIONS, find_gaps, longest_unexplained
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import CHICAGO, SessionCalendar, Sessions
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import MINUTE_US

MES, MGC = instrument("MES"), instrument("MGC")
NINJATRADER = 'format = "ninjatrader8"\ncontract = "MES"\nexpiry = "MESU6"\n'


def tell(*lines: object) -> None:
    """Print a figure for the one who asked with ``-s``."""
    sys.stdout.write("\n".join(str(line) for line in lines) + "\n")


@pytest.fixture(scope="module")
def gold(real_data):
    """Raw minutes of all months, canonical bars, gaps and coverage of two years of gold."""
    calendar = SessionCalendar.of(MGC)
    raw = read_folder(real_data / "MGC_databento", MGC).minutes
    made = build_canonical(raw, MGC, calendar, MarketSettings())
    gaps = find_gaps(made.bars, raw, made.quarantine, calendar)
    return raw, made, gaps, session_coverage(made.bars, raw, made.quarantine, gaps.table, calendar)


@pytest.mark.slow
def test_every_gold_bar_of_every_month_lies_in_a_session(gold):
    """And the other way round: in every session some month trades in the first minute and in one of the last two."""
    raw, _, _, coverage = gold
    calendar = SessionCalendar.of(MGC)
    times = times_us(raw["open_time"])
    outside = int((calendar.sessions.locate(times) < 0).sum())
    tell(
        f"MGC: {len(times)} bars of {raw['expiry'].nunique()} months, {outside} outside the {len(coverage)} sessions",
        f"minutes without any trade at a session's open, at most {coverage['silent_open_minutes'].max()}; "
        f"at its close, at most {coverage['silent_close_minutes'].max()}",
        coverage[coverage["calendar_note"] != ""][["trade_date", "share", "silent_close_minutes", "calendar_note"]],
    )
    assert (len(times), outside, len(coverage)) == (1_004_273, 0, 524)
    assert coverage["silent_open_minutes"].max() == 0
    assert coverage["silent_close_minutes"].max() <= 1
    shortened = coverage[coverage["scheduled_minutes"] < 1380]
    assert len(shortened) == 16
    # Gold's last minute, by Chicago wall clock, is what the row says: 12:00 until 2021, 13:30 and 12:45 from 2022 on.
    last = raw["open_time"].groupby(calendar.sessions.locate(times)).max().dt.tz_convert(CHICAGO)
    of_day = dict(zip(last.dt.strftime("%Y-%m-%d"), last.dt.strftime("%H:%M"), strict=True))
    assert of_day["2021-09-06"] == "11:59"
    assert of_day["2021-11-26"] == "12:44"
    assert of_day["2022-09-05"] == "13:29"


@pytest.mark.slow
def test_gaps_of_two_years_of_gold(gold):
    raw, made, gaps, coverage = gold
    tell(f"MGC gaps: {dict(gaps.counts)}", longest_unexplained(gaps.table))
    counts = gaps.counts
    assert sum(counts[name] for name in EXPLANATIONS) == counts["listed"] == len(gaps.table)
    # 0.1 % of 706,000 waits, and less where many waits are equally long.
    assert 400 < counts["listed"] < 706
    assert counts["unexplained"] < counts["listed"] / 5
    assert counts["quarantined"] == counts["rows_without_volume"] == 0
    assert (counts["calendar"], counts["other_expiries_silent"], counts["unexplained"]) == (25, 446, 66)
    # No hole anywhere: the longest silence of the front month in two years is nine minutes, a day before its roll,
    # and the month after it traded meanwhile.
    longest = gaps.table.loc[gaps.table["missing_minutes"].idxmax()]
    assert (longest["missing_minutes"], longest["explanation"]) == (9, "unexplained")
    assert longest["start_time"] == pd.Timestamp("2021-01-27 21:17", tz="UTC")
    assert longest["evidence"] == "2 other months traded in 7 of its minutes"
    verdicts = [
        *gap_invariants(made.bars, raw, made.quarantine, gaps.table, coverage),
        *coverage_invariants(made.bars, made.quarantine, gaps.table, coverage, MGC, SessionCalendar.of(MGC)),
    ]
    tell(*(f"{verdict.name}: {verdict.summary}" for verdict in verdicts))
    assert [verdict.name for verdict in verdicts if not verdict.passed] == []


@pytest.mark.slow
def test_a_lost_hour_shows(gold):
    """Rows cut out of one session: the front month's alone are unexplained, all months' are a silence of the others."""
    raw, made, _, _ = gold
    calendar = SessionCalendar.of(MGC)
    hour = made.bars["open_time"].between(
        pd.Timestamp("2022-08-10 14:00", tz="UTC"), pd.Timestamp("2022-08-10 14:59", tz="UTC")
    )
    bars = made.bars[~hour].reset_index(drop=True)
    found = find_gaps(bars, raw, made.quarantine, calendar).table
    lost = found[found["missing_minutes"] >= 60]
    assert lost["explanation"].tolist() == ["unexplained"]
    assert lost["start_time"].tolist() == [pd.Timestamp("2022-08-10 14:00", tz="UTC")]
    rest = raw[~raw["open_time"].isin(made.bars["open_time"][hour])]
    found = find_gaps(bars, rest, made.quarantine, calendar).table
    assert found[found["missing_minutes"] >= 60]["explanation"].tolist() == ["other_expiries_silent"]


@pytest.mark.slow
@pytest.mark.parametrize("day", ["2022-04-14", "2022-05-30"])
def test_four_lost_hours_are_no_matter_of_the_calendar(gold, day):
    """Of all months, on the full-length Thursday before Good Friday and inside a session that closes early."""
    raw, made, _, _ = gold
    kept = [
        rows[~rows["open_time"].between(*pd.to_datetime([f"{day} 12:00Z", f"{day} 15:59Z"]))].reset_index(drop=True)
        for rows in (made.bars, raw)
    ]
    found = find_gaps(*kept, made.quarantine, SessionCalendar.of(MGC)).table
    assert found[found["missing_minutes"] >= 60]["explanation"].tolist() == ["other_expiries_silent"]


@pytest.mark.slow
def test_a_close_too_late_in_the_calendar_shows(gold):
    """Were Thanksgiving 2022 a regular session, its afternoon would be a gap, and the session a warning."""
    raw, made, _, _ = gold
    calendar = SessionCalendar.of(MGC)
    day = calendar.sessions.trade_day.astype("datetime64[D]") == np.datetime64("2022-11-24")
    sessions = calendar.sessions
    close_us = sessions.close_us + day * 150 * MINUTE_US
    wrong = SessionCalendar(
        calendar.name, calendar.asset_class, Sessions(sessions.trade_day, sessions.open_us, close_us, sessions.flat_us)
    )
    gaps = find_gaps(made.bars, raw, made.quarantine, wrong).table
    longest = gaps.loc[gaps["missing_minutes"].idxmax()]
    assert (longest["missing_minutes"], longest["end_time"]) == (151, pd.Timestamp("2022-11-24 22:00", tz="UTC"))
    coverage = session_coverage(made.bars, raw, made.quarantine, gaps, wrong)
    verdicts = {v.name: v for v in coverage_invariants(made.bars, made.quarantine, gaps, coverage, MGC, wrong)}
    assert (
        "2022-11-24 (first trade 0 minutes after the open, last one 150 before"
        in verdicts["schedule_is_traded"].summary
    )
    assert verdicts["coverage_accounts_for_bars"].details["sessions whose close differs"] == 1


def test_the_hole_in_the_mes_sample_is_found(real_data, tmp_path):
    folder = tmp_path / "MES"
    folder.mkdir()
    shutil.copy(real_data / "MES_ninjatrader" / "mes_sep26_1min_1month_raw.txt", folder)
    (folder / "source.toml").write_text(NINJATRADER, encoding="utf-8")
    calendar = SessionCalendar.of(MES)
    raw = read_folder(folder, MES).minutes
    made = build_canonical(raw, MES, calendar, MarketSettings())
    gaps = find_gaps(made.bars, raw, made.quarantine, calendar)
    coverage = session_coverage(made.bars, raw, made.quarantine, gaps.table, calendar)
    tell(f"MES: {len(raw)} bars, {made.counts['quarantined']} quarantined", longest_unexplained(gaps.table))
    assert (calendar.sessions.locate(times_us(raw["open_time"])) >= 0).all()
    row = gaps.table.iloc[0]
    assert len(gaps.table) == 1
    assert (row["missing_minutes"], row["usual_minutes"], row["explanation"]) == (41, 0, "unexplained")
    assert row["start_time"] == pd.Timestamp("2026-06-09 14:57", tz="UTC")
    assert coverage["traded_minutes"].tolist()[1:-1] == [1380] * 9 + [1339] + [1380] * 2
    # The file begins and ends within a session: told by coverage, listed as no gap.
    assert (coverage["silent_open_minutes"].iloc[0], coverage["silent_close_minutes"].iloc[-1]) == (360, 1020)


def test_the_nq_sample_fills_its_schedule(real_data):
    """Thanksgiving 2023: sessions until 12:00 and 12:15 Chicago; no minute lies outside, and one of 14,715 lacks."""
    sample = pd.read_csv(real_data / "NQ_firstrate" / "NQ_1min_sample.csv")
    eastern = pd.DatetimeIndex(sample["timestamp"]).tz_localize("America/New_York")
    times = times_us(eastern)
    calendar = SessionCalendar.of(MES)
    index = calendar.sessions.locate(times)
    assert (len(times), int((index < 0).sum())) == (14_714, 0)
    here = calendar.sessions.take(np.unique(index))
    scheduled = (here.close_us - here.open_us) // MINUTE_US
    traded = np.bincount(index - index.min())
    days = here.trade_day.astype("datetime64[D]").astype(str)
    tell("NQ: " + ", ".join(f"{d} {t}/{s}" for d, t, s in zip(days, traded[traded > 0], scheduled, strict=True)))
    lacking = dict(zip(days.tolist(), (scheduled - traded[traded > 0]).tolist(), strict=True))
    assert {day: number for day, number in lacking.items() if number} == {"2023-11-23": 1}
    last = eastern.to_series().groupby(index).max().dt.strftime("%H:%M")
    assert set(last) == {"16:59", "12:59", "13:14"}
    assert (scheduled[days == "2023-11-23"][0], scheduled[days == "2023-11-24"][0]) == (1140, 1155)
