"""The labels table: masks, events, costs, storage schema, and what appended bars may and may not change."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from factory_assets.indicators import atr_percent, high_volatility
from factory_assets.labels import cusum_events, label_decisions
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, NaiveTimestampError
from factory_assets.vocabulary.frames import dates_days, times_us, to_frame, to_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import LABELS
from factory_assets.vocabulary.settings import Barriers, LabelSettings
from factory_assets_tests.labels.builders import MINUTE_US, base_bars, market, moment
from factory_assets_tests.labels.oracle import oracle_uniqueness

MES = instrument("MES")
WIDE = Barriers(k_up=3.0, k_down=2.0, max_bars=25)
NARROW = Barriers(k_up=1.5, k_down=1.0, max_bars=12)
OUTCOMES = [
    *("t1", "label", "entry_time", "entry_price", "upper", "lower", "vertical_time", "exit_long", "exit_short"),
    *("net_long", "net_short", "mae", "mfe"),
]


def _labels(minutes, bars, sessions, barriers=NARROW, events="all", horizon=5, **settings):
    return label_decisions(bars, minutes, sessions, MES, barriers, LabelSettings(events=events, **settings), horizon)


def test_one_row_a_base_bar_in_the_order_of_the_schema():
    minutes, bars, sessions = market(1)
    labels = _labels(minutes, bars, sessions)
    assert labels.columns.tolist() == [column.name for column in LABELS.columns]
    assert labels["decision_time"].tolist() == bars["close_time"].tolist()
    assert labels["t0"].equals(labels["decision_time"])
    assert labels["trade_date"].tolist() == bars["trade_date"].tolist()


def test_the_table_survives_storage_types():
    minutes, bars, sessions = market(2)
    labels = _labels(minutes, bars, sessions, events="cusum")
    table = to_table(labels, LABELS)
    assert table.schema.field("label").type == "int8"
    assert table.column("label").null_count == int((~labels["eligible"]).sum()) > 0
    back = to_frame(table)
    for name in labels.columns:
        pd.testing.assert_series_equal(back[name], labels[name], check_dtype=False, check_categorical=False)


def test_masked_rows_keep_their_place_without_an_outcome():
    minutes, bars, sessions = market(3)
    labels = _labels(minutes, bars, sessions)
    masked = labels[~labels["eligible"]]
    assert len(masked) > 20
    assert masked[OUTCOMES].isna().all().all()
    assert not masked["tie"].any()
    assert not masked["event"].any()
    assert masked["uniqueness"].isna().all()
    assert labels.loc[labels["eligible"], OUTCOMES].notna().all().all()
    assert ((labels["mask_reason"] == "") == labels["eligible"]).all()


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_too_late_means_fewer_than_h_closes_to_flat_time(horizon):
    minutes, bars, sessions = market(4, missing=0.0)
    labels = _labels(minutes, bars, sessions, horizon=horizon)
    closes = set(sessions.base_clock_us().tolist())
    for day, open_us, flat_us in zip(sessions.trade_day, sessions.open_us, sessions.flat_us, strict=True):
        rows = labels[dates_days(labels["trade_date"]) == day]
        late = rows[rows["mask_reason"] == "too_late"]
        kept = rows[rows["mask_reason"] != "too_late"]
        last_kept = flat_us - horizon * 5 * MINUTE_US
        assert last_kept in closes
        assert times_us(kept["decision_time"]).max() == last_kept > open_us
        assert (times_us(late["decision_time"]) > last_kept).all()


def test_warm_up_and_dead_prices_have_no_atr():
    minutes, bars, sessions = market(5, missing=0.0)
    labels = _labels(minutes, bars, sessions)
    assert (labels["mask_reason"].iloc[:14] == "no_atr").all()
    assert labels["mask_reason"].iloc[14] == ""
    assert labels["atr"].iloc[:14].isna().all()
    for frame in (minutes, bars):
        frame[["open", "high", "low", "close", "adjustment_ratio"]] = 2_000.0, 2_000.0, 2_000.0, 2_000.0, 1.0
    flat = _labels(minutes, bars, sessions)
    assert set(flat["mask_reason"]) == {"no_atr", "too_late"}
    assert flat["atr"].isna().all()


def test_atr_is_that_of_adjusted_prices_in_traded_points():
    minutes, bars, sessions = market(6, roll_sessions=(2,))
    labels = _labels(minutes, bars, sessions)
    expected = atr_percent(bars) * bars["close"].to_numpy()
    assert np.array_equal(labels["atr"].to_numpy(), expected, equal_nan=True)
    rows = labels[labels["eligible"]]
    assert np.allclose(rows["upper"] - rows["entry_price"], 1.5 * rows["atr"], rtol=0, atol=1e-9)
    assert np.allclose(rows["entry_price"] - rows["lower"], rows["atr"], rtol=0, atol=1e-9)


def test_costs_are_high_without_history_and_follow_the_rank_after_it():
    minutes, bars, sessions = market(7, session_count=12)
    labels = _labels(minutes, bars, sessions, cost_history_sessions=5)
    day = dates_days(bars["trade_date"])
    high = high_volatility(atr_percent(bars), day, sessions=5)
    assert labels["high_volatility"].tolist() == high.tolist()
    assert labels.loc[day < sessions.trade_day[5], "high_volatility"].all()
    assert 0.1 < np.mean(high[day >= sessions.trade_day[5]]) < 0.9
    assert set(labels["cost"]) == {0.375, 0.625}
    assert ((labels["cost"] == 0.625) == labels["high_volatility"]).all()
    assert _labels(minutes, bars, sessions)["high_volatility"].all()  # 12 sessions are fewer than 20


def test_events_are_cusum_events_that_have_a_label():
    minutes, bars, sessions = market(8, session_count=10)
    every, sampled = (_labels(minutes, bars, sessions, events=events) for events in ("all", "cusum"))
    assert every["event"].equals(every["eligible"])
    fired = cusum_events((bars["close"] * bars["adjustment_ratio"]).to_numpy())
    assert sampled["event"].tolist() == (fired & sampled["eligible"].to_numpy()).tolist()
    assert 10 < sampled["event"].sum() < 0.5 * len(bars)
    assert (fired & ~sampled["eligible"].to_numpy()).any()
    assert every[OUTCOMES].equals(sampled[OUTCOMES])


def test_uniqueness_counts_the_sample_only():
    minutes, bars, sessions = market(9, session_count=8)
    clock = [moment(t) for t in sessions.base_clock_us()]
    for events in ("all", "cusum"):
        labels = _labels(minutes, bars, sessions, events=events)
        rows = labels[labels["event"]].iloc[:150]
        day_end = rows["trade_date"].iloc[-1]
        rows = labels[labels["event"] & (labels["trade_date"] < day_end)]  # whole sessions: nothing overlaps the rest
        intervals = list(zip(rows["t0"], rows["t1"], strict=True))
        inside = [c for c in clock if c <= rows["t1"].max()]
        assert rows["uniqueness"].to_numpy() == pytest.approx(oracle_uniqueness(intervals, inside), abs=1e-12)
        assert labels["uniqueness"].notna().equals(labels["event"])


def test_labels_of_bars_that_end_early_are_the_known_ones_and_the_rest_is_unfinished():
    minutes, bars, sessions = market(10, missing=0.0)
    whole = _labels(minutes, bars, sessions, WIDE)
    for cut in (120, 171, 233):
        now = bars["close_time"].iloc[cut]
        early_minutes = minutes[minutes["close_time"] <= now].reset_index(drop=True)
        early = _labels(early_minutes, base_bars(early_minutes, sessions), sessions, WIDE)
        full = whole.iloc[: len(early)]
        known = full["eligible"] & (full["t1"] <= now)
        assert early["eligible"].tolist() == known.tolist()
        assert early.loc[known, OUTCOMES].equals(full.loc[known, OUTCOMES])
        unknown = full["eligible"] & (full["t1"] > now)
        assert (early.loc[unknown, "mask_reason"] == "unfinished").all()
    assert not (whole["mask_reason"] == "unfinished").any()


def test_bars_that_do_not_belong_together_are_refused():
    minutes, bars, sessions = market(11)
    with pytest.raises(BadInputError, match="no session"):
        _labels(minutes, bars, sessions.take(np.arange(3)))
    other_day = bars.assign(trade_date=bars["trade_date"] + pd.Timedelta(days=1))
    with pytest.raises(BadInputError, match="another trade date"):
        _labels(minutes, other_day, sessions)
    off = bars.assign(close_time=bars["close_time"] + pd.Timedelta(minutes=1))
    with pytest.raises(BadInputError, match="off the session clock"):
        _labels(minutes, off, sessions)
    with pytest.raises(BadInputError, match="time order"):
        _labels(minutes, bars.iloc[::-1], sessions)
    with pytest.raises(BadInputError, match="another expiry"):
        _labels(minutes, bars.assign(expiry="MESZ9"), sessions)
    with pytest.raises(NaiveTimestampError, match="MES"):
        _labels(minutes, bars.assign(close_time=bars["close_time"].dt.tz_localize(None)), sessions)
    with pytest.raises(ConfigurationError, match="horizon"):
        _labels(minutes, bars, sessions, horizon=0)
    with pytest.raises(ConfigurationError, match="sometimes"):
        _labels(minutes, bars, sessions, events="sometimes")


def test_changing_the_cost_moves_the_nets_and_nothing_else():
    minutes, bars, sessions = market(12)
    dear = dataclasses.replace(MES, commission_ticks=MES.commission_ticks + 4)
    settings = LabelSettings(events="all")
    cheap_labels, dear_labels = (
        label_decisions(bars, minutes, sessions, product, NARROW, settings, 5) for product in (MES, dear)
    )
    nets = ["net_long", "net_short", "cost"]
    assert cheap_labels.drop(columns=nets).equals(dear_labels.drop(columns=nets))
    for name, sign in (("net_long", -1), ("net_short", -1), ("cost", 1)):
        moved = (dear_labels[name] - cheap_labels[name])[cheap_labels["eligible"]]
        assert np.allclose(moved, sign * 4 * MES.tick_size, rtol=0, atol=1e-9)
