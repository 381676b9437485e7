"""The proof of a release: a fresh process equals batch, and the verdicts fail when they should."""

import copy
import dataclasses
import shutil
from datetime import date

import numpy as np
import pandas as pd
import pytest

from factory_assets.deployment import parity, prove_release
from factory_assets.deployment.parity import FreshReplay, bundle_verdict, parity_verdict, replay_in_fresh_process
from factory_assets.market import SessionCalendar
from factory_assets.models.registry import entry
from factory_assets.splits.study import Study
from factory_assets.stacking import FittedMember
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.instruments import instrument

MINUTES = 1600


@pytest.fixture(scope="module")
def proof(world, bundle):
    """Both verdicts, and the replay behind them, taken once."""
    kept = []
    real = parity.replay_in_fresh_process

    def keeping(*arguments, **options):
        kept.append(real(*arguments, **options))
        return kept[-1]

    last_day = Study.from_json(world.release.study).val_last_day
    batch = world.batch.take(dates_days(world.batch.frame["trade_date"]) <= last_day)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "replay_in_fresh_process", keeping)
        verdicts = prove_release(bundle[0], world.release, world.raw, batch, parity_minutes=MINUTES)
    front = world.canonical[dates_days(world.canonical["trade_date"]) <= last_day]
    return {v.name: v for v in verdicts}, kept[0], batch, times_us(front["open_time"])[-MINUTES:]


def test_a_fresh_process_equals_batch_over_a_roll(world, proof):
    verdicts, replay, _, _ = proof
    assert [*verdicts] == ["bundle_verified", "parity"]
    assert all(v.passed and v.blocking for v in verdicts.values()), verdicts
    details = verdicts["parity"].details
    assert details["minutes"] == MINUTES
    assert details["decisions"] == len(replay.predictions) > MINUTES / 5
    assert details["warm"] == details["decisions"]
    assert details["events"] > 20
    assert 0 < details["late"] < 0.1 * details["decisions"]
    assert details["features_equal_to_the_bit_share"] > 0.999
    assert details["features_max_difference"] < 1e-7
    assert details["windows_equal_to_the_bit_share"] > 0.999
    assert details["windows_max_difference"] < 1e-7
    assert details["probabilities_max_difference"] < 1e-9
    assert {row["expiry"] for row in replay.predictions} == {"SIMH3", "SIMM3"}
    val_end = pd.Timestamp(Study.from_json(world.release.study).val_last_day + 1, unit="D", tz="UTC")
    assert pd.Timestamp(replay.predictions[-1]["decision_time"]) < val_end


def verdict_of(proof, world, change=None, batch_change=None, **options):
    _, replay, batch, front_us = proof
    predictions = [{**copy.deepcopy(row), "place": place} for place, row in enumerate(replay.predictions)]
    if change is not None:
        predictions = change(predictions) or predictions
    if batch_change is not None:
        batch = batch_change(dataclasses.replace(batch, frame=batch.frame.copy()))
    windows = options.pop("windows", replay.windows)[[row["place"] for row in predictions]]
    changed = FreshReplay(predictions=predictions, windows=windows, left_behind=options.pop("left_behind", ()))
    return parity_verdict(changed, batch, world.release, front_us, **options)


def setting(name, value, row=100):
    def change(predictions):
        predictions[row][name] = value(predictions[row][name])

    return change


def first_row(predictions, wanted):
    return next(place for place, row in enumerate(predictions) if wanted(row))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (setting("p_up", lambda value: value + 2e-6), "1 probabilities"),
        (setting("ev_long", lambda value: value + 0.01), "1 expected values"),
        (setting("ev_short", lambda _: None), "1 expected values"),
        (setting("atr_points", lambda value: value * (1 + 1e-8)), "1 atr"),
        (setting("cost_points", lambda value: value + 1e-9), "1 cost"),
        (setting("eligible", lambda value: not value), "1 eligible"),
        (setting("event", lambda value: not value), "1 event"),
        (setting("late", lambda value: not value), "1 late flag"),
        (setting("side", lambda value: 1 if value != 1 else -1), "1 side"),
        (setting("warm", lambda value: not value), "1 warm"),
        (setting("outdated", lambda _: "parameters have run out"), "1 outdated"),
        (setting("features", lambda values: [values[0] + 0.01, *values[1:]]), "1 features"),
        (setting("features", lambda values: [None, *values[1:]]), "1 features"),
        (lambda predictions: predictions[:-1], "1 only in batch"),
        (lambda predictions: predictions[:50] + predictions[51:], "1 only in batch"),
        (lambda predictions: [*predictions, predictions[-1]], "live decisions"),
        (lambda predictions: [predictions[0]][:0] or predictions[:0] or [predictions[-1]], "only in batch"),
    ],
)
def test_parity_fails_on_any_difference(proof, world, change, said):
    assert verdict_of(proof, world).passed
    verdict = verdict_of(proof, world, change)
    assert not verdict.passed
    assert said in verdict.summary


