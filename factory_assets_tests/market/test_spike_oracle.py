"""Bad prints against the definition in plain Python, on markets with planted prints; news minutes of real gold."""

from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.canonical import build_canonical
from factory_assets.market.quality import KEPT, MinuteArrays, broken_rules, spikes
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC, SETTINGS

# Tuesday 2022-01-25 15:00 UTC, in the middle of a session.
NOON_US = int(pd.Timestamp("2022-01-25 15:00", tz="UTC").value // 1000)
NEWS = ("2021-01-18", "2021-08-09", "2022-11-23")


def _oracle(minutes: MinuteArrays, session: np.ndarray, scale_multiple: float) -> list[bool]:
    """The docstring of ``spikes``, one bar at a time."""
    bars = [
        (int(d), int(t), float(h), float(low), float(c), float(v), int(s))
        for d, t, (_, h, low, c), v, s in zip(
            minutes.delivery, minutes.open_us, minutes.prices.T, minutes.volume, session, strict=True
        )
    ]
    months: dict[int, list[int]] = {}
    for row, bar in enumerate(bars):
        months.setdefault(bar[0], []).append(row)
    move: dict[tuple[int, int], tuple[float, float]] = {}
    ranges: dict[int, float] = {}
    for rows in months.values():
        for place, row in enumerate(rows):
            _, moment, high, low, *_ = bars[row]
            before = bars[rows[place - 1]][4] if place else None
            ranges[row] = high - low if before is None else max(high, before) - min(low, before)
            move[bars[row][0], moment] = (0.0, 0.0) if before is None else (high - before, before - low)
    found = [False] * len(bars)
    for month, rows in months.items():
        for place in range(2, len(rows)):
            row, one, two = rows[place], bars[rows[place - 1]], bars[rows[place - 2]]
            _, moment, high, low, _, volume, held = bars[row]
            if two[6] != held or moment - two[1] > 30 * MINUTE_US:
                continue
            last = rows[max(0, place - 120) : place]
            if len(last) < 20:
                continue
            limit = scale_multiple * max(median(ranges[k] for k in last), 4 * MGC.tick_size)
            above, below = high - max(one[2], two[2]), min(one[3], two[3]) - low
            if not (above > limit or below > limit):
                continue
            up, size = above >= below, max(above, below)
            along = any(
                (moves[0] if up else moves[1]) >= 0.5 * size
                for (other, when), moves in move.items()
                if other != month and when == moment
            )
            known = [bars[k][5] for k in last]
            swept = not np.isnan(volume) and volume >= 3 * max(median(known), 1.0)
            found[row] = not along and not swept
    return found


@st.composite
def _markets(draw):
    """Two months that walk together, with minutes missing, prints planted in one or both, and volume or none."""
    seed, bars = draw(st.integers(0, 2**31)), draw(st.integers(25, 160))
    rng = np.random.default_rng(seed)
    base = 1800 + np.cumsum(rng.integers(-2, 3, bars)) * 0.1
    blocks = []
    for month, basis in ((24253, 0.0), (24255, 4.0)):
        kept = np.flatnonzero(rng.random(bars) < draw(st.sampled_from([1.0, 0.9, 0.3])))
        close = base[kept] + basis
        high, low = close + rng.integers(0, 3, len(kept)) * 0.1, close - rng.integers(0, 3, len(kept)) * 0.1
        volume = rng.integers(1, 40, len(kept)).astype(float)
        blocks.append([np.full(len(kept), month), kept, np.vstack([close, high, low, close]), volume])
    for _ in range(draw(st.integers(0, 6))):
        minute, size = (
            draw(st.integers(0, bars - 1)),
            draw(st.sampled_from([3.0, 9.0, 10.5, 40.0, -3.0, -10.5, -200.0])),
        )
        for block in draw(st.sampled_from([blocks[:1], blocks[1:], blocks])):
            here = np.flatnonzero(block[1] == minute)
            block[2][1 if size > 0 else 2, here] += size
            block[3][here] *= draw(st.sampled_from([1.0, 2.0, 10.0]))
    if draw(st.booleans()):
        for block in blocks:
            block[3][:] = np.nan
    joined = [np.concatenate([block[k] for block in blocks], axis=-1) for k in range(4)]
    return MinuteArrays(joined[0].astype(np.int64), NOON_US + joined[1] * MINUTE_US, joined[2], joined[3])


@settings(max_examples=60, deadline=None)
@given(_markets(), st.sampled_from([1.0, 5.0, 25.0]))
def test_spikes_equal_the_definition(minutes: MinuteArrays, scale_multiple: float) -> None:
    session = CALENDAR.sessions.locate(minutes.open_us)
    assert spikes(minutes, session, MGC, scale_multiple).tolist() == _oracle(minutes, session, scale_multiple)


def test_without_volume_only_other_months_support() -> None:
    bars = 60
    close = np.full(bars, 1800.0)
    prices = np.vstack([close, close + 0.1, close - 0.1, close])
    prices[2, 50] = 1700.0
    minutes = MinuteArrays(np.full(bars, 24253), NOON_US + np.arange(bars) * MINUTE_US, prices, np.full(bars, np.nan))
    session = CALENDAR.sessions.locate(minutes.open_us)
    assert np.flatnonzero(spikes(minutes, session, MGC, SETTINGS.spike_scale_multiple)).tolist() == [50]
    other = MinuteArrays(np.full(bars, 24255), minutes.open_us, prices + 4.0, minutes.volume)
    both = MinuteArrays(
        *(
            np.concatenate([getattr(m, n) for m in (minutes, other)], axis=-1)
            for n in ("delivery", "open_us", "prices", "volume")
        )
    )
    session = CALENDAR.sessions.locate(both.open_us)
    assert not spikes(both, session, MGC, SETTINGS.spike_scale_multiple).any()


def _one_month(half_range: np.ndarray, delivery: int = 24253) -> MinuteArrays:
    """Bars around 1800, each so far from it on both sides, 20 contracts a minute."""
    close = np.full(len(half_range), 1800.0)
    prices = np.vstack([close, close + half_range, close - half_range, close])
    moments = NOON_US + np.arange(len(close)) * MINUTE_US
    return MinuteArrays(np.full(len(close), delivery), moments, prices, np.full(len(close), 20.0))


def test_the_scale_is_that_of_the_last_120_bars() -> None:
    # Sixty narrow and sixty wide bars: their median range is 1.1 points. One wide bar more would make it 2.0.
    minutes = _one_month(np.array([1.0, *[0.1] * 60, *[1.0] * 60, 0.1]))
    minutes.prices[2, 121] = 1800.0 - 1.0 - 30.0
    session = CALENDAR.sessions.locate(minutes.open_us)
    assert np.flatnonzero(spikes(minutes, session, MGC, 25.0)).tolist() == [121]
    minutes.prices[2, 121] = 1800.0 - 1.0 - 27.0
    assert not spikes(minutes, session, MGC, 25.0).any()


@pytest.mark.parametrize("volume", [0.0, 1.0, 2.0])
def test_where_nothing_trades_a_single_contract_supports_no_print(volume: float) -> None:
    minutes = _one_month(np.full(60, 0.1))
    minutes.prices[1, 50] = 1900.0
    minutes.volume[:] = 0.0
    minutes.volume[50] = volume
    session = CALENDAR.sessions.locate(minutes.open_us)
    assert np.flatnonzero(spikes(minutes, session, MGC, 25.0)).tolist() == [50]
    minutes.volume[50] = 3.0
    assert not spikes(minutes, session, MGC, 25.0).any()


def test_a_month_that_has_just_begun_to_trade_supports_nothing() -> None:
    own = _one_month(np.full(60, 0.1))
    own.prices[1, 50] = 1840.0
    other = _one_month(np.full(60, 0.1), delivery=24255).take(np.array([50]))
    other.prices[:] = 1850.0
    both = MinuteArrays(
        *(
            np.concatenate([getattr(own, n), getattr(other, n)], axis=-1)
            for n in ("delivery", "open_us", "prices", "volume")
        )
    )
    session = CALENDAR.sessions.locate(both.open_us)
    assert np.flatnonzero(spikes(both, session, MGC, 25.0)).tolist() == [50]


def test_volume_where_there_is_none_is_refused_and_its_absence_is_not() -> None:
    def judged(volume: float, *, has_volume: bool) -> int:
        minutes = MinuteArrays(np.array([24253]), np.array([NOON_US]), np.array([[1800.0]] * 4), np.array([volume]))
        return int(broken_rules(minutes, MGC, CALENDAR.sessions, has_volume=has_volume)[0])

    assert judged(np.nan, has_volume=False) == judged(3.0, has_volume=True) == KEPT
    assert judged(np.nan, has_volume=True) == judged(3.0, has_volume=False) != KEPT


@pytest.mark.slow
def test_real_news_minutes_are_candidates_and_are_kept(real_data) -> None:
    calendar = SessionCalendar.of(MGC)
    made = build_canonical(read_folder(real_data / "MGC_databento", MGC).minutes, MGC, calendar, SETTINGS)
    assert made.counts["quarantined"] == 0
    # Without other months and volume to speak for them, the rule would take the news for bad prints.
    columns = ["source_file", "source_row", "expiry", "open_time", "open", "high", "low", "close", "volume"]
    alone = made.bars.assign(volume=1.0, source_file="front", source_row=np.arange(len(made.bars)))[columns]
    candidates = build_canonical(alone, MGC, calendar, SETTINGS, joins_without_overlap=True).quarantine
    assert candidates["reason"].unique().tolist() == ["spike"]
    session = calendar.sessions.locate(times_us(candidates["open_time"]))
    days = {str(day) for day in calendar.sessions.trade_day[session].astype("datetime64[D]")}
    assert set(NEWS) <= days
    assert len(candidates) == 27
    assert candidates["open_time"].isin(made.bars["open_time"]).all()
