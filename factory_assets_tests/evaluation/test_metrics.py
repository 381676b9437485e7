"""Metrics against hand-made values, scikit-learn and repeated rows; direction skill of models that know nothing."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from factory_assets.evaluation.bootstrap import SessionResampler
from factory_assets.evaluation.metrics import (
    ScoredRows,
    SessionOutcomes,
    brier,
    calibration_error,
    direction_auc,
    direction_score,
    direction_skill,
    equal_mass_bins,
    log_loss,
    macro_f1,
    probability_metrics,
    skill,
    trading_metrics,
    trading_samples,
)
from factory_assets.vocabulary.errors import BadInputError

SESSIONS = 20


@pytest.fixture
def resampler():
    return SessionResampler.of(SESSIONS, resamples=60, confidence=0.9, seed=2)


def _rows(seed=0, n=600, folds=4, knowledge=0.5):
    rng = np.random.default_rng(seed)
    label = rng.choice([-1, 0, 1], size=n, p=[0.3, 0.3, 0.4]).astype(np.int8)
    logits = rng.normal(size=(n, 3))
    logits[np.arange(n), label + 1] += knowledge
    p = np.exp(logits)
    session = np.sort(rng.integers(0, SESSIONS, n))
    return ScoredRows(
        probabilities=p / p.sum(axis=1, keepdims=True), label=label, fold=session * folds // SESSIONS, session=session
    )


def _take(rows, at):
    return ScoredRows(
        probabilities=rows.probabilities[at], label=rows.label[at], fold=rows.fold[at], session=rows.session[at]
    )


def _one(probabilities, label):
    n = len(label)
    return ScoredRows(
        probabilities=np.array(probabilities, dtype=float),
        label=np.array(label, dtype=np.int8),
        fold=np.zeros(n, dtype=np.int64),
        session=np.zeros(n, dtype=np.int64),
    )


def test_known_values():
    rows = _one([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], [1, 0])
    r = SessionResampler.of(1, resamples=3, confidence=0.9, seed=0)
    assert log_loss(rows, r).value == pytest.approx(-(math.log(0.5) + math.log(0.3)) / 2)
    assert brier(rows, r).value == pytest.approx((0.04 + 0.09 + 0.25 + 0.36 + 0.49 + 0.01) / 2)
    # Confidences .5 (right) and .6 (wrong) in bins of their own: (.5 + .6) / 2.
    assert calibration_error(rows, r).value == pytest.approx((0.5 + 0.6) / 2)
    # Class +1: F1 1; class 0 missed and class -1 wrongly named: 0.
    assert macro_f1(rows, r).value == pytest.approx(1 / 3)


def test_probability_metrics_equal_scikit_learn(resampler):
    rows = _rows()
    assert log_loss(rows, resampler).value == pytest.approx(sklearn_log_loss(rows.label, rows.probabilities))
    units = np.eye(3)[rows.label.astype(int) + 1]
    assert brier(rows, resampler).value == pytest.approx(((units - rows.probabilities) ** 2).sum() / len(rows))
    predicted = rows.probabilities.argmax(axis=1) - 1
    assert macro_f1(rows, resampler).value == pytest.approx(f1_score(rows.label, predicted, average="macro"))
    one_fold = ScoredRows(
        probabilities=rows.probabilities, label=rows.label, fold=np.zeros_like(rows.fold), session=rows.session
    )
    touched = rows.label != 0
    want = roc_auc_score(rows.label[touched] > 0, direction_score(rows.probabilities[touched]))
    assert direction_auc(one_fold, resampler).value == pytest.approx(want)
    assert direction_skill(one_fold, resampler).value == pytest.approx(want - 0.5)


def test_direction_auc_is_the_pair_weighted_mean_of_the_folds(resampler):
    rows = _rows(folds=4)
    wins = pairs = 0.0
    for fold in range(4):
        part = _take(rows, (rows.fold == fold) & (rows.label != 0))
        up = part.label > 0
        wins += roc_auc_score(up, direction_score(part.probabilities)) * up.sum() * (~up).sum()
        pairs += up.sum() * (~up).sum()
    assert direction_auc(rows, resampler).value == pytest.approx(wins / pairs)


@pytest.mark.parametrize("metric", [log_loss, brier, macro_f1, direction_auc])
def test_intervals_equal_those_of_repeated_rows(metric, resampler):
    rows = _rows(1, n=200)
    values = []
    for draw in resampler.draws:
        at = np.concatenate([np.flatnonzero(rows.session == s) for s in draw])
        values.append(metric(_take(rows, at), resampler).value)
    estimate = metric(rows, resampler)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))


def test_calibration_error_of_honest_and_of_boastful_probabilities():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([2, 2, 2], size=60_000)
    label = (p.cumsum(axis=1) < rng.random((60_000, 1))).sum(axis=1) - 1
    honest = _one(p, label)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    r = SessionResampler.of(1, resamples=2, confidence=0.9, seed=0)
    assert calibration_error(honest, r).value < 0.01
    # Its definition, written as a loop over sorted chunks of equal size (no ties here).
    for rows in (honest, _one(sharp, label)):
        confidence = rows.probabilities.max(axis=1)
        right = rows.probabilities.argmax(axis=1) == rows.column
        chunks = np.array_split(np.argsort(confidence), 15)
        want = sum(abs(right[c].mean() - confidence[c].mean()) * len(c) for c in chunks) / len(confidence)
        assert calibration_error(rows, r).value == pytest.approx(want)
    assert calibration_error(_one(sharp, label), r).value > 0.1


def test_equal_mass_bins_keep_equal_values_together():
    assert equal_mass_bins(np.arange(30.0)).tolist() == [i // 2 for i in range(30)]
    assert len(set(equal_mass_bins(np.full(100, 0.4)).tolist())) == 1


def test_skill_is_paired_and_zero_against_itself(resampler):
    rows, other = _rows(3, knowledge=0.8), _rows(3, knowledge=0.3)
    same = skill(rows, rows, resampler)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    both = skill(rows, other, resampler)
    assert both.value == pytest.approx(log_loss(other, resampler).value - log_loss(rows, resampler).value)
    assert both.value > 0
    assert skill(other, rows, resampler).value == pytest.approx(-both.value)
    with pytest.raises(BadInputError, match="same decisions"):
        skill(rows, _rows(4), resampler)


def _null_world(rng, folds=5, per_session=12, sessions=60):
    """Outcomes that no model can know, but whose up share wanders from fold to fold; scores as a fold's fit makes them.

    A fit's intercept is the up share of the *other* folds, so it is low exactly where outcomes went up.
    """
    session = np.repeat(np.arange(sessions), per_session)
    fold = session * folds // sessions
    share = rng.uniform(0.35, 0.65, size=folds)
    label = np.where(rng.random(len(session)) < share[fold], 1, -1)
    touch = rng.random(len(session)) < 0.7
    label = np.where(touch, label, 0).astype(np.int8)
    up = np.array([(label[(fold != f) & touch] == 1).mean() for f in range(folds)])
    score = np.clip(up[fold] + 0.02 * rng.normal(size=len(session)), 0.01, 0.99)
    p = np.column_stack([0.7 * (1 - score), np.full(len(session), 0.3), 0.7 * score])
    return ScoredRows(probabilities=p, label=label, fold=fold, session=session)


def test_direction_skill_of_models_that_know_nothing_is_centred_on_zero_where_pooling_is_not():
    rng = np.random.default_rng(11)
    within, pooled, above, below = [], [], 0, 0
    r = SessionResampler.of(60, resamples=200, confidence=0.98, seed=1)
    for _ in range(150):
        rows = _null_world(rng)
        estimate = direction_skill(rows, r)
        within.append(estimate.value)
        above, below = above + (estimate.low > 0), below + (estimate.high < 0)
        one = ScoredRows(
            probabilities=rows.probabilities, label=rows.label, fold=np.zeros_like(rows.fold), session=rows.session
        )
        pooled.append(direction_skill(one, SessionResampler.of(60, resamples=1, confidence=0.9, seed=1)).value)
    error = np.std(within) / math.sqrt(len(within))
    assert abs(np.mean(within)) < 3 * error
    assert error < 0.004
    assert np.mean(pooled) < -0.05  # what pooling makes of the same nothing
    assert above <= 6  # 1 % each side is promised; 6 of 150 has a chance below 1 in 1,000
    assert below <= 6


def test_planted_knowledge_has_positive_direction_skill(resampler):
    assert direction_skill(_rows(5, knowledge=0.6), resampler).low > 0


def test_rows_that_are_no_probabilities_are_refused():
    with pytest.raises(BadInputError, match=r"1 rows are no probabilities.*position 1"):
        _one([[0.2, 0.3, 0.5], [0.2, 0.3, 0.6]], [0, 0])
    with pytest.raises(BadInputError, match="no probabilities"):
        _one([[np.nan, 0.3, 0.5]], [0])


def test_trading_metrics_known():
    # Four sessions: +100 -50 | nothing | -80 | +30. Equity 100, 50, 50, -30, 0.
    outcomes = SessionOutcomes.of_trades(np.array([100.0, -50.0, -80.0, 30.0]), np.array([0, 0, 2, 3]), 4)
    values = {
        k: v.value
        for k, v in trading_metrics(outcomes, SessionResampler.of(4, resamples=40, confidence=0.9, seed=0)).items()
    }
    daily = [50.0, 0.0, -80.0, 30.0]
    assert values["net_pnl_dollars"] == 0.0
    assert values["sharpe_annual"] == 0.0
    assert values["max_drawdown_dollars"] == 130.0  # from 100 within session 0 to -30
    assert values["trades"] == 4
    assert values["turnover_contracts_per_session"] == 2.0
    assert values["hit_rate"] == 0.5
    outcomes = SessionOutcomes.of_trades(np.array([100.0, -50.0, -80.0, 50.0]), np.array([0, 0, 2, 3]), 4)
    daily = np.array([50.0, 0.0, -80.0, 50.0])
    values = trading_samples(outcomes, np.arange(4, dtype=np.int32)[None])
    assert values["sharpe_annual"][0] == pytest.approx(math.sqrt(252) * 5.0 / daily.std(ddof=1))
    assert values["sortino_annual"][0] == pytest.approx(math.sqrt(252) * 5.0 / math.sqrt(80.0**2 / 4))


def test_trading_samples_equal_those_of_repeated_sessions():
    rng = np.random.default_rng(7)
    session = np.sort(rng.integers(0, SESSIONS, 60))
    dollars = rng.normal(0, 50, 60)
    outcomes = SessionOutcomes.of_trades(dollars, session, SESSIONS)
    r = SessionResampler.of(SESSIONS, resamples=30, confidence=0.9, seed=4)
    got = trading_samples(outcomes, r.draws)
    for b, draw in enumerate(r.draws):
        trades = np.concatenate([dollars[session == s] for s in draw])
        daily = np.array([dollars[session == s].sum() for s in draw])
        equity = np.r_[0.0, trades.cumsum()]
        want = {
            "net_pnl_dollars": trades.sum(),
            "sharpe_annual": math.sqrt(252) * daily.mean() / daily.std(ddof=1),
            "sortino_annual": math.sqrt(252) * daily.mean() / math.sqrt((np.minimum(daily, 0) ** 2).mean()),
            "max_drawdown_dollars": (np.maximum.accumulate(equity) - equity).max(),
            "turnover_contracts_per_session": 2 * len(trades) / SESSIONS,
            "trades": len(trades),
            "hit_rate": (trades > 0).mean(),
        }
        assert {name: got[name][b] for name in want} == pytest.approx(want)


def test_nothing_traded_is_zero_money_and_no_ratio():
    flat = SessionOutcomes.of_trades(np.zeros(0), np.zeros(0, dtype=np.int64), 5)
    values = trading_metrics(flat, SessionResampler.of(5, resamples=20, confidence=0.9, seed=0))
    assert {name: values[name].value for name in ("net_pnl_dollars", "max_drawdown_dollars", "trades")} == {
        "net_pnl_dollars": 0.0,
        "max_drawdown_dollars": 0.0,
        "trades": 0.0,
    }
    for name in ("sharpe_annual", "sortino_annual", "hit_rate"):
        assert np.isnan([values[name].value, values[name].low, values[name].high]).all()


def test_constant_profit_has_no_sharpe():
    steady = SessionOutcomes.of_daily(np.full(50, 17.3), np.ones(50))
    assert np.isnan(trading_samples(steady, np.arange(50, dtype=np.int32)[None])["sharpe_annual"][0])


def test_all_probability_metrics_are_there(resampler):
    metrics = probability_metrics(_rows(), resampler)
    assert set(metrics) == {"log_loss", "brier", "calibration_error", "macro_f1", "direction_auc", "direction_skill"}
    assert all(m.low <= m.value <= m.high for m in metrics.values())
    assert metrics["direction_skill"] == direction_skill(_rows(), resampler)
