"""Multinomial logistic regression: fit, probabilities and JSON, shared by the classical model and the meta-learner.

Probabilities are softmax of ``x @ coefficients.T + intercept``, penalised by the squared norm of the coefficients
(never of the intercept): the minimum of ``sum_i w_i * loss_i + |coefficients|^2 / (2 * inverse_l2)``. Weights are
absolute, so a row of weight k is k rows.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from factory_assets.models.parameters import ModelParameters, parameter
from factory_assets.models.samples import Samples
from factory_assets.models.softmax import softmax
from factory_assets.vocabulary.errors import FitError, IntegrityError

_FILE = "coefficients.json"
_SHAPES = MappingProxyType({"coefficients": True, "intercept": False, "log_prior": False})  # one a feature?


@dataclass(frozen=True, kw_only=True)
class MultinomialParameters(ModelParameters):
    """Parameters of a penalised multinomial logistic regression.

    Attributes
    ----------
    inverse_l2 : float
        Prior variance of a coefficient (scikit-learn's ``C``); small is strong shrinkage towards the class shares.
    balanced : bool
        Whether classes are weighted to equal totals in the fit, the probabilities being corrected back afterwards.
    max_iter : int
        Most iterations of L-BFGS; a fit that needs more is an error.
    tolerance : float
        Largest entry of the mean-loss gradient at which the fit counts as converged.
    """

    inverse_l2: float = parameter(0.01, low=1e-9, high=1e9)
    balanced: bool = parameter(False)
    max_iter: int = parameter(2000, low=1)
    tolerance: float = parameter(1e-6, low=1e-12, high=1e-1)


@dataclass(frozen=True)
class Multinomial:
    """Fitted coefficients.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (K, F)
    intercept : ndarray of float64, shape (K,)
        As fitted, that is, for equally frequent classes where the fit was balanced.
    log_prior : ndarray of float64, shape (K,)
        What prior correction adds to the logits; zeros where the fit was not balanced.
    iterations : int
        Iterations until convergence.
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    log_prior: np.ndarray
    iterations: int


def fit_multinomial(samples: Samples, class_count: int, params: MultinomialParameters, what: str) -> Multinomial:
    """Fit on one thread (sums in another order would end in other last bits).

    With ``balanced``, row i of class c is weighted by ``w_i * W / (K * W_c)``, where W_c is the class's weight and W
    the total. The fit then estimates ``q_c(x)``, the posterior under equal priors. By Bayes' rule the posterior under
    the training shares ``pi_c = W_c / W`` is ``p_c(x) = q_c(x) pi_c / sum_k q_k(x) pi_k``: the logits gain log pi_c.

    Raises
    ------
    FitError
        If L-BFGS does not converge within ``max_iter``.

    References
    ----------
    King & Zeng (2001), Logistic Regression in Rare Events Data, Political Analysis 9(2), pp. 144-145.
    Saerens, Latinne & Decaestecker (2002), Adjusting the Outputs of a Classifier to New a Priori Probabilities, Neural
    Computation 14(1), p. 24, eq. 2.4.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weight, log_prior = samples.weight, np.zeros(class_count)
    if params.balanced:
        class_weight = np.bincount(samples.target, weights=weight, minlength=class_count)
        total = class_weight.sum()
        log_prior = np.log(class_weight / total)
        weight = weight * (total / (class_count * class_weight))[samples.target]
    solver = LogisticRegression(C=params.inverse_l2, max_iter=params.max_iter, tol=params.tolerance, solver="lbfgs")
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            solver.fit(samples.table.astype(np.float64), samples.target, sample_weight=weight)
        except ConvergenceWarning as problem:
            raise FitError(
                f"{what}: not converged within max_iter={params.max_iter} on {samples.table.shape} values, the "
                f"largest {np.abs(samples.table).max():.3g}; scale the columns, raise max_iter or lower inverse_l2"
            ) from problem
    coefficients, intercept = solver.coef_, solver.intercept_
    if class_count == 2:  # one row of coefficients for the second class; the first class has logit 0
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    # One memory layout, whichever way the solver left it: einsum's order of summation follows the layout.
    return Multinomial(np.ascontiguousarray(coefficients), intercept, log_prior, int(solver.n_iter_.max()))


def multinomial_probabilities(fitted: Multinomial, features: np.ndarray) -> np.ndarray:
    """Prior-corrected probabilities, shape (N, K).

    Sums run by einsum, not BLAS: the result of a row does not depend on the rows beside it, so a live row equals its
    row in a batch bit for bit.
    """
    logits = np.einsum("nf,cf->nc", np.ascontiguousarray(features, dtype=np.float64), fitted.coefficients)
    logits += fitted.intercept + fitted.log_prior
    return softmax(logits)


def multinomial_files(fitted: Multinomial) -> dict[str, bytes]:
    """The fit as one JSON file; Python spells floats so that they read back bit for bit."""
    values = {
        "coefficients": fitted.coefficients.tolist(),
        "intercept": fitted.intercept.tolist(),
        "log_prior": fitted.log_prior.tolist(),
        "iterations": fitted.iterations,
    }
    return {_FILE: json.dumps(values, allow_nan=False).encode()}


def multinomial_from(files: Mapping[str, bytes], class_count: int, shape: tuple[int, ...], what: str) -> Multinomial:
    """The fit from :func:`multinomial_files`.

    Raises
    ------
    IntegrityError
        Values missing, not finite, or of other shapes than the header's.
    """
    try:
        values = json.loads(files[_FILE])
        read = {key: np.array(values[key], dtype=np.float64) for key in _SHAPES}
        fitted = Multinomial(**read, iterations=int(values["iterations"]))
    except (KeyError, TypeError, ValueError) as problem:
        raise IntegrityError(f"saved {what}: {_FILE} cannot be read: {problem}") from problem
    expected = {key: (class_count, *(shape if with_columns else ())) for key, with_columns in _SHAPES.items()}
    found = {key: array.shape for key, array in read.items()}
    if found != expected or not all(np.isfinite(array).all() for array in read.values()):
        raise IntegrityError(f"saved {what}: expected finite values of shapes {expected}, got {found}")
    return fitted
