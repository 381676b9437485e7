"""Resampling against repeating the rows themselves, AUC against all pairs, drawdown against the path."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from factory_assets.evaluation.bootstrap import (
    Estimate,
    SessionResampler,
    auc_samples,
    drawdown_samples,
    session_sums,
)
from factory_assets.vocabulary.errors import BadInputError


def _resampler(sessions, resamples=50, seed=5, confidence=0.95):
    return SessionResampler.of(sessions, resamples=resamples, confidence=confidence, seed=seed)


def _pairs(score, positive, weight):
    """AUC by comparing every pair, in plain Python; a row of weight k is k rows."""
    wins = pairs = 0.0
    for i in range(len(score)):
        for j in range(len(score)):
            if positive[i] and not positive[j]:
                both = weight[i] * weight[j]
                pairs += both
                wins += both * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return wins / pairs if pairs else float("nan")


def test_counts_are_the_draws_and_the_seed_decides():
    r = _resampler(7)
    for draw, count in zip(r.draws, r.counts, strict=True):
        assert [int((draw == s).sum()) for s in range(7)] == count.tolist()
    assert np.array_equal(r.draws, _resampler(7).draws)
    assert not np.array_equal(r.draws, _resampler(7, seed=6).draws)


def test_totals_equal_sums_over_repeated_rows():
    rng = np.random.default_rng(0)
    session, values = np.sort(rng.integers(0, 9, 100)), rng.normal(size=(100, 2))
    r = _resampler(9)
    got = r.totals(session_sums(values, session, 9))
    for draw, total in zip(r.draws, got, strict=True):
        rows = np.concatenate([np.flatnonzero(session == s) for s in draw])
        assert total == pytest.approx(values[rows].sum(axis=0))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_auc_equals_all_pairs(seed):
    rng = np.random.default_rng(seed)
    n, sessions = int(rng.integers(0, 40)), 5
    score = rng.choice([0.1, 0.2, 0.5, 0.9], size=n) if seed % 2 else rng.random(n)
    positive, session = rng.random(n) < 0.5, rng.integers(0, sessions, n)
    counts = np.vstack([np.ones(sessions), _resampler(sessions, 3, seed).counts])
    got = auc_samples(score, positive, session, counts)
    want = [_pairs(score, positive, row[session]) for row in counts]
    assert got == pytest.approx(want, nan_ok=True)


def test_auc_equals_scikit_learn_with_weights():
    rng = np.random.default_rng(1)
    positive, session = rng.random(3000) < 0.4, rng.integers(0, 40, 3000)
    score = np.round(positive * 0.3 + rng.normal(size=3000), 2)
    counts = _resampler(40, 5).counts
    got = auc_samples(score, positive, session, counts)
    assert got == pytest.approx([roc_auc_score(positive, score, sample_weight=row[session]) for row in counts])


def test_estimate_widened_and_shifted():
    estimate = Estimate(value=1.0, low=0.5, high=2.0, rows=7)
    assert estimate.widened(2.0) == Estimate(value=1.0, low=0.0, high=3.0, rows=7)
    assert estimate.shifted(-0.5) == Estimate(value=0.5, low=0.0, high=1.5, rows=7)


def _path_drawdown(trades):
    equity = peak = worst = 0.0
    for dollars in trades:
        equity += dollars
        peak = max(peak, equity)
        worst = max(worst, peak - equity)
    return worst


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(-50, 50), max_size=5), min_size=1, max_size=8), st.integers(0, 99))
def test_drawdown_of_drawn_sessions_equals_that_of_their_trades_in_a_row(by_session, seed):
    running = [np.cumsum([0, *trades]) for trades in by_session]
    arrays = (
        [float(r[-1]) for r in running],
        [float(r.min()) for r in running],
        [float(r.max()) for r in running],
        [_path_drawdown(trades) for trades in by_session],
    )
    draws = np.random.default_rng(seed).integers(0, len(by_session), size=(4, 6))
    want = [_path_drawdown([dollars for s in draw for dollars in by_session[s]]) for draw in draws]
    assert drawdown_samples(*map(np.array, arrays), draws).tolist() == want


def test_interval_is_the_percentile_interval_and_is_widened_to_its_value():
    r = _resampler(3, resamples=101, confidence=0.9)
    samples = np.arange(101.0)
    inside = r.estimate(50.0, samples, 9)
    assert (inside.low, inside.high) == pytest.approx((5.0, 95.0))
    assert (r.estimate(2.0, samples, 9).low, r.estimate(99.0, samples, 9).high) == (2.0, 99.0)
    assert r.estimate(50.0, samples, 9).rows == 9


def test_interval_is_null_when_too_many_resamples_are_undefined():
    r = _resampler(3, resamples=100)
    samples = np.arange(100.0)
    samples[:10] = np.nan
    assert np.isfinite(r.estimate(50.0, samples, 1).low)
    samples[10] = np.nan
    assert np.isnan([r.estimate(50.0, samples, 1).low, r.estimate(50.0, samples, 1).high]).all()
    assert np.isnan(r.estimate(np.nan, np.arange(100.0), 1).low)


def test_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(3), 0
    r = _resampler(80, resamples=400, confidence=0.9)
    for _ in range(300):
        shock = rng.normal(size=80)  # shared by a session's rows: rows are no independent draws
        sums = 5 * shock + rng.normal(size=80)
        estimate = r.estimate(sums.sum() / 400, r.totals(sums) / 400, 400)
        covered += estimate.low <= 0.0 <= estimate.high
    assert 0.84 <= covered / 300 <= 0.95


def test_wrong_requests_are_refused():
    with pytest.raises(BadInputError, match="sessions >= 1"):
        _resampler(0)
    with pytest.raises(BadInputError, match="over 4 sessions was handed sums of 3"):
        _resampler(4).totals(np.ones(3))
