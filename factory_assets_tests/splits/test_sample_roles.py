"""Roles of a container's samples against the splits table, looked up row by row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.splits import sample_roles, split_table
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.sample_roles import SampleRoles
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.windows import LazyWindows
from factory_assets_tests.splits.worlds import clock_of, labels_of, study_of

STUDY = study_of(train=30, val=8, test=6)


@pytest.fixture(scope="module")
def table():
    settings = SplitSettings(purge_bars=30, embargo_bars=70)
    return split_table(labels_of(38), STUDY, settings, clock_of(44), window_bars=10)


@pytest.fixture(scope="module", params=["rows", "windows"])
def data(request, table):
    """Samples of train and val whose one feature is their own decision's number."""
    labels = labels_of(38)
    sample = labels[labels["event"] & labels["eligible"]].sort_values("decision_time")
    decision_us = times_us(sample["decision_time"])
    features = np.arange(len(sample), dtype=np.float32)[:, None]
    if request.param == "windows":
        last = np.arange(len(sample))
        features = LazyWindows(
            store=features, last=last, first=np.maximum(last - 2, 0), length=3, pad=np.float32([np.nan])
        )
    return TimeSeriesDataContainer(
        decision_us=decision_us,
        features=features,
        feature_names=("number",),
        label=np.zeros(len(sample), dtype=np.int8),
        t0_us=times_us(sample["t0"]),
        t1_us=times_us(sample["t1"]),
        weight=np.ones(len(sample)),
        trade_day=dates_days(sample["trade_date"]),
        roles=sample_roles(table.sample(frac=1.0, random_state=1), decision_us),
    )


def _decisions(table, scheme, fold, role):
    """What the table itself says, as a set of times."""
    rows = table[(table["scheme"] == scheme) & (table["fold"] == fold) & (table["role"] == role)]
    return times_us(rows["decision_time"]).tolist()


def _newest(part):
    return part.features.newest() if isinstance(part.features, LazyWindows) else part.features


def test_every_part_is_what_the_table_says(data, table):
    number_of = {moment: number for number, moment in enumerate(data.decision_us.tolist())}
    counted = 0
    for fold in range(5):
        for role in ("train", "test", "purged", "embargoed"):
            part = data.of_fold(fold, role)
            assert part.decision_us.tolist() == _decisions(table, "purged_kfold", fold, role)
            assert _newest(part)[:, 0].tolist() == [number_of[moment] for moment in part.decision_us.tolist()]
            assert (part.split == "train").all()
            counted += len(part)
        assert (data.of_fold(fold, "test").fold == fold).all()
        assert len(data.of_fold(fold, "embargoed")) > 0 or fold == 4
    assert counted == 5 * len(data.of_split("train"))
    for role in ("train", "purged", "val"):
        part = data.of_hold_out(role)
        assert part.decision_us.tolist() == _decisions(table, "hold_out", 0, role)
        assert len(part) > 0
    assert data.of_split("val").decision_us.tolist() == _decisions(table, "hold_out", 0, "val")


def test_splits_are_the_studys_periods_and_val_is_in_no_fold(data):
    in_val = data.trade_day >= STUDY.val_first_day
    assert data.split.tolist() == np.where(in_val, "val", "train").tolist()
    assert (data.fold[in_val] == -1).all()
    assert sorted(set(data.fold[~in_val].tolist())) == [0, 1, 2, 3, 4]
    # rows whose outcomes reach into val: of the train period, and not to be learnt from for val
    assert len(data.of_split("train")) > len(data.of_hold_out("train"))


def test_cuts_and_other_values_keep_the_roles(data):
    chosen = np.random.default_rng(0).permutation(len(data))[:200]
    part = data.take(chosen)
    assert part.fold.tolist() == data.fold[np.sort(chosen)].tolist()
    assert (
        part.of_fold(2, "test").decision_us.tolist()
        == data.take(np.intersect1d(np.sort(chosen), np.flatnonzero(data.fold == 2))).decision_us.tolist()
    )
    changed = data.with_store(data.store + 1)
    assert np.array_equal(changed.of_split("val").decision_us, data.of_split("val").decision_us)
    assert _newest(changed.of_fold(0, "test"))[0] == _newest(data.of_fold(0, "test"))[0] + 1


