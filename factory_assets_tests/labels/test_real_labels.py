"""Every row of the real files against the oracle; the invariants on them; the published count of events."""

import pytest

from factory_assets.labels import cusum_events, label_decisions, label_invariants
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import FactorySettings, LabelSettings
from factory_assets_tests.labels.builders import differences
from factory_assets_tests.labels.real_data import mes_ladder, mgc_ladder, real_folder

FOLDERS = {"MGC": ("MGC_databento", mgc_ladder), "MES": ("MES_ninjatrader", mes_ladder)}


@pytest.fixture(scope="module")
def ladders():
    return {}


def _ladder(contract, ladders):
    name, build = FOLDERS[contract]
    folder = real_folder(name)
    if not folder.exists():
        pytest.skip(f"real data folder {name} is absent; set FACTORY_REAL_DATA")
    if contract not in ladders:
        ladders[contract] = build(folder)
    return ladders[contract]


@pytest.mark.slow
@pytest.mark.parametrize("contract", ["MGC", "MES"])
@pytest.mark.parametrize("horizon", [5, 20])
def test_every_real_row_equals_the_oracle_and_passes_the_invariants(contract, horizon, ladders):
    ladder, sessions = _ladder(contract, ladders)
    barriers, settings = FactorySettings().barriers_of(contract, horizon), LabelSettings()
    given = (ladder[1], sessions, instrument(contract), barriers, settings, horizon)
    labels = label_decisions(ladder[5], *given)
    assert differences(labels, ladder[1], ladder[5], sessions, barriers, horizon) == []
    verdicts = label_invariants(labels, ladder[1], ladder[5], *given[1:])
    assert [v.name for v in verdicts if not v.passed] == []
    assert int(labels["eligible"].sum()) > 0.85 * len(labels)


@pytest.mark.slow
def test_two_years_of_gold_have_about_24_000_events(ladders):
    ladder, sessions = _ladder("MGC", ladders)
    bars = ladder[5]
    fired = cusum_events((bars["close"] * bars["adjustment_ratio"]).to_numpy())
    assert 23_000 < fired.sum() < 25_000
    barriers = FactorySettings().barriers_of("MGC", 20)
    labels = label_decisions(bars, ladder[1], sessions, instrument("MGC"), barriers, LabelSettings(), 20)
    assert 22_000 < labels["event"].sum() < 24_000
    assert 0.38 < labels["uniqueness"].mean() < 0.50
