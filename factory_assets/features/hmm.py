"""A hidden Markov model of volatility: three states of zero-mean Gaussian returns, estimated and filtered.

The mean is fixed at zero: over bars of minutes to an hour a state's mean return is a few hundredths of its deviation
and an estimate of it mostly noise; with it fixed the states differ in variance alone, by which they are ordered.

Belongs here: the arithmetic, on plain arrays of squared returns. Does not: which sessions enter and for how long the
parameters hold (:mod:`factory_assets.features.regime_estimation`), or what is published of it
(:mod:`factory_assets.features.regime`).

References
----------
Baum, Petrie, Soules and Weiss (1970), Annals of Mathematical Statistics 41, pp. 164-171; Hamilton (1989), Econometrica
57, pp. 357-384; Ryden, Terasvirta and Asbrink (1998), Journal of Applied Econometrics 13, pp. 217-244 (zero-mean states
reproduce the stylised facts of daily returns).
"""

import math

import numba
import numpy as np

from factory_assets.features.kernels import TIE_SHARE

STATES = 3
UNIFORM = 1.0 / STATES
# A state's deviation is at least a tenth of that of all returns, and never below the tie band: bars without a move,
# the mode of thin markets, must not become a state of their own with a variance that runs to zero.
VARIANCE_FLOOR_SHARE = 0.01
# No move between states is ruled out: a filter that did would divide by zero at the first one.
PROBABILITY_FLOOR = 1e-6
_START_QUANTILES = (0.4, 0.7, 0.95)
_START_STAY = 0.95


