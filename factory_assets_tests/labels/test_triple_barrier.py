"""The public entry: hand-computed outcomes, symmetry, no look-ahead, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.labels import decision_costs, triple_barrier
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.labels.builders import hostile_path

MIN = 60_000_000
NAN = float("nan")


def _run(bars, *, atr=1.0, decision=0, k_up=2.0, k_down=1.0, max_bars=1, cost=0.375, flat=None, roll=None):
    """One decision over bars given as {minute: (open, high, low, close)}; one ATR is one point."""
    columns = np.array([bars[m] for m in sorted(bars)], dtype=float).T
    return triple_barrier(
        np.array(sorted(bars)) * MIN,
        *columns,
        np.array([decision]) * MIN,
        [atr],
        k_up=k_up,
        k_down=k_down,
        max_bars=max_bars,
        cost=cost,
        flat_time=None if flat is None else np.array([flat]) * MIN,
        roll_time=None if roll is None else np.array([roll]) * MIN,
    )


CALM = (100, 100.5, 99.5, 100.25)
# name: (bars, options, label, tie, exit_long, exit_short, t1 minute, minutes to touch, mae, mfe)
KNOWN = {
    "upper in the entry minute": ({0: (100, 102, 99.5, 101)}, {}, 1, 0, 102, 102, 1, 1, 0.5, 2),
    "lower in the second minute": ({0: CALM, 1: (100, 100, 98, 99)}, {}, -1, 0, 99, 99, 2, 2, 1, 0.5),
    "touch is >=": ({0: CALM, 2: (100, 102, 100, 100)}, {}, 1, 0, 102, 102, 3, 3, 0.5, 2),
    "a tick short is no touch": ({0: CALM, 2: (100, 101.75, 99.25, 101)}, {}, 0, 0, 101, 101, 5, NAN, 0.75, 1.75),
    "gap up fills at the open": ({0: CALM, 1: (103, 104, 98, 99)}, {}, 1, 0, 103, 103, 2, 2, 0.5, 3),
    "gap down fills at the open": ({0: CALM, 1: (98, 104, 97, 99)}, {}, -1, 0, 98, 98, 2, 2, 2, 0.5),
    "opens exactly on the upper": ({0: CALM, 1: (102, 104, 97, 99)}, {}, 1, 0, 102, 102, 2, 2, 0.5, 2),
    "opens exactly on the lower": ({0: CALM, 1: (99, 104, 97, 99)}, {}, -1, 0, 99, 99, 2, 2, 1, 0.5),
    "both in one minute": ({0: CALM, 1: (100, 103, 98, 99)}, {}, 0, 1, 99, 102, 2, 2, 1, 2),
    "nothing: last close by then": ({0: CALM, 3: (100, 101, 100, 100.75)}, {}, 0, 0, 100.75, 100.75, 5, NAN, 0.5, 1),
    "the last minute counts": (
        {0: CALM, 4: (100, 102, 100, 101)},
        {},
        1,
        0,
        102,
        102,
        5,
        5,
        0.5,
        2,
    ),
    "the minute that opens there does not": (
        {0: CALM, 5: (100, 102, 100, 101)},
        {},
        0,
        0,
        100.25,
        100.25,
        5,
        NAN,
        0.5,
        0.5,
    ),
    "flat time comes first": (
        {0: CALM, 2: (100, 102, 100, 101)},
        {"flat": 2},
        *(0, 0, 100.25, 100.25, 2, NAN, 0.5, 0.5),
    ),
    "the roll comes first": (
        {0: CALM, 3: (90, 90, 90, 90)},
        {"flat": 4, "roll": 3},
        0,
        0,
        100.25,
        100.25,
        3,
        NAN,
        0.5,
        0.5,
    ),
    "entry waits for a minute": ({-1: (50, 50, 50, 50), 3: (100, 102, 100, 101)}, {}, 1, 0, 102, 102, 4, 1, 0, 2),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_outcome(name):
    bars, options, label, tie, exit_long, exit_short, t1, minutes, mae, mfe = KNOWN[name]
    got = _run(bars, **options)
    assert (got.label[0], got.tie[0]) == (label, bool(tie))
    assert (got.exit_long[0], got.exit_short[0], got.t1_us[0]) == (exit_long, exit_short, t1 * MIN)
    assert got.minutes_to_touch[0] == pytest.approx(minutes, nan_ok=True)
    assert (got.mae[0], got.mfe[0]) == (mae, mfe)
    assert (got.entry_price[0], got.upper[0], got.lower[0]) == (100, 102, 99)
    assert got.net_long[0] == exit_long - 100 - 0.375
    assert got.net_short[0] == 100 - exit_short - 0.375


def test_no_minute_before_the_vertical_time_is_no_entry():
    for bars, options in (({5: CALM}, {}), ({3: CALM}, {"flat": 3}), ({-2: CALM}, {})):
        got = _run(bars, **options)
        assert not got.has_entry[0]
        assert np.isnan([got.net_long[0], got.net_short[0], got.entry_price[0], got.exit_long[0], got.mae[0]]).all()
        assert pd.isna(got.to_frame()["entry_time"].iloc[0])


def test_mes_costs_one_and_a_half_ticks_once():
    mes = instrument("MES")
    assert mes.cost_price(high_volatility=False) == 0.375
    assert mes.cost_price(high_volatility=False) * mes.point_dollars == 1.875
    got = _run({0: (100, 102, 99.5, 101)}, cost=mes.cost_price(high_volatility=False))
    assert (got.net_long[0], got.net_short[0]) == (2 - 0.375, -2 - 0.375)


def test_cost_follows_the_volatility_rank():
    day = np.repeat(np.arange(30, dtype=np.int32), 4)
    calm_then_wild = np.where(day < 25, 0.001, 0.002)
    cost, high = decision_costs(calm_then_wild, day, instrument("MGC"), sessions=20)
    assert high[:80].all()  # fewer than 20 sessions before them
    assert not high[80:100].any()  # all equal: the 50th percentile, not above it
    assert high[100:].all()
    assert np.allclose(cost[high], 0.33)
    assert np.allclose(cost[~high], 0.23)


def _label(path, prices=None, k_up=None, k_down=None, rows=slice(None), minutes=slice(None), atr=None):
    prices = path.prices if prices is None else prices
    return triple_barrier(
        path.open_us[minutes],
        *(prices[name][minutes] for name in ("open", "high", "low", "close")),
        path.decision_us[rows],
        (path.atr if atr is None else atr)[rows],
        k_up=path.k_up if k_up is None else k_up,
        k_down=path.k_down if k_down is None else k_down,
        max_bars=path.max_bars,
        flat_time=path.flat_us[rows],
        roll_time=path.roll_us[rows],
        cost=path.cost[rows],
    )


@given(st.integers(0, 5_000))
@settings(max_examples=60, deadline=None)
def test_mirrored_prices_swap_long_and_short(seed):
    path = hostile_path(seed)
    atr, up, down = (
        np.round(path.atr * 4) / 4 + 0.25,
        round(path.k_up * 4) / 4 + 0.25,
        round(path.k_down * 4) / 4 + 0.25,
    )
    sides = {"open": "open", "high": "low", "low": "high", "close": "close"}
    mirrored = {name: 2_048.0 - path.prices[other] for name, other in sides.items()}  # exact: all on a 1/16 grid
    one = _label(path, k_up=up, k_down=down, atr=atr)
    two = _label(path, mirrored, k_up=down, k_down=up, atr=atr)
    found = one.has_entry
    assert np.array_equal(one.label, -two.label)
    assert np.array_equal(one.tie, two.tie)
    assert np.array_equal(one.t1_us, two.t1_us)
    for left, right in (("net_long", "net_short"), ("net_short", "net_long"), ("mae", "mfe"), ("mfe", "mae")):
        assert np.array_equal(getattr(one, left)[found], getattr(two, right)[found])
    assert np.array_equal(one.exit_long[found], 2_048.0 - two.exit_short[found])


@given(st.integers(0, 5_000))
@settings(max_examples=60, deadline=None)
def test_doubled_prices_double_every_price(seed):
    path = hostile_path(seed)
    one = _label(path)
    two = _label(path, {name: 2 * values for name, values in path.prices.items()}, atr=2 * path.atr)
    assert np.array_equal(one.label, two.label)
    assert np.array_equal(one.t1_us, two.t1_us)
    for name in ("exit_long", "exit_short", "upper", "lower", "mae", "mfe"):
        assert np.array_equal(2 * getattr(one, name), getattr(two, name), equal_nan=True)


@given(st.integers(0, 5_000))
@settings(max_examples=40, deadline=None)
def test_an_outcome_depends_on_nothing_outside_decision_and_t1(seed):
    path = hostile_path(seed)
    whole = _label(path)
    rng = np.random.default_rng(seed)
    for i in rng.permutation(len(path.decision_us))[:6]:
        outside = (path.open_us < path.decision_us[i]) | (path.open_us >= whole.t1_us[i])
        shift = np.where(outside, rng.normal(0, 50, size=len(outside)), 0.0)
        changed = {name: values + shift for name, values in path.prices.items()}
        alone = _label(path, changed, rows=slice(i, i + 1))
        for name in ("label", "tie", "exit_long", "exit_short", "t1_us", "mae", "mfe", "net_long", "entry_us"):
            assert np.array_equal(getattr(alone, name), getattr(whole, name)[i : i + 1], equal_nan=True), name


@given(st.integers(0, 5_000), st.floats(1.0, 3.0))
@settings(max_examples=40, deadline=None)
def test_wider_barriers_are_never_met_sooner(seed, wider):
    path = hostile_path(seed)
    near, far = _label(path), _label(path, k_up=path.k_up * wider, k_down=path.k_down * wider)
    assert (far.t1_us >= near.t1_us).all()


def test_input_that_cannot_be_labelled_is_refused_in_one_message():
    good = {"open": [1.0, 1.0], "high": [1.0, 1.0], "low": [1.0, 1.0], "close": [1.0, 1.0]}

    def call(open_time=(0, MIN), decision=(0,), atr=(1.0,), cost=0.0, k_up=1.0, flat=None, **prices):
        columns = (good | prices)[("open")], *((good | prices)[n] for n in ("high", "low", "close"))
        return triple_barrier(
            open_time, *columns, decision, atr, k_up=k_up, k_down=1.0, max_bars=1, cost=cost, flat_time=flat
        )

    assert len(call()) == 1
    for options, message in (
        ({"open_time": (MIN, 0)}, "do not increase, the first at row 1"),
        ({"open_time": (0, 0)}, "do not increase"),
        ({"open_time": (0, MIN + 5)}, "whole minute"),
        ({"decision": (MIN, 0), "atr": (1.0, 1.0)}, "decision_time: 1 times decrease"),
        ({"decision": (7,)}, "whole minutes"),
        ({"high": [1.0, np.inf]}, "high: 1 non-finite prices, the first at row 1"),
        ({"close": [1.0, 2.0]}, "high or low is inside"),
        ({"close": [1.0]}, "expected 2 values"),
        ({"atr": (np.nan,)}, "atr: 1 values not finite and positive"),
        ({"atr": (0.0,)}, "atr: 1 values"),
        ({"atr": (1.0, 1.0)}, "one a decision"),
        ({"cost": -1.0}, "cost"),
        ({"k_up": 0.0}, "positive k_up"),
        ({"flat": (MIN, MIN)}, "expected 1 times"),
        ({"flat": (MIN + 1,)}, "whole minutes"),
    ):
        with pytest.raises(BadInputError, match=message):
            call(**options)
    with pytest.raises(BadInputError, match=r"atr: .*cost: "):
        call(atr=(-1.0,), cost=-1.0)
    for naive in (pd.DatetimeIndex(["2023-01-02 10:00"]), np.array(["2023-01-02T10:00"], dtype="datetime64[us]")):
        with pytest.raises(NaiveTimestampError, match="decision_time"):
            call(decision=naive)


def test_times_may_be_integers_or_aware_timestamps():
    bars = {0: CALM, 1: (100, 102, 100, 101)}
    columns = np.array([bars[m] for m in sorted(bars)], dtype=float).T
    one = _run(bars)
    local = from_us(np.array([0, MIN])).tz_convert("America/Chicago")
    two = triple_barrier(local, *columns, pd.Series(local[:1]), [1.0], k_up=2.0, k_down=1.0, max_bars=1, cost=0.375)
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
