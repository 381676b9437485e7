"""Rolls of whole histories under each rule: brute-force oracles, and what no later bar may change."""

from datetime import date
from itertools import pairwise
from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.adjustment import METHODS, adjusted_prices, traded_prices
from factory_assets.market.canonical import Canonical, build_canonical
from factory_assets.market.canonical_invariants import canonical_invariants
from factory_assets.market.expiry import delivery_index_of, last_holding_limit
from factory_assets.market.readers import read_folder
from factory_assets.market.roll_invariants import rolls_forward_only
from factory_assets.market.roll_map import WITHOUT_OVERLAP
from factory_assets.market.rolls import CALENDAR, OPEN_INTEREST, VOLUME
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, times_us
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.market.gold_worlds import CALENDAR as GOLD_CALENDAR
from factory_assets_tests.market.gold_worlds import MGC, gold_minutes
from factory_assets_tests.market.roll_worlds import MONTHS, SESSIONS, made_open_interest, months_world

RULES = (VOLUME, OPEN_INTEREST, CALENDAR)
DAYS = [int(day) for day in SESSIONS.trade_day]
PRICES = ["open", "high", "low", "close"]
# Shortened sessions of gold, on which no open interest is taken to be published.
SHORT_DAYS = {
    (date.fromisoformat(text) - date(1970, 1, 1)).days
    for text in ("2020-12-24", "2021-01-18", "2021-02-15", "2021-05-31")
}


def deadline(name: str) -> int:
    """Place of the last session before first notice, by hand from the exchange's dates."""
    notice = {
        "MGCG1": "2021-01-29", "MGCJ1": "2021-03-31", "MGCM1": "2021-05-28", "MGCQ1": "2021-07-30",
        "MGCV1": "2021-09-30", "MGCZ1": "2021-11-30",
    }  # fmt: skip
    day = (date.fromisoformat(notice[name]) - date(1970, 1, 1)).days
    every = GOLD_CALENDAR.sessions.trade_day
    return int(np.searchsorted(every, day)) - 1 - int(np.searchsorted(every, DAYS[0]))


def build(raw: pd.DataFrame, rule: str, open_interest: pd.DataFrame | None = None, **changes: float) -> Canonical:
    market = MarketSettings(roll_rule=rule, **changes)
    return build_canonical(raw, MGC, GOLD_CALENDAR, market, open_interest=open_interest)


def judged(raw: pd.DataFrame, found: Canonical, rule: str, interest: pd.DataFrame | None = None) -> Verdict:
    """The rolls as the invariant sees them; the worlds hold no row twice and quarantine none."""
    rows = raw.assign(day=from_days(SESSIONS.trade_day)[placed(raw)["place"]], refused=False)
    return rolls_forward_only(rows, found, MGC, MarketSettings(roll_rule=rule), open_interest=interest)


def placed(raw: pd.DataFrame) -> pd.DataFrame:
    """Rows with the place of their session."""
    return raw.assign(place=SESSIONS.locate(times_us(raw["open_time"])), expiry=raw["expiry"].astype(str))


