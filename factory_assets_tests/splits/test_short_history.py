"""Too few sessions for a study: how far may be labelled, and that what was labelled never becomes test."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.splits.short_history import ShortHistory
from factory_assets.splits.study import day_text, missing_history, open_study
from factory_assets.vocabulary.errors import BadInputError, TooLittleHistoryError, UnknownNameError
from factory_assets.vocabulary.settings import SplitSettings

FIRST = 20_000


def _clock():
    return datetime(2025, 3, 1, 12, 30, tzinfo=UTC)


def _days(count: int, step: int = 1) -> np.ndarray:
    return np.arange(FIRST, FIRST + step * count, step)


def test_thirteen_sessions_of_sixty_may_all_be_labelled():
    short = missing_history("MES", _days(13), SplitSettings())
    assert short is not None
    assert (short.sessions, short.sessions_needed, short.sessions_lacking) == (13, 60, 47)
    assert short.labels_until_day == FIRST + 12
    assert "13 closed sessions have bars, at least 60 are needed" in short.message
    assert "47 are lacking. Ingest more history: the study opens with the first run" in short.message
    assert f"labels (up to {day_text(FIRST + 12)})" in short.message


def test_labels_stop_where_the_test_of_the_smallest_study_begins():
    # 60 sessions: 42 train, 9 val, 9 test
    for sessions, labelled in ((50, 50), (51, 51), (52, 51), (59, 51)):
        short = missing_history("MES", _days(sessions), SplitSettings())
        assert short is not None
        assert short.labels_until_day == FIRST + labelled - 1
    assert missing_history("MES", _days(60), SplitSettings(), never_test_until_day=FIRST + 50) is None
    assert open_study("MES", _days(60), SplitSettings(), _clock).test_first_day == FIRST + 51


def test_a_study_waits_for_sessions_after_those_that_were_labelled():
    # one session more than train and val of 60 were labelled: 62 sessions are 43 + 9, the first that hold 52
    for sessions in (60, 61):
        with pytest.raises(
            TooLittleHistoryError, match=r"at least 62 are needed .* after the 52 sessions up to"
        ) as caught:
            open_study("MES", _days(sessions), SplitSettings(), _clock, never_test_until_day=FIRST + 51)
        assert f"{62 - sessions} are lacking" in str(caught.value)
        short = missing_history("MES", _days(sessions), SplitSettings(), never_test_until_day=FIRST + 51)
        assert short is not None
        assert short.labels_until_day == FIRST + 51, "waiting does not move the goal"
    opened = open_study("MES", _days(62), SplitSettings(), _clock, never_test_until_day=FIRST + 51)
    assert opened.test_first_day == FIRST + 52


def test_no_session_no_label():
    short = missing_history("MES", _days(0), SplitSettings())
    assert short is not None
    assert short.labels_until_day is None
    assert "up to" not in short.message


_settings = st.builds(
    SplitSettings,
    train_share=st.sampled_from([0.5, 0.6, 0.7]),
    val_share=st.sampled_from([0.1, 0.15, 0.25]),
    folds=st.integers(2, 5),
    purge_bars=st.integers(0, 300),
    embargo_bars=st.integers(0, 1440),
    sessions_min=st.integers(1, 40),
)


@settings(max_examples=60, deadline=None)
@given(split=_settings, window=st.sampled_from([0, 60]), arrivals=st.lists(st.integers(1, 4), min_size=1, max_size=60))
def test_labelling_night_after_night_never_touches_the_test_and_never_delays_the_study(split, window, arrivals):
    labelled, days = None, _days(0)
    for arrived in arrivals:
        days = _days(len(days) + arrived)
        short = missing_history("SIM", days, split, window_bars=window, never_test_until_day=labelled)
        unlabelled = missing_history("SIM", days, split, window_bars=window)
        assert (short is None) == (unlabelled is None), "labelling made the study wait"
        if short is None:
            study = open_study("SIM", days, split, _clock, window_bars=window, never_test_until_day=labelled)
            assert labelled is None or study.test_first_day > labelled
            assert study == open_study("SIM", days, split, _clock, window_bars=window)
            return
        assert short.labels_until_day is not None
        labelled = max(labelled or 0, short.labels_until_day)


@settings(max_examples=60, deadline=None)
@given(split=_settings, sessions=st.integers(1, 80), seen=st.integers(-5, 90), step=st.integers(1, 3))
def test_whatever_was_labelled_the_test_begins_after_it(split, sessions, seen, step):
    days, until = _days(sessions, step), FIRST + seen
    short = missing_history("SIM", days, split, never_test_until_day=until)
    if short is None:
        study = open_study("SIM", days, split, _clock, never_test_until_day=until)
        assert study.test_first_day > until
        assert study == open_study("SIM", days, split, _clock), "the shares do not move"
        return
    assert short.sessions == sessions
    with pytest.raises(TooLittleHistoryError):
        open_study("SIM", _days(short.sessions_needed - 1, step), split, _clock, never_test_until_day=until)
    # Sessions that come later lie after what was labelled; a label beyond them is a label of days without bars.
    grown = _days(short.sessions_needed, step)
    if until <= days[-1]:
        assert open_study("SIM", grown, split, _clock, never_test_until_day=until).test_first_day > until


def test_text_round_trip_and_what_is_refused():
    short = missing_history("MES", _days(13), SplitSettings())
    assert short is not None
    assert ShortHistory.from_json(short.to_json()) == short
    none = missing_history("MES", _days(0), SplitSettings())
    assert none is not None
    assert ShortHistory.from_json(none.to_json()) == none
    for text in ("", "[]", "{}", short.to_json().replace("13,", '"13",'), short.to_json().replace("sessions_n", "n")):
        with pytest.raises(BadInputError, match="materialize the study again"):
            ShortHistory.from_json(text)
    with pytest.raises(BadInputError, match="60 sessions of 60 are not too few"):
        ShortHistory(contract="MES", sessions=60, sessions_needed=60, labels_until_day=None, message="")
    with pytest.raises(UnknownNameError):
        ShortHistory(contract="../MES", sessions=1, sessions_needed=60, labels_until_day=None, message="")
