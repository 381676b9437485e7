"""Databento CSV: known rows in every setting of the export, and what is refused. All files are made.

The texts are written by hand in the three ways the vendor writes them: raw, pretty by ``dbn``, and pandas' ``to_csv``.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from factory_assets.market.readers import declaration_from, read_file, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, UserError
from factory_assets.vocabulary.instruments import instrument

MGC = instrument("MGC")
HEADER = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume"
# 2022-03-14 is the first Monday of summer time in the United States: UTC does not care.
RAW = (
    f"{HEADER},symbol\n"
    "1647269940000000000,33,1,7,1820100000000,1820500000000,1819900000000,1820200000000,12,MGCJ2\n"
    "1647269940000000000,33,1,9,3200000000,3300000000,-3100000000,3200000000,4,MGCJ2-MGCM2\n"
    "1647270000000000000,33,1,8,1825000000000,1825000000000,1825000000000,1825000000000,1,MGCM2\n"
    "1647270000000000000,33,1,7,1820200000000,9223372036854775807,1820000000000,1820100000000,0,MGCJ2\n"
)
PRETTY = (
    f"{HEADER},symbol\n"
    "2022-03-14T14:59:00.000000000Z,33,1,7,1820.100000000,1820.500000000,1819.900000000,1820.200000000,12,MGCJ2\n"
    "2022-03-14T14:59:00.000000000Z,33,1,9,3.200000000,3.300000000,-3.100000000,3.200000000,4,MGCJ2-MGCM2\n"
    "2022-03-14T15:00:00.000000000Z,33,1,8,1825.000000000,1825.000000000,1825.000000000,1825.000000000,1,MGCM2\n"
    "2022-03-14T15:00:00.000000000Z,33,1,7,1820.200000000,,1820.000000000,1820.100000000,0,MGCJ2\n"
)
PANDAS = (
    f"{HEADER},symbol\n"
    "2022-03-14 14:59:00+00:00,33,1,7,1820.1,1820.5,1819.9,1820.2,12,MGCJ2\n"
    "2022-03-14 14:59:00+00:00,33,1,9,3.2,3.3,-3.1,3.2,4,MGCJ2-MGCM2\n"
    "2022-03-14 15:00:00+00:00,33,1,8,1825.0,1825.0,1825.0,1825.0,1,MGCM2\n"
    "2022-03-14 15:00:00+00:00,33,1,7,1820.2,nan,1820.0,1820.1,0,MGCJ2\n"
)
TIMES = [pd.Timestamp(text, tz="UTC") for text in ("2022-03-14 14:59", "2022-03-14 15:00", "2022-03-14 15:00")]


def read(path: Path, text: str, product=MGC, **declared):
    content = text.encode()
    path.write_bytes(pa.compress(content, codec="zstd", asbytes=True) if path.suffix == ".zst" else content)
    return read_file(path, product, Declaration(format="databento_csv", contract="MGC", **declared))


def without_symbols(text: str) -> str:
    return "".join(line.rpartition(",")[0] + "\n" for line in text.splitlines())


@pytest.mark.parametrize("name", ["a.csv", "a.csv.zst"])
@pytest.mark.parametrize("text", [RAW, PRETTY, PANDAS], ids=["raw", "pretty", "pandas"])
def test_known_rows(tmp_path: Path, text: str, name: str) -> None:
    found = read(tmp_path / name, text)
    assert (found.rows_read, found.spread_rows) == (4, 1)
    minutes = found.minutes
    assert minutes["expiry"].astype(str).tolist() == ["MGCJ2", "MGCM2", "MGCJ2"]
    assert minutes["open_time"].tolist() == TIMES
    assert minutes.loc[0, ["open", "high", "low", "close", "volume"]].tolist() == [1820.1, 1820.5, 1819.9, 1820.2, 12.0]
    assert np.isnan(minutes.loc[2, "high"]), "an undefined price is a missing value, not 9.2 billion"


def test_settings_mix_by_column_and_columns_by_order(tmp_path: Path) -> None:
    """Raw times with decimal prices; and the order of an older export, with a column nobody needs."""
    old = (
        "rtype,publisher_id,instrument_id,ts_event,open,high,low,close,volume,ts_out,symbol\r\n"
        "33,1,7,1647269940000000000,1820.1,1820.5,1819.9,1820.2,12,1647270000000000001,MGCJ2\r\n"
    )
    minutes = read(tmp_path / "a.csv", old).minutes
    assert minutes["open_time"].tolist() == TIMES[:1]
    assert minutes["close"].tolist() == [1820.2]


def test_the_same_bars_as_the_binary_form(real_data: Path, tmp_path: Path) -> None:
    """One real DBN file, written as text by Databento's own transcoder, in both settings."""
    import databento_dbn as dbn

    source = real_data / "MGC_databento" / "glbx-mdp3-20201220-20201231.ohlcv-1m.dbn.zst"
    binary = read_file(source, MGC, Declaration(format="databento_dbn"))
    for pretty in (False, True):
        target = tmp_path / f"{pretty}.csv"
        with target.open("wb") as sink:
            transcoder = dbn.Transcoder(
                sink, dbn.Encoding.CSV, dbn.Compression.NONE, pretty_px=pretty, pretty_ts=pretty, map_symbols=True
            )
            transcoder.write(pa.CompressedInputStream(pa.OSFile(str(source)), "zstd").read())
            transcoder.flush()
        found = read_file(target, MGC, Declaration(format="databento_csv"))
        assert (found.rows_read, found.spread_rows) == (binary.rows_read, binary.spread_rows) == (16_444, 2_649)
        columns = ["open_time", "open", "high", "low", "close", "volume"]
        pd.testing.assert_frame_equal(found.minutes[columns], binary.minutes[columns])
        assert found.minutes["expiry"].astype(str).equals(binary.minutes["expiry"].astype(str))


