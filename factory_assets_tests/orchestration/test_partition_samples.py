"""Samples of a partition: one index for both adapters; kinds and windows are those the settings in force would make."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from factory_assets.adapters import build_sequence, column_name, feature_set
from factory_assets.features import catalogue
from factory_assets.features.pools import pool_columns, sequence_pool, tabular_columns
from factory_assets.orchestration.partition_samples import ADAPTER_READS, _kinds, candidates_in, pool_in, read_samples
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.settings import AdapterSettings
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

SETTINGS = AdapterSettings()


def _columns(settings, **options):
    pool = tabular_columns(settings, **options)
    return tuple(column_name(name, minutes) for minutes, names in pool.items() for name in names)


def test_kinds_are_the_catalogues_by_column():
    scaling = {spec.name: spec.scaling for spec in catalogue()}
    columns = _columns(SETTINGS)
    kinds = _kinds(SETTINGS, columns)
    assert tuple(kinds) == columns
    assert len(columns) > 300
    assert kinds == {column: scaling[column.rsplit("__", 1)[0]] for column in columns}
    assert {"robust", "minmax", "none"} == set(kinds.values())


def test_table_of_other_settings_is_refused_with_what_to_do():
    # an hour is in the table in any case: the classical models' pool is of it
    other = replace(SETTINGS, tabular_other_minutes=SETTINGS.tabular_other_minutes[1:])
    gone = f"__{SETTINGS.tabular_other_minutes[0]}min"
    with pytest.raises(BadInputError, match=rf"not wanted: \w+{gone}.*lacking: none.*Materialize tabular again"):
        _kinds(other, _columns(SETTINGS))
    with pytest.raises(BadInputError, match=rf"not wanted: none, lacking: \w+{gone}.*Materialize tabular again"):
        _kinds(SETTINGS, _columns(other))
    with pytest.raises(BadInputError, match="another order"):
        _kinds(SETTINGS, _columns(SETTINGS)[::-1])


@dataclass
class _Part:
    """The reads of a materialization, from frames at hand."""

    frames: dict
    settings: object
    study: object
    asked: list = field(default_factory=list)
    meta: dict = field(default_factory=dict)

    def meta_of(self, table):
        assert table in self.frames
        return self.meta

    def columns_of(self, table):
        return ("contract", "horizon", *self.frames[table].columns)

    def read(self, table, *, columns=None, until_day=None):
        self.asked.append((table, until_day))
        frame = self.frames[table]
        return frame if columns is None else frame[columns]


def _partition(*, seed=0):
    """Ten sessions of 40 base bars; every second bar from the second session on is a decision, the last two are val."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(19_000, 19_010, dtype=np.int32), 40)
    close_us = days.astype(np.int64) * DAY_US + (14 * 60 + 5 * np.tile(np.arange(1, 41), 10)) * MINUTE_US
    names = sequence_pool()
    values = rng.normal(size=(len(close_us), len(names))).astype(np.float32)
    features = pd.DataFrame(values, columns=list(names))
    features.insert(0, "close_time", from_us(close_us))
    chosen = np.flatnonzero(days > 19_000)[::2]
    decision_us, day = close_us[chosen], days[chosen]
    labels = pd.DataFrame(
        {
            "decision_time": from_us(decision_us),
            "trade_date": from_days(day),
            "t0": from_us(decision_us),
            "t1": from_us(decision_us + 10 * MINUTE_US),
            "label": rng.choice([-1, 0, 1], len(chosen)).astype(np.int8),
            "event": True,
            "uniqueness": rng.uniform(0.2, 1.0, len(chosen)),
        }
    )
    role = np.where(day >= 19_008, "val", "train")
    fold = np.arange(len(chosen)) % 2
    parts = [("hold_out", 0, role)]
    parts += [("purged_kfold", k, np.where(fold == k, "test", "train")) for k in (0, 1)]
    splits = pd.concat(
        [
            pd.DataFrame({"decision_time": labels["decision_time"], "scheme": scheme, "fold": k, "role": roles})[
                np.ones(len(chosen), dtype=bool) if scheme == "hold_out" else role == "train"
            ]
            for scheme, k, roles in parts
        ],
        ignore_index=True,
    )
    index = build_sequence(decision_us, day, close_us, close_us, window_bars=60, outage_minutes_max=30)
    frames = {"labels": labels, "splits": splits, "sequence": index, "features_5min": features}
    part = _Part(frames, SimpleNamespace(adapters=SETTINGS), SimpleNamespace(val_last_day=19_009))
    return part, values, close_us


