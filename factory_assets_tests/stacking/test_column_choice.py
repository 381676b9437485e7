"""Columns chosen inside each fit: on its own rows, before the scaler, kept with the member, never resumed wrongly."""

import json
from dataclasses import replace

import numpy as np
import pytest

from factory_assets.adapters import choose_columns
from factory_assets.adapters.feature_sets import Candidates, ChoiceLimits
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.stacking import (
    FitRequest,
    FittedMember,
    FitWork,
    fit_frozen,
    fit_members,
    fit_recorded,
    fold_requests,
    member_scaler_verdicts,
    out_of_fold,
    permuted_labels_verdict,
    predict_folds,
    predict_val,
    training_part,
)
from factory_assets.stacking.fit_files import perform, read_result, write_tasks
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.stacking.conftest import QUICK, QUICK_TCN
from factory_assets_tests.stacking.stack_world import SETTINGS, partition, windowed

CHECKS = ["scaler_ignores_other_rows", "scaler_output_finite", "choice_ignores_other_rows"]
PATHS = ("factory_assets.stacking.member_fit.training_part", "factory_assets.stacking.scaler_check.training_part")
PARAMS = {**QUICK, "tcn": QUICK_TCN | {"epochs_max": 2}}


def _families(data, *, seed=3):
    """Five columns become thirty: six noisy copies of each, the first column's first copy being itself."""
    rng = np.random.default_rng(seed)
    copies = np.repeat(np.asarray(data.store), 6, axis=1)
    noise = 0.35 * rng.normal(size=copies.shape)
    noise[:, ::6] = 0.0
    return (copies + noise).astype(np.float32)


@pytest.fixture(scope="module")
def wide():
    """The small partition with thirty columns in five families, as rows and as windows."""
    plain = partition(sessions=40)
    names = tuple(f"column_{place}" for place in range(30))
    worlds = {}
    for kind, world in (("rows", plain), ("windows", windowed(plain))):
        values = _families(world.development)
        features = (
            values
            if kind == "rows"
            else replace(world.development.features, store=values, pad=np.full(30, np.nan, dtype=np.float32))
        )
        development = replace(world.development, features=features, feature_names=names)
        in_train = np.isin(development.decision_us, world.train.decision_us)
        worlds[kind] = replace(
            world,
            development=development,
            train=development.take(in_train),
            val=development.take(~in_train),
            kinds=("robust",) * 30,
        )
    return worlds


CANDIDATES = Candidates(
    set_name="mine",
    columns=tuple(f"column_{place}" for place in range(29, -1, -1)),
    kept=("column_0",),
    columns_min=6,
    columns_max=9,
    limits=ChoiceLimits(),
)


def _given(world, **changes):
    return {"settings": SETTINGS, "clock_us": world.clock_us, "seed": 3, "candidates": CANDIDATES} | changes


def _world(wide, name):
    return wide["windows" if name == "tcn" else "rows"]


@pytest.fixture(scope="module")
def scored(wide):
    return {
        name: out_of_fold(name, PARAMS[name], world.train, world.folds, world.kinds, **_given(world))
        for name in PARAMS
        for world in [_world(wide, name)]
    }


@pytest.mark.parametrize("name", PARAMS)
def test_every_fold_reads_what_its_own_fitted_rows_choose(wide, scored, name):
    world = _world(wide, name)
    for (rows, _), fit in zip(world.folds, scored[name].fits, strict=True):
        part = world.train.take(rows)
        if name != "logistic":
            part = part.take(early_stop_tail(
                part.t0_us, part.t1_us, share=SETTINGS.early_stop_tail_share, purge=SETTINGS.purge_bars,
                clock=world.clock_us,
            )[0])  # fmt: skip
        assert np.array_equal(fit.fit_decision_us, part.decision_us)
        newest = part.features.newest() if name == "tcn" else part.features
        expected = choose_columns(newest, part.feature_names, CANDIDATES)
        assert fit.choice == expected
        assert fit.member.feature_names == fit.member.scaler.names == expected.columns
        assert fit.member.model.shape_[-1] == len(expected.columns)
        assert 6 <= len(expected.columns) <= 9
        assert "column_0" in expected.columns
    assert np.isfinite(scored[name].probabilities).all()


def test_members_predict_by_name_from_a_container_of_more_columns(wide, scored):
    world, fit = wide["rows"], scored["logistic"].fits[0]
    expected = fit.member.predict_proba(world.val.of_columns(fit.member.feature_names).features)
    assert np.array_equal(fit.member.predict_samples(world.val), expected)
    turned = world.val.of_columns(world.val.feature_names[::-1])
    assert np.array_equal(predict_val(fit.member, turned)[["p_down", "p_flat", "p_up"]].to_numpy(), expected)
    again = FittedMember.from_files(fit.member.to_files())
    assert again.feature_names == fit.member.feature_names
    assert np.array_equal(again.predict_samples(world.val), expected)
    with pytest.raises(BadInputError, match="wanted are not among them"):
        fit.member.predict_samples(world.val.of_columns(("column_1",)))