def test_without_symbols_the_ids_are_declared(tmp_path: Path) -> None:
    text = without_symbols(RAW)
    table = {"7": "MGCJ2", "8": "MGCM2", "9": "MGCJ2-MGCM2"}
    found = read(tmp_path / "a.csv", text, expiry_of_instrument=table)
    assert found.spread_rows == 1
    assert found.minutes["expiry"].astype(str).tolist() == ["MGCJ2", "MGCM2", "MGCJ2"]
    with pytest.raises(BadInputError, match=r"(?s)ids \[8\] \(1\) are.*\"8\" = "):
        read(tmp_path / "a.csv", text, expiry_of_instrument={"7": "MGCJ2", "9": "MGCJ2-MGCM2"})
    with pytest.raises(BadInputError, match=r"\[expiry_of_instrument\]"):
        read(tmp_path / "a.csv", text, expiry="MGCJ2")


def test_without_symbols_one_instrument_takes_a_fixed_month(tmp_path: Path) -> None:
    lines = without_symbols(RAW).splitlines(keepends=True)
    text = lines[0] + lines[1] + lines[4]
    for declared in ({"expiry": "MGCJ2"}, {"expiry_of_file": {"a.csv": "MGCJ2"}}):
        assert read(tmp_path / "a.csv", text, **declared).minutes["expiry"].astype(str).tolist() == ["MGCJ2"] * 2
    with pytest.raises(BadInputError, match="does not list this file"):
        read(tmp_path / "a.csv", text, expiry_of_file={"b.csv": "MGCJ2"})
    with pytest.raises(ForeignContractError, match="not MGC"):
        read(tmp_path / "a.csv", text, expiry="MESM2")


