"""The live predictor against the batch tables: rolls, holidays, missing minutes, bad bars, bounded memory."""

from collections import deque
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment import Minute, Predictor, batch_rows
from factory_assets.deployment.replay import replay_minutes
from factory_assets.market import SessionCalendar, build_canonical
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, NaiveTimestampError
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.deployment.release_world import WINDOW_BARS, without_windows

MINUTE = pd.Timedelta(minutes=1)


def at(text):
    return pd.Timestamp(text, tz="UTC")


def between(frame, first, last):
    return frame[(frame["open_time"] >= at(first)) & (frame["open_time"] < at(last))]


def started(world, until, since="2022-12-12T00:00"):
    """A predictor warmed up on whole sessions up to a moment; from after the December roll by default."""
    predictor = Predictor(world.release)
    predictor.warm_up(between(world.raw, since, until))
    return predictor


def assert_equals_batch(predictions, batch, release, *, sides_skipped=()):
    """Every quantity of every prediction; the batch rows of the same decisions."""
    assert predictions
    places = pd.Index(batch.frame["decision_time"]).get_indexer([p.decision_time for p in predictions])
    assert (places >= 0).all()
    compared = batch.take(places)
    rows = compared.frame
    assert_cells_equal(np.array([p.features for p in predictions]), compared.inputs["tabular"])
    if release.sequence is None:
        assert all(p.window is None for p in predictions)
    else:
        assert_cells_equal(np.array([p.window for p in predictions]), compared.windows.materialised())
    for name, own in (("p_down", "p_down"), ("p_flat", "p_flat"), ("p_up", "p_up"), ("ev_long", "ev_long")):
        np.testing.assert_allclose([getattr(p, own) for p in predictions], rows[name], atol=1e-6, rtol=0, err_msg=name)
    np.testing.assert_allclose([p.atr_points for p in predictions], rows["atr"], rtol=1e-9)
    np.testing.assert_array_equal([p.cost_points for p in predictions], rows["cost"])
    np.testing.assert_array_equal([p.eligible for p in predictions], rows["eligible"])
    np.testing.assert_array_equal([p.event for p in predictions], rows["event"])
    for prediction, side in zip(predictions, rows["side"], strict=True):
        assert prediction.side == (0 if prediction.late or prediction.decision_time in sides_skipped else side)
    assert all(p.warm for p in predictions)


