"""Sharpe significance against the figures of Bailey & Lopez de Prado (2012), and power against simulation."""

import math

import numpy as np
import pytest

from factory_assets.evaluation.significance import (
    ReturnMoments,
    corrected_for_openings,
    minimum_track_record_sessions,
    power_to_detect,
    probabilistic_sharpe,
    sessions_for_power,
    sharpe_variance,
)
from factory_assets.vocabulary.errors import BadInputError


def test_probabilistic_sharpe_of_the_paper():
    # Their fund: 24 months, annual Sharpe 1.59; .982 if returns were normal, .913 as they are.
    assert probabilistic_sharpe(0.458, 24) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(0.458, 24, skewness=-2.448, kurtosis=10.164) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("periods", "shape", "years"),
    [(252, {}, 2.73), (52, {}, 2.83), (12, {}, 3.24), (12, {"skewness": -0.72, "kurtosis": 5.78}, 4.99)],
)
def test_minimum_track_record_of_the_paper(periods, shape, years):
    # An annual Sharpe of 2 to be above 1 with 95 %: daily, weekly, monthly, and monthly with a hedge fund's moments.
    needed = minimum_track_record_sessions(2 / periods**0.5, benchmark=1 / periods**0.5, **shape)
    assert needed / periods == pytest.approx(years, abs=0.005)


def test_track_record_is_where_the_probability_reaches_the_confidence():
    needed = minimum_track_record_sessions(0.08, skewness=-0.5, kurtosis=6.0, confidence=0.9)
    # The formula's n is not rounded, so the probability at its floor and ceiling brackets the confidence.
    low, high = (probabilistic_sharpe(0.08, n, skewness=-0.5, kurtosis=6.0) for n in (int(needed), int(needed) + 1))
    assert low < 0.9 < high
    assert minimum_track_record_sessions(-0.01) == math.inf
    assert math.isnan(minimum_track_record_sessions(math.nan))


def test_power_equals_the_share_of_simulated_tests_that_pass():
    rng = np.random.default_rng(0)
    for annual, n in ((1.0, 79), (3.0, 150)):
        daily = annual / math.sqrt(252) + rng.standard_normal((40_000, n))
        sharpe = daily.mean(axis=1) / daily.std(axis=1, ddof=1)
        passed = (sharpe * math.sqrt(n - 1) > 1.6449).mean()
        assert power_to_detect(annual, n) == pytest.approx(passed, abs=0.012)


def test_power_reaches_its_level_at_the_sessions_it_asks_for():
    needed = sessions_for_power(1.0, power=0.8)
    assert power_to_detect(1.0, round(needed)) == pytest.approx(0.8, abs=1e-3)
    assert 6.0 < needed / 252 < 6.4  # six years and more: what "a few months" are compared with
    assert sessions_for_power(0.0) == math.inf
    assert power_to_detect(0.0, 500) == pytest.approx(0.05)


def test_correction_for_openings():
    assert corrected_for_openings(0.98, 1) == pytest.approx((0.98, 0.98))
    assert corrected_for_openings(0.98, 3) == pytest.approx((0.98**3, 1 - 3 * 0.02))
    assert corrected_for_openings(0.5, 9)[1] == 0.0
    assert all(math.isnan(p) for p in corrected_for_openings(math.nan, 2))
    sidak, bonferroni = corrected_for_openings(0.9, 4)
    assert bonferroni <= sidak <= 0.9
    with pytest.raises(BadInputError, match="at least 1"):
        corrected_for_openings(0.9, 0)


def test_moments_known_and_equal_scipy():
    from scipy.stats import kurtosis, skew

    values = np.random.default_rng(1).gamma(2.0, size=300)
    moments = ReturnMoments.of(values)
    assert moments.skewness == pytest.approx(skew(values))
    assert moments.kurtosis == pytest.approx(kurtosis(values, fisher=False))
    two = ReturnMoments.of(np.array([1.0, 3.0]))
    assert two.sharpe_daily == pytest.approx(2 / math.sqrt(2))
    assert two.sharpe_annual == pytest.approx(2 / math.sqrt(2) * math.sqrt(252))
    assert (two.skewness, two.kurtosis, two.sessions) == pytest.approx((0.0, 1.0, 2))


def test_nothing_traded_has_no_moments_and_no_probability():
    for values in (np.zeros(30), np.full(30, 17.3), np.zeros(1), np.zeros(0)):
        moments = ReturnMoments.of(values)
        assert math.isnan(moments.sharpe_daily)
        assert math.isnan(probabilistic_sharpe(moments.sharpe_daily, moments.sessions))


def test_impossible_moments_are_refused():
    with pytest.raises(BadInputError, match="no distribution"):
        sharpe_variance(1.0, skewness=3.0, kurtosis=1.0)
