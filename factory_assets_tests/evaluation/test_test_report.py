"""The sealed test's values and the targets: known figures, and the sentence in its words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.evaluation import test_report as page
from factory_assets.evaluation.report_table import evaluate
from factory_assets.evaluation.significance import ReturnMoments, power_to_detect, probabilistic_sharpe
from factory_assets.evaluation.targets import targets_table
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets_tests.evaluation.worlds import FAST, models, world


@pytest.fixture(scope="module")
def opened():
    theta = dict.fromkeys((*models(world(), "val"), "prior"), 0.5)
    return evaluate(models(world(), "val"), **{**world().arguments("val"), "period": "test"}, theta=theta)


def _report(result, openings=1, **changes):
    given = {"model": "knowing", "horizon": 5, "openings": openings, "settings": FAST, "val_skill": None, **changes}
    return page.test_report(result, **given)


def test_report_reads_the_daily_outcomes(opened):
    report = _report(opened)
    daily = opened.daily.loc[opened.daily["model"] == "knowing", "net_dollars"].to_numpy()
    moments = ReturnMoments.of(daily)
    assert report.sessions == 6
    assert report.sharpe_annual.value == pytest.approx(np.sqrt(252) * daily.mean() / daily.std(ddof=1))
    assert report.sharpe_annual.value == pytest.approx(moments.sharpe_annual)
    shape = {"skewness": moments.skewness, "kurtosis": moments.kurtosis}
    assert report.probabilistic_sharpe == probabilistic_sharpe(moments.sharpe_daily, 6, **shape)
    assert report.power_sharpe_1 == power_to_detect(1.0, 6) < 0.1
    assert report.sessions_for_sharpe_1 > 1500


def test_page_says_what_a_few_months_cannot_prove(opened):
    report = _report(opened, openings=2)
    assert report.explanation.startswith("A few months of test cannot prove a Sharpe of 1. ")
    assert "6 sessions" in report.explanation
    assert "opened 2 times" in report.explanation


def test_openings_cost_confidence(opened):
    once, thrice = _report(opened), _report(opened, openings=3)
    assert once.probabilistic_sharpe_sidak == once.probabilistic_sharpe
    assert thrice.probabilistic_sharpe_sidak == pytest.approx(once.probabilistic_sharpe**3)
    assert thrice.probabilistic_sharpe_bonferroni == pytest.approx(max(0, 1 - 3 * (1 - once.probabilistic_sharpe)))
    assert thrice.sharpe_annual == once.sharpe_annual


def test_model_that_never_traded_has_no_probability(opened):
    report = _report(opened, model="always_flat")
    assert np.isnan([report.probabilistic_sharpe, report.probabilistic_sharpe_bonferroni]).all()


def test_only_an_opened_test_makes_a_page(opened):
    with pytest.raises(BadInputError, match="expected an evaluation of period 'test', got 'val'"):
        _report(replace(opened, period="val"))
    with pytest.raises(BadInputError, match="no model 'absent'"):
        _report(opened, model="absent")


def _table(**values):
    return pd.DataFrame({"model": "m", "metric": list(values), "value": list(values.values())})


def test_targets_at_and_beside_their_limits():
    table = _table(sharpe_annual=0.40, macro_f1=0.379, skill_log_loss=0.0, max_drawdown_dollars=10_000.0)
    got = targets_table(table, model="m", horizon=10, account_dollars=50_000.0).set_index("target")["met"].to_dict()
    assert got == {"sharpe_annual": True, "macro_f1": False, "skill_log_loss": False, "max_drawdown_share": True}
    beside = _table(sharpe_annual=0.2999, macro_f1=0.35, skill_log_loss=1e-9, max_drawdown_dollars=12_501.0)
    got = targets_table(beside, model="m", horizon=5, account_dollars=50_000.0).set_index("target")["met"].to_dict()
    assert got == {"sharpe_annual": False, "macro_f1": True, "skill_log_loss": True, "max_drawdown_share": False}


@pytest.mark.parametrize(("test_skill", "met"), [(0.085, True), (0.084, False), (0.2, True), (-0.1, False)])
def test_gap_between_val_and_test(test_skill, met):
    got = targets_table(_table(skill_log_loss=test_skill), model="m", horizon=20, account_dollars=1.0, val_skill=0.1)
    row = got.set_index("target").loc["val_test_skill_gap_share"]
    assert row["value"] == pytest.approx((0.1 - test_skill) / 0.1)
    assert bool(row["met"]) is met


def test_undefined_is_not_met_and_unknown_horizon_refused():
    got = targets_table(_table(sharpe_annual=np.nan), model="m", horizon=20, account_dollars=1.0, val_skill=-0.1)
    assert not got["met"].any()
    with pytest.raises(UnknownNameError, match="horizon 7"):
        targets_table(_table(), model="m", horizon=7, account_dollars=1.0)
