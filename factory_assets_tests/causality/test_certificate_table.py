"""The certificate as it is stored: its rows are the verdicts, feature by feature, and say who failed."""

import numpy as np
import pytest

from factory_assets.features import catalogue, causality, certify, compute
from factory_assets.features.causality import certificate
from factory_assets.features.certificate import CONTROL_GROUP, WHOLE_PARTITION
from factory_assets.features.controls import CONTROLS
from factory_assets.features.examination import ASPECTS, Finding
from factory_assets.features.registry import Registry
from factory_assets.vocabulary.frames import to_frame, to_table
from factory_assets.vocabulary.schemas import FEATURE_CERTIFICATE, FEATURE_HEALTH
from factory_assets_tests.causality.test_certificate import FRAME, one_feature
from factory_assets_tests.features.feature_worlds import bars

CUTS = 12
SPECS = {spec.name: spec for spec in catalogue()}
VERDICT_OF = {
    "truncation": "truncation_invariant",
    "perturbation": "future_perturbation_invariant",
    "lookback": "lookback_honoured",
    "scale": "scale_invariant",
}


@pytest.fixture(scope="module")
def made():
    return certificate(FRAME, 30, cut_points=CUTS, seed=1, values=compute(FRAME))


@pytest.fixture(scope="module")
def features(made):
    return made.aspects[made.aspects["group"] != CONTROL_GROUP]


def test_every_feature_has_a_row_for_every_aspect(features):
    by_aspect = {aspect: set(rows["feature"]) for aspect, rows in features.groupby("aspect")}
    invariant = {name for name, spec in SPECS.items() if spec.scale_invariant}
    everything = set(SPECS)
    assert by_aspect == {**dict.fromkeys([*ASPECTS, WHOLE_PARTITION], everything), "scale": invariant}
    assert not features.duplicated(["minutes", "feature", "aspect"]).any()
    assert set(features["minutes"]) == {30}
    assert dict(zip(features["feature"], features["group"], strict=True)) == {n: s.group for n, s in SPECS.items()}
    assert not features["must_fail"].any()


def test_the_rows_add_up_to_the_verdicts(made, features):
    verdicts = {verdict.name: verdict for verdict in made.verdicts}
    for aspect, name in VERDICT_OF.items():
        rows, said = features[features["aspect"] == aspect], verdicts[name].details
        assert rows["comparisons"].sum() == said["comparisons"]
        assert rows["cells"].sum() == said["values_compared"]
        assert (rows["comparisons"] == (2 * CUTS if aspect == "scale" else CUTS)).all()
        assert (~rows["passed"]).sum() == said["failed_features"] == 0
    for aspect in ("lookback", "scale"):
        rows, said = features[features["aspect"] == aspect], verdicts[VERDICT_OF[aspect]].details
        worst = rows.loc[rows["worst_error"].idxmax()]
        assert worst["worst_error"] == said["worst_relative_error"]
        assert worst["feature"] == said["worst_feature"]
        assert (rows["worst_error"] <= rows["tolerance"]).all()
        assert (rows["tolerance"] == rows["feature"].map(lambda name: SPECS[name].tolerance)).all()
    exact = features[~features["aspect"].isin(["lookback", "scale"])]
    assert (exact["tolerance"] == 0.0).all()
    assert (exact["worst_error"] == 0.0).all()
    whole = features[features["aspect"] == WHOLE_PARTITION]
    said = verdicts["future_perturbation_invariant"].details["whole_partition_values_compared"]
    assert whole["cells"].sum() == said
    assert (whole["comparisons"] == 1).all()


def test_certify_gives_exactly_the_verdicts_of_the_certificate(made):
    assert tuple(certify(FRAME, 30, cut_points=CUTS, seed=1, values=compute(FRAME))) == made.verdicts


