"""A SIMULATED contract whose history grows: labels without a study, then a study whose test nobody has seen."""

import json
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from factory_assets.market.canonical import build_canonical
from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import open_store, validation_rows
from factory_assets.orchestration.labelled_record import LABELLED_WITHOUT_STUDY
from factory_assets.orchestration.launch import RunOutcome, launch
from factory_assets.orchestration.phases import PHASES, keys_of
from factory_assets.orchestration.study_artifact import STUDY_FILE, holds_study, published_short_history
from factory_assets.splits.study import Study, day_text
from factory_assets.storage import StudyFiles
from factory_assets.vocabulary.frames import dates_days, times_us, to_frame, to_table
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import LABELS, table_schema
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, MINUTE_US, bars_name
from factory_assets_tests.end_to_end.sim_factory import SIM, SIM_20, environment_of

WORLD_SESSIONS = 16
# Twelve sessions make a study of 8 + 1 + 3; without one, the first nine may be labelled.
SETTINGS = "[splits]\nsessions_min = 12\nfolds = 2\nembargo_bars = 0\n"


class Growing:
    """A home whose bars are the first sessions of one world; what made the bars is left out."""

    def __init__(self, root: Path, bars: dict[str, pd.DataFrame], sessions: Sessions, definitions) -> None:
        self.home, self._bars, self.sessions, self.definitions = FactoryHome(root), bars, sessions, definitions
        root.mkdir(parents=True)
        self.settings(SETTINGS)

    def settings(self, text: str) -> None:
        self.home.settings_file.write_text(text, encoding="utf-8")

    def day(self, sessions: int) -> int:
        """Trade day of the last of so many sessions."""
        return int(self.sessions.trade_day[sessions - 1])

    def reveal(self, sessions: int, *, minutes_short: int = 0) -> None:
        """Publish the bars up to the close of so many sessions, or some minutes before it."""
        end_us = int(self.sessions.close_us[sessions - 1]) - minutes_short * MINUTE_US
        for name, bars in self._bars.items():
            schema, known = table_schema(name), bars[times_us(bars["close_time"]) <= end_us]
            table = to_table(known.reset_index(drop=True), schema)
            open_store(self.home).publish_table(schema, SIM, table, code_version="1", settings_digest="1")

    def run(self, *names: str) -> RunOutcome:
        by_horizon = "study" not in names
        chosen = keys_of(self.definitions, [p for p in PHASES if p.name in names], by_horizon=by_horizon)
        return launch(self.definitions, chosen, SIM_20 if by_horizon else SIM, home=self.home, profile="fast")

    def grow(self, sessions: int) -> None:
        """Show more sessions and make everything up to labels of them."""
        self.reveal(sessions)
        for names in (("study",), ("labels",)):
            outcome = self.run(*names)
            assert outcome.succeeded, outcome.failures

    def labelled_days(self) -> np.ndarray:
        table = open_store(self.home).read_table(LABELS, SIM_20).table
        return np.unique(dates_days(to_frame(table)["trade_date"]))

    @property
    def record(self) -> Path:
        return self.home.studies / "SIM.labelled.jsonl"

    def recorded(self) -> str:
        return json.loads(self.record.read_text(encoding="utf-8").splitlines()[-1])["labelled_until"]

    def study(self) -> Study | None:
        text = StudyFiles(self.home.studies).read("SIM")
        return None if text is None else Study.from_json(text)


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """Minutes and base bars of a null world."""
    folder, product = tmp_path_factory.mktemp("world") / "SIM", instrument("SIM")
    write_world(folder, world="null", seed=3, sessions_count=WORLD_SESSIONS)
    calendar = SessionCalendar.of(product)
    minutes = build_canonical(read_folder(folder, product).minutes, product, calendar, MarketSettings()).bars
    ladder = build_ladder(minutes, calendar.covering(times_us(minutes["open_time"])))
    return {bars_name(size): ladder[size] for size in (1, BASE_MINUTES)}


@pytest.fixture(scope="module")
def definitions():
    return build_definitions()