def test_parts_as_arrays_frames_and_tensors(data):
    part = data.of_fold(1, "test")
    x, y, weight = part.to_numpy()
    assert len(x) == len(y) == len(weight) == len(part) > 0
    assert np.array_equal(x, np.asarray(part.features), equal_nan=True)
    frame = part.to_pandas()
    assert list(frame.columns) == ["decision_time", "number", "label", "weight", "split", "fold"]
    assert (frame["fold"] == 1).all()
    assert times_us(frame["decision_time"]).tolist() == part.decision_us.tolist()
    first, *_ = part.to_torch()[0]
    assert np.array_equal(first.numpy(), x[0], equal_nan=True)


def test_unknown_parts_and_samples_without_roles_are_refused(data):
    for call, message in (
        (lambda: data.of_split("test"), r"split 'test': expected one of \('train', 'val'\)"),
        (lambda: data.of_hold_out("test"), "role of the hold-out 'test'"),
        (lambda: data.of_fold(0, "val"), "role of a fold 'val'"),
        (lambda: data.of_fold(5, "test"), "fold 5: the samples have folds 0 to 4"),
        (lambda: data.of_fold(-1, "test"), "fold -1"),
        (lambda: replace(data, roles=None).of_split("val"), "no splits table speaks of them"),
        (lambda: replace(data, roles=None).fold, "no splits table speaks of them"),
        (lambda: replace(data, roles=data.roles.take(np.arange(3))), "other lengths {'roles': 3}"),
    ):
        with pytest.raises(BadInputError, match=message):
            call()
    assert replace(data, roles=None).take([0]).roles is None


def test_table_and_samples_have_to_hold_the_same_decisions(data, table):
    keys = data.decision_us
    with pytest.raises(BadInputError, match="hold_out, fold 0: 1 decisions of the splits table are not among"):
        sample_roles(table, keys[1:])
    with pytest.raises(BadInputError, match="1 samples are not in the table"):
        sample_roles(table, np.append(keys, keys[-1] + 1))
    with pytest.raises(BadInputError, match="rows for"):
        sample_roles(pd.concat([table, table.iloc[:1]]), keys)
    in_fold = np.flatnonzero((table["scheme"] == "purged_kfold") & (table["fold"] == 3))
    with pytest.raises(BadInputError, match=r"purged_kfold, fold 3: 0 decisions .* 1 samples are not in the table"):
        sample_roles(table.drop(index=in_fold[0]), keys)
    for kept in (table["scheme"] == "hold_out", (table["scheme"] == "hold_out") | (table["fold"] != 2)):
        with pytest.raises(BadInputError, match="expected 0, 1"):
            sample_roles(table[kept], keys)
    with pytest.raises(BadInputError, match=r"unknown roles \['magic'\]"):
        sample_roles(table.assign(role=table["role"].astype(str).replace("embargoed", "magic")), keys)


@pytest.mark.parametrize(
    ("hold_out", "folds"),
    [
        ([0, 1], [[1], [1]]),  # test in the hold-out
        ([0, 4], [[1], [0]]),  # val in a fold
        ([0, 0], [[1], [-1]]),  # a train row outside a fold
        ([0, 0], [[1], [0]]),  # tested never
        ([0, 0], [[1, 1], [1, 0]]),  # tested twice
        ([0, 0], [[1, 4], [1, 0]]),  # val as a fold's role
        ([0, 0], [[1], [5]]),  # a code of nothing
    ],
)
def test_roles_of_no_table_are_refused(hold_out, folds):
    with pytest.raises(BadInputError, match="1 of 2 samples are not val outside every fold"):
        SampleRoles(hold_out=np.array(hold_out, dtype=np.int8), folds=np.array(folds, dtype=np.int8))


def test_arrays_of_other_shapes_or_types_are_refused():
    hold_out, folds = np.zeros(2, dtype=np.int8), np.ones((2, 1), dtype=np.int8)
    for wrong in ({"folds": folds[:1]}, {"folds": folds[:, 0]}, {"folds": folds[:, :0]}, {"hold_out": hold_out + 0.0}):
        with pytest.raises(BadInputError, match="roles: "):
            SampleRoles(**{"hold_out": hold_out, "folds": folds, **wrong})
