"""The refit: the champion's recipe on all rows, with members of both adapters."""

import dataclasses
import json
import traceback

import numpy as np
import pytest
from lightgbm.basic import LightGBMError

from factory_assets.deployment import refit as module
from factory_assets.deployment.bundle import load_bundle, write_bundle
from factory_assets.deployment.refit import latest_sessions, refit_release, refit_verdicts
from factory_assets.vocabulary.errors import BadInputError, FitError, TooLittleHistoryError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets_tests.deployment.conftest import NOW

DIGEST = "c" * 64


def _refit(world, sample=None, champion=None):
    sample = world.labels[world.labels["event"]].reset_index(drop=True) if sample is None else sample
    return refit_release(
        champion or world.release,
        sample,
        world.features,
        regimes=world.release.regimes,
        champion_digest=DIGEST,
        inputs={"bars": "b" * 64},
        data_end_day=int(dates_days(world.labels["trade_date"])[-1]),
        settings=SplitSettings(),
        clock_us=times_us(world.labels["decision_time"]),
    )


@pytest.fixture(scope="module")
def made(world):
    return _refit(world)


def test_members_are_fitted_on_all_rows_with_the_champions_rounds_and_parameters(world, made):
    rows = int(world.labels["event"].sum())
    for name, old in world.release.members.items():
        new = made.members[name]
        assert new.rounds == old.rounds
        assert new.feature_names == old.feature_names
        assert new.model.fit_report_["rows"] == rows > old.model.fit_report_["rows"]
        assert new.model.fit_report_["eval_rows"] == 0
        assert new.scaler.to_json() != old.scaler.to_json()
        assert new.to_files() != old.to_files()
    assert {name for name, member in made.members.items() if member.rounds is not None} >= {"lightgbm"}
    assert made.meta.to_files() == world.release.meta.to_files()
    assert (made.theta, made.m0_long, made.m0_short) == (0.25, 0.05, -0.04)
    assert made.inputs == {"bars": "b" * 64, "champion": DIGEST}
    assert made.regimes is world.release.regimes  # what was handed over for these rows
    assert made.metrics == {"data_end": str(world.labels["trade_date"].iloc[-1].date())}


def test_the_same_rows_give_the_same_bundle(world, made, tmp_path):
    again = _refit(world)
    digests = {
        write_bundle(release, tmp_path / str(place), clock=lambda: NOW, code_version="test")[1]
        for place, release in enumerate((made, again))
    }
    assert len(digests) == 1


def test_a_refit_of_a_refit_is_the_same_recipe(world, made, tmp_path):
    folder, digest = write_bundle(made, tmp_path, clock=lambda: NOW, code_version="test")
    loaded = load_bundle(folder, digest)
    second = _refit(world, champion=loaded)
    assert {name: m.to_files() for name, m in second.members.items()} == {
        name: m.to_files() for name, m in made.members.items()
    }


def test_no_statistic_of_the_rows_is_in_the_bundle(made, tmp_path):
    """Neither losses nor curves nor watched rows: beside fitted members the files only say how many rows there were."""
    folder, _ = write_bundle(made, tmp_path, clock=lambda: NOW, code_version="test")
    reports = {}
    for path in folder.rglob("model.json"):
        report = json.loads(path.read_text())["report"]
        reports[path.parent.name] = set(report)
    assert set(reports) == {"lightgbm", "logistic", "tcn", "ensemble"}
    allowed = {"rows", "eval_rows", "best_iteration", "iterations", "threads", "parameters", "epochs", "device"}
    assert {name: keys - allowed for name, keys in reports.items() if keys - allowed} == {}
    words = [p.name for p in folder.rglob("*.json") if any(w in p.read_text().lower() for w in ("train_loss", "auc"))]
    assert words == []


def test_labels_of_the_added_rows_matter(world, made):
    """The rows after train are learnt from: other outcomes there give other members."""
    sample = world.labels[world.labels["event"]].reset_index(drop=True)
    late = np.arange(len(sample)) >= len(sample) * 3 // 4
    other = sample.assign(label=np.where(late, -sample["label"], sample["label"]))
    changed = _refit(world, other)
    for name, member in made.members.items():
        assert member.model.to_files() != changed.members[name].model.to_files(), name
        assert member.scaler.to_json() == changed.members[name].scaler.to_json()