def assert_cells_equal(found, expected):
    """Same cells masked, all within 1e-6 of their size, nearly all to the bit."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    known = np.nan_to_num(np.abs(expected))
    mean = known.reshape(-1, known.shape[-1]).mean(axis=0)
    size = np.maximum(np.maximum(mean, known), 1e-30)
    assert np.nanmax(np.abs(found - expected) / size) < 1e-6
    assert np.mean((found == expected) | np.isnan(expected)) > 0.999


def decisions_between(batch, first, last):
    times = batch.frame["decision_time"]
    return times[(times > at(first)) & (times <= at(last))]


def test_equals_batch_across_a_roll(world):
    (roll,) = world.rolls[world.rolls["trade_date"] == pd.Timestamp("2023-03-10")].itertuples()
    predictor = started(world, "2023-03-09T19:20")
    assert predictor.front == roll.from_expiry
    found = list(replay_minutes(predictor, between(world.raw, "2023-03-09T19:20", "2023-03-10T03:00")))
    assert predictor.front == roll.to_expiry
    assert {p.expiry for p in found} == {roll.from_expiry, roll.to_expiry}
    expected = decisions_between(world.batch, "2023-03-09T19:20", "2023-03-10T03:00")
    assert [p.decision_time for p in found] == list(expected)
    assert len(found) > 70
    assert any(p.event for p in found)
    assert_equals_batch(found, world.batch, world.release)


def test_a_release_without_windows_still_works(world):
    release = without_windows(world)
    batch = batch_rows(release, world.labels, world.features)
    assert batch.windows is None
    predictor = Predictor(release)
    predictor.warm_up(between(world.raw, "2022-12-12T00:00", "2023-03-09T19:20"))
    found = list(replay_minutes(predictor, between(world.raw, "2023-03-09T19:20", "2023-03-09T22:00")))
    assert len(found) > 30
    assert_equals_batch(found, batch, release)


def test_equals_batch_across_a_holiday(world):
    """Friday's close, the weekend, and the session of Presidents' Day that ends at noon."""
    predictor = started(world, "2023-02-17T21:00")
    found = list(replay_minutes(predictor, between(world.raw, "2023-02-17T21:00", "2023-02-20T00:30")))
    later = between(world.raw, "2023-02-20T00:30", "2023-02-20T17:00")
    predictor.warm_up(later)
    found += list(replay_minutes(predictor, between(world.raw, "2023-02-20T17:00", "2023-02-21T01:00")))
    closes = {p.decision_time for p in found}
    # 17 February ends at 22:00 UTC, 20 February (halt at noon, Chicago) at 18:00 UTC.
    assert at("2023-02-20T18:00") in closes
    assert not any(at("2023-02-20T18:00") < close < at("2023-02-20T23:05") for close in closes)
    assert len(found) > 40
    assert_equals_batch(found, world.batch, world.release)


def test_missing_minutes_make_late_decisions(world, thinned):
    raw, canonical, batch = thinned
    predictor = Predictor(world.release)
    predictor.warm_up(between(raw, "2022-12-12T00:00", "2023-03-07T00:00"))
    found = list(replay_minutes(predictor, between(raw, "2023-03-07T00:00", "2023-03-07T04:30")))
    expected = decisions_between(batch, "2023-03-07T00:00", "2023-03-07T04:30")
    assert [p.decision_time for p in found] == list(expected)
    last_minutes = set(canonical["open_time"])
    late = [p.decision_time for p in found if p.late]
    assert late == [time for time in expected if time - MINUTE not in last_minutes]
    assert 5 < len(late) < len(found) / 2
    assert_equals_batch(found, batch, world.release)
    shown = {p.decision_time: np.isfinite(p.window).any(axis=1).sum() for p in found}
    # Nothing before the 40 minutes; across the 30 (one bar before, eight after) as if they had been closed.
    assert (shown[at("2023-03-07T02:40")], shown[at("2023-03-07T03:25")]) == (WINDOW_BARS, 1)
    assert (shown[at("2023-03-07T04:00")], shown[at("2023-03-07T04:30")]) == (2, 8)


def test_one_minute_that_ends_two_base_bars_gives_both(world, thinned):
    raw, _, batch = thinned
    predictor = Predictor(world.release)
    predictor.warm_up(between(raw, "2022-12-12T00:00", "2023-03-07T02:03"))
    live = between(raw, "2023-03-07T02:03", "2023-03-07T02:15").sort_values("open_time")
    front = live[live["expiry"].astype(str) == predictor.front]
    assert [time.minute for time in front["open_time"]] == [3, 14]
    first, second = (predictor.update(row) for row in front.to_dict("records"))
    assert first is None
    assert (second.decision_time, second.late) == (at("2023-03-07T02:15"), False)
    assert (second.earlier.decision_time, second.earlier.late) == (at("2023-03-07T02:05"), True)
    assert second.earlier.side == 0
    assert_equals_batch([second.earlier, second], batch, world.release)


def test_advance_decides_on_time(world, thinned):
    """A clock that ticks at every scheduled close: nothing is late any more, and all of it equals batch."""
    raw, _, batch = thinned
    predictor = Predictor(world.release)
    predictor.warm_up(between(raw, "2022-12-12T00:00", "2023-03-07T00:00"))
    live = between(raw, "2023-03-07T00:00", "2023-03-07T02:30")
    found, advanced = [], 0
    for close in pd.date_range("2023-03-07T00:05", "2023-03-07T02:30", freq="5min", tz="UTC"):
        minutes = live[(live["open_time"] < close) & (live["open_time"] >= close - 5 * MINUTE)]
        found += list(replay_minutes(predictor, minutes))
        due = predictor.advance(close.to_pydatetime())
        advanced += due is not None
        found += [due] if due is not None else []
    assert advanced > 3
    assert not any(p.late for p in found)
    assert [p.decision_time for p in found] == list(decisions_between(batch, "2023-03-07T00:00", "2023-03-07T02:30"))
    assert_equals_batch(found, batch, world.release)


def test_advance_a_minute_later_is_late(world, thinned):
    raw, _, _ = thinned
    for seconds, late in ((0, False), (59, False), (60, True)):
        predictor = Predictor(world.release)
        predictor.warm_up(between(raw, "2023-03-02T23:00", "2023-03-07T02:04"))
        close = at("2023-03-07T02:05")
        assert predictor.advance(close - timedelta(seconds=1)) is None
        due = predictor.advance(close + timedelta(seconds=seconds))
        assert (due.decision_time, due.late) == (close, late)
        assert predictor.advance(close + timedelta(seconds=seconds)) is None


def test_update_and_warm_up_take_the_same_steps(world):
    one, other = started(world, "2023-03-08T23:00"), started(world, "2023-03-08T23:00")
    session = between(world.raw, "2023-03-08T23:00", "2023-03-09T01:00")
    by_update = list(replay_minutes(one, session))
    other.warm_up(session)
    assert one.counts == other.counts
    rest = between(world.raw, "2023-03-09T01:00", "2023-03-09T02:00")
    ahead = [p.to_plain(features=True) for p in replay_minutes(one, rest)]
    assert ahead == [p.to_plain(features=True) for p in replay_minutes(other, rest)]
    assert len(by_update) > len(ahead) > 10


def test_first_session_and_cold_decisions_do_not_trade(world):
    predictor = Predictor(world.release)
    assert list(replay_minutes(predictor, between(world.raw, "2023-01-02T23:00", "2023-01-03T22:00"))) == []
    assert predictor.front is None
    found = list(replay_minutes(predictor, between(world.raw, "2023-01-03T23:00", "2023-01-04T02:00")))
    assert predictor.front == "SIMH3"
    assert len(found) > 30
    assert not any(p.warm or p.side for p in found)
    assert not predictor.warm


def test_warm_after_the_sessions_it_asks_for(world):
    days = np.unique(world.canonical["trade_date"])
    opens = world.canonical.groupby("trade_date")["open_time"].min()
    until = at("2023-02-10T21:59")
    last = int(np.searchsorted(days, np.datetime64("2023-02-10")))
    needed = Predictor(world.release).sessions_needed
    # What is chosen decides: the cost alone looks back on 22 sessions and as many bars as ATR needs to settle, which is
    # 2,412 bars (26.2 sessions) of 15 minutes and 894 (38.9 sessions) of an hour.
    assert 28 <= needed <= 40
    for sessions, warm in ((needed + 2, True), (needed - 3, False)):
        predictor = Predictor(world.release)
        since = opens.iloc[last - sessions + 1]
        predictor.warm_up(world.raw[(world.raw["open_time"] >= since) & (world.raw["open_time"] < until)])
        assert predictor.warm == warm, sessions


def test_memory_is_bounded(world):
    """A predictor that has seen three months holds no more than one that has seen two."""
    sizes = []
    for until in ("2023-02-17T21:00", "2023-03-17T20:00"):
        predictor = started(world, until, since="2022-12-05T00:00")
        assert predictor.warm
        sizes.append(held(predictor))
    assert sizes[1] <= sizes[0] * 1.05
    assert sizes[0] < 4_000_000


def held(thing, seen=None):
    """Bytes of arrays and number of elements of containers reachable from a predictor's state."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, pd.DataFrame):
        return int(thing.memory_usage(deep=True).sum())
    inner = ()
    if isinstance(thing, dict):
        inner = thing.values()
    elif isinstance(thing, list | tuple | set | deque):
        inner = thing
    elif type(thing).__module__.startswith("factory_assets.deployment"):
        inner = [value for name, value in vars(thing).items() if name not in {"release", "_release"}]
    return 8 + sum(held(value, seen) for value in inner)