def brute_force(raw: pd.DataFrame, rule: str, interest: pd.DataFrame, *, early: int, share: float) -> list[str]:
    """Front of each session by the words of the rule, one loop over plain dictionaries."""
    volumes: list[dict[str, float]] = [{} for _ in DAYS]
    for place, name, contracts in placed(raw)[["place", "expiry", "volume"]].itertuples(index=False):
        volumes[place][name] = volumes[place].get(name, 0.0) + contracts
    volumes = volumes[: max(i for i, by_name in enumerate(volumes) if by_name) + 1]
    published: dict[int, dict[str, int]] = {}
    for day, name, contracts in zip(
        dates_days(interest["trade_date"]).tolist(), interest["expiry"], interest["open_interest"], strict=True
    ):
        published.setdefault(day, {})[str(name)] = contracts
    every = GOLD_CALENDAR.sessions.trade_day.tolist()
    shift = early if rule == CALENDAR else 0
    front = None
    found = []
    for place in range(len(volumes)):
        at = every.index(DAYS[place])
        publication = max(day for day in every[:at] if day not in SHORT_DAYS)
        snapshots = [day for day in published if day < publication]
        known = published[max(snapshots)] if snapshots else {}
        basis = volumes[max(place - 1, 0)]
        order = [name for name in MONTHS if name in basis]
        if front is None:
            open_now = [name for name in order if place < deadline(name) - shift]
            size = {VOLUME: basis, OPEN_INTEREST: known, CALENDAR: {}}[rule]
            front = max(open_now, key=lambda name: size.get(name, 0))
        else:
            rivals = [n for n in order if MONTHS.index(n) > MONTHS.index(front) and place < deadline(n) - shift]
            must = place >= deadline(front) - shift
            if rule == CALENDAR:
                front = rivals[0] if must and rivals else front
            elif rivals:
                size = basis if rule == VOLUME else known
                best = max(rivals, key=lambda name: size.get(name, 0))
                reached = size.get(best, 0) > 0 and size.get(best, 0) >= share * size.get(front, 0)
                front = best if must or reached else front
        found.append(front)
    return found


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), rule=st.sampled_from(RULES), early=st.integers(0, 30), lean=st.floats(0.5, 8))
def test_fronts_and_joins_equal_brute_force(seed: int, rule: str, early: int, lean: float) -> None:
    raw, interest = months_world(seed, sessions=90, lean=lean), made_open_interest(seed)
    share = 0.25 if rule == VOLUME else 1.0
    found = build(raw, rule, interest, roll_calendar_sessions=early)
    expected = brute_force(raw, rule, interest, early=early, share=share)
    rows = placed(raw)
    kept = rows[rows["expiry"] == rows["place"].map(dict(enumerate(expected)))].sort_values("open_time")
    assert found.bars["expiry"].astype(str).tolist() == kept["expiry"].tolist()
    assert found.bars["close"].tolist() == kept["close"].tolist()
    changes = [place for place in range(1, len(expected)) if expected[place] != expected[place - 1]]
    assert dates_days(found.rolls["trade_date"]).tolist() == [DAYS[place] for place in changes]
    for place, roll in zip(changes, found.rolls.to_dict("records"), strict=True):
        left, entered = expected[place - 1], expected[place]
        assert (roll["from_expiry"], roll["to_expiry"]) == (left, entered)
        before = rows[rows["place"] == place - 1]
        close = {(name, moment): value for name, moment, value in before[["expiry", "open_time", "close"]].to_numpy()}
        pairs = [(close[left, t], close[entered, t]) for name, t in close if name == left and (entered, t) in close]
        assert roll["paired_minutes"] == len(pairs) > 0
        assert roll["ratio"] == pytest.approx(median(a / b for a, b in pairs), rel=1e-14)
        assert roll["difference"] == pytest.approx(median(b - a for a, b in pairs), abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rule=st.sampled_from(RULES),
    cut=st.floats(0.05, 0.999),
    shuffle=st.integers(0, 10**6),
)
def test_history_does_not_change_when_later_data_is_added(seed: int, rule: str, cut: float, shuffle: int) -> None:
    raw, interest = months_world(seed, sessions=80), made_open_interest(seed)
    whole = build(raw.sample(frac=1.0, random_state=shuffle).reset_index(drop=True), rule, interest)
    moments = np.unique(times_us(raw["open_time"]))
    end_us = max(int(moments[int(cut * len(moments))]), int(SESSIONS.open_us[1]))
    end = pd.Timestamp(end_us, unit="us", tz="UTC")
    # A file ends with the last trade date published before the last session known opened.
    last = from_days(SESSIONS.trade_day[SESSIONS.open_us < end_us])[-1]
    part = build(raw[raw["open_time"] < end], rule, interest[interest["usable_from"] <= last])
    plain = {"expiry": str}
    known = whole.bars[whole.bars["open_time"] < end].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.bars.astype(plain), known.astype(plain), check_exact=True)
    words = dict.fromkeys(("from_expiry", "to_expiry", "reason"), str)
    known = whole.rolls[whole.rolls["trade_date"] <= last].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.rolls.astype(words), known.astype(words), check_exact=True)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), rule=st.sampled_from(RULES), lean=st.floats(0.5, 12))
