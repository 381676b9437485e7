"""The simulated worlds: nothing to find in one, exactly the planted drift in the other, a market's habits in both."""

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest

from factory_assets.indicators import wilder_atr
from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers import read_folder
from factory_assets.market.rolls import REASON_VOLUME, choose_fronts
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import MARKER_FILE, simulate, write_world
from factory_assets.market.synthetic_path import LATENT_HALF_LIFE_MINUTES, WORLD_DRIFTS, minute_path
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days, times_us, to_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import RAW_MINUTES

SIM = instrument("SIM")
SEEDS = range(1, 9)
SESSIONS_COUNT = 60
# Eight seeds and a dozen statistics: four standard errors leave a true null 0.5 % of red tests, and seeds are fixed.
SIGMAS = 4.0


def _sessions(count):
    return SessionCalendar.of(SIM).between(date(2023, 1, 2), date(2026, 3, 31)).take(np.arange(count))


@pytest.fixture(scope="module")
def paths():
    """Paths of all seeds of both worlds."""
    sessions = _sessions(SESSIONS_COUNT)
    return {world: [minute_path(world, seed, sessions, SIM.tick_size) for seed in SEEDS] for world in WORLD_DRIFTS}


@pytest.fixture(scope="module")
def bars():
    """Half a year of the null world with the session of every row."""
    frame = simulate("null", 1, 130)
    sessions = _sessions(130)
    frame["session"] = sessions.locate(times_us(frame["open_time"]))
    frame["minute"] = (times_us(frame["open_time"]) - sessions.open_us[frame["session"]]) // 60_000_000
    return frame


def _shocks(path):
    """Change of each minute over its sigma."""
    return (path.close_ticks - path.open_ticks) / path.sigma_ticks


def _t_of_mean(values):
    return values.mean() / (values.std() / math.sqrt(len(values)))


def _t_of_correlation(a, b):
    return np.corrcoef(a, b)[0, 1] * math.sqrt(len(a))