@pytest.mark.parametrize("symbol", [",MGC.v.0", ""])
def test_a_continuous_series_is_declared_by_stretches(tmp_path: Path, symbol: str) -> None:
    prices = "1820100000000,1820500000000,1819900000000,1820200000000,12"
    days = ("2022-01-25 15:00", "2022-01-25 23:00", "2022-01-26 00:00")
    rows = [
        f"{pd.Timestamp(moment, tz='UTC').value},33,1,{number},{prices}{symbol}\n"
        for moment, number in zip(days, (70, 70, 81), strict=True)
    ]
    text = f"{HEADER}{',symbol' if symbol else ''}\n" + "".join(rows)
    stretches = {"2021-12-01": "MGCG2", "2022-01-26": "MGCJ2"}
    minutes = read(tmp_path / "a.csv", text, expiry_from=stretches).minutes
    assert minutes["expiry"].tolist() == ["MGCG2", "MGCJ2"], "the hour before midnight is of neither"
    with pytest.raises(BadInputError, match="changes from 70 to 81 on trade date 2022-01-26"):
        read(tmp_path / "a.csv", text, expiry_from={"2021-12-01": "MGCG2"})
    if symbol:
        with pytest.raises(BadInputError, match=r"\[expiry_from\]"):
            read(tmp_path / "a.csv", text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("1647269940000000000,33", "1647269940000000000,32"), r"line 2: rtype 32 \(ohlcv-1s\), expected 33"),
        ((",33,1,8,", ",34,1,8,"), r"line 4: rtype 34 \(ohlcv-1h\)"),
        ((",1820100000000,", ",1820.1,"), "line 3: open = '3200000000', but '1820.1' above: whole numbers .*pretty_px"),
        ((",1820500000000,", ",n/a,"), "line 2: high = 'n/a' is no price"),
        ((",1820500000000,", ",1e9,"), "line 2: high = '1e9' is no price"),
        ((",12,MGCJ2\n", ",12.5,MGCJ2\n"), "line 2: volume = '12.5' is no whole number"),
        ((",12,MGCJ2\n", ",,MGCJ2\n"), "line 2: volume = '' is no whole number"),
        ((",1,7,1820100", ",1,x,1820100"), "line 2: instrument_id = 'x' is no whole number"),
        (("1647269940000000000,33,1,7", "99999999999999999999,33,1,7"), "line 2"),
        (("1647269940000000000,33,1,7", "9223372036854775808,33,1,7"), "line 2: ts_event = '9223372036854775808'"),
        ((",12,MGCJ2\n", ",12,\n"), r"line 2: no symbol \(1 such lines\)"),
        ((",12,MGCJ2\n", ",12,MESM2\n"), "not MGC"),
        ((",12,MGCJ2\n", ",12,gold\n"), "no expiry names"),
        ((",12,MGCJ2\n", ",12\n"), "no table delimited by ','"),
        (("ts_event,", "time,"), r"line 1: no column \['ts_event'\].*expected ts_event"),
        (("publisher_id", "volume"), r"columns \['volume'\] stand in it twice"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in RAW
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path / "a.csv", RAW.replace(*change, 1))
    assert "a.csv" in str(caught.value)


def test_decimals_cut_off_are_not_taken_for_parts_of_1e9(tmp_path: Path) -> None:
    text = f"{HEADER},symbol\n1647269940000000000,33,1,7,1820,1820,1819,1820,12,MGCJ2\n"
    with pytest.raises(BadInputError, match=r"below one tick \(0.1\)"):
        read(tmp_path / "a.csv", text)


def test_a_symbol_column_leaves_nothing_to_declare(tmp_path: Path) -> None:
    for declared in (
        {"expiry": "MGCJ2"},
        {"expiry_from": {"2022-01-01": "MGCJ2"}},
        {"expiry_of_instrument": {"7": "MGCJ2"}},
    ):
        with pytest.raises(BadInputError, match=r"column symbol names the month.*Remove"):
            read(tmp_path / "a.csv", RAW, **declared)


def test_empty_and_cut_files_are_refused(tmp_path: Path) -> None:
    for text in ("", "\n", f"{HEADER},symbol\n", "\x00\x01"):
        with pytest.raises(BadInputError, match=r"a\.csv"):
            read(tmp_path / "a.csv", text)
    packed = pa.compress(RAW.encode(), codec="zstd", asbytes=True)
    for size in (5, len(packed) // 2, len(packed) - 1):
        (tmp_path / "cut.csv.zst").write_bytes(packed[:size])
        with pytest.raises(BadInputError, match=r"cut\.csv\.zst"):
            read_file(tmp_path / "cut.csv.zst", MGC, Declaration(format="databento_csv"))


def test_a_folder_beside_the_vendors_own_json(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(RAW)
    for name in ("manifest.json", "metadata.json", "symbology.json", "condition.json"):
        (tmp_path / name).write_text("{}")
    declaration = declaration_from({"format": "databento_csv", "contract": "MGC"}, "source.toml")
    (tmp_path / "source.toml").write_text(declaration.to_toml())
    found = read_folder(tmp_path, MGC)
    assert (found.counts["files_read"], found.counts["files_ignored"], found.counts["raw_rows"]) == (1, 4, 3)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"bar_label": "open"}, "bar_label"),
        ({"expiry_of_instrument": {"7": 5}}, r"\[expiry_of_instrument\] '7': expected"),
        ({"expiry_of_instrument": {"seven": "MGCJ2"}}, r"\[expiry_of_instrument\] 'seven': expected"),
        ({"expiry": "MGCJ2", "expiry_of_instrument": {"7": "MGCJ2"}}, "one of them"),
        ({"expiry": "gold"}, "no expiry name"),
    ],
)
def test_bad_declarations(keys: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        declaration_from({"format": "databento_csv", "contract": "MGC", **keys}, "source.toml")
