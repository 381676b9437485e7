"""Features meet labels by decision time, never by position."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.adapters import container_of
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

DECISIONS_US = 19_000 * DAY_US + np.arange(20) * 5 * MINUTE_US


def _tabular():
    """Each value tells the decision it belongs to."""
    frame = pd.DataFrame({"decision_time": from_us(DECISIONS_US), "trade_date": from_days(np.full(20, 19_000))})
    frame["place__15min"] = np.arange(20, dtype=np.float32)
    frame["other__5min"] = np.arange(20, dtype=np.float32) * 10
    return frame


def _labels(places):
    places = np.asarray(places)
    return pd.DataFrame(
        {
            "decision_time": from_us(DECISIONS_US[places]),
            "trade_date": from_days(np.full(len(places), 19_000)),
            "t0": from_us(DECISIONS_US[places]),
            "t1": from_us(DECISIONS_US[places] + 7 * MINUTE_US),
            "label": pd.array([(place % 3) - 1 for place in places], dtype="Int8"),
        }
    )


def test_rows_are_joined_by_key_whatever_their_order():
    places = [13, 2, 17, 5]
    container = container_of(_tabular().iloc[::-1], _labels(places), np.array(places, dtype=np.float64))
    assert container.decision_us.tolist() == DECISIONS_US[[2, 5, 13, 17]].tolist()
    assert container.features.tolist() == [[2, 20], [5, 50], [13, 130], [17, 170]]
    assert container.features.dtype == np.float32
    assert container.label.tolist() == [1, 1, 0, 1]
    assert container.weight.tolist() == [2, 5, 13, 17]
    assert container.feature_names == ("place__15min", "other__5min")
    assert (container.t1_us - container.t0_us).tolist() == [7 * MINUTE_US] * 4
    assert container.trade_day.tolist() == [19_000] * 4


def test_keys_that_are_missing_repeated_or_masked_are_refused():
    labels, ones = _labels([1, 2, 3]), np.ones(3)
    with pytest.raises(BadInputError, match="2 labels without a tabular row"):
        container_of(_tabular().iloc[3:], labels, ones)
    with pytest.raises(BadInputError, match="1 decision times repeated in labels"):
        container_of(_tabular(), _labels([1, 2, 2]), ones)
    with pytest.raises(BadInputError, match="1 decision times repeated in tabular"):
        container_of(pd.concat([_tabular(), _tabular().iloc[:1]]), labels, ones)
    masked = labels.copy()
    masked.loc[1, "label"] = pd.NA
    with pytest.raises(BadInputError, match="1 labels without an outcome"):
        container_of(_tabular(), masked, ones)
    with pytest.raises(BadInputError, match=r"2 weights for 3 labels; 1 labels without a tabular row"):
        container_of(_tabular().iloc[2:], labels, ones[:2])
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(BadInputError, match="weights that are negative or not finite"):
            container_of(_tabular(), labels, np.array([1.0, wrong, 1.0]))
    shifted = labels.assign(trade_date=from_days(np.full(3, 19_001)))
    with pytest.raises(BadInputError, match="disagree on the session"):
        container_of(_tabular(), shifted, ones)
