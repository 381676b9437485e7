"""Expected values by hand, the rule against a plain loop, class-0 outcomes, and the search for theta."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.evaluation.simulator import PricedDecisions
from factory_assets.evaluation.trade_rule import choose_theta, decide, expected_values, flat_outcomes
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import Barriers

H20 = Barriers(k_up=3.0, k_down=2.1, max_bars=50)
share = st.floats(0, 1, allow_nan=False)


def _values(p, atr=4.0, cost=0.375, m0=(0.1, -0.15)):
    return expected_values(
        np.array([p]), atr=np.array([atr]), cost=np.array([cost]), m0_long=m0[0], m0_short=m0[1], barriers=H20
    )


def test_expected_values_known():
    long, short = _values([0.3, 0.2, 0.5])
    # By hand with k 3.0 / 2.1, ATR 4, class-0 outcomes +.1 / -.15 and a cost of .375.
    assert long[0] == pytest.approx(6.0 - 2.52 + 0.08 - 0.375)
    assert short[0] == pytest.approx(2.52 - 6.0 - 0.12 - 0.375)


def test_certain_outcomes_earn_the_barrier_less_the_cost_once():
    assert _values([0, 0, 1])[0][0] == pytest.approx(12 - 0.375)
    assert _values([1, 0, 0])[1][0] == pytest.approx(8.4 - 0.375)
    assert [float(v[0]) for v in _values([0, 1, 0])] == pytest.approx([0.4 - 0.375, -0.6 - 0.375])


def test_flat_outcomes_known():
    labels = pd.DataFrame(
        {
            "label": [0, 0, 1, -1],
            "net_long": [1.625, -2.375, 50.0, -50.0],
            "net_short": [-2.375, -2.375, -50.0, 50.0],  # the second row is a tie: booked at the stop on both sides
            "cost": [0.375, 0.375, 0.375, 0.375],
            "atr": [4.0, 2.0, 1.0, 1.0],
        }
    )
    assert flat_outcomes(labels) == pytest.approx(((2 / 4 - 2 / 2) / 2, (-2 / 4 - 2 / 2) / 2))
    assert flat_outcomes(labels[labels["label"] != 0]) == (0.0, 0.0)


def _loop(ev_long, ev_short, cost, theta):
    sides = []
    for a, b, c in zip(ev_long, ev_short, cost, strict=True):
        best = max(a, b)
        sides.append(0 if a == b or best <= theta * c else (1 if a > b else -1))
    return sides


@settings(deadline=None)
@given(
    st.lists(st.tuples(share, share, share, st.floats(0.1, 50), st.floats(0.1, 3)), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]),
    st.floats(-1, 1),
)
def test_rule_equals_plain_loop_and_mirrors(rows, theta, m0):
    p = np.array([row[:3] for row in rows]) + 1e-9
    p /= p.sum(axis=1, keepdims=True)
    atr, cost = np.array([row[3] for row in rows]), np.array([row[4] for row in rows])
    given_ = {"atr": atr, "cost": cost}
    long, short = expected_values(p, **given_, m0_long=m0, m0_short=-m0, barriers=H20)
    side = decide(long, short, cost=cost, theta=theta)
    assert side.tolist() == _loop(long.tolist(), short.tolist(), cost.tolist(), theta)
    # Looking at the market in a mirror turns every decision around.
    mirror = Barriers(k_up=H20.k_down, k_down=H20.k_up, max_bars=50)
    long, short = expected_values(p[:, ::-1], **given_, m0_long=-m0, m0_short=m0, barriers=mirror)
    assert decide(long, short, cost=cost, theta=theta).tolist() == (-side).tolist()
    # A higher hurdle never adds a trade.
    assert not np.any((decide(long, short, cost=cost, theta=theta + 1) != 0) & (side == 0))


def test_rule_needs_more_than_the_hurdle_and_a_larger_side():
    cost = np.array([1.0, 1.0, 1.0, 1.0])
    side = decide(np.array([0.5, 0.51, 3.0, -1.0]), np.array([-2.0, -2.0, 3.0, 0.6]), cost=cost, theta=0.5)
    assert side.tolist() == [0, 1, 0, -1]
    assert side.dtype == np.int8


def test_rule_refuses_what_is_not_finite():
    with pytest.raises(BadInputError, match="1 expected values are not finite, first at row 1"):
        decide(np.array([1.0, math.nan]), np.zeros(2), cost=np.ones(2), theta=0)


def test_theta_is_the_best_mean_daily_outcome_and_all_candidates_are_logged():
    # Three sessions, one decision each: promises 1.5, .8 and .1 x cost; outcomes gain, lose, lose.
    priced = PricedDecisions(
        decision_us=np.array([0, 10, 20]),
        entry_us=np.array([0, 10, 20]),
        exit_us=np.array([5, 15, 25]),
        entry_price=np.full(3, 100.0),
        exit_long=np.array([104.0, 98.0, 99.0]),
        exit_short=np.array([104.0, 98.0, 99.0]),
        cost=np.ones(3),
        trade_day=np.array([100, 101, 103], dtype=np.int32),
    )
    choice = choose_theta(
        np.array([1.5, 0.8, 0.1]),
        np.full(3, -9.0),
        priced,
        thetas=(0.0, 0.25, 0.5, 1.0, 2.0),
        trade_day=np.array([100, 101, 102, 103], dtype=np.int32),
        instrument=instrument("MES"),
        account_dollars=50_000.0,
    )
    daily = {theta: part["net_dollars"].tolist() for theta, part in choice.trials.groupby("theta")}
    assert daily == {
        0.0: [15.0, -15.0, 0.0, -10.0],
        0.25: [15.0, -15.0, 0.0, 0.0],
        0.5: [15.0, -15.0, 0.0, 0.0],
        1.0: [15.0, 0.0, 0.0, 0.0],
        2.0: [0.0, 0.0, 0.0, 0.0],
    }
    assert choice.theta == 1.0
    assert set(choice.trials.loc[choice.trials["chosen"], "theta"]) == {1.0}
    assert choice.trials["trades"].sum() == 3 + 2 + 2 + 1
    assert choice.trials["net_return"].iloc[0] == 15.0 / 50_000.0


def test_equal_results_go_to_the_larger_theta():
    empty = np.zeros(0)
    priced = PricedDecisions(
        **dict.fromkeys(("decision_us", "entry_us", "exit_us"), np.zeros(0, dtype=np.int64)),
        **dict.fromkeys(("entry_price", "exit_long", "exit_short", "cost"), empty),
        trade_day=np.zeros(0, dtype=np.int32),
    )
    shared = {"trade_day": np.array([1], dtype=np.int32), "instrument": instrument("MES"), "account_dollars": 1.0}
    assert choose_theta(empty, empty, priced, thetas=(0.5, 2.0, 0.0), **shared).theta == 2.0
    with pytest.raises(BadInputError, match="no candidate for theta"):
        choose_theta(empty, empty, priced, thetas=(), **shared)