def test_controls_stand_beside_the_features_with_what_caught_them(made):
    controls = made.aspects[made.aspects["group"] == CONTROL_GROUP]
    assert set(controls["feature"]) == set(CONTROLS)
    said = made.verdicts[-1].details
    for name, (_, aspects) in CONTROLS.items():
        rows = controls[controls["feature"] == name]
        assert set(rows["aspect"]) == set(ASPECTS)
        assert set(rows.loc[rows["must_fail"], "aspect"]) == set(aspects)
        caught = set(rows.loc[~rows["passed"], "aspect"])
        assert caught & set(aspects)
        assert said[name] == "caught by " + ", ".join(aspect for aspect in ASPECTS if aspect in caught)


def test_a_cheat_is_named_with_its_aspect_and_the_honest_one_beside_it_is_not(monkeypatch):
    honest = one_feature(lambda b: b.close / b.open - 1.0, name="honest")
    cheat = one_feature(lambda b: np.append(np.log(b.close[1:] / b.close[:-1]), 0.0), name="cheat")
    monkeypatch.setattr(causality, "registry", lambda: Registry.of([honest, cheat]))
    found = certificate(FRAME, cut_points=CUTS, seed=1)
    rows = found.aspects[found.aspects["group"] != CONTROL_GROUP].set_index(["feature", "aspect"])
    assert rows.loc["honest", "passed"].all()
    assert not rows.loc[("cheat", "truncation"), "passed"]
    assert not rows.loc[("cheat", WHOLE_PARTITION), "passed"]
    assert rows.loc[("cheat", "truncation"), "worst_error"] == np.inf
    assert rows.loc[("cheat", "lookback"), "passed"] == (
        "cheat" not in str(next(v for v in found.verdicts if v.name == "lookback_honoured").details["failed"])
    )


def test_features_that_a_series_without_volume_masks_are_in_the_health_table_alone():
    bare = bars(60, sessions=30, seed=4).assign(volume=np.nan)
    found = certificate(bare, 60, cut_points=10, seed=1)
    reading = {name for name, spec in SPECS.items() if spec.reads_volume}
    assert not reading & set(found.aspects["feature"])
    health = found.health.set_index("feature")
    assert set(health.index) == set(SPECS)
    assert (health.loc[list(reading), "masked_rows"] == len(bare)).all()
    assert not health.loc[list(reading), "judged"].any()


def test_both_tables_are_those_of_the_store(made):
    for schema, rows in ((FEATURE_CERTIFICATE, made.aspects), (FEATURE_HEALTH, made.health)):
        ordered = rows.sort_values(list(schema.order_by), ignore_index=True)
        stored = to_frame(to_table(ordered, schema))
        assert list(stored.columns) == [column.name for column in schema.columns]
        assert len(stored) == len(rows)
        assert stored["feature"].astype(str).tolist() == ordered["feature"].tolist()


def test_a_difference_that_is_no_number_is_none_that_is_allowed():
    finding = Finding()
    finding.close("same", np.array([np.inf, 1.0]), np.array([np.inf, 1.0]), size=1.0, tolerance=1e-9)
    finding.close("other", np.array([np.inf, 1.0]), np.array([-np.inf, 1.0]), size=1.0, tolerance=1e-9)
    finding.close("lost", np.array([np.inf, 1.0]), np.array([2.0, 1.0]), size=1.0, tolerance=1e-9)
    assert finding.failed == {"other", "lost"}
    assert finding.by_feature["same"].worst_error == 0.0
    assert finding.worst_error == np.inf


def test_a_finding_counts_feature_by_feature():
    finding = Finding()
    finding.exact("a", np.zeros(3), np.zeros(3))
    finding.close("b", np.ones(2), np.ones(2) * (1 + 1e-12), size=1.0, tolerance=1e-9)
    finding.close("b", np.ones(2), np.ones(2), size=1.0, tolerance=1e-9)
    assert {name: (each.comparisons, each.cells) for name, each in finding.by_feature.items()} == {
        "a": (1, 3),
        "b": (2, 4),
    }
    assert (finding.comparisons, finding.cells, finding.worst_feature) == (3, 7, "b")
    assert (Finding().worst_error, Finding().worst_feature, Finding().failed) == (0.0, "none", set())
