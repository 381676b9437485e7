"""Raw minutes to the canonical series: known values, an oracle, accounting, order and time-zone independence."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.canonical import build_canonical
from factory_assets.market.readers import read_folder
from factory_assets.vocabulary import schemas
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets.vocabulary.frames import to_table
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC, SETTINGS, gold_minutes

VALUES = ["open", "high", "low", "close", "volume"]


def build(raw: pd.DataFrame):
    return build_canonical(raw, MGC, CALENDAR, SETTINGS)


def same(left, right) -> None:
    for name in ("bars", "quarantine", "rolls"):
        pd.testing.assert_frame_equal(getattr(left, name), getattr(right, name))
    assert left.counts == right.counts


def changed(raw: pd.DataFrame, row: int, **values: object) -> pd.DataFrame:
    raw = raw.copy()
    for name, value in values.items():
        raw.loc[row, name] = value
    return raw


def row_of(raw: pd.DataFrame, expiry: str, moment: str) -> int:
    found = raw.index[(raw["expiry"] == expiry) & (raw["open_time"] == pd.Timestamp(moment, tz="UTC"))]
    assert len(found) == 1
    return int(found[0])


def test_the_roll_of_a_small_market() -> None:
    raw = gold_minutes()
    found = build(raw)
    by_session = found.bars.groupby("trade_date", observed=True)["expiry"].agg(lambda held: list(held.unique()))
    # Wednesday's 40 % is known on Thursday.
    assert by_session.tolist() == [["MGCG2"], ["MGCG2"], ["MGCG2"], ["MGCJ2"], ["MGCJ2"]]
    (roll,) = found.rolls.to_dict("records")
    wednesday = raw[raw["open_time"].dt.tz_convert("America/Chicago").dt.date == pd.Timestamp("2022-01-25").date()]
    closes = wednesday.pivot_table(index="open_time", columns="expiry", values="close", observed=True)
    assert roll["trade_date"] == pd.Timestamp("2022-01-27")
    assert (roll["from_expiry"], roll["to_expiry"], roll["paired_minutes"]) == ("MGCG2", "MGCJ2", 60)
    assert roll["ratio"] == pytest.approx((closes["MGCG2"] / closes["MGCJ2"]).median(), rel=1e-15)
    assert roll["difference"] == pytest.approx(4.0, abs=1e-9)
    assert roll["reason"] == "volume share reached"
    ratios = found.bars.groupby("trade_date", observed=True)["adjustment_ratio"].unique().tolist()
    assert [list(r) for r in ratios] == [[1.0], [1.0], [1.0], [roll["ratio"]], [roll["ratio"]]]


def test_traded_prices_are_untouched_and_the_adjusted_series_does_not_jump() -> None:
    raw = gold_minutes(basis=40.0)
    bars = build(raw).bars
    merged = bars.merge(raw.astype({"expiry": str}), on=["expiry", "open_time"], suffixes=("", "_raw"))
    assert len(merged) == len(bars) == 300
    for name in VALUES:
        assert (merged[name] == merged[f"{name}_raw"]).all()
    adjusted = bars["close"] * bars["adjustment_ratio"]
    at_roll = bars.index[bars["expiry"].ne(bars["expiry"].shift())][1]
    assert abs(bars["close"][at_roll] - bars["close"][at_roll - 1]) > 39
    assert abs(adjusted[at_roll] / adjusted[at_roll - 1] - 1) < 1e-3


def test_ratios_multiply_forward_over_several_rolls(real_data) -> None:
    found = build(read_folder(real_data / "MGC_databento", MGC).minutes)
    assert found.counts["canonical_rows"] == 705_956
    assert found.counts["quarantined"] == found.counts["exact_duplicates"] == 0
    assert found.counts["other_expiry_rows"] == 298_317
    rolled = list(zip(found.rolls["trade_date"].dt.strftime("%Y-%m-%d"), found.rolls["to_expiry"], strict=True))
    assert rolled == [
        ("2021-01-28", "MGCJ1"), ("2021-03-30", "MGCM1"), ("2021-05-27", "MGCQ1"), ("2021-07-29", "MGCZ1"),
        ("2021-11-29", "MGCG2"), ("2022-01-28", "MGCJ2"), ("2022-03-30", "MGCM2"), ("2022-05-27", "MGCQ2"),
        ("2022-07-28", "MGCZ2"), ("2022-11-29", "MGCG3"),
    ]  # fmt: skip
    running = 1.0
    by_date = found.bars.groupby("trade_date", observed=True)["adjustment_ratio"].agg(["min", "max"])
    ratio_of = dict(zip(found.rolls["trade_date"], found.rolls["ratio"], strict=True))
    for day, row in by_date.iterrows():
        running *= ratio_of.get(day, 1.0)
        assert row["min"] == row["max"] == pytest.approx(running, rel=1e-12)
    assert 0.96 < running < 0.97
    # The front carries at least half of the volume of its session's two busiest months from the roll on.
    assert found.bars["volume"].sum() / 25_758_363 > 0.9


def test_frames_fit_their_schemas() -> None:
    found = build(changed(gold_minutes(), 5, high=np.nan))
    for frame, schema in (
        (found.bars, schemas.CANONICAL_BARS),
        (found.quarantine, schemas.QUARANTINE),
        (found.rolls, schemas.ROLLS),
    ):
        table = to_table(frame.assign(contract=pd.Categorical(["MGC"] * len(frame))), schema)
        assert table.num_rows == len(frame) > 0


def test_every_raw_row_is_accounted_for() -> None:
    raw = gold_minutes()
    bad = row_of(raw, "MGCG2", "2022-01-24 23:05")
    copy, conflict = raw.iloc[[10, 11]], raw.iloc[[20]].assign(close=lambda f: f["low"], source_file="other.csv")
    dirty = pd.concat([changed(raw, bad, close=1800.05), copy, conflict], ignore_index=True)
    counts = build(dirty).counts
    assert counts["raw_rows"] == 603
    assert (counts["exact_duplicates"], counts["quarantined"]) == (2, 3)
    assert (counts["quarantined_off_tick"], counts["quarantined_conflicting_duplicate"]) == (1, 2)
    assert counts["canonical_rows"] == 300 - 2  # the two conflicting rows are one minute
    assert counts["other_expiry_rows"] == 300
    assert counts["quarantined_share"] == 3 / 601  # the two copies are no rows of their own
    assert (counts["sessions"], counts["rolls"]) == (5, 1)


def test_conflicting_rows_are_both_quarantined_as_they_came() -> None:
    raw = gold_minutes()
    dirty = pd.concat(
        [raw, raw.iloc[[20]].assign(close=lambda f: f["low"], source_file="other.csv")], ignore_index=True
    )
    found = build(dirty)
    assert found.quarantine["reason"].astype(str).tolist() == ["conflicting_duplicate"] * 2
    origin = list(zip(found.quarantine["source_file"].astype(str), found.quarantine["source_row"], strict=True))
    assert origin == [("2022-01.csv", raw.loc[20, "source_row"]), ("other.csv", raw.loc[20, "source_row"])]
    assert set(found.quarantine["close"]) == {raw.loc[20, "close"], raw.loc[20, "low"]}
    assert not found.bars["open_time"].isin(found.quarantine["open_time"]).any()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"high": np.inf}, "not_finite"),
        ({"low": -1.0}, "not_positive"),
        ({"close": 1800.05}, "off_tick"),
        ({"high": 1000.0}, "ohlc_order"),
        ({"volume": -5.0}, "bad_volume"),
        ({"open_time": pd.Timestamp("2022-01-24 23:05:30", tz="UTC")}, "off_minute"),
        ({"open_time": pd.Timestamp("2022-01-23 15:00", tz="UTC")}, "outside_session"),
        ({"open_time": pd.Timestamp("1971-01-01", tz="UTC")}, "outside_session"),
        ({"open_time": pd.Timestamp("2261-01-01", tz="UTC")}, "outside_session"),
        ({"low": 1500.0}, "spike"),
    ],
)
def test_each_violation_is_quarantined_with_its_reason(values: dict[str, object], reason: str) -> None:
    raw = gold_minutes()
    dirty = changed(raw, row_of(raw, "MGCG2", "2022-01-24 23:35"), **values)
    found = build(dirty)
    assert found.quarantine["reason"].astype(str).tolist() == [reason]
    assert found.counts[f"quarantined_{reason}"] == found.counts["quarantined"] == 1
    (name,) = values
    assert found.quarantine.loc[0, name] == values[name], "quarantined as it came, never repaired"
    assert len(found.bars) == 299


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 2**31), st.booleans())
def test_the_order_of_raw_rows_does_not_matter(seed: int, dirt: int, numbered: bool) -> None:
    raw = gold_minutes(minutes=30)
    raw = raw if numbered else raw.drop(columns="source_row")
    rng = np.random.default_rng(dirt)
    for row in rng.choice(len(raw), 5, replace=False):
        raw.loc[row, rng.choice(["open", "high", "low", "close"])] += float(rng.choice([0.05, 0.1, -70.0, np.nan]))
    copies = raw.sample(4, random_state=dirt % 1000)
    dirty = pd.concat([raw, copies, copies.assign(source_file="again.csv", volume=7.0)], ignore_index=True)
    same(build(dirty), build(dirty.sample(frac=1.0, random_state=seed).reset_index(drop=True)))


def test_the_process_time_zone_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = gold_minutes()
    before = build(raw)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        same(before, build(raw))
        same(before, build(raw.assign(open_time=raw["open_time"].dt.tz_convert("Asia/Tokyo"))))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_later_sessions_leave_history_as_it_was() -> None:
    raw = gold_minutes()
    whole = build(raw)
    for day in ("2022-01-25", "2022-01-26", "2022-01-27"):
        end = pd.Timestamp(day + " 22:00", tz="UTC")
        part = build(raw[raw["open_time"] < end])
        known = whole.bars[whole.bars["open_time"] < end].reset_index(drop=True)
        plain = {"expiry": str}
        pd.testing.assert_frame_equal(part.bars.astype(plain), known.astype(plain))
        assert len(part.rolls) == (day == "2022-01-27")


def test_a_hole_longer_than_a_months_life_is_an_error() -> None:
    now = gold_minutes()
    then = now.assign(open_time=now["open_time"] - pd.Timedelta(weeks=522), source_file="2012.csv")  # Monday to Monday
    with pytest.raises(BadInputError, match=r"front MGCJ2 of session 2012-01-27 has ended.*2022-01-24.*missing raw"):
        build(pd.concat([now, then], ignore_index=True))


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        (gold_minutes().drop(columns="volume"), BadInputError, "lack columns .'volume'."),
        (gold_minutes().iloc[:0], BadInputError, "0 rows"),
        (gold_minutes().assign(open_time=lambda f: f["open_time"].dt.tz_localize(None)), NaiveTimestampError, "raw"),
        (
            gold_minutes().assign(open_time=lambda f: f["open_time"].where(f["volume"] > 5)),
            BadInputError,
            "no open_t",
        ),
        (gold_minutes().assign(high=0.05), BadInputError, "none of 600 raw rows is valid .off_tick: 600"),
        (gold_minutes().assign(expiry="MGC?2"), BadInputError, "names as MGCG3"),
    ],
)
def test_raw_that_cannot_be_used(raw: pd.DataFrame, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build(raw)
