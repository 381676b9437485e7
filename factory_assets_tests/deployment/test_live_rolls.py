"""The series rolls live as in history, by each rule that can run live, and for a vendor's continuous series."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment.bundle import load_bundle, write_bundle
from factory_assets.deployment.release import Release
from factory_assets.deployment.series import LiveSeries
from factory_assets.features.bars import Bars
from factory_assets.features.regime_table import RegimeTable
from factory_assets.market.canonical import build_canonical
from factory_assets.market.ladder import build_ladder
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES
from factory_assets_tests.deployment.conftest import NOW
from factory_assets_tests.market.gold_worlds import CALENDAR as GOLD_CALENDAR
from factory_assets_tests.market.gold_worlds import MGC
from factory_assets_tests.market.roll_worlds import SESSIONS, months_world
from factory_assets_tests.market.test_roll_map import STARTS, continuous

WORLD = months_world(21)
CALENDAR_RULE = MarketSettings(roll_rule="calendar", roll_calendar_sessions=7)


def live_bars(raw: pd.DataFrame, market: MarketSettings, **kind: bool) -> tuple[Bars, list[str | None]]:
    """Finished base bars after all minutes, and the front as it stood after each session."""
    series = LiveSeries(MGC, market, {BASE_MINUTES: len(SESSIONS)}, **kind)
    fronts = []
    for _, minutes in raw.groupby(SESSIONS.locate(times_us(raw["open_time"]))):
        series.take_history(minutes)
        fronts.append(series.front)
    held = series.close_bars(int(SESSIONS.close_us[-1]))[BASE_MINUTES]
    return held.bars(len(SESSIONS), RegimeTable(contract="MGC", minutes=BASE_MINUTES, quarters=())), fronts


def batch_bars(raw: pd.DataFrame, market: MarketSettings, **kind: bool) -> pd.DataFrame:
    canonical = build_canonical(raw, MGC, GOLD_CALENDAR, market, **kind)
    return build_ladder(canonical.bars, SESSIONS, [BASE_MINUTES])[BASE_MINUTES]


@pytest.mark.parametrize(
    ("raw", "market", "kind"),
    [
        (WORLD, MarketSettings(), {}),
        (WORLD, MarketSettings(roll_volume_share=0.9), {}),
        (WORLD, CALENDAR_RULE, {}),
        (WORLD.assign(volume=np.nan), CALENDAR_RULE, {"has_volume": False}),
        (continuous(WORLD, STARTS), MarketSettings(), {"joins_without_overlap": True}),
        (
            continuous(WORLD, STARTS).assign(volume=np.nan),
            CALENDAR_RULE,
            {"joins_without_overlap": True, "has_volume": False},
        ),
    ],
)
def test_live_bars_equal_history_over_all_rolls(raw: pd.DataFrame, market: MarketSettings, kind: dict) -> None:
    batch = batch_bars(raw, market, **kind)
    live, fronts = live_bars(raw, market, **kind)
    assert batch["expiry"].nunique() >= 2
    assert len(live) == len(batch) == len(SESSIONS)
    assert live.close_us.tolist() == times_us(batch["close_time"]).tolist()
    assert live.traded_close.tolist() == batch["close"].tolist()
    for name in ("open", "high", "low", "close"):
        assert getattr(live, name).tolist() == (batch[name] * batch["adjustment_ratio"]).tolist(), name
    # The first session only tells which month is the front.
    assert fronts == [None, *batch["expiry"].astype(str)[1:]]


def _minute(raw: pd.DataFrame, name: str, place: int) -> pd.DataFrame:
    rows = raw[(raw["expiry"] == name) & (SESSIONS.locate(times_us(raw["open_time"])) == place)]
    return rows.head(1)


def test_a_continuous_series_holds_one_month_a_session_and_never_goes_back() -> None:
    series = LiveSeries(MGC, MarketSettings(), {BASE_MINUTES: 10}, joins_without_overlap=True)
    for name, place in (("MGCG1", 0), ("MGCG1", 1), ("MGCJ1", 2)):
        series.take_history(_minute(WORLD, name, place))
    assert series.front == "MGCJ1"
    with pytest.raises(BadInputError, match=r"bar of MGCM1 in a session of \['MGCJ1'\].*Nothing was changed"):
        series.take_history(_minute(WORLD, "MGCM1", 2))
    with pytest.raises(BadInputError, match="bar of MGCG1 after sessions of MGCJ1"):
        series.take_history(_minute(WORLD, "MGCG1", 3))
    series.take_history(_minute(WORLD, "MGCJ1", 3))
    assert series.front == "MGCJ1"


def test_a_release_says_how_it_rolls_and_refuses_what_cannot_run_live(world, tmp_path) -> None:
    changed = MarketSettings(roll_rule="calendar", roll_calendar_sessions=3)
    kept = dataclasses.replace(world.release, market=changed, joins_without_overlap=True)
    folder, digest = write_bundle(kept, tmp_path, clock=lambda: NOW, code_version="test")
    found = load_bundle(folder, digest)
    assert (found.market, found.joins_without_overlap) == (changed, True)
    with pytest.raises(BadInputError, match="'open_interest', which cannot run live: bars tell no open interest"):
        dataclasses.replace(world.release, market=MarketSettings(roll_rule="open_interest"))
    # A vendor's series was rolled by its vendor, whatever the rule says.
    dataclasses.replace(world.release, market=MarketSettings(roll_rule="open_interest"), joins_without_overlap=True)


def test_a_bundle_by_open_interest_is_refused_on_loading(world, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Release, "__post_init__", lambda _: None)
        forged = dataclasses.replace(world.release, market=MarketSettings(roll_rule="open_interest"))
        forged_folder = tmp_path / "forged"
        folder, digest = write_bundle(forged, forged_folder, clock=lambda: NOW, code_version="test")
    with pytest.raises(IntegrityError, match="which cannot run live"):
        load_bundle(folder, digest)
