"""Labels that begin at a later session: the same rows, and no outcome before it is ever walked."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.labels import label_decisions, label_invariants, label_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import Barriers, LabelSettings
from factory_assets_tests.labels.builders import market

MES, BARRIERS, SETTINGS = instrument("MES"), Barriers(k_up=3.0, k_down=2.1, max_bars=50), LabelSettings()


@pytest.fixture(scope="module")
def world():
    minutes, bars, sessions = market(21, session_count=14, session_minutes=(600, 900), roll_sessions=(4, 9, 12))
    return minutes, bars, sessions, label_decisions(bars, minutes, sessions, MES, BARRIERS, SETTINGS, 20)


@pytest.mark.parametrize("first", [0, 5, 11, 13])
def test_the_rows_are_those_of_the_whole_history(world, first):
    minutes, bars, sessions, whole = world
    day = int(sessions.trade_day[first])
    later = label_decisions(bars, minutes, sessions, MES, BARRIERS, SETTINGS, 20, from_day=day)
    kept = whole["trade_date"] >= np.datetime64(day, "D")
    pd.testing.assert_frame_equal(later, whole[kept].reset_index(drop=True))
    found = label_invariants(later, minutes, bars, sessions, MES, BARRIERS, SETTINGS, 20, from_day=day)
    assert [v.summary for v in found if v.blocking and not v.passed and v.name != "random_walk_null"] == []


def test_no_earlier_outcome_is_walked(world, monkeypatch):
    minutes, bars, sessions, _ = world
    day, walked = int(sessions.trade_day[11]), []
    inner = label_table.triple_barrier

    def spy(*arguments, **named):
        walked.extend(arguments[5].tolist())
        return inner(*arguments, **named)

    monkeypatch.setattr(label_table, "triple_barrier", spy)
    label_decisions(bars, minutes, sessions, MES, BARRIERS, SETTINGS, 20, from_day=day)
    assert len(walked) > 100
    assert min(walked) > sessions.open_us[11]


def test_after_the_last_session_there_is_no_row(world):
    minutes, bars, sessions, _ = world
    day = int(sessions.trade_day[-1]) + 1
    assert len(label_decisions(bars, minutes, sessions, MES, BARRIERS, SETTINGS, 20, from_day=day)) == 0


def test_rows_that_begin_later_than_they_should_are_noticed(world):
    minutes, bars, sessions, whole = world
    kept = whole[whole["trade_date"] >= np.datetime64(int(sessions.trade_day[3]), "D")].reset_index(drop=True)
    found = label_invariants(kept, minutes, bars, sessions, MES, BARRIERS, SETTINGS, 20)
    assert not any(verdict.passed for verdict in found)
