"""The certificate passes an honest catalogue and catches every way of cheating, one at a time."""

import dataclasses
from types import MappingProxyType

import numpy as np
import pytest
import talib

from factory_assets.features import catalogue, causality, certify, compute, controls
from factory_assets.features.bars import Bars, log_change
from factory_assets.features.causality import choose_cuts
from factory_assets.features.compute import evaluate
from factory_assets.features.controls import CONTROLS
from factory_assets.features.examination import Examination, Finding, perturbed, rescaled
from factory_assets.features.family import FeatureFamily
from factory_assets.features.registry import Registry
from factory_assets.features.spec import FeatureSpec, Span
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.features.feature_worlds import bars

FRAME = bars(30, sessions=40, seed=6, roll_every=11)
ARRAYS = Bars.from_frame(FRAME)
NAMES = (
    "truncation_invariant", "future_perturbation_invariant", "lookback_honoured", "scale_invariant",
    "finite_after_warmup", "no_constant_feature", "no_duplicate_features", "volume_use_declared",
    "regimes_from_earlier_sessions", "positive_controls_caught",
)  # fmt: skip

SOME_BARS, NONE = Span(bars=32), Span()


def one_feature(function, *, lookback=SOME_BARS, warmup=NONE, group="returns", tolerance=1e-9, name="cheat"):
    spec = FeatureSpec(
        name=name, group=group, inputs=("close",), formula="as said", source="a test", unit="1", scaling="robust",
        lookback=lookback, warmup=warmup, tolerance=tolerance,
    )  # fmt: skip
    return FeatureFamily(function=function, specs=(spec,))


def failed(monkeypatch, *families, frame=FRAME, values=None, cut_points=20):
    """Names of the verdicts that turn red when the catalogue consists of the given families."""
    fake = Registry.of(families)
    monkeypatch.setattr(causality, "registry", lambda: fake)
    return [v.name for v in certify(frame, cut_points=cut_points, seed=1, values=values) if not v.passed]


def test_honest_catalogue_passes_and_the_counts_are_complete():
    verdicts = certify(FRAME, 30, cut_points=20, seed=1, values=compute(FRAME))
    assert tuple(v.name for v in verdicts) == NAMES
    assert [v.summary for v in verdicts if not v.passed] == []
    assert all(v.blocking for v in verdicts)
    by_name = {v.name: v.details for v in verdicts}
    count = len(catalogue())
    assert by_name["truncation_invariant"]["comparisons"] == count * 20
    assert by_name["future_perturbation_invariant"]["whole_partition_values_compared"] > count * len(FRAME) // 4
    assert by_name["lookback_honoured"]["comparisons"] == count * 20
    assert by_name["scale_invariant"]["comparisons"] == (count - 2) * 2 * 20
    assert 0 < by_name["lookback_honoured"]["worst_relative_error"] < 1e-9
    assert by_name["lookback_honoured"]["worst_feature"] in {spec.name for spec in catalogue()}


def test_session_features_need_the_sessions_they_declare():
    # On short bars the sessions, not the ATR, decide the look-back.
    frame = bars(5, sessions=26, seed=2)
    names = [spec.name for spec in catalogue() if spec.lookback.sessions]
    assert len(names) == 28
    verdicts = certify(frame, 5, cut_points=30, seed=4, names=names)
    assert [v.summary for v in verdicts if not v.passed] == []