@pytest.mark.parametrize("seed", SEEDS)
def test_null_changes_are_fair_and_uncorrelated(paths, seed):
    path = paths["null"][seed - 1]
    shocks = _shocks(path)
    assert abs(_t_of_mean(shocks)) < SIGMAS
    assert abs(shocks.var() - 1) < 0.03
    for lag in (1, 2, 5, 10, 30, 60):
        assert abs(_t_of_correlation(shocks[lag:], shocks[:-lag])) < SIGMAS
    assert abs(_t_of_correlation(shocks, path.latent)) < SIGMAS


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_seen_before_predicts_a_null_change(paths, seed):
    """Trailing return, volatility, activity, hour, reach of the last bar: none carries direction, at any horizon."""
    path = paths["null"][seed - 1]
    shocks = _shocks(path)
    summed = np.concatenate(([0.0], np.cumsum(shocks)))
    known = np.arange(60, len(shocks) - 100, 25)
    reach = (path.high_ticks + path.low_ticks - path.open_ticks - path.close_ticks) / path.sigma_ticks
    seen = {
        "return_5": summed[known] - summed[known - 5],
        "return_60": summed[known] - summed[known - 60],
        "sigma": np.log(path.sigma_ticks[known - 1]),
        "activity": path.moves[known - 1] / path.sigma_ticks[known - 1] ** 2,
        "sin_hour": np.sin(2 * np.pi * path.minute[known] / 1380),
        "cos_hour": np.cos(2 * np.pi * path.minute[known] / 1380),
        "reach": reach[known - 1],
        "level": np.log(path.close_ticks[known - 1]),
    }
    for horizon in (1, 25, 100):
        ahead = summed[known + horizon] - summed[known]
        # Windows of 100 minutes every 25 overlap fourfold; thin them out so that the bound holds.
        step = max(1, horizon // 25)
        for name, values in seen.items():
            assert abs(_t_of_correlation(values[::step], ahead[::step])) < SIGMAS, (name, horizon)


def test_null_is_its_own_mirror_image(paths):
    """Pooled over seeds: reach up equals reach down, and the skew of a minute is none."""
    up = np.concatenate([(p.high_ticks - p.open_ticks) / p.sigma_ticks for p in paths["null"]])
    down = np.concatenate([(p.open_ticks - p.low_ticks) / p.sigma_ticks for p in paths["null"]])
    shocks = np.concatenate([_shocks(p) for p in paths["null"]])
    assert abs(_t_of_mean(up - down)) < SIGMAS
    assert abs(_t_of_mean(shocks**3)) < SIGMAS
    gaps = np.concatenate(
        [
            (p.open_ticks[1:] - p.close_ticks[:-1])[np.diff(p.session) > 0] / p.close_ticks[:-1][np.diff(p.session) > 0]
            for p in paths["null"]
        ]
    )
    assert abs(_t_of_mean(gaps)) < SIGMAS
    assert (gaps != 0).mean() > 0.95


def test_null_barriers_are_touched_first_equally_often(paths):
    """What the labels see: symmetric barriers on the traded bars, first touch up against first touch down."""
    ups, downs = 0, 0
    for path in paths["null"]:
        starts = np.flatnonzero((path.minute % 100 == 0) & (path.minute < 1000))
        width = np.rint(6 * path.sigma_ticks[starts]) + 0.5
        for start, reach in zip(starts, width, strict=True):
            entry = path.open_ticks[start]
            up = np.flatnonzero(path.high_ticks[start : start + 100] >= entry + reach)
            down = np.flatnonzero(path.low_ticks[start : start + 100] <= entry - reach)
            first_up, first_down = (found[0] if len(found) else 999 for found in (up, down))
            ups, downs = ups + (first_up < first_down), downs + (first_down < first_up)
    assert ups + downs > 3000
    assert abs(ups - downs) / math.sqrt(ups + downs) < SIGMAS


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_drift_is_recovered(paths, seed):
    path = paths["planted"][seed - 1]
    shocks, latent = _shocks(path), path.latent
    slope = (shocks @ latent) / (latent @ latent)
    rest = shocks - slope * latent
    error = rest.std() / math.sqrt(latent @ latent)
    assert abs(slope - 0.15) < SIGMAS * error
    assert error < 0.005
    # Nothing but the latent state moves the mean.
    assert abs(_t_of_mean(rest)) < SIGMAS
    assert abs(_t_of_correlation(rest[1:], rest[:-1])) < SIGMAS


def test_latent_state_has_unit_variance_and_half_life(paths):
    latent = np.concatenate([p.latent for p in paths["planted"]])
    # 660,000 minutes hold about 3,300 independent values of a state that lives 101 minutes on average.
    assert abs(latent.var() - 1) < 0.15
    decay = np.mean([(p.latent[1:] @ p.latent[:-1]) / (p.latent[:-1] @ p.latent[:-1]) for p in paths["planted"]])
    assert abs(math.log(0.5) / math.log(decay) - LATENT_HALF_LIFE_MINUTES) < 5
    # The state runs on trading minutes: it does not restart at a session's open.
    opens = np.flatnonzero(np.diff(paths["planted"][0].session) > 0)
    first = paths["planted"][0].latent
    assert np.corrcoef(first[opens], first[opens + 1])[0, 1] > 0.95


def test_planted_direction_shows_in_past_prices(paths):
    """The trailing hour predicts the next in the planted world: there is something to find without the latent state."""
    found = []
    for path in paths["planted"]:
        summed = np.concatenate(([0.0], np.cumsum(_shocks(path))))
        known = np.arange(60, len(summed) - 60, 60)
        found.append(_t_of_correlation(summed[known] - summed[known - 60], summed[known + 60] - summed[known]))
    assert min(found) > 5


def test_volatility_clusters(paths):
    """Absolute changes stay high for hours, and no longer once the hidden sigma is divided out."""
    path = paths["null"][0]
    changes = np.abs(path.close_ticks - path.open_ticks).astype(np.float64)
    by_minute = pd.Series(changes).groupby(path.minute).transform("mean").to_numpy()
    seasonal = changes / by_minute
    for lag in (1, 30, 60):
        assert np.corrcoef(seasonal[lag:], seasonal[:-lag])[0, 1] > 0.05
    scaled = np.abs(_shocks(path))
    assert abs(np.corrcoef(scaled[30:], scaled[:-30])[0, 1]) < 0.02
    daily = [pd.Series(p.sigma_ticks).groupby(p.session).mean() for p in paths["null"]]
    assert np.mean([np.corrcoef(means[1:], means[:-1])[0, 1] for means in daily]) > 0.3


def test_five_minute_atr_stands_well_above_costs():
    medians = []
    for seed in (1, 2, 3):
        frame = simulate("planted", seed, 20)
        frame = frame[frame["expiry"] == "SIMH3"]
        sessions = _sessions(21)
        index = sessions.locate(times_us(frame["open_time"]))
        frame = frame.assign(trade_date=from_days(sessions.trade_day)[index], adjustment_ratio=1.0)
        base = build_ladder(frame, sessions)[5]
        medians.append(np.nanmedian(wilder_atr(base["high"], base["low"], base["close"])))
    assert 3.0 < np.mean(medians) < 7.0
    assert np.mean(medians) > 6 * SIM.cost_price(high_volatility=True)


def test_rows_fit_the_raw_schema_and_the_market(bars):
    raw = simulate("null", 1, 130)
    assert to_table(raw, RAW_MINUTES).column_names == [column.name for column in RAW_MINUTES.columns]
    prices = bars[["open", "high", "low", "close"]].to_numpy()
    np.testing.assert_array_equal(prices / SIM.tick_size, np.rint(prices / SIM.tick_size))
    assert (prices > 0).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["session"] >= 0).all()
    assert (times_us(bars["open_time"]) % 60_000_000 == 0).all()
    assert (bars["volume"] >= 1).all()
    assert not bars.duplicated(["expiry", "open_time"]).any()
    assert set(bars["session"]) == set(range(130))


