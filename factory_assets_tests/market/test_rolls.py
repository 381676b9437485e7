"""The roll rules step by step: hand-made sessions, a brute-force oracle, notice days against an exchange calendar."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.expiry import delivery_index_of, delivery_indices, last_holding_limit, parse_expiry
from factory_assets.market.rolls import FrontChoice, choose_fronts, next_front, roll_ratio
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings

MES, MGC = instrument("MES"), instrument("MGC")
EPOCH = date(1970, 1, 1)


def day(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH).days


def table(rows: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Session volumes by ISO date and expiry."""
    return pd.DataFrame(
        [(day(d), name, volume) for d, volumes in rows.items() for name, volume in volumes.items()],
        columns=["trade_day", "expiry", "volume"],
    )


def fronts(rows: dict[str, dict[str, float]], product=MGC) -> list[str]:
    return choose_fronts(table(rows), product)["expiry"].tolist()


@pytest.mark.parametrize(
    ("name", "on", "delivery"),
    [
        ("MGCG3", "2022-12-01", (2023, 2)),
        ("MGCG3", "2013-02-20", (2013, 2)),
        ("MGCG3", "2013-03-01", (2023, 2)),
        ("MGCZ9", "2019-12-31", (2019, 12)),
        ("MGCG0", "2019-12-31", (2020, 2)),
        ("MESU26", "2026-06-01", (2026, 9)),
        ("MESH2027", "2026-06-01", (2027, 3)),
    ],
)
def test_one_digit_years_are_resolved_against_the_bar(name: str, on: str, delivery: tuple[int, int]) -> None:
    expected = 12 * delivery[0] + delivery[1] - 1
    assert delivery_index_of(name, day(on)) == expected
    assert (
        delivery_indices(pd.Series([name, name], dtype="category"), np.array([day(on)] * 2)).tolist() == [expected] * 2
    )


def test_names_that_are_no_expiry() -> None:
    assert parse_expiry("MGCG3-MGCJ3") is None
    assert parse_expiry("MGC") is None
    # A year that no contract has, and figures that only look like digits.
    assert [parse_expiry(name) for name in ("MGCG0000", "MGCG9999", "MGCG\u0663")] == [None] * 3
    with pytest.raises(BadInputError, match="MGCA3"):
        delivery_indices(pd.Series(["MGCA3"]), np.array([day("2022-01-03")]))


def test_notice_days_equal_the_business_days_of_another_calendar() -> None:
    import exchange_calendars

    days = exchange_calendars.get_calendar("XNYS", start="2005-01-01", end="2040-12-31").sessions
    for year in range(2006, 2040):
        for month in range(1, 13):
            first = pd.Timestamp(year, month, 1)
            assert last_holding_limit(MGC, 12 * year + month - 1) == days[days < first][-1].date()
            fridays = [d for d in pd.date_range(first, periods=28) if d.weekday() == 4]
            assert last_holding_limit(MES, 12 * year + month - 1) == days[days <= fridays[2]][-1].date()


@pytest.mark.parametrize(("share", "rolled"), [(24.9, False), (25.0, True), (25.1, True), (400.0, True)])
def test_rolls_at_a_quarter_of_the_volume_of_the_session_before(share: float, rolled: bool) -> None:
    rows = {"2022-01-24": {"MGCG2": 100.0, "MGCJ2": share}, "2022-01-25": {"MGCG2": 100.0, "MGCJ2": 1.0}}
    if share > 100:
        rows = {"2022-01-21": {"MGCG2": 100.0, "MGCJ2": 1.0}, **rows}
    assert fronts(rows)[-1] == ("MGCJ2" if rolled else "MGCG2")


def test_the_session_itself_does_not_decide() -> None:
    rows = {"2022-01-24": {"MGCG2": 100.0, "MGCJ2": 1.0}, "2022-01-25": {"MGCG2": 1.0, "MGCJ2": 900.0}}
    assert fronts(rows) == ["MGCG2", "MGCG2"]


