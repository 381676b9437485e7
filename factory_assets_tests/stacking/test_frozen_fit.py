"""A frozen fit learns from every row it is given, for the rounds it is told, and tells nothing of the outcomes."""

import json

import numpy as np
import pytest

from factory_assets.models import create
from factory_assets.stacking import FitRequest, fit_frozen, fit_members, member_scaler_verdicts
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.stacking.conftest import QUICK, QUICK_TCN
from factory_assets_tests.stacking.stack_world import SETTINGS

PARAMS = {**QUICK, "tcn": QUICK_TCN}


def _frozen(world, name, *, rounds, rows=None, **changes):
    return fit_frozen(
        name,
        PARAMS[name] | changes,
        world.train,
        world.kinds,
        rounds=rounds,
        rows=rows,
        settings=SETTINGS,
        clock_us=world.clock_us,
        seed=3,
    )


@pytest.mark.parametrize(("name", "rounds"), [("logistic", None), ("lightgbm", 7), ("tcn", 2)])
def test_every_row_is_fitted_on_and_nothing_is_watched(world, window_world, name, rounds):
    chosen = window_world if name == "tcn" else world
    fit = _frozen(chosen, name, rounds=rounds)
    assert np.array_equal(fit.fit_decision_us, chosen.train.decision_us)
    assert len(fit.watched_decision_us) == 0
    assert fit.member.rounds == rounds
    by_hand = create(name, seed=3, **PARAMS[name] | ({} if rounds is None else {_rounds_of(name): rounds}))
    train = chosen.train
    by_hand.fit(fit.member.scaler.transform(train.features), train.label, sample_weight=train.weight)
    assert by_hand.to_files() == fit.member.model.to_files()


def _rounds_of(name):
    return {"lightgbm": "num_iterations", "tcn": "epochs_max"}[name]


@pytest.mark.parametrize("name", ["lightgbm", "tcn"])
def test_no_loss_leaves_a_frozen_fit(world, window_world, name):
    """Neither curves nor any number of the report moves when the outcomes do, however well they are fitted."""
    chosen = window_world if name == "tcn" else world
    fit = _frozen(chosen, name, rounds=3)
    assert fit.curves == {}
    report = fit.member.model.fit_report_
    assert all(isinstance(value, int) for value in report.values()), report
    header = json.loads(fit.member.to_files()["model.json"])
    assert header["report"] == dict(report)
    assert not any("loss" in key for key in (*header, *report))


def test_frozen_rounds_are_those_of_the_recipe(window_world):
    """Twice the patience and another bound change nothing: the number of rounds is the one that is given."""
    one = _frozen(window_world, "tcn", rounds=2)
    two = _frozen(window_world, "tcn", rounds=2, patience=9)
    files = one.member.to_files(), two.member.to_files()
    assert files[0]["network.safetensors"] == files[1]["network.safetensors"]
    assert (
        files[0]["network.safetensors"]
        != _frozen(window_world, "tcn", rounds=3).member.to_files()["network.safetensors"]
    )


def test_rows_may_be_chosen_and_the_scaler_is_checked_on_the_same_path(window_world):
    rows = window_world.folds[1][0]
    fit = _frozen(window_world, "tcn", rounds=1, rows=rows)
    assert np.array_equal(fit.fit_decision_us, window_world.train.decision_us[rows])
    given = {"settings": SETTINGS, "clock_us": window_world.clock_us}
    common = ("tcn", window_world.train, window_world.kinds, [(rows, fit)])
    assert all(verdict.passed for verdict in member_scaler_verdicts(*common, watch_tail=False, **given))
    assert not all(verdict.passed for verdict in member_scaler_verdicts(*common, **given))


def test_rounds_that_do_not_fit_the_model_are_refused(world, window_world):
    with pytest.raises(BadInputError, match="has no rounds"):
        _frozen(world, "logistic", rounds=5)
    with pytest.raises(BadInputError, match="number the frozen recipe came to"):
        _frozen(window_world, "tcn", rounds=None)


def test_request_of_a_frozen_fit_is_that_fit(world):
    request = FitRequest(name="refit", model_name="lightgbm", params=PARAMS["lightgbm"], seed=3, frozen=True, rounds=5)
    (fit,) = fit_members([request], world.train, world.kinds, settings=SETTINGS, clock_us=world.clock_us)
    assert fit.member.to_files() == _frozen(world, "lightgbm", rounds=5).member.to_files()
