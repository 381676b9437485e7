"""The linear model against known values, an oracle that shares no code, and the prior-correction formula."""

import numpy as np
import pytest
from scipy.optimize import minimize

from factory_assets.models import create
from factory_assets.models.multinomial import MultinomialParameters, fit_multinomial, multinomial_probabilities
from factory_assets.models.samples import Samples
from factory_assets.vocabulary.errors import FitError


def _world(rows=300, columns=4, classes=3, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns))
    y = np.clip(np.round(x[:, 0] + rng.normal(size=rows)), 0, classes - 1).astype(int)
    return x, y, rng.uniform(0.2, 3.0, rows)


def test_without_information_the_probabilities_are_the_weighted_class_shares():
    # weights 1, 2, 1 on class 0 and 4 on class 2, 2 on class 1: shares .4, .2, .4, exactly
    x, y = np.zeros((5, 1)), np.array([0, 0, 0, 1, 2])
    for name in ("logistic", "logistic_meta"):
        model = create(name, tolerance=1e-10).fit(x, y, sample_weight=np.array([1.0, 2.0, 1.0, 2.0, 4.0]))
        assert np.allclose(model.predict_proba(np.zeros((1, 1))), [[0.4, 0.2, 0.4]], atol=1e-8)


def test_prior_correction_is_bayes_rule():
    x, y, w = _world()
    samples = Samples(x, y, w)
    fitted = fit_multinomial(samples, 3, MultinomialParameters(balanced=True), "here")
    shares = np.array([w[y == k].sum() for k in range(3)]) / w.sum()
    assert np.allclose(fitted.log_prior, np.log(shares))
    for row, corrected in zip(x[:20], multinomial_probabilities(fitted, x[:20]), strict=True):
        balanced = np.exp(fitted.coefficients @ row + fitted.intercept)
        balanced /= balanced.sum()
        assert np.allclose(corrected, balanced * shares / (balanced * shares).sum(), atol=1e-12)


def test_balanced_fit_weighs_every_class_alike_and_keeps_the_total():
    x, y, w = _world()
    params = MultinomialParameters(balanced=True, tolerance=1e-9)
    balanced = fit_multinomial(Samples(x, y, w), 3, params, "here")
    by_hand = w.copy()
    for k in range(3):
        by_hand[y == k] *= w.sum() / (3 * w[y == k].sum())
    assert np.isclose(by_hand.sum(), w.sum())
    plain = fit_multinomial(Samples(x, y, by_hand), 3, MultinomialParameters(tolerance=1e-9), "here")
    assert np.allclose(balanced.coefficients, plain.coefficients, atol=1e-6)


def test_balanced_fit_with_correction_recovers_the_true_posterior():
    # two unit Gaussians at -1 and +1, shares 9:1; the true log odds are 2x + log(1/9)
    rng = np.random.default_rng(0)
    y = (rng.random(40_000) < 0.1).astype(int)
    x = rng.normal(size=(len(y), 1)) + (2 * y - 1)[:, None]
    grid = np.linspace(-2, 2, 9)[:, None]
    found = create("logistic", inverse_l2=1e3).fit(x, y).predict_proba(grid)[:, 1]
    true = 1 / (1 + np.exp(-(2 * grid[:, 0] + np.log(1 / 9))))
    assert np.abs(found - true).max() < 0.03


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_fit_is_the_minimum_of_the_stated_objective(classes):
    x, y, w = _world(classes=classes)
    inverse_l2 = 0.05
    fitted = fit_multinomial(
        Samples(x, y, w), classes, MultinomialParameters(inverse_l2=inverse_l2, tolerance=1e-9), "here"
    )

    def _objective(flat):
        table = flat.reshape(classes, x.shape[1] + 1)
        if classes == 2:  # one row of coefficients: the first class has logit 0
            table = np.vstack([np.zeros(x.shape[1] + 1), table[1]])
        total = 0.0
        for i in range(len(y)):
            logits = [table[k, :-1] @ x[i] + table[k, -1] for k in range(classes)]
            top = max(logits)
            total += w[i] * (top + np.log(sum(np.exp(v - top) for v in logits)) - logits[y[i]])
        return total + (table[:, :-1] ** 2).sum() / (2 * inverse_l2)

    ours = np.hstack([fitted.coefficients, fitted.intercept[:, None]]).ravel()
    best = minimize(_objective, ours, method="L-BFGS-B", options={"maxiter": 5})
    assert _objective(ours) <= best.fun + 1e-5
    assert _objective(np.zeros_like(ours)) > best.fun + 1.0


def test_fit_that_does_not_converge_is_an_error_that_says_what_to_do():
    x, y, _ = _world()
    model = create("logistic", max_iter=2)
    with pytest.raises(FitError, match=r"max_iter=2.*raise max_iter"):
        model.fit(x * [1.0, 1e4, 1e-3, 1.0], y)
    assert not model.is_fitted


def test_iterations_are_reported():
    x, y, _ = _world()
    assert 2 < create("logistic").fit(x, y).fit_report_["iterations"] < 100


def test_strong_penalty_falls_back_to_the_shares_and_evidence_leads_away():
    x, y, _ = _world(rows=60)
    shares = np.bincount(y, minlength=3) / len(y)
    near = create("logistic_meta", inverse_l2=1e-8).fit(x, y).predict_proba(x)
    assert np.abs(near - shares).max() < 1e-3
    many = np.tile(np.arange(len(y)), 2000)
    far = create("logistic_meta").fit(x[many], y[many]).predict_proba(x)
    assert np.abs(far - shares).max() > 0.3


def test_result_does_not_depend_on_blas_threads():
    from threadpoolctl import threadpool_limits

    x, y, w = _world(rows=4000, columns=120, seed=9)
    files = []
    for limit in (1, 2):
        with threadpool_limits(limits=limit):
            files.append(create("logistic").fit(x, y, w).to_files())
    assert files[0] == files[1]
