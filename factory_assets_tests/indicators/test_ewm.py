"""Exponentially weighted statistics against explicit weights and pandas."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.indicators import ewm_settle_bars, ewm_std
from factory_assets.vocabulary.errors import BadInputError


def _naive(values, span):
    """Corrected deviation of the whole past with explicit weights, row by row."""
    decay = 1 - 2 / (span + 1)
    out = []
    for i in range(len(values)):
        pairs = [(decay ** (i - k), values[k]) for k in range(i + 1) if not math.isnan(values[k])]
        if len(pairs) < span:
            out.append(math.nan)
            continue
        total = math.fsum(w for w, _ in pairs)
        mean = math.fsum(w * y for w, y in pairs) / total
        spread = math.fsum(w * (y - mean) ** 2 for w, y in pairs) / total
        correction = total**2 / (total**2 - math.fsum(w * w for w, _ in pairs))
        out.append(math.sqrt(spread * correction))
    return np.array(out)


@pytest.mark.parametrize("span", [2, 5, 20])
def test_equals_explicit_weights_and_pandas(span):
    values = np.random.default_rng(span).normal(size=120)
    values[[0, 31, 32]] = np.nan
    np.testing.assert_allclose(ewm_std(values, span), _naive(list(values), span), rtol=1e-11, atol=1e-14)
    theirs = pd.Series(values).ewm(span=span, min_periods=span)
    np.testing.assert_allclose(ewm_std(values, span), theirs.std(), rtol=1e-10, atol=1e-13)


def test_by_hand():
    # Span 3: weights 1, 2, 4 of (0, 0, 7): mean 4, squared deviations 16 + 2 * 16 + 4 * 9 = 84, over 7 - 21 / 7 = 4.
    assert ewm_std([2.0, 2.0, 2.0], 3)[2] == 0.0
    assert ewm_std([0.0, 0.0, 7.0], 3)[2] == pytest.approx(math.sqrt(21.0))


def test_start_of_history_is_forgotten_after_the_settle_length():
    values = np.random.default_rng(1).normal(size=6000)
    settle = ewm_settle_bars(100)
    whole, part = ewm_std(values, 100), ewm_std(values[1500:], 100)
    np.testing.assert_allclose(part[settle:], whole[1500 + settle :], rtol=1e-10)
    assert settle == math.ceil(math.log(1e-12) / math.log(99 / 101))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=3, max_size=40), st.floats(0.5, 2.0))
def test_follows_scale(values, factor):
    scaled = ewm_std(np.array(values) * factor, 3)
    np.testing.assert_allclose(scaled, ewm_std(values, 3) * factor, rtol=1e-6, atol=1e-9)


def test_refuses_a_span_without_spread():
    with pytest.raises(BadInputError, match="at least 2 rows, got 1"):
        ewm_std([1.0], 1)