def test_rolls_are_forward_in_time_without_a_return_and_undone_exactly(seed: int, rule: str, lean: float) -> None:
    raw, interest = months_world(seed, sessions=100, lean=lean), made_open_interest(seed)
    found = build(raw, rule, interest)
    by_session = found.bars.groupby("trade_date")["expiry"].agg(lambda held: [*held.astype(str).unique()])
    assert all(len(held) == 1 for held in by_session)
    held = [MONTHS.index(name) for (name,) in by_session]
    assert held == sorted(held)
    assert all(place < deadline(name) for place, (name,) in enumerate(by_session))
    rows = placed(raw)
    for method in METHODS:
        adjusted = adjusted_prices(found.bars, found.rolls, method)
        again = traded_prices(adjusted, found.rolls, MGC.tick_size, method)
        pd.testing.assert_frame_equal(again, found.bars, check_exact=True)
        for roll in found.rolls.itertuples():
            place = DAYS.index(int(dates_days(pd.Series([roll.trade_date]))[0]))
            before = rows[rows["place"] == place - 1].pivot(index="open_time", columns="expiry", values="close")
            pairs = before[[roll.from_expiry, roll.to_expiry]].dropna()
            chain = found.rolls.iloc[: roll.Index + 1]
            sides = [
                pd.DataFrame({"trade_date": [when] * len(pairs), **dict.fromkeys(PRICES, pairs[name].to_numpy())})
                for name, when in (
                    (roll.from_expiry, from_days([DAYS[place - 1]])[0]),
                    (roll.to_expiry, roll.trade_date),
                )
            ]
            out, into = (adjusted_prices(side, chain, method)["close"] for side in sides)
            move = np.median(out / into) - 1.0 if method == "ratio" else np.median(into - out)
            assert abs(move) < 1e-9
    assert judged(raw, found, rule, interest).summary.startswith(f"{found.counts['rolls']} rolls, all forward")


def test_a_calendar_roll_by_hand() -> None:
    # February gold: first notice 2022-01-31, last session before it Friday the 28th, two sessions before that the 26th.
    for early, first in ((0, "2022-01-28"), (1, "2022-01-27"), (2, "2022-01-26"), (3, "2022-01-25")):
        found = build(gold_minutes(), CALENDAR, roll_calendar_sessions=early)
        assert found.rolls["trade_date"].dt.strftime("%Y-%m-%d").tolist() == [first]
        assert found.rolls["reason"].tolist() == ["calendar day reached"]
    assert build(gold_minutes(), CALENDAR).bars["expiry"].unique().tolist() == ["MGCJ2"]