def test_never_back_and_the_first_front_has_most_volume() -> None:
    rows = {
        "2022-01-24": {"MGCG2": 90.0, "MGCJ2": 100.0},
        "2022-01-25": {"MGCG2": 9000.0, "MGCJ2": 1.0},
        "2022-01-26": {"MGCG2": 9000.0, "MGCJ2": 1.0},
    }
    assert fronts(rows) == ["MGCJ2"] * 3


def test_rolls_at_latest_the_session_before_first_notice() -> None:
    # February gold: first notice Monday 2022-01-31, so Friday 2022-01-28 already trades April.
    sessions = ["2022-01-25", "2022-01-26", "2022-01-27", "2022-01-28"]
    rows = {d: {"MGCG2": 100.0, "MGCJ2": 3.0, "MGCM2": 2.0} for d in sessions}
    chosen = choose_fronts(table(rows), MGC)
    assert chosen["expiry"].tolist() == ["MGCG2", "MGCG2", "MGCG2", "MGCJ2"]
    assert chosen["reason"].iloc[-1] == "last session before first notice"
    assert chosen["share"].iloc[-1] == pytest.approx(0.03)


def test_cash_settled_products_leave_before_the_last_trading_day() -> None:
    # September 2022 ends trading on Friday the 16th; Thursday the 15th already trades December.
    rows = {f"2022-09-{d}": {"MESU2": 100.0, "MESZ2": 1.0} for d in (12, 13, 14, 15)}
    assert fronts(rows, MES) == ["MESU2", "MESU2", "MESU2", "MESZ2"]


def test_months_without_delivery_never_become_front_and_ties_go_to_the_nearer() -> None:
    rows = {
        "2022-01-24": {"MGCG2": 100.0, "MGCH2": 80.0, "MGCM2": 30.0, "MGCJ2": 30.0},
        "2022-01-25": {"MGCG2": 100.0},
    }
    assert fronts(rows) == ["MGCG2", "MGCJ2"]


def test_a_single_month_stays_front() -> None:
    rows = {"2022-01-27": {"MGCG2": 10.0}, "2022-01-28": {"MGCG2": 10.0}, "2022-01-31": {"MGCG2": 10.0}}
    assert fronts(rows) == ["MGCG2"] * 3


def test_no_rows_and_no_listed_month_are_errors() -> None:
    with pytest.raises(BadInputError, match="no session"):
        choose_fronts(table({}), MGC)
    with pytest.raises(BadInputError, match="GJMQVZ"):
        choose_fronts(table({"2022-01-24": {"MGCH2": 5.0}}), MGC)


def test_one_month_under_two_names_is_refused() -> None:
    rows = [(day("2023-02-01"), "MGCJ3", 100.0), (day("2023-02-02"), "MGCJ23", 100.0)]
    volume = pd.DataFrame(rows, columns=["trade_day", "expiry", "volume"])
    with pytest.raises(BadInputError, match="called MGCJ3 and, in session 2023-02-02, MGCJ23"):
        choose_fronts(volume, MGC)
    # A live feed that spells the months otherwise than the history it was warmed up with.
    with pytest.raises(BadInputError, match="called MGCJ3 and, in session 2023-02-01, MGCJ23"):
        next_front(
            "MGCJ3",
            {"MGCJ23": 100.0, "MGCM23": 5.0},
            previous_day=day("2023-02-01"),
            trade_day=day("2023-02-02"),
            instrument=MGC,
        )


