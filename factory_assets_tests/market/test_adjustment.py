"""Adjusted prices: known values, and traded prices given back bit for bit over any chain of rolls."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.adjustment import (
    METHODS,
    adjusted_prices,
    adjustment_differences,
    adjustment_ratios,
    traded_prices,
)
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import from_days

PRICES = ["open", "high", "low", "close"]


def rolls(rows: list[tuple[int, float, float]]) -> pd.DataFrame:
    days, ratios, differences = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return pd.DataFrame(
        {"trade_date": from_days(np.array(days, dtype=np.int64)), "ratio": ratios, "difference": differences}
    ).astype({"ratio": float, "difference": float})


def bars(days: list[int], prices: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"trade_date": from_days(np.array(days)), **dict.fromkeys(PRICES, prices), "volume": 3.0})


def test_a_chain_by_hand() -> None:
    chain = rolls([(10, 0.5, 100.0), (20, 0.8, -30.0)])
    days = np.array([9, 10, 19, 20, 99])
    assert adjustment_ratios(days, chain).tolist() == [1.0, 0.5, 0.5, 0.4, 0.4]
    assert adjustment_differences(days, chain).tolist() == [0.0, 100.0, 100.0, 70.0, 70.0]
    held = bars([9, 10, 20], [100.0, 200.0, 170.0])
    assert adjusted_prices(held, chain)["close"].tolist() == [100.0, 100.0, 170.0 * 0.4]
    found = adjusted_prices(held, chain, "difference")
    assert found["low"].tolist() == [100.0, 100.0, 100.0]
    assert found["volume"].tolist() == [3.0] * 3
    assert adjustment_ratios(days, rolls([])).tolist() == [1.0] * 5


def test_later_rolls_change_no_earlier_price() -> None:
    chain = rolls([(10, 0.9, 4.0), (20, 1.1, -7.0), (30, 0.7, 2.0)])
    held = bars([5, 12, 22], [100.0, 101.0, 99.0])
    for method in METHODS:
        known = adjusted_prices(held, chain.iloc[:2], method)
        pd.testing.assert_frame_equal(adjusted_prices(held, chain, method), known)


@settings(max_examples=60, deadline=None)
@given(
    tick=st.sampled_from(["0.1", "0.25", "0.01", "0.005", "0.03125", "1", "0.0001"]),
    joins=st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(-5e4, 5e4), st.integers(1, 9)), min_size=0, max_size=150),
    ticks=st.lists(st.integers(1, 3_000_000), min_size=4, max_size=40),
    method=st.sampled_from(METHODS),
)
def test_traded_prices_come_back_bit_for_bit(tick: str, joins: list, ticks: list[int], method: str) -> None:
    days = np.cumsum([1, *(gap for _, _, gap in joins)])
    chain = rolls([(int(day), ratio, points) for day, (ratio, points, _) in zip(days[1:], joins, strict=True)])
    price = [float(Decimal(tick) * number) for number in ticks]
    at = np.linspace(0, int(days[-1]) + 1, len(price)).astype(int).tolist()
    held = bars(at, price)
    again = traded_prices(adjusted_prices(held, chain, method), chain, float(tick), method)
    for name in PRICES:
        assert (again[name].to_numpy() == held[name].to_numpy()).all()


def test_what_cannot_be_adjusted() -> None:
    held, chain = bars([1, 2], [100.0, 100.1]), rolls([(2, 0.9, 4.0)])
    with pytest.raises(UnknownNameError, match="'panama'"):
        adjusted_prices(held, chain, "panama")
    with pytest.raises(BadInputError, match="close"):
        adjusted_prices(held.drop(columns="close"), chain)
    with pytest.raises(BadInputError, match=r"rolls\.ratio"):
        adjusted_prices(held, chain.drop(columns="ratio"))
    with pytest.raises(BadInputError, match="order of trade_date"):
        adjusted_prices(held, rolls([(5, 1.0, 0.0), (2, 1.0, 0.0)]))
    for ratio, points in ((0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0), (1.0, np.inf)):
        with pytest.raises(BadInputError, match="above zero"):
            adjusted_prices(held, rolls([(2, ratio, points)]))
    mixed = adjusted_prices(held, chain, "ratio")
    with pytest.raises(BadInputError, match="no multiple of the tick"):
        traded_prices(mixed, chain, 0.1, "difference")
