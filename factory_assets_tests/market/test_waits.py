"""Waits and their causal percentile against hand-made cases, naive loops, and cut-off history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.waits import OBSERVATIONS_MIN, POOLS, Waits, unusual_waits, waits_of, weekdays
from factory_assets_tests.market.gap_worlds import every_minute, holes, sessions_between, spans, times_of

WEEK = sessions_between("2022-01-10", "2022-01-14")
THANKSGIVING = sessions_between("2022-11-23", "2022-11-28")


def as_rows(waits: Waits) -> list[tuple[int, int, int]]:
    return list(zip(waits.session.tolist(), waits.minute.tolist(), waits.length.tolist(), strict=True))


def test_waits_by_hand():
    """Three minutes lack in the middle, five at the next open, two at its close; the file's own ends are no waits."""
    gone = holes(0, 0, 4) | holes(0, 100, 3) | holes(1, 0, 5) | holes(1, 1378, 2) | holes(4, 1300, 80)
    found = as_rows(waits_of(times_of(WEEK, every_minute(WEEK) - gone), WEEK))
    assert [row for row in found if row[2]] == [(0, 100, 3), (1, 0, 5), (1, 1378, 2)]
    # A wait of nothing behind every other bar and at every other open, but behind the last bar of a session.
    assert (0, 4, 0) not in found
    assert (0, 5, 0) in found
    assert (2, 0, 0) in found
    assert (2, 1380, 0) not in found
    assert not any(session == 4 and minute >= 1300 for session, minute, _ in found)


def test_a_session_without_a_bar_is_one_wait_as_long_as_its_schedule():
    minutes = every_minute(THANKSGIVING) - holes(1, 0, 1230)  # Thanksgiving: 17:00 to 13:30
    found = [row for row in as_rows(waits_of(times_of(THANKSGIVING, minutes), THANKSGIVING)) if row[2]]
    assert found == [(1, 0, 1230)]


def naive_waits(minutes: set[tuple[int, int]], spans: list[int]) -> list[tuple[int, int, int]]:
    """Walk every scheduled minute of every session."""
    first, last = min(minutes), max(minutes)
    found = []
    for session, span in enumerate(spans):
        begin = 0
        for minute in range(span + 1):
            if minute == span or (session, minute) in minutes:
                if begin < span and first < (session, begin) <= last:
                    found.append((session, begin, minute - begin))
                begin = minute + 1
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.002, 0.3, 0.97]))
def test_waits_equal_a_walk_over_the_schedule(seed, share):
    rng = np.random.default_rng(seed)
    minutes = {pair for pair in every_minute(THANKSGIVING) if rng.random() < share}
    first, last = int(rng.integers(0, 30)), int(rng.integers(0, 30))
    minutes |= {(0, first), (len(THANKSGIVING) - 1, last)}
    found = waits_of(times_of(THANKSGIVING, minutes), THANKSGIVING)
    expected = naive_waits(minutes, spans(THANKSGIVING).tolist())
    assert as_rows(found) == expected


def test_weekdays_count_from_monday():
    assert weekdays(WEEK).tolist() == [0, 1, 2, 3, 4]
    assert weekdays(THANKSGIVING).tolist() == [2, 3, 4, 0]


def made(lengths: dict[tuple[int, int], int], sessions: int, minutes: int) -> Waits:
    """A wait at every minute of every session, of the given length or zero."""
    session, minute = np.divmod(np.arange(sessions * minutes, dtype=np.int64), minutes)
    length = np.array([lengths.get((int(s), int(m)), 0) for s, m in zip(session, minute, strict=True)], dtype=np.int64)
    return Waits(session, minute, length)


def listed(waits: Waits, sessions: int, regular: np.ndarray | None = None, week: int = 5) -> list[tuple[int, ...]]:
    weekday = np.arange(sessions) % week
    regular = np.ones(sessions, dtype=bool) if regular is None else regular
    found = unusual_waits(waits, weekday, regular)
    where = found.wait
    columns = (
        waits.session[where],
        waits.minute[where],
        waits.length[where],
        found.usual,
        found.observations,
        found.pool,
    )
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]


