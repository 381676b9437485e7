"""The canary stays silent on an honest pipeline and sings on leaks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from factory_assets.models.registry import entry, names
from factory_assets.stacking import fit_members, permuted_labels_verdict
from factory_assets.stacking.canary import ROW_CANARY, WINDOW_CANARY, _lower_bound, permute_by_session
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.stacking.stack_world import SETTINGS, partition, windowed


def _verdict(world, *, folds=None, data=None, seed=1, **changes):
    return permuted_labels_verdict(
        data or world.train,
        (folds or world.folds)[:2],
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=seed,
        **changes,
    )


@pytest.mark.parametrize("seed", range(5))
def test_honest_folds_score_at_chance(world, seed):
    verdict = _verdict(world, seed=seed)
    assert verdict.passed, verdict.summary
    assert verdict.name == "permuted_labels_at_chance"
    assert verdict.blocking


@pytest.fixture(scope="module")
def windows():
    return windowed(partition(sessions=40, columns=20), length=12)


def test_canary_is_chosen_by_what_the_features_are(world, windows):
    assert _verdict(world).summary.startswith("logistic")
    assert _verdict(windows).summary.startswith("tcn")
    adapters = [entry(canary.model_name).adapter for canary in (ROW_CANARY, WINDOW_CANARY)]
    assert adapters == ["tabular", "sequence"]
    assert {entry(name).adapter for name in names()} - {"probabilities"} == set(adapters)


@pytest.mark.parametrize("seed", range(2))
def test_honest_folds_of_windows_score_at_chance(windows, seed):
    verdict = _verdict(windows, seed=seed)
    assert verdict.passed, verdict.summary
    assert verdict.details["folds"] == 2


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_folds_of_windows_that_train_on_what_they_score_are_caught(windows, share):
    """All scored rows, or every second one, stand among the training rows; nothing else is wrong."""
    step = round(1 / share)
    leaking = [(np.union1d(train, test[::step]), test) for train, test in windows.folds]
    caught = _verdict(windows, folds=leaking)
    assert not caught.passed, caught.summary
    assert caught.details["lower_bound_nats"] > 0


def test_canary_is_fitted_without_a_tail_to_hold_it_back(windows, monkeypatch):
    seen = []
    honest = "factory_assets.stacking.canary.fit_members"

    def _spy(requests, *rest, **named):
        seen.extend(requests)
        return fit_members(requests, *rest, **named)

    monkeypatch.setattr(honest, _spy)
    _verdict(windows)
    assert [(request.name, request.frozen, request.rounds) for request in seen] == [
        ("canary_0", True, WINDOW_CANARY.rounds),
        ("canary_1", True, WINDOW_CANARY.rounds),
    ]
    for request, (train_rows, _) in zip(seen, windows.folds, strict=False):
        assert np.array_equal(request.rows, train_rows)


def test_clock_in_the_labels_does_not_raise_an_alarm():
    """Label 0 in every session's second half and a clock as feature: moved sessions keep that, rotated ones do not."""
    world = partition(sessions=80)
    step = np.concatenate([np.arange(n) for n in np.unique(world.train.trade_day, return_counts=True)[1]])
    rng = np.random.default_rng(0)
    label = np.where(step >= 20, 0, rng.choice([-1, 1], len(step))).astype(np.int8)
    features = world.train.features.copy()
    features[:, 0] = np.where(step >= 20, 1.0, -1.0)
    timed = replace(world.train, label=label, features=features)
    for seed in range(3):
        verdict = _verdict(world, data=timed, seed=seed)
        assert verdict.passed, verdict.summary


def test_folds_that_train_on_what_they_score_are_caught():
    world = partition(sessions=40, columns=60)
    leaking = [(np.arange(len(world.train)), test) for _, test in world.folds]
    honest = _verdict(world)
    caught = _verdict(world, folds=leaking)
    assert honest.passed
    assert not caught.passed
    assert caught.details["lower_bound_nats"] > 0 > honest.details["gain_nats"]


def test_feature_that_holds_the_permuted_label_is_caught(world):
    """The harness sees a leak through the features when the leak follows the labels it permutes."""
    rng = np.random.default_rng(1)  # the canary's own draw for seed 1
    leaked = permute_by_session(world.train.label, world.train.trade_day, rng)
    features = world.train.features.copy()
    features[:, 2] = leaked + np.random.default_rng(9).normal(scale=2.0, size=len(leaked))
    assert not _verdict(world, data=replace(world.train, features=features), seed=1).passed


@given(st.lists(st.integers(1, 9), min_size=2, max_size=12), st.integers(0, 10_000))
@limits(max_examples=50, deadline=None)
def test_permutation_moves_whole_sessions_rotated(sizes, seed):
    day = np.repeat(np.arange(len(sizes)) * 3 + 100, sizes).astype(np.int32)
    label = np.arange(len(day))  # every row its own value, so that rows can be followed
    moved = permute_by_session(label, day, np.random.default_rng(seed))
    assert sorted(moved.tolist()) == label.tolist()
    place, seen = 0, []
    while place < len(moved):
        session = int(np.searchsorted(np.cumsum(sizes), moved[place], side="right"))
        size, first = sizes[session], int(np.sum(sizes[:session]))
        block = moved[place : place + size] - first
        assert sorted(block.tolist()) == list(range(size))
        assert all((b - a) % size == 1 % size for a, b in pairwise(block))
        seen.append(session)
        place += size
    assert sorted(seen) == list(range(len(sizes)))


def test_one_session_cannot_be_permuted():
    with pytest.raises(BadInputError, match="two sessions"):
        permute_by_session(np.zeros(4, dtype=np.int8), np.full(4, 7, dtype=np.int32), np.random.default_rng(0))


def test_bound_is_that_of_a_bootstrap_over_sessions():
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(30), rng.integers(5, 20, 30))
    gain = rng.normal(size=len(day)) + 0.3
    found = _lower_bound(gain, day, resamples=4000, confidence=0.95, rng=np.random.default_rng(1))
    by_hand = []
    draws = np.random.default_rng(2)
    for _ in range(4000):
        chosen = draws.integers(0, 30, 30)
        by_hand.append(np.concatenate([gain[day == d] for d in chosen]).mean())
    assert abs(found - np.quantile(by_hand, 0.05)) < 0.02


def test_no_folds_are_refused(world):
    with pytest.raises(BadInputError, match="no folds"):
        permuted_labels_verdict(world.train, [], world.kinds, settings=SETTINGS, clock_us=world.clock_us, seed=1)
