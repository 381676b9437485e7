"""A release of a series without volume: its bars have none, its members read none, live equals batch all the same."""

import dataclasses
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment import Minute, Predictor, load_bundle, prove_release, write_bundle
from factory_assets.deployment.replay import read_minutes, replay_minutes
from factory_assets.deployment.series import LiveSeries
from factory_assets.features import catalogue
from factory_assets.splits.study import Study
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets_tests.deployment.conftest import NOW
from factory_assets_tests.deployment.release_world import release_world
from factory_assets_tests.deployment.test_predictor import assert_equals_batch, state

BAR = {
    "expiry": "SIMH3", "open_time": datetime(2023, 3, 7, 0, 31, tzinfo=UTC), "open": 4000.0, "high": 4000.5,
    "low": 3999.75, "close": 4000.25, "volume": math.nan,
}  # fmt: skip
READING = {spec.name for spec in catalogue() if spec.reads_volume}


def without(bar, name):
    return {key: value for key, value in bar.items() if key != name}


def at(text):
    return pd.Timestamp(text, tz="UTC")


@pytest.mark.parametrize("bar", [BAR, without(BAR, "volume"), {**BAR, "volume": None}, Minute(**BAR)])
def test_a_minute_of_a_feed_without_volume(bar):
    minute = Minute.of(bar, has_volume=False)
    assert math.isnan(minute.volume)
    assert (minute.expiry, minute.close) == ("SIMH3", 4000.25)


@pytest.mark.parametrize("volume", [0.0, 3.0, -1.0, math.inf])
def test_a_volume_given_to_a_release_without_is_refused(volume):
    for bar in ({**BAR, "volume": volume}, Minute(**{**BAR, "volume": volume})):
        with pytest.raises(BadInputError, match=r"volume .*made of a series without volume.*send volume as NaN"):
            Minute.of(bar, has_volume=False)


def test_a_release_with_volume_still_needs_the_field_and_sets_a_missing_number_aside(world):
    with pytest.raises(BadInputError, match="volume None"):
        Minute.of(without(BAR, "volume"))
    predictor = Predictor(world.release)
    assert predictor.update(BAR) is None
    assert dict(predictor.counts) == {"quarantined_bad_volume": 1}


def _minutes(rows):
    times = pd.date_range("2023-03-07 00:00", periods=rows, freq="min", tz="UTC", unit="us")
    prices = {name: np.full(rows, 4000.0) for name in ("open", "high", "low", "close")}
    return pd.DataFrame({"expiry": "SIMH3", "open_time": times, **prices})


def _series(**options):
    settings = MarketSettings(roll_rule="calendar")
    return LiveSeries(instrument("SIM"), settings, {5: 100}, has_volume=False, **options)


@pytest.mark.parametrize("column", [{}, {"volume": math.nan}])
def test_history_of_a_feed_without_volume_with_the_column_or_without_it(column):
    series = _series()
    series.take_history(_minutes(40).assign(**column))
    assert dict(series.counts) == {"first_session": 40}
    # the very same minute again: its volume is as unknown as before
    minute = Minute.of(_minutes(40).iloc[-1].to_dict(), has_volume=False)
    assert series.judge(minute) is None
    assert series.counts["exact_duplicates"] == 1
    assert series.judge(dataclasses.replace(minute, close=4000.0, high=4000.25)) is None
    assert series.counts["quarantined_conflicting_duplicate"] == 1


def test_a_lone_leap_is_a_bad_print_and_no_volume_speaks_for_it():
    minutes = _minutes(60)
    minutes.loc[50, "high"] = 4400.0
    series = _series()
    series.take_history(minutes)
    assert dict(series.counts) == {"first_session": 59, "quarantined_spike": 1}
    # another month that leaps in the same minute does
    both = pd.concat([minutes, minutes.assign(expiry="SIMM3")], ignore_index=True)
    series = _series()
    series.take_history(both)
    # months of a minute come one by one, the later month first: it is judged without the front
    assert series.counts["first_session"] == 119
    assert series.counts["quarantined_spike"] == 1


