"""Regime parameters live: carried by the bundle, used as batch used them, and said aloud when they have run out."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from factory_assets.deployment import Predictor, decision, load_bundle, write_bundle
from factory_assets.deployment.bundle import _files_of
from factory_assets.deployment.release import reading_regimes
from factory_assets.deployment.replay import _account, replay_minutes
from factory_assets.features import RegimeTable, column_name
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days
from factory_assets_tests.deployment.conftest import NOW
from factory_assets_tests.deployment.test_predictor import assert_equals_batch, between

FLAG = "hmm_is_known"
STATES = ("hmm_low", "hmm_mid", "hmm_high")


@pytest.fixture(scope="module")
def history(world):
    return between(world.raw, "2022-12-12T00:00", "2023-03-09T19:20")


@pytest.fixture(scope="module")
def live(world):
    return between(world.raw, "2023-03-09T19:20", "2023-03-09T21:30")


def replayed(release, history, live):
    predictor = Predictor(release)
    predictor.warm_up(history)
    return predictor, list(replay_minutes(predictor, live))


def state_cells(release, predictions):
    """Probabilities of hidden states of every timeframe a row reads them of; which ones, its members have chosen."""
    places = [
        release.columns.index(column_name(name, minutes))
        for minutes, names in release.pool.items()
        for name in names
        if name in STATES
    ]
    assert places, "no member reads a state"
    return np.array([p.features for p in predictions])[:, places]


def ended(release):
    """The same release with parameters that end with 2022."""
    regimes = {m: dataclasses.replace(t, quarters=t.quarters[:1]) for m, t in release.regimes.items()}
    return dataclasses.replace(release, regimes=regimes)


def test_the_release_carries_what_its_features_rest_on_and_nothing_else(world, bundle, tmp_path):
    release = world.release
    assert {*release.regimes} == {*reading_regimes(release.reads)} >= {5, 15}
    assert reading_regimes({5: ("rsi_14",), 15: ("rsi_14", "hmm_low"), 60: (FLAG,)}) == (15, 60)
    kept = json.loads((bundle[0] / "regimes.json").read_bytes())["tables"]
    assert [table["minutes"] for table in kept] == sorted(release.regimes)
    assert dict(load_bundle(*bundle).regimes) == dict(release.regimes)
    bare = copy.copy(release)
    object.__setattr__(bare, "regimes", {})  # the release itself refuses its members then
    assert "regimes.json" not in _files_of(bare)
    assert "regimes.json" in _files_of(release)
    assert write_bundle(ended(release), tmp_path, clock=lambda: NOW, code_version="test")[1] != bundle[1]


def test_parameters_that_do_not_belong_to_the_release_are_refused(world):
    release = world.release
    table = release.regimes[15]
    foreign = dataclasses.replace(table, contract="MGC")
    for regimes, said in (
        ({}, r"regime parameters of \[\] minutes, expected \[5, 15"),
        ({**release.regimes, 45: dataclasses.replace(table, minutes=45)}, "minutes, expected"),
        ({**release.regimes, 15: foreign}, "regime parameters of MGC, 15 minutes"),
        ({**release.regimes, 15: release.regimes[5]}, "regime parameters of SIM, 5 minutes"),
    ):
        with pytest.raises(BadInputError, match=said):
            dataclasses.replace(release, regimes=regimes)


def test_live_probabilities_of_states_are_those_of_batch(world, history, live):
    predictor, found = replayed(world.release, history, live)
    assert len(found) > 20
    assert_equals_batch(found, world.batch, world.release)
    assert np.ptp(state_cells(world.release, found), axis=0).max() > 0.05
    assert predictor.outdated is None
    assert all(p.outdated is None for p in found)
    assert any(p.side for p in found) or any(p.event for p in found)


def test_parameters_that_have_run_out_are_said_and_not_traded(world, history, live):
    release = ended(world.release)
    predictor, found = replayed(release, history, live)
    said = (
        "regime parameters of 5-minute bars hold from 2022-10-03 to before the session of 2023-01-03, not in that of "
    )
    assert predictor.outdated == f"{said}2023-03-09; refit"
    assert {p.outdated for p in found} == {predictor.outdated}
    assert all(p.warm for p in found)
    assert {p.side for p in found} == {0}
    assert any(p.event for p in found)
    assert found[0].to_plain()["outdated"] == predictor.outdated
    # Nothing of an older quarter is used in place of the missing parameters.
    np.testing.assert_allclose(state_cells(release, found), 1 / 3, rtol=1e-6)
    assert f"not traded at the end: {predictor.outdated}" in _account(predictor, live, len(found))


def test_only_the_missing_parameters_keep_a_decision_from_being_traded(world, history, live, monkeypatch):
    monkeypatch.setattr(decision, "decide", lambda *_, **__: np.ones(1, dtype=np.int8))
    sides = [[p.side for p in replayed(each, history, live)[1]] for each in (world.release, ended(world.release))]
    assert sum(sides[0]) > 0
    assert sum(sides[1]) == 0


def test_a_session_says_when_it_is_outdated(world):
    release = world.release
    (table,) = {release.regimes[m].quarters[-1].valid_to for m in release.regimes}
    assert release.outdated(table - 1) is None
    assert release.outdated(table).endswith("not in that of 2023-04-03; refit")
    assert release.outdated(release.regimes[5].quarters[0].valid_from - 1) is not None
    nothing = {m: RegimeTable(contract="SIM", minutes=m, quarters=()) for m in release.regimes}
    empty = dataclasses.replace(release, regimes=nothing)
    assert "hold in no session" in empty.outdated(int(dates_days(world.labels["trade_date"])[0]))