def test_volume_follows_the_hour_and_the_activity(bars):
    front = bars[bars["expiry"] == "SIMM3"]
    front = front[front["session"].between(60, 95)]
    cash = front[front["minute"].between(930, 1319)]["volume"].median()
    asia = front[front["minute"].between(60, 479)]["volume"].median()
    assert cash > 5 * asia
    reach = np.log1p((front["high"] - front["low"]) / SIM.tick_size)
    same_hour = front.groupby(front["minute"] // 30)["volume"].transform("mean")
    assert np.corrcoef(reach, front["volume"] / same_hour)[0, 1] > 0.1


def test_minutes_are_missing_and_the_feed_has_gaps(bars):
    sessions = _sessions(130)
    expected = int(((sessions.close_us - sessions.open_us) // 60_000_000).sum())
    traded = bars.drop_duplicates("open_time").sort_values("open_time")
    assert 0.005 < 1 - len(traded) / expected < 0.05
    steps = traded["minute"].diff()[traded["session"].diff() == 0]
    assert (steps == 2).sum() > 100
    assert 1 <= (steps > 5).sum() <= 20


def test_volume_migrates_so_that_the_quarter_rule_rolls(bars):
    volume = (
        bars.assign(trade_day=_sessions(130).trade_day[bars["session"]])
        .groupby(["trade_day", "expiry"], observed=True)["volume"]
        .sum()
        .reset_index()
    )
    fronts = choose_fronts(volume, SIM)
    rolled = fronts[fronts["rolled"]]
    assert rolled["from_expiry"].tolist() == ["SIMH3", "SIMM3"]
    assert rolled["expiry"].tolist() == ["SIMM3", "SIMU3"]
    assert (rolled["reason"] == REASON_VOLUME).all()
    assert rolled["share"].between(0.25, 1.0).all()
    # Both months trade for weeks before the roll, the later one thinly at first.
    by_day = volume.pivot_table(index="trade_day", columns="expiry", values="volume", observed=True)
    both = by_day[["SIMH3", "SIMM3"]].dropna()
    assert len(both) >= 15
    assert (both["SIMM3"] / both["SIMH3"]).iloc[0] < 0.01
    assert (both["SIMM3"] / both["SIMH3"]).iloc[-1] > 10


def test_months_differ_by_a_basis_without_drift(bars):
    wide = bars.pivot_table(index="open_time", columns="expiry", values="close", observed=True)
    distances = (wide["SIMM3"] - wide["SIMH3"]).dropna()
    assert distances.nunique() == 1
    assert 20 <= abs(distances.iloc[0]) <= 60
    signs = []
    for seed in range(20):
        first = simulate("null", seed, 45).pivot_table(
            index="open_time", columns="expiry", values="close", observed=True
        )
        signs.append(np.sign((first["SIMM3"] - first["SIMH3"]).dropna().iloc[0]))
    assert 4 <= sum(sign > 0 for sign in signs) <= 16


def test_same_seed_same_bars_and_other_seed_other_bars():
    first, again, other = simulate("planted", 3, 4), simulate("planted", 3, 4), simulate("planted", 4, 4)
    pd.testing.assert_frame_equal(first, again)
    assert not first["close"].head(500).equals(other["close"].head(500))
    null = simulate("null", 3, 4)
    assert not first["close"].head(500).equals(null["close"].head(500))


def test_written_files_read_back_as_the_simulated_bars(tmp_path):
    folder = tmp_path / "SIM"
    files = write_world(folder, "planted", 5, 48)
    assert [path.name for path in files] == ["SIMULATED_SIMH3.csv", "SIMULATED_SIMM3.csv"]
    assert "not a single bar of it ever traded" in (folder / MARKER_FILE).read_text()
    assert "SIMULATED" in (folder / "source.toml").read_text().splitlines()[0]
    read = read_folder(folder, SIM)
    pd.testing.assert_frame_equal(read.minutes, simulate("planted", 5, 48), check_categorical=False)
    twin = write_world(tmp_path / "twin", "planted", 5, 48)
    assert [a.read_bytes() for a in files] == [b.read_bytes() for b in twin]


def test_a_world_replaces_a_world_and_nothing_else(tmp_path):
    folder = tmp_path / "SIM"
    write_world(folder, "null", 1, 48)
    files = write_world(folder, "null", 2, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["SIMULATED", "SIMULATED_SIMH3.csv", "source.toml"]
    pd.testing.assert_frame_equal(read_folder(folder, SIM).minutes, simulate("null", 2, 2), check_categorical=False)
    assert len(files) == 1
    real = tmp_path / "real"
    real.mkdir()
    (real / "MES.csv").write_text("time,open\n")
    with pytest.raises(BadInputError, match=r"files that no simulated world wrote \(\['MES.csv'\]\)"):
        write_world(real, "null", 1, 2)
    assert [path.name for path in real.iterdir()] == ["MES.csv"]


def test_refuses_what_is_no_world():
    with pytest.raises(UnknownNameError, match="'trend': known worlds are"):
        simulate("trend", 1, 2)
    with pytest.raises(BadInputError, match="at least 1 session, got 0"):
        simulate("null", 1, 0)