def test_names_come_back_after_ten_years() -> None:
    sessions = SessionCalendar.of(MGC).between(date(2009, 1, 5), date(2023, 12, 29)).trade_day
    rows, expected = [], []
    for d in sessions:
        on = EPOCH + timedelta(days=int(d))
        listed = [
            k for k in range(12 * on.year + on.month - 1, 12 * on.year + on.month + 9) if k % 12 in (1, 3, 5, 7, 11)
        ]
        names = [f"MGC{'FGHJKMNQUVXZ'[k % 12]}{k // 12 % 10}" for k in listed]
        # The nearest month always has the most volume and the next one 10 % of it, so that notice alone decides.
        rows += [(int(d), name, 1000.0 / 10**k) for k, name in enumerate(names)]
        held = next(k for k in listed if _sessions_before(last_holding_limit(MGC, k), sessions) > d)
        expected.append(f"MGC{'FGHJKMNQUVXZ'[held % 12]}{held // 12 % 10}")
    chosen = choose_fronts(pd.DataFrame(rows, columns=["trade_day", "expiry", "volume"]), MGC)
    assert chosen["expiry"].tolist() == expected
    assert chosen["rolled"].sum() == 75


def _sessions_before(limit: date, sessions: np.ndarray) -> int:
    position = np.searchsorted(sessions, (limit - EPOCH).days) - 1
    return int(sessions[position]) if position + 1 < len(sessions) else 10**6


def test_an_ended_month_is_not_taken_for_one_ten_years_later() -> None:
    # On 1 March the name MGCG2 would mean February 2032; the volumes are of 28 February.
    rows = {"2022-02-28": {"MGCJ2": 100.0, "MGCG2": 90.0}, "2022-03-01": {"MGCJ2": 100.0}}
    assert fronts(rows) == ["MGCJ2", "MGCJ2"]


def test_live_steps_equal_the_batch() -> None:
    rng = np.random.default_rng(5)
    sessions = SessionCalendar.of(MGC).between(date(2021, 1, 4), date(2021, 12, 31)).trade_day
    names = ["MGCG1", "MGCJ1", "MGCM1", "MGCQ1", "MGCV1", "MGCZ1", "MGCG2", "MGCJ2"]
    volumes = {
        int(d): {n: float(v) for n, v in zip(names, rng.pareto(0.7, len(names)), strict=True) if _alive(n, int(d))}
        for d in sessions
    }
    rows = pd.DataFrame(
        [(d, n, v) for d, by_name in volumes.items() for n, v in by_name.items()],
        columns=["trade_day", "expiry", "volume"],
    ).sample(frac=1.0, random_state=3)
    batch = choose_fronts(rows, MGC)["expiry"].tolist()
    live = [batch[0]]
    for before, today in pairwise(sessions):
        step = {"previous_day": int(before), "trade_day": int(today), "instrument": MGC}
        live.append(next_front(live[-1], volumes[int(before)], **step).expiry)
    assert live == batch
    assert len(set(batch)) > 3


def _alive(name: str, on: int) -> bool:
    return on < (last_holding_limit(MGC, delivery_index_of(name, day("2021-01-04"))) - EPOCH).days + 25


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*(st.integers(min_value=0, max_value=60) for _ in range(3))), min_size=2, max_size=8))
def test_fronts_equal_a_brute_force_rule(volumes: list[tuple[int, int, int]]) -> None:
    names = ["MGCM2", "MGCQ2", "MGCV2"]
    sessions = SessionCalendar.of(MGC).between(date(2022, 5, 18), date(2022, 6, 10)).trade_day[: len(volumes)]
    rows = pd.DataFrame(
        [(d, n, float(v)) for d, row in zip(sessions, volumes, strict=True) for n, v in zip(names, row, strict=True)],
        columns=["trade_day", "expiry", "volume"],
    )
    # June gold: first notice 2022-05-31 (the 30th is Memorial Day), last session before it is Monday the 30th.
    deadline = {"MGCM2": day("2022-05-30"), "MGCQ2": day("2022-07-28"), "MGCV2": day("2022-09-29")}
    front = max(range(3), key=lambda k: (volumes[0][k], -k))
    expected = [names[front]]
    for before, today in zip(volumes[:-1], sessions[1:], strict=True):
        rivals = [k for k in range(front + 1, 3) if before[k] > 0 and today < deadline[names[k]]]
        if rivals:
            best = max(rivals, key=lambda k: (before[k], -k))
            if 4 * before[best] >= before[front] or today >= deadline[names[front]]:
                front = best
        expected.append(names[front])
    assert choose_fronts(rows, MGC)["expiry"].tolist() == expected


