"""Features of a series without volume: those that read it say so, are masked, and leave the pools; no other moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.features import catalogue, causality, certify, compute, sequence_pool, tabular_pool
from factory_assets.features.bars import Bars
from factory_assets.features.compute import evaluate
from factory_assets.features.examination import perturbed
from factory_assets.features.family import FeatureFamily
from factory_assets.features.pools import MULTI_TIMEFRAME, MULTI_TIMEFRAME_COLUMNS_MIN, without_volume
from factory_assets.features.registry import Registry, registry
from factory_assets.features.spec import FeatureSpec, Span
from factory_assets.features.volume_use import volume_use_verdict
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets_tests.features.feature_worlds import bars, hostile

FRAME = bars(30, sessions=40, seed=6, roll_every=11)
WITHOUT = FRAME.assign(volume=np.nan)
READING = {spec.name for spec in catalogue() if spec.reads_volume}


def same(left, right):
    """Whether two columns are equal bit by bit, NaN included."""
    return np.array_equal(left.to_numpy().view(np.int64), right.to_numpy().view(np.int64))


def test_what_reads_volume_is_declared_by_inputs():
    assert len(READING) == 46
    groups = {spec.group for spec in catalogue() if spec.reads_volume}
    assert groups == {"volume", "microstructure", "statistics", "wavelets"}
    # a VWAP is a price and yet weighs by volume; a spread estimate is microstructure and yet reads prices alone
    assert {"vwap_distance_atr", "vwap_z", "mfi_14", "amihud_20"} <= READING
    assert not READING & {"roll_spread_20", "corwin_schultz_spread_20", "session_range_ratio_20s", "tick_atr"}


@pytest.mark.parametrize("width", [1, 5, 60])
def test_without_volume_the_reading_ones_are_masked_and_the_others_equal_to_the_bit(width):
    frame = bars(width, sessions=26 if width > 1 else 3, seed=width, roll_every=9)
    with_it, without = compute(frame), compute(frame.assign(volume=np.nan))
    assert list(with_it.columns) == list(without.columns)
    for name in with_it.columns[2:]:
        if name in READING:
            assert without[name].isna().all(), name
        else:
            assert same(with_it[name], without[name]), name


@given(seed=st.integers(0, 2**32 - 1), wild=st.booleans())
@settings(max_examples=8, deadline=None)
def test_other_volumes_change_exactly_the_reading_ones(seed, wild):
    rng = np.random.default_rng(seed)
    frame = hostile(rng, 1200) if wild else FRAME
    other = frame.assign(volume=rng.integers(0, 10**6, len(frame)).astype(np.float64))
    before, after = compute(frame), compute(other)
    changed = {name for name in before.columns[2:] if not same(before[name], after[name])}
    assert changed == READING


def test_the_mask_does_not_rest_on_what_a_formula_makes_of_nan():
    def kept(b: Bars) -> np.ndarray:
        return np.nan_to_num(b.volume) + 1.0

    family = _one(kept, inputs=("close", "volume"))
    assert np.isnan(evaluate(Bars.from_frame(WITHOUT), [family], ["cheat"])["cheat"]).all()
    assert (evaluate(Bars.from_frame(FRAME), [family], ["cheat"])["cheat"] >= 1.0).all()


def test_trailing_bars_without_volume_are_masked_like_all_history():
    # what a live run computes: the same function on the last bars
    arrays = Bars.from_frame(WITHOUT)
    tail = arrays.rows(len(arrays) - 600, len(arrays))
    assert not arrays.has_volume
    assert not tail.has_volume
    values = evaluate(tail, registry().families, ["vwap_z", "rsi_14"])
    assert np.isnan(values["vwap_z"]).all()
    assert np.isfinite(values["rsi_14"][-1])
    assert Bars.from_frame(FRAME).has_volume
    assert Bars.from_frame(FRAME.iloc[:0], 30).has_volume


def test_a_series_of_zero_volume_is_one_with_volume():
    values = compute(FRAME.assign(volume=0.0))
    assert values[sorted(READING)].iloc[-1].notna().all()


def test_certificate_of_a_series_without_volume_is_green_and_says_how_many_are_masked():
    verdicts = {v.name: v for v in certify(WITHOUT, 30, cut_points=10, seed=1, values=compute(WITHOUT))}
    assert [v.summary for v in verdicts.values() if not v.passed] == []
    count = len(catalogue()) - len(READING)
    assert verdicts["truncation_invariant"].details["comparisons"] == count * 10
    assert verdicts["finite_after_warmup"].details["features"] == count
    # Forty sessions are too few for parameters of the hidden Markov model: its four features cannot be judged.
    assert verdicts["no_constant_feature"].details["features"] == count - 4
    use = verdicts["volume_use_declared"]
    assert use.details["masked"] == use.details["reads_volume"] == len(READING)
    assert use.details["warming_up"] == 0
    assert use.summary.endswith("masked because the series has no volume: 46 features")
    with pytest.raises(BadInputError, match="read volume and these bars have none"):
        certify(WITHOUT, 30, cut_points=10, seed=1, names=["vwap_z"])


def test_wild_later_bars_of_a_series_without_volume_have_none_either():
    wild = perturbed(Bars.from_frame(WITHOUT), 700, np.random.default_rng(0))
    assert not wild.has_volume
    assert (wild.close[700:] != Bars.from_frame(WITHOUT).close[700:]).mean() > 0.99


def test_published_values_that_are_not_masked_turn_the_certificate_red():
    values = compute(WITHOUT)
    values.loc[900, "mfi_14"] = 50.0
    red = [v for v in certify(WITHOUT, 30, cut_points=10, seed=1, values=values) if not v.passed]
    assert [v.name for v in red] == ["volume_use_declared"]
    assert red[0].details["not_masked_without_it"] == "mfi_14"


def _one(function, *, inputs, name="cheat", lookback=5):
    spec = FeatureSpec(
        name=name, group="returns", inputs=inputs, formula="as said", source="a test", unit="1", scaling="robust",
        lookback=Span(bars=lookback), warmup=Span(), tolerance=1e-9,
    )  # fmt: skip
    return FeatureFamily(function=function, specs=(spec,))


@pytest.mark.parametrize(
    ("family", "found"),
    [
        (_one(lambda b: np.log1p(b.volume), inputs=("close",)), "reads_it_undeclared"),
        # reads it only where there is some: equal with other volumes, another value with none
        (_one(lambda b: np.where(np.isnan(b.volume), 0.0, b.close), inputs=("close",)), "reads_it_undeclared"),
        (_one(lambda b: 1.0 / b.close, inputs=("close", "volume")), "declared_but_unused"),
    ],
)
@pytest.mark.parametrize("frame", [FRAME, WITHOUT], ids=["with", "without"])
def test_a_wrong_declaration_is_found_with_and_without_volume(monkeypatch, family, found, frame):
    arrays = Bars.from_frame(frame)
    history = evaluate(arrays, [family], ["cheat"])
    verdict = volume_use_verdict(arrays, [family], family.specs, history, np.random.default_rng(0))
    assert not verdict.passed
    assert verdict.details[found] == "cheat"
    honest = _one(lambda b: b.close / b.open, inputs=("open", "close"), name="honest")
    monkeypatch.setattr(causality, "registry", lambda: Registry.of([family, honest]))
    assert "volume_use_declared" in {v.name for v in certify(frame, cut_points=10, seed=1) if not v.passed}


def test_the_whole_catalogue_declares_its_use_of_volume():
    for width in (5, 60):
        arrays = Bars.from_frame(bars(width, sessions=30, seed=3))
        names = [spec.name for spec in catalogue()]
        history = evaluate(arrays, registry().families, names)
        verdict = volume_use_verdict(arrays, registry().families, catalogue(), history, np.random.default_rng(1))
        assert verdict.passed, verdict.summary
        assert verdict.details["warming_up"] == 0


def test_pools_of_a_series_without_volume_lack_what_reads_it_and_nothing_else():
    pool, whole = tabular_pool(15, (5, 30, 60), has_volume=False), tabular_pool(15, (5, 30, 60))
    assert list(pool) == list(whole)
    for minutes, names in whole.items():
        assert pool[minutes] == tuple(name for name in names if name not in READING)
    assert sum(map(len, whole.values())) - sum(map(len, pool.values())) == len(READING) + 3 * 2
    assert len(without_volume(MULTI_TIMEFRAME)) == 18 >= MULTI_TIMEFRAME_COLUMNS_MIN
    assert sequence_pool(has_volume=False) == tuple(name for name in sequence_pool() if name not in READING)
    with pytest.raises(UnknownNameError, match="no_such"):
        without_volume(["no_such"])