def estimate(squared: np.ndarray, bounds: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters of the model by Baum-Welch (expectation-maximisation) with a fixed number of iterations.

    Fixed, because a rule that stops once little changes would let rounding decide how many there are. The start comes
    from quantiles of the returns' size; nothing is drawn.

    Parameters
    ----------
    squared : ndarray of float64, shape (N,)
        Squared returns, one sequence after the other; N >= 1.
    bounds : ndarray of int64, shape (S + 1,)
        Row each sequence begins at, and N. Sequences are independent: each starts from the same estimated distribution.
    iterations : int
        Iterations, at least 1.

    Returns
    -------
    variance : ndarray of float64, shape (3,)
        Variance of the return in each state, not decreasing.
    transition : ndarray of float64, shape (3, 3)
        Probability of the next bar's state (column) given this one's (row); each at least
        :data:`PROBABILITY_FLOOR`, rows sum to 1.
    log_likelihood : ndarray of float64, shape (iterations + 1,)
        Before each iteration and after the last one; never decreases.
    """
    floor = max(VARIANCE_FLOOR_SHARE * float(np.mean(squared)), TIE_SHARE**2)
    variance = np.maximum(np.quantile(squared, _START_QUANTILES), floor * np.array([1.0, 2.0, 4.0]))
    transition = np.full((STATES, STATES), (1.0 - _START_STAY) / (STATES - 1))
    np.fill_diagonal(transition, _START_STAY)
    return _baum_welch(squared, bounds, np.maximum.accumulate(variance), transition, floor, iterations)


@numba.njit(cache=True)
def stationary(transition: np.ndarray) -> np.ndarray:
    """Long-run share of each state, shape (3,), by the Markov chain tree theorem: sums of products, no solver."""
    a = transition
    share = np.array(
        [
            a[1, 0] * a[2, 0] + a[1, 2] * a[2, 0] + a[2, 1] * a[1, 0],
            a[0, 1] * a[2, 1] + a[0, 2] * a[2, 1] + a[2, 0] * a[0, 1],
            a[0, 2] * a[1, 2] + a[0, 1] * a[1, 2] + a[1, 0] * a[0, 2],
        ]
    )
    return share / share.sum()


@numba.njit(cache=True)
def filtered(
    squared: np.ndarray, runs: np.ndarray, chosen: np.ndarray, variances: np.ndarray, transitions: np.ndarray
) -> np.ndarray:
    """Probability of each state given the returns of a run up to the row.

    Parameters
    ----------
    squared : ndarray of float64, shape (N,)
        Squared returns.
    runs : ndarray of int64, shape (R, 3)
        As :func:`factory_assets.features.restart.restarted_runs`: where a run starts, from the stationary distribution;
        from where its values are kept; where it ends.
    chosen : ndarray of int64, shape (R,)
        Parameters of each run, by position; -1 for none.
    variances, transitions : ndarray of float64, shapes (Q, 3) and (Q, 3, 3)
        Parameters as :func:`estimate` returns them.

    Returns
    -------
    ndarray of float64, shape (3, N)
        Rows sum to 1 over the states; the uniform distribution on rows of no run or of one without parameters. Row i
        depends on no row after i and none before its run.
    """
    out = np.full((STATES, len(squared)), UNIFORM)
    for r in range(len(runs)):
        if chosen[r] < 0:
            continue
        variance, a = variances[chosen[r]], transitions[chosen[r]]
        low, mid, low_slope, mid_slope = _relative_density(variance)
        share = stationary(a)
        p0, p1, p2 = share[0], share[1], share[2]
        for i in range(runs[r, 0], runs[r, 2]):
            p0 *= low * math.exp(-squared[i] * low_slope)
            p1 *= mid * math.exp(-squared[i] * mid_slope)
            total = p0 + p1 + p2
            p0, p1, p2 = p0 / total, p1 / total, p2 / total
            if i >= runs[r, 1]:
                out[0, i], out[1, i], out[2, i] = p0, p1, p2
            p0, p1, p2 = (
                p0 * a[0, 0] + p1 * a[1, 0] + p2 * a[2, 0],
                p0 * a[0, 1] + p1 * a[1, 1] + p2 * a[2, 1],
                p0 * a[0, 2] + p1 * a[1, 2] + p2 * a[2, 2],
            )
    return out


@numba.njit(cache=True)
def _relative_density(variance: np.ndarray) -> tuple[float, float, float, float]:
    """Densities of the first two states over that of the last, which has the largest variance.

    Each is factor x exp(-squared return x slope), bounded however large the return: nothing under- or overflows.
    """
    half = 0.5 / variance[2]
    return (
        math.sqrt(variance[2] / variance[0]),
        math.sqrt(variance[2] / variance[1]),
        0.5 / variance[0] - half,
        0.5 / variance[1] - half,
    )


@numba.njit(cache=True)
def _baum_welch(
    squared: np.ndarray, bounds: np.ndarray, variance: np.ndarray, transition: np.ndarray, floor: float, iterations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = len(squared)
    start = np.full(STATES, UNIFORM)
    likelihood = np.empty(iterations + 1)
    # Forward probabilities, relative densities of the first two states, and one over each row's normalisation.
    alpha, density, inverse = np.empty((n, 3)), np.empty((n, 2)), np.empty(n)
    weight, energy, opened, moved = np.empty(3), np.empty(3), np.empty(3), np.empty((3, 3))
    for k in range(iterations):
        likelihood[k] = _forward(squared, bounds, variance, transition, start, alpha, density, inverse)
        _backward(squared, bounds, transition, alpha, density, inverse, weight, energy, opened, moved)
        renewed = np.empty(3)
        for i in range(STATES):
            renewed[i] = max(energy[i] / weight[i], floor) if weight[i] > 0.0 else variance[i]
            if moved[i].sum() > 0.0:
                transition[i] = _shares(moved[i])
        start = _shares(opened)
        order = np.argsort(renewed, kind="mergesort")
        variance, start, transition = renewed[order], start[order], transition[order][:, order]
    likelihood[iterations] = _forward(squared, bounds, variance, transition, start, alpha, density, inverse)
    return variance, transition, likelihood


@numba.njit(cache=True)
def _shares(counts: np.ndarray) -> np.ndarray:
    """Shares that maximise sum(counts x log(share)) while none is below :data:`PROBABILITY_FLOOR`."""
    shares = counts / counts.sum()
    held = np.zeros(STATES, dtype=np.bool_)
    for _ in range(STATES - 1):
        for i in range(STATES):
            held[i] = held[i] or shares[i] <= PROBABILITY_FLOOR
        free = 0.0
        for i in range(STATES):
            free += 0.0 if held[i] else counts[i]
        left = 1.0 - PROBABILITY_FLOOR * held.sum()
        for i in range(STATES):
            shares[i] = PROBABILITY_FLOOR if held[i] else counts[i] / free * left
    return shares


@numba.njit(cache=True)
def _forward(
    squared: np.ndarray,
    bounds: np.ndarray,
    variance: np.ndarray,
    transition: np.ndarray,
    start: np.ndarray,
    alpha: np.ndarray,
    density: np.ndarray,
    inverse: np.ndarray,
) -> float:
    """Fill ``alpha``, ``density`` and ``inverse``; the log likelihood."""
    low, mid, low_slope, mid_slope = _relative_density(variance)
    a00, a01, a02 = transition[0]
    a10, a11, a12 = transition[1]
    a20, a21, a22 = transition[2]
    log_sum, product, energy = 0.0, 1.0, 0.0
    for s in range(len(bounds) - 1):
        p0, p1, p2 = start
        for i in range(bounds[s], bounds[s + 1]):
            d0 = low * math.exp(-squared[i] * low_slope)
            d1 = mid * math.exp(-squared[i] * mid_slope)
            total = p0 * d0 + p1 * d1 + p2
            back = 1.0 / total
            p0, p1, p2 = p0 * d0 * back, p1 * d1 * back, p2 * back
            alpha[i, 0], alpha[i, 1], alpha[i, 2] = p0, p1, p2
            density[i, 0], density[i, 1], inverse[i] = d0, d1, back
            energy += squared[i]
            # One logarithm for many rows; the product is taken out long before it could leave the range of floats.
            product *= total
            if product > 1e100 or product < 1e-100:
                log_sum += math.log(product)
                product = 1.0
            p0, p1, p2 = (
                p0 * a00 + p1 * a10 + p2 * a20,
                p0 * a01 + p1 * a11 + p2 * a21,
                p0 * a02 + p1 * a12 + p2 * a22,
            )
    of_last = 0.5 * (energy / variance[2] + len(squared) * math.log(2.0 * math.pi * variance[2]))
    return log_sum + math.log(product) - of_last


@numba.njit(cache=True)
def _backward(
    squared: np.ndarray,
    bounds: np.ndarray,
    transition: np.ndarray,
    alpha: np.ndarray,
    density: np.ndarray,
    inverse: np.ndarray,
    weight: np.ndarray,
    energy: np.ndarray,
    opened: np.ndarray,
    moved: np.ndarray,
) -> None:
    """Expected time in each state, squared returns met there, sequences begun there, and moves from each to each."""
    a00, a01, a02 = transition[0]
    a10, a11, a12 = transition[1]
    a20, a21, a22 = transition[2]
    w0, w1, w2, e0, e1, e2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    opened[:] = 0.0
    for s in range(len(bounds) - 1):
        b0, b1, b2 = 1.0, 1.0, 1.0
        for i in range(bounds[s + 1] - 1, bounds[s] - 1, -1):
            g0, g1, g2 = alpha[i, 0] * b0, alpha[i, 1] * b1, alpha[i, 2] * b2
            w0, w1, w2 = w0 + g0, w1 + g1, w2 + g2
            e0, e1, e2 = e0 + g0 * squared[i], e1 + g1 * squared[i], e2 + g2 * squared[i]
            if i == bounds[s]:
                opened[0], opened[1], opened[2] = opened[0] + g0, opened[1] + g1, opened[2] + g2
                continue
            x0, x1, x2 = density[i, 0] * b0 * inverse[i], density[i, 1] * b1 * inverse[i], b2 * inverse[i]
            p0, p1, p2 = alpha[i - 1, 0], alpha[i - 1, 1], alpha[i - 1, 2]
            m00, m01, m02 = m00 + p0 * x0, m01 + p0 * x1, m02 + p0 * x2
            m10, m11, m12 = m10 + p1 * x0, m11 + p1 * x1, m12 + p1 * x2
            m20, m21, m22 = m20 + p2 * x0, m21 + p2 * x1, m22 + p2 * x2
            b0, b1, b2 = (
                a00 * x0 + a01 * x1 + a02 * x2,
                a10 * x0 + a11 * x1 + a12 * x2,
                a20 * x0 + a21 * x1 + a22 * x2,
            )
    weight[:] = w0, w1, w2
    energy[:] = e0, e1, e2
    moved[0] = m00 * a00, m01 * a01, m02 * a02
    moved[1] = m10 * a10, m11 * a11, m12 * a12
    moved[2] = m20 * a20, m21 * a21, m22 * a22