GOOD = {"expiry": "SIMH3", "open_time": at("2023-03-07T00:31"), "open": 4000.0, "high": 4000.5, "low": 3999.75,
        "close": 4000.25, "volume": 3.0}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"open_time": pd.Timestamp("2023-03-07T00:31")}, NaiveTimestampError),
        ({"open_time": "2023-03-07T00:31Z"}, BadInputError),
        ({"open_time": pd.NaT}, BadInputError),
        ({"open_time": None}, BadInputError),
        ({"expiry": "MESH3"}, ForeignContractError),
        ({"expiry": "SIMH3-SIMM3"}, ForeignContractError),
        ({"expiry": None}, BadInputError),
        ({"close": None}, BadInputError),
        ({"volume": "3"}, BadInputError),
        ({"high": True}, BadInputError),
        ({"open_time": at("2023-03-06T12:00")}, BadInputError),  # a session that is over
        ({"open_time": at("2023-03-07T00:10"), "expiry": "SIMH3"}, BadInputError),  # a gap of the month, passed
    ],
)
def test_calls_that_make_no_sense_raise_and_change_nothing(gapped, change, error):
    predictor, snapshot = gapped
    with pytest.raises(error):
        predictor.update({**GOOD, **change})
    assert state(predictor) == snapshot


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"close": float("nan")}, "not_finite"),
        ({"high": float("inf")}, "not_finite"),
        ({"low": -1.0}, "not_positive"),
        ({"close": 4000.1}, "off_tick"),
        ({"high": 3999.75}, "ohlc_order"),
        ({"volume": -1.0}, "bad_volume"),
        ({"volume": float("nan")}, "bad_volume"),
        ({"open_time": at("2023-03-07T00:31:30")}, "off_minute"),
        ({"open_time": at("2023-03-07T22:30")}, "outside_session"),
        ({"open_time": at("2023-03-07T00:29")}, "conflicting_duplicate"),
    ],
)
def test_bars_that_break_a_rule_are_counted_and_change_nothing(gapped, change, reason):
    predictor, snapshot = gapped
    before = predictor.counts
    assert predictor.update({**GOOD, **change}) is None
    changed = {name: n - before.get(name, 0) for name, n in predictor.counts.items() if n != before.get(name, 0)}
    assert changed == {f"quarantined_{reason}": 1}
    assert state(predictor) == snapshot


