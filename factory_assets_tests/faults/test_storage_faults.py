"""Small sizes of the storage experiments; full sizes are slow, and `benchmarks/storage_faults.py` prints them."""

import os

import pytest

from factory_assets_tests.faults import storage_experiments as experiments


def _check_kills(figures: experiments.Kills, kills: int) -> None:
    assert figures.rewrites_killed == kills
    assert (figures.torn, figures.corrupt, figures.acknowledged_lost, figures.left_after_sweep) == (0, 0, 0, 0)


def test_sigkill_during_rewrites_tears_nothing(tmp_path):
    figures = experiments.kill_during_rewrites(tmp_path, kills=6)
    _check_kills(figures, 6)


@pytest.mark.slow
def test_sigkill_during_two_hundred_rewrites(tmp_path):
    figures = experiments.kill_during_rewrites(tmp_path, kills=200)
    _check_kills(figures, 200)
    assert figures.orphans_swept > 20  # otherwise the kills did not land inside rewrites


def test_flipped_bits_are_detected(tmp_path):
    figures = experiments.flip_bits(tmp_path, flips_each=100)
    assert figures.tried == dict.fromkeys(("data pages", "page headers", "footer", "manifest"), 100)
    assert figures.detected == figures.tried


def test_every_failing_call_leaves_the_old_partition_or_the_whole_new_one(tmp_path):
    figures = experiments.fail_every_call(tmp_path)
    assert figures.broken == 0
    assert figures.calls > 80
    assert figures.raised_old_intact > 50
    assert figures.raised_old_intact + figures.returned_new_intact == figures.calls


@pytest.mark.slow
def test_a_disk_that_fails_for_good_leaves_one_whole_version(tmp_path):
    figures = experiments.fail_every_call(tmp_path, from_then_on=True)
    assert (figures.broken, figures.calls) == (0, figures.raised_old_intact + figures.returned_new_intact)
    assert figures.raised_old_intact > 50


def test_the_injection_itself_fails_the_named_call(tmp_path):
    with experiments.failing_call(2) as calls:
        os.lstat(tmp_path)
        with pytest.raises(OSError, match="injected into fstat, call 2"):
            os.fstat(0)
        os.lstat(tmp_path)
    assert calls == ["lstat", "fstat", "lstat"]


@pytest.mark.parametrize("limits", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_file_size_limit_keeps_the_old_partition(tmp_path, limits):
    figures = experiments.limit_file_size(tmp_path, limits)
    assert figures.broken == 0
    assert figures.raised_old_intact >= limits // 2
    assert figures.returned_new_intact >= 1


@pytest.mark.parametrize("updates_each", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_eight_processes_lose_no_update(tmp_path, updates_each):
    figures = experiments.many_writers(tmp_path, 8, updates_each)
    assert figures.found == figures.updates == 8 * updates_each


def test_hostile_sql_is_refused_and_reaches_nothing(tmp_path):
    figures = experiments.attack_with_sql(tmp_path)
    assert figures.statements >= 50
    assert (figures.refused, figures.written, figures.reached) == (figures.statements, 0, 0)