def test_known_percentiles():
    """Ten minutes a session: with 100 sessions before it a wait has 1000 observations, of which one may be longer."""
    sessions = 103
    lengths = {(3, 5): 9, (50, 5): 4}
    base = made(lengths, sessions, 10)
    of_other_days = 2  # pool 2: any weekday, 60 minutes around

    def at(session: int, length: int) -> list[tuple[int, ...]]:
        changed = made({**lengths, (session, 5): length}, sessions, 10)
        return [row for row in listed(changed, sessions, week=7) if row[0] == session]

    assert listed(base, sessions, week=7) == []
    # Two earlier waits are longer than nothing, so the second longest of 1000, 4 minutes, is the percentile.
    assert at(100, 4) == []
    assert at(100, 5) == [(100, 5, 5, 4, 1000, 1)]  # the 15 minutes around hold the whole session of ten
    assert at(99, 99) == []  # 990 observations are too few
    assert (
        unusual_waits(
            made({**lengths, (99, 5): 99}, sessions, 10), np.arange(sessions) % 7, np.ones(sessions, bool)
        ).unjudged
        == 3
    )
    assert POOLS[of_other_days][1:] == (60, False)


def test_two_of_two_thousand_may_be_longer():
    sessions = 201
    lengths = {(10, 5): 9, (20, 5): 7, (30, 5): 5, (200, 5): 6}
    waits = made(lengths, sessions, 10)
    assert listed(waits, sessions, week=7) == [(200, 5, 6, 5, 2000, 1)]


def test_where_every_minute_trades_each_missing_minute_is_listed():
    waits = made({(150, 3): 1, (160, 3): 1, (170, 3): 1}, 171, 10)
    # The first is the only one of 1500, so the percentile is 0; the third is the third of its length of 1700.
    assert listed(waits, 171, week=7) == [(150, 3, 1, 0, 1500, 1), (160, 3, 1, 0, 1600, 1)]


def test_holidays_are_judged_but_are_no_measure():
    lengths = {(session, 5): 30 for session in range(0, 120, 10)} | {(119, 5): 20}
    regular = np.arange(120) % 10 != 0
    found = listed(made(lengths, 120, 10), 120, regular, week=7)
    assert (119, 5, 20, 0, 1070, 1) in found
    assert [row[0] for row in found] == [119]
    assert [row[0] for row in listed(made({**lengths, (115, 5): 30}, 120, 10), 120, regular, week=7)] == [115, 119]


def naive_verdicts(waits: Waits, weekday: list[int], regular: list[bool]) -> list[tuple[int, ...]]:
    """Every earlier wait looked at, for every wait of a minute or more."""
    rows = as_rows(waits)
    found = []
    for session, minute, length in rows:
        if length == 0:
            continue
        for number, (_, radius, same_weekday) in enumerate(POOLS):
            pool = [
                other
                for s, m, other in rows
                if s < session
                and regular[s]
                and abs(m - minute) <= radius
                and (not same_weekday or weekday[s] == weekday[session])
            ]
            if len(pool) >= OBSERVATIONS_MIN:
                usual = min(v for v in {0, *pool} if sum(other > v for other in pool) <= len(pool) // 1000)
                if length > usual:
                    found.append((session, minute, length, usual, len(pool), number))
                break
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_equal_a_naive_loop(seed):
    rng = np.random.default_rng(seed)
    sessions, minutes, week = 120, 36, 2
    lengths = {
        # Longer and longer, so that some waits exceed what was usual before them.
        (s, m): int(1 + rng.geometric(0.4) * (1 + s // 3))
        for s in range(sessions)
        for m in range(minutes)
        if rng.random() < 0.03
    }
    waits = made(lengths, sessions, minutes)
    regular = rng.random(sessions) < 0.97
    found = listed(waits, sessions, regular, week)
    assert found == naive_verdicts(waits, [s % week for s in range(sessions)], regular.tolist())
    assert {row[-1] for row in found} == {0, 1, 2}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(40, 70))
def test_later_sessions_change_no_verdict(seed, cut):
    rng = np.random.default_rng(seed)
    sessions, minutes = 72, 36
    session, minute = np.divmod(np.arange(sessions * minutes, dtype=np.int64), minutes)
    length = np.where(
        rng.random(sessions * minutes) < 0.05, rng.integers(1, 9, sessions * minutes) * (1 + session // 6), 0
    )
    whole = listed(Waits(session, minute, length), sessions)
    early = session < cut
    part = listed(Waits(session[early], minute[early], length[early]), cut)
    assert part == [row for row in whole if row[0] < cut]
    assert whole