def test_parity_fails_on_other_grounds(proof, world):
    def late_trade(predictions):
        predictions[first_row(predictions, lambda row: row["late"])]["side"] = 1

    assert "1 side of a late or cold decision" in verdict_of(proof, world, late_trade).summary
    left = verdict_of(proof, world, left_behind=("store/x",))
    assert not left.passed
    assert "store/x" in left.summary
    empty = verdict_of(proof, world, batch_change=lambda batch: batch.take(np.arange(0)))
    assert not empty.passed
    assert empty.details["decisions"] == 0


def test_parity_fails_on_one_cell_of_one_window(proof, world):
    for value in (np.float32(2.0), np.float32("nan")):
        windows = proof[1].windows.copy()
        place = np.flatnonzero(np.isfinite(windows[100, 0]))[7]
        windows[100, 0, place] += value
        verdict = verdict_of(proof, world, windows=windows)
        assert not verdict.passed
        assert "1 windows (first at " in verdict.summary
        assert verdict.details["features_max_difference"] < 1e-7


def test_windows_of_another_shape_are_refused(proof, world, tmp_path):
    proof[1].windows[:, 1:].tofile(tmp_path / "windows.bin")
    with pytest.raises(BadInputError, match=rf"expected shape \(\d+, 24, {len(world.release.sequence.names)}\)"):
        parity._windows(tmp_path / "windows.bin", world.release, len(proof[1].windows))


def test_cold_decisions_count_only_where_history_begins(proof, world):
    def cold(predictions):
        for row in predictions:
            row["warm"], row["side"] = False, 0

    assert not verdict_of(proof, world, cold).passed
    verdict = verdict_of(proof, world, cold, whole_history=True)
    assert verdict.passed
    assert verdict.details["sides_compared"] == 0


def _jump_of(name, places, batch, world, monkeypatch):
    """Batch, at some decisions, one rounding off in the newest row's first value; a member that jumps at just those."""
    rows = batch.frame.index[places]
    if name in {"lightgbm", "logistic"}:
        column = world.release.members[name].feature_names[0]
        moved = np.nextafter(batch.frame.loc[rows, column].to_numpy(dtype=np.float32), np.float32(np.inf))
        frame, windows = batch.frame.copy(), batch.windows
        frame[column] = frame[column].astype(np.float32)
        frame.loc[rows, column] = moved
    else:
        frame, store = batch.frame.copy(), batch.windows.store.copy()
        newest = batch.windows.last[rows]
        moved = store[newest, 0] = np.nextafter(store[newest, 0], np.float32(np.inf))
        windows = dataclasses.replace(batch.windows, store=store)
    honest = FittedMember.predict_proba

    def _jumping(self, features):
        said = honest(self, features)
        if self.model.entry.name == name:
            values = np.asarray(features)
            beyond = np.isin(values[:, 0] if values.ndim == 2 else values[:, -1, 0], moved)
            said[beyond] = 0.99 * said[beyond] + 0.01 / 3
        return said

    monkeypatch.setattr(FittedMember, "predict_proba", _jumping)
    changed = dataclasses.replace(batch, frame=frame, windows=windows)
    frame.loc[rows, ["p_down", "p_flat", "p_up"]] = world.release.probabilities(changed.take(rows).inputs)
    return changed