def _closes(values: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"open_time": pd.DatetimeIndex(list(values), tz="UTC"), "close": list(values.values())})


def test_ratio_is_the_median_over_paired_minutes() -> None:
    old = _closes(
        {"2022-01-24 10:00": 100.0, "2022-01-24 10:01": 102.0, "2022-01-24 10:02": 90.0, "2022-01-24 10:05": 1.0}
    )
    new = _closes(
        {"2022-01-24 10:02": 120.0, "2022-01-24 10:01": 104.0, "2022-01-24 10:00": 101.0, "2022-01-24 10:09": 7.0}
    )
    ratio, difference, paired = roll_ratio(old, new)
    assert (ratio, difference, paired) == (102.0 / 104.0, 2.0, 3)


def test_months_that_never_traded_together_cannot_be_joined() -> None:
    with pytest.raises(BadInputError, match="no minute"):
        roll_ratio(_closes({"2022-01-24 10:00": 1.0}), _closes({"2022-01-24 10:01": 1.0}))


FEBRUARY = {"MGCG2": 100.0, "MGCJ2": 30.0, "MGCM2": 40.0}


def step(volume: dict[str, float], today: str = "2022-01-26", rule: str = "volume", **known: dict[str, float]):
    before = {"previous_day": day("2022-01-25"), "trade_day": day(today), "instrument": MGC}
    return next_front("MGCG2", volume, **before, settings=MarketSettings(roll_rule=rule), **known)


def test_each_rule_chooses_by_its_own_figures() -> None:
    held = {"MGCG2": 500.0, "MGCJ2": 800.0, "MGCM2": 700.0}
    assert step(FEBRUARY) == FrontChoice(expiry="MGCM2", rolled=True, reason="volume share reached", share=0.4)
    found = step(FEBRUARY, rule="open_interest", open_interest=held)
    assert found == FrontChoice(expiry="MGCJ2", rolled=True, reason="open interest share reached", share=1.6)
    assert step(FEBRUARY, "2022-01-20", "calendar").expiry == "MGCG2"
    found = step(FEBRUARY, "2022-01-21", "calendar")  # five sessions before Friday the 28th
    assert (found.expiry, found.rolled, found.reason) == ("MGCJ2", True, "calendar day reached")


def test_open_interest_rolls_at_the_deadline_even_if_nothing_was_published() -> None:
    for known in (None, {"MGCG2": 900.0}):
        assert step(FEBRUARY, "2022-01-27", "open_interest", open_interest=known).expiry == "MGCG2"
        found = step(FEBRUARY, "2022-01-28", "open_interest", open_interest=known)
        assert (found.expiry, found.reason) == ("MGCJ2", "last session before first notice")
    with pytest.raises(BadInputError, match="none of the front month MGCG2"):
        step(FEBRUARY, rule="open_interest", open_interest={"MGCJ2": 1.0})


def test_a_month_that_did_not_trade_is_not_entered() -> None:
    for rule in ("calendar", "open_interest"):
        held = {"MGCG2": 1.0, "MGCJ2": 5.0, "MGCM2": 4.0}
        found = step({"MGCG2": 100.0, "MGCJ2": 0.0, "MGCM2": 3.0}, "2022-01-28", rule, open_interest=held)
        assert found.expiry == "MGCM2"


def test_months_without_volume_cannot_be_compared_by_it() -> None:
    nothing = dict.fromkeys(FEBRUARY, float("nan"))
    with pytest.raises(BadInputError, match=r"no volume of \['MGCG2', 'MGCJ2', 'MGCM2'\].*calendar"):
        step(nothing)
    assert step(nothing, "2022-01-28", "calendar").expiry == "MGCJ2"
    assert step({"MGCG2": float("nan")}).expiry == "MGCG2"
