"""The as-of index against the definition and against pandas; times out of order are refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.as_of import as_of_index
from factory_assets.vocabulary.errors import BadInputError

TIMES = st.integers(-5, 320)


def test_by_hand_a_bar_is_known_at_its_close_and_not_before():
    closes = [np.array([100, 200, 300]), np.array([150])]
    rows = as_of_index(np.array([99, 100, 101, 199, 200, 450]), closes)
    assert rows.tolist() == [[-1, 0, 0, 0, 1, 2], [-1, -1, -1, 0, 0, 0]]
    assert rows.dtype == np.int32


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sets(TIMES, max_size=40), max_size=4), st.lists(TIMES, max_size=40).map(sorted))
def test_equals_the_definition_and_knows_no_later_bar(closes, decisions):
    found = as_of_index(np.array(decisions, np.int64), [np.array(sorted(bars), np.int64) for bars in closes])
    assert found.shape == (len(closes), len(decisions))
    for bars, rows in zip(closes, found, strict=True):
        ordered = sorted(bars)
        for decision, row in zip(decisions, rows, strict=True):
            assert ordered[: row + 1] == [close for close in ordered if close <= decision]


def test_equals_pandas_on_an_irregular_clock():
    rng = np.random.default_rng(5)
    opened = np.sort(rng.choice(20_000, 9_000, replace=False))
    closes = [np.unique((opened // minutes + 1) * minutes) for minutes in (5, 25, 60)]
    found = as_of_index(opened + 1, closes)
    decisions = pd.DataFrame({"moment": opened + 1})
    for bars, rows in zip(closes, found, strict=True):
        table = pd.DataFrame({"moment": bars, "row": np.arange(len(bars))})
        expected = pd.merge_asof(decisions, table, on="moment")["row"].fillna(-1).to_numpy(np.int64)
        np.testing.assert_array_equal(rows, expected)


def test_times_out_of_order_are_refused():
    with pytest.raises(BadInputError, match="decision 2 lies before"):
        as_of_index(np.array([1, 5, 4]), [np.array([1])])
    with pytest.raises(BadInputError, match="timeframe 1: close 1 is not after"):
        as_of_index(np.array([1, 5]), [np.array([1]), np.array([3, 3])])
    with pytest.raises(BadInputError, match="timeframe 0: close 2 is not after"):
        as_of_index(np.array([1, 2]), [np.array([1, 8, 7])])
    with pytest.raises(BadInputError, match="timeframe 0: close 1 is not after"):
        as_of_index(np.array([], dtype=np.int64), [np.array([8, 7])])
