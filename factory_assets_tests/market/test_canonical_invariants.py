"""Good bars pass every invariant; each kind of damage fails the one that is there for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.canonical import Canonical, build_canonical
from factory_assets.market.canonical_invariants import canonical_invariants
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import simulate
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC, SETTINGS, gold_minutes

NAMES = [
    "data_contract",
    "sessions_and_ticks",
    "quarantine_ceiling",
    "rows_accounted",
    "quarantine_reasons_recomputed",
    "rolls_forward_only",
    "no_foreign_contract",
]


def failed(raw: pd.DataFrame, canonical: Canonical, settings: MarketSettings = SETTINGS) -> dict[str, str]:
    """Name and summary of the invariants that do not hold."""
    verdicts = canonical_invariants(raw, canonical, MGC, CALENDAR, settings)
    assert [v.name for v in verdicts] == NAMES
    assert all(v.blocking for v in verdicts)
    return {v.name: v.summary for v in verdicts if not v.passed}


@pytest.fixture
def raw() -> pd.DataFrame:
    return gold_minutes()


@pytest.fixture
def good(raw: pd.DataFrame) -> Canonical:
    return build_canonical(raw, MGC, CALENDAR, SETTINGS)


def test_good_bars_pass(raw: pd.DataFrame, good: Canonical) -> None:
    assert failed(raw, good) == {}


def test_bars_with_quarantine_and_copies_pass_and_are_counted(raw: pd.DataFrame) -> None:
    raw.loc[5, "high"] = np.nan
    dirty = pd.concat([raw, raw.iloc[[7, 7]], raw.iloc[[9]].assign(volume=3.0)], ignore_index=True)
    canonical = build_canonical(dirty, MGC, CALENDAR, SETTINGS)
    assert failed(dirty, canonical) == {}
    accounted = canonical_invariants(dirty, canonical, MGC, CALENDAR, SETTINGS)[3]
    assert accounted.summary == (
        "603 raw rows = 298 canonical + 300 of other expiries + 3 quarantined + 2 exact copies"
    )


def _bars(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Canonical], Canonical]:
    return lambda canonical: replace(canonical, bars=change(canonical.bars.copy()))


def _cell(column: str, value: object, row: int = 100) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[row, column] = value
        return bars

    return change


def _shifted(minutes: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    step = pd.Timedelta(minutes=minutes)
    return lambda bars: bars.assign(open_time=bars["open_time"] + step, close_time=bars["close_time"] + step)


def _renamed(old: str, new: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda bars: bars.assign(expiry=bars["expiry"].cat.rename_categories({old: new}))


def _roll_moved(canonical: Canonical) -> Canonical:
    return replace(canonical, rolls=canonical.rolls.assign(trade_date=pd.Timestamp("2022-02-07")))


def _front_kept_too_long(_: Canonical) -> Canonical:
    """Thursday still trades February: one session late, as 'most volume yesterday' would."""
    late_raw = gold_minutes({**SHARES, "2022-01-26": 0.10, "2022-01-27": 3.0})
    return build_canonical(late_raw, MGC, CALENDAR, SETTINGS)


SHARES = {"2022-01-24": 0.05, "2022-01-25": 0.10, "2022-01-26": 0.40, "2022-01-27": 3.0, "2022-01-28": 20.0}


@pytest.mark.parametrize(
    ("damage", "invariant", "message"),
    [
        (_bars(lambda b: b.iloc[[0, *range(len(b))]].reset_index(drop=True)), "data_contract", "repeated times: 1"),
        (_bars(lambda b: b.iloc[::-1].reset_index(drop=True)), "data_contract", "do not increase"),
        (_bars(_cell("close", np.nan)), "data_contract", "nulls: 1"),
        (_bars(_cell("volume", np.inf)), "data_contract", "infinite values: 1"),
        (_bars(_cell("low", -1.0)), "data_contract", "prices not above zero: 1"),
        (_bars(_cell("high", 1.0)), "data_contract", "high below another price: 1"),
        (_bars(_cell("low", 9999.0)), "data_contract", "low above another price: 1"),
        (_bars(_cell("volume", -1.0)), "data_contract", "negative volume: 1"),
        (_bars(lambda b: b.assign(close_time=b["open_time"])), "data_contract", "close_time other than"),
        (_bars(lambda b: b.iloc[:0]), "data_contract", "no bars"),
        (_bars(_cell("open", 1800.05)), "sessions_and_ticks", "distinct prices off tick: 1"),
        (_bars(_cell("trade_date", pd.Timestamp("2022-01-26"))), "sessions_and_ticks", "other than the Chicago"),
        (_bars(_shifted(-60)), "sessions_and_ticks", "bars between close and 17:00"),
        (_bars(_shifted(1380 + 60 * 24 * 4)), "sessions_and_ticks", "bars on a day|other than the Chicago session"),
        (_bars(_cell("close", 1800.0)), "rows_accounted", "canonical bars that no raw row holds: 1"),
        (_bars(lambda b: b.drop(index=7)), "rows_accounted", "front month that are in neither: 1"),
        (lambda c: replace(c, counts={**c.counts, "raw_rows": 1}), "rows_accounted", "counts that disagree: 1"),
        (_bars(lambda b: b.assign(adjustment_ratio=1.0)), "rolls_forward_only", "a return in the adjusted series: 1"),
        (_bars(lambda b: b.assign(adjustment_ratio=1.0 / b["adjustment_ratio"])), "rolls_forward_only", "return"),
        (_bars(_cell("adjustment_ratio", 0.5, 30)), "rolls_forward_only", "changes of ratio other than at rolls"),
        (_roll_moved, "rolls_forward_only", "differ from the roll map: 2"),
        (lambda c: replace(c, rolls=c.rolls.iloc[:0]), "rolls_forward_only", "differ from the roll map: 1"),
        (_front_kept_too_long, "rolls_forward_only", "held a month too long: 1"),
        (_bars(_renamed("MGCG2", "MESG2")), "no_foreign_contract", "expiries of another contract: 1"),
        (_bars(_renamed("MGCJ2", "MGCK2")), "no_foreign_contract", "months without delivery: 1"),
    ],
)  # fmt: skip
def test_damage_fails_the_invariant_that_is_there_for_it(
    raw: pd.DataFrame, good: Canonical, damage: Callable[[Canonical], Canonical], invariant: str, message: str
) -> None:
    found = failed(raw, damage(good))
    assert invariant in found
    assert pd.Series([found[invariant]]).str.contains(message).all(), found[invariant]


def test_a_roll_back_is_found(raw: pd.DataFrame, good: Canonical) -> None:
    last = good.bars["trade_date"] == good.bars["trade_date"].max()
    other = raw[(raw["expiry"] == "MGCG2") & raw["open_time"].isin(good.bars.loc[last, "open_time"])]
    bars = good.bars.copy()
    bars.loc[last, ["open", "high", "low", "close", "volume"]] = other[
        ["open", "high", "low", "close", "volume"]
    ].to_numpy()
    bars.loc[last, "expiry"] = "MGCG2"
    found = failed(raw, replace(good, bars=bars))
    assert "rolls back to an earlier month: 1" in found["rolls_forward_only"]
    assert "changes of expiry that differ from the roll map" in found["rolls_forward_only"]


def test_the_ceiling_counts_only_kept_expiries(raw: pd.DataFrame) -> None:
    raw["expiry"] = raw["expiry"].cat.add_categories("MGCQ2")
    far = raw[raw["expiry"] == "MGCJ2"].head(50).assign(expiry="MGCQ2", high=-1.0)
    far["expiry"] = far["expiry"].astype(raw["expiry"].dtype)
    raw.loc[[0, 1, 2], "high"] = np.nan
    dirty = pd.concat([raw, far], ignore_index=True)
    canonical = build_canonical(dirty, MGC, CALENDAR, SETTINGS)
    assert canonical.counts["quarantined"] == 53
    assert canonical.counts["quarantined_share"] == 3 / 600
    assert failed(dirty, canonical) == {}
    found = failed(dirty, canonical, MarketSettings(quarantined_share_max=0.004))
    assert list(found) == ["quarantine_ceiling"]
    assert found["quarantine_ceiling"].startswith(
        "3 of 600 rows of the kept expiries quarantined (0.5000%, at most 0.40%)"
    )
    # A second copy of every row is no second row: it may not halve the share.
    twice = pd.concat([dirty, dirty.assign(source_file="again.csv")], ignore_index=True)
    again = build_canonical(twice, MGC, CALENDAR, SETTINGS)
    assert failed(twice, again, MarketSettings(quarantined_share_max=0.004)) == found


def test_early_closes_are_checked_by_the_wall_clock() -> None:
    shares = {"2022-09-02": 0.0, "2022-09-05": 0.0, "2022-09-06": 0.0}
    raw = gold_minutes(shares, minutes=1230)  # 17:00 to 13:30
    raw = raw[raw["volume"] > 0].assign(expiry="MGCZ2")
    good = build_canonical(raw, MGC, CALENDAR, SETTINGS)
    assert failed(raw, good) == {}
    step = pd.Timedelta(minutes=1)
    late = good.bars["open_time"] == pd.Timestamp("2022-09-05 18:29", tz="UTC")
    assert late.sum() == 1
    bars = good.bars.copy()
    bars.loc[late, ["open_time", "close_time"]] += step
    assert "bars after the session's close: 1" in failed(raw, replace(good, bars=bars))["sessions_and_ticks"]


@pytest.mark.slow
def test_real_gold_passes(real_data) -> None:
    minutes = read_folder(real_data / "MGC_databento", MGC).minutes
    canonical = build_canonical(minutes, MGC, CALENDAR, SETTINGS)
    assert failed(minutes, canonical) == {}


def test_simulated_worlds_pass() -> None:
    sim = instrument("SIM")
    minutes = simulate("null", 2, 70, date(2023, 1, 2))
    canonical = build_canonical(minutes, sim, SessionCalendar.of(sim), SETTINGS)
    verdicts = canonical_invariants(minutes, canonical, sim, SessionCalendar.of(sim), SETTINGS)
    assert [v.name for v in verdicts if not v.passed] == []
    assert canonical.counts["rolls"] == 1
    assert canonical.counts["quarantined"] == 0
