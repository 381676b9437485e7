"""Lean archives: known values, clock changes of the data time zone, and every way an archive can be wrong.

All archives are made here, in the layout of Lean's own data folder; the rows of the first test are by hand.
"""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.readers import declaration_from, read_file, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, UserError
from factory_assets.vocabulary.instruments import instrument

MES, MGC = instrument("MES"), instrument("MGC")
DAY = "20131007"
ROWS = (
    "0,1676.5,1676.75,1676.25,1676.5,41\n52260000,1677,1677.25,1676,1676.75,9\n86340000,1675.5,1675.5,1675.5,1675.5,1\n"
)
NEXT = "52260000,1670.25,1670.5,1670,1670.5,3\n"
ENTRIES = {f"{DAY}_mes_minute_trade_201312.csv": ROWS, f"{DAY}_mes_minute_trade_201403_20140321.csv": NEXT}


def declared(zone: str = "UTC") -> Declaration:
    return declaration_from({"format": "lean", "contract": "MES", "timezone": zone}, "source.toml")


def write(folder: Path, entries: dict[str, str], name: str = f"{DAY}_trade.zip", **form) -> Path:
    with zipfile.ZipFile(folder / name, "w", form.pop("compression", zipfile.ZIP_DEFLATED)) as archive:
        for entry, text in entries.items():
            archive.writestr(entry, text)
    return folder / name


def test_known_values(tmp_path: Path) -> None:
    found = read_file(write(tmp_path, ENTRIES), MES, declared())
    minutes = found.minutes
    assert (found.rows_read, found.spread_rows) == (4, 0)
    assert minutes["expiry"].astype(str).tolist() == ["MESZ13"] * 3 + ["MESH14"]
    stamps = ["2013-10-07 00:00", "2013-10-07 14:31", "2013-10-07 23:59", "2013-10-07 14:31"]
    assert minutes["open_time"].tolist() == [pd.Timestamp(stamp, tz="UTC") for stamp in stamps]
    assert minutes.loc[1, ["open", "high", "low", "close", "volume"]].tolist() == [
        1677.0,
        1677.25,
        1676.0,
        1676.75,
        9.0,
    ]


@pytest.mark.parametrize(
    ("day", "millis", "expected"),
    [
        # Chicago: standard time until 2014-03-09 02:00, summer time until 2014-11-02 02:00.
        ("20140307", 52_260_000, "2014-03-07 20:31"),
        ("20140310", 52_260_000, "2014-03-10 19:31"),
        ("20140309", 64_800_000, "2014-03-09 23:00"),
        ("20141102", 64_800_000, "2014-11-03 00:00"),
        ("20141103", 0, "2014-11-03 06:00"),
    ],
)
def test_midnight_is_that_of_the_declared_zone(tmp_path: Path, day: str, millis: int, expected: str) -> None:
    """Milliseconds count the wall clock: on the day of a change 18:00 is 64,800,000 all the same."""
    path = write(tmp_path, {f"{day}_mes_minute_trade_201412.csv": f"{millis},1,1,1,1,1\n"}, f"{day}_trade.zip")
    found = read_file(path, MES, declared("America/Chicago"))
    assert found.minutes["open_time"].tolist() == [pd.Timestamp(expected, tz="UTC")]


def test_a_time_the_clock_skips_or_repeats_is_refused(tmp_path: Path) -> None:
    for day in ("20140309", "20141102"):
        skipped = 9_000_000 if day == "20140309" else 5_400_000
        text = f"64800000,1,1,1,1,1\n{skipped},1,1,1,1,1\n"
        name = f"{day}_mes_minute_trade_201412.csv"
        path = write(tmp_path, {name: text}, f"{day}_trade.zip")
        with pytest.raises(BadInputError, match=f"clock change skips or repeats.*2 of {name}"):
            read_file(path, MES, declared("America/Chicago"))
        later = name.replace("201412", "201503")
        path = write(tmp_path, {name: "64800000,1,1,1,1,1\n", later: f"{skipped},1,1,1,1,1\n"}, f"{day}_trade.zip")
        with pytest.raises(BadInputError, match=f"clock change skips or repeats.*1 of {later}"):
            read_file(path, MES, declared("America/Chicago"))


