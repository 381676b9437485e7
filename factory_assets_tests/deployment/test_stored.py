"""The bundle beside what was evaluated: stored val predictions of every base and of the stack, recomputed."""

import dataclasses

import numpy as np
import pytest

from factory_assets.deployment.stored import stack_verdict
from factory_assets.splits.study import Study
from factory_assets.vocabulary.frames import dates_days

COLUMNS = ["p_down", "p_flat", "p_up"]


@pytest.fixture(scope="module")
def stored(world):
    """Batch rows from val on, and the tables of val as the model and stack assets leave them: events only."""
    days = dates_days(world.batch.frame["trade_date"])
    rows = world.batch.take(days > Study.from_json(world.release.study).train_last_day)
    events = rows.take(rows.frame["event"].to_numpy(dtype=bool))
    times = events.frame[["decision_time"]]
    said = world.release.member_probabilities(events.inputs)
    val = {name: times.assign(**dict(zip(COLUMNS, values.T, strict=True))) for name, values in said.items()}
    stack = times.assign(**dict(zip(COLUMNS, world.release.probabilities(events.inputs).T, strict=True)), origin="val")
    return rows, stack, val


def test_every_base_and_the_stack_are_recomputed(world, stored):
    rows, stack, val = stored
    verdict = stack_verdict(world.release, rows, stack, val)
    assert verdict.passed, verdict.summary
    assert verdict.details == {"rows": 4 * len(stack), "rows_missing": 0, "largest_difference": 0.0}
    assert {*val} == {"lightgbm", "logistic", "tcn"}


@pytest.mark.parametrize(("name", "gap"), [("lightgbm", 1e-9), ("logistic", 1e-9), ("tcn", 1e-4), ("stack", 1e-4)])
def test_another_prediction_of_any_of_them_fails(world, stored, name, gap):
    rows, stack, val = stored
    table = (stack if name == "stack" else val[name]).copy()
    table.loc[7, "p_up"] += gap
    changed = (rows, table, val) if name == "stack" else (rows, stack, {**val, name: table})
    assert not stack_verdict(world.release, *changed).passed


def test_windows_of_other_decisions_fail(world, stored):
    rows, stack, val = stored
    moved = dataclasses.replace(rows, windows=rows.windows[np.maximum(np.arange(len(rows)) - 1, 0)])
    verdict = stack_verdict(world.release, moved, stack, val)
    assert not verdict.passed
    assert "lightgbm 0 (" in verdict.summary


def test_stored_decisions_the_bundle_lacks_fail(world, stored):
    rows, stack, val = stored
    verdict = stack_verdict(world.release, rows.take(np.arange(len(rows) - 400)), stack, val)
    assert not verdict.passed
    assert verdict.details["rows_missing"] > 0
    nothing = {name: table[:0] for name, table in val.items()}
    assert not stack_verdict(world.release, rows, stack[:0], nothing).passed
