"""Every rule against a bar that breaks it; the spike test against bad prints and real flash moves."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.expiry import delivery_indices
from factory_assets.market.quality import KEPT, REASONS, MinuteArrays, broken_rules, duplicates, spikes
from factory_assets.market.readers import read_folder
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC, SETTINGS

MONDAY_US = int(pd.Timestamp("2022-01-24 15:00", tz="UTC").value // 1000)
NAN = float("nan")


def arrays(rows: list[tuple[int, int, float, float, float, float, float]]) -> MinuteArrays:
    """Rows of (delivery, minute after Monday 15:00 UTC, open, high, low, close, volume)."""
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 7)
    open_us = MONDAY_US + (table[:, 1] * MINUTE_US).astype(np.int64)
    return MinuteArrays(table[:, 0].astype(np.int64), open_us, table[:, 2:6].T.copy(), table[:, 6].copy())


@pytest.mark.parametrize(
    ("bar", "reason"),
    [
        ((0, 10.0, 10.2, 9.9, 10.1, 5), None),
        ((0, 10.0, 10.0, 10.0, 10.0, 0), None),
        ((0, 1831.1, 1831.3, 1830.9, 1831.2, 1), None),
        ((0, NAN, 10.2, 9.9, 10.1, 5), "not_finite"),
        ((0, 10.0, float("inf"), 9.9, 10.1, 5), "not_finite"),
        ((0, 0.0, 10.2, 0.0, 10.1, 5), "not_positive"),
        ((0, -3.1, 10.2, -3.1, 10.1, 5), "not_positive"),
        ((0, 10.0, 10.25, 9.9, 10.1, 5), "off_tick"),
        ((0, 1831.1, 1831.3, 1830.9, 1831.2001, 5), "off_tick"),
        ((0, 1831.1, 1e300, 1830.9, 1831.2, 5), "off_tick"),
        ((0, 1831.1, 1831.3, 5e-324, 1831.2, 5), "off_tick"),
        ((0, 10.0, 10.0, 9.9, 10.1, 5), "ohlc_order"),
        ((0, 10.0, 10.2, 10.1, 10.1, 5), "ohlc_order"),
        ((0, 10.0, 10.2, 9.9, 10.1, -1), "bad_volume"),
        ((0, 10.0, 10.2, 9.9, 10.1, NAN), "bad_volume"),
        ((0.5, 10.0, 10.2, 9.9, 10.1, 5), "off_minute"),
        ((6 * 60, 10.0, 10.2, 9.9, 10.1, 5), None),  # 15:00 Chicago
        ((7 * 60, 10.0, 10.2, 9.9, 10.1, 5), "outside_session"),  # 16:00 Chicago, the break
        ((8 * 60, 10.0, 10.2, 9.9, 10.1, 5), None),  # 17:00 Chicago, the next session
        ((-24 * 60, 10.0, 10.2, 9.9, 10.1, 5), "outside_session"),  # Sunday morning
        ((6 * 60, NAN, 10.25, 9.9, 10.1, -1), "not_finite"),  # the first rule broken names the row
    ],
)
def test_each_rule(bar: tuple[float, ...], reason: str | None) -> None:
    found = broken_rules(arrays([(24253, *bar)]), MGC, CALENDAR.sessions)
    assert found.tolist() == [KEPT if reason is None else REASONS.index(reason)]


def _plain_duplicates(rows: list[tuple[int, int, float]]) -> tuple[list[bool], list[bool]]:
    exact = [k > 0 and rows[k] == rows[k - 1] for k in range(len(rows))]
    values: dict[tuple[int, int], set[float]] = {}
    for delivery, minute, close in rows:
        values.setdefault((delivery, minute), set()).add(close)
    return exact, [len(values[row[:2]]) > 1 and not copy for row, copy in zip(rows, exact, strict=True)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3), st.sampled_from([1.0, 2.0])), min_size=1, max_size=14))
def test_duplicates_equal_a_loop(rows: list[tuple[int, int, float]]) -> None:
    rows = sorted(rows)
    exact, conflicting = duplicates(arrays([(d, m, c, c, c, c, 1.0) for d, m, c in rows]))
    assert (exact.tolist(), conflicting.tolist()) == _plain_duplicates(rows)


def test_copies_of_a_broken_bar_are_copies() -> None:
    exact, conflicting = duplicates(arrays([(1, 0, NAN, 1, 1, 1, 1), (1, 0, NAN, 1, 1, 1, 1)]))
    assert exact.tolist() == [False, True]
    assert not conflicting.any()


def quiet(
    bars: int = 200, delivery: int = 24253, offset: float = 0.0
) -> list[tuple[int, int, float, float, float, float, float]]:
    """A quiet market: prices within two ticks around 1800, 20 contracts a minute."""
    return [(delivery, k, *(1800.0 + offset + t / 10 for t in (0, 1, -1, k % 2)), 20.0) for k in range(bars)]


def spiked(rows, k: int, low: float, volume: float = 20.0):
    delivery, minute, open_, high, _, close, _ = rows[k]
    return [*rows[:k], (delivery, minute, open_, high, low, close, volume), *rows[k + 1 :]]


def flagged(rows) -> list[int]:
    minutes = arrays(rows)
    found = spikes(minutes, CALENDAR.sessions.locate(minutes.open_us), MGC, SETTINGS.spike_scale_multiple)
    return np.flatnonzero(found).tolist()


def test_a_bad_print_is_a_spike_and_a_quiet_market_has_none() -> None:
    assert flagged(quiet()) == []
    # Median true range 0.2 points, below four ticks: the limit is 25 x 0.4 = 10 points beyond the neighbours' low.
    assert flagged(spiked(quiet(), 150, 1799.9 - 10.1)) == [150]
    assert flagged(spiked(quiet(), 150, 1799.9 - 9.9)) == []


def test_a_high_spike_is_found_too() -> None:
    rows = quiet()
    rows[150] = (24253, 150, 1800.0, 1990.0, 1799.9, 1800.1, 20.0)
    assert flagged(rows) == [150]


def test_a_move_that_stays_costs_at_most_its_first_bar() -> None:
    rows = [*quiet(150), *((d, m, o - 50, h - 50, lo - 50, c - 50, v) for d, m, o, h, lo, c, v in quiet()[150:])]
    assert flagged(rows) == [150], "whether a price stays is known later, and may not decide today"
    rows[150] = (*rows[150][:-1], 60.0)
    assert flagged(rows) == [], "with its volume it is news"


def test_the_return_from_a_bad_print_is_no_spike() -> None:
    rows = [(d, m, 1790.0, 1790.2, 1789.8, 1790.0, v) if m == 150 else (d, m, *p, v) for d, m, *p, v in quiet()]
    rows[150] = (24253, 150, 1700.0, 1700.0, 1700.0, 1700.0, 20.0)
    assert flagged(rows) == [150]


def test_the_verdict_is_known_at_the_close() -> None:
    rows = spiked(quiet(), 150, 1700.0)
    for stop in (151, 152, 160, 200):
        assert flagged(rows[:stop]) == [150]


def test_an_old_price_judges_nothing() -> None:
    def late(minute: int) -> list[int]:
        return flagged([*quiet(150), (24253, minute, 1700.0, 1700.0, 1700.0, 1700.0, 20.0)])

    assert late(178) == [150], "30 minutes after the earlier of the two bars before it"
    assert late(179) == []


def test_a_flash_move_with_its_volume_is_no_spike() -> None:
    assert flagged(spiked(quiet(), 150, 1770.0, volume=60.0)) == []
    assert flagged(spiked(quiet(), 150, 1770.0, volume=59.0)) == [150]


def test_another_month_supports_or_refutes() -> None:
    both = [*spiked(quiet(), 150, 1770.0), *spiked(quiet(delivery=24255, offset=4.0), 150, 1778.0)]
    assert flagged(both) == []
    alone = [*spiked(quiet(), 150, 1770.0), *quiet(delivery=24255, offset=4.0)]
    assert flagged(alone) == [150]
    swept = [*spiked(quiet(), 150, 1770.0, volume=1000.0), *quiet(delivery=24255, offset=4.0)]
    assert flagged(swept) == [], "an order that swept the book (gold, 2022-05-27 19:01) is no bad print"


def test_the_first_bars_and_session_edges_are_not_judged() -> None:
    assert flagged(spiked(quiet(), 15, 1700.0)) == []
    assert flagged(spiked(quiet(), 199, 1700.0)) == [199]
    minutes = quiet(420)  # Monday 15:00 to 22:00 UTC: the last bar is the session's last
    later = [(d, m + 60, *rest) for d, m, *rest in quiet(480)[420:]]  # the session after the break
    for k, expected in ((419, [419]), (420, []), (421, []), (422, [422])):
        assert flagged(spiked([*minutes, *later], k, 1700.0)) == expected


def test_later_bars_do_not_change_a_verdict() -> None:
    rows = spiked(quiet(400), 150, 1700.0)
    assert flagged(rows[:160]) == flagged(rows) == [150]


@pytest.mark.slow
def test_no_spike_in_two_years_of_real_gold_news_included(real_data) -> None:
    raw = read_folder(real_data / "MGC_databento", MGC).minutes
    open_us = raw["open_time"].astype("int64").to_numpy()
    delivery = delivery_indices(raw["expiry"], (open_us // DAY_US).astype(np.int32))
    order = np.lexsort((open_us, delivery))
    prices = raw[["open", "high", "low", "close"]].to_numpy().T
    minutes = MinuteArrays(delivery, open_us, prices, raw["volume"].to_numpy()).take(order)
    assert (broken_rules(minutes, MGC, CALENDAR.sessions) == KEPT).all()
    found = spikes(minutes, CALENDAR.sessions.locate(minutes.open_us), MGC, SETTINGS.spike_scale_multiple)
    assert found.sum() == 0
    # The test is not asleep: a print 2 % off in a month that is the front is caught at nearly any minute.
    rng = np.random.default_rng(4)
    autumn = int(pd.Timestamp("2022-08-01", tz="UTC").value // 1000)
    front = np.flatnonzero((minutes.delivery == 12 * 2022 + 11) & (minutes.open_us > autumn))
    hit = rng.choice(front[:-5000], 200, replace=False)
    minutes.prices[2, hit] *= 0.98
    minutes.volume[hit] = 1.0  # volume of its own would be support
    found = spikes(minutes, CALENDAR.sessions.locate(minutes.open_us), MGC, SETTINGS.spike_scale_multiple)
    assert found[hit].sum() >= 190
    assert found.sum() == found[hit].sum()
