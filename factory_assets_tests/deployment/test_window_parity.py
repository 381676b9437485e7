"""Faults put into the live windows, one at a time: parity against an honest batch has to see each of them."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment import Predictor, inputs, latest_features
from factory_assets.deployment.latest_features import stretches_of
from factory_assets.deployment.needs import feature_rows
from factory_assets.deployment.parity import FreshReplay, parity_verdict
from factory_assets.deployment.replay import replay_minutes
from factory_assets.features.registry import registry
from factory_assets.indicators import wilder_settle_bars
from factory_assets.vocabulary.frames import times_us
from factory_assets_tests.deployment.release_world import WINDOW_BARS, without_windows

FIRST, LAST = pd.Timestamp("2023-03-07T00:30Z"), pd.Timestamp("2023-03-07T05:00Z")


def between(frame, first, last):
    return frame[(frame["open_time"] >= first) & (frame["open_time"] < last)]


@pytest.fixture(scope="module")
def warm(world, thinned):
    """State of the series right before the stretch; copies of it are fed."""
    predictor = Predictor(world.release)
    predictor.warm_up(between(thinned[0], pd.Timestamp("2022-12-12T00:00Z"), FIRST))
    assert predictor.warm
    return predictor._series


@pytest.fixture
def verdict(world, thinned, warm):
    """Parity of a live run over the stretch, made with whatever is patched when it is called."""

    def made(release=None):
        raw, canonical, batch = thinned
        predictor = Predictor(release or world.release)
        predictor._series = copy.deepcopy(warm)
        said = list(replay_minutes(predictor, between(raw, FIRST, LAST)))
        replay = FreshReplay(
            predictions=[p.to_plain(features=True) for p in said],
            windows=np.array([p.window for p in said]),
            left_behind=(),
        )
        return parity_verdict(replay, batch, world.release, times_us(between(canonical, FIRST, LAST)["open_time"]))

    return made


def test_an_honest_run_over_outages_equals_batch(verdict):
    found = verdict()
    assert found.passed, found.summary
    assert found.details["decisions"] > 30
    assert found.details["windows_equal_to_the_bit_share"] > 0.999
    assert found.details["probabilities_max_difference"] < 1e-7


def seen(found):
    """Whether the verdict is negative because of windows, the tabular rows being the same."""
    return not found.passed and " windows (first at " in found.summary and " features (" not in found.summary


def test_a_window_one_row_off_is_seen(verdict, monkeypatch):
    real = inputs.window_index

    def shifted(*arguments, **options):
        last, first = real(*arguments, **options)
        return np.maximum(last - 1, 0), np.maximum(first - 1, 0)

    monkeypatch.setattr(inputs, "window_index", shifted)
    found = verdict()
    assert seen(found)
    assert f"{found.details['decisions']} windows" in found.summary  # every one of them


def test_a_window_one_row_short_is_seen(verdict, monkeypatch):
    real = inputs.window_index

    def short(*arguments, **options):
        last, first = real(*arguments, **options)
        return last, np.minimum(first + 1, last)

    monkeypatch.setattr(inputs, "window_index", short)
    assert seen(verdict())


@pytest.mark.parametrize("minutes", [0, 25, 40, 10_000])
def test_another_outage_rule_is_seen(verdict, world, minutes):
    sequence = dataclasses.replace(world.release.sequence, outage_minutes_max=minutes)
    assert seen(verdict(dataclasses.replace(world.release, sequence=sequence)))


def test_rows_without_their_full_look_back_are_seen(verdict, monkeypatch):
    """The newest row has all its history, the older ones of the window lack what the newest is ahead of them."""
    real = latest_features.stretches_of

    def short(names, minutes, _):
        parts = real(names, minutes, 1)
        return tuple(dataclasses.replace(part, bars=max(part.bars, WINDOW_BARS)) for part in parts)

    monkeypatch.setattr(latest_features, "stretches_of", short)
    assert seen(verdict())


def test_features_of_another_order_are_seen(verdict, world):
    """What no shape tells apart: two columns of the live windows exchanged."""
    names = list(world.release.sequence.names)
    names[3], names[4] = names[4], names[3]
    swapped = dataclasses.replace(world.release.sequence, names=tuple(names))
    release = copy.copy(world.release)
    object.__setattr__(release, "sequence", swapped)  # the release itself refuses such members
    assert seen(verdict(release))


def test_stretches_hold_every_feature_once_with_its_look_back(world):
    release, specs = world.release, registry().specs
    for minutes in (5, 15, 30, 60):
        further = WINDOW_BARS - 1 if minutes == 5 else 0
        parts = stretches_of(release.reads[minutes], minutes, further + 1)
        assert sorted(name for part in parts for name in part.names) == sorted(release.reads[minutes])
        for part in parts:
            longest = max(specs[name].lookback_bars(minutes) for name in part.names)
            assert part.bars == longest + further
        assert feature_rows(release)[minutes] == max(part.bars for part in parts)
    # cost_atr: 22 sessions of 276 base bars, one bar, and what ATR needs to settle in front of them
    assert specs["cost_atr"].lookback_bars(5) == 22 * 276 + 1 + wilder_settle_bars(14)
    # without windows, what the tabular rows read of base bars is all there is, and of it the last row
    alone = without_windows(world)
    assert feature_rows(alone)[5] == max(specs[name].lookback_bars(5) for name in release.pool[5])
    assert feature_rows(alone)[5] < feature_rows(release)[5]