def test_a_folder_keeps_quotes_and_open_interest_aside(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    write(tmp_path, {"20131008_mes_minute_trade_201312.csv": NEXT}, "20131008_trade.zip")
    write(tmp_path, {f"{DAY}_mes_minute_quote_201312.csv": "x"}, f"{DAY}_quote.zip")
    write(tmp_path, {f"{DAY}_mes_minute_openinterest_201312.csv": "x"}, f"{DAY}_openinterest.zip")
    (tmp_path / "source.toml").write_text(declared().to_toml())
    found = read_folder(tmp_path, MES)
    assert (found.counts["files_read"], found.counts["files_ignored"], found.counts["raw_rows"]) == (2, 2, 5)
    assert found.declaration.vendor_name == "QuantConnect Lean"
    # One digit of the year or two: the rows name the same months as other vendors' do.
    assert sorted(found.minutes["expiry"].astype(str).unique()) == ["MESH14", "MESZ13"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (f"{DAY}_mes_second_trade_201312.csv", "second trade data, expected minute trade"),
        (f"{DAY}_mes_minute_quote_201312.csv", "minute quote data, expected minute trade"),
        ("20131008_mes_minute_trade_201312.csv", "of another day than the archive"),
        (f"{DAY}_mes_minute_trade_201313.csv", "201313 is no delivery month"),
        (f"{DAY}_mes_minute_trade_201310.csv", r"201310 is no delivery month of MES \(it has HMUZ\)"),
        (f"{DAY}_mes_minute_trade_201312_20131350.csv", "no delivery month"),
        (f"{DAY}_mes_minute_trade_201312_20121221.csv", "that ends trading then"),
        (f"{DAY}_mes_minute_trade_201312_20140321.csv", "that ends trading then"),
        (f"{DAY}_mes_minute_trade.csv", "expected a name as"),
        ("readme.txt", "expected a name as"),
        ("mes.csv", "expected a name as"),
    ],
)
def test_entries_of_another_kind_are_refused(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        read_file(write(tmp_path, {entry: ROWS}), MES, declared())
    assert f"{DAY}_trade.zip" in str(caught.value)
    assert entry in str(caught.value)


def test_another_product_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {**ENTRIES, f"{DAY}_es_minute_trade_201312.csv": ROWS})
    with pytest.raises(ForeignContractError, match="its name says ES, but MES is being read"):
        read_file(path, MES, declared())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n", "empty"),
        ("0,1,1,1,1\n", "line 1: expected time,open,high,low,close,volume"),
        (ROWS + "60000,1,1,1,1,1,1\n", "line 4: expected time"),
        (ROWS + "60000,1,x,1,1,1\n", "line 4: expected time"),
        (ROWS + "60000,1,,1,1,1\n", "line 4: expected time"),
        (ROWS + "1e3,1,1,1,1,1\n", "line 4: expected time"),
        (ROWS + "86400000,1,1,1,1,1\n", "line 4: time 86400000 is no minute of a day"),
        (ROWS + "-60000,1,1,1,1,1\n", "line 4: time -60000 is no minute of a day"),
        (ROWS + "61000,1,1,1,1,1\n", "line 4: time 61000 is no minute of a day"),
        (ROWS + "99999999999999999999,1,1,1,1,1\n", "expected time"),
        ("20131007 00:00,43.2,43.5,43.1,43.4,513\n", "line 1: expected time"),
        ("time,open,high,low,close,volume\n" + ROWS, "line 1: expected time"),
    ],
)
def test_damaged_rows_are_named(tmp_path: Path, text: str, message: str) -> None:
    name = f"{DAY}_mes_minute_trade_201312.csv"
    with pytest.raises(BadInputError, match=message) as caught:
        read_file(write(tmp_path, {name: text}), MES, declared())
    assert name in str(caught.value)


def test_the_name_of_the_archive_says_the_day(tmp_path: Path) -> None:
    for name in ("trades_trade.zip", "20131307_trade.zip", "2013107_trade.zip"):
        with pytest.raises(BadInputError, match="says which day the rows are of"):
            read_file(write(tmp_path, ENTRIES, name), MES, declared())


def test_any_damage_is_read_or_refused_in_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    refused: list[str] = []
    for stored in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        content = write(tmp_path, ENTRIES, compression=stored).read_bytes()
        for trial in range(150):
            damaged = bytearray(content)
            for place in rng.integers(0, len(content), rng.integers(1, 5)):
                damaged[place] = rng.integers(256)
            cut = rng.integers(len(content)) if trial % 3 == 0 else len(content)
            (tmp_path / f"{DAY}_trade.zip").write_bytes(bytes(damaged[:cut]))
            try:
                found = read_file(tmp_path / f"{DAY}_trade.zip", MES, declared())
            except UserError as problem:
                refused.append(str(problem))
            else:
                assert 1 <= found.rows_read <= 4
    assert 150 < len(refused) < 300
    assert all(f"{DAY}_trade.zip" in message for message in refused)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "missing key 'timezone'.*data time zone"),
        ({"timezone": "UTC", "expiry": "MESZ3"}, "names the month of each row"),
        ({"timezone": "UTC", "bar_label": "close"}, "bar_label"),
        ({"timezone": "Nowhere"}, "no IANA zone"),
    ],
)
def test_bad_declarations(keys: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        declaration_from({"format": "lean", "contract": "MES", **keys}, "source.toml")
