"""One release for all tests of the package, written once."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment import batch_rows, write_bundle
from factory_assets.features import compute
from factory_assets.labels import label_decisions
from factory_assets.market import SessionCalendar, build_canonical, build_ladder
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.deployment.release_world import release_world

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def world():
    return release_world()


@pytest.fixture(scope="session")
def bundle(world, tmp_path_factory):
    """Folder and digest of the written release; tests that change it work on a copy."""
    releases = tmp_path_factory.mktemp("releases")
    return write_bundle(world.release, releases, clock=lambda: NOW, code_version="test")


def _at(text):
    return pd.Timestamp(text, tz="UTC")


@pytest.fixture(scope="session")
def thinned(world):
    """The world without some minutes of the front month, its canonical bars, and its batch rows from a new pipeline."""
    product, calendar = instrument("SIM"), SessionCalendar.of(instrument("SIM"))
    raw = world.raw
    rng = np.random.default_rng(5)
    inside = (raw["open_time"] >= _at("2023-03-07T00:00")) & (raw["open_time"] < _at("2023-03-07T04:00"))
    gone = inside & (rng.random(len(raw)) < 0.3)
    # A whole base bar, and after it all but the last minute of the next: one minute then ends two base bars.
    gone |= (raw["open_time"] >= _at("2023-03-07T02:04")) & (raw["open_time"] < _at("2023-03-07T02:14"))
    # 40 minutes are an outage, 30 are not.
    gone |= (raw["open_time"] >= _at("2023-03-07T02:40")) & (raw["open_time"] < _at("2023-03-07T03:20"))
    gone |= (raw["open_time"] >= _at("2023-03-07T03:25")) & (raw["open_time"] < _at("2023-03-07T03:55"))
    gone &= ~((raw["open_time"] == _at("2023-03-07T02:03")) | (raw["open_time"] == _at("2023-03-07T02:14")))
    raw = raw[~gone].reset_index(drop=True)
    canonical = build_canonical(raw, product, calendar, world.release.market)
    sessions = calendar.covering(times_us(canonical.bars["open_time"]), pad_days=14)
    ladder = build_ladder(canonical.bars, sessions)
    release = world.release
    features = {
        m: compute(ladder[m].assign(contract="SIM"), names, minutes=m, regimes=release.regimes.get(m))
        for m, names in release.reads.items()
    }
    labels = label_decisions(ladder[5], ladder[1], sessions, product, release.barriers, release.labels, 20)
    return raw, canonical.bars, batch_rows(release, labels, features)