def test_a_jump_at_a_rounding_error_is_excused_in_trees_alone_and_seldom(proof, world, monkeypatch):
    for name, excused in {"lightgbm": True, "logistic": False, "tcn": False}.items():
        assert entry(name).has_thresholds == excused
        for places in ([-31], [-31, -40, -55, -70, -90]):
            with monkeypatch.context() as patch:
                verdict = verdict_of(
                    proof, world, batch_change=lambda batch, n=name, p=places, m=patch: _jump_of(n, p, batch, world, m)
                )
            assert verdict.passed == (excused and len(places) == 1), (name, verdict.summary)
            assert verdict.details["split_ties"] == (len(places) if excused else 0)
            if not excused:
                assert f"{len(places)} probabilities" in verdict.summary
            elif len(places) > 1:
                assert "5 decisions at a tree's threshold" in verdict.summary


def test_a_probability_its_own_inputs_do_not_give_is_never_a_tie(proof, world, monkeypatch):
    """A tree did jump at the decision, and one side's table says something else besides."""

    def _wrong(batch):
        changed = _jump_of("lightgbm", [-31], batch, world, monkeypatch)
        changed.frame.loc[changed.frame.index[-31], "p_up"] += 1e-4
        return changed

    verdict = verdict_of(proof, world, batch_change=_wrong)
    assert not verdict.passed
    assert verdict.details["split_ties"] == 0
    assert "1 probabilities" in verdict.summary


def test_history_begins_a_few_sessions_before_the_longest_look_back():
    """Sessions with a minute in each of their first 12 five-minute bars: 12 bars of 5, one of 60 minutes a session."""
    sessions = SessionCalendar.of(instrument("SIM")).between(date(2023, 2, 6), date(2023, 2, 17))
    minute_us = 60_000_000
    front_us = np.concatenate([start + np.arange(0, 60, 5) * minute_us for start in sessions.open_us])
    window_us = int(sessions.open_us[9])  # nine sessions before it
    for needed, first in (
        ({5: 12}, 8),
        ({5: 13}, 7),
        ({5: 12, 60: 2}, 7),
        ({5: 36, 60: 1}, 6),
        ({60: 5}, 4),
    ):
        begin = parity._history_begin(front_us, sessions, window_us, needed)
        assert begin == sessions.open_us[first - 3], needed
    for needed in ({60: 7}, {60: 10}, {5: 109}):
        assert parity._history_begin(front_us, sessions, window_us, needed) == front_us[0]


def test_bundle_verdict_sees_each_fault(world, bundle, tmp_path):
    def faulty(change):
        folder = tmp_path / bundle[1]
        shutil.copytree(bundle[0], folder)
        change(folder)
        verdict = bundle_verdict(folder, world.release)
        shutil.rmtree(folder)
        assert not verdict.passed
        return verdict.summary

    assert bundle_verdict(bundle[0], world.release).passed
    assert "x.json is not listed" in faulty(lambda folder: (folder / "x.json").write_text("{}"))
    assert "config.json is missing" in faulty(lambda folder: (folder / "config.json").unlink())
    assert "config.json has changed" in faulty(lambda folder: (folder / "config.json").write_text("{}"))
    renamed = shutil.copytree(bundle[0], tmp_path / "renamed")
    assert "holds a manifest of" in bundle_verdict(renamed, world.release).summary
    model = world.release.members["logistic"]
    scaler = dataclasses.replace(model.scaler, center=tuple(c + 0.1 for c in model.scaler.center))
    other = {**world.release.members, "logistic": dataclasses.replace(model, scaler=scaler)}
    verdict = bundle_verdict(bundle[0], dataclasses.replace(world.release, members=other))
    assert not verdict.passed
    assert "off the release in memory" in verdict.summary


def test_fresh_process_refuses_and_says_why(world, bundle):
    minutes = world.raw.iloc[:50]
    with pytest.raises(BadInputError, match="IntegrityError"):
        replay_in_fresh_process(bundle[0], minutes, world.release, expected_digest="0" * 64)
    with pytest.raises(BadInputError, match="at least 1"):
        prove_release(bundle[0], world.release, world.raw, world.batch, parity_minutes=0)
    with pytest.raises(BadInputError, match="no minute in or before val"):
        prove_release(bundle[0], world.release, world.raw.iloc[:0], world.batch, parity_minutes=10)
