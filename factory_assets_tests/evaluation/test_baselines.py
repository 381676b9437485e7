"""Baselines: shares of the training part, the two clock + ATR features, marks over a roll, random traders."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.evaluation.baselines import (
    CLOCK_ATR_FEATURES,
    buy_and_hold,
    clock_atr_features,
    majority_probabilities,
    minutes_to_flat,
    prior_probabilities,
    random_entry,
)
from factory_assets.evaluation.bootstrap import SessionResampler
from factory_assets.evaluation.simulator import PricedDecisions, price_decisions
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, from_us, times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.evaluation.worlds import BARRIERS, world

MES = instrument("MES")
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


def test_prior_and_majority_are_of_the_folds_training_part():
    train = {0: np.array([1, 1, 0, -1], dtype=np.int8), 1: np.array([-1, -1, 0], dtype=np.int8)}
    prior = prior_probabilities(np.array([1, 0, 0]), train)
    assert prior.tolist() == [pytest.approx([2 / 3, 1 / 3, 0]), [0.25, 0.25, 0.5], [0.25, 0.25, 0.5]]
    assert majority_probabilities(prior).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    with pytest.raises(BadInputError, match=r"folds \[2\]"):
        prior_probabilities(np.array([2]), train)
    with pytest.raises(BadInputError, match="fold 0 is empty"):
        prior_probabilities(np.array([0]), {0: np.array([], dtype=np.int8)})


def test_minutes_to_flat_of_a_decision_at_the_sessions_last_bar_close():
    sessions = Sessions(
        np.array([10, 11], dtype=np.int32),
        np.array([0, 24], dtype=np.int64) * HOUR_US,
        np.array([23, 47], dtype=np.int64) * HOUR_US,
        np.array([22, 46], dtype=np.int64) * HOUR_US,
    )
    decision = np.array([5 * MINUTE_US, 22 * HOUR_US, 23 * HOUR_US, 24 * HOUR_US + 5 * MINUTE_US])
    assert minutes_to_flat(decision, sessions).tolist() == [22 * 60 - 5, 0, -60, 22 * 60 - 5]
    with pytest.raises(BadInputError, match="1 decisions lie in none"):
        minutes_to_flat(np.array([24 * HOUR_US]), sessions)


def _base_bars(count, *, first_close_us):
    rng = np.random.default_rng(4)
    close = 100 + np.cumsum(rng.normal(size=count))
    spread = rng.uniform(0.5, 2.0, size=(2, count))
    return pd.DataFrame(
        {
            "close_time": from_us(first_close_us + 5 * MINUTE_US * np.arange(count)),
            "open": close,
            "high": close + spread[0],
            "low": close - spread[1],
            "close": close,
            "adjustment_ratio": np.full(count, 1.25),
        }
    )


def test_clock_atr_features_are_the_minutes_to_flat_and_the_atr_of_the_bar_that_closes_at_the_decision():
    day = np.array([10], dtype=np.int32)
    sessions = Sessions(day, *(np.array([hour * HOUR_US], dtype=np.int64) for hour in (0, 23, 22)))
    bars = _base_bars(60, first_close_us=5 * MINUTE_US)
    closes = times_us(bars["close_time"])
    high, low, close = (bars[name].to_numpy() * 1.25 for name in ("high", "low", "close"))
    # Wilder by hand: mean of the first 14 true ranges (the first bar has none), then 13/14 old + 1/14 new
    ranges = [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1])) for i in range(1, len(close))
    ]
    atr = {14: sum(ranges[:14]) / 14}
    for i in range(15, len(close)):
        atr[i] = (13 * atr[i - 1] + ranges[i - 1]) / 14
    rows = [50, 14, 31]  # joined by time, not by position
    found = clock_atr_features(closes[rows], sessions, bars)
    assert len(CLOCK_ATR_FEATURES) == 2
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [22 * 60 - 5 * (row + 1) for row in rows]
    assert found[:, 1] == pytest.approx([atr[row] / close[row] for row in rows], rel=1e-6)
    later = bars.assign(close=np.where(np.arange(60) > 31, 1.0, bars["close"]))
    assert clock_atr_features(closes[[31]], sessions, later).tolist() == found[2:].tolist()  # bars to come do not count
    for wrong in ([13, 20], [20, 59]):  # warming up; no such bar
        with pytest.raises(BadInputError, match="1 of 2 decisions"):
            clock_atr_features(closes[wrong], sessions, bars.iloc[:59])


def _bars(rows):
    day, open_, close, expiry, ratio = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "open_time": from_us(np.arange(len(rows)) * MINUTE_US),
            "trade_date": from_days(np.array(day)),
            "open": np.array(open_, dtype=float),
            "close": np.array(close, dtype=float),
            "expiry": pd.Categorical(expiry),
            "adjustment_ratio": np.array(ratio, dtype=float),
        }
    )


def test_buy_and_hold_carries_the_position_over_a_roll_and_pays_for_it():
    bars = _bars(
        [
            (9, 90, 91, "H", 1.0),  # before the period
            (10, 100, 101, "H", 1.0),
            (10, 101, 102, "H", 1.0),
            (11, 103, 104, "H", 1.0),
            # Session 12 rolls into a month that stood twice as high: 104 there is 208 here.
            (12, 210, 211, "M", 0.5),
            (14, 212, 209, "M", 0.5),
            (15, 1, 1, "M", 0.5),  # after it
        ]
    )
    got = buy_and_hold(bars, np.array([10, 11, 12, 13, 14], dtype=np.int32), MES)
    cost = 0.625  # MES, high: 2.5 ticks
    points = [102 - 100 - cost, 104 - 102, 211 - 208 - cost, 0, 209 - 211]
    assert got.net_dollars.tolist() == pytest.approx([5 * p for p in points])
    assert got.trades.tolist() == [1, 0, 1, 0, 0]
    nothing = buy_and_hold(bars, np.array([20], dtype=np.int32), MES)
    assert (nothing.net_dollars.tolist(), nothing.trades.tolist()) == ([0], [0])


def _world_priced():
    w = world()
    sample = w.sample("oof")
    session = np.searchsorted(w.train_sessions.trade_day, dates_days(sample["trade_date"]))
    return price_decisions(sample, w.minutes, BARRIERS), session, len(w.train_sessions)


def test_random_traders_trade_as_often_as_asked_and_on_the_mix_of_sides():
    priced, session, sessions = _world_priced()
    r = SessionResampler.of(sessions, resamples=400, confidence=0.95, seed=1)
    got = random_entry(priced, trades=60, long_share=1.0, session=session, instrument=MES, resampler=r, seed=3)
    assert got.metrics["trades"].value == pytest.approx(60, abs=1.0)
    again = random_entry(priced, trades=60, long_share=1.0, session=session, instrument=MES, resampler=r, seed=3)
    assert again.metrics == got.metrics
    assert got.metrics["net_pnl_dollars"].value == pytest.approx(got.daily_dollars.sum())
    # Longs and shorts pay the cost alike: together they lose it twice, apart from ties.
    short = random_entry(priced, trades=60, long_share=0.0, session=session, instrument=MES, resampler=r, seed=3)
    both = got.metrics["net_pnl_dollars"].value + short.metrics["net_pnl_dollars"].value
    assert both < 0
    never = random_entry(priced, trades=0, long_share=0.5, session=session, instrument=MES, resampler=r, seed=3)
    assert never.metrics["trades"].value == 0.0
    assert never.daily_dollars.sum() == 0.0


def test_random_trader_loses_the_cost_where_prices_do_not_move():
    n = 400
    decision = np.arange(n, dtype=np.int64) * 10
    still = PricedDecisions(
        decision_us=decision,
        entry_us=decision,
        exit_us=decision + 25,
        entry_price=np.full(n, 100.0),
        exit_long=np.full(n, 100.0),
        exit_short=np.full(n, 100.0),
        cost=np.full(n, 0.375),
        trade_day=np.repeat(np.arange(10, dtype=np.int32), 40),
    )
    r = SessionResampler.of(10, resamples=100, confidence=0.95, seed=1)
    got = random_entry(
        still, trades=50, long_share=0.5, session=still.trade_day.astype(int), instrument=MES, resampler=r, seed=0
    )
    trades = got.metrics["trades"].value
    assert trades == pytest.approx(50, abs=0.5)
    assert got.metrics["net_pnl_dollars"].value == pytest.approx(-1.875 * trades)
    assert got.metrics["hit_rate"].value == 0.0
    rising = replace(still, exit_long=np.full(n, 102.0), exit_short=np.full(n, 102.0))
    shared = {"session": still.trade_day.astype(int), "instrument": MES, "resampler": r, "seed": 0}
    longs = random_entry(rising, trades=50, long_share=1.0, **shared).metrics
    assert longs["net_pnl_dollars"].value == pytest.approx((10 - 1.875) * longs["trades"].value)
    shorts = random_entry(rising, trades=50, long_share=0.0, **shared).metrics
    assert shorts["net_pnl_dollars"].value == pytest.approx((-10 - 1.875) * shorts["trades"].value)
    with pytest.raises(BadInputError, match="at least 20 draws"):
        random_entry(
            still, trades=5, long_share=0.5, session=still.trade_day, instrument=MES, resampler=r, seed=0, draws=5
        )
