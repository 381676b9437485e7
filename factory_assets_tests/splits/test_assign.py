"""The splits table and its brute-force verdicts, which have to see every way of getting it wrong."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from factory_assets.splits import hold_out, role_names, split_invariants, split_table
from factory_assets.splits.invariants import _pairs_that_meet, _rows_that_meet
from factory_assets.vocabulary.errors import BadInputError, SealedPeriodError, TooLittleHistoryError
from factory_assets.vocabulary.frames import dates_days, from_us, times_us, to_table
from factory_assets.vocabulary.schemas import SPLITS
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.timeframes import DAY_US
from factory_assets_tests.splits.worlds import FIRST_DAY, STEP_US, clock_of, labels_of, leaking_rows, study_of

SETTINGS = SplitSettings(purge_bars=30, embargo_bars=70)
WINDOW = 10
STUDY = study_of(train=30, val=8, test=6)


@pytest.fixture(scope="module")
def labels():
    return labels_of(38)


@pytest.fixture(scope="module")
def table(labels):
    return split_table(labels, STUDY, SETTINGS, clock_of(44), window_bars=WINDOW)


def _failed(labels, table, settings=SETTINGS, window_bars=WINDOW):
    verdicts = split_invariants(labels, table, STUDY, settings, clock_of(44), window_bars=window_bars)
    assert len(verdicts) == 6
    return {verdict.name for verdict in verdicts if not verdict.passed}


def test_every_sampled_row_has_its_role(labels, table):
    sample = labels[labels["event"] & labels["eligible"]]
    in_train = dates_days(sample["trade_date"]) < STUDY.val_first_day
    assert len(table) == len(sample) + 5 * in_train.sum()
    t0, t1 = times_us(sample["t0"])[in_train], times_us(sample["t1"])[in_train]
    keys = times_us(sample["decision_time"])[in_train]
    for _, group in table[table["scheme"] == "purged_kfold"].groupby("fold"):
        assert np.array_equal(times_us(group["decision_time"]), keys)
        role = group["role"].astype(str).to_numpy()
        test = np.flatnonzero(role == "test")
        rest = np.flatnonzero(role != "test")
        leaking = leaking_rows(rest, test, t0, t1, purge=30, after=70 + WINDOW, clock_us=clock_of(44))
        assert set(np.flatnonzero(role == "train")) == set(rest) - leaking
        assert len(test) in {len(keys) // 5, len(keys) // 5 + 1}
    hold = table[table["scheme"] == "hold_out"]
    assert hold["fold"].unique().tolist() == [0]
    assert (hold["role"] == "val").sum() == (~in_train).sum()
    assert (hold["role"] == "purged").sum() > 10
    assert (hold["role"] == "embargoed").sum() == 0


def test_table_fits_its_schema_and_order(table):
    stored = to_table(table.assign(contract="SIM", horizon=20), SPLITS)
    assert stored.num_rows == len(table)
    ordered = table.astype({"scheme": str, "role": str}).sort_values(["scheme", "fold", "decision_time"])
    assert ordered.index.tolist() == list(range(len(table)))


def test_row_order_of_the_labels_does_not_matter(labels, table):
    shuffled = labels.sample(frac=1.0, random_state=4)
    pd.testing.assert_frame_equal(split_table(shuffled, STUDY, SETTINGS, clock_of(44), window_bars=WINDOW), table)


def test_right_table_passes_with_counts(labels, table):
    verdicts = {v.name: v for v in split_invariants(labels, table, STUDY, SETTINGS, clock_of(44), window_bars=WINDOW)}
    assert all(v.passed and v.blocking for v in verdicts.values())
    train = (table["role"] == "train").groupby([table["scheme"], table["fold"]], observed=True).sum()
    counts = verdicts["folds_non_empty"].details
    assert counts["purged_kfold_3_train"] == train["purged_kfold", 3]
    judged = table["role"].isin(["test", "val"]).groupby([table["scheme"], table["fold"]], observed=True).sum()
    assert verdicts["no_interval_overlap"].details["pairs_compared"] == int((train * judged).sum())


def _with_role(table, rows, role):
    changed = table.copy()
    changed.loc[rows, "role"] = role
    return changed


@pytest.mark.parametrize(
    ("fold_settings", "expected"),
    [
        (SplitSettings(purge_bars=0, embargo_bars=70), {"purge_and_embargo_on_clock"}),
        (SplitSettings(purge_bars=30, embargo_bars=0), {"purge_and_embargo_on_clock"}),
        (SplitSettings(purge_bars=29, embargo_bars=70), {"purge_and_embargo_on_clock"}),
        (SplitSettings(purge_bars=30, embargo_bars=69), {"purge_and_embargo_on_clock"}),
        (SplitSettings(purge_bars=31, embargo_bars=70), {"no_row_dropped_without_cause"}),
        (SplitSettings(purge_bars=30, embargo_bars=72), {"no_row_dropped_without_cause"}),
        (SplitSettings(purge_bars=30, embargo_bars=70, folds=4), {"each_event_tested_once", "folds_non_empty"}),
    ],
)
def test_other_counts_than_claimed_are_seen(fold_settings, expected):
    every_bar = labels_of(38).assign(event=True, eligible=True)
    table = split_table(every_bar, STUDY, fold_settings, clock_of(44), window_bars=WINDOW)
    assert _failed(every_bar, table) == expected


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [(9, {"no_row_dropped_without_cause"}), (11, {"purge_and_embargo_on_clock"}), (10, set())],
)
def test_another_window_than_claimed_is_seen(claimed, expected):
    every_bar = labels_of(38).assign(event=True, eligible=True)
    table = split_table(every_bar, STUDY, SETTINGS, clock_of(44), window_bars=10)
    assert _failed(every_bar, table, window_bars=claimed) == expected


def test_the_window_keeps_judged_bars_out_of_training_inputs():
    every_bar = labels_of(38).assign(event=True, eligible=True)
    settings = SplitSettings(purge_bars=0, embargo_bars=0)
    table = split_table(every_bar, STUDY, settings, clock_of(44), window_bars=7)
    clock, seen = clock_of(44), 0
    t1_us = dict(zip(times_us(every_bar["decision_time"]), times_us(every_bar["t1"]), strict=True))
    for _, fold in table[table["scheme"] == "purged_kfold"].groupby("fold"):
        us = times_us(fold["decision_time"])
        latest = max(t1_us[moment] for moment in us[fold["role"] == "test"])
        after = us[(fold["role"] == "train") & (us > latest)]
        if len(after):
            # the first row that trains again closes the eighth bar: seven older ones in a window of eight, none judged
            assert np.count_nonzero((clock > latest) & (clock <= after[0])) == 8
            seen += 1
    assert seen >= 3


def test_an_overlapping_training_row_is_seen(labels, table):
    # rows purged only because their interval meets the test: they start before the purge window
    clock = clock_of(44)
    found = 0
    for _, fold in table[table["scheme"] == "purged_kfold"].groupby("fold"):
        first_us = times_us(fold.loc[fold["role"] == "test", "decision_time"]).min()
        window_us = clock[max(0, np.count_nonzero(clock < first_us) - 30)]
        early = fold.index[(fold["role"] == "purged") & (times_us(fold["decision_time"]) < window_us)]
        found += len(early)
        for row in early[:1]:
            assert _failed(labels, _with_role(table, [row], "train")) == {"no_interval_overlap"}
    assert found > 0


def test_half_open_reading_is_seen():
    # one trade closes exactly at the first test decision
    every_bar = labels_of(38).assign(event=True, eligible=True)
    every_bar["t1"] = every_bar["t0"]
    clock = clock_of(44)
    settings = SplitSettings(purge_bars=0, embargo_bars=0)
    table = split_table(every_bar, STUDY, settings, clock, window_bars=0)
    fold = table[(table["scheme"] == "purged_kfold") & (table["fold"] == 1)]
    first = fold.index[fold["role"] == "test"][0]
    every_bar.loc[every_bar["decision_time"] == table.loc[first - 1, "decision_time"], "t1"] = table.loc[
        first, "decision_time"
    ]
    assert table.loc[first - 1, "role"] == "train"
    assert _failed(every_bar, table, settings, window_bars=0) == {"no_interval_overlap"}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=12),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=12),
)
@example([(5, 5)], [(10, 3)])  # touches the start
@example([(13, 5)], [(10, 3)])  # touches the end
def test_kernels_equal_the_sets_of_shared_moments(ones, others):
    moments = [[set(range(start, start + length + 1)) for start, length in rows] for rows in (ones, others)]
    shared = [[bool(one & other) for other in moments[1]] for one in moments[0]]
    ends = [
        np.array([place(row) for row in rows], dtype=np.int64)
        for rows in (ones, others)
        for place in (lambda row: row[0], sum)
    ]
    assert _pairs_that_meet(*ends) == sum(map(sum, shared))
    assert _rows_that_meet(*ends).tolist() == [any(row) for row in shared]


def test_lost_doubled_and_foreign_rows_are_seen(labels, table):
    kfold = table.index[table["scheme"] == "purged_kfold"]
    tested = table.index[(table["scheme"] == "purged_kfold") & (table["role"] == "test")]
    assert "each_event_tested_once" in _failed(labels, table.drop(tested[0]))
    assert "each_event_tested_once" in _failed(labels, table.drop(index=[i for i in kfold if i not in set(tested)][:1]))
    assert "each_event_tested_once" in _failed(labels, pd.concat([table, table.loc[tested[:1]]], ignore_index=True))
    foreign = table.copy()
    foreign.loc[tested[0], "decision_time"] += pd.Timedelta(minutes=1)
    assert "each_event_tested_once" in _failed(labels, foreign)
    hold_val = table.index[table["role"] == "val"]
    assert "each_event_tested_once" in _failed(labels, _with_role(table, hold_val[-1:], "train"))


def test_a_table_that_holds_nothing_fails(labels, table):
    failed = _failed(labels, table.iloc[:0])
    assert {"no_interval_overlap", "purge_and_embargo_on_clock", "each_event_tested_once", "folds_non_empty"} <= failed
    emptied = table.copy()
    emptied.loc[emptied["role"] == "train", "role"] = "purged"
    assert {"folds_non_empty", "no_row_dropped_without_cause", "no_interval_overlap"} <= _failed(labels, emptied)


def test_sealed_rows_are_refused_and_seen(labels, table):
    longer = labels_of(39)
    with pytest.raises(SealedPeriodError, match=r"SIM: 40 rows from 2022-02-\d\d on"):
        split_table(longer, STUDY, SETTINGS, clock_of(44), window_bars=WINDOW)
    assert "no_row_after_val_end" in _failed(longer, table)


def test_rows_before_the_study_and_repeated_decisions_are_refused(labels):
    early = labels.copy()
    early["trade_date"] = early["trade_date"] - pd.Timedelta(days=1)
    with pytest.raises(BadInputError, match="40 rows before the study's first session"):
        split_table(early, STUDY, SETTINGS, clock_of(44), window_bars=WINDOW)
    chosen = labels[labels["event"] & labels["eligible"]]
    with pytest.raises(BadInputError, match="repeat"):
        split_table(pd.concat([labels, chosen.iloc[:1]]), STUDY, SETTINGS, clock_of(44), window_bars=WINDOW)
    unknown_end = labels.copy()
    unknown_end.loc[chosen.index[3], "t1"] = pd.NaT
    with pytest.raises(BadInputError, match="t1: 1 missing"):
        split_table(unknown_end, STUDY, SETTINGS, clock_of(44), window_bars=WINDOW)


def test_hold_out_by_hand():
    study = study_of(train=2, val=1, test=1)
    clock = clock_of(4)
    t0 = clock[:120]
    day = (t0 // DAY_US).astype(np.int32)
    roles = role_names(hold_out(day, t0, t0 + STEP_US, study, purge=7, clock=clock)).astype(str)
    assert roles.tolist() == ["train"] * 73 + ["purged"] * 7 + ["val"] * 40
    t1 = t0.copy()
    t1[5] = t0[80]
    roles = role_names(hold_out(day, t0, t1, study)).astype(str)
    assert roles.tolist() == ["train"] * 5 + ["purged"] + ["train"] * 74 + ["val"] * 40
    with pytest.raises(TooLittleHistoryError, match="80 train and 0 val rows"):
        hold_out(day[:80], t0[:80], t1[:80], study)
    with pytest.raises(TooLittleHistoryError, match="leaves no training row"):
        hold_out(day, t0, t0, study, purge=200, clock=clock)
    with pytest.raises(SealedPeriodError, match="sealed"):
        hold_out(day + 1, t0, t0, study)


def test_days_of_the_test_world_are_what_they_say():
    assert dates_days(labels_of(2)["trade_date"]).tolist() == [FIRST_DAY] * 40 + [FIRST_DAY + 1] * 40
    assert from_us(clock_of(1))[0].isoformat() == "2022-01-08T00:05:00+00:00"
