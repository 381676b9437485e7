"""The ladder's invariants: green on what the kernel builds, red on every single change to it."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.canonical import build_canonical
from factory_assets.market.ladder import build_ladder
from factory_assets.market.ladder_invariants import ladder_invariants
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import simulate
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES
from factory_assets_tests.market.ladder_worlds import canonical_of, sessions_of_thanksgiving

SESSIONS = sessions_of_thanksgiving()
CANONICAL = canonical_of(SESSIONS, kept_share=0.5)
NAMES = ["ladder_equals_minutes", "known_at_close", "volume_conserved"]


def _failed(ladder):
    return {verdict.name for verdict in ladder_invariants(CANONICAL, ladder, SESSIONS) if not verdict.passed}


def test_what_the_kernel_builds_passes():
    ladder = build_ladder(CANONICAL, SESSIONS)
    verdicts = ladder_invariants(CANONICAL, ladder, SESSIONS)
    assert [verdict.name for verdict in verdicts] == NAMES
    assert all(verdict.passed and verdict.blocking for verdict in verdicts)
    assert verdicts[0].details == {f"bars_{m}min": len(ladder[m]) for m in TIMEFRAMES_MINUTES}
    assert verdicts[2].details["contracts"] == CANONICAL["volume"].sum()


@pytest.mark.parametrize("minutes", [1, 25, 60])
@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume", "minutes", "adjustment_ratio"])
def test_one_changed_value_is_seen(minutes, column):
    ladder = build_ladder(CANONICAL, SESSIONS)
    ladder[minutes].loc[7, column] += 1
    failed = _failed(ladder)
    assert "ladder_equals_minutes" in failed
    assert ("volume_conserved" in failed) == (column in {"volume", "minutes"})


@pytest.mark.parametrize("minutes", [1, 45])
def test_another_expiry_or_date_is_seen(minutes):
    ladder = build_ladder(CANONICAL, SESSIONS)
    ladder[minutes].loc[3, "expiry"] = "MESH4"
    assert _failed(ladder) == {"ladder_equals_minutes"}
    ladder = build_ladder(CANONICAL, SESSIONS)
    ladder[minutes].loc[3, "trade_date"] += np.timedelta64(1, "D")
    assert "ladder_equals_minutes" in _failed(ladder)


@pytest.mark.parametrize("minutes", [5, 60])
def test_lost_and_invented_bars_are_seen(minutes):
    ladder = build_ladder(CANONICAL, SESSIONS)
    whole = ladder[minutes]
    ladder[minutes] = whole.drop(index=11).reset_index(drop=True)
    assert _failed(ladder) == {"ladder_equals_minutes", "volume_conserved"}
    ladder[minutes] = pd.concat([whole, whole.tail(1)], ignore_index=True)
    assert _failed(ladder) == set(NAMES)


@pytest.mark.parametrize("minutes", [5, 30])
def test_bars_labelled_at_their_left_edge_are_seen(minutes):
    """The usual resampling default: a bar stamped 09:30 that holds the 09:34 close."""
    ladder = build_ladder(CANONICAL, SESSIONS)
    early = ladder[minutes]
    ladder[minutes] = early.assign(close_time=early["open_time"])
    assert _failed(ladder) == {"ladder_equals_minutes", "known_at_close"}


def test_bins_of_another_anchor_are_seen():
    """25-minute bins counted from midnight UTC instead of the session's open hold the right totals at other times."""
    ladder = build_ladder(CANONICAL, SESSIONS)
    ladder[25] = ladder[25].assign(
        open_time=ladder[25]["open_time"] + pd.Timedelta("5min"),
        close_time=ladder[25]["close_time"] + pd.Timedelta("5min"),
    )
    assert _failed(ladder) == {"ladder_equals_minutes", "known_at_close"}


def test_a_last_bin_that_outlives_its_session_is_seen():
    ladder = build_ladder(CANONICAL, SESSIONS)
    bars = ladder[45]
    short = bars["close_time"] - bars["open_time"] < pd.Timedelta("45min")
    assert short.any()
    ladder[45] = bars.assign(close_time=bars["open_time"] + pd.Timedelta("45min"))
    assert _failed(ladder) == {"ladder_equals_minutes", "known_at_close"}


def test_a_missing_timeframe_is_seen():
    ladder = build_ladder(CANONICAL, SESSIONS)
    del ladder[20]
    assert _failed(ladder) == {"ladder_equals_minutes"}


def _verdicts_of(raw, product):
    calendar = SessionCalendar.of(product)
    bars = build_canonical(raw, product, calendar, MarketSettings()).bars
    sessions = calendar.covering(times_us(bars["open_time"]))
    return ladder_invariants(bars, build_ladder(bars, sessions), sessions), len(bars)


def test_simulated_market_passes_across_its_roll():
    verdicts, minutes = _verdicts_of(simulate("planted", 2, 60), instrument("SIM"))
    assert all(verdict.passed for verdict in verdicts)
    assert verdicts[0].details["bars_1min"] == minutes > 75_000


@pytest.mark.slow
def test_two_years_of_real_gold_pass(real_data):
    product = instrument("MGC")
    verdicts, minutes = _verdicts_of(read_folder(real_data / "MGC_databento", product).minutes, product)
    assert all(verdict.passed for verdict in verdicts), [verdict.summary for verdict in verdicts]
    assert verdicts[0].details["bars_1min"] == minutes > 700_000


def _without(frame):
    return frame.assign(volume=np.nan)


def test_a_series_without_volume_holds_none_on_every_timeframe():
    bare = _without(CANONICAL)
    ladder = build_ladder(bare, SESSIONS)
    assert all(frame["volume"].isna().all() for frame in ladder.values())
    with_it = build_ladder(CANONICAL, SESSIONS)
    for minutes, frame in ladder.items():
        pd.testing.assert_frame_equal(frame.drop(columns="volume"), with_it[minutes].drop(columns="volume"))
    verdicts = ladder_invariants(bare, ladder, SESSIONS)
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []
    assert (verdicts[2].details["contracts"], verdicts[2].details["has_volume"]) == (0.0, False)
    assert "the same minutes, and no volume" in verdicts[2].summary


@pytest.mark.parametrize("minutes", [1, 60])
@pytest.mark.parametrize("invented", [0.0, 3.0])
def test_a_volume_where_the_minutes_have_none_is_seen(minutes, invented):
    ladder = build_ladder(_without(CANONICAL), SESSIONS)
    ladder[minutes].loc[5, "volume"] = invented
    failed = {v.name for v in ladder_invariants(_without(CANONICAL), ladder, SESSIONS) if not v.passed}
    assert failed == {"ladder_equals_minutes", "volume_conserved"}


@pytest.mark.parametrize("whole_session", [False, True])
def test_volume_on_some_minutes_only_is_no_series(whole_session):
    # a whole session without it would have the same sum on every timeframe
    mixed = CANONICAL.copy()
    bare = mixed["trade_date"] == mixed["trade_date"].iloc[0] if whole_session else mixed.index == 3
    mixed.loc[bare, "volume"] = np.nan
    verdicts = {v.name: v for v in ladder_invariants(mixed, build_ladder(mixed, SESSIONS), SESSIONS)}
    assert not verdicts["volume_conserved"].passed
    assert f"{bare.sum()} of {len(CANONICAL)} minutes have no volume" in verdicts["volume_conserved"].summary