def test_verdicts_depend_on_the_seed_only():
    first, second = (certify(FRAME, cut_points=12, seed=5, names=["rsi_14", "vwap_z"]) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", list(CONTROLS))
@pytest.mark.parametrize("width", [5, 60])
def test_each_control_is_caught_by_what_should_catch_it(name, width):
    frame = FRAME if width == 30 else bars(width, sessions=25, seed=3)
    arrays = Bars.from_frame(frame)
    family, aspects = CONTROLS[name]
    rng = np.random.default_rng(0)
    cuts = choose_cuts(arrays, 12, 64, rng)
    found = Examination(
        bars=arrays, families=[family], specs=family.specs, history=evaluate(arrays, [family], [name])
    ).at_cuts(cuts, rng)
    assert all(finding.comparisons >= 12 for finding in found.values())
    assert all(name in found[aspect].failed for aspect in aspects)


def test_leaks_are_controls_of_the_named_kinds():
    assert set(CONTROLS) == {
        "centred_mean", "global_z_score", "negative_shift", "whole_series_wavelet", "left_labelled_higher_timeframe",
        "whole_series_hmm", "understated_lookback", "price_in_points",
    }  # fmt: skip


def test_a_control_that_slips_through_turns_the_verdict_red(monkeypatch):
    harmless = dataclasses.replace(
        CONTROLS["negative_shift"][0], function=lambda b: np.nan_to_num(log_change(b.close, 1))
    )
    blunt = {**CONTROLS, "negative_shift": (harmless, controls.LEAK)}
    monkeypatch.setattr(controls, "CONTROLS", MappingProxyType(blunt))
    verdict = certify(FRAME, cut_points=10, seed=1, names=["rsi_14"])[-1]
    assert verdict.name == "positive_controls_caught"
    assert not verdict.passed
    assert verdict.details["missed"] == "negative_shift"
    assert verdict.details["negative_shift"] == "NOT caught"
    assert f"{len(blunt) - 1} of {len(blunt)}" in verdict.summary


LEAKS = ["truncation_invariant", "future_perturbation_invariant", "lookback_honoured"]


@pytest.mark.parametrize(
    "leak",
    [
        lambda b: np.append(np.log(b.close[1:] / b.close[:-1]), 0.0),
        lambda b: (b.close - b.close.mean()) / b.close.std(),
        lambda b: b.volume / b.volume.max(),
        # The session's last close, known to every bar of the session.
        lambda b: b.close[np.searchsorted(b.session_number, b.session_number, side="right") - 1] / b.close,
        lambda b: np.convolve(b.close, np.full(9, 1 / 9), mode="same") / b.close,
    ],
)
def test_a_leaking_feature_turns_the_certificate_red(monkeypatch, leak):
    honest = one_feature(lambda b: np.nan_to_num(log_change(b.close, 2)), name="honest", lookback=Span(bars=3))
    red = failed(monkeypatch, one_feature(leak, lookback=Span(bars=32, sessions=2)), honest)
    assert set(red) & set(LEAKS[:2])


def test_a_leak_from_beyond_the_windows_is_found_by_the_whole_partition(monkeypatch):
    def far(b: Bars) -> np.ndarray:
        out = np.zeros(len(b))
        out[:-300] = np.log(b.close[300:] / b.close[:-300])
        return out

    family = one_feature(far)
    history = evaluate(ARRAYS, [family], ["cheat"])
    examination = Examination(bars=ARRAYS, families=[family], specs=family.specs, history=history)
    rng = np.random.default_rng(0)
    assert examination.whole_partition(len(ARRAYS) // 2, rng).failed == {"cheat"}
    assert "future_perturbation_invariant" in failed(monkeypatch, family)


def test_an_understated_lookback_is_caught_and_an_honest_one_is_not(monkeypatch):
    def slow(b: Bars) -> np.ndarray:
        return talib.EMA(b.close, 50) / b.close

    assert failed(monkeypatch, one_feature(slow, lookback=Span(bars=120), warmup=Span(bars=49))) == [
        "lookback_honoured"
    ]
    assert failed(monkeypatch, one_feature(slow, lookback=Span(bars=640), warmup=Span(bars=49))) == []


def test_a_window_one_bar_longer_than_declared_is_caught(monkeypatch):
    assert failed(
        monkeypatch, one_feature(lambda b: log_change(b.close, 5), lookback=Span(bars=5), warmup=Span(bars=5))
    ) == ["lookback_honoured"]


def test_dependence_on_where_history_starts_is_caught(monkeypatch):
    red = failed(monkeypatch, one_feature(lambda b: b.close / b.close[0]))
    assert red == ["lookback_honoured"]


def test_a_price_in_points_is_caught_unless_it_belongs_to_the_traded_group(monkeypatch):
    def points(b: Bars) -> np.ndarray:
        return np.diff(b.close, prepend=b.close[:1])

    masked = one_feature(lambda b: np.where(np.arange(len(b)) == 0, np.nan, points(b)), lookback=Span(bars=2),
                         warmup=Span(bars=1))  # fmt: skip
    assert failed(monkeypatch, masked) == ["scale_invariant"]
    spec = dataclasses.replace(masked.specs[0], group="traded")
    assert failed(monkeypatch, dataclasses.replace(masked, specs=(spec,))) == []


def test_health_is_judged(monkeypatch):
    def change(b: Bars) -> np.ndarray:
        return np.nan_to_num(log_change(b.close, 1))

    short = Span(bars=2)
    good = one_feature(change, name="good", lookback=short)
    same = one_feature(lambda b: 5.0 * change(b) + 1.0, name="same", lookback=short)
    still = one_feature(lambda b: np.ones(len(b)), name="still", lookback=short)
    holes = one_feature(
        lambda b: np.where(b.volume > np.inf, 0.0, np.where(b.close_us % 7 == 0, np.nan, change(b))),
        name="holes", lookback=short,
    )  # fmt: skip
    assert failed(monkeypatch, good) == []
    assert failed(monkeypatch, good, same) == ["no_duplicate_features"]
    assert failed(monkeypatch, good, still) == ["no_constant_feature"]
    assert failed(monkeypatch, holes) == ["finite_after_warmup"]


def test_published_values_that_are_not_the_catalogues_are_caught():
    values = compute(FRAME, ["rsi_14", "log_return_1"])
    values["rsi_14"] = values["rsi_14"].shift(-1)
    verdicts = {
        v.name: v for v in certify(FRAME, cut_points=10, seed=2, names=["rsi_14", "log_return_1"], values=values)
    }
    assert not verdicts["lookback_honoured"].passed
    assert verdicts["lookback_honoured"].details["failed"] == "rsi_14"


def test_bad_input_is_refused():
    with pytest.raises(BadInputError, match="at least 10"):
        certify(FRAME, cut_points=9, seed=1)
    with pytest.raises(BadInputError, match="lack"):
        certify(FRAME, cut_points=10, seed=1, values=compute(FRAME, ["rsi_14"]))
    with pytest.raises(BadInputError, match="exactly these bars"):
        certify(FRAME, cut_points=10, seed=1, names=["rsi_14"], values=compute(FRAME.iloc[1:], ["rsi_14"]))
    with pytest.raises(BadInputError, match="1 bars"):
        certify(FRAME.iloc[:1], 30, cut_points=10, seed=1)


def test_a_short_partition_is_certified_without_judging_what_it_cannot_show():
    verdicts = {v.name: v for v in certify(FRAME.iloc[:150], 30, cut_points=20, seed=1)}
    assert all(v.passed for v in verdicts.values())
    assert verdicts["no_constant_feature"].details["too_few_rows"] == len(catalogue())


def test_cuts_are_spread_and_hold_session_edges_gaps_and_rolls():
    cuts = choose_cuts(ARRAYS, 48, 500, np.random.default_rng(0))
    assert len(cuts) == len(set(cuts.tolist())) == 48
    assert cuts[0] >= 500
    assert cuts[-1] == len(ARRAYS) - 1
    opening = np.flatnonzero(np.diff(ARRAYS.trade_day) != 0) + 1
    roll = np.flatnonzero(np.abs(np.diff(ARRAYS.close / ARRAYS.traded_close)) > 1e-6) + 1
    assert len(np.intersect1d(cuts, opening)) >= 6
    assert len(np.intersect1d(cuts, opening - 1)) >= 6
    assert set(roll[roll >= 500].tolist()) <= set(cuts.tolist())
    assert (np.histogram(cuts, bins=4, range=(500, len(ARRAYS)))[0] >= 4).all()
    assert len(choose_cuts(ARRAYS.rows(0, 14), 50, 500, np.random.default_rng(0))) <= 14


def test_perturbation_changes_only_later_bars_and_all_of_them():
    wild = perturbed(ARRAYS, 700, np.random.default_rng(0))
    for name in ("open", "high", "low", "close", "volume", "traded_close"):
        before, after = getattr(ARRAYS, name), getattr(wild, name)
        np.testing.assert_array_equal(before[:700], after[:700])
        assert (before[700:] != after[700:]).mean() > 0.99
    assert (wild.low <= np.minimum(wild.open, wild.close) + 1e-9).all()
    assert (wild.high >= np.maximum(wild.open, wild.close) - 1e-9).all()
    np.testing.assert_allclose(rescaled(ARRAYS, 2.0).close, 2.0 * ARRAYS.close)


def test_finding_compares_bits_and_tolerances():
    finding = Finding()
    finding.exact("a", np.array([1.0, np.nan]), np.array([1.0, np.nan]))
    assert not finding.failed
    finding.exact("a", np.array([1.0]), np.array([np.nextafter(1.0, 2.0)]))
    assert finding.failed == {"a"}
    finding = Finding()
    finding.close("b", np.array([0.0]), np.array([1e-6]), size=1.0, tolerance=1e-5)
    assert (finding.failed, finding.worst_error, finding.worst_feature) == (set(), 1e-6, "b")
    finding.close("c", np.array([1.0]), np.array([np.nan]), size=1.0, tolerance=1e-5)
    assert finding.failed == {"c"}
    assert (finding.worst_error, finding.comparisons) == (np.inf, 2)
