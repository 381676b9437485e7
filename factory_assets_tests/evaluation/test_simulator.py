"""The simulator against a plain-Python account, against the stored labels, and on hand-made minutes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.evaluation.simulator import TRADE_COLUMNS, PricedDecisions, positions_taken, simulate
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import Barriers
from factory_assets_tests.evaluation.position_oracle import oracle_trades
from factory_assets_tests.evaluation.worlds import BARRIERS, world
from factory_assets_tests.labels.builders import MINUTE_US, hostile_path, moment, oracle_minutes

MES = instrument("MES")
DAY_US = 86_400_000_000


def _minutes(open_us, prices):
    return pd.DataFrame({"open_time": from_us(open_us), **prices})


def _geometry(path, keep):
    vertical = np.minimum(path.decision_us + path.max_bars * 5 * MINUTE_US, np.minimum(path.flat_us, path.roll_us))
    return pd.DataFrame(
        {
            "decision_time": from_us(path.decision_us[keep]),
            "trade_date": from_days(path.decision_us[keep] // DAY_US),
            "atr": path.atr[keep],
            "vertical_time": from_us(vertical[keep]),
            "cost": path.cost[keep],
        }
    )


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_simulator_equals_plain_account_trade_by_trade(seed):
    path = hostile_path(seed)
    keep = np.unique(path.decision_us, return_index=True)[1]
    side = np.random.default_rng(seed + 1).integers(-1, 2, size=len(keep)).astype(np.int8)
    barriers = Barriers(k_up=path.k_up, k_down=path.k_down, max_bars=path.max_bars)
    labels = _geometry(path, keep)
    got = simulate(path.decision_us[keep], side, labels, _minutes(path.open_us, path.prices), MES, barriers)
    signals = [
        {
            "decision_time": moment(path.decision_us[i]),
            "side": int(s),
            "atr": float(path.atr[i]),
            "cost": float(path.cost[i]),
            "flat_time": moment(path.flat_us[i]),
            "roll_time": moment(path.roll_us[i]),
        }
        for i, s in zip(keep, side, strict=True)
    ]
    minutes = oracle_minutes(path.open_us, path.prices)
    geometry = {"k_up": path.k_up, "k_down": path.k_down, "max_bars": path.max_bars}
    want = oracle_trades(signals, minutes, **geometry, point_dollars=MES.point_dollars)
    rows = got.drop(columns="trade_date").to_dict("records")
    assert rows == want  # exact: times, prices and dollars


def test_hostile_paths_do_trade_on_both_sides_and_ignore_signals():
    traded = ignored = shorts = 0
    for seed in range(30):
        path = hostile_path(seed)
        keep = np.unique(path.decision_us, return_index=True)[1]
        side = np.random.default_rng(seed + 1).integers(-1, 2, size=len(keep)).astype(np.int8)
        barriers = Barriers(k_up=path.k_up, k_down=path.k_down, max_bars=path.max_bars)
        trades = simulate(
            path.decision_us[keep], side, _geometry(path, keep), _minutes(path.open_us, path.prices), MES, barriers
        )
        traded, shorts = traded + len(trades), shorts + int((trades["side"] < 0).sum())
        ignored += int((side != 0).sum()) - len(trades)
    assert traded > 100
    assert shorts > 40
    assert ignored > 100


@pytest.mark.parametrize("side", [1, -1])
def test_trades_equal_stored_labels_of_the_same_decisions(side):
    w = world()
    sample = w.labels[w.labels["event"]].reset_index(drop=True)
    trades = simulate(
        times_us(sample["decision_time"]), np.full(len(sample), side), w.labels, w.minutes, w.instrument, BARRIERS
    )
    joined = trades.merge(sample, on="decision_time", suffixes=("", "_label"))
    assert len(joined) == len(trades) > 50
    assert joined["net_points"].tolist() == joined["net_long" if side > 0 else "net_short"].tolist()
    assert joined["exit_time"].tolist() == joined["t1"].tolist()
    assert joined["entry_price"].tolist() == joined["entry_price_label"].tolist()
    assert joined["trade_date"].tolist() == joined["trade_date_label"].tolist()
    assert list(trades.columns) == list(TRADE_COLUMNS)


def _priced(decision, leave, entry=None):
    n = len(decision)
    return PricedDecisions(
        decision_us=np.array(decision, dtype=np.int64),
        entry_us=np.array(decision, dtype=np.int64),
        exit_us=np.array(leave, dtype=np.int64),
        entry_price=np.array([100.0] * n if entry is None else entry),
        exit_long=np.full(n, 103.0),
        exit_short=np.full(n, 103.0),
        cost=np.full(n, 0.375),
        trade_day=np.zeros(n, dtype=np.int32),
    )


def test_decision_at_exactly_the_exit_may_enter_and_one_before_may_not():
    priced = _priced([0, 5, 9, 10, 11], [10, 50, 50, 20, 50])
    assert positions_taken(np.ones(5, dtype=np.int8), priced).tolist() == [0, 3]


def test_signals_in_position_are_ignored_whatever_their_side():
    priced = _priced([0, 5, 12], [10, 7, 20])
    assert positions_taken(np.array([1, -1, -1], dtype=np.int8), priced).tolist() == [0, 2]


def test_decision_without_entry_minute_blocks_nothing():
    priced = _priced([0, 5], [100, 20], entry=[np.nan, 100.0])
    assert positions_taken(np.ones(2, dtype=np.int8), priced).tolist() == [1]


def test_known_dollars_of_both_sides():
    priced = _priced([0], [10])
    points = priced.net_points(np.array([0, 0]), np.array([1, -1]))
    assert points.tolist() == [3.0 - 0.375, -3.0 - 0.375]
    assert (points * MES.point_dollars).tolist() == [13.125, -16.875]


def test_decisions_that_labels_do_not_hold_are_refused():
    w = world()
    sample = w.labels[w.labels["event"]]
    decision = times_us(sample["decision_time"])[:2] + 1
    with pytest.raises(BadInputError, match="2 of 2 decisions have no row in labels"):
        simulate(decision, np.ones(2), w.labels, w.minutes, MES, BARRIERS)
    masked = times_us(w.labels.loc[~w.labels["eligible"], "decision_time"])[:1]
    with pytest.raises(BadInputError, match="1 scored decisions have no label"):
        simulate(masked, np.ones(1), w.labels, w.minutes, MES, BARRIERS)


def test_broken_input_is_refused_with_all_mismatches():
    path = hostile_path(3)
    keep = np.unique(path.decision_us, return_index=True)[1]
    labels = _geometry(path, keep).assign(atr=0.0)
    labels.loc[1, "cost"] = -1.0
    minutes = _minutes(path.open_us, path.prices).iloc[::-1]
    barriers = Barriers(k_up=1, k_down=1, max_bars=5)
    with pytest.raises(BadInputError, match=r"open_time has to increase.*atr > 0.*cost >= 0"):
        simulate(path.decision_us[keep], np.ones(len(keep)), labels, minutes, MES, barriers)
