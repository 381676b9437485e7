"""Each kind of damage to fronts, roll map or adjustments fails the invariant, by every rule and kind of series."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.canonical import Canonical, build_canonical
from factory_assets.market.roll_invariants import rolls_forward_only
from factory_assets.market.rolls import CALENDAR, OPEN_INTEREST, VOLUME
from factory_assets.vocabulary.frames import from_days
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.market.gold_worlds import CALENDAR as GOLD_CALENDAR
from factory_assets_tests.market.gold_worlds import MGC
from factory_assets_tests.market.roll_worlds import SESSIONS, made_open_interest, months_world
from factory_assets_tests.market.test_roll_map import STARTS, continuous, placed

RULES = (VOLUME, OPEN_INTEREST, CALENDAR)
WORLD, INTEREST = months_world(11, lean=3.0), made_open_interest(11, lean=5.0)
SERIES = continuous(WORLD, STARTS)
_MADE: dict[tuple, Canonical] = {}


def made(market: MarketSettings, *, joined: bool = False) -> Canonical:
    """The builder's result; built once, for it is never changed in place."""
    key = (market, joined)
    if key not in _MADE:
        raw = SERIES if joined else WORLD
        _MADE[key] = build_canonical(
            raw, MGC, GOLD_CALENDAR, market, open_interest=INTEREST, joins_without_overlap=joined
        )
    return _MADE[key]


def judge(canonical: Canonical, market: MarketSettings, *, joined: bool = False, interest=INTEREST) -> Verdict:
    raw = SERIES if joined else WORLD
    rows = raw.assign(day=from_days(SESSIONS.trade_day)[placed(raw)["place"]], refused=False)
    return rolls_forward_only(rows, canonical, MGC, market, open_interest=interest, joins_without_overlap=joined)


@pytest.mark.parametrize("rule", RULES)
def test_what_the_builder_makes_holds(rule: str) -> None:
    market = MarketSettings(roll_rule=rule)
    verdict = judge(made(market), market)
    assert (verdict.passed, verdict.name, verdict.blocking) == (True, "rolls_forward_only", True), verdict.summary
    assert verdict.details == {
        "rolls": len(made(market).rolls),
        "rolls_without_overlap": 0,
        "sessions_past_notice": 0,
    }
    assert len(made(market).rolls) >= 2


@pytest.mark.parametrize(
    ("built", "judged", "message"),
    [
        # Fronts of one rule are not those of another, nor of another number of sessions or another share.
        ({"roll_rule": CALENDAR}, {"roll_rule": VOLUME}, "held a month too long|before the rule asks"),
        ({"roll_rule": VOLUME}, {"roll_rule": CALENDAR}, "before the rule asks"),
        ({"roll_rule": CALENDAR}, {"roll_rule": OPEN_INTEREST}, "too long|before the rule asks"),
        ({"roll_rule": OPEN_INTEREST}, {"roll_rule": CALENDAR}, "too long|before the rule asks"),
        (
            {"roll_rule": CALENDAR, "roll_calendar_sessions": 5},
            {"roll_rule": CALENDAR, "roll_calendar_sessions": 6},
            "held a month too long",
        ),
        (
            {"roll_rule": CALENDAR, "roll_calendar_sessions": 6},
            {"roll_rule": CALENDAR, "roll_calendar_sessions": 5},
            "before the rule asks for one",
        ),
        (
            {"roll_rule": OPEN_INTEREST, "roll_open_interest_share": 1e-4},
            {"roll_rule": OPEN_INTEREST},
            "before the rule asks for one",
        ),
        ({"roll_volume_share": 1e-4}, {"roll_volume_share": 1.0}, "before the rule asks for one"),
    ],
)
def test_fronts_of_another_rule_are_found(built: dict, judged: dict, message: str) -> None:
    verdict = judge(made(MarketSettings(**built)), MarketSettings(**judged))
    assert not verdict.passed
    assert pd.Series([verdict.summary]).str.contains(message).all(), verdict.summary


