"""Which sessions statistics of features look at: those an open study trains on, or the next one would."""

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import catalogue
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.closed_sessions import closed_sessions
from factory_assets.orchestration.train_sessions import TRAIN_LAST_DAY, day_number, train_cut, train_sessions_now
from factory_assets.splits.study import day_text, open_study
from factory_assets.storage import StudyFiles
from factory_assets.vocabulary.errors import IntegrityError
from factory_assets.vocabulary.frames import dates_days, from_days
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, features_name
from factory_assets_tests.features.feature_worlds import bars, sessions_of
from factory_assets_tests.storage.storage_samples import MADE_BY, MGC, MGC_20, features, local_store
from factory_assets_tests.storage.storage_samples import bars as stored_bars

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
CALENDAR = SessionCalendar.of(instrument("MGC"))
SETTINGS = SplitSettings()


@pytest.fixture(scope="module")
def base():
    return bars(5, symbol="MGC", sessions=130, traded_share=1.0)


def test_without_a_study_the_cut_is_that_of_the_one_these_bars_would_open(base):
    days, counts = closed_sessions(base, CALENDAR)
    assert len(days) == 130
    opened = open_study("MGC", days, SETTINGS, lambda: MOMENT, session_bars=counts)
    assert train_cut(base, CALENDAR, SETTINGS) == day_text(opened.train_last_day)
    assert opened.train_sessions == 91


def test_a_session_that_still_trades_does_not_count(base):
    cut_off = base.iloc[:-3]
    days, _ = closed_sessions(cut_off, CALENDAR)
    assert len(days) == 129
    opened = open_study("MGC", days, SETTINGS, lambda: MOMENT)
    assert train_cut(cut_off, CALENDAR, SETTINGS) == day_text(opened.train_last_day)


def test_of_a_single_session_that_still_trades_there_is_one_to_look_at(base):
    begun = base.iloc[:50]
    assert len(closed_sessions(begun, CALENDAR)[0]) == 0
    assert train_cut(begun, CALENDAR, SETTINGS) == day_text(int(dates_days(begun["trade_date"])[0]))
    assert len(closed_sessions(begun.iloc[:0], CALENDAR)[0]) == 0


@pytest.fixture
def home(tmp_path):
    return FactoryHome(tmp_path)


@pytest.fixture
def store(tmp_path):
    return local_store(tmp_path)


def published(store, cut):
    of = stored_bars(3)
    table = features(of, rsi_14=np.ones(of.num_rows))
    store.publish_table(table_schema(features_name(5)), MGC, table, **MADE_BY, meta={TRAIN_LAST_DAY: cut})


def test_the_cut_of_the_features_holds_until_a_study_is_open_and_does_not_change_when_it_opens(home, store):
    assert train_sessions_now(home, store, MGC) == ""
    days = sessions_of("MGC", 130).trade_day
    study = open_study("MGC", days, SETTINGS, lambda: MOMENT)
    cut = day_text(study.train_last_day)
    published(store, cut)
    assert train_sessions_now(home, store, MGC) == train_sessions_now(home, store, MGC_20) == cut
    StudyFiles(home.studies).write("MGC", study.to_json())
    assert train_sessions_now(home, store, MGC) == cut


def test_an_open_study_decides_whatever_the_bars_say(home, store):
    study = open_study("MGC", sessions_of("MGC", 130).trade_day, SETTINGS, lambda: MOMENT)
    published(store, "2030-01-01")
    StudyFiles(home.studies).write("MGC", study.to_json())
    assert train_sessions_now(home, store, MGC) == day_text(study.train_last_day) < "2030-01-01"


def test_a_damaged_study_file_is_said_and_nothing_is_looked_at(home, store):
    published(store, "2030-01-01")
    StudyFiles(home.studies).path("MGC").parent.mkdir(parents=True, exist_ok=True)
    StudyFiles(home.studies).path("MGC").write_text("{}", encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"MGC\.json: study file: missing key"):
        train_sessions_now(home, store, MGC)


def test_day_number_is_the_way_back():
    assert day_number(day_text(19_417)) == 19_417


class _Part:
    """A materialization whose table of features grows until long after the train sessions."""

    instrument = instrument("MGC")

    def __init__(self):
        self.asked = []

    def read(self, name, *, columns=None, until_day=None):
        self.asked.append((name, None if columns is None else tuple(columns), until_day))
        days = np.repeat(np.arange(19_000, 19_010), 4)
        frame = pd.DataFrame({"contract": "MGC", "trade_date": from_days(days), "rsi_14": np.arange(40.0)})
        kept = frame if until_day is None else frame[days <= until_day]
        return kept[list(columns)] if columns is not None else kept

    def verdicts_of(self, name):
        return (SimpleNamespace(name=name),)

    def meta_of(self, name):
        return {"has_volume": name != features_name(5)}


def test_the_page_is_given_values_of_train_sessions_and_dates_of_the_others():
    all_assets()  # an asset's file is imported after those of its upstream
    page_inputs = import_module("factory_assets.orchestration.assets.feature_page").page_inputs
    part = _Part()
    inputs = page_inputs(part, 19_006)
    assert dates_days(inputs.values["trade_date"]).max() == 19_006
    assert inputs.values["rsi_14"].max() == 27.0
    assert "contract" not in inputs.values
    assert inputs.sessions == 10
    assert not inputs.has_volume
    assert set(inputs.verdicts) == set(TIMEFRAMES_MINUTES)
    assert inputs.specs == catalogue()
    whole = [columns for name, columns, until in part.asked if name == features_name(5) and until is None]
    assert whole == [("trade_date",)], "of all sessions the dates alone are read"
    assert features_name(1) not in {name for name, _, _ in part.asked}
