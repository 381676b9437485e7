"""Numerical health: each way of being unusable turns its own verdict red, wherever in the table it hides."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.features.correlation import correlation_matrix
from factory_assets.features.health import DUPLICATE_CORRELATION, examine_health
from factory_assets.features.spec import FeatureSpec, Span
from factory_assets.vocabulary.frames import to_table
from factory_assets.vocabulary.schemas import FEATURE_HEALTH
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

ROWS = 120_000
LATE = 30_000
VERDICTS = ("finite_after_warmup", "no_constant_feature", "no_duplicate_features")


def spec(name, warmup=0):
    return FeatureSpec(
        name=name, group="returns", inputs=("close",), formula="as said", source="a test", unit="1", scaling="robust",
        lookback=Span(bars=warmup + 1), warmup=Span(bars=warmup), tolerance=1e-9,
    )  # fmt: skip


@pytest.fixture(scope="module")
def honest():
    """Four features that say different things, one of them only after a long warm-up."""
    rng = np.random.default_rng(0)
    made = {name: rng.standard_t(3, ROWS) for name in ("first", "second", "third", "late")}
    made["late"][:LATE] = np.nan
    return made


def examined(values, minutes=1, warmups=None, masked=()):
    warmups = {"late": LATE} if warmups is None else warmups
    rows = len(next(iter(values.values())))
    specs = [spec(name, warmups.get(name, 0)) for name in values]
    return examine_health(specs, masked, values, minutes, np.ones(rows, dtype=bool))


def red(values, **options):
    return [verdict.name for verdict in examined(values, **options).verdicts if not verdict.passed]


def test_honest_features_pass_and_their_rows_say_what_was_seen(honest):
    found = examined(honest)
    assert tuple(verdict.name for verdict in found.verdicts) == VERDICTS
    assert all(verdict.passed and verdict.blocking for verdict in found.verdicts)
    late = found.rows.set_index("feature").loc["late"]
    assert (late["masked_rows"], late["complete_from_row"], late["warmup_bars"]) == (LATE, LATE, LATE)
    assert late["judged"]
    assert late["closest_feature"] in {"first", "second", "third"}
    expected = abs(np.corrcoef(honest["late"][LATE:], honest[late["closest_feature"]][LATE:])[0, 1])
    assert late["largest_correlation"] == pytest.approx(expected, rel=1e-9)


# --- what has to be found ----------------------------------------------------------------------------------------


def nearly(base, rng, r):
    """A column that correlates with another at r, up to sampling."""
    noise = rng.standard_normal(len(base)) * base.std()
    return r * base + np.sqrt(1.0 - r**2) * noise


def plant_noise(values, rng):
    return nearly(values["first"], rng, 0.9995)


def plant_opposite(values, rng):
    return 7.0 - 1e-6 * nearly(values["first"], rng, 0.9995)


def plant_in_one_row(values, rng):
    """Unrelated but for one row, which carries the correlation of both: no sample of rows shows it."""
    values["first"][77_777] = 1e6
    column = rng.standard_normal(ROWS)
    column[77_777] = 1e6
    return column


def plant_apart_from_some(values, rng):
    """The same but in every seventh row: a sample of exactly those rows would see nothing."""
    column = values["first"].copy()
    column[::7] += rng.standard_normal(len(column[::7])) * values["first"].std() * 0.06
    return column


def plant_on_a_level(values, rng):
    """The same above a level a million times its size: rounding must not hide it."""
    return nearly(values["first"], rng, 0.9999) + 1e6 * values["first"].std()


@pytest.mark.parametrize(
    "plant", [plant_noise, plant_opposite, plant_in_one_row, plant_apart_from_some, plant_on_a_level]
)
@pytest.mark.parametrize("masked_until", [0, LATE])
def test_a_planted_near_duplicate_is_found(honest, plant, masked_until):
    values = {name: column.copy() for name, column in honest.items()}
    planted = plant(values, np.random.default_rng(1))
    planted[:masked_until] = np.nan
    values["planted"] = planted
    exact = abs(np.corrcoef(values["first"][masked_until:], planted[masked_until:])[0, 1])
    assert exact > DUPLICATE_CORRELATION
    found = examined(values, warmups={"late": LATE, "planted": masked_until})
    assert [verdict.name for verdict in found.verdicts if not verdict.passed] == ["no_duplicate_features"]
    duplicate = found.verdicts[2]
    assert duplicate.details["failed"] == "first = planted"
    assert duplicate.details["largest_correlation"] == pytest.approx(exact, rel=1e-9)
    rows = found.rows.set_index("feature")
    assert rows.loc["planted", "closest_feature"] == "first"
    assert rows.loc["first", "closest_feature"] == "planted"


def test_below_the_limit_two_features_are_two(honest):
    planted = nearly(honest["first"], np.random.default_rng(1), 0.998)
    assert 0.99 < abs(np.corrcoef(honest["first"], planted)[0, 1]) < DUPLICATE_CORRELATION
    assert red({**honest, "planted": planted}) == []


def test_a_duplicate_only_while_the_other_still_warms_up_is_none(honest):
    # Alike in the first rows, which the late one does not have: judged on the rows both have.
    planted = np.where(np.arange(ROWS) < LATE, honest["first"], np.random.default_rng(2).standard_normal(ROWS))
    assert red({**honest, "planted": planted}, warmups={"late": LATE, "planted": LATE}) == []


@pytest.mark.parametrize("width", TIMEFRAMES_MINUTES)
def test_the_duplicate_rule_holds_on_every_timeframe_from_five_sessions_on(width):
    enough = 5 * -(-1380 // width)
    rng = np.random.default_rng(width)
    base = rng.standard_normal(enough)
    pair = {"one": base, "two": base + 1e-3 * rng.standard_normal(enough), "other": rng.standard_normal(enough)}
    assert red(pair, minutes=width, warmups={}) == ["no_duplicate_features"]
    fewer = {name: column[:-1] for name, column in pair.items()}
    found = examined(fewer, minutes=width, warmups={})
    assert all(verdict.passed for verdict in found.verdicts)
    assert found.verdicts[2].details["features"] == 0
    assert found.rows["largest_correlation"].isna().all()


def constant(values):
    values["planted"] = np.full(ROWS, 0.25)


def constant_as_stored(values):
    """Moves by less than a 32-bit float can hold: every stored value is the same."""
    values["planted"] = 1000.0 + 1e-6 * np.sin(np.arange(ROWS))


def constant_after_warm_up(values):
    values["planted"] = np.where(np.arange(ROWS) < LATE, np.nan, -3.0)


@pytest.mark.parametrize("plant", [constant, constant_as_stored, constant_after_warm_up])
def test_a_planted_constant_is_found(honest, plant):
    values = dict(honest)
    plant(values)
    warmups = {"late": LATE, "planted": LATE if np.isnan(values["planted"][0]) else 0}
    found = examined(values, warmups=warmups)
    assert [verdict.name for verdict in found.verdicts if not verdict.passed] == ["no_constant_feature"]
    assert found.verdicts[1].details["failed"] == "planted"
    assert found.rows.set_index("feature").loc["planted", "constant"]


@pytest.mark.parametrize("row", [LATE, LATE + 1, 77_777, ROWS - 1])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e39])
def test_one_planted_value_that_is_not_finite_is_found(honest, wrong, row):
    column = honest["late"].copy()
    column[row] = wrong
    found = examined({**honest, "late": column})
    assert [verdict.name for verdict in found.verdicts if not verdict.passed] == ["finite_after_warmup"]
    assert found.verdicts[0].details["failed"] == "late"
    assert found.rows.set_index("feature").loc["late", "not_finite"] == 1


def test_warm_up_may_be_masked_but_never_infinite(honest):
    column = honest["late"].copy()
    column[3] = np.inf
    assert red({**honest, "late": column}) == ["finite_after_warmup"]
    assert red({**honest, "late": honest["late"]}, warmups={"late": LATE - 1}) == ["finite_after_warmup"]


def test_a_masked_feature_is_listed_and_nothing_is_said_of_it(honest):
    found = examined({**honest, "silent": np.full(ROWS, np.nan)}, masked={"silent"})
    assert all(verdict.passed for verdict in found.verdicts)
    assert found.verdicts[0].details["features"] == 4
    silent = found.rows.set_index("feature").loc["silent"]
    assert (silent["masked_rows"], silent["complete_from_row"], silent["not_finite"]) == (ROWS, ROWS, 0)
    assert not silent["judged"]
    assert not silent["constant"]


def test_the_rows_are_those_of_the_stored_table(honest):
    rows = examined({**honest, "silent": np.full(ROWS, np.nan)}, masked={"silent"}).rows
    stored = to_table(rows.sort_values(["minutes", "feature"]), FEATURE_HEALTH)
    assert stored.num_rows == 5
    assert stored.column("largest_correlation").null_count == 1


def test_one_feature_alone_has_no_neighbour(honest):
    found = examined({"first": honest["first"]})
    assert all(verdict.passed for verdict in found.verdicts)
    assert found.verdicts[2].details["closest_pair"] == "none"
    assert found.rows["largest_correlation"].isna().all()


# --- the correlations themselves ---------------------------------------------------------------------------------


def plain(columns, starts):
    """Pair by pair, as a textbook does it."""
    size = len(columns)
    made = np.ones((size, size))
    for i in range(size):
        for j in range(size):
            first = max(starts[i], starts[j])
            if i != j:
                made[i, j] = np.corrcoef(columns[i][first:], columns[j][first:])[0, 1]
    return made


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 7), rows=st.integers(40, 400))
def test_correlations_equal_those_of_each_pair_alone(seed, size, rows):
    rng = np.random.default_rng(seed)
    columns = [
        rng.standard_t(3, rows) * 10.0 ** rng.integers(-6, 6) + rng.choice([0.0, 1e3, -1e5]) for _ in range(size)
    ]
    starts = rng.integers(0, rows // 2, size).tolist()
    for column, start in zip(columns, starts, strict=True):
        column[:start] = np.nan
    np.testing.assert_allclose(correlation_matrix(columns, starts), plain(columns, starts), rtol=1e-6, atol=1e-8)


def test_correlations_over_many_chunks_equal_those_over_one(honest):
    columns, starts = list(honest.values()), [0, 0, 0, LATE]
    np.testing.assert_allclose(correlation_matrix(columns, starts), plain(columns, starts), rtol=1e-10, atol=1e-12)


def test_a_column_that_does_not_move_on_the_shared_rows_correlates_with_nothing():
    rng = np.random.default_rng(3)
    early = np.where(np.arange(500) < 200, rng.standard_normal(500), 4.0)
    late = rng.standard_normal(500)
    late[:200] = np.nan
    moving = rng.standard_normal(500)
    matrix = correlation_matrix([early, late, moving], [0, 200, 0])
    assert matrix[0, 1] == matrix[1, 0] == 0.0
    assert matrix[0, 2] == pytest.approx(np.corrcoef(early, moving)[0, 1])


def test_a_missing_value_makes_its_own_correlations_unknown_and_no_others(honest):
    columns = [column.copy() for column in honest.values()]
    columns[1][500] = np.nan
    columns[2][9] = np.inf
    matrix = correlation_matrix(columns, [0, 0, 0, LATE])
    assert np.isnan(matrix[1, [0, 2, 3]]).all()
    assert np.isnan(matrix[2, [0, 1, 3]]).all()
    assert matrix[0, 3] == pytest.approx(np.corrcoef(columns[0][LATE:], columns[3][LATE:])[0, 1])


def test_no_columns_have_no_correlations():
    assert correlation_matrix([], []).shape == (0, 0)
    assert isinstance(examined({"x": np.arange(3.0)}).rows, pd.DataFrame)