@pytest.mark.parametrize("name", PARAMS)
def test_scored_rows_may_be_anything_and_the_choice_is_bit_identical(wide, scored, name):
    world = _world(wide, name)
    rng = np.random.default_rng(0)
    for fold, (rows, _) in enumerate(world.folds[:2]):
        values = np.array(world.train.store)
        known = world.train.store_rows(rows)
        values[~known] = 1e12 * rng.standard_cauchy((int((~known).sum()), 1))
        part = training_part(
            name, world.train.with_store(values.astype(np.float32)), world.kinds, rows=rows, settings=SETTINGS,
            clock_us=world.clock_us, candidates=CANDIDATES,
        )  # fmt: skip
        fit = scored[name].fits[fold]
        assert part.choice == fit.choice
        assert part.scaler.to_json() == fit.member.scaler.to_json()


def _verdicts(world, name, fits, data=None):
    return member_scaler_verdicts(
        name,
        data or world.train,
        world.kinds,
        fits,
        settings=SETTINGS,
        clock_us=world.clock_us,
        candidates=CANDIDATES,
    )


@pytest.mark.parametrize("name", PARAMS)
def test_the_check_passes_on_the_honest_path(wide, scored, name):
    world = _world(wide, name)
    fits = [(rows, fit) for (rows, _), fit in zip(world.folds, scored[name].fits, strict=True)]
    found = _verdicts(world, name, fits)
    assert [verdict.name for verdict in found] == CHECKS
    assert all(verdict.passed and verdict.blocking for verdict in found), [verdict.summary for verdict in found]
    assert found[2].details == {
        "choices": 4, "rows_outside_min": found[0].details["rows_outside_min"], "changed": 0, "unnoticed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("strangers", ["all rows", "the scored fold", "a few rows"])
@pytest.mark.parametrize("name", ["logistic", "tcn"])
def test_a_choice_that_looks_at_other_rows_is_caught(wide, monkeypatch, name, strangers):
    """The fits and the check share the broken step: the check has to fail all the same."""
    from factory_assets.stacking.training_part import training_part as honest

    world = _world(wide, name)

    def _broken(model_name, data, kinds, *, rows=None, candidates=None, **rest):
        seen = {
            "all rows": np.arange(len(data)),
            "the scored fold": np.setdiff1d(np.arange(len(data)), rows),
            "a few rows": np.union1d(rows, np.arange(0, len(data), 40)),
        }[strangers]
        choice = choose_columns(data.features, data.feature_names, candidates, rows=seen)
        narrow = [kinds[data.feature_names.index(column)] for column in choice.columns]
        part = honest(model_name, data.of_columns(choice.columns), narrow, rows=rows, **rest)
        return replace(part, choice=choice)

    for path in PATHS:
        monkeypatch.setattr(path, _broken)
    folds = world.folds[:2]
    requests = fold_requests(
        name, PARAMS[name], world.folds, np.arange(len(world.train)), seed=3, candidates=CANDIDATES
    )
    fits = fit_members(requests[:2], world.train, world.kinds, settings=SETTINGS, clock_us=world.clock_us)
    found = _verdicts(world, name, [(rows, fit) for (rows, _), fit in zip(folds, fits, strict=True)])
    assert not found[2].passed
    assert found[2].details["changed"] == 2


def test_a_choice_of_nothing_is_caught(wide, monkeypatch):
    """The positive control: a record that does not move with the fit's own rows was not made from them."""
    from factory_assets.stacking.training_part import training_part as honest

    world, (rows, _) = wide["rows"], wide["rows"].folds[0]
    fit = fit_recorded("logistic", {}, world.train, world.kinds, rows=rows, **_given(world))

    def _fixed(*args, **rest):
        return replace(honest(*args, **rest), choice=fit.choice)

    monkeypatch.setattr(PATHS[1], _fixed)
    found = _verdicts(world, "logistic", [(rows, fit)])
    assert not found[2].passed
    assert found[2].details["unnoticed"] == 1


def test_without_candidates_everything_is_read_and_no_choice_is_recorded(wide):
    world = wide["rows"]
    fit = fit_recorded("logistic", {}, world.train, world.kinds, **_given(world, candidates=None))
    assert fit.choice is None
    assert fit.member.feature_names == world.train.feature_names
    found = member_scaler_verdicts(
        "logistic",
        world.development,
        world.kinds,
        [(np.arange(len(world.train)), fit)],
        settings=SETTINGS,
        clock_us=world.clock_us,
    )
    assert [verdict.name for verdict in found] == CHECKS[:2]


def test_kinds_follow_their_columns(wide):
    """A column is scaled by its own kind wherever it comes to stand among the chosen ones."""
    world = wide["rows"]
    kinds = tuple(("robust", "minmax", "none")[place // 6 % 3] for place in range(30))
    part = training_part(
        "logistic", world.train, kinds, settings=SETTINGS, clock_us=world.clock_us, candidates=CANDIDATES
    )
    expected = [kinds[int(name.removeprefix("column_"))] for name in part.fit.feature_names]
    assert list(part.scaler.kinds) == expected
    assert len(set(expected)) > 1


def test_a_frozen_fit_of_frozen_columns_chooses_nothing(wide, scored):
    world = wide["rows"]
    recorded = scored["lightgbm"].fits[0].member
    columns = recorded.feature_names
    fit = fit_frozen(
        "lightgbm",
        PARAMS["lightgbm"],
        world.development.of_columns(columns),
        ("robust",) * len(columns),
        rounds=recorded.rounds,
        **_given(world, candidates=None),
    )
    assert fit.choice is None
    assert fit.member.feature_names == columns


def test_files_hold_the_choice_and_another_rule_is_another_fit(wide, tmp_path):
    """What a killed run resumes is named by the whole definition of the set."""
    world = wide["rows"]
    request = FitRequest(
        name="fold_0", model_name="logistic", params={}, seed=3, rows=world.folds[0][0], candidates=CANDIDATES
    )

    def _task(one):
        given = {"settings": SETTINGS, "clock_us": world.clock_us}
        (path,) = write_tasks(tmp_path, [one], world.train, world.kinds, **given)
        return path

    task = _task(request)
    perform(task)
    found = read_result(task)
    direct = fit_recorded("logistic", {}, world.train, world.kinds, rows=world.folds[0][0], **_given(world))
    assert found.choice == direct.choice
    assert found.member.to_files() == direct.member.to_files()
    assert json.loads(task.read_text())["request"]["candidates"] == json.loads(json.dumps(CANDIDATES.to_plain()))
    changed = [
        replace(CANDIDATES, columns_max=8),
        replace(CANDIDATES, columns=CANDIDATES.columns[:-1]),
        replace(CANDIDATES, columns=CANDIDATES.columns[::-1]),
        replace(CANDIDATES, kept=()),
        replace(CANDIDATES, limits=replace(CANDIDATES.limits, correlation_min=0.7)),
        replace(CANDIDATES, limits=replace(CANDIDATES.limits, rows_max=100)),
        None,
    ]
    names = {_task(replace(request, candidates=one)).name for one in changed}
    assert len(names) == len(changed)
    assert task.name not in names
    assert read_result(_task(request)) is None  # the other rules swept it away: it is made anew
    assert _task(request).name == task.name


def test_fits_in_processes_choose_alike(wide, scored, tmp_path):
    world = wide["windows"]
    requests = fold_requests(
        "tcn", PARAMS["tcn"], world.folds, np.arange(len(world.train)), seed=3, candidates=CANDIDATES
    )
    fits = fit_members(
        requests,
        world.train,
        world.kinds,
        settings=SETTINGS,
        clock_us=world.clock_us,
        work=FitWork(folder=tmp_path, processes=1),
    )
    assert [fit.choice for fit in fits] == [fit.choice for fit in scored["tcn"].fits]
    again = predict_folds(world.train, world.folds, fits)
    assert np.array_equal(again.probabilities, scored["tcn"].probabilities)


@pytest.mark.parametrize("kind", ["rows", "windows"])
def test_the_canary_reads_the_set(wide, kind):
    world = wide[kind]
    folds = world.folds[:2] if kind == "rows" else world.folds[:1]
    given = {"settings": SETTINGS, "clock_us": world.clock_us, "seed": 1, "candidates": CANDIDATES}
    assert permuted_labels_verdict(world.train, folds, world.kinds, **given).passed
    strange = replace(CANDIDATES, columns=(*CANDIDATES.columns, "column_30"))
    with pytest.raises(BadInputError, match=r"1 candidates are no columns of the rows, the first \['column_30'\]"):
        permuted_labels_verdict(world.train, folds, world.kinds, **(given | {"candidates": strange}))


def test_columns_that_do_not_vary_enough_stop_the_fit(wide):
    world = wide["rows"]
    values = np.array(world.train.store)
    values[:, 5:] = np.nan
    with pytest.raises(BadInputError, match=r"feature set 'mine': 5 of 30 candidates vary .*25 are mostly masked"):
        fit_recorded("logistic", {}, world.train.with_store(values), world.kinds, **_given(world))