def test_rows_without_an_outcome_are_refused(world):
    sample = world.labels[world.labels["event"]].reset_index(drop=True)
    sample.loc[len(sample) - 1, "label"] = np.nan
    with pytest.raises(BadInputError, match=r"1 of .* have no outcome yet"):
        _refit(world, sample)


@pytest.mark.parametrize(
    "kind", [TooLittleHistoryError, ValueError, RuntimeError, FloatingPointError, IndexError, LightGBMError]
)
def test_what_a_failing_fit_says_is_withheld(world, monkeypatch, kind):
    def fail(*_args, **_named):
        raise kind("labels {-1: 123, 0: 45, 1: 678}")

    monkeypatch.setattr(module, "fit_frozen", fail)
    with pytest.raises(FitError, match="withheld") as caught:
        _refit(world)
    assert f"refit of {next(iter(world.release.members))}: the fit failed with {kind.__name__}" in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    assert "123" not in told
    assert "678" not in told
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def _verdicts(world, made):
    found = refit_verdicts(world.release, made, latest_sessions(world.batch))
    assert [verdict.name for verdict in found] == ["refit_recipe_frozen", "refit_sane", "refit_near_champion"]
    assert [verdict.blocking for verdict in found] == [True, True, False]
    return {verdict.name: verdict for verdict in found}


def test_an_honest_refit_passes_and_its_distance_is_the_plain_mean(world, made):
    latest = latest_sessions(world.batch)
    assert len(np.unique(latest.frame["trade_date"])) == 20
    assert latest.frame["event"].all()
    verdicts = _verdicts(world, made)
    assert [v.summary for v in verdicts.values() if not v.passed and v.blocking] == []
    gap = np.abs(made.probabilities(latest.inputs) - world.release.probabilities(latest.inputs)).mean()
    assert verdicts["refit_near_champion"].details["mean_absolute_difference"] == pytest.approx(gap, abs=1e-4)
    assert gap > 0


def _with_member(release, name, member):
    return dataclasses.replace(release, members={**release.members, name: member})


def test_each_change_of_the_recipe_is_named(world, made):
    from factory_assets.stacking import FittedMember

    lightgbm = made.members["lightgbm"]
    files = lightgbm.model.to_files()
    header = json.loads(files["model.json"])
    assert header["report"]["best_iteration"] == world.release.members["lightgbm"].rounds
    other = FittedMember(
        scaler=lightgbm.scaler,
        model=type(lightgbm.model)(**{**lightgbm.model.params.as_dict(), "num_leaves": 15}),
        feature_names=lightgbm.feature_names,
    )
    other.model._fitted = lightgbm.model._fitted
    changes = {
        "lightgbm: parameters": _with_member(made, "lightgbm", other),
        "theta": dataclasses.replace(made, theta=0.5),
        "m0_long": dataclasses.replace(made, m0_long=0.051),
        "profile": dataclasses.replace(made, profile="full"),
    }
    for told, changed in changes.items():
        verdict = _verdicts(world, changed)["refit_recipe_frozen"]
        assert not verdict.passed
        assert f"changed: ['{told}']" in verdict.summary


def test_nonsense_is_not_released_and_a_far_refit_warns(world, made, monkeypatch):
    inner, spoilt = type(made).probabilities, {}

    def say(self, inputs):
        values = inner(self, inputs).copy()
        if self is made:
            values[0] = spoilt["row"]
        return values

    with monkeypatch.context() as patch:
        patch.setattr(type(made), "probabilities", say)
        for row in ([np.nan, 0.5, 0.5], [0.0, 0.5, 0.5], [0.4, 0.4, 0.4]):
            spoilt["row"] = row
            assert not _verdicts(world, made)["refit_sane"].passed
    monkeypatch.setattr(module, "DIFFERENCE_MAX", 1e-6)
    verdict = _verdicts(world, made)["refit_near_champion"]
    assert not verdict.passed
    assert not verdict.blocking
