"""Windows against folds: thin bars let a window reach into the judged block although the embargo was counted out."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.adapters import build_sequence, fold_windows_verdict, windows_of
from factory_assets.splits import ROLES, PurgedKFold
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

BAR_US = 5 * MINUTE_US
START_US = 19_000 * DAY_US


def _world(*, bars_apart, window_bars, embargo_bars, outage_minutes_max=30, bars=2_000):
    """One bar every so many scheduled ones; each is a decision whose outcome is known two scheduled bars later."""
    clock_us = START_US + np.arange(1, bars * bars_apart + 1) * BAR_US
    close_us = clock_us[::bars_apart]
    t1_us = close_us + 2 * BAR_US
    folds = PurgedKFold(3, purge=0, embargo=embargo_bars, window=window_bars)
    splits = pd.concat(
        [
            pd.DataFrame(
                {
                    "decision_time": from_us(close_us),
                    "scheme": "purged_kfold",
                    "fold": fold,
                    "role": np.take(ROLES, roles),
                }
            )
            for fold, roles in enumerate(folds.split_roles(close_us, t1_us, clock_us))
        ],
        ignore_index=True,
    )
    sequence = build_sequence(
        close_us,
        (close_us // DAY_US).astype(np.int32),
        close_us,
        clock_us,
        window_bars=window_bars,
        outage_minutes_max=outage_minutes_max,
    )
    return sequence, splits, pd.DataFrame({"decision_time": from_us(close_us), "t1": from_us(t1_us)})


def _windows_that_show(sequence, splits, labels):
    """Training rows of each fold whose lazy window holds a bar that opens before the fold's last t1, by value."""
    closes = pd.DataFrame({"close_time": labels["decision_time"]})
    closes["bar"] = np.arange(len(closes), dtype=np.float32)
    close_us = times_us(closes["close_time"])
    first, last = (np.searchsorted(close_us, times_us(sequence[name])) for name in ("first_close", "last_close"))
    windows = windows_of(closes, ("bar",), last, first, window_bars=int(sequence["rows"].max()))
    found = 0
    for _, rows in splits.groupby("fold"):
        role, t1_us = rows["role"].to_numpy(), times_us(labels["t1"])
        test = np.flatnonzero(role == "test")
        for row in np.flatnonzero(role == "train"):
            shown = np.asarray(windows[row])[0, :, 0]
            opens_us = close_us[shown[~np.isnan(shown)].astype(int)] - BAR_US
            found += row > test[0] and bool((opens_us < t1_us[test].max()).any())
    return found


def test_windows_over_every_scheduled_bar_are_clear_even_without_an_embargo():
    verdict = fold_windows_verdict(*_world(bars_apart=1, window_bars=60, embargo_bars=0))
    assert verdict.passed
    assert verdict.blocking
    # the embargo of 0 + 60 closes ends with the 60th after t1; the row of the 61st shows the 2nd to the 61st
    assert verdict.details["closest_minutes"] == 5
    assert verdict.details["windows"] > 1_000


def test_thin_bars_with_a_long_window_are_refused_under_the_shipped_embargo():
    world = _world(bars_apart=7, window_bars=400, embargo_bars=1440)
    verdict = fold_windows_verdict(*world)
    assert not verdict.passed
    showing = verdict.details["showing"]
    assert showing == _windows_that_show(*world) > 100
    assert sum(count for name, count in verdict.details.items() if name.startswith("purged_kfold_")) == showing
    assert "Raise [splits] embargo_bars" in verdict.summary
    assert fold_windows_verdict(*_world(bars_apart=7, window_bars=60, embargo_bars=1440)).passed


@pytest.mark.parametrize(("bars_apart", "embargo_bars"), [(2, 0), (2, 57), (2, 58), (3, 100), (6, 293)])
def test_count_equals_what_the_windows_show(bars_apart, embargo_bars):
    world = _world(bars_apart=bars_apart, window_bars=60, embargo_bars=embargo_bars, bars=600)
    verdict = fold_windows_verdict(*world)
    assert verdict.details["showing"] == _windows_that_show(*world)
    assert verdict.passed == (verdict.details["showing"] == 0)


def _by_hand(first_minutes, *, roles=("test", "test", "train"), scheme="purged_kfold"):
    """Decisions at minutes 100, 200 and 600; the last outcome of the block is known at minute 303, the first at 400."""
    moments = from_us(START_US + np.array([100, 200, 600]) * MINUTE_US)
    sequence = pd.DataFrame(
        {"decision_time": moments, "first_close": from_us(START_US + np.array([5, 105, first_minutes]) * MINUTE_US)}
    )
    splits = pd.DataFrame({"decision_time": moments, "scheme": scheme, "fold": 0, "role": list(roles)})
    ends = from_us(START_US + np.array([400, 303, 700]) * MINUTE_US)
    return sequence, splits, pd.DataFrame({"decision_time": moments, "t1": ends})


@pytest.mark.parametrize(("first_minutes", "passed", "closest"), [(405, True, 0), (404, False, -1), (600, True, 195)])
def test_oldest_bar_opens_at_the_latest_outcome_or_after_it(first_minutes, passed, closest):
    verdict = fold_windows_verdict(*_by_hand(first_minutes))
    assert (verdict.passed, verdict.details["closest_minutes"]) == (passed, closest)
    assert verdict.details["windows"] == 1


def test_hold_out_and_a_training_row_inside_the_block_are_looked_at():
    assert not fold_windows_verdict(*_by_hand(404, roles=("val", "val", "train"), scheme="hold_out")).passed
    inside = fold_windows_verdict(*_by_hand(405, roles=("test", "train", "test")))
    assert inside.details["showing"] == 1


def test_what_cannot_be_compared_is_no_proof():
    sequence, splits, labels = _by_hand(405)
    assert fold_windows_verdict(sequence.iloc[:2], splits, labels).details["absent"] == 1
    assert fold_windows_verdict(sequence, splits, labels.iloc[1:]).details["absent"] == 1
    unknown = labels.assign(t1=labels["t1"].where(labels.index != 0))
    assert fold_windows_verdict(sequence, splits, unknown).details["absent"] == 1
    for broken in (
        (sequence.iloc[:2], splits, labels),
        (sequence, splits, labels.iloc[1:]),
        (sequence, splits, unknown),
        (sequence, splits.iloc[:2], labels),
        (sequence, splits.iloc[:0], labels),
    ):
        assert not fold_windows_verdict(*broken).passed
