"""The catalogue is closed, frozen and complete in what it says."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from factory_assets.features import catalogue, column_name, sequence_pool, tabular_pool
from factory_assets.features.bars import Bars
from factory_assets.features.family import Output, family
from factory_assets.features.pools import MULTI_TIMEFRAME
from factory_assets.features.registry import Registry, registry
from factory_assets.features.spec import SCALINGS, Span
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, UnknownNameError
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

SPECS = catalogue()
COUNTS = {
    "returns": 15, "bar_shape": 6, "moving_averages": 9, "trend": 10, "volatility": 16, "volume": 10,
    "microstructure": 8, "statistics": 8, "session": 7, "calendar": 8, "traded": 2,
}  # fmt: skip


def test_counts_by_group():
    assert Counter(spec.group for spec in SPECS) == COUNTS
    assert len(SPECS) == 99
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


def test_tabular_pool_takes_the_calendar_once_from_base_bars():
    pool = tabular_pool(15, (5, 30, 60))
    assert list(pool) == [5, 15, 30, 60]
    calendar = {spec.name for spec in SPECS if spec.group == "calendar"}
    assert len(pool[15]) == 99 - 8
    assert set(pool[5]) == set(MULTI_TIMEFRAME) | calendar
    assert pool[30] == pool[60] == MULTI_TIMEFRAME
    assert len(MULTI_TIMEFRAME) >= 14
    assert not calendar & {*pool[15], *pool[30], *pool[60]}
    columns = [column_name(name, minutes) for minutes, names in pool.items() for name in names]
    assert len(columns) == len(set(columns)) == 91 + 8 + 3 * 20
    assert "minutes_to_flat__5min" in columns


@pytest.mark.parametrize(
    ("primary", "others", "sizes"),
    [(5, (), {5: 99}), (60, (), {5: 8, 60: 91}), (5, (60,), {5: 99, 60: 20})],
)
def test_pool_without_base_bars_among_the_timeframes_still_has_the_clock(primary, others, sizes):
    assert {minutes: len(names) for minutes, names in tabular_pool(primary, others).items()} == sizes


def test_pool_refuses_repeated_and_unknown_timeframes():
    with pytest.raises(BadInputError, match="once"):
        tabular_pool(15, (15, 30))
    with pytest.raises(UnknownNameError, match="7 minutes"):
        tabular_pool(7, (15,))
    with pytest.raises(TypeError):
        tabular_pool(15, (5,))[5] = ()


def test_sequence_pool_is_the_whole_catalogue_once():
    pool = sequence_pool()
    assert len(pool) == len(set(pool)) == len(catalogue()) >= 90
    assert set(pool) == {spec.name for spec in catalogue()}
    assert {spec.name for spec in catalogue() if spec.group == "calendar"} < set(pool)
    # one timeframe: everything the tabular pool takes from base bars is among it, and under the same names
    assert set(tabular_pool(15, (5,))[5]) < set(pool)
    assert all("__" not in name for name in pool)
