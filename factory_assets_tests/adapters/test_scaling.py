"""Scaling: known values, JSON to the byte, finite whatever comes in, blind to every other row."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from factory_assets.adapters import FittedScaler, Learnt, ScalerCase, scaler_invariants, scaling
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows

KINDS = ("robust", "minmax", "none")
NAMES = ("move", "rsi", "flag")


def test_known_values_by_hand():
    train = np.array([[1.0, 20.0, 0], [2, 40, 1], [3, 60, 1], [4, 80, 0], [5, 100, 1], [np.nan, np.nan, np.nan]])
    scaler = FittedScaler.fit(train, KINDS, NAMES)
    # medians of 1..5 and 20..100; quartiles of 1..5 are 2 and 4
    assert scaler.center == (3.0, 20.0, 0.0)
    assert scaler.scale == (2.0, 80.0, 1.0)
    assert scaler.fill == (3.0, 60.0, 1.0)
    rows = np.array([[5.0, 60.0, 1], [100, 600, 7], [-100, -600, -7], [np.nan, np.nan, np.nan], [np.inf, -np.inf, 0]])
    expected = [[1, 0.5, 1], [5, 5, 7], [-5, -5, -7], [0, 0.5, 1], [0, 0.5, 0]]
    scaled = scaler.transform(rows)
    assert scaled.dtype == np.float32
    assert scaled.tolist() == expected


def _naive_quantile(values, share):
    """Linear interpolation between order statistics."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def test_robust_columns_equal_the_naive_formula():
    random = np.random.default_rng(3)
    train = random.standard_t(3, (501, 4)) * [1, 10, 0.01, 1000] + [0, 5, 1, -300]
    train[random.random(train.shape) < 0.1] = np.nan
    scaler = FittedScaler.fit(train, ["robust"] * 4, list("abcd"))
    scaled = scaler.transform(train)
    for place in range(4):
        values = [value for value in train[:, place] if value == value]  # noqa: PLR0124
        median = _naive_quantile(values, 0.5)
        spread = _naive_quantile(values, 0.75) - _naive_quantile(values, 0.25)
        expected = [0.0 if v != v else max(-5.0, min(5.0, (v - median) / spread)) for v in train[:, place]]  # noqa: PLR0124
        np.testing.assert_allclose(scaled[:, place], expected, rtol=1e-5, atol=1e-6)
    assert (np.abs(scaled) == 5).sum() > 0


def test_columns_without_a_spread_stay_finite():
    train = np.column_stack([np.full(50, 0.1), np.r_[np.zeros(45), np.ones(5)], np.full(50, np.nan), np.full(50, 7.0)])
    scaler = FittedScaler.fit(train, ["robust", "robust", "robust", "minmax"], list("abcd"))
    # constant: scale 1; quartiles coincide: standard deviation of 45 zeros and 5 ones; no value: 0 and 1
    assert scaler.scale == (1.0, pytest.approx(0.3), 1.0, 1.0)
    assert scaler.fill == (pytest.approx(0.1), 0.0, 0.0, 7.0)
    scaled = scaler.transform(train)
    assert np.abs(scaled[:, [0, 2, 3]]).max() < 1e-12
    assert scaled[-1, 1] == pytest.approx(1 / 0.3, rel=1e-6)


_FAR = float(np.finfo(np.float64).max)


@settings(max_examples=150, deadline=None)
# neighbours further apart than the float64 limit: their difference overflowed and the quartile was infinite
@example(train=np.array([[-_FAR] * 3, [_FAR / 2] * 3]), rows=np.array([[0.0, _FAR, -_FAR]]))
@example(train=np.array([[-_FAR] * 3, [1e300] * 3, [-_FAR] * 3]), rows=np.array([[_FAR, 1.0, np.nan]]))
@given(
    arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.floats(width=64)),
    arrays(np.float64, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(width=64)),
)
def test_output_is_finite_and_bounded_and_json_keeps_every_bit(train, rows):
    scaler = FittedScaler.fit(train, KINDS, NAMES)
    scaled = scaler.transform(rows)
    assert np.isfinite(scaled).all()
    assert np.abs(scaled[:, :2]).max() <= 5
    text = scaler.to_json()
    again = FittedScaler.from_json(text)
    assert again == scaler
    assert again.to_json() == text
    assert np.array_equal(again.transform(rows), scaled)


def test_quartiles_of_values_a_float64_limit_apart():
    # sorted -8, -4, 4, 8 (x 2^1020): places .75, 1.5 and 2.25 lie a quarter, half and a quarter between neighbours
    train = np.array([[8.0], [-8.0], [4.0], [-4.0]]) * 2.0**1020
    scaler = FittedScaler.fit(np.repeat(train, 3, axis=1), KINDS, NAMES)
    assert scaler.fill == (0.0, 0.0, 0.0)
    assert scaler.center == (0.0, -(2.0**1023), 0.0)
    # -5 and 5 (x 2^1020) are the quartiles, 10 the range between them
    assert scaler.scale[0] == 10 * 2.0**1020
    assert scaler.transform(np.repeat(train, 3, axis=1))[:, 0] == pytest.approx([0.8, -0.8, 0.4, -0.4])