def test_windows_are_the_last_bars_up_to_the_decision_and_share_the_tabular_index():
    part, values, close_us = _partition()
    samples = read_samples(part, "sequence")
    data = samples.development
    assert data.features.shape == (len(part.frames["labels"]), 60, len(sequence_pool()))
    assert data.feature_names == sequence_pool()
    assert np.array_equal(data.decision_us, times_us(part.frames["labels"]["decision_time"]))
    for row in (0, 57, len(data) - 1):
        place = int(np.flatnonzero(close_us == data.decision_us[row])[0])
        begin = max(0, place - 59)
        expected = np.full((60, values.shape[1]), np.nan, dtype=np.float32)
        expected[60 - (place - begin + 1) :] = values[begin : place + 1]
        assert np.array_equal(data.features[[row]].materialised()[0], expected, equal_nan=True)
    assert ("features_5min", 19_009) in part.asked  # nothing later than val is read
    assert samples.kinds == tuple({spec.name: spec.scaling for spec in catalogue()}[name] for name in sequence_pool())
    assert (samples.val.trade_day >= 19_008).all()
    assert (samples.train.trade_day < 19_008).all()
    assert len(samples.train) + len(samples.val) == len(data)


def test_rows_of_folds_and_of_the_fit_for_val_are_those_of_the_splits_table():
    part, *_ = _partition()
    splits = part.frames["splits"]
    # two neighbours of val are purged in the hold-out, two rows in the first fold
    in_hold_out, trains = splits["scheme"] == "hold_out", splits["role"] == "train"
    held = np.flatnonzero(in_hold_out & trains)[-2:]
    near = np.flatnonzero(~in_hold_out & (splits["fold"] == 0) & trains)[:2]
    splits.loc[held, "role"], splits.loc[near, "role"] = "purged", "embargoed"
    part.frames["splits"] = splits.sample(frac=1.0, random_state=3)
    samples = read_samples(part, "sequence")

    def _said(scheme, fold, role):
        chosen = (splits["scheme"] == scheme) & (splits["fold"] == fold) & (splits["role"] == role)
        return times_us(splits.loc[chosen, "decision_time"]).tolist()

    data = samples.development
    assert data.decision_us[samples.fit_rows].tolist() == _said("hold_out", 0, "train")
    assert len(samples.train_rows) == len(samples.fit_rows) + 2
    assert np.array_equal(data.decision_us[samples.train_rows], samples.train.decision_us)
    assert samples.train.weight.mean() == pytest.approx(1.0)
    assert len(samples.folds) == 2
    for fold, rows in enumerate(samples.folds):
        for places, role in zip(rows, ("train", "test"), strict=True):
            found = samples.train.decision_us[places].tolist()
            assert found == _said("purged_kfold", fold, role) == data.of_fold(fold, role).decision_us.tolist()


