"""How much a Sharpe ratio over so many sessions can prove.

Plain functions of per-period Sharpe ratios; nothing here reads a table. The page of the sealed test is put together
in :mod:`factory_assets.evaluation.test_report`.

References
----------
Bailey & Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2): eq. 9-11 (probabilistic
Sharpe ratio) and eq. 13 (minimum track record length). Sidak (1967), JASA 62 (correction for repeated looks).
"""

import math
from dataclasses import dataclass

import numpy as np

from factory_assets.vocabulary.errors import BadInputError

SESSIONS_PER_YEAR = 252


@dataclass(frozen=True, kw_only=True)
class ReturnMoments:
    """Moments of daily outcomes, one a session, sessions without trades included as zeros.

    Attributes
    ----------
    sessions : int
        Number of sessions.
    sharpe_daily : float
        Mean over standard deviation (ddof 1) of one session; NaN if nothing varies.
    skewness : float
        Third standardised moment (0 for a normal); NaN if nothing varies.
    kurtosis : float
        Fourth standardised moment, **not** in excess (3 for a normal); NaN if nothing varies.
    """

    sessions: int
    sharpe_daily: float
    skewness: float
    kurtosis: float

    @property
    def sharpe_annual(self) -> float:
        """Daily Sharpe x sqrt(252)."""
        return self.sharpe_daily * math.sqrt(SESSIONS_PER_YEAR)

    @classmethod
    def of(cls, daily: np.ndarray) -> "ReturnMoments":
        """Moments of an array of daily outcomes, shape (S,), in any unit."""
        daily = np.asarray(daily, dtype=np.float64)
        n = len(daily)
        spread = float(daily.std()) if n else 0.0
        # A constant series leaves rounding noise of the order of its mean's last digits: no variation.
        if n < 2 or spread <= 1e-12 * max(float(np.abs(daily).max()), 1e-300):
            return cls(sessions=n, sharpe_daily=math.nan, skewness=math.nan, kurtosis=math.nan)
        z = (daily - daily.mean()) / spread
        return cls(
            sessions=n,
            sharpe_daily=float(daily.mean() / daily.std(ddof=1)),
            skewness=float((z**3).mean()),
            kurtosis=float((z**4).mean()),
        )


def sharpe_variance(sharpe: float, *, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Variance of a per-period Sharpe estimate times (n - 1): ``1 - g3 SR + (g4 - 1) / 4 SR^2``.

    Raises
    ------
    BadInputError
        If the moments contradict each other so that the expression is not positive.
    """
    value = 1.0 - skewness * sharpe + 0.25 * (kurtosis - 1.0) * sharpe * sharpe
    if value <= 0:
        raise BadInputError(
            f"Sharpe {sharpe}, skewness {skewness}, kurtosis {kurtosis}: no distribution has these moments "
            "(kurtosis >= 1 + skewness^2 has to hold; kurtosis is not in excess)"
        )
    return value


def probabilistic_sharpe(
    sharpe: float, sessions: int, *, benchmark: float = 0.0, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true Sharpe exceeds ``benchmark``, given the estimate; all Sharpes per session.

    Parameters
    ----------
    sharpe, benchmark : float
        Estimated and required Sharpe **per session** (annual / sqrt(252)).
    sessions : int
        Observations behind the estimate.
    skewness, kurtosis : float
        Moments of the daily outcomes; kurtosis not in excess.

    Examples
    --------
    Bailey & Lopez de Prado's fund: 24 months, monthly Sharpe .458, skewness -2.448, kurtosis 10.164.

    >>> round(probabilistic_sharpe(0.458, 24, skewness=-2.448, kurtosis=10.164), 3)
    0.913
    """
    if sessions < 2 or not math.isfinite(sharpe):
        return math.nan
    scale = math.sqrt(sharpe_variance(sharpe, skewness=skewness, kurtosis=kurtosis))
    return _normal_cdf((sharpe - benchmark) * math.sqrt(sessions - 1) / scale)


def minimum_track_record_sessions(
    sharpe: float, *, benchmark: float = 0.0, skewness: float = 0.0, kurtosis: float = 3.0, confidence: float = 0.95
) -> float:
    """Sessions needed before such an estimate exceeds ``benchmark`` with the given confidence; inf if it never will.

    Examples
    --------
    An annual Sharpe of 2 against 1 on normal daily returns: 2.73 years.

    >>> round(minimum_track_record_sessions(2 / 252**0.5, benchmark=1 / 252**0.5) / 252, 2)
    2.73
    """
    if not math.isfinite(sharpe):
        return math.nan
    if sharpe <= benchmark:
        return math.inf
    variance = sharpe_variance(sharpe, skewness=skewness, kurtosis=kurtosis)
    return 1.0 + variance * (_normal_quantile(confidence) / (sharpe - benchmark)) ** 2


def power_to_detect(
    sharpe_annual: float,
    sessions: int,
    *,
    confidence: float = 0.95,
) -> float:
    """Probability that a strategy of this true annual Sharpe passes a one-sided test against zero on ``sessions``.

    Daily outcomes are taken as normal: what their true skewness and kurtosis are is not known before they are seen.

    Parameters
    ----------
    sharpe_annual : float
        True annual Sharpe.
    sessions : int
        Sessions of the test.
    confidence : float
        One minus the size of the test.

    Examples
    --------
    >>> round(power_to_detect(1.0, 79), 2)  # four months of test
    0.14
    """
    if sessions < 2:
        return math.nan
    daily = sharpe_annual / math.sqrt(SESSIONS_PER_YEAR)
    scale = math.sqrt(sharpe_variance(daily))
    # Under the null (Sharpe 0) the estimate's standard error is 1 / sqrt(n - 1), whatever the moments.
    return _normal_cdf((daily * math.sqrt(sessions - 1) - _normal_quantile(confidence)) / scale)


def sessions_for_power(sharpe_annual: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """Sessions at which a test against zero finds this true annual Sharpe with the given power (normal returns)."""
    if sharpe_annual <= 0:
        return math.inf
    daily = sharpe_annual / math.sqrt(SESSIONS_PER_YEAR)
    needed = _normal_quantile(confidence) + _normal_quantile(power) * math.sqrt(sharpe_variance(daily))
    return 1.0 + (needed / daily) ** 2


def corrected_for_openings(probability: float, openings: int) -> tuple[float, float]:
    """Probabilistic Sharpe after the test was looked at ``openings`` times: (Sidak, Bonferroni).

    With p = 1 - probability, Sidak reads 1 - (1 - p)^k as the chance that the best of k independent looks is luck,
    Bonferroni k p whatever their dependence; both are returned as probabilities that it is not luck.

    Raises
    ------
    BadInputError
        If the number of openings is below one: a page that exists was opened.
    """
    if openings < 1:
        raise BadInputError(f"openings: expected at least 1 (this one), got {openings}")
    if math.isnan(probability):
        return math.nan, math.nan
    return probability**openings, max(0.0, 1.0 - openings * (1.0 - probability))


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))
