"""Every feature of every timeframe, live and in batch, over ten thousand real minutes of gold.

The live side is what a predictor holds: minutes one by one, bars closed at each base bar, features of the trailing
look-back alone. The batch side is the catalogue over all history. Parameters of the hidden Markov model are those of
the batch, as a bundle carries them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment.latest_features import LatestFeatures, stretches_of
from factory_assets.deployment.minute import Minute
from factory_assets.deployment.series import LiveSeries
from factory_assets.features import catalogue, compute, regimes_of
from factory_assets.market.canonical import build_canonical
from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES

MGC, SETTINGS = instrument("MGC"), MarketSettings()
CALENDAR = SessionCalendar.of(MGC)
NAMES = tuple(spec.name for spec in catalogue())
FILES = ("2021", "20220101", "20220201", "20220301", "20220401")
"""Fifteen months: quarters with parameters behind the first 120 sessions, and a roll among the live minutes."""
MINUTES = 10_000


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("gold")
    for path in (real_data / "MGC_databento").glob("*.dbn.zst"):
        if path.name.removeprefix("glbx-mdp3-").startswith(FILES):
            (folder / path.name).symlink_to(path)
    minutes = read_folder(folder, MGC).minutes
    return minutes[minutes["open_time"] < pd.Timestamp("2022-04-05T21:00Z")]


@pytest.mark.slow
def test_every_feature_is_the_same_live_over_ten_thousand_minutes(raw: pd.DataFrame) -> None:
    canonical = build_canonical(raw, MGC, CALENDAR, SETTINGS)
    assert (canonical.rolls["trade_date"] > pd.Timestamp("2022-03-28")).any()
    ladder = build_ladder(canonical.bars, CALENDAR.covering(times_us(canonical.bars["open_time"])))
    bars = {minutes: frame.assign(contract="MGC") for minutes, frame in ladder.items()}
    regimes = {minutes: regimes_of(frame, minutes) for minutes, frame in bars.items()}
    batch = {minutes: compute(frame, minutes=minutes, regimes=regimes[minutes]) for minutes, frame in bars.items()}
    rows = {minutes: max(part.bars for part in stretches_of(NAMES, minutes, 1)) for minutes in TIMEFRAMES_MINUTES}
    series = LiveSeries(MGC, SETTINGS, rows)
    latest = LatestFeatures("MGC", dict.fromkeys(TIMEFRAMES_MINUTES, NAMES), dict.fromkeys(rows, 1), regimes)
    front = canonical.bars["open_time"]
    first = front.iloc[-MINUTES]
    series.take_history(raw[raw["open_time"] < first])
    seen: dict[int, dict[int, np.ndarray]] = {minutes: {} for minutes in rows}

    def take(decision_us: int) -> None:
        for minutes, row in latest.at(series.close_bars(decision_us)).items():
            seen[minutes][int(row.close_us[-1])] = np.array([row.columns[name][-1] for name in NAMES])

    live = raw[raw["open_time"] >= first].sort_values(["open_time", "expiry"], ascending=[True, False])
    for record in live[["expiry", "open_time", "open", "high", "low", "close", "volume"]].to_dict("records"):
        accepted = series.judge(Minute.of({**record, "expiry": str(record["expiry"])}))
        if accepted is None:
            continue
        if (overdue_us := series.overdue_us(accepted)) is not None:
            take(overdue_us)
        series.append(accepted)
        if (completed_us := series.completed_us(accepted)) is not None:
            take(completed_us)
    assert series.warm
    compared = dict.fromkeys(NAMES, 0)
    wrong: list[str] = []
    for minutes, found in seen.items():
        table = batch[minutes]
        place = {int(us): row for row, us in enumerate(times_us(table["close_time"]))}
        at = [us for us in found if us in place and us > times_us(pd.DatetimeIndex([first]))[0]]
        # a decision looks at the newest row of each timeframe, so minutes are seen at base closes
        assert len(at) > 0.95 * MINUTES // max(minutes, BASE_MINUTES)
        for column, spec in enumerate(catalogue()):
            whole = table[spec.name].to_numpy()
            expected = whole[[place[us] for us in at]]
            got = np.array([found[us][column] for us in at])
            scale = np.maximum(np.abs(expected), np.nanmean(np.abs(whole)))
            known = ~np.isnan(expected)
            error = np.abs(got - expected)[known] / np.maximum(scale[known], np.finfo(float).tiny)
            if not np.array_equal(known, ~np.isnan(got)) or error.max(initial=0.0) > spec.tolerance:
                wrong.append(f"{spec.name} of {minutes}min: {error.max(initial=0.0):.1e}")
            compared[spec.name] += int(known.sum())
    assert not wrong, wrong[:20]
    assert min(compared.values()) > 7_000