def test_both_adapters_show_the_same_decisions_labels_and_weights():
    part, *_ = _partition()
    part.frames["tabular"] = pd.DataFrame(
        {
            "decision_time": part.frames["labels"]["decision_time"],
            "trade_date": part.frames["labels"]["trade_date"],
            **{name: np.float32(0) for name in _columns(SETTINGS)},
        }
    )
    rows, windows = (read_samples(part, adapter) for adapter in ("tabular", "sequence"))
    for name in ("decision_us", "label", "t0_us", "t1_us", "weight", "trade_day"):
        assert np.array_equal(getattr(rows.development, name), getattr(windows.development, name))
    for one, two in zip(rows.folds, windows.folds, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert {table for table, _ in part.asked} - {"labels", "splits"} == {
        table for reads in ADAPTER_READS.values() for table in reads
    }


def test_samples_of_a_series_without_volume_lack_the_columns_that_read_it():
    part, values, _ = _partition()
    part.meta["has_volume"] = False
    names = sequence_pool(has_volume=False)
    reading = [name for name in sequence_pool() if name not in names]
    assert len(reading) >= 15
    part.frames["features_5min"][reading] = np.nan
    columns = _columns(SETTINGS, has_volume=False)
    index = part.frames["labels"][["decision_time", "trade_date"]]
    ones = pd.DataFrame(np.float32(1), index=index.index, columns=list(columns))
    part.frames["tabular"] = pd.concat([index, ones], axis=1)
    rows, windows = (read_samples(part, adapter) for adapter in ("tabular", "sequence"))
    assert rows.development.feature_names == columns
    assert windows.development.feature_names == names
    assert len(rows.kinds) == len(columns)
    assert len(windows.kinds) == len(names)
    assert np.isfinite(windows.development.features.store).all()
    kept = [place for place, name in enumerate(sequence_pool()) if name in names]
    assert np.array_equal(windows.development.features.store[0], values[0, kept])
    # the table of a series with volume is not that of one without
    part.meta["has_volume"] = True
    with pytest.raises(BadInputError, match=r"not wanted: none, lacking: \w+__1min"):
        read_samples(part, "tabular")


@pytest.mark.parametrize(
    ("name", "adapter"),
    [("boosting_optimal", "tabular"), ("ensemble_base", "tabular"), ("neural_optimal", "sequence")],
)
@pytest.mark.parametrize("has_volume", [True, False])
def test_samples_of_a_set_hold_its_candidates_alone_in_the_tables_order(name, adapter, has_volume):
    part, *_ = _partition()
    part.meta["has_volume"] = has_volume
    columns = _columns(SETTINGS, has_volume=has_volume)
    index = part.frames["labels"][["decision_time", "trade_date"]]
    numbers = np.arange(len(columns), dtype=np.float32) + np.zeros((len(index), 1), dtype=np.float32)
    part.frames["tabular"] = pd.concat([index, pd.DataFrame(numbers, columns=list(columns))], axis=1)
    wanted = feature_set(name)
    candidates = candidates_in(part, wanted)
    samples = read_samples(part, adapter, candidates.columns)
    whole = read_samples(part, adapter)
    assert samples.development.feature_names == tuple(
        column for column in whole.development.feature_names if column in {*candidates.columns}
    )
    assert {*samples.development.feature_names} == {*candidates.columns} <= {*pool_in(part, wanted)}
    assert pool_in(part, wanted) == tuple(c.name for c in pool_columns(wanted.pool, SETTINGS, has_volume=has_volume))
    kind_of = dict(zip(whole.development.feature_names, whole.kinds, strict=True))
    assert samples.kinds == tuple(kind_of[column] for column in samples.development.feature_names)
    expected = whole.development.of_columns(samples.development.feature_names).store
    assert np.array_equal(samples.development.store, expected)
    assert np.array_equal(samples.train_rows, whole.train_rows)


def test_samples_without_columns_have_none_and_unknown_ones_are_refused():
    part, *_ = _partition()
    index = part.frames["labels"][["decision_time", "trade_date"]]
    zeros = pd.DataFrame(np.float32(0), index=index.index, columns=list(_columns(SETTINGS)))
    part.frames["tabular"] = pd.concat([index, zeros], axis=1)
    bare = read_samples(part, "tabular", ())
    assert bare.development.features.shape == (len(index), 0)
    assert bare.kinds == ()
    for adapter in ("tabular", "sequence"):
        with pytest.raises(UnknownNameError, match=rf"{adapter}: 1 columns it does not have, such as \['rsi_15'\]"):
            read_samples(part, adapter, ("rsi_15",))


def test_sequence_of_other_settings_or_an_unknown_adapter_is_refused():
    part, *_ = _partition()
    part.settings = SimpleNamespace(adapters=replace(SETTINGS, sequence_window_bars=50))
    with pytest.raises(BadInputError, match="longest window has 60 bars, 50 are wanted"):
        read_samples(part, "sequence")
    with pytest.raises(UnknownNameError, match=r"\['sequence', 'tabular'\]"):
        read_samples(part, "multi_resolution")