def test_row_order_of_the_training_part_does_not_matter():
    random = np.random.default_rng(2)
    train = random.standard_normal((200, 3))
    again = train[random.permutation(200)]
    assert FittedScaler.fit(train, KINDS, NAMES).to_json() == FittedScaler.fit(again, KINDS, NAMES).to_json()


def test_file_is_read_strictly():
    plain = json.loads(FittedScaler.fit(np.arange(12.0).reshape(4, 3), KINDS, NAMES).to_json())
    for changes, message in (
        ({"kinds": ["robust", "minmax", "magic"]}, r"unknown kinds \['magic'\]"),
        ({"center": [0.0]}, "different lengths"),
        ({"scale": [1.0, 0.0, 1.0]}, "scales above 0"),
        ({"fill": [1.0, "x", 1.0]}, r"wrong types in \['fill'\]"),
        ({"center": [float("nan"), 0.0, 0.0]}, "finite numbers"),
        ({"names": ["a", "a", "b"]}, "repeated"),
        ({"note": 1}, "with the keys"),
    ):
        with pytest.raises(BadInputError, match=message):
            FittedScaler.from_json(json.dumps({**plain, **changes}))
    with pytest.raises(BadInputError, match="not JSON"):
        FittedScaler.from_json("{")


def test_shapes_that_do_not_fit_are_refused():
    train = np.zeros((4, 3))
    with pytest.raises(BadInputError, match=r"shape \(4, 3\) with 2 kinds"):
        FittedScaler.fit(train, KINDS[:2], NAMES)
    with pytest.raises(BadInputError, match=r"shape \(0, 3\)"):
        FittedScaler.fit(train[:0], KINDS, NAMES)
    with pytest.raises(BadInputError, match="fitted on 3 columns"):
        FittedScaler.fit(train, KINDS, NAMES).transform(train[:, :2])


def _case(refit, values, known_rows):
    known = np.zeros(len(values), dtype=bool)
    known[known_rows] = True
    return ScalerCase(fitted=Learnt(scaler=refit(values)), refit=lambda rows: Learnt(scaler=refit(rows)), known=known)


def test_verdicts_pass_for_scalers_of_their_own_rows():
    values = np.random.default_rng(8).standard_normal((300, 3)).astype(np.float32)
    parts = (np.r_[0:100, 220:300], np.arange(150))
    cases = [_case(lambda rows, part=part: FittedScaler.fit(rows[part], KINDS, NAMES), values, part) for part in parts]
    verdicts = scaler_invariants(cases, values, NAMES)
    assert [(v.name, v.passed) for v in verdicts] == [
        ("scaler_ignores_other_rows", True),
        ("scaler_output_finite", True),
    ]
    assert verdicts[0].details == {"scalers": 2, "rows_outside_min": 120, "changed": 0, "unnoticed": 0}
    assert verdicts[1].details["cells"] == 2 * values.size


@pytest.mark.parametrize(
    ("looks_at", "changed", "unnoticed"),
    [
        (lambda rows: rows, 1, 0),
        (lambda rows: rows[:201], 1, 0),
        (np.ones_like, 0, 1),
    ],
)
def test_verdicts_see_a_scaler_that_looks_further_or_at_nothing(looks_at, changed, unnoticed):
    values = np.random.default_rng(8).standard_normal((300, 3))
    own = _case(lambda rows: FittedScaler.fit(rows[:200], KINDS, NAMES), values, np.arange(200))
    case = _case(lambda rows: FittedScaler.fit(looks_at(rows), KINDS, NAMES), values, np.arange(200))
    verdict = scaler_invariants([own, case, own], values, NAMES)[0]
    assert not verdict.passed
    assert (verdict.details["changed"], verdict.details["unnoticed"]) == (changed, unnoticed)


def test_scaler_in_use_has_to_be_the_one_the_path_makes():
    values = np.random.default_rng(8).standard_normal((300, 3))
    case = _case(lambda rows: FittedScaler.fit(rows[:200], KINDS, NAMES), values, np.arange(200))
    other = replace(case, fitted=Learnt(scaler=FittedScaler.fit(values, KINDS, NAMES)))
    assert not scaler_invariants([other], values, NAMES)[0].passed


def test_no_scaler_or_no_row_outside_proves_nothing():
    values = np.random.default_rng(8).standard_normal((300, 3))
    case = _case(lambda rows: FittedScaler.fit(rows, KINDS, NAMES), values, np.arange(300))
    assert not scaler_invariants([case], values, NAMES)[0].passed
    assert [verdict.passed for verdict in scaler_invariants([], values, NAMES)] == [False, False]


