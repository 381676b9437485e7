"""The hidden Markov model: its arithmetic against a textbook, recovery of what was simulated, nothing to choke on."""

import itertools
import math

import numpy as np
import pytest

from factory_assets.features.hmm import PROBABILITY_FLOOR, VARIANCE_FLOOR_SHARE, estimate, filtered, stationary

from .oracles import regime as oracle

VARIANCE = np.array([1.0, 4.0, 25.0]) * 1e-8
TRANSITION = np.array([[0.97, 0.025, 0.005], [0.02, 0.96, 0.02], [0.01, 0.05, 0.94]])


def simulated(rng, lengths, variance=VARIANCE, transition=TRANSITION):
    """Squared returns of independent sequences, and the row each begins at."""
    rows = []
    for length in lengths:
        state = rng.choice(3, p=stationary(transition))
        for _ in range(length):
            rows.append(math.sqrt(variance[state]) * rng.standard_normal())
            state = rng.choice(3, p=transition[state])
    return np.array(rows) ** 2, np.cumsum([0, *lengths])


def sequences(squared, bounds):
    return tuple(tuple(squared[a:b].tolist()) for a, b in itertools.pairwise(bounds))


def run(squared, variance=VARIANCE, transition=TRANSITION):
    whole = np.array([[0, 0, len(squared)]])
    return filtered(squared, whole, np.zeros(1, dtype=np.int64), variance[None], transition[None])


def test_what_was_simulated_is_recovered():
    squared, bounds = simulated(np.random.default_rng(1), [270] * 110)
    variance, transition, _ = estimate(squared, bounds, 100)
    np.testing.assert_allclose(variance, VARIANCE, rtol=0.06)
    np.testing.assert_allclose(transition, TRANSITION, atol=0.008)
    # The filter finds the state that was simulated wherever it is sure.
    assert (np.diff(variance) > 0).all()


def test_filter_is_calibrated_on_its_own_model():
    rng = np.random.default_rng(2)
    state, states, returns = 0, [], []
    for _ in range(20_000):
        states.append(state)
        returns.append(math.sqrt(VARIANCE[state]) * rng.standard_normal())
        state = rng.choice(3, p=TRANSITION[state])
    high = run(np.array(returns) ** 2)[2]
    for low, top in itertools.pairwise((0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)):
        inside = (high >= low) & (high < top)
        assert np.mean(np.array(states)[inside] == 2) == pytest.approx(high[inside].mean(), abs=0.05)


@pytest.mark.parametrize("iterations", [1, 25])
def test_estimate_equals_the_textbook(iterations):
    squared, bounds = simulated(np.random.default_rng(3), [40, 1, 90, 170, 2, 120])
    variance, transition, likelihood = estimate(squared, bounds, iterations)
    expected = oracle.baum_welch(sequences(squared, bounds), iterations)
    np.testing.assert_allclose(variance, expected[0], rtol=1e-9)
    np.testing.assert_allclose(transition, expected[1], rtol=1e-8)
    np.testing.assert_allclose(likelihood, expected[2], rtol=1e-11)


def test_filter_equals_the_sum_over_every_path():
    squared = np.array([0.2, 9.0, 30.0, 1.0, 0.0, 4.0]) * 1e-8
    long_run = stationary(TRANSITION)
    weight = np.zeros(3)
    for path in itertools.product(range(3), repeat=len(squared)):
        value = long_run[path[0]]
        for at, state in enumerate(path):
            value *= oracle.density(squared[at], VARIANCE[state])
            value *= TRANSITION[path[at - 1], state] if at else 1.0
        weight[path[-1]] += value
    np.testing.assert_allclose(run(squared)[:, -1], weight / weight.sum(), rtol=1e-12)
    np.testing.assert_allclose(run(squared)[:, -1], oracle.forward(squared.tolist(), VARIANCE, TRANSITION), rtol=1e-12)


def test_stationary_shares_are_those_the_chain_keeps():
    for transition in (TRANSITION, np.full((3, 3), 1 / 3), np.random.default_rng(0).dirichlet(np.ones(3), 3)):
        share = stationary(transition)
        assert share.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(share @ transition, share, rtol=1e-12)


def worlds():
    rng = np.random.default_rng(5)
    heavy = rng.standard_t(2, 4000) * 1e-4
    jump = rng.standard_normal(2000) * 1e-4
    jump[700] = 0.6
    return {
        "heavy tails": heavy**2,
        "one jump of 60 %": jump**2,
        "mostly no move": np.where(rng.random(3000) < 0.9, 0.0, heavy[:3000]) ** 2,
        "one size of move": np.where(rng.random(1000) < 0.5, 0.0, 1e-4) ** 2,
        "flat": np.zeros(500),
        "one row": np.array([1e-8]),
        "one move": np.r_[np.zeros(400), 1e-6],
        "smallest moves": np.full(300, 2e-9) ** 2,
    }


@pytest.mark.parametrize("name", list(worlds()))
def test_likelihood_never_decreases_and_nothing_degenerates(name):
    squared = worlds()[name]
    cut = len(squared) // 3
    bounds = np.array([0, cut, len(squared)]) if cut else np.array([0, len(squared)])
    variance, transition, likelihood = estimate(squared, bounds, 80)
    assert np.diff(likelihood).min() >= -1e-9 * max(abs(likelihood[-1]), 1.0)
    assert (np.diff(variance) >= 0).all()
    assert variance[0] >= 0.999 * max(VARIANCE_FLOOR_SHARE * squared.mean(), 1e-18)
    assert transition.min() >= 0.999 * PROBABILITY_FLOOR
    np.testing.assert_allclose(transition.sum(axis=1), 1.0, atol=1e-12)
    # A filter with these parameters stays a distribution whatever comes.
    wild = np.array([0.0, 1.0, 1e-18, 100.0, 0.0, 1e-4])
    said = run(wild, variance, transition)
    assert np.isfinite(said).all()
    np.testing.assert_allclose(said.sum(axis=0), 1.0, atol=1e-12)
    assert said.min() >= 0.0


def test_the_size_of_returns_only_scales_the_variances():
    squared, bounds = simulated(np.random.default_rng(8), [200] * 20)
    variance, transition, _ = estimate(squared, bounds, 60)
    larger, same, _ = estimate(squared * 37.0**2, bounds, 60)
    np.testing.assert_allclose(larger, variance * 37.0**2, rtol=1e-9)
    np.testing.assert_allclose(same, transition, rtol=1e-8)


def test_a_run_knows_nothing_of_other_rows():
    squared, _ = simulated(np.random.default_rng(9), [60])
    runs = np.array([[0, 10, 20], [10, 20, 40], [20, 40, 60]])
    variances, transitions = np.stack([VARIANCE, 2 * VARIANCE]), np.stack([TRANSITION, TRANSITION])
    said = filtered(squared, runs, np.array([0, -1, 1]), variances, transitions)
    np.testing.assert_array_equal(said[:, :10], 1 / 3)
    np.testing.assert_array_equal(said[:, 20:40], 1 / 3)  # a run without parameters
    np.testing.assert_array_equal(said[:, 10:20], run(squared[:20])[:, 10:])
    np.testing.assert_array_equal(said[:, 40:], run(squared[20:], 2 * VARIANCE)[:, 20:])
    changed = squared.copy()
    changed[50:] = 1.0
    again = filtered(changed, runs, np.array([0, -1, 1]), variances, transitions)
    np.testing.assert_array_equal(again[:, :50], said[:, :50])
