"""Every feature of the catalogue equals a naive loop written from its definition, on tame and on hostile bars."""

from datetime import date

import numpy as np
import pytest

from factory_assets.features import catalogue, compute
from factory_assets.vocabulary.instruments import instrument

from .feature_worlds import bars, hostile, sessions_of
from .oracles import ORACLES, Past

ROWS = 12
SPECS = {spec.name: spec for spec in catalogue()}


@pytest.fixture(scope="module", params=["gold_45min", "simulated_20min", "hostile_60min"])
def world(request):
    first = date(2023, 1, 2)
    if request.param == "gold_45min":
        # March 2023: New York and London change their clocks two weeks apart.
        first = date(2023, 2, 20)
        symbol, frame = "MGC", bars(45, symbol="MGC", sessions=30, seed=4, roll_every=12, first=first)
    elif request.param == "simulated_20min":
        symbol, frame = "SIM", bars(20, symbol="SIM", sessions=26, seed=9, price=4000.0)
    else:
        symbol, frame = "MGC", hostile(np.random.default_rng(3), 780)
    sessions = sessions_of(symbol, 80, first)
    days = sessions.trade_day.astype("datetime64[D]").tolist()
    times = zip(days, sessions.open_us, sessions.flat_us, sessions.close_us, strict=True)
    spans = {day: (o / 1e6, f / 1e6, c / 1e6) for day, o, f, c in times}
    values = compute(frame)
    minutes = int((frame["close_time"] - frame["open_time"]).mode()[0].total_seconds() // 60)
    settled = max(spec.warmup_bars(minutes) for spec in SPECS.values())
    rows = np.random.default_rng(1).choice(np.arange(settled, len(frame)), ROWS, replace=False)
    pasts = [Past(frame, int(i), instrument(symbol), spans) for i in rows]
    return values, pasts


def test_every_feature_has_an_oracle():
    assert set(ORACLES) == set(SPECS)


@pytest.mark.parametrize("name", list(SPECS))
def test_feature_equals_its_naive_definition(world, name):
    values, pasts = world
    column = values[name].to_numpy()
    size = np.abs(column[np.isfinite(column)]).mean()
    compared = 0
    for past in pasts:
        expected, got = ORACLES[name](past), column[past.i]
        assert got == pytest.approx(expected, rel=1e-7, abs=1e-7 * size + 1e-15), (name, past.i)
        compared += 1
    assert compared == ROWS
