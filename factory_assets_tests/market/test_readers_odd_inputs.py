"""Odd files: each is settled by declared keys, or refused by one message with file, line and remedy; never guessed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.readers import declaration_from, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.times import BUDDHIST_ERA_YEARS, open_times_us
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import instrument

MES = instrument("MES")
NAMES = {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
NUMBERS = {name: number for number, name in enumerate(NAMES, start=1)}
BASE = {
    "format": "csv",
    "contract": "MES",
    "bar_label": "open",
    "timezone": "America/Chicago",
    "volume": "contracts",
    "expiry": "MESZ3",
    "columns": NAMES,
}
HEADER = "t,o,h,l,c,v\n"
ROWS = "2023-11-20 08:30:00,10,12,9.5,11,7\n2023-11-20 08:31:00,11,11,11,11,9\n"
WANTED = [("2023-11-20 14:30", 11.0, 7.0), ("2023-11-20 14:31", 11.0, 9.0)]


def raw_folder(folder: Path, text: str | bytes, **changes: object) -> Path:
    content = {key: value for key, value in (BASE | changes).items() if value is not None}
    folder.mkdir(exist_ok=True)
    (folder / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    (folder / "bars.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def rows_of(found) -> list[tuple[str, float, float]]:
    stamps = found.minutes["open_time"].dt.strftime("%Y-%m-%d %H:%M")
    return list(zip(stamps, found.minutes["close"], found.minutes["volume"], strict=True))


def refusal(raw: Path) -> str:
    with pytest.raises(BadInputError) as caught:
        read_folder(raw, MES)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("\ufeff" + HEADER + ROWS, {}),
        ((HEADER + ROWS).replace("\n", "\r\n"), {}),
        ((HEADER + ROWS).replace("\n", "\r"), {}),
        ('"t","o","h","l","c","v"\n' + ROWS, {}),
        ((HEADER + ROWS).replace("\n", ",\n"), {}),
        (HEADER + ROWS.replace(",10,", ',"10",').replace(",11,11", ", 11 ,11"), {}),
        (ROWS, {"header": False, "columns": NUMBERS}),
        (ROWS.splitlines()[0], {"header": False, "columns": NUMBERS}),
        ("MES minute bars\n\n" + HEADER + ROWS, {"skip_lines": 1}),
        ("MES minute bars\nexported today,,,,,,,,\n" + HEADER + ROWS, {"skip_lines": 2}),
        ("t,o,h,l,c\n" + ROWS, {"header": False, "skip_lines": 1, "columns": NUMBERS}),
        (HEADER + ROWS.replace("2023-11", "2566-11"), {"calendar": "buddhist"}),
        (
            HEADER + ROWS.replace("2023-11-20", "20/11/2566"),
            {"calendar": "buddhist", "time_format": "%d/%m/%Y %H:%M:%S"},
        ),
        (HEADER + ROWS.replace("2023-11-20 ", "20112566"), {"calendar": "buddhist", "time_format": "%d%m%Y%H:%M:%S"}),
        (
            HEADER + ROWS.replace("2023-11-20 08", "11/20/2023 8").replace(":00,", ":00 AM,"),
            {"time_format": "%m/%d/%Y %I:%M:%S %p"},
        ),
        (
            HEADER + ROWS.replace("2023-11-20 08:3", "2023-11-20T09:3").replace(":00,", ":00-05:00,", 1).replace(
                "T09:31:00,", "T14:31:00Z,"
            ),
            {"timezone": None},
        ),
        (
            HEADER + ROWS.replace("08:30:00", "09:30:00 -0500").replace("08:31:00", "15:31:00 +0100"),
            {"timezone": None, "time_format": "%Y-%m-%d %H:%M:%S %z"},
        ),
        ("t,o,h,l,c,v,EMA,EMA,Signal\n" + ROWS.replace("\n", ",1,,x\n"), {}),
        (
            "t,o,h,l,c,up,down\n" + ROWS.replace(",7\n", ",3,4\n").replace(",9\n", ",9,0\n"),
            {"columns": NAMES | {"volume": ["up", "down"]}},
        ),
    ],
)  # fmt: skip
def test_settled(tmp_path: Path, text: str, changes: dict) -> None:
    found = read_folder(raw_folder(tmp_path, text, **changes), MES)
    assert rows_of(found) == (WANTED if ":31" in text else WANTED[:1])


@pytest.mark.parametrize(
    ("text", "changes", "says"),
    [
        (
            "t,o,h,l,c\n" + ROWS,
            {"columns": {key: place for key, place in NAMES.items() if key != "volume"}, "volume": "none"},
            ("line 2", "Line 1 names 5 columns, the rows hold 6 fields", "header = false and skip_lines = 1"),
        ),
        (
            "title\n\nt,o,h,l,c\n" + ROWS,
            {"skip_lines": 1},
            ("line 4", "Line 3 names 5 columns", "header = false and skip_lines = 3"),
        ),
        (HEADER + ROWS.replace(",7\n", ",7,\n"), {}, ("line 2", "Line 1 names 6 columns, the rows hold 7 fields")),
        (HEADER + ROWS.replace(",9\n", ",9,\n"), {}, ("line 3", "Expected 6 columns, got 7")),
        (HEADER + ROWS.replace(",9\n", "\n"), {}, ("line 3", "Expected 6 columns, got 5")),
        (HEADER + ROWS.replace(",9\n", ",1,009\n"), {}, ("line 3", "thousands separator")),
        (HEADER + ROWS.replace(",9\n", ',"1,009"\n'), {}, ("line 3: volume = '1,009'", "no thousands separators")),
        (HEADER + ROWS.replace(",9\n", ",1 009\n"), {}, ("line 3: volume = '1 009'", "no thousands separators")),
        (HEADER + ROWS.replace(",9\n", ",1_009\n"), {}, ("line 3: volume = '1_009'",)),
        (HEADER + ROWS.replace(",9\n", ",\u0661\n"), {}, ("line 3: volume = ",)),
        (
            (HEADER + ROWS).replace(",", ";").replace("9.5", "9,5"),
            {"delimiter": ";"},
            ("line 2: low = '9,5'", "decimal number with a point"),
        ),
        (
            HEADER + ROWS.replace("2023-11", "2566-11"),
            {},
            ("line 2 has '2566-11-20 08:30:00'", "Buddhist era", 'calendar = "buddhist"'),
        ),
        (
            HEADER + ROWS.replace("2023-11-20 08:31", "2566-11-20 08:31"),
            {},
            ("line 3 has '2566-11-20 08:31:00'", "Buddhist era"),
        ),
        (HEADER + ROWS, {"calendar": "buddhist"}, ("line 2 has '2023-11-20 08:30:00'", "looks Gregorian")),
        (
            HEADER + ROWS.replace("2023-11-20 08:30", "2566-11-20 08:30"),
            {"calendar": "buddhist"},
            ("line 3 has '2023-11-20 08:31:00'",),
        ),
        (HEADER + ROWS.replace(":00,", ":00 PM,"), {}, ("line 2 has '2023-11-20 08:30:00 PM'", "%I and %p")),
        (
            HEADER + ROWS.replace(":31:00,", ":31:00 PM,"),
            {"time_format": "%Y-%m-%d %H:%M:%S"},
            ("line 3 has '2023-11-20 08:31:00 PM'", "%I and %p"),
        ),
        (
            HEADER + ROWS.replace(":30:00,", ":30:00 AM,"),
            {"time_format": "%Y-%m-%d %I:%M:%S %p"},
            ("line 3 has '2023-11-20 08:31:00'", "time_format"),
        ),
        (
            HEADER + ROWS.replace("08:31:00", "08:31:00-06:00"),
            {},
            ("line 3", "'2023-11-20 08:31:00-06:00' carries an offset, unlike '2023-11-20 08:30:00' in line 2"),
        ),
        (
            HEADER + ROWS.replace("08:30:00", "08:30:00-06:00"),
            {},
            ("line 3", "'2023-11-20 08:31:00' carries no offset, unlike '2023-11-20 08:30:00-06:00' in line 2"),
        ),
        (
            HEADER + ROWS.replace("08:31:00", "08:31:00 +0100"),
            {"time_format": "%Y-%m-%d %H:%M:%S %z"},
            ("line 2 has '2023-11-20 08:30:00'", "%z"),
        ),
        (HEADER + ROWS.replace(":31:00", ":31:00 CST"), {}, ("line 3 has '2023-11-20 08:31:00 CST'",)),
        (HEADER.replace(",v", "") + ROWS.replace(",7\n", "\n").replace(",9\n", "\n"), {}, ("no column for volume",)),
        ((HEADER + ROWS).encode("utf-16"), {}, ("line 1", "UTF-16: save it as UTF-8")),
        ((HEADER + ROWS).replace("t,", "t\u00e9,").encode("latin-1"), {}, ("line 1", "save it as UTF-8")),
        ("", {"skip_lines": 3}, ("Empty CSV",)),
        (HEADER + ROWS, {"skip_lines": 9}, ("skip",)),
        ("t" * 1_100_000 + "\n" + ROWS, {}, ("line 1: longer than 1,048,576 characters",)),
    ],
)  # fmt: skip
def test_refused_with_file_line_and_remedy(
    tmp_path: Path, text: str | bytes, changes: dict, says: tuple[str, ...]
) -> None:
    said = refusal(raw_folder(tmp_path, text, **changes))
    for part in ("bars.csv", *says):
        assert part in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time_format": "%m/%d/%Y %I:%M"}, "needs %I and %p"),
        ({"time_format": "%m/%d/%Y %H:%M %p"}, "needs %I and %p"),
        ({"time_format": "%m/%d/%Y %H:%M %Z"}, r"names of zones \(CST\) mean several"),
        ({"time_format": "epoch_s"}, "timezone: epoch_s counts from 1970 in UTC, so 'America/Chicago' would be passed"),
        ({"calendar": "thai"}, r"calendar: expected one of \('gregorian', 'buddhist'\)"),
        ({"calendar": "buddhist", "time_format": "epoch_s"}, "calendar: an epoch time has no year"),
        ({"calendar": "buddhist", "time_format": "%d/%m/%y %H:%M"}, "need four digits"),
        ({"columns": NAMES | {"open": ["o", "p"]}}, r"\[columns\] open: expected a column name"),
        ({"columns": NAMES | {"volume": []}}, r"\[columns\] volume: expected a column name"),
        ({"columns": NAMES | {"volume": ["v", "v"]}}, r"\[columns\] 'v': named for volume and volume"),
        ({"columns": NAMES | {"volume": ["v", 2]}}, r"\[columns\] volume: expected a column name"),
    ],
)
def test_declarations_that_would_be_a_guess(changes: dict, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        declaration_from(BASE | changes, "source.toml")


def test_without_volume_every_row_has_none(tmp_path: Path) -> None:
    for number, columns in enumerate((NAMES, {key: place for key, place in NAMES.items() if key != "volume"})):
        found = read_folder(raw_folder(tmp_path / str(number), HEADER + ROWS, volume="none", columns=columns), MES)
        assert np.isnan(found.minutes["volume"]).all()
        assert found.minutes["volume"].notna().sum() == 0
        assert found.counts["volume_meaning"] == "none"
        assert found.counts["ignored_columns"] == 1


def test_columns_nothing_was_read_from_are_counted(tmp_path: Path) -> None:
    text = "t,o,h,l,c,v,EMA,EMA,Signal\n" + ROWS.replace("\n", ",1,,x\n")
    assert read_folder(raw_folder(tmp_path, text), MES).counts["ignored_columns"] == 3
    text = ROWS.replace("\n", ",1,\n")
    found = read_folder(raw_folder(tmp_path, text, header=False, columns=NUMBERS), MES)
    assert found.counts["ignored_columns"] == 2


def test_parquet_adds_up_columns_and_counts_the_rest(tmp_path: Path) -> None:
    stamps = pd.DatetimeIndex(["2023-11-20 14:30", "2023-11-20 14:31"], tz="UTC")
    table = pa.table({"t": pa.array(stamps), **{name: [11.0, 11.0] for name in "ohlc"}, "up": [3, 9], "down": [4, 0]})
    pq.write_table(table.append_column("ema", pa.array([1.0, 2.0])), tmp_path / "bars.parquet")
    content = BASE | {"format": "parquet", "columns": NAMES | {"volume": ["up", "down"]}}
    (tmp_path / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    found = read_folder(tmp_path, MES)
    assert rows_of(found) == WANTED
    assert found.counts["ignored_columns"] == 1


def test_timestamps_are_no_dates_of_another_era(tmp_path: Path) -> None:
    stamps = pd.DatetimeIndex(["2023-11-20 14:30"], tz="UTC")
    pq.write_table(pa.table({"t": pa.array(stamps), **{name: [1.0] for name in "ohlcv"}}), tmp_path / "bars.parquet")
    content = BASE | {"format": "parquet", "calendar": "buddhist"}
    (tmp_path / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    assert "Take calendar out" in refusal(tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2080-01-01")), min_size=1, max_size=5),
    pattern=st.sampled_from(
        ["iso8601", "%d/%m/%Y %H:%M:%S", "%Y%m%d %H%M%S", "%d%m%Y %H%M%S", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y, %H:%M:%S"]
    ),
    buddhist=st.booleans(),
)
def test_every_spelling_of_a_time_is_the_same_time(moments, pattern, buddhist) -> None:
    written = "%Y-%m-%dT%H:%M:%S" if pattern == "iso8601" else pattern
    later = BUDDHIST_ERA_YEARS if buddhist else 0
    text = [moment.strftime(written.replace("%Y", str(moment.year + later))) for moment in moments]
    reading = Declaration(
        format="csv", timezone="UTC", time_format=pattern, calendar="buddhist" if buddhist else "gregorian"
    )
    expected = [int(pd.Timestamp(moment.replace(microsecond=0)).value // 1000) for moment in moments]
    assert open_times_us(pd.Series(text), reading, "a.csv", lambda row: row + 1).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(st.tuples(st.integers(0, 2_000_000_000), st.integers(-14 * 4, 14 * 4)), min_size=1, max_size=6),
    close=st.booleans(),
)
def test_offsets_may_differ_from_row_to_row(moments, close) -> None:
    text = []
    for seconds, quarters in moments:
        local = pd.Timestamp(seconds + quarters * 900, unit="s")
        sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
        text.append(f"{local:%Y-%m-%dT%H:%M:%S}{sign}{minutes // 60:02d}:{minutes % 60:02d}")
    reading = Declaration(format="csv", bar_label="close" if close else "open")
    found = open_times_us(pd.Series(text), reading, "a.csv", lambda row: row + 1)
    assert found.tolist() == [seconds * 1_000_000 - (60_000_000 if close else 0) for seconds, _ in moments]


@pytest.mark.parametrize("zone", ["America/New_York+07:00", "America/New_York-07:00", "Asia/Tokyo"])
@pytest.mark.parametrize("day", ["1677-09-21 00:20:00", "2262-04-11 23:40:00"])
def test_a_time_at_the_end_of_the_clock_is_refused_and_never_runs_over(tmp_path: Path, zone: str, day: str) -> None:
    said = refusal(raw_folder(tmp_path, HEADER + ROWS.replace("2023-11-20 08:31:00", day), timezone=zone))
    assert f"line 3 has '{day}'" in said


def test_parquet_without_volume_does_not_look_at_the_column(tmp_path: Path) -> None:
    table = pa.table({"t": ["2023-11-20 08:30:00"], **{name: [11.0] for name in "ohlc"}, "v": ["n/a"]})
    pq.write_table(table, tmp_path / "bars.parquet")
    content = BASE | {"format": "parquet", "volume": "none"}
    (tmp_path / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    found = read_folder(tmp_path, MES)
    assert np.isnan(found.minutes["volume"]).all()
    assert found.counts["ignored_columns"] == 1


def test_nine_names_over_ten_fields_are_fewer(tmp_path: Path) -> None:
    text = "t,o,h,l,c,v,p,q,r\n" + ROWS.replace("\n", ",1,2,3,4\n")
    said = refusal(raw_folder(tmp_path, text))
    assert "Line 1 names 9 columns, the rows hold 10 fields" in said
    assert "Declare header = false and skip_lines = 1" in said


def test_a_remedy_asks_for_no_key_that_the_format_settles(tmp_path: Path) -> None:
    stamps = {"tradingview": "2023-11-20T14:30:00Z", "firstrate": "11/20/2023 9:30 AM"}
    declared = {"contract": "MES", "expiry": "MESZ3"}
    for name, more in (("tradingview", {"volume": "none"}), ("firstrate", {})):
        folder = tmp_path / name
        folder.mkdir()
        toml = declaration_from({"format": name, **declared, **more}, "test").to_toml()
        (folder / "source.toml").write_text(toml, encoding="utf-8")
        head = "time,open,high,low,close\n" if name == "tradingview" else ""
        (folder / "bars.csv").write_text(f"{head}{stamps[name]},10,12,9.5,11,7\n", encoding="utf-8")
        assert 'format = "csv"' in refusal(folder)
