"""The closed registry of sets: rules over the catalogue, bounds, candidates of a series, and what models name of it."""

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest

from factory_assets.adapters import candidates_of, choose_columns, columns_verdict, feature_set
from factory_assets.adapters.feature_sets import FEATURE_SETS, Candidates, ColumnRule, FeatureSet
from factory_assets.features import catalogue
from factory_assets.features.pools import POOL_ADAPTERS, pool_columns
from factory_assets.features.registry import registry as features
from factory_assets.models import registry as models
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, UnknownNameError
from factory_assets.vocabulary.settings import AdapterSettings

SETTINGS = AdapterSettings()
BOUNDS = {
    "boosting_optimal": (80, 120), "neural_optimal": (40, 60), "transformer_raw": (10, 15), "ensemble_base": (60, 80),
}  # fmt: skip
CLOCK = {spec.name for spec in catalogue() if spec.group == "calendar"}


def _of(name, *, has_volume=True):
    return candidates_of(feature_set(name), SETTINGS, has_volume=has_volume)


def _features(columns):
    return {column.rpartition("__")[0] or column for column in columns}


def test_the_named_sets_have_the_specified_bounds_and_pools():
    assert {name: (one.columns_min, one.columns_max) for name, one in FEATURE_SETS.items() if name in BOUNDS} == BOUNDS
    assert {name: FEATURE_SETS[name].pool for name in BOUNDS} == {
        "boosting_optimal": "tabular", "neural_optimal": "sequence", "transformer_raw": "raw",
        "ensemble_base": "tabular_1h",
    }  # fmt: skip
    assert {*FEATURE_SETS} == {*BOUNDS, *POOL_ADAPTERS}
    with pytest.raises(TypeError):
        FEATURE_SETS["mine"] = FEATURE_SETS["raw"]
    with pytest.raises(UnknownNameError, match=r"'optimal': known sets are \['boosting_optimal', 'ensemble_base'"):
        feature_set("optimal")


@pytest.mark.parametrize("has_volume", [True, False])
@pytest.mark.parametrize("name", BOUNDS)
def test_every_set_has_enough_candidates_with_and_without_volume(name, has_volume):
    found = _of(name, has_volume=has_volume)
    least, most = BOUNDS[name]
    assert len(set(found.columns)) == len(found.columns) >= least
    assert len(found.kept) < most
    assert {*found.kept} <= {*found.columns}
    reading = {spec.name for spec in catalogue() if spec.reads_volume}
    assert bool(_features(found.columns) & reading) is (has_volume and name != "transformer_raw")


def test_eligible_is_what_the_rule_says():
    specs = features().specs
    neural = [specs[name] for name in _of("neural_optimal").columns]
    assert {spec.group for spec in catalogue() if spec.group == "wavelets"} <= {spec.group for spec in neural}
    assert "traded" not in {spec.group for spec in neural}
    loose = {spec.name for spec in neural if spec.scaling == "robust" and spec.group != "wavelets"}
    assert loose
    assert {specs[name].unit for name in loose} <= {"ATR", "sigma", "1", "half ranges", "ATR per bar"}
    raw = [specs[name] for name in _of("transformer_raw").columns]
    assert {(spec.group, spec.unit) for spec in raw if spec.group == "returns"} == {("returns", "log")}
    assert {spec.group for spec in raw} == {"returns", "calendar"}
    assert len(_of("boosting_optimal").columns) == len(pool_columns("tabular", SETTINGS))
    assert {column.rpartition("__")[2] for column in _of("ensemble_base").columns} == {"60min", "5min"}


def test_the_clock_is_always_kept_where_something_is_chosen():
    for name in ("boosting_optimal", "neural_optimal", "ensemble_base"):
        assert _features(_of(name).kept) == CLOCK


def test_the_primary_timeframe_comes_first_in_preference():
    columns = _of("boosting_optimal").columns
    own = [place for place, name in enumerate(columns) if name.endswith("__15min")]
    assert own == list(range(len(own)))
    assert len(own) > 150


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (ColumnRule(groups=("wavelet",)), "wavelet"),
        (ColumnRule(units=("points",)), "points"),
        (ColumnRule(groups=("calendar",), scalings=("robust",)), "robust"),
        (ColumnRule(groups=("returns",), other_groups=("returns",)), "other_groups"),
        (ColumnRule(groups=("returns", "retruns")), "group 'retruns'"),
        (ColumnRule(units=("ATR", "points")), "unit 'points'"),
        (ColumnRule(scalings=("robust", "zscore")), "scaling 'zscore'"),
        (ColumnRule(other_groups=("trade",)), "other group 'trade'"),
    ],
)
def test_a_rule_that_matches_nothing_is_an_error(rule, told):
    known = feature_set("boosting_optimal")
    for wanted in (replace(known, rules=(*known.rules, rule)), replace(known, kept=(rule,))):
        for has_volume in (True, False):
            with pytest.raises(ConfigurationError, match=rf"{told}.*match none of the \d+ columns of pool 'tabular'"):
                candidates_of(wanted, SETTINGS, has_volume=has_volume)


def test_a_rule_of_features_that_read_volume_is_none_in_a_series_without():
    """Nothing is left of it there, and that is no mistake of the rule."""
    assert all(spec.reads_volume for spec in catalogue() if spec.group == "volume")
    wanted = replace(feature_set("boosting_optimal"), rules=(ColumnRule(), ColumnRule(groups=("volume",))))
    assert len(candidates_of(wanted, SETTINGS, has_volume=False).columns) >= 80


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pool": "daily"}, "pool 'daily', expected one of"),
        ({"rules": ()}, "no rule"),
        ({"columns_min": 9, "columns_max": 3}, "bounds 9 and 3"),
        ({"columns_min": 0, "columns_max": 3}, "bounds 0 and 3"),
        ({"columns_min": 9, "columns_max": None}, "bounds 9 and None"),
        ({"columns_min": None}, "bounds None and 120"),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(changes, told):
    with pytest.raises(ConfigurationError, match=f"'boosting_optimal': {told}"):
        replace(feature_set("boosting_optimal"), **changes)


