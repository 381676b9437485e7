"""Windows of base bars: the outage rule by hand and against a loop, the table, its verdicts, the container."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_assets.adapters import build_sequence, sequence_container, sequence_invariants, window_index, windows_of
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days, from_us, to_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import SEQUENCE
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US
from factory_assets.vocabulary.windows import LazyWindows

STEP_US = 5 * MINUTE_US
# a daily break after the twelfth bar, a long closure after the twenty-fourth
CLOCK_US = 19_000 * DAY_US + STEP_US * np.concatenate([np.arange(12), 24 + np.arange(12), 900 + np.arange(40)])


def _naive(decision, closes, clock, window_bars, outage_minutes_max):
    """One decision, one bar at a time: back until the window is full, history ends, or too many closes are missing."""
    last = closes.index(decision)
    first = last
    while first > 0 and last - first + 1 < window_bars:
        missing = [moment for moment in clock if closes[first - 1] < moment < closes[first]]
        if len(missing) * 5 > outage_minutes_max:
            break
        first -= 1
    return last, first


@given(
    absent=st.sets(st.integers(0, len(CLOCK_US) - 1), max_size=50),
    window_bars=st.integers(1, 30),
    outage_minutes_max=st.sampled_from([0, 4, 5, 14, 15, 30]),
    seed=st.integers(0, 99),
)
def test_windows_equal_the_loop(absent, window_bars, outage_minutes_max, seed):
    close_us = np.delete(CLOCK_US, list(absent))
    decision_us = np.random.default_rng(seed).permutation(close_us)[:20]
    limits = {"window_bars": window_bars, "outage_minutes_max": outage_minutes_max}
    last, first = window_index(decision_us, close_us, CLOCK_US, **limits)
    assert (last.dtype, first.dtype) == (np.int64, np.int64)
    expected = [_naive(d, close_us.tolist(), CLOCK_US.tolist(), *limits.values()) for d in decision_us.tolist()]
    assert list(zip(last.tolist(), first.tolist(), strict=True)) == expected


@given(
    absent=st.sets(st.integers(0, len(CLOCK_US) - 2), max_size=50),
    window_bars=st.integers(1, 30),
    cut=st.integers(0, len(CLOCK_US) - 1),
)
def test_trailing_bars_give_the_window_of_all_history(absent, window_bars, cut):
    """What the live predictor sees: the last bars, and the clock over them."""
    close_us = np.delete(CLOCK_US, list(absent))
    cut = min(cut, len(close_us) - 1)
    limits = {"window_bars": window_bars, "outage_minutes_max": 30}
    last, first = window_index(close_us[cut : cut + 1], close_us, CLOCK_US, **limits)
    trailing = close_us[max(0, cut + 1 - window_bars) : cut + 1]
    clock = np.array([moment for moment in CLOCK_US if trailing[0] <= moment <= trailing[-1]])
    live_last, live_first = window_index(trailing[-1:], trailing, clock, **limits)
    assert live_last[0] == len(trailing) - 1
    assert live_last[0] - live_first[0] == last[0] - first[0]


def _without(*absent):
    return np.delete(CLOCK_US, [place for places in absent for place in places])


@pytest.mark.parametrize(
    ("absent", "decision", "rows"),
    [
        ((), 63, 20),
        # the break of 17:00 and the closure of days take no bars: windows cross both
        ((), 14, 15),
        ((), 30, 20),
        # six scheduled bars missing are 30 minutes, seven are 35
        ((range(40, 46),), 50, 20),
        ((range(40, 47),), 50, 4),
        ((range(40, 47),), 47, 1),
        # the same count over a closure: 4 before it and 3 after it are an outage of 35 session minutes
        ((range(20, 24), range(24, 26)), 30, 20),
        ((range(20, 24), range(24, 27)), 30, 4),
        # a bar in the middle makes two gaps of 30 minutes out of 65
        ((range(40, 46), range(47, 53)), 60, 20),
        # only the latest outage counts
        ((range(30, 40), range(50, 60)), 63, 4),
        # an outage that lies further back than the window
        ((range(2, 20),), 44, 20),
        # a whole session missing
        ((range(12, 24),), 30, 7),
        # history shorter than the window
        ((), 5, 6),
        ((), 0, 1),
    ],
)
def test_outages_by_hand(absent, decision, rows):
    close_us = _without(*absent)
    limits = {"window_bars": 20, "outage_minutes_max": 30}
    last, first = window_index(CLOCK_US[[decision]], close_us, CLOCK_US, **limits)
    assert close_us[last[0]] == CLOCK_US[decision]
    assert last[0] - first[0] + 1 == rows


def test_a_real_week_with_holiday_weekend_and_daily_break():
    """Around Christmas 2023: closed all Monday, the session of the 26th opens on the evening of the 25th."""
    sessions = SessionCalendar.of(instrument("MGC")).between(date(2023, 12, 21), date(2023, 12, 27))
    clock = sessions.base_clock_us()
    opens = sessions.open_us
    assert np.diff(opens).max() > 3 * DAY_US  # the weekend and the holiday lie between two neighbouring sessions
    first_bars = np.searchsorted(clock, opens[1:], side="right")
    limits = {"window_bars": 60, "outage_minutes_max": 30}
    last, first = window_index(clock[first_bars], clock, clock, **limits)
    assert (last - first + 1).tolist() == [60] * len(first_bars)
    # the evening's first 35 minutes are missing after the holiday: an outage, whatever the closure before it
    place = int(first_bars[np.argmax(np.diff(opens))])
    close_us = np.delete(clock, np.arange(place, place + 7))
    last, first = window_index(close_us[[place]], close_us, clock, **limits)
    assert (last - first).tolist() == [0]
    close_us = np.delete(clock, np.arange(place, place + 6))
    last, first = window_index(close_us[[place]], close_us, clock, **limits)
    assert (last - first).tolist() == [59]


def test_what_cannot_be_a_window_is_refused():
    limits = {"window_bars": 20, "outage_minutes_max": 30}
    with pytest.raises(BadInputError, match=r"2 of 3 decisions are the close of no base bar.*2022-01-08 00:25"):
        window_index(CLOCK_US[[5, 3, 63]], np.delete(CLOCK_US, [5, 63]), CLOCK_US, **limits)
    with pytest.raises(BadInputError, match="close of no base bar"):
        window_index(CLOCK_US[:1] + 1, CLOCK_US, CLOCK_US, **limits)
    with pytest.raises(BadInputError, match="1 of 64 base bars close off the scheduled clock"):
        window_index(CLOCK_US[:1], CLOCK_US, np.delete(CLOCK_US, 7), **limits)
    with pytest.raises(BadInputError, match="base-bar closes have to increase strictly; row 3"):
        window_index(CLOCK_US[:1], CLOCK_US[[0, 1, 2, 2]], CLOCK_US, **limits)
    with pytest.raises(BadInputError, match="scheduled closes have to increase"):
        window_index(CLOCK_US[:1], CLOCK_US, CLOCK_US[::-1], **limits)
    for wrong in ({"window_bars": 0}, {"outage_minutes_max": -1}):
        with pytest.raises(BadInputError, match="expected at least 1 and 0"):
            window_index(CLOCK_US[:1], CLOCK_US, CLOCK_US, **{**limits, **wrong})
    last, first = window_index(CLOCK_US[:0], CLOCK_US, CLOCK_US, **limits)
    assert (last.shape, first.shape) == ((0,), (0,))


LIMITS = {"window_bars": 20, "outage_minutes_max": 30}
NAMES = ("place", "warm")
CLOSE_US = _without(range(30, 38), [50])
DECISION_US = CLOSE_US[[4, 22, 29, 31, 40, 53]]


def _features():
    """The first column tells the row; the second is warming up over the first three."""
    frame = pd.DataFrame({"close_time": from_us(CLOSE_US), "trade_date": from_days(CLOSE_US // DAY_US)})
    frame["place"] = np.arange(len(CLOSE_US), dtype=np.float32)
    frame["warm"] = np.where(np.arange(len(CLOSE_US)) < 3, np.nan, 7).astype(np.float32)
    return frame


def _table():
    return build_sequence(DECISION_US, (DECISION_US // DAY_US).astype(np.int32), CLOSE_US, CLOCK_US, **LIMITS)


def test_table_by_hand_and_by_its_schema():
    table = _table()
    assert list(table.columns) == [column.name for column in SEQUENCE.columns]
    assert table["rows"].tolist() == [5, 20, 20, 2, 11, 20]
    assert table["last_close"].tolist() == table["decision_time"].tolist() == list(from_us(DECISION_US))
    assert table["first_close"].tolist() == list(from_us(CLOSE_US[[0, 3, 10, 30, 30, 34]]))
    assert to_table(table.assign(contract="SIM", horizon=20), SEQUENCE).num_rows == 6
    with pytest.raises(BadInputError, match="decision times have to increase"):
        build_sequence(DECISION_US[::-1], np.zeros(6, dtype=np.int32), CLOSE_US, CLOCK_US, **LIMITS)
    with pytest.raises(BadInputError, match="2 trade days for 6 decisions"):
        build_sequence(DECISION_US, np.zeros(2, dtype=np.int32), CLOSE_US, CLOCK_US, **LIMITS)


def _failed(table, *, features=None, decision_us=DECISION_US, tabular_us=DECISION_US, names=NAMES, **changes):
    features = _features() if features is None else features
    verdicts = sequence_invariants(table, decision_us, tabular_us, features, names, CLOCK_US, **{**LIMITS, **changes})
    assert [v.name for v in verdicts] == ["one_shared_index", "known_at_decision", "windows_cross_no_outage", "no_nan"]
    assert all(verdict.blocking for verdict in verdicts)
    return {verdict.name for verdict in verdicts if not verdict.passed}


def test_right_table_passes_with_counts():
    assert _failed(_table()) == set()
    verdicts = sequence_invariants(_table(), DECISION_US, DECISION_US, _features(), NAMES, CLOCK_US, **LIMITS)
    reach = verdicts[2].details
    assert (reach["windows"], reach["shorter_than_full"], reach["outages"]) == (6, 3, 1)
    assert verdicts[3].details["nan_share_warm"] == pytest.approx(3 / 54)


def test_another_index_is_seen():
    assert _failed(_table().iloc[1:]) == {"one_shared_index"}
    assert _failed(_table().iloc[::-1]) == {"one_shared_index"}
    assert _failed(_table(), tabular_us=DECISION_US[1:]) == {"one_shared_index"}
    assert _failed(_table(), decision_us=DECISION_US[:-1]) == {"one_shared_index"}
    assert "one_shared_index" in _failed(_table().iloc[:0], decision_us=DECISION_US[:0], tabular_us=DECISION_US[:0])


def _with(column, row, value):
    table = _table()
    table.loc[row, column] = value
    return table


def test_windows_that_end_elsewhere_are_seen():
    later, earlier = from_us(CLOSE_US[[41, 39]])
    assert _failed(_with("last_close", 4, later)) == {"known_at_decision", "windows_cross_no_outage"}
    assert _failed(_with("last_close", 4, earlier)) == {"known_at_decision", "windows_cross_no_outage"}
    shifted = _table().assign(decision_time=_table()["decision_time"] + pd.Timedelta(minutes=5))
    assert _failed(shifted) == {"one_shared_index", "known_at_decision"}
    assert _failed(_with("first_close", 1, from_us(CLOCK_US[[31]])[0])) >= {"known_at_decision"}


def test_windows_that_reach_too_far_or_not_far_enough_are_seen():
    # row 3 begins right after the outage: one bar further lies behind it
    assert _failed(_with("first_close", 3, from_us(CLOSE_US[[29]])[0])) == {"windows_cross_no_outage"}
    assert _failed(_with("first_close", 4, from_us(CLOSE_US[[31]])[0])) == {"windows_cross_no_outage"}
    assert _failed(_with("rows", 5, 19)) == {"windows_cross_no_outage"}
    assert _failed(_table(), window_bars=19) == {"windows_cross_no_outage"}
    assert _failed(_table(), outage_minutes_max=40) == {"windows_cross_no_outage"}
    assert _failed(_table(), outage_minutes_max=4) == {"windows_cross_no_outage"}


@pytest.mark.parametrize(
    ("rows", "column", "value"),
    [(slice(None), "warm", np.nan), (slice(20, 20), "place", np.nan), (slice(20, 20), "place", -np.inf)],
)
def test_cells_that_no_warm_up_masks_are_seen(rows, column, value):
    features = _features()
    features.loc[rows, column] = np.float32(value)
    assert _failed(_table(), features=features) == {"no_nan"}
    assert _failed(_table(), names=()) == {"no_nan"}


def test_rows_no_window_shows_are_not_judged():
    features = _features()
    features.loc[54:, "place"] = np.nan
    assert _failed(_table(), features=features) == set()


def _labels(places, **changes):
    us = DECISION_US[np.asarray(places)]
    frame = pd.DataFrame({"decision_time": from_us(us), "trade_date": from_days(us // DAY_US), "t0": from_us(us)})
    frame["t1"] = frame["t0"] + pd.Timedelta(minutes=7)
    return frame.assign(label=pd.array([(place % 3) - 1 for place in places], dtype="Int8"), **changes)


def test_container_joins_windows_and_labels_by_time():
    places = [4, 0, 3]
    table = _table().iloc[::-1].reset_index(drop=True)
    container = sequence_container(table, _features(), _labels(places), np.array([4.0, 0, 3]), NAMES, window_bars=20)
    assert isinstance(container.features, LazyWindows)
    assert container.features.shape == (3, 20, 2)
    assert container.decision_us.tolist() == DECISION_US[[0, 3, 4]].tolist()
    assert container.label.tolist() == [-1, -1, 0]
    assert container.weight.tolist() == [0, 3, 4]
    assert container.feature_names == NAMES
    shown = np.asarray(container.features)
    assert shown.dtype == np.float32
    for window, (last, rows) in zip(shown[:, :, 0], [(4, 5), (31, 2), (40, 11)], strict=True):
        assert np.isnan(window[: 20 - rows]).all()
        assert window[20 - rows :].tolist() == list(range(last - rows + 1, last + 1))
    # nothing later than the newest decision is handed on
    assert len(container.store) == 41
    assert np.isnan(container.store[:3, 1]).all()


def test_longer_feature_tables_show_the_same_windows():
    whole = sequence_container(_table(), _features(), _labels([1, 2, 5]), np.ones(3), NAMES, window_bars=20)
    later = _features().iloc[3:54]
    part = sequence_container(_table().iloc[1:], later, _labels([1, 2, 5]), np.ones(3), NAMES, window_bars=20)
    assert np.array_equal(np.asarray(whole.features), np.asarray(part.features))


def test_containers_that_do_not_join_are_refused():
    ones, labels = np.ones(2), _labels([1, 4])

    def _container(table, features, **changes):
        chosen = {"labels_frame": labels, "weights": ones, "names": NAMES, "window_bars": 20, **changes}
        return sequence_container(table, features, **chosen)

    with pytest.raises(BadInputError, match="1 labels without a sequence row"):
        _container(_table().iloc[2:], _features())
    with pytest.raises(BadInputError, match="1 weights for 2 labels"):
        _container(_table(), _features(), weights=ones[:1])
    with pytest.raises(BadInputError, match="1 windows begin or end with a bar the feature table does not hold"):
        _container(_table(), _features().drop(index=3))
    with pytest.raises(BadInputError, match="1 windows have another number of bars"):
        _container(_table(), _features().drop(index=35))
    with pytest.raises(BadInputError, match="the longest window has 20 bars, 30 are wanted"):
        _container(_table(), _features(), window_bars=30)
    with pytest.raises(UnknownNameError, match=r"lacks \['absent'\]"):
        _container(_table(), _features(), names=("place", "absent"))


def test_windows_for_callers_without_labels():
    last, first = window_index(DECISION_US, CLOSE_US, CLOCK_US, **LIMITS)
    windows = windows_of(_features(), ("warm", "place"), last, first, window_bars=20)
    assert windows.shape == (6, 20, 2)
    assert windows.store.flags["C_CONTIGUOUS"]
    assert np.isnan(windows.pad).all()
    assert windows.newest()[:, 1].tolist() == [4, 22, 29, 31, 40, 53]
    none = windows_of(_features(), NAMES, last[:0], first[:0], window_bars=20)
    assert (none.shape, len(none.store)) == ((0, 20, 2), 0)
