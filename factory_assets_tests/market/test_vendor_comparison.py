"""Two vendors of one market: equal under two conventions, told apart by clock, label, coverage, price and volume."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.expiry import delivery_index_of
from factory_assets.market.readers import read_folder
from factory_assets.market.vendor_comparison import VendorComparison, compare_vendors
from factory_assets.market.vendor_findings import shift_meaning
from factory_assets.market.vendor_minutes import month_name, vendor_minutes
from factory_assets.market.vendor_shift import candidate_shifts, weekly_shifts
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.market.vendor_worlds import CALENDAR, MES, later, market, read_as, record

PRICES = ["open", "high", "low", "close"]


def compared(a: pd.DataFrame, b: pd.DataFrame, a_says=(), b_says=()) -> VendorComparison:
    return compare_vendors(
        record(a, **dict(a_says)), record(b, **dict(b_says)), MES, CALENDAR, folders=("left", "right")
    )


def only_finding(found: VendorComparison):
    (finding,) = found.findings
    return finding


def test_one_record_under_two_names_has_no_difference():
    minutes = market()
    found = compared(minutes, minutes.assign(expiry=pd.Categorical(["MESH2024"] * len(minutes))))
    n = len(minutes)
    assert found.minutes == {
        "both": n, "only_a": 0, "only_b": 0, "equal": n, "equal_with_volume": n, "both_shifted": n, "equal_shifted": n,
    }  # fmt: skip
    assert found.differences["different"].tolist() == [0] * 4
    assert found.classes.set_index("ticks").loc["0", PRICES].tolist() == [n] * 4
    assert found.volume["total_ratio"] == 1.0
    assert found.weeks["shift_minutes"].tolist() == [0.0] * 2
    assert found.weeks["correlation"].to_numpy() == pytest.approx(1.0)
    assert found.worst.empty
    assert not only_finding(found).grave
    assert only_finding(found).text.startswith(f"No difference: {n:,} of {n:,} minutes")


# --- by hand -----------------------------------------------------------------------------------------------------


def four_minutes() -> pd.DataFrame:
    return market().iloc[:4].assign(
        open_time=pd.date_range("2024-01-09 15:00", periods=4, freq="min", tz="UTC", unit="us"),
        open=[5000.0, 5001.0, 5002.0, 5003.0], high=5010.0, low=4990.0, close=[5001.0, 5002.0, 5003.0, 5004.0],
        volume=[10.0, 20.0, 30.0, 40.0],
    )  # fmt: skip


def test_counts_by_hand():
    a = four_minutes()
    b = a.assign(close=[5001.0, 5002.25, 5001.0, 5004.0], volume=[10.0, 40.0, 30.0, 40.0])
    # A lacks the second minute of B, B the last of A: both lie within the shared span 15:00 to 15:02 or outside it.
    found = compared(a.drop(index=a.index[1]), b.iloc[[0, 1, 2]])
    assert {name: found.minutes[name] for name in ("both", "only_a", "only_b", "equal", "equal_with_volume")} == {
        "both": 2, "only_a": 0, "only_b": 1, "equal": 1, "equal_with_volume": 1,
    }  # fmt: skip
    close = found.differences.set_index("column").loc["close"]
    assert close[["different", "share", "mean_ticks", "median_ticks", "max_ticks"]].tolist() == [1, 0.5, -8.0, 8.0, 8.0]
    assert found.differences.set_index("column").loc["open", "different"] == 0
    assert found.classes.set_index("ticks")["close"].to_dict() == {
        "0": 1, "1": 0, "2": 0, "3-5": 0, "6-10": 1, "11-50": 0, "> 50": 0,
    }  # fmt: skip
    assert found.sessions.to_dict("records") == [
        {"trade_date": "2024-01-09", "minutes_a": 2, "minutes_b": 3, "both": 2, "equal": 1}
    ]
    month = found.months.iloc[0]
    assert month[["expiry", "first", "last"]].tolist() == ["MESH24", "2024-01-09 15:00", "2024-01-09 15:02"]
    worst = found.worst.iloc[0]
    assert (worst["open_time"], worst["close_a"], worst["close_b"], worst["ticks"]) == (
        "2024-01-09 15:02",
        5003.0,
        5001.0,
        8.0,
    )
    assert len(found.worst) == 1


def test_volume_ratios_by_hand():
    a = four_minutes()
    b = a.assign(volume=[10.0, 40.0, 60.0, 0.0])
    found = compared(a, b).volume
    assert found["total_ratio"] == pytest.approx(110 / 100)
    assert found["equal_share"] == 0.25
    assert found["ratio_p50"] == 2.0, "of 1, 2 and 2; a minute without volume has no ratio"


def test_copies_go_conflicts_go_and_both_are_counted():
    a = market()
    twice = pd.concat(
        [a, a.iloc[[7]], a.iloc[[9]].assign(close=a["close"].iloc[9] + 5), a.iloc[[11]].assign(close=np.nan)]
    )
    off = later(a.iloc[[20]], 0).assign(open_time=a["open_time"].iloc[[20]] + pd.Timedelta(seconds=30))
    found = compared(a, pd.concat([twice, off], ignore_index=True))
    side = found.sides["B"]
    assert (side["rows"], side["copies"], side["conflicting"], side["unusable"]) == (len(a) + 4, 1, 2, 2)
    assert side["minutes"] == len(a) - 1
    assert (found.minutes["both"], found.minutes["only_a"]) == (len(a) - 1, 1)


def test_months_are_matched_by_delivery_not_by_name_and_never_across():
    near, far = market(expiry="MESH4"), market(expiry="MESM4", seed=6)
    found = compared(pd.concat([near, far]), pd.concat([far.assign(expiry="MESM24"), near.assign(expiry="MESH24")]))
    assert found.months[["expiry", "only_a", "only_b"]].to_numpy().tolist() == [["MESH24", 0, 0], ["MESM24", 0, 0]]
    assert found.minutes["equal"] == len(near) + len(far)
    swapped = compared(near, market(expiry="MESH4", seed=6))
    assert swapped.minutes["equal"] < 0.01 * len(near), "another month's prices are not these"


def test_a_month_is_compared_within_the_span_both_hold():
    a = market()
    found = compared(a, a.iloc[5000:9000])
    assert (found.minutes["both"], found.minutes["only_a"], found.minutes["only_b"]) == (4000, 0, 0)


# --- clocks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [1, 17, -60, 61, -359])
def test_a_constant_shift_is_found_and_what_is_left_is_equal(shift):
    a = market()
    found = compared(a, later(a, shift), b_says={"timezone": "EST"})
    assert found.weeks["shift_minutes"].tolist() == [float(shift)] * 2
    assert found.minutes["equal_shifted"] == found.minutes["both_shifted"] > 0.9 * len(a)
    finding = only_finding(found)
    assert finding.grave
    assert f"shifted by {shift:+d} min" in finding.text


def test_a_wrong_bar_label_is_named():
    a = market()
    text = only_finding(compared(a, later(a, 1), b_says={"bar_label": "open"})).text
    assert "B looks stamped at the close of its bars (it declares open)" in text
    assert "sessions speak against B" in text
    text = only_finding(compared(later(a, 1), a, a_says={"bar_label": "open"})).text
    assert "A looks stamped at the close of its bars (it declares open)" in text
    assert "sessions speak against A" in text
    text = only_finding(compared(a, later(a, -1), b_says={"bar_label": "close"})).text
    assert "B looks stamped at the open of its bars (it declares close)" in text


def test_a_wrong_zone_is_named_with_both_zones():
    a = market()
    b = read_as(a, "America/New_York", "America/Chicago")
    text = only_finding(compared(a, b, b_says={"timezone": "America/Chicago"})).text
    assert "shifted by +60 min" in text
    assert "1 h of it come from a clock: a time zone is declared wrongly (A UTC, B America/Chicago)" in text


def test_daylight_saving_kept_by_one_of_the_two_is_seen_week_by_week():
    a = market(date(2024, 2, 26), date(2024, 3, 22), expiry="MESH4")
    found = compared(a, read_as(a, "America/New_York", "EST"), b_says={"timezone": "EST"})
    by_week = dict(zip(found.weeks["week"], found.weeks["shift_minutes"], strict=True))
    assert by_week == {"2024-02-25": 0.0, "2024-03-03": 0.0, "2024-03-10": 60.0, "2024-03-17": 60.0}
    text = found.findings[0].text
    assert "+0 minutes in 2 weeks, +60 minutes in 2 weeks, first in the week of 2024-03-10" in text
    assert "daylight saving" in text
    assert found.minutes["equal_shifted"] == len(a)


def test_another_market_has_no_shift():
    found = compared(market(), market(seed=99))
    assert found.weeks["shift_minutes"].isna().all()
    assert "could not be compared" in found.findings[0].text
    assert found.findings[0].grave


def test_a_series_adjusted_by_a_constant_keeps_its_clock_and_is_named():
    a = market()
    b = a.assign(**{name: a[name] + 12.5 for name in PRICES})
    found = compared(a, b)
    assert found.weeks["shift_minutes"].tolist() == [0.0] * 2
    assert found.months[["close_offset_ticks", "offset_spread_ticks"]].to_numpy().tolist() == [[50.0, 0.0]]
    assert "MESH24 +50.0" in found.findings[0].text
    assert found.findings[0].grave


def naive_best_shift(a: pd.DataFrame, b: pd.DataFrame) -> int:
    """Best shift of all minutes together, by joining the two tables once a candidate."""
    moves_a = pd.Series(np.log(a["close"] / a["open"]).to_numpy(), index=a["open_time"])
    moves_b = pd.Series(np.log(b["close"] / b["open"]).to_numpy(), index=b["open_time"])
    moves_a = moves_a[moves_a != 0]
    best, best_correlation = 0, -2.0
    for shift in candidate_shifts():
        moved = moves_b.set_axis(moves_b.index - pd.Timedelta(minutes=int(shift)))
        both = pd.concat([moves_a, moved], axis=1, join="inner")
        correlation = float(np.corrcoef(both.to_numpy().T)[0, 1]) if len(both) > 60 else -2.0
        if correlation > best_correlation:
            best, best_correlation = int(shift), correlation
    return best


@pytest.mark.parametrize(("shift", "noise"), [(0, 4), (45, 3), (-120, 2)])
def test_noisy_prices_are_placed_as_a_plain_join_places_them(shift, noise):
    a = market(date(2024, 1, 15), date(2024, 1, 19))
    rng = np.random.default_rng(3)
    b = later(a, shift).assign(close=a["close"] + rng.integers(-noise, noise + 1, len(a)) * MES.tick_size)
    weeks = weekly_shifts(*(vendor_minutes(each, CALENDAR.sessions, "x") for each in (a, b)))
    assert weeks["shift_minutes"].tolist() == [float(shift)] == [float(naive_best_shift(a, b))]
    assert weeks["correlation"].iloc[0] < 0.99


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_counts_are_those_of_a_plain_join(data):
    minutes = four_minutes()
    stamps = pd.date_range("2024-01-09 15:00", periods=8, freq="min", tz="UTC", unit="us")
    sides = []
    for _ in range(2):
        chosen = sorted(data.draw(st.sets(st.integers(0, 7), min_size=3)))
        close = data.draw(
            st.lists(st.sampled_from([5001.0, 5001.25, 5002.0]), min_size=len(chosen), max_size=len(chosen))
        )
        sides.append(
            minutes.iloc[[0] * len(chosen)].assign(open_time=stamps[chosen], close=close, source_row=range(len(chosen)))
        )
    a, b = sides
    low, high = max(a["open_time"].min(), b["open_time"].min()), min(a["open_time"].max(), b["open_time"].max())
    if low > high:
        with pytest.raises(BadInputError, match="no delivery month"):
            compared(a, b)
        return
    a_in, b_in = (side[side["open_time"].between(low, high)] for side in sides)
    joined = a_in.merge(b_in, on="open_time")
    found = compared(a, b)
    assert found.minutes["both"] == len(joined)
    assert found.minutes["only_a"] == len(a_in) - len(joined)
    assert found.minutes["only_b"] == len(b_in) - len(joined)
    assert found.minutes["equal"] == (joined["close_x"] == joined["close_y"]).sum()
    assert found.differences["different"].iloc[3] == (joined["close_x"] != joined["close_y"]).sum()
    assert int(found.classes["close"].sum()) == len(joined)


# --- words -------------------------------------------------------------------------------------------------------


def test_missing_minutes_wrong_prices_and_other_volume_are_remarked():
    a = market()
    b = a.drop(index=a.index[100:400]).reset_index(drop=True)
    b.loc[b.index[1000:1100], "high"] += 2.0
    b["volume"] *= 2
    found = compared(a, b)
    texts = [each.text for each in found.findings]
    assert f"300 minutes ({300 / len(a):.2%}) stand only in A; B lacks them." in texts
    assert f"100 of {len(b):,} shared minutes ({100 / len(b):.2%}) differ in a price." in texts
    assert any("B counts 2.000 times the volume of A" in text for text in texts)
    assert not any(each.grave for each in found.findings)


def test_volume_of_another_meaning_is_not_compared():
    a = market()
    found = compared(a, a.assign(volume=a["volume"] * 7), b_says={"volume": "ticks"})
    assert only_finding(found).text == "Volume means contracts in A and ticks in B; the two are not comparable."


def test_a_series_without_volume_is_compared_in_prices_alone():
    a = market()
    found = compared(a, a.assign(volume=np.nan))
    assert found.volume == {}
    assert found.minutes["equal"] == len(a)
    assert found.minutes["equal_with_volume"] == 0


@pytest.mark.parametrize(
    ("shift", "a_label", "b_label", "said"),
    [
        (1, "open", "close", "neither declared one explains it"),
        (
            1,
            "close",
            "open",
            "B looks stamped at the close of its bars (it declares open) or A looks stamped at the open",
        ),
        (-1, "open", "open", "A looks stamped at the close of its bars (it declares open)"),
        (59, "open", "close", "B looks stamped at the open"),
        (-61, "close", "open", "neither declared one explains it"),
        (30, "open", "open", "no whole hour"),
    ],
)
def test_what_a_shift_looks_like_given_what_is_declared(shift, a_label, b_label, said):
    sides = {
        "A": {"bar_label": a_label, "timezone": "UTC", "outside_sessions": 3},
        "B": {"bar_label": b_label, "timezone": "UTC", "outside_sessions": 3},
    }
    assert said in shift_meaning(shift, sides)
    assert "speak against" not in shift_meaning(shift, sides)


# --- refusals and JSON -------------------------------------------------------------------------------------------


def test_records_that_share_nothing_are_refused_with_what_each_holds():
    a, b = market(expiry="MESH4"), market(expiry="MESM4")
    with pytest.raises(BadInputError, match=r"A \(left\) holds MESH24 from 2024-01-\d\d .*B \(right\) holds MESM24"):
        compared(a, b)


def test_a_record_without_a_usable_row_is_refused():
    with pytest.raises(BadInputError, match=r"B \(right\): none of 4 rows can be compared"):
        compared(market(), four_minutes().assign(close=np.nan))


def test_json_holds_the_same_comparison():
    a = market()
    for other in (later(a, 60), a.assign(volume=np.nan), a):
        found = compared(a, other)
        again = VendorComparison.from_json(found.to_json())
        assert again.to_json() == found.to_json()
        assert again.findings == found.findings
        for name in ("months", "differences", "classes", "sessions", "weeks"):
            pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name), check_dtype=False)
    assert json.loads(found.to_json())["contract"] == "MES"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"findings": [{"grave": true}]}', '{"findings": [], "months": 3}']
)
def test_json_of_another_kind_is_one_message(text):
    with pytest.raises(BadInputError, match="Run factory compare again"):
        VendorComparison.from_json(text)


def test_names_of_months():
    assert month_name("MGC", delivery_index_of("MGCG3", 19_300)) == "MGCG23"
    assert month_name("MES", delivery_index_of("MESZ2009", 14_000)) == "MESZ09"


# --- a real file against itself in another vendor's clothes ------------------------------------------------------


def test_a_real_ninjatrader_file_equals_a_firstrate_version_of_itself(real_data, tmp_path):
    (source,) = (real_data / "MES_ninjatrader").glob("*.txt")
    ours, theirs, wrong = (tmp_path / name for name in ("ninjatrader", "firstrate", "wrong"))
    for folder in (ours, theirs, wrong):
        folder.mkdir()
    (ours / source.name).write_bytes(source.read_bytes())
    (ours / "source.toml").write_text('format = "ninjatrader8"\ncontract = "MES"\nexpiry = "MESU26"\n')
    rows = [line.split(";") for line in source.read_text().split("\n") if line.strip()]
    ends = pd.to_datetime([row[0] for row in rows], format="%Y%m%d %H%M%S", utc=True)
    wall = (ends - pd.Timedelta(minutes=1)).tz_convert("America/New_York").strftime("%Y-%m-%d %H:%M:%S")
    lines = [",".join([stamp, *(field.strip() for field in row[1:])]) for stamp, row in zip(wall, rows, strict=True)]
    declared = (
        'format = "csv"\ncontract = "MES"\nexpiry = "MESU6"\nbar_label = "{label}"\ntimezone = "{zone}"\n'
        'time_format = "%Y-%m-%d %H:%M:%S"\nvolume = "contracts"\n[columns]\ntime = "timestamp"\nopen = "open"\n'
        'high = "high"\nlow = "low"\nclose = "close"\nvolume = "volume"\n'
    )
    for folder, label, zone in ((theirs, "open", "America/New_York"), (wrong, "close", "America/Chicago")):
        (folder / "mes.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
        (folder / "source.toml").write_text(declared.format(label=label, zone=zone))
    a, b, c = (read_folder(folder, MES) for folder in (ours, theirs, wrong))
    found = compare_vendors(a, b, MES, CALENDAR)
    n = len(rows)
    assert (found.minutes["both"], found.minutes["equal_with_volume"]) == (n, n)
    assert only_finding(found).text.startswith(f"No difference: {n:,} of {n:,}")
    text = only_finding(compare_vendors(a, c, MES, CALENDAR)).text
    assert "shifted by +59 min" in text, "an hour late by the zone, a minute early by the label"
    assert "B looks stamped at the open of its bars (it declares close)" in text
    assert "1 h of it come from a clock" in text