def test_sets_that_leave_nothing_to_choose_are_refused():
    narrow = replace(feature_set("boosting_optimal"), rules=(ColumnRule(groups=("calendar",)),))
    with pytest.raises(
        ConfigurationError, match=r"\d+ of the \d+ columns of pool 'tabular' are eligible, expected .* 80"
    ):
        candidates_of(narrow, SETTINGS, has_volume=True)
    full = replace(feature_set("boosting_optimal"), columns_min=2, columns_max=len(CLOCK))
    with pytest.raises(ConfigurationError, match="are always kept and at most"):
        candidates_of(full, SETTINGS, has_volume=True)


def test_a_pool_under_its_own_name_is_a_set_without_a_choice():
    for pool in POOL_ADAPTERS:
        found = _of(pool)
        assert found.columns == tuple(column.name for column in pool_columns(pool, SETTINGS))
        assert (found.columns_min, found.columns_max, found.kept) == (None, None, ())


def test_candidates_are_json_and_back_and_differ_with_every_part_of_the_rule():
    found = _of("boosting_optimal")
    assert Candidates.from_plain(json.loads(json.dumps(found.to_plain()))) == found
    others = [
        replace(found, columns_max=119),
        replace(found, columns=found.columns[1:]),
        replace(found, kept=found.kept[1:]),
        replace(found, limits=replace(found.limits, correlation_min=0.81)),
    ]
    spelled = {json.dumps(one.to_plain(), sort_keys=True) for one in (found, *others)}
    assert len(spelled) == 5
    with pytest.raises(BadInputError, match="cannot be read"):
        Candidates.from_plain({**found.to_plain(), "limits": {"rows": 3}})


def test_every_base_model_names_a_set_of_its_own_adapter():
    named = {}
    for name in models.names():
        entry = models.entry(name)
        if entry.primary_minutes is not None:
            assert feature_set(entry.feature_set).adapter == entry.adapter, name
            named[name] = entry.feature_set
    assert named == {"lightgbm": "boosting_optimal", "logistic": "ensemble_base", "tcn": "neural_optimal"}


def _tried(name, *, seed=0, has_volume=True):
    """A choice from made-up rows in which every column of the pool follows one of a hundred factors."""
    wanted = feature_set(name)
    offered = [column.name for column in pool_columns(wanted.pool, SETTINGS, has_volume=has_volume)]
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(700, 100))[:, np.arange(len(offered)) % 100]
    values = factors + 0.3 * rng.normal(size=(700, len(offered)))
    return wanted, offered, choose_columns(values, offered, _of(name, has_volume=has_volume))


@pytest.mark.parametrize("has_volume", [True, False])
@pytest.mark.parametrize("name", BOUNDS)
def test_every_set_lands_inside_its_bounds(name, has_volume):
    wanted, offered, choice = _tried(name, has_volume=has_volume)
    verdict = columns_verdict({"train": choice}, {"train": choice.columns}, wanted, offered)
    assert verdict.passed, verdict.summary
    assert verdict.blocking
    assert (verdict.details["least"], verdict.details["most"]) == BOUNDS[name]
    assert BOUNDS[name][0] <= verdict.details["train_columns"] <= BOUNDS[name][1]


def _fated(choice, place, **changes):
    fates = list(choice.fates)
    fates[place] = replace(fates[place], **changes)
    return replace(choice, fates=tuple(fates))


def test_the_verdict_sees_every_fault():
    wanted, offered, choice = _tried("ensemble_base")
    read = choice.columns
    reasons = [fate.reason for fate in choice.fates]
    represented, medoid, surplus = (reasons.index(one) for one in ("represented", "medoid", "surplus"))
    cluster = choice.fates[represented].cluster
    faults = {
        "columns": (choice, read[:59]),
        "not eligible": (choice, (*read[:-1], "rsi_14__15min")),
        "a column twice": (choice, (*read[:-1], read[0])),
        "no record": (None, read),
        "chosen for set": (replace(choice, set_name="tabular_1h"), read),
        "not those read": (_fated(choice, represented, reason="alone"), read),
        "speak for them": (_fated(choice, medoid, reason="kept"), read),
        "clusters with ": (_fated(choice, surplus, cluster=cluster), read),
        "of another cluster": (_fated(choice, represented, cluster=cluster + 1 if cluster == 0 else 0), read),
        "candidates, ": (replace(choice, fates=choice.fates[1:]), read),
    }
    for told, (record, columns) in faults.items():
        verdict = columns_verdict({} if record is None else {"train": record}, {"train": columns}, wanted, offered)
        assert not verdict.passed, told
        assert told in verdict.summary, verdict.summary
    assert not columns_verdict({}, {}, wanted, offered).passed
    assert not columns_verdict({"train": choice, "fold_0": choice}, {"train": read}, wanted, offered).passed
    volume = next(name for name in read if features().specs[name.rpartition("__")[0]].reads_volume)
    without = [name for name in offered if name != volume]
    assert (
        "not eligible, such as " + volume
        in columns_verdict({"train": choice}, {"train": read}, wanted, without).summary
    )


def test_a_set_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        feature_set("raw").pool = "tabular"
    assert isinstance(feature_set("raw"), FeatureSet)
