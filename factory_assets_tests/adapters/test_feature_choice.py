"""Choosing columns: equal to the definition, the same on any order of threads, blind to every row but its own."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from factory_assets.adapters.choice_record import CHOSEN, REASONS, FeatureChoice
from factory_assets.adapters.feature_choice import centred_ranks, choose_columns
from factory_assets.adapters.feature_sets import Candidates, ChoiceLimits
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows
from factory_assets_tests.adapters import choice_oracle

LIMITS = ChoiceLimits()


def _names(count):
    return tuple(f"column_{place}" for place in range(count))


def _set(names, least, most, **changes):
    bounds = {"columns_min": least, "columns_max": most}
    return Candidates(set_name="mine", columns=tuple(names), limits=LIMITS, **bounds, **changes)


def _families(rng, rows, sizes, noise):
    """Columns in families: each is a family's hidden factor plus noise of its own."""
    factors = rng.normal(size=(rows, len(sizes)))
    columns = [
        factors[:, place] + noise * rng.normal(size=rows) for place, size in enumerate(sizes) for _ in range(size)
    ]
    return np.column_stack(columns).astype(np.float32)


def test_known_choice_by_hand():
    """Six rows. a and b rank alike but for one exchange; c is a turned round; d is its own; e is constant.

    Ranks: a 1..6, b 1 2 3 4 6 5, c 6..1, d 2 6 1 5 3 4. Centred and doubled, a is -5 -3 -1 1 3 5 with squares 70.
    a.b = 70 - 2*2 = 66 -> 66/70; a.c = -70 -> 1; b.c = 66/70; a.d = 15+(-15)+5+3+(-3)+5 = 10 -> 10/70.
    """
    a = [1.0, 2, 3, 4, 5, 6]
    values = np.array([a, [1, 2, 3, 4, 9, 8], a[::-1], [2, 60, 1, 5, 3, 4], [7] * 6]).T
    choice = choose_columns(values, list("abcde"), _set("abcde", 1, 5))
    fates = {fate.column: fate for fate in choice.fates}
    assert {name: fate.reason for name, fate in fates.items()} == {
        "a": "medoid", "b": "represented", "c": "represented", "d": "alone", "e": "constant",
    }  # fmt: skip
    # a and c have the same mean correlation, (1 + 66/70) / 2: the earlier one speaks
    assert choice.columns == ("a", "d")
    assert fates["b"].correlation == pytest.approx(66 / 70, abs=1e-15)
    assert fates["c"].correlation == 1.0
    assert [fates[name].cluster for name in "abcde"] == [0, 0, 0, 1, -1]
    assert [fates[name].representative for name in "abcde"] == ["a", "a", "a", "d", ""]
    assert choice.rows == 6


def test_ranks_are_whole_numbers_around_the_middle():
    ranks, same, missing = centred_ranks(np.array([30.0, np.nan, 10, 20, 20, np.inf]))
    # finite ranks 4, 1, 2.5, 2.5; twice their distance from the middle 2.5
    assert ranks.tolist() == [3.0, 0.0, -3.0, 0.0, 0.0, 0.0]
    assert (same, missing) == (0.5, 2)
    assert centred_ranks(np.full(4, np.nan))[1:] == (1.0, 4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("least", "most"), [(1, 14), (5, 8), (10, 12), (2, 3)])
def test_equals_the_definition(seed, least, most):
    rng = np.random.default_rng(seed)
    values = _families(rng, 60, (5, 3, 2, 1, 1), noise=0.5)
    values = np.column_stack([values, np.round(values[:, 0]), np.full(60, 3.0), rng.normal(size=60)]).astype(np.float32)
    values[rng.random(values.shape) < 0.08] = np.nan
    values[:40, -1] = np.nan  # mostly masked
    names, kept = _names(values.shape[1]), ("column_4", "column_13")
    order = tuple(np.array(names)[rng.permutation(len(names))])
    choice = choose_columns(values, names, _set(order, least, most, kept=kept))
    columns = {name: values[:, names.index(name)].astype(np.float64).tolist() for name in order}
    expected, speaker = choice_oracle.choice(
        columns,
        kept=kept,
        least=least,
        most=most,
        masked_share_max=LIMITS.masked_share_max,
        same_share_max=LIMITS.same_share_max,
        correlation_min=LIMITS.correlation_min,
    )
    assert {*choice.columns} == expected
    assert choice.columns == tuple(name for name in names if name in expected)
    fates = {fate.column: fate for fate in choice.fates}
    assert [fate.column for fate in choice.fates] == list(order)
    assert {name: fate.representative for name, fate in fates.items() if fate.representative} == speaker
    surplus = [fate for fate in fates.values() if fate.reason == "surplus"]
    assert all(fate.cluster >= 0 and fate.correlation == 0.0 for fate in surplus)
    assert not {fate.cluster for fate in surplus} & {fates[name].cluster for name in speaker}
    assert {name: fate.reason for name, fate in fates.items() if name in ("column_4", "column_13", "column_14")} == {
        "column_4": "kept", "column_13": "constant", "column_14": "masked",
    }  # fmt: skip
    assert least <= len(choice.columns) <= most
    for name, fate in fates.items():
        assert fate.masked_share == pytest.approx(np.isnan(values[:, names.index(name)]).mean())
        if fate.representative and fate.representative != name:
            other = columns[fate.representative]
            assert fate.correlation == pytest.approx(choice_oracle.correlation(columns[name], other), abs=1e-12)


