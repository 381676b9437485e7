"""Labels, weights, costs, baselines, simulator and metrics never look at volume: bars without the column do."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.evaluation.baselines import clock_atr_features
from factory_assets.evaluation.report_table import evaluate
from factory_assets.labels import label_decisions, label_invariants
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import Barriers, LabelSettings
from factory_assets_tests.evaluation.worlds import models, world
from factory_assets_tests.labels.builders import market

BARRIERS = Barriers(k_up=1.5, k_down=1.0, max_bars=12)


@pytest.mark.parametrize("events", ["all", "cusum"])
def test_labels_and_their_invariants_need_no_volume(events):
    minutes, bars, sessions = market(3)
    rules = (instrument("MES"), BARRIERS, LabelSettings(events=events), 5)
    expected = label_decisions(bars, minutes, sessions, *rules)
    bare_bars, bare_minutes = (frame.drop(columns="volume") for frame in (bars, minutes))
    found = label_decisions(bare_bars, bare_minutes, sessions, *rules)
    assert found["event"].sum() > 20
    pd.testing.assert_frame_equal(found, expected)
    verdicts = label_invariants(found, bare_minutes, bare_bars, sessions, *rules)
    assert verdicts == label_invariants(expected, minutes, bars, sessions, *rules)


def test_clock_and_atr_and_a_whole_evaluation_need_no_volume():
    made = world()
    arguments = made.arguments("oof")
    expected = evaluate(models(made, "oof"), **arguments)
    bare = {**arguments, "bars_1min": made.minutes.drop(columns="volume")}
    found = evaluate(models(made, "oof"), **bare)
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(found.trades, expected.trades)
    assert len(found.trades) > 50
    _, bars, sessions = market(3)
    decisions = times_us(bars["close_time"])[200:]
    seen, without = (clock_atr_features(decisions, sessions, frame) for frame in (bars, bars.drop(columns="volume")))
    assert np.array_equal(seen, without, equal_nan=True)
    assert np.isfinite(without).all()