def test_exact_duplicate_is_counted(gapped, world):
    predictor, snapshot = gapped
    (last,) = world.raw[(world.raw["open_time"] == at("2023-03-07T00:29")) & (world.raw["expiry"] == "SIMH3")].to_dict(
        "records"
    )
    before = predictor.counts.get("exact_duplicates", 0)
    assert predictor.update(last) is None
    assert predictor.counts["exact_duplicates"] == before + 1
    assert state(predictor) == snapshot


def test_a_bar_after_its_decision_is_set_aside(world, thinned):
    raw, _, _ = thinned
    predictor = Predictor(world.release)
    predictor.warm_up(between(raw, "2023-03-02T23:00", "2023-03-07T02:04"))
    assert predictor.advance(at("2023-03-07T02:05").to_pydatetime()) is not None
    snapshot = state(predictor)
    assert predictor.update({**GOOD, "open_time": at("2023-03-07T02:04")}) is None
    assert predictor.counts["quarantined_after_decision"] == 1
    assert state(predictor) == snapshot


def test_bad_prints_are_set_aside_as_in_history(world):
    """A lone high far beyond the bars before, one the other month shares, one on volume, and a small one."""
    raw = between(world.raw, "2023-03-06T23:00", "2023-03-10T03:00").reset_index(drop=True)
    both = raw[raw["open_time"] > at("2023-03-08T00:00")].groupby("open_time")["expiry"].nunique()
    lonely, shared, busy, small = both.index[both == 2][[10, 40, 70, 100]]
    month = raw["expiry"]
    for minute, months, jump in (
        (lonely, ["SIMH3"], 400.0),
        (shared, ["SIMH3", "SIMM3"], 400.0),
        (busy, ["SIMH3"], 400.0),
        (small, ["SIMH3"], 9.0),
    ):
        raw.loc[(raw["open_time"] == minute) & month.isin(months), ["high", "volume"]] += [jump, 0.0]
    raw.loc[(raw["open_time"] == lonely), "volume"] = 1.0
    raw.loc[(raw["open_time"] == shared), "volume"] = 1.0
    raw.loc[(raw["open_time"] == busy), "volume"] = 10_000.0
    product = instrument("SIM")
    batch = build_canonical(raw, product, SessionCalendar.of(product), world.release.market)
    assert list(batch.quarantine["open_time"]) == [lonely]
    predictor = Predictor(world.release)
    predictor.warm_up(raw)
    # The other month of the shared minute comes before the front and has nobody to support it; the front is the same.
    assert (predictor.counts["quarantined_spike"], batch.counts["quarantined_spike"]) == (2, 1)
    front = predictor.counts["front"] + (batch.bars["open_time"] < at("2023-03-07T22:00")).sum()
    assert front == len(batch.bars)


