"""Metrics against hand-made values, scikit-learn and repeated rows; direction skill of models that know nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from factory_assets.evaluation.bootstrap import Estimate, SessionResampler
from factory_assets.evaluation.metrics import (
    ScoredRows,
    SessionOutcomes,
    brier,
    calibration_error,
    direction_auc,
    direction_score,
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
        probabilities=p / p.sum(axis=1, keepdims=True),
        label=label,
        fold=session * folds // SESSIONS,
        session=session,
        up_share=np.full(n, 0.55),
    )


def _take(rows, at):
    columns = ("probabilities", "label", "fold", "session", "up_share")
    return ScoredRows(**{name: getattr(rows, name)[at] for name in columns})


def _one(probabilities, label):
    n = len(label)
    return ScoredRows(
        probabilities=np.array(probabilities, dtype=float),
        label=np.array(label, dtype=np.int8),
        fold=np.zeros(n, dtype=np.int64),
        session=np.zeros(n, dtype=np.int64),
        up_share=np.full(n, 0.5),
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
    one_fit = replace(rows, fold=np.full_like(rows.fold, -1))
    touched = rows.label != 0
    p = rows.probabilities[touched]
    want = roc_auc_score(rows.label[touched] > 0, p[:, 2] / (p[:, 0] + p[:, 2]))
    assert direction_auc(one_fit, resampler).value == pytest.approx(want)
    assert probability_metrics(one_fit, resampler)["direction_skill"].value == pytest.approx(want - 0.5)


def test_direction_score_is_the_lean_beyond_the_training_parts():
    p = np.array([[0.2, 0.4, 0.4], [0.1, 0.7, 0.2], [0.0, 1.0, 0.0], [0.3, 0.1, 0.6]])
    got = direction_score(p, np.array([0.5, 2 / 3, 0.5, 0.5]))
    assert got == pytest.approx([math.log(2), 0.0, 0.0, math.log(2)], abs=1e-9)
    assert got[0] == got[3]  # ties are exact
    ends = direction_score(np.array([[0.0, 0.2, 0.8], [0.8, 0.2, 0.0]]), np.array([0.5, 0.5]))
    assert np.isfinite(ends).all()
    assert ends[0] > 20 > -20 > ends[1]


def test_fits_that_learned_their_prior_only_have_no_direction(resampler):
    rows = _rows(folds=4)
    share = np.array([0.4, 0.5, 0.55, 0.6])[rows.fold] + 1e-15
    p = np.column_stack([0.7 * (1 - share), np.full(len(rows), 0.3), 0.7 * share])
    known = replace(rows, probabilities=p, up_share=np.array([0.4, 0.5, 0.55, 0.6])[rows.fold])
    assert direction_auc(known, resampler) == Estimate(value=0.5, low=0.5, high=0.5, rows=int((rows.label != 0).sum()))


def test_interval_of_cross_fitted_rows_is_wider_than_the_sessions_own(resampler):
    rows = _rows(folds=4)
    one, many = (
        direction_auc(replace(rows, fold=np.full_like(rows.fold, -1)), resampler),
        direction_auc(rows, resampler),
    )
    assert many == one.widened(math.sqrt(2))


@pytest.mark.parametrize("metric", [log_loss, brier, macro_f1, direction_auc])
def test_intervals_equal_those_of_repeated_rows(metric, resampler):
    rows = _rows(1, n=200, folds=1)
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


def _cross_fitted(rng, *, lookbacks=(1200, 2400), sessions=48, bars=200, horizon=40, step=5, folds=4, drift=0.0):
    """Rows of a random walk, predicted from slow trailing returns by a fit on the other folds (least squares).

    ``drift`` adds to every move the sign of a state that the features show; 0 leaves nothing to know.
    """
    warm = max(lookbacks)
    moves = rng.standard_normal(warm + sessions * bars + horizon)
    state = np.repeat(np.where(rng.random(len(moves) // bars + 1) < 0.5, 1.0, -1.0), bars)[: len(moves)]
    path = np.r_[0.0, np.cumsum(moves + drift * state)]
    at = warm + (np.arange(sessions)[:, None] * bars + np.arange(0, bars - horizon, step)).ravel()
    session = np.repeat(np.arange(sessions), (bars - horizon) // step)
    move = path[at + horizon] - path[at]
    label = np.where(np.abs(move) < 1.5, 0, np.sign(move)).astype(np.int8)
    x = np.column_stack([(path[at] - path[at - k]) / math.sqrt(k) for k in lookbacks])
    if drift:
        x = np.column_stack([x, state[at]])
    x = np.column_stack([np.ones(len(x)), x])
    fold, touched = session * folds // sessions, label != 0
    up, up_share = np.zeros(len(x)), np.zeros(len(x))
    for f in range(folds):
        first, last = session[fold == f].min(), session[fold == f].max()
        train = touched & ((session < first) | (session > last + 4))
        beta = np.linalg.lstsq(x[train], (label[train] > 0).astype(float), rcond=None)[0]
        up[fold == f] = np.clip(x[fold == f] @ beta, 0.01, 0.99)
        up_share[fold == f] = (label[train] > 0).mean()
    p = np.column_stack([0.8 * (1 - up), np.full(len(up), 0.2), 0.8 * up])
    return ScoredRows(probabilities=p, label=label, fold=fold, session=session, up_share=up_share)


def _plain_auc(rows):
    touched = rows.label != 0
    return roc_auc_score(rows.label[touched] > 0, rows.probabilities[touched, 2])


@pytest.mark.parametrize("lookbacks", [(20, 60), (1200, 2400)])
def test_direction_skill_of_fits_that_know_nothing_is_near_zero_where_the_usual_forms_are_not(lookbacks):
    rng = np.random.default_rng(11)
    ours, pooled, within, above, below = [], [], [], 0, 0
    r = SessionResampler.of(48, resamples=200, confidence=0.98, seed=1)
    worlds = 200
    for _ in range(worlds):
        rows = _cross_fitted(rng, lookbacks=lookbacks)
        estimate = direction_auc(rows, r).shifted(-0.5)
        ours.append(estimate.value)
        above, below = above + (estimate.low > 0), below + (estimate.high < 0)
        pooled.append(_plain_auc(rows) - 0.5)
        within.append(np.mean([_plain_auc(_take(rows, rows.fold == f)) for f in range(4)]) - 0.5)
    error = np.std(ours) / math.sqrt(worlds)
    assert error < 0.006
    # Over 2,500 worlds each the means are -.004 and -.002; the bounds add three standard errors of this test.
    assert -0.0145 < np.mean(ours) < 0.0085
    # What the usual forms make of the same nothing: pooling with fast features, ranks within folds with slow ones.
    if max(lookbacks) < 200:
        assert np.mean(pooled) < -0.02
    else:
        assert np.mean(within) > 0.02
    # 1 % each side is promised; more than 7 of 200 has a chance of 1 in 1,000.
    assert above <= 7
    assert below <= 7


def test_direction_skill_finds_a_planted_state_in_cross_fitted_rows():
    r = SessionResampler.of(48, resamples=200, confidence=0.98, seed=1)
    rng = np.random.default_rng(12)
    assert all(direction_auc(_cross_fitted(rng, drift=0.15), r).low > 0.5 for _ in range(5))


def test_planted_knowledge_has_positive_direction_skill(resampler):
    assert direction_auc(_rows(5, knowledge=0.6), resampler).low > 0.5


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


def test_trade_that_ends_where_it_began_is_no_win():
    outcomes = SessionOutcomes.of_trades(np.array([0.0, 10.0]), np.array([0, 0]), 1)
    assert outcomes.wins.tolist() == [1.0]
    assert trading_samples(outcomes, np.zeros((1, 1), dtype=np.int32))["hit_rate"][0] == 0.5


def test_constant_profit_has_no_sharpe():
    steady = SessionOutcomes.of_daily(np.full(50, 17.3), np.ones(50))
    assert np.isnan(trading_samples(steady, np.arange(50, dtype=np.int32)[None])["sharpe_annual"][0])


def test_all_probability_metrics_are_there(resampler):
    metrics = probability_metrics(_rows(), resampler)
    assert set(metrics) == {"log_loss", "brier", "calibration_error", "macro_f1", "direction_auc", "direction_skill"}
    assert all(m.low <= m.value <= m.high for m in metrics.values())
    assert metrics["direction_skill"] == metrics["direction_auc"].shifted(-0.5)