def _interest(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    days = [(date.fromisoformat(day) - date(1970, 1, 1)).days for day, _, _ in rows]
    every = GOLD_CALENDAR.sessions.trade_day
    frame = [
        (d, name, held)
        for d, (_, *held2) in zip(days, rows, strict=True)
        for name, held in zip(("MGCG2", "MGCJ2"), held2, strict=True)
    ]
    table = pd.DataFrame(frame, columns=["day", "expiry", "open_interest"])
    table["usable_from"] = from_days(every[np.searchsorted(every, table["day"].to_numpy()) + 2])
    return table.assign(trade_date=from_days(table["day"].to_numpy()))


def test_open_interest_waits_for_its_publication() -> None:
    # April leads from Monday's close on. Monday's figure comes out in the course of Tuesday: Wednesday rolls.
    rows = [("2022-01-20", 900, 100), ("2022-01-21", 900, 200), ("2022-01-24", 500, 600), ("2022-01-25", 100, 900)]
    found = build(gold_minutes(), OPEN_INTEREST, _interest(rows))
    assert found.rolls["trade_date"].dt.strftime("%Y-%m-%d").tolist() == ["2022-01-26"]
    assert found.rolls["reason"].tolist() == ["open interest share reached"]
    half = build(gold_minutes(), OPEN_INTEREST, _interest(rows), roll_open_interest_share=0.2)
    assert half.rolls["trade_date"].dt.strftime("%Y-%m-%d").tolist() == ["2022-01-25"]
    with pytest.raises(BadInputError, match=r"needs open_interest\.csv"):
        build(gold_minutes(), OPEN_INTEREST)
    whole = _interest(rows)
    with pytest.raises(BadInputError, match="none of the front month MGCG2"):
        build(
            gold_minutes(), OPEN_INTEREST, whole[(whole["expiry"] == "MGCJ2") | (whole["usable_from"] < "2022-01-25")]
        )


def test_open_interest_that_begins_or_ends_too_early_is_refused() -> None:
    raw, interest = months_world(3, sessions=40), made_open_interest(3)
    with pytest.raises(BadInputError, match=r"of 2021-01-29, 8 sessions before"):
        build(raw, OPEN_INTEREST, interest[interest["trade_date"] < "2021-02-01"])
    late = interest[interest["trade_date"] >= "2021-01-20"]
    with pytest.raises(BadInputError, match="bars begin on 2021-01-04, open interest on 2021-01-20"):
        build(raw, OPEN_INTEREST, late)
    assert build(raw, OPEN_INTEREST, interest[interest["trade_date"] >= "2021-01-08"]).counts["sessions"] == 40
    assert build(raw, OPEN_INTEREST, made_open_interest(3, missing=0.3)).counts["sessions"] == 40


def test_bars_without_volume_can_roll_by_calendar_and_not_by_volume() -> None:
    raw = gold_minutes().assign(volume=np.nan)
    market = MarketSettings(roll_rule=CALENDAR, roll_calendar_sessions=1)
    found = build_canonical(raw, MGC, GOLD_CALENDAR, market, has_volume=False)
    assert found.bars["expiry"].unique().tolist() == ["MGCG2", "MGCJ2"]
    assert found.bars["volume"].isna().all()
    verdicts = canonical_invariants(raw, found, MGC, GOLD_CALENDAR, market)
    assert [v.summary for v in verdicts if v.name == "rolls_forward_only" and not v.passed] == []
    with pytest.raises(BadInputError, match=r'roll_rule = "calendar"'):
        build_canonical(raw, MGC, GOLD_CALENDAR, MarketSettings(), has_volume=False)
    alone = raw[raw["expiry"] == "MGCG2"]
    kept = build_canonical(alone, MGC, GOLD_CALENDAR, MarketSettings(), has_volume=False)
    assert len(kept.bars) == len(alone)


def continuous(raw: pd.DataFrame, starts: dict[str, int]) -> pd.DataFrame:
    """The vendor's series: each session the month whose stretch it lies in."""
    rows = placed(raw)
    month = pd.Series({place: name for name, place in starts.items()}).reindex(range(len(DAYS))).ffill()
    return raw[(rows["expiry"] == rows["place"].map(month)).to_numpy()].reset_index(drop=True)


STARTS = {"MGCG1": 0, "MGCJ1": 12, "MGCM1": 60, "MGCZ1": 95}


def build_continuous(raw: pd.DataFrame, **changes: object) -> Canonical:
    return build_canonical(raw, MGC, GOLD_CALENDAR, MarketSettings(**changes), joins_without_overlap=True)


@pytest.mark.parametrize("rule", RULES)
def test_a_continuous_series_is_joined_at_last_close_and_first_open(rule: str) -> None:
    raw = continuous(months_world(8), STARTS)
    found = build_continuous(raw, roll_rule=rule)
    assert len(found.bars) == len(raw)
    assert found.counts["rolls_without_overlap"] == found.counts["rolls"] == 3
    assert dates_days(found.rolls["trade_date"]).tolist() == [DAYS[12], DAYS[60], DAYS[95]]
    assert found.rolls["paired_minutes"].tolist() == [0] * 3
    assert found.rolls["reason"].str.endswith(WITHOUT_OVERLAP).all()
    ratio, difference = 1.0, 0.0
    by_session = raw.assign(place=placed(raw)["place"]).groupby("place")
    for place, roll in zip((12, 60, 95), found.rolls.itertuples(), strict=True):
        out, into = by_session["close"].last()[place - 1], by_session["open"].first()[place]
        assert (roll.ratio, roll.difference) == (out / into, into - out)
        ratio, difference = ratio * out / into, difference + into - out
        bar = found.bars[found.bars["trade_date"] == roll.trade_date].iloc[0]
        assert bar["adjustment_ratio"] == pytest.approx(ratio, rel=1e-15)
        assert bar["adjustment_difference"] == pytest.approx(difference, rel=1e-15)
    for method in METHODS:
        adjusted = adjusted_prices(found.bars, found.rolls, method)
        first = adjusted.index[adjusted["expiry"] != adjusted["expiry"].shift()][1:]
        assert adjusted["open"][first].to_numpy() == pytest.approx(adjusted["close"][first - 1].to_numpy(), rel=1e-13)
        again = traded_prices(adjusted, found.rolls, MGC.tick_size, method)
        pd.testing.assert_frame_equal(again, found.bars, check_exact=True)
    verdicts = canonical_invariants(
        raw, found, MGC, GOLD_CALENDAR, MarketSettings(roll_rule=rule), joins_without_overlap=True
    )
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []
    (rolls,) = [verdict for verdict in verdicts if verdict.name == "rolls_forward_only"]
    # April was held from session 12 to 59 and its deadline is 2021-03-30, June to 94 and 2021-05-27.
    past = sum(place >= deadline(n) for n, a, b in (("MGCJ1", 12, 60), ("MGCM1", 60, 95)) for place in range(a, b))
    assert rolls.details["sessions_past_notice"] == past
    assert rolls.details["rolls_without_overlap"] == 3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.floats(0.05, 0.999))
