"""Values of the sealed test's page: what one opening of the test period may say, and how little that proves.

The page itself is drawn by :mod:`factory_assets.reports`; the ledger that allowed the opening is
:mod:`factory_assets.evaluation.ledger`. (The file is named after the asset; it holds no tests.)
"""

from dataclasses import dataclass

import pandas as pd

from factory_assets.evaluation.bootstrap import Estimate
from factory_assets.evaluation.report_table import EvaluationResult
from factory_assets.evaluation.significance import (
    ReturnMoments,
    corrected_for_openings,
    minimum_track_record_sessions,
    power_to_detect,
    probabilistic_sharpe,
    sessions_for_power,
)
from factory_assets.evaluation.targets import targets_table
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.settings import EvaluationSettings

HONEST_SENTENCE = "A few months of test cannot prove a Sharpe of 1."


@dataclass(frozen=True, kw_only=True, eq=False)
class TestReport:
    """Everything the test page says of one model.

    Attributes
    ----------
    model : str
        Model that was tested.
    sessions : int
        Sessions of the test period, with and without trades.
    openings : int
        Times the test period of the contract's study has been opened, at any horizon, this one included.
    sharpe_annual : Estimate
        From daily net P&L x sqrt(252), with its session-bootstrap interval.
    moments : ReturnMoments
        Of daily net P&L.
    probabilistic_sharpe : float
        Probability that the true Sharpe is above 0; NaN if the model never traded.
    probabilistic_sharpe_sidak, probabilistic_sharpe_bonferroni : float
        The same after that number of openings.
    minimum_track_record_sessions : float
        Sessions this Sharpe would need to be above 0 at the settings' confidence; inf if it is not above 0.
    power_sharpe_1 : float
        Chance that a true annual Sharpe of 1 would be found on this many sessions.
    sessions_for_sharpe_1 : float
        Sessions at which that chance is 80 %.
    targets : DataFrame
        The horizon's targets, met or missed.
    explanation : str
        What the page says in words: that a few months cannot prove a Sharpe of 1, with this test's figures.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    model: str
    sessions: int
    openings: int
    sharpe_annual: Estimate
    moments: ReturnMoments
    probabilistic_sharpe: float
    probabilistic_sharpe_sidak: float
    probabilistic_sharpe_bonferroni: float
    minimum_track_record_sessions: float
    power_sharpe_1: float
    sessions_for_sharpe_1: float
    targets: pd.DataFrame
    explanation: str


def test_report(
    result: EvaluationResult,
    *,
    model: str,
    horizon: int,
    openings: int,
    settings: EvaluationSettings,
    val_skill: float | None,
) -> TestReport:
    """Read the evaluation of the test period as a statistician would.

    Parameters
    ----------
    result : EvaluationResult
        Of period ``test``, evaluated with the thresholds chosen on ``oof``.
    model : str
        The model the study settled on before the opening.
    horizon : int
        Base bars; selects the targets.
    openings : int
        Openings of the contract's study in the ledger, this one included. All horizons share one test period, so a look
        at any of them is a look at the same days.
    settings : EvaluationSettings
        Confidence and start balance.
    val_skill : float or None
        The model's log-loss skill on ``val``, for the val-test gap; None leaves the gap out.

    Raises
    ------
    BadInputError
        If the result is of another period, or does not hold the model.
    """
    if result.period != "test":
        raise BadInputError(f"test report: expected an evaluation of period 'test', got {result.period!r}")
    daily = result.daily.loc[result.daily["model"] == model, "net_dollars"].to_numpy()
    if len(daily) == 0:
        raise BadInputError(f"test report: no model {model!r}; it has {sorted(result.daily['model'].unique())}")
    moments = ReturnMoments.of(daily)
    shape = {"skewness": moments.skewness, "kurtosis": moments.kurtosis}
    psr = probabilistic_sharpe(moments.sharpe_daily, moments.sessions, **shape)
    sidak, bonferroni = corrected_for_openings(psr, openings)
    power = power_to_detect(1.0, moments.sessions, confidence=settings.confidence)
    needed = sessions_for_power(1.0, power=0.8, confidence=settings.confidence)
    return TestReport(
        model=model,
        sessions=moments.sessions,
        openings=openings,
        sharpe_annual=result.value(model, "sharpe_annual"),
        moments=moments,
        probabilistic_sharpe=psr,
        probabilistic_sharpe_sidak=sidak,
        probabilistic_sharpe_bonferroni=bonferroni,
        minimum_track_record_sessions=minimum_track_record_sessions(
            moments.sharpe_daily, confidence=settings.confidence, **shape
        ),
        power_sharpe_1=power,
        sessions_for_sharpe_1=needed,
        targets=targets_table(
            result.table, model=model, horizon=horizon, account_dollars=settings.account_dollars, val_skill=val_skill
        ),
        explanation=(
            f"{HONEST_SENTENCE} This test has {moments.sessions} sessions: a strategy whose true annual Sharpe is 1 "
            f"would pass a one-sided test at {settings.confidence:.0%} with probability {power:.0%}, and 80 % "
            f"would take {needed:,.0f} sessions ({needed / 252:.1f} years). The test period has been opened "
            f"{openings} time{'s' if openings > 1 else ''}."
        ),
    )


test_report.__test__ = False  # type: ignore[attr-defined]
