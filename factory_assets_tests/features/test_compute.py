"""The public entry: shapes, order, and one clear message for each kind of bad input."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import catalogue, compute
from factory_assets.features.bars import Bars, log_change
from factory_assets.vocabulary.errors import (
    BadInputError,
    ForeignContractError,
    NaiveTimestampError,
    UnknownNameError,
    UserError,
)
from factory_assets.vocabulary.frames import to_table
from factory_assets.vocabulary.schemas import table_schema

from .feature_worlds import bars, make_minutes, to_timeframe

FRAME = bars(25, sessions=4, seed=1)


def test_result_has_times_then_every_feature_as_float():
    values = compute(FRAME)
    assert list(values.columns) == ["close_time", "trade_date", *(spec.name for spec in catalogue())]
    assert len(values) == len(FRAME)
    assert (values.dtypes.iloc[2:] == np.float64).all()
    assert values["close_time"].equals(FRAME["close_time"])
    assert values["trade_date"].equals(FRAME["trade_date"])
    stored = to_table(values.assign(contract="MGC"), table_schema("features_25min"))
    assert stored.num_rows == len(FRAME)


def test_named_features_come_in_the_order_asked_and_equal_the_full_run():
    names = ["tick_atr", "log_return_3", "minutes_to_flat"]
    values = compute(FRAME, names)
    assert list(values.columns) == ["close_time", "trade_date", *names]
    pd.testing.assert_frame_equal(values[names], compute(FRAME)[names])


def test_contract_may_be_text():
    pd.testing.assert_frame_equal(compute(FRAME.assign(contract="MGC")), compute(FRAME))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 15, 40])
def test_few_bars_give_masked_features(rows):
    values = compute(FRAME.iloc[:rows], minutes=25)
    assert len(values) == rows
    assert values["distance_sma_200_atr"].isna().all()
    assert values["minutes_to_flat"].notna().all()


def test_timeframe_is_the_most_common_length_although_last_bins_are_shorter():
    # 23 hours are 55 bins of 25 minutes and one of 5.
    lengths = (FRAME["close_time"] - FRAME["open_time"]).dt.total_seconds() / 60
    assert lengths.min() == 5
    assert Bars.from_frame(FRAME).minutes == 25


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f.drop(columns=["volume", "adjustment_ratio"]), BadInputError, r"volume.*adjustment_ratio"),
        (lambda f: f.assign(close_time=f["close_time"].dt.tz_localize(None)), NaiveTimestampError, "naive"),
        (lambda f: f.iloc[::-1], BadInputError, "does not increase at row 1"),
        (lambda f: pd.concat([f, f.iloc[-1:]]), BadInputError, "remove duplicates"),
        (lambda f: f.assign(contract=["MES", *["MGC"] * (len(f) - 1)]), ForeignContractError, r"MES.*MGC"),
        (lambda f: f.assign(contract="XYZ"), UnknownNameError, "XYZ"),
        (lambda f: f.assign(high=f["high"].where(f.index != 7)), BadInputError, r"high has 1 .* row 7"),
        (lambda f: f.assign(close=-1.0), BadInputError, r"close has .* finite and > 0"),
        (lambda f: f.assign(volume=-1.0), BadInputError, r"volume .* >= 0"),
        (lambda f: f.assign(volume=np.inf), BadInputError, r"volume .* >= 0"),
        (
            lambda f: f.assign(volume=f["volume"].where(f.index % 50 != 7)),
            BadInputError,
            r'volume is missing \(NaN\) in 5 of 224 bars, first at row 7;.*on every bar or on none.*volume = "none"',
        ),
        (lambda f: f.assign(open_time=f["close_time"]), BadInputError, "not after open_time"),
        (lambda f: f.assign(trade_date=f["trade_date"] + pd.Timedelta(days=5)), BadInputError, "trade date"),
    ],
)
def test_bad_bars_are_refused_with_the_reason(change, error, words):
    with pytest.raises(error, match=words) as caught:
        compute(change(FRAME))
    assert isinstance(caught.value, UserError)
    assert caught.value.exit_code == 2


def test_all_problems_come_in_one_message():
    with pytest.raises(BadInputError, match=r"close has .*volume has"):
        compute(FRAME.assign(close=0.0, volume=-1.0))


@pytest.mark.parametrize(
    ("names", "words"), [(["rsi_14", "no_such"], r"no_such.*rsi_14"), (["rsi_14", "rsi_14"], "more than once")]
)
def test_unknown_and_repeated_names_are_refused(names, words):
    with pytest.raises(UnknownNameError, match=words):
        compute(FRAME, names)


def test_mixed_or_unknown_timeframes_are_refused():
    minutes = make_minutes(sessions=2)
    mixed = pd.concat([to_timeframe(minutes, 60).iloc[:20], minutes.iloc[1400:1500]])
    with pytest.raises(BadInputError, match="lasts 60 minutes in bars of 1"):
        compute(mixed)
    with pytest.raises(UnknownNameError, match="7 minutes"):
        compute(FRAME, minutes=7)
    with pytest.raises(BadInputError, match="one timeframe"):
        compute(FRAME, minutes=5)


def test_change_over_more_bars_than_there_are_is_masked():
    assert np.isnan(log_change(np.array([1.0, 2.0]), 5)).all()


def test_one_name_that_is_no_sequence_is_refused_as_such():
    with pytest.raises(BadInputError, match=r"write \['log_return_10'\]"):
        compute(bars(), "log_return_10")