def test_a_continuous_history_does_not_change_either(seed: int, cut: float) -> None:
    raw = continuous(months_world(seed, sessions=70), STARTS)
    end = raw["open_time"].sort_values().iloc[int(cut * len(raw))]
    whole, part = build_continuous(raw), build_continuous(raw[raw["open_time"] <= end])
    known = whole.bars[whole.bars["open_time"] <= end].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.bars.astype({"expiry": str}), known.astype({"expiry": str}), check_exact=True)


def test_what_is_no_continuous_series() -> None:
    world = months_world(8, sessions=40)
    with pytest.raises(BadInputError, match="expected one month a session"):
        build_continuous(world)
    back = continuous(world, {"MGCJ1": 0, "MGCG1": 12})
    with pytest.raises(BadInputError, match="goes back from MGCJ1 to MGCG1"):
        build_continuous(back)
    one = continuous(world, {"MGCG1": 0})
    late = (placed(one)["place"] >= 20).to_numpy()
    twice = one.assign(expiry=np.where(late, "MGCG21", "MGCG1"))
    with pytest.raises(BadInputError, match="calls MGCG1 by a second name, MGCG21"):
        build_continuous(twice)
    with pytest.raises(BadInputError, match="none in a delivery month"):
        build_continuous(one.assign(expiry="MGCH1"))
    # The same rows as a folder of months: nothing joins them.
    with pytest.raises(BadInputError, match=r"no minute of the previous session.*\[expiry_from\]"):
        build(continuous(months_world(8, sessions=60), {"MGCG1": 0, "MGCJ1": 39}), VOLUME)


@pytest.fixture(scope="module")
def real(real_data) -> pd.DataFrame:
    return read_folder(real_data / "MGC_databento", MGC).minutes


def made_from_volume(raw: pd.DataFrame) -> pd.DataFrame:
    """MADE open interest: a smoothed volume of each month, which migrates as open interest does."""
    every = GOLD_CALENDAR.sessions
    day = every.trade_day[every.locate(times_us(raw["open_time"]))]
    volume = raw.assign(day=day, expiry=raw["expiry"].astype(str)).pivot_table(
        index="day", columns="expiry", values="volume", aggfunc="sum"
    )
    figures = volume.ewm(span=6).mean().where(volume.notna()).stack().round().astype(np.int64)
    table = figures.rename("open_interest").reset_index()
    table["usable_from"] = from_days(every.trade_day[np.searchsorted(every.trade_day, table["day"].to_numpy()) + 2])
    return table.assign(trade_date=from_days(table["day"].to_numpy()))


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_real_gold_under_each_rule(real: pd.DataFrame, rule: str) -> None:
    interest, market = made_from_volume(real), MarketSettings(roll_rule=rule)
    whole = build(real, rule, interest)
    verdicts = canonical_invariants(real, whole, MGC, GOLD_CALENDAR, market, open_interest=interest)
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []
    assert len(whole.rolls) == {VOLUME: 10, OPEN_INTEREST: 12, CALENDAR: 12}[rule]
    months = [delivery_index_of(str(name), 18_628) for name in whole.bars["expiry"].cat.categories]
    for name, month in zip(whole.bars["expiry"].cat.categories, months, strict=True):
        last = whole.bars.loc[whole.bars["expiry"] == name, "trade_date"].max()
        assert last < pd.Timestamp(last_holding_limit(MGC, month)) - pd.Timedelta(days=1)
    for method in METHODS:
        adjusted = adjusted_prices(whole.bars, whole.rolls, method)
        back = traded_prices(adjusted, whole.rolls, MGC.tick_size, method)
        assert (back[PRICES].to_numpy() == whole.bars[PRICES].to_numpy()).all()
    for cut in ("2021-03-29 17:31", "2021-07-29 04:07", "2022-07-28 22:00", "2022-11-28 23:59"):
        end = pd.Timestamp(cut, tz="UTC")
        part = build(real[real["open_time"] < end].sample(frac=1.0, random_state=1), rule, interest)
        known = whole.bars[whole.bars["open_time"] < end].reset_index(drop=True)
        plain = {"expiry": str}
        pd.testing.assert_frame_equal(part.bars.astype(plain), known.astype(plain), check_exact=True)


def test_every_pair_of_rolls_is_apart() -> None:
    found = build(months_world(5), CALENDAR)
    assert all(later > earlier for earlier, later in pairwise(found.rolls["trade_date"]))
