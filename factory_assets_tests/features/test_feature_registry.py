"""The catalogue is closed, frozen and complete in what it says."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from factory_assets.features import catalogue, sequence_pool, tabular_pool
from factory_assets.features.bars import Bars
from factory_assets.features.family import Output, family
from factory_assets.features.registry import Registry, registry
from factory_assets.features.spec import SCALINGS, Span
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, UnknownNameError
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

SPECS = catalogue()
# What the specification asks for of each group, and what the catalogue has.
LEAST = {
    "returns": 22, "bar_shape": 6, "moving_averages": 20, "trend": 14, "volatility": 26, "volume": 18,
    "microstructure": 18, "statistics": 18, "regime": 8, "wavelets": 21,
}  # fmt: skip
COUNTS = {
    "returns": 24, "bar_shape": 6, "moving_averages": 22, "trend": 16, "volatility": 30, "volume": 20,
    "microstructure": 19, "statistics": 22, "regime": 9, "wavelets": 24, "session": 8, "calendar": 9, "traded": 2,
}  # fmt: skip


def test_counts_by_group():
    found = Counter(spec.group for spec in SPECS)
    assert found == COUNTS
    assert all(found[group] >= least for group, least in LEAST.items())
    assert found["session"] + found["calendar"] >= 16
    assert len(SPECS) == 211
    assert {"minutes_to_flat", "atr_pct_14"} <= {spec.name for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_entry_says_everything(spec):
    assert spec.inputs
    assert len(spec.formula) > 20
    assert len(spec.source) > 10
    assert spec.unit
    assert spec.scaling in SCALINGS
    assert 0 < spec.tolerance <= 1e-9
    for minutes in TIMEFRAMES_MINUTES:
        assert spec.lookback_bars(minutes) >= 1
        assert 0 <= spec.warmup_bars(minutes) <= spec.lookback_bars(minutes)


def test_span_counts_whole_sessions_in_bars_and_one_bar_of_the_session_before():
    assert Span(bars=30).in_bars(5) == 30
    assert Span(sessions=2).in_bars(60) == 2 * 23 + 1
    assert Span(sessions=1).in_bars(25) == 56 + 1
    assert Span(bars=500, sessions=1).in_bars(60) == 500
    assert Span(sessions=1, settle_bars=30).in_bars(60) == 23 + 1 + 30


def test_registry_is_frozen_and_refuses_duplicates():
    with pytest.raises(TypeError):
        registry().specs["mine"] = SPECS[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPECS[0].name = "other"
    families = registry().families
    with pytest.raises(ConfigurationError, match=r"log_return_1.*rename"):
        Registry.of([*families, families[0]])


def test_a_feature_without_source_or_with_unknown_scaling_is_refused():
    def undocumented(bars: Bars) -> np.ndarray:
        """Close."""
        return bars.close

    def documented(bars: Bars) -> np.ndarray:
        """Close.

        References
        ----------
        Nobody (1900), p. 1.
        """
        return bars.close

    good = Output(name="x", unit="1", scaling="none", lookback=Span(bars=1))
    odd = dataclasses.replace(good, scaling="log")
    with pytest.raises(ValueError, match="References"):
        family(group="g", inputs=("close",), outputs=[good])(undocumented)
    with pytest.raises(ValueError, match="scaling"):
        family(group="g", inputs=("close",), outputs=[odd])(documented)
    declared = family(group="g", inputs=("close",), outputs=[good])(documented)
    assert declared.specs[0].source == "Nobody (1900), p. 1."
    assert declared.specs[0].formula == "Close."


def test_pool_refuses_repeated_and_unknown_timeframes():
    with pytest.raises(BadInputError, match="once"):
        tabular_pool(15, (15, 30))
    with pytest.raises(UnknownNameError, match="7 minutes"):
        tabular_pool(7, (15,))
    with pytest.raises(TypeError):
        tabular_pool(15, (5,))[5] = ()


def test_sequence_pool_is_the_whole_catalogue_once():
    pool = sequence_pool()
    assert len(pool) == len(set(pool)) == len(catalogue()) >= 180
    assert set(pool) == {spec.name for spec in catalogue()}
    assert {spec.name for spec in catalogue() if spec.group == "calendar"} < set(pool)
    # one timeframe: everything the tabular pool takes from base bars is among it, and under the same names
    assert set(tabular_pool(15, (5,))[5]) < set(pool)
    assert all("__" not in name for name in pool)