@pytest.fixture
def growing(tmp_path, bars, definitions, monkeypatch) -> Growing:
    root = tmp_path / "home"
    for name, value in environment_of(root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FACTORY_STORE_URL", raising=False)
    calendar = SessionCalendar.of(instrument("SIM"))
    days = np.unique(dates_days(bars[bars_name(BASE_MINUTES)]["trade_date"]))
    sessions = calendar.sessions.take(np.isin(calendar.sessions.trade_day, days))
    return Growing(root, bars, sessions, definitions)


def _verdicts(growing: Growing) -> dict[str, str]:
    manifest = open_store(growing.home).manifest("study", "study", SIM)
    return {verdict.name: verdict.summary for verdict in manifest.verdicts if verdict.passed}


def test_labels_first_then_a_study_whose_test_lies_after_all_that_was_labelled(growing):
    growing.grow(7)
    assert growing.study() is None
    assert growing.labelled_days().tolist() == growing.sessions.trade_day[:7].tolist()
    assert growing.recorded() == day_text(growing.day(7))
    assert _verdicts(growing) == {
        "study_frozen": "no study yet, nothing is frozen: 7 sessions of 12",
        "ledger_intact": "no study yet, so no ledger and no opening",
    }
    assert not list(growing.home.studies.glob("*ledger*"))
    assert [row["invariants"] for row in validation_rows(growing.home) if row["asset"] == "studies"] == [
        f"no study yet; labelled up to {day_text(growing.day(7))}"
    ]
    manifest = open_store(growing.home).manifest(LABELS.name, LABELS.group, SIM_20)
    assert manifest.meta[LABELLED_WITHOUT_STUDY] == day_text(growing.day(7))
    assert len(manifest.verdicts) == 4
    assert all(verdict.passed for verdict in manifest.verdicts)

    growing.grow(11)
    assert growing.study() is None
    assert growing.labelled_days().tolist() == growing.sessions.trade_day[:9].tolist(), "the tenth would be test"
    assert growing.recorded() == day_text(growing.day(9))

    growing.grow(12)
    study = growing.study()
    assert study is not None
    assert (study.train_sessions, study.val_sessions, study.test_sessions) == (8, 1, 3)
    assert study.test_first_day == growing.day(10) > growing.day(9)
    assert growing.labelled_days().tolist() == growing.sessions.trade_day[:9].tolist()
    manifest = open_store(growing.home).manifest(LABELS.name, LABELS.group, SIM_20)
    assert LABELLED_WITHOUT_STUDY not in manifest.meta
    outcome = growing.run("splits")
    assert outcome.succeeded, outcome.failures


@pytest.mark.slow
def test_a_study_waits_when_settings_would_make_seen_sessions_test(growing):
    growing.grow(9)
    growing.settings(SETTINGS.replace("12", "9"))  # 9 sessions: 6 + 1 + 2, but 9 were labelled
    outcome = growing.run("study")
    assert outcome.succeeded, outcome.failures
    short = published_short_history(growing.home, "SIM")
    assert short is not None
    assert (short.sessions, short.sessions_needed) == (9, 12)
    assert f"after the 9 sessions up to {day_text(growing.day(9))} that were labelled without a study" in short.message
    growing.grow(12)
    study = growing.study()
    assert study is not None
    assert study.test_first_day == growing.day(10)


@pytest.mark.slow
def test_rows_after_val_are_gone_once_a_study_opens(growing):
    growing.grow(9)
    growing.settings(SETTINGS.replace("12", "9"))
    growing.grow(14)  # 9 + 2: val ends after the 11th session
    study = growing.study()
    assert study is not None
    assert growing.labelled_days().max() == study.val_last_day == growing.day(11)


@pytest.mark.slow
def test_labels_of_before_the_study_are_refused_after_it_opened(growing):
    growing.grow(9)
    growing.reveal(12)
    assert growing.run("study").succeeded
    outcome = growing.run("splits")
    (failure,) = outcome.failures
    assert "different versions of study|SIM" in failure.message
    assert growing.run("labels").succeeded
    assert growing.run("splits").succeeded


@pytest.mark.slow
def test_an_open_session_neither_counts_nor_is_labelled(growing):
    growing.reveal(8, minutes_short=200)
    assert growing.run("study").succeeded
    assert growing.run("labels").succeeded
    assert growing.labelled_days().tolist() == growing.sessions.trade_day[:7].tolist()
    growing.reveal(12, minutes_short=200)
    assert growing.run("study").succeeded
    assert growing.study() is None, "the twelfth session still trades"
    growing.reveal(12)
    assert growing.run("study").succeeded
    study = growing.study()
    assert study is not None
    assert study.end_day == growing.day(12)


def test_without_a_study_every_step_after_labels_says_what_is_lacking(growing):
    growing.grow(7)
    before = open_store(growing.home).tables()
    outcome = growing.run("splits", "adapters")
    assert outcome.failures
    for failure in outcome.failures:
        assert failure.exit_code == 2
        assert failure.message.startswith("SIM|20: study of SIM: 7 closed sessions have bars, at least 12 are needed")
        assert "5 are lacking" in failure.message
    assert open_store(growing.home).tables() == before


def test_a_record_that_was_deleted_or_cut_opens_no_study(growing):
    growing.grow(7)
    growing.grow(8)
    whole = growing.record.read_text(encoding="utf-8")
    growing.reveal(12)
    for left in ("", whole.splitlines(keepends=True)[0], None):
        if left is None:
            growing.record.unlink()
        else:
            growing.record.write_text(left, encoding="utf-8")
        outcome = growing.run("study")
        (failure,) = outcome.failures
        assert failure.step == "study"
        assert f"made without a study up to {day_text(growing.day(8))}" in failure.message
        assert "deleted or cut" in failure.message
        assert growing.study() is None
        assert [row["verdict"] for row in validation_rows(growing.home) if row["asset"] == "studies"] != ["ok"]
    growing.record.write_text(whole, encoding="utf-8")
    assert growing.run("study").succeeded
    assert growing.study() is not None


@pytest.mark.slow
def test_the_record_outlives_the_store(growing):
    growing.grow(9)
    shutil.rmtree(growing.home.root / "store")
    growing.settings(SETTINGS.replace("12", "9"))
    growing.reveal(10)
    assert growing.run("study").succeeded
    assert growing.study() is None, "10 sessions would make the 9th val and only the 10th test, but 7 + 1 < 9"


def test_a_study_that_opened_meanwhile_stops_labels_without_one(growing):
    growing.grow(7)
    stale = growing.record.read_text(encoding="utf-8")
    growing.reveal(11)
    assert growing.run("study").succeeded
    files = StudyFiles(growing.home.studies)
    other = Study(
        contract="SIM",
        opened_at=open_store(growing.home).manifest("study", "study", SIM).created_at,
        train_first_day=growing.day(1),
        train_last_day=growing.day(5),
        val_first_day=growing.day(6),
        val_last_day=growing.day(7),
        test_first_day=growing.day(8),
        test_last_day=growing.day(11),
        train_sessions=5,
        val_sessions=2,
        test_sessions=4,
    )
    files.write("SIM", other.to_json())
    (failure,) = growing.run("labels").failures
    assert "a study was opened after the artifact these labels would follow" in failure.message
    assert growing.record.read_text(encoding="utf-8") == stale


def test_a_study_file_that_vanished_turns_both_checks_red(growing):
    growing.grow(12)
    StudyFiles(growing.home.studies).path("SIM").unlink()
    growing.reveal(8)
    outcome = growing.run("study")
    (failure,) = outcome.failures
    assert "study_frozen: the study file is gone, but a study was opened" in failure.message
    assert "ledger_intact: a ledger without its study" in failure.message
    store = open_store(growing.home)
    assert store.status("study", "study", SIM) == "blocked"
    assert holds_study(store.manifest("study", "study", SIM)), f"the bytes of {STUDY_FILE} stay"
    assert not growing.record.exists()


def test_the_checks_of_a_run_without_study_are_shown(growing):
    growing.reveal(7)
    outcome = growing.run("study")
    with dg.DagsterInstance.get() as instance:
        entries = instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    shown = {e.dagster_event.event_specific_data.check_name: e.dagster_event.event_specific_data for e in entries}
    assert shown["study_frozen"].passed
    assert "7 sessions of 12" in (shown["study_frozen"].description or "")
