"""The certificate on the real partition, and the catalogue's health there, on every timeframe."""

import numpy as np
import pytest

from factory_assets.features import catalogue, certify, compute, regimes_of
from factory_assets.market.canonical import build_canonical
from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import simulate
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

pytestmark = pytest.mark.slow
CUT_POINTS = 50


def ladder_of(symbol, raw):
    product = instrument(symbol)
    calendar = SessionCalendar.of(product)
    minutes = build_canonical(raw, product, calendar, MarketSettings()).bars
    ladder = build_ladder(minutes, calendar.covering(times_us(minutes["open_time"])))
    return {width: frame.assign(contract=symbol) for width, frame in ladder.items()}


@pytest.fixture(scope="module")
def gold(real_data):
    folder = real_data / "MGC_databento"
    if not folder.is_dir():
        pytest.skip(f"no real bars at {folder}")
    return ladder_of("MGC", read_folder(folder, instrument("MGC")).minutes)


@pytest.fixture(scope="module")
def simulated():
    return ladder_of("SIM", simulate("planted", 3, 60))


@pytest.mark.parametrize("width", TIMEFRAMES_MINUTES)
def test_gold_is_certified(gold, width):
    verdicts = certify(gold[width], width, cut_points=CUT_POINTS, seed=7, values=compute(gold[width], minutes=width))
    assert [v.summary for v in verdicts if not v.passed] == []
    assert verdicts[0].details["comparisons"] == CUT_POINTS * len(catalogue())


@pytest.mark.parametrize("width", [1, 15])
def test_gold_without_its_volume_is_certified_and_the_other_features_are_the_same(gold, width):
    whole, bare = gold[width], gold[width].assign(volume=np.nan)
    values, kept = compute(bare, minutes=width), compute(whole, minutes=width)
    reading = {spec.name for spec in catalogue() if spec.reads_volume}
    for name in values.columns[2:]:
        expected = np.full(len(whole), np.nan) if name in reading else kept[name].to_numpy()
        assert np.array_equal(values[name].to_numpy(), expected, equal_nan=True), name
    verdicts = {v.name: v for v in certify(bare, width, cut_points=12, seed=7, values=values)}
    assert [v.summary for v in verdicts.values() if not v.passed] == []
    assert verdicts["volume_use_declared"].details["masked"] == len(reading) == 46
    assert verdicts["volume_use_declared"].details["warming_up"] == 0


@pytest.mark.parametrize("width", TIMEFRAMES_MINUTES)
def test_a_simulated_world_is_certified(simulated, width):
    verdicts = certify(simulated[width], width, cut_points=CUT_POINTS, seed=7)
    assert [v.summary for v in verdicts if not v.passed] == []


def test_trailing_window_of_gold_equals_batch(gold):
    frame = gold[5]
    regimes = regimes_of(frame)
    batch = compute(frame, regimes=regimes)
    needed = max(spec.lookback_bars(5) for spec in catalogue())
    for row in np.random.default_rng(0).integers(needed, len(frame), 10):
        live = compute(frame.iloc[row - needed + 1 : row + 1], minutes=5, regimes=regimes).iloc[-1]
        for spec in catalogue():
            size = np.nanmean(np.abs(batch[spec.name]))
            assert live[spec.name] == pytest.approx(batch[spec.name].iloc[row], rel=1e-9, abs=1e-9 * size), spec.name