def test_replay_hands_over_the_front_last(world):
    """A move both months make is no bad print of the front: the other month's minute is there before."""
    raw = between(world.raw, "2023-03-06T23:00", "2023-03-08T12:00").reset_index(drop=True)
    both = raw[raw["open_time"] > at("2023-03-08T00:00")].groupby("open_time")["expiry"].nunique()
    shared = both.index[both == 2][40]
    raw.loc[raw["open_time"] == shared, ["high", "volume"]] += [400.0, 0.0]
    predictor = Predictor(world.release)
    predictor.warm_up(raw[raw["open_time"] < shared])
    before = predictor.counts["front"]
    list(replay_minutes(predictor, raw[raw["open_time"] == shared]))
    assert predictor.counts["front"] == before + 1


@pytest.fixture(scope="module")
def gapped_once(world):
    raw = between(world.raw, "2023-03-02T23:00", "2023-03-07T00:30")
    raw = raw[raw["open_time"] != at("2023-03-07T00:10")]
    predictor = Predictor(world.release)
    predictor.warm_up(raw)
    return predictor


@pytest.fixture
def gapped(gapped_once):
    """A predictor that has a minute missing, and what it knows; tests of refused bars share it."""
    return gapped_once, state(gapped_once)


def state(predictor):
    """Everything the predictor knows but the counts, as bytes that compare."""
    series = predictor._series
    tape = series._tape
    months = {
        name: (tuple(month.open_us.tolist()), month._values[:, : len(month)].tobytes(), month.volume)
        for name, month in tape._months.items()
    }
    bars = {m: (len(b), b.last_close_us, b._values[:, : b._count].tobytes()) for m, b in series._bars.items()}
    recent = {name: tuple(rows) for name, rows in series._bad_prints._bars.items()}
    scalars = (series.front, series._ratio, tape.session, series._decided_us, series.pending_us)
    return scalars, months, bars, recent


def test_minute_and_mapping_are_the_same(world):
    one, other = started(world, "2023-03-06T23:00"), started(world, "2023-03-06T23:00")
    live = between(world.raw, "2023-03-06T23:00", "2023-03-06T23:20").astype({"expiry": str})
    names = ["expiry", "open_time", "open", "high", "low", "close", "volume"]
    records = live.sort_values(["open_time", "expiry"], ascending=[True, False])[names].to_dict("records")
    left = [p.to_plain() for p in map(one.update, records) if p]
    right = [p.to_plain() for p in (other.update(Minute(**record)) for record in records) if p]
    assert left == right
    assert len(left) >= 3