def test_correlation_of_whole_columns_is_spearmans():
    rng = np.random.default_rng(2)
    values = _families(rng, 500, (3,), noise=0.4)
    values[:, 2] = np.round(values[:, 2] * 2)  # ties
    choice = choose_columns(values, _names(3), _set(_names(3), 1, 1))
    speaker = _names(3).index(choice.columns[0])
    for place, fate in enumerate(choice.fates):
        assert fate.correlation == pytest.approx(abs(spearmanr(values[:, place], values[:, speaker])[0]), abs=1e-12)


def test_count_lands_inside_the_bounds_wherever_enough_columns_vary():
    rng = np.random.default_rng(0)
    free, tied = rng.normal(size=(300, 40)), np.repeat(rng.normal(size=(300, 1)), 40, axis=1)
    tied = tied + 1e-3 * rng.normal(size=tied.shape)
    for values, bounds, count in ((free, (5, 12), 12), (tied, (5, 12), 5), (free, (1, 40), 40), (tied, (1, 40), 1)):
        assert len(choose_columns(values, _names(40), _set(_names(40), *bounds)).columns) == count


def test_a_full_set_takes_the_clusters_that_explain_most():
    """Families of four, three, two and one column, the last one's factor shared with none: the small ones go first."""
    values = _families(np.random.default_rng(6), 800, (1, 2, 3, 4), noise=0.2)
    reasons = {}
    for most in (4, 3, 2, 1):
        choice = choose_columns(values, _names(10), _set(_names(10), 1, most))
        assert len(choice.columns) == most
        reasons[most] = [fate.reason for fate in choice.fates]
        left = [fate for fate in choice.fates if fate.reason == "surplus"]
        assert all((fate.representative, fate.correlation) == ("", 0.0) for fate in left)
        assert len({fate.cluster for fate in choice.fates}) == 4
    surplus = {
        most: [place for place, reason in enumerate(found) if reason == "surplus"] for most, found in reasons.items()
    }
    assert surplus == {4: [], 3: [0], 2: [0, 1, 2], 1: [0, 1, 2, 3, 4, 5]}


def test_too_few_columns_that_vary_are_refused_with_their_fate():
    values = np.random.default_rng(0).normal(size=(300, 6))
    values[:, 1], values[:200, 2] = 1.0, np.nan
    values[:2, 3], values[2:, 3] = 5.0, 4.0  # 2 of 300 rows say something else: 0.67 %, enough
    values[:1, 4], values[1:, 4] = 5.0, 4.0  # 1 of 300: too few
    with pytest.raises(BadInputError, match=r"3 of 6 candidates vary .* at least 4; 1 are mostly masked, 2 nearly"):
        choose_columns(values, _names(6), _set(_names(6), 4, 6))
    assert len(choose_columns(values, _names(6), _set(_names(6), 3, 6)).columns) == 3


def test_a_set_without_bounds_takes_every_candidate():
    values = np.random.default_rng(0).normal(size=(50, 4))
    values[:, 1], values[:10, 2] = 1.0, np.nan
    wanted = Candidates(
        set_name="all", columns=("column_2", "column_1"), columns_min=None, columns_max=None, limits=LIMITS
    )
    choice = choose_columns(values, _names(4), wanted)
    assert choice.columns == ("column_1", "column_2")
    assert [(fate.column, fate.reason, fate.cluster, fate.masked_share) for fate in choice.fates] == [
        ("column_2", "whole", -1, pytest.approx(0.2)), ("column_1", "whole", -1, 0.0),
    ]  # fmt: skip


def test_kept_columns_count_towards_the_bounds_and_speak_for_nobody():
    rng = np.random.default_rng(1)
    values = _families(rng, 400, (4, 4), noise=0.05)
    choice = choose_columns(values, _names(8), _set(_names(8), 3, 4, kept=("column_0", "column_1", "column_2")))
    fates = {fate.column: fate for fate in choice.fates}
    assert [fates[name].reason for name in ("column_0", "column_1", "column_2")] == ["kept"] * 3
    assert len(choice.columns) == 4
    assert {fate.representative for fate in choice.fates if fate.cluster >= 0}.isdisjoint({"column_0", "column_1"})
    everything = choose_columns(values, _names(8), _set(_names(8), 8, 8, kept=_names(8)))
    assert everything.columns == _names(8)