def test_history_with_a_volume_is_refused_before_any_of_it_is_taken():
    series = _series()
    given = _minutes(40).assign(volume=[math.nan] * 39 + [3.0])
    with pytest.raises(BadInputError, match="history: 1 of 40 minutes have a volume"):
        series.take_history(given)
    assert not series.counts


def test_a_file_of_minutes_without_the_column(tmp_path):
    path = tmp_path / "bars.csv"
    _minutes(3).to_csv(path, index=False)
    assert read_minutes(path, has_volume=False)["volume"].isna().all()
    with pytest.raises(BadInputError, match=r"columns \['volume'\] missing"):
        read_minutes(path)


def test_features_that_read_volume_are_no_part_of_a_release_without(world):
    with pytest.raises(
        BadInputError, match=r"features \[.*'amihud_20', .*\] that read volume, but bars that have none"
    ):
        dataclasses.replace(world.release, has_volume=False)


@pytest.fixture(scope="module")
def bare():
    return release_world(has_volume=False)


@pytest.mark.slow
def test_the_release_reads_no_volume_and_its_bundle_says_so(bare, tmp_path):
    loaded = load_bundle(*write_bundle(bare.release, tmp_path, clock=lambda: NOW, code_version="test"))
    assert loaded.has_volume is False
    read = {name for names in loaded.reads.values() for name in names}
    assert read < {spec.name for spec in catalogue()}
    assert len(read) > 100
    assert not read & READING
    assert loaded.pool == dict(bare.release.pool)
    for member in loaded.members.values():
        assert not {name.split("__")[0] for name in member.feature_names} & READING
    # no column of what the models saw is wholly missing
    inputs = bare.batch.inputs
    assert not np.isnan(inputs["tabular"]).all(axis=0).any()
    assert not np.isnan(inputs["sequence"].store).all(axis=0).any()


@pytest.mark.slow
def test_live_equals_batch_across_a_roll_by_calendar(bare):
    (roll,) = bare.rolls[bare.rolls["trade_date"] == pd.Timestamp("2023-03-09")].itertuples()
    assert (roll.from_expiry, roll.to_expiry, roll.reason) == ("SIMH3", "SIMM3", "calendar day reached")
    raw = bare.raw.drop(columns="volume")
    predictor = Predictor(bare.release)
    predictor.warm_up(raw[(raw["open_time"] >= at("2022-12-12")) & (raw["open_time"] < at("2023-03-08T20:00"))])
    snapshot = state(predictor)
    with pytest.raises(BadInputError, match="series without volume"):
        predictor.update({**BAR, "open_time": at("2023-03-08T20:00"), "volume": 12.0})
    assert state(predictor) == snapshot
    fed = raw[(raw["open_time"] >= at("2023-03-08T20:00")) & (raw["open_time"] < at("2023-03-09T06:00"))]
    found = list(replay_minutes(predictor, fed.assign(volume=math.nan)))
    assert {prediction.expiry for prediction in found} == {"SIMH3", "SIMM3"}
    assert_equals_batch(found, bare.batch, bare.release)


@pytest.mark.slow
def test_a_fresh_process_with_bars_without_volume_equals_batch(bare, tmp_path):
    folder, _ = write_bundle(bare.release, tmp_path, clock=lambda: NOW, code_version="test")
    last_day = Study.from_json(bare.release.study).val_last_day
    batch = bare.batch.take(dates_days(bare.batch.frame["trade_date"]) <= last_day)
    verdicts = prove_release(folder, bare.release, bare.raw, batch, parity_minutes=1600)
    assert [verdict.summary for verdict in verdicts if not verdict.passed] == []
    assert verdicts[-1].details["decisions"] > 300
    assert verdicts[-1].details["features_max_difference"] < 1e-6
