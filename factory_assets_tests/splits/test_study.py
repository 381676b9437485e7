"""The study: cuts, periods, strict file, and honest refusals."""

import dataclasses
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from factory_assets.splits.purged_kfold import PurgedKFold
from factory_assets.splits.study import Study, open_study
from factory_assets.vocabulary.errors import BadInputError, TooLittleHistoryError, UnknownNameError
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets_tests.splits.worlds import FIRST_DAY, study_of


def _clock():
    return datetime(2025, 3, 1, 12, 30, tzinfo=UTC)


def _weekdays(count):
    days = np.arange(FIRST_DAY, FIRST_DAY + 2 * count + 14)
    return days[(days + 3) % 7 < 5][:count].astype(np.int32)  # 1970-01-01 was a Thursday


@pytest.mark.parametrize(
    ("sessions", "cuts"), [(60, (42, 9, 9)), (120, (84, 18, 18)), (100, (70, 15, 15)), (123, (86, 18, 19))]
)
def test_cuts_are_70_15_15_of_the_sessions(sessions, cuts):
    days = _weekdays(sessions)
    study = open_study("SIM", days, SplitSettings(), _clock)
    assert (study.train_sessions, study.val_sessions, study.test_sessions) == cuts
    assert study.train_first_day == days[0]
    assert study.train_last_day == days[cuts[0] - 1]
    assert study.val_first_day == days[cuts[0]]
    assert study.val_last_day == days[cuts[0] + cuts[1] - 1]
    assert study.test_first_day == days[cuts[0] + cuts[1]]
    assert study.end_day == study.test_last_day == days[-1]
    assert study.opened_at == _clock()


def test_file_round_trip_keeps_the_digest():
    study = open_study("MGC", _weekdays(70), SplitSettings(), _clock)
    again = Study.from_json(study.to_json())
    assert again == study
    assert again.digest == study.digest
    assert json.loads(study.to_json())["train_first_day"] == "2022-01-10"
    assert dataclasses.replace(study, test_last_day=study.test_last_day + 1).digest != study.digest


def test_file_is_read_strictly():
    plain = json.loads(study_of(10, 4, 3).to_json())
    cases = {
        "missing key 'val_last_day'": {k: v for k, v in plain.items() if k != "val_last_day"},
        "unknown key 'note'": {**plain, "note": "x"},
        "train_sessions: expected a count": {**plain, "train_sessions": "10"},
        "test_first_day: Invalid isoformat": {**plain, "test_first_day": "soon"},
        "opened_at: expected text": {**plain, "opened_at": 5},
        "no time zone": {**plain, "opened_at": "2024-01-02T00:00:00"},
        "periods out of order": {**plain, "val_first_day": plain["train_first_day"]},
        "99 train sessions": {**plain, "train_sessions": 99},
        "expected an object": [1],
    }
    for message, content in cases.items():
        with pytest.raises(BadInputError, match=message):
            Study.from_json(json.dumps(content))
    with pytest.raises(BadInputError, match="not JSON"):
        Study.from_json("{")
    with pytest.raises(UnknownNameError):
        Study.from_json(json.dumps({**plain, "contract": "../../x"}))
    with pytest.raises(BadInputError, match=r"missing key 'contract'.*unknown key 'note'"):
        Study.from_json(json.dumps({**{k: v for k, v in plain.items() if k != "contract"}, "note": 1}))


def test_too_little_history_says_what_there_is_needed_and_lacking():
    with pytest.raises(
        TooLittleHistoryError, match=r"41 closed sessions have bars, at least 60 are needed.* 19 are lacking"
    ):
        open_study("MGC", _weekdays(41), SplitSettings(), _clock)
    with pytest.raises(TooLittleHistoryError, match="0 closed sessions have bars"):
        open_study("MGC", _weekdays(0), SplitSettings(), _clock)


@pytest.mark.parametrize("embargo", [1440, 5520, 20_000])
def test_the_needed_count_is_the_smallest_that_works(embargo):
    settings = SplitSettings(sessions_min=1, embargo_bars=embargo)
    with pytest.raises(TooLittleHistoryError) as refusal:
        open_study("MGC", _weekdays(8), settings, _clock)
    needed = int(str(refusal.value).split("at least ")[1].split(" ")[0])
    with pytest.raises(TooLittleHistoryError, match=rf"at least {needed} are needed.* 1 are lacking"):
        open_study("MGC", _weekdays(needed - 1), settings, _clock)
    study = open_study("MGC", _weekdays(needed), settings, _clock)
    # every base bar of every train session as a row: the real folds are non-empty, too
    rows = np.arange(study.train_sessions * 276)
    folds = PurgedKFold(settings.folds, purge=settings.purge_bars, embargo=embargo)
    assert sum(len(train) >= 276 for train, _ in folds.split(rows, rows, rows)) == settings.folds


def test_short_sessions_stretch_the_embargo():
    settings = SplitSettings(sessions_min=1, embargo_bars=1440)
    days = _weekdays(20)
    assert open_study("MGC", days, settings, _clock).train_sessions == 14
    with pytest.raises(TooLittleHistoryError, match="20 closed sessions have bars, at least 21"):
        open_study("MGC", days, settings, _clock, session_bars=np.full(20, 60))


def test_models_windows_count_like_the_embargo():
    plain, longer = (SplitSettings(sessions_min=1, embargo_bars=bars) for bars in (1440, 1440 + 600))
    without, needed = _fewest(plain, 0), _fewest(plain, 600)
    assert without < needed == _fewest(longer, 0)
    days = _weekdays(needed)
    assert open_study("MGC", days, plain, _clock, window_bars=600) == open_study("MGC", days, longer, _clock)
    with pytest.raises(
        TooLittleHistoryError, match=f"at least {needed} are .* of 1440 base bars plus a window of 600,"
    ):
        open_study("MGC", days[:-1], plain, _clock, window_bars=600)


def _fewest(settings, window_bars):
    """Fewest sessions a study opens with, tried one by one."""
    for sessions in range(1, 90):
        try:
            open_study("MGC", _weekdays(sessions), settings, _clock, window_bars=window_bars)
        except TooLittleHistoryError:
            continue
        return sessions
    raise AssertionError("no study of 90 sessions")


def test_days_that_do_not_increase_are_refused():
    with pytest.raises(BadInputError, match="increasing trade days"):
        open_study("SIM", np.array([3, 2, 4]), SplitSettings(), _clock)