def _windows():
    """Four windows of three rows: rows 0 and 7 are in none, 5 and 6 in two; the first two lack history."""
    store = np.array([[900.0, 900], [1, 10], [2, np.nan], [3, 30], [4, 40], [5, 50], [6, 60], [800, 800]], np.float32)
    last, first = np.array([1, 2, 5, 6]), np.array([1, 1, 4, 5])
    return LazyWindows(store=store, last=last, first=first, length=3, pad=np.full(2, np.nan, np.float32))


def test_windows_are_fitted_on_each_row_they_show_once():
    windows = _windows()
    scaler = FittedScaler.fit(windows, ("robust", "minmax"), ("a", "b"))
    # rows 1, 2, 4, 5 and 6: values 1 2 4 5 6, and 10 40 50 60 with one missing
    assert scaler == FittedScaler.fit(windows.store[[1, 2, 4, 5, 6]], ("robust", "minmax"), ("a", "b"))
    assert (scaler.center, scaler.scale, scaler.fill) == ((4.0, 10.0), (3.0, 50.0), (4.0, 45.0))


def test_windows_are_scaled_lazily_and_show_the_median_where_they_have_no_row():
    windows = _windows()
    scaler = FittedScaler.fit(windows, ("robust", "minmax"), ("a", "b"))
    scaled = scaler.transform(windows)
    assert isinstance(scaled, LazyWindows)
    assert scaled.store.flags["C_CONTIGUOUS"]
    assert scaled.store.tolist() == scaler.transform(windows.store).tolist()
    shown = np.asarray(scaled)
    assert shown.dtype == np.float32
    # two steps before history, then row 1; the median of b is 45 = 10 + 0.7 x 50
    np.testing.assert_allclose(shown[0], [[0, 0.7], [0, 0.7], [-1, 0]], rtol=1e-6)
    np.testing.assert_allclose(shown[1], [[0, 0.7], [-1, 0], [-2 / 3, 0.7]], rtol=1e-6)
    np.testing.assert_allclose(shown[2], [[0, 0.7], [0, 0.6], [1 / 3, 0.8]], rtol=1e-6)
    by_window = [scaler.transform(window) for window in windows.materialised()]
    assert np.array_equal(shown, np.stack(by_window))


def test_windows_that_show_nothing_are_refused():
    with pytest.raises(BadInputError, match=r"shape \(0, 2\)"):
        FittedScaler.fit(_windows()[:0], ("robust", "minmax"), ("a", "b"))
    with pytest.raises(BadInputError, match="fitted on 3 columns"):
        FittedScaler.fit(np.zeros((4, 3)), KINDS, NAMES).transform(_windows())


def _column_by_column(scaler, X):  # noqa: N803
    """The definition: one column after the other, in float64."""
    scaled = np.empty(X.shape, dtype=np.float32, order="F")
    for place, kind in enumerate(scaler.kinds):
        column = np.asarray(X[:, place], dtype=np.float64)
        column = np.where(np.isfinite(column), column, scaler.fill[place])
        if kind == "none":
            limit = float(np.finfo(np.float32).max)
            scaled[:, place] = np.clip(column, -limit, limit)
            continue
        with np.errstate(over="ignore"):
            scaled[:, place] = np.clip((column - scaler.center[place]) / scaler.scale[place], -5.0, 5.0)
    return scaled


@pytest.mark.parametrize("cells", [1, 7, 40, 65_536])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [0, 1, 5, 61])
def test_blocks_of_columns_change_no_bit(monkeypatch, cells, order, dtype, rows):
    monkeypatch.setattr(scaling, "_CELLS_AT_ONCE", cells)
    random = np.random.default_rng(rows)
    X = random.standard_t(1, (rows, 17)) * 10.0 ** random.integers(-6, 7, 17)  # noqa: N806
    X[random.random(X.shape) < 0.3] = np.nan
    for special in (np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).max, np.finfo(dtype).min, np.finfo(dtype).tiny):
        X[random.random(X.shape) < 0.05] = special
    X = np.array(X, dtype=dtype, order=order)  # noqa: N806
    scaler = FittedScaler(
        names=tuple(f"column_{place}" for place in range(17)),
        kinds=tuple(random.choice(KINDS, 17).tolist()),
        # a file may give a column of kind none a center and a scale: they do not count
        center=tuple(random.standard_normal(17).tolist()),
        scale=tuple((10.0 ** random.integers(-300, 5, 17)).tolist()),
        fill=tuple((random.standard_normal(17) * 1e3).tolist()),
    )
    before, told = X.copy(order="K"), scaler.to_json()
    scaled, expected = scaler.transform(X), _column_by_column(scaler, X)
    assert scaled.dtype == np.float32
    assert scaled.flags.f_contiguous
    assert scaled.tobytes(order="F") == expected.tobytes(order="F")
    assert scaler.transform(X).tobytes() == expected.tobytes()
    assert X.tobytes() == before.tobytes()
    # what is kept between calls is no part of the scaler
    assert scaler.to_json() == told
    assert scaler == FittedScaler(**asdict(scaler))