def test_the_preferred_one_of_two_that_say_the_same_is_chosen_unless_it_is_masked_more():
    values = _families(np.random.default_rng(4), 400, (2, 1), noise=0.01)
    for order in (("column_0", "column_1", "column_2"), ("column_1", "column_0", "column_2")):
        assert order[0] in choose_columns(values, _names(3), _set(order, 2, 2)).columns
    values[::50, 1] = np.nan
    assert "column_0" in choose_columns(values, _names(3), _set(("column_1", "column_0", "column_2"), 2, 2)).columns


def test_record_is_json_and_back_with_every_bit():
    values = _families(np.random.default_rng(4), 300, (4, 3, 1), noise=0.3)
    choice = choose_columns(values, _names(8), _set(_names(8), 2, 5))
    assert FeatureChoice.from_plain(json.loads(json.dumps(choice.to_plain()))) == choice
    assert {fate.reason for fate in choice.fates} <= {*REASONS}
    assert {*CHOSEN} < {*REASONS}
    for plain in ({}, {**choice.to_plain(), "more": 1}, {**choice.to_plain(), "fates": [{"column": "a"}]}):
        with pytest.raises(BadInputError, match="cannot be read"):
            FeatureChoice.from_plain(plain)


def test_bit_equal_on_any_number_of_threads_and_in_either_memory_order():
    values = _families(np.random.default_rng(9), 6000, (30, 20, 10, 5, 5), noise=0.7)
    wanted = _set(_names(70), 20, 30)
    expected = choose_columns(values, _names(70), wanted)
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            assert choose_columns(np.asfortranarray(values), _names(70), wanted) == expected
    assert choose_columns(values.astype(np.float64), _names(70), wanted) == expected


@pytest.mark.parametrize("seed", range(3))
def test_rows_outside_the_training_part_change_nothing(seed):
    rng = np.random.default_rng(seed)
    values = _families(rng, 3000, (12, 6, 4, 2), noise=0.6)
    wanted, part = _set(_names(24), 6, 14), np.r_[0:900, 1700:3000]
    expected = choose_columns(values, _names(24), wanted, rows=part)
    wild = values.copy()
    scored = np.setdiff1d(np.arange(3000), part)
    wild[scored] = 1e9 * rng.standard_cauchy((len(scored), 1))  # every column the same there, and huge
    assert choose_columns(wild, _names(24), wanted, rows=part) == expected
    wild[scored] = np.nan
    assert choose_columns(wild, _names(24), wanted, rows=part) == expected
    assert choose_columns(values[part], _names(24), wanted) == expected
    # a choice on all rows is another one: what the check above would see of a leak
    wild[scored] = rng.normal(size=(len(scored), 1))
    assert choose_columns(wild, _names(24), wanted) != expected


def test_at_most_so_many_rows_are_looked_at_spread_over_the_part():
    values = np.arange(1000, dtype=np.float64)[:, None] * [1.0, -1.0] + [0.0, 0.5]
    wanted = replace(_set(_names(2), 1, 2), limits=replace(LIMITS, rows_max=7))
    spoilt = values.copy()
    looked_at = np.arange(7) * 1000 // 7
    spoilt[np.setdiff1d(np.arange(1000), looked_at)] = 0.0
    assert choose_columns(values, _names(2), wanted) == choose_columns(spoilt, _names(2), wanted)
    assert choose_columns(values, _names(2), wanted).rows == 7


def test_of_windows_the_newest_row_counts_and_no_window_is_gathered():
    rng = np.random.default_rng(5)
    store = _families(rng, 400, (6, 3), noise=0.4)
    last = np.arange(50, 400, 3, dtype=np.int64)
    pad = np.full(9, np.nan, dtype=np.float32)
    windows = LazyWindows(store=store, last=last, first=last - 9, length=10, pad=pad)
    part = np.arange(0, 80)
    expected = choose_columns(store[last], _names(9), _set(_names(9), 2, 4), rows=part)
    assert choose_columns(windows, _names(9), _set(_names(9), 2, 4), rows=part) == expected


def test_what_is_not_there_is_refused():
    values = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(BadInputError, match=r"1 candidates are no columns of the rows, the first \['other'\]"):
        choose_columns(values, _names(2), _set(("column_0", "other"), 1, 2))
    with pytest.raises(BadInputError, match="0 rows and 2 candidates"):
        choose_columns(values, _names(2), _set(_names(2), 1, 2), rows=np.empty(0, dtype=np.int64))
    with pytest.raises(BadInputError, match="30 rows and 0 candidates"):
        choose_columns(values, _names(2), _set((), 1, 2))


def test_three_hundred_columns_of_thirty_thousand_rows_take_less_than_a_second():
    values = _families(np.random.default_rng(1), 30_000, (50,) * 6, noise=1.0)
    wanted = _set(_names(300), 80, 120)
    choose_columns(values, _names(300), wanted)
    taken_s = []
    for _ in range(3):
        begin_s = time.process_time()
        choose_columns(values, _names(300), wanted)
        taken_s.append(time.process_time() - begin_s)
    assert min(taken_s) < 1.0