def test_open_interest_known_a_session_too_early_is_found() -> None:
    market = MarketSettings(roll_rule=OPEN_INTEREST)
    every = GOLD_CALENDAR.sessions.trade_day
    place = np.searchsorted(every, INTEREST["trade_date"].to_numpy().astype("datetime64[D]").astype(int))
    hasty = INTEREST.assign(trade_date=from_days(every[place - 1]), usable_from=from_days(every[place + 1]))
    peeking = build_canonical(WORLD, MGC, GOLD_CALENDAR, market, open_interest=hasty)
    assert not judge(peeking, market).passed
    # When a figure was known follows from its trade date, whatever the table says.
    told_early = INTEREST.assign(usable_from=INTEREST["trade_date"])
    assert judge(made(market), market, interest=told_early).passed


def _bars(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Canonical], Canonical]:
    return lambda canonical: replace(canonical, bars=change(canonical.bars.copy()))


def _rolls(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Canonical], Canonical]:
    return lambda canonical: replace(canonical, rolls=change(canonical.rolls.copy()))


def _last_session(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(bars: pd.DataFrame) -> pd.DataFrame:
        bars[column] = bars[column].where(bars["trade_date"] < bars["trade_date"].max(), value)
        return bars

    return change


def _cell(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column]
        frame.loc[1, column] = value
        return frame

    return change


DAMAGE = [
    (_bars(lambda b: b.assign(adjustment_ratio=1.0)), "a return in the adjusted series: {n}"),
    (_bars(lambda b: b.assign(adjustment_ratio=1 / b["adjustment_ratio"])), "a return in the adjusted series: {n}"),
    (_bars(lambda b: b.assign(adjustment_difference=0.0)), "jump in the difference-adjusted series: {n}"),
    (
        _bars(lambda b: b.assign(adjustment_difference=-b["adjustment_difference"])),
        "jump in the difference-adjusted series: {n}",
    ),
    (_bars(lambda b: b.assign(adjustment_difference=b["adjustment_difference"] + 1)), "whose difference is not 0: 1"),
    (_bars(lambda b: b.assign(adjustment_ratio=2 * b["adjustment_ratio"])), "first bar whose ratio is not 1"),
    (_bars(_last_session("adjustment_ratio", 0.5)), "changes of ratio other than at rolls: 1"),
    (_bars(_last_session("adjustment_difference", 9.0)), "changes of difference other than at rolls: 1"),
    (_bars(lambda b: b.iloc[:0]), "no bars: 1"),
    (_rolls(lambda r: r.iloc[1:].reset_index(drop=True)), "differ from the roll map: 1"),
    (_rolls(_cell("to_expiry", "MGCG1")), "differ from the roll map: 2"),
    (_rolls(_cell("trade_date", pd.Timestamp("2021-06-29"))), "differ from the roll map: 2"),
    (_rolls(_cell("paired_minutes", 77)), "paired minutes differ: 1"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
@pytest.mark.parametrize("kind", [CALENDAR, "continuous"])
def test_damage_is_found(kind: str, damage: Callable[[Canonical], Canonical], message: str) -> None:
    joined, market = kind == "continuous", MarketSettings(roll_rule=CALENDAR)
    good = made(market, joined=joined)
    assert judge(good, market, joined=joined).passed
    verdict = judge(damage(good), market, joined=joined)
    assert not verdict.passed
    assert message.format(n=len(good.rolls)) in verdict.summary


def test_a_return_to_an_earlier_month_is_found_in_both_kinds() -> None:
    market = MarketSettings(roll_rule=CALENDAR)
    for joined in (False, True):
        good = made(market, joined=joined)
        left = str(good.rolls["from_expiry"].iloc[-1])
        bars = good.bars.assign(expiry=good.bars["expiry"].astype(str))
        back = replace(good, bars=_last_session("expiry", left)(bars))
        assert "rolls back to an earlier month: 1" in judge(back, market, joined=joined).summary


def test_a_join_without_overlap_needs_to_be_asked_for() -> None:
    market = MarketSettings(roll_rule=CALENDAR)
    rows = SERIES.assign(day=from_days(SESSIONS.trade_day)[placed(SERIES)["place"]], refused=False)
    verdict = rolls_forward_only(rows, made(market, joined=True), MGC, market)
    assert "rolls without a shared minute: 3" in verdict.summary


def test_a_series_that_holds_other_months_than_its_sessions_is_found() -> None:
    market = MarketSettings()
    rows = WORLD.assign(day=from_days(SESSIONS.trade_day)[placed(WORLD)["place"]], refused=False)
    verdict = rolls_forward_only(rows, made(market, joined=True), MGC, market, joins_without_overlap=True)
    assert "sessions in another month than the rule's" in verdict.summary
