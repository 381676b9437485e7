"""A quarantine that is not exactly the broken rows is found: too many, too few, or under another name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.canonical import Canonical, build_canonical
from factory_assets.market.canonical_invariants import canonical_invariants
from factory_assets.market.quality import REASONS
from factory_assets.market.quarantine_invariants import quarantine_reasons_recomputed
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC, SETTINGS, gold_minutes

# The first 60 rows are February's of one session; each row breaks one rule, the spike needs 20 bars before it.
SPIKE_ROW = 45


def judged(raw: pd.DataFrame, quarantine: pd.DataFrame, *, has_volume: bool = True) -> Verdict:
    verdict = quarantine_reasons_recomputed(raw, quarantine, MGC, CALENDAR, SETTINGS, has_volume=has_volume)
    assert verdict.name == "quarantine_reasons_recomputed"
    assert verdict.blocking
    return verdict


def one_of_each() -> pd.DataFrame:
    """The small gold market with a row for every rule."""
    raw = gold_minutes()
    raw.loc[5, "high"] = np.inf
    raw.loc[6, "low"] = -0.1
    raw.loc[7, "close"] += 0.05
    raw.loc[8, "high"] = raw.loc[8, "low"] - 0.1
    raw.loc[10, "volume"] = -1.0
    raw.loc[11, "open_time"] += pd.Timedelta(seconds=30)
    raw.loc[12, "open_time"] = pd.Timestamp("2022-01-26 22:00", tz="UTC")  # 16:00 Chicago, the break
    raw.loc[SPIKE_ROW, "low"] -= 30.0
    told_otherwise, copied = raw.iloc[[9]].assign(volume=3.0), raw.iloc[[7, 14]]
    return pd.concat([raw, told_otherwise, copied], ignore_index=True)


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return one_of_each()


@pytest.fixture(scope="module")
def made(raw: pd.DataFrame) -> Canonical:
    return build_canonical(raw, MGC, CALENDAR, SETTINGS)


def test_one_row_of_each_rule_is_confirmed(raw: pd.DataFrame, made: Canonical) -> None:
    verdict = judged(raw, made.quarantine)
    assert verdict.passed, verdict.summary
    counted = "bad_volume 1, conflicting_duplicate 2, not_finite 1, not_positive 1, off_minute 1, off_tick 1, "
    assert verdict.summary.startswith("601 distinct raw rows and 1 leaps judged anew, 10 break a rule (" + counted)
    assert set(made.quarantine["reason"].astype(str)) == set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_a_missed_row_of_each_rule_is_found(raw: pd.DataFrame, made: Canonical, reason: str) -> None:
    rest = made.quarantine[made.quarantine["reason"] != reason]
    missed = 2 if reason == "conflicting_duplicate" else 1
    assert judged(raw, rest).summary == f"rows that break {reason} and are not quarantined: {missed}"


@pytest.mark.parametrize("reason", REASONS)
def test_a_row_under_another_rules_name_is_found(raw: pd.DataFrame, made: Canonical, reason: str) -> None:
    told = made.quarantine["reason"].astype(str)
    other = REASONS[REASONS.index(reason) - 1]
    renamed = made.quarantine.assign(reason=told.where(told != reason, other))
    moved = 2 if reason == "conflicting_duplicate" else 1
    assert judged(raw, renamed).summary == f"rows quarantined as {other} that break {reason} first: {moved}"


def test_good_front_bars_moved_into_the_quarantine_are_found() -> None:
    raw = gold_minutes()
    good = build_canonical(raw, MGC, CALENDAR, SETTINGS)
    moved = raw.iloc[[20, 21, 22]].assign(reason="off_tick")[["source_file", "source_row", *_named()]]
    bars = good.bars[~good.bars["open_time"].isin(moved["open_time"])].reset_index(drop=True)
    counts = {**good.counts, "quarantined": 3, "canonical_rows": len(bars)}
    verdicts = canonical_invariants(
        raw, replace(good, bars=bars, quarantine=moved, counts=counts), MGC, CALENDAR, MarketSettings()
    )
    found = {verdict.name: verdict.summary for verdict in verdicts if not verdict.passed}
    assert found["quarantine_reasons_recomputed"] == "rows quarantined as off_tick that break no rule: 3"
    assert "rows_accounted" not in found


def _named() -> list[str]:
    return ["expiry", "open_time", "reason", "open", "high", "low", "close", "volume"]


@pytest.mark.parametrize("reason", REASONS)
def test_a_good_bar_breaks_no_rule(raw: pd.DataFrame, made: Canonical, reason: str) -> None:
    moved = raw.iloc[[30]].assign(reason=reason)[["source_file", "source_row", *_named()]]
    told = made.quarantine.astype({"reason": str, "expiry": str, "source_file": str})
    both = pd.concat([told, moved.astype({"expiry": str, "source_file": str})], ignore_index=True)
    assert judged(raw, both).summary == f"rows quarantined as {reason} that break no rule: 1"


def test_a_row_set_aside_twice_is_found(raw: pd.DataFrame, made: Canonical) -> None:
    again = pd.concat([made.quarantine, made.quarantine.iloc[[3]]], ignore_index=True)
    assert judged(raw, again).summary == "rows quarantined twice: 1"


def _volume(volume: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda raw: raw.assign(volume=raw["volume"].where(raw.index != SPIKE_ROW, volume))


def _along(raw: pd.DataFrame) -> pd.DataFrame:
    """April falls with February."""
    falls = (raw["expiry"] == "MGCJ2") & (raw["open_time"] == raw["open_time"][SPIKE_ROW])
    return raw.assign(low=raw["low"] - 16.0 * falls)


@pytest.mark.parametrize("support", [_volume(300.0), _along])
def test_a_supported_move_is_no_spike(support: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    raw = gold_minutes()
    raw.loc[SPIKE_ROW, "low"] -= 30.0
    invented = build_canonical(raw, MGC, CALENDAR, SETTINGS).quarantine
    assert invented["reason"].tolist() == ["spike"]
    news = support(raw)
    told = invented.assign(volume=news.loc[SPIKE_ROW, "volume"])
    assert judged(news, told).summary == "rows quarantined as spike that break no rule: 1"
    assert judged(news, told.iloc[:0]).passed


def test_an_ordinary_volume_and_a_move_the_other_way_support_nothing() -> None:
    raw = gold_minutes()
    raw.loc[SPIKE_ROW, "low"] -= 30.0
    rises = (raw["expiry"] == "MGCJ2") & (raw["open_time"] == raw["open_time"][SPIKE_ROW])
    raw = _volume(299.0)(raw).assign(high=raw["high"] + 6.0 * rises)
    nothing = build_canonical(gold_minutes(), MGC, CALENDAR, SETTINGS).quarantine
    assert judged(raw, nothing).summary == "rows that break spike and are not quarantined: 1"


def test_a_leap_of_exactly_its_limit_may_be_either() -> None:
    raw = gold_minutes()
    low = raw.loc[SPIKE_ROW - 2 : SPIKE_ROW - 1, "low"].min()
    ranges = pd.concat([raw["high"], raw["close"].shift()], axis=1).max(axis=1) - pd.concat(
        [raw["low"], raw["close"].shift()], axis=1
    ).min(axis=1)
    limit = SETTINGS.spike_scale_multiple * max(ranges.iloc[:SPIKE_ROW].median(), 4 * MGC.tick_size)
    raw.loc[SPIKE_ROW, "low"] = round(low - limit, 6)
    flagged = raw.iloc[[SPIKE_ROW]].assign(reason="spike")[["source_file", "source_row", *_named()]]
    for told in (flagged, flagged.iloc[:0]):
        verdict = judged(raw, told)
        assert verdict.passed, verdict.summary
        assert verdict.details["spikes_at_the_limit"] == 1
    assert not judged(raw, flagged.assign(reason="off_tick")).passed
    raw.loc[SPIKE_ROW, "low"] = round(low - limit - MGC.tick_size, 6)
    assert not judged(raw, flagged.iloc[:0]).passed
    raw.loc[SPIKE_ROW, "low"] = round(low - limit + MGC.tick_size, 6)
    assert not judged(raw, flagged.assign(low=raw.loc[SPIKE_ROW, "low"])).passed


def test_without_volume_a_volume_is_the_fault_and_none_supports_a_spike() -> None:
    raw = gold_minutes().assign(volume=np.nan)
    raw = raw[raw["expiry"] == "MGCG2"].reset_index(drop=True)
    raw.loc[7, "volume"] = 5.0
    raw.loc[SPIKE_ROW, "low"] -= 30.0
    found = build_canonical(raw, MGC, CALENDAR, SETTINGS, has_volume=False).quarantine
    assert found["reason"].astype(str).tolist() == ["bad_volume", "spike"]
    assert judged(raw, found, has_volume=False).passed
    assert judged(raw, found, has_volume=True).summary == (
        "rows quarantined as bad_volume that break no rule: 1; "
        "rows that break bad_volume and are not quarantined: 298; "
        "rows quarantined as spike that break bad_volume first: 1"
    )
    assert not judged(raw, found.iloc[:0], has_volume=False).passed


@pytest.mark.parametrize("symbol", ["MGC", "MES"])
def test_the_wall_clock_agrees_with_the_session_spans_at_every_edge(symbol: str) -> None:
    """The minutes around each open and close of twelve years, and days far off any calendar."""
    product = instrument(symbol)
    calendar = SessionCalendar.of(product)
    known = calendar.between(date(2016, 1, 1), date(2027, 12, 31))
    edges = np.concatenate([known.open_us, known.close_us])
    far = [int(datetime(year, 6, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000 for year in (1690, 1999, 2051, 2700)]
    open_us = np.unique(np.concatenate([edges - MINUTE_US, edges, edges + MINUTE_US, far]))
    bars = pd.DataFrame({"expiry": f"{symbol}Z2030", "open_time": from_us(open_us), "volume": 1.0})
    bars = bars.assign(open=100.0, high=100.0, low=100.0, close=100.0)
    outside = calendar.sessions.locate(open_us) < 0
    assert outside.sum() == 3 * len(known) + len(far)
    refused = bars[outside].assign(reason="outside_session")
    good = quarantine_reasons_recomputed(bars, refused, product, calendar, SETTINGS)
    assert good.passed, good.summary
    late = bars[~outside].tail(1).assign(reason="outside_session")
    bad = quarantine_reasons_recomputed(bars, pd.concat([refused.iloc[1:], late]), product, calendar, SETTINGS)
    assert bad.summary == (
        "rows quarantined as outside_session that break no rule: 1; "
        "rows that break outside_session and are not quarantined: 1"
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1.0, 3.0, 25.0]), st.booleans())
def test_the_builders_spikes_are_confirmed_in_wild_markets(seed: int, multiple: float, has_volume: bool) -> None:
    """Leaps of all sizes and volumes, alone and together, gaps in time: both ways come to the same rows."""
    rng = np.random.default_rng(seed)
    raw = gold_minutes({"2022-01-24": 1.0, "2022-01-25": 1.0}, minutes=70, seed=seed % 1000)
    hit = rng.random(len(raw)) < 0.1
    raw["high"] = np.where(hit, (raw["high"] + rng.integers(0, 200, len(raw)) / 10).round(1), raw["high"])
    hit = rng.random(len(raw)) < 0.1
    raw["low"] = np.where(hit, (raw["low"] - rng.integers(0, 200, len(raw)) / 10).round(1), raw["low"])
    raw["volume"] = np.nan if not has_volume else rng.integers(0, 4, len(raw)) * rng.integers(1, 4, len(raw)) * 1.0
    raw = raw[rng.random(len(raw)) < rng.choice([0.3, 0.95])]
    raw = raw if has_volume else raw[raw["expiry"] == "MGCG2"]
    market = MarketSettings(spike_scale_multiple=multiple)
    found = build_canonical(raw, MGC, CALENDAR, market, has_volume=has_volume).quarantine
    verdict = quarantine_reasons_recomputed(raw, found, MGC, CALENDAR, market, has_volume=has_volume)
    assert verdict.passed, verdict.summary
    if len(found) > verdict.details["spikes_at_the_limit"]:
        assert not quarantine_reasons_recomputed(
            raw, found.iloc[:0], MGC, CALENDAR, market, has_volume=has_volume
        ).passed
