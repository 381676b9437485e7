"""High-volatility state against a naive percentile rank written from the rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.indicators import high_volatility
from factory_assets.vocabulary.errors import BadInputError


def _naive(atr_pct, trade_day, sessions):
    out = []
    for i, (value, day) in enumerate(zip(atr_pct, trade_day, strict=True)):
        earlier = sorted({d for d in trade_day[:i] if d < day})
        if np.isnan(value) or len(earlier) < sessions:
            out.append(True)
            continue
        kept = {*earlier[-sessions:], day}
        past = [v for v, d in zip(atr_pct[: i + 1], trade_day[: i + 1], strict=True) if d in kept and not np.isnan(v)]
        below = sum(v < value for v in past)
        ties = sum(v == value for v in past)
        out.append((below + 0.5 * ties) / len(past) > 0.5)
    return np.array(out)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.one_of(st.integers(0, 6).map(float), st.just(np.nan)), max_size=7), max_size=9),
    st.integers(1, 4),
)
def test_equals_the_naive_rank(by_session, sessions):
    values = [value for rows in by_session for value in rows]
    days = [3 * day for day, rows in enumerate(by_session) for _ in rows]
    np.testing.assert_array_equal(high_volatility(values, days, sessions), _naive(values, days, sessions))


def test_by_hand():
    # Two earlier sessions of 1, 2 | 3, 4; then 2.5 stands above 2 of 5 plus half of itself: exactly 50 %, low.
    values = [1.0, 2.0, 3.0, 4.0, 2.5, 3.5, np.nan, 0.0]
    days = [1, 1, 2, 2, 5, 5, 5, 6]
    got = high_volatility(values, days, sessions=2)
    assert got.tolist() == [True, True, True, True, False, True, True, False]


def test_only_the_trailing_sessions_count():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(40), 30)
    values = rng.lognormal(size=len(days))
    whole = high_volatility(values, days, 20)
    assert whole[:600].all()
    assert 0.4 < whole[600:].mean() < 0.6
    cut = 5 * 30
    np.testing.assert_array_equal(high_volatility(values[cut:], days[cut:], 20)[600:], whole[cut + 600 :])


def test_reads_no_later_row():
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(10), 20)
    values = rng.lognormal(size=200)
    changed = values.copy()
    changed[150:] = 1e9
    np.testing.assert_array_equal(high_volatility(values, days, 3)[:150], high_volatility(changed, days, 3)[:150])


def test_refuses_unsorted_sessions():
    with pytest.raises(BadInputError, match="decreases at row 2"):
        high_volatility([1.0, 1.0, 1.0], [3, 4, 3])
    with pytest.raises(BadInputError, match="2 ATR% values but 1 trade days"):
        high_volatility([1.0, 1.0], [3])
    assert len(high_volatility([], [])) == 0
