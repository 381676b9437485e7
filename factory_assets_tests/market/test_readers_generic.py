"""CSV and Parquet by declaration: conventions, known values, and messages that name file, line and remedy."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory_assets.market.readers import detect, file_sha256, load_declaration, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.declaration_file import declaration_from
from factory_assets.vocabulary.errors import (
    AmbiguousFormatError,
    BadInputError,
    ForeignContractError,
    NaiveTimestampError,
    UserError,
)
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.market.dbn_files import dbn_bytes, write_dbn

MES, MGC = instrument("MES"), instrument("MGC")
BASE = {
    "format": "csv",
    "contract": "MES",
    "bar_label": "open",
    "timezone": "UTC",
    "volume": "contracts",
    "expiry": "MESU6",
    "columns": {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
}
ROWS = "t,o,h,l,c,v\n2026-06-01 14:00:00,10,12,9.5,11,7\n2026-06-01 14:01:00,11,11,11,11,0\n"


def folder(tmp_path: Path, text: str = ROWS, name: str = "a.csv", **changes: object) -> Path:
    """A raw folder with one file and a declaration; a change to None removes the key."""
    content = {key: value for key, value in (BASE | changes).items() if value is not None}
    (tmp_path / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def times(found) -> list[str]:
    return found.minutes["open_time"].dt.strftime("%Y-%m-%dT%H:%M:%S%z").tolist()


def test_known_rows(tmp_path: Path) -> None:
    found = read_folder(folder(tmp_path), MES)
    assert times(found) == ["2026-06-01T14:00:00+0000", "2026-06-01T14:01:00+0000"]
    assert found.minutes[["open", "high", "low", "close", "volume"]].to_numpy().tolist() == [
        [10, 12, 9.5, 11, 7],
        [11, 11, 11, 11, 0],
    ]
    assert found.minutes["expiry"].astype(str).tolist() == ["MESU6", "MESU6"]
    assert found.sources["sha256"].tolist() == [file_sha256(tmp_path / "a.csv")]


def test_close_labels_are_moved_to_the_open(tmp_path: Path) -> None:
    assert times(read_folder(folder(tmp_path, bar_label="close"), MES))[0] == "2026-06-01T13:59:00+0000"


@pytest.mark.parametrize(
    ("zone", "stamp", "expected"),
    [
        ("America/New_York", "2026-06-01 14:00:00", "2026-06-01T18:00:00+0000"),
        ("America/New_York", "2026-01-05 14:00:00", "2026-01-05T19:00:00+0000"),
        ("EST", "2026-06-01 14:00:00", "2026-06-01T19:00:00+0000"),
        ("America/New_York", "2026-06-01T14:00:00+02:00", "2026-06-01T12:00:00+0000"),
        (None, "2026-06-01T14:00:00Z", "2026-06-01T14:00:00+0000"),
    ],
)
def test_zones(tmp_path: Path, zone: str | None, stamp: str, expected: str) -> None:
    text = f"t,o,h,l,c,v\n{stamp},1,1,1,1,1\n"
    assert times(read_folder(folder(tmp_path, text, timezone=zone), MES)) == [expected]


@pytest.mark.parametrize(
    ("time_format", "stamp"),
    [
        ("%Y%m%d %H%M%S", "20260601 140000"),
        ("%d/%m/%Y %H:%M %z", "01/06/2026 16:00 +0200"),
        ("epoch_s", "1780322400"),
        ("epoch_ms", "1780322400000"),
    ],
)
def test_time_formats(tmp_path: Path, time_format: str, stamp: str) -> None:
    text = f"t,o,h,l,c,v\n{stamp},1,1,1,1,1\n"
    assert times(read_folder(folder(tmp_path, text, time_format=time_format), MES)) == ["2026-06-01T14:00:00+0000"]


def test_no_header_another_delimiter_a_date_column_and_empty_lines(tmp_path: Path) -> None:
    columns = {"date": 1, "time": 2, "open": 3, "high": 4, "low": 5, "close": 6, "volume": 7}
    text = "2026-06-01;14:00:00;1;2;1;2;3\n\n2026-06-01;14:01:00;1;2;1;2;4\n"
    found = read_folder(folder(tmp_path, text, "a.txt", delimiter=";", header=False, columns=columns), MES)
    assert times(found) == ["2026-06-01T14:00:00+0000", "2026-06-01T14:01:00+0000"]
    assert found.minutes["volume"].tolist() == [3.0, 4.0]


def test_expiry_column_drops_and_counts_spreads(tmp_path: Path) -> None:
    text = "t,o,h,l,c,v,e\n" + "".join(
        f"2026-06-01T14:0{k}:00Z,1,1,1,1,1,{name}\n" for k, name in enumerate(("MESU6", "MESU6-MESZ6", "MESZ6"))
    )
    found = read_folder(folder(tmp_path, text, expiry=None, columns=BASE["columns"] | {"expiry": "e"}), MES)
    assert found.minutes["expiry"].astype(str).tolist() == ["MESU6", "MESZ6"]
    assert (found.counts["rows_read"], found.counts["spread_rows"], found.counts["raw_rows"]) == (3, 1, 2)


def test_rows_are_sorted_and_keep_their_place_in_the_file(tmp_path: Path) -> None:
    header, first, second = ROWS.splitlines()
    found = read_folder(folder(tmp_path, f"{header}\n{second}\n{first}\n{first}\n"), MES)
    assert times(found)[0] == "2026-06-01T14:00:00+0000"
    assert found.minutes["source_row"].tolist() == [1, 2, 0]


def test_the_real_ninjatrader_file(real_data: Path, tmp_path: Path) -> None:
    columns = {"time": 1, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6}
    text = (real_data / "MES_ninjatrader" / "mes_sep26_1min_1month_raw.txt").read_text(encoding="utf-8")
    changes = {"delimiter": ";", "header": False, "bar_label": "close", "time_format": "%Y%m%d %H%M%S"}
    found = read_folder(folder(tmp_path, text, "mes.txt", columns=columns, **changes), MES)
    assert len(found.minutes) == 17_899
    assert times(found)[0] == "2026-05-26T04:00:00+0000"
    assert found.minutes.iloc[0][["open", "high", "low", "close", "volume"]].tolist() == [
        7540.5,
        7541,
        7540.5,
        7540.75,
        87,
    ]


@pytest.mark.parametrize(
    ("text", "changes", "error", "message"),
    [
        (ROWS, {"timezone": None}, NaiveTimestampError, r"a\.csv, line 2: '2026-06-01 14:00:00' carries no time zone"),
        (ROWS.replace("9.5", "x"), {}, BadInputError, r"a\.csv, line 2: low = 'x' is no number \(1 such lines\)"),
        (ROWS.replace("7\n", "7\n\n").replace(",0\n", ",\n"), {}, BadInputError, "line 4: volume = ''"),
        (ROWS.replace("14:01:00", "14:61:00"), {}, BadInputError, "line 3 has '2026-06-01 14:61:00'"),
        (ROWS.replace("14:01:00", "14:01:00Z"), {}, BadInputError, "line 3: '.*Z' carries an offset, unlike"),
        (ROWS.replace(",7\n", "\n"), {}, BadInputError, r"a\.csv, line 2.*Expected 6 columns, got 5"),
        (ROWS, {"delimiter": ";"}, BadInputError, "no column for time = 't'"),
        (ROWS.splitlines()[0] + "\n", {}, BadInputError, "no rows"),
        ("", {}, BadInputError, "Empty CSV"),
        (ROWS, {"expiry": "MGCG6"}, ForeignContractError, "MGCG6.*not MES"),
        ("t,o,h,l,c,v\n2026-11-01 01:30:00,1,1,1,1,1\n", {"timezone": "America/Chicago"}, BadInputError, "repeats"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_line_and_remedy(
    tmp_path: Path, text: str, changes: dict[str, object], error: type[UserError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        read_folder(folder(tmp_path, text, **changes), MES)
    assert caught.value.exit_code == 2


def test_another_declared_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignContractError, match="declares contract 'MES', but 'MGC'"):
        read_folder(folder(tmp_path), MGC)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        read_folder(tmp_path / "absent", MES)
    with pytest.raises(BadInputError, match="no raw files"):
        read_folder(tmp_path, MES)
    folder(tmp_path)
    with pytest.raises(BadInputError, match="expected the folder"):
        read_folder(tmp_path / "a.csv", MES)
    (tmp_path / "2025").mkdir()
    (tmp_path / "2025" / "c.csv").write_text(ROWS, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"subfolders \['2025'\]"):
        read_folder(tmp_path, MES)
    (tmp_path / "2025" / "c.csv").unlink()
    write_dbn(tmp_path / "b.dbn", b"")
    with pytest.raises(BadInputError, match="files of several formats"):
        read_folder(tmp_path, MES)
    (tmp_path / "a.csv").unlink()
    with pytest.raises(BadInputError, match="declares format 'csv', but the folder holds 1 files of 'databento_dbn'"):
        read_folder(tmp_path, MES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bar_labl": "open"}, "unknown key 'bar_labl'"),
        ({"bar_label": "middle"}, "bar_label: expected one of"),
        ({"bar_label": None}, "missing key 'bar_label'"),
        ({"timezone": "Mars/Olympus"}, "no IANA zone"),
        ({"volume": "dollars"}, "volume: expected one of"),
        ({"header": "yes"}, "header: expected bool"),
        ({"delimiter": "::"}, "delimiter: expected one character"),
        ({"format": "xlsx"}, "format: expected one of"),
        ({"format": None}, "missing key 'format'"),
        ({"expiry": None}, "either a fixed expiry"),
        ({"expiry_of_file": {"a.csv": "MESU6"}}, "either a fixed expiry"),
        ({"expiry": None, "expiry_of_file": {"a.csv": "U6"}}, r"\[expiry_of_file\] 'a.csv': 'U6' is no expiry name"),
        ({"expiry": None, "expiry_of_file": {"a.csv": 6}}, r"\[expiry_of_file\] 'a.csv': 6 is no expiry name"),
        ({"expiry": "U6"}, "expiry: 'U6' is no expiry name"),
        ({"expiry": "MES 09-26"}, "expiry: 'MES 09-26' is no expiry name.*'MESU6' for September 2026"),
        ({"timezone": "America"}, "'America' is no IANA zone"),
        ({"time_format": "%Y%m%d %"}, "time_format: .*stray %"),
        ({"time_format": "%Y%Q"}, "time_format: .*bad directive"),
        ({"time_format": "%Y%m%Y"}, "time_format: .*redefinition"),
        ({"delimiter": "é"}, "delimiter: expected one character of ASCII"),
        ({"delimiter": '"'}, "delimiter: expected one character of ASCII"),
        ({"delimiter": "\n"}, "delimiter: expected one character of ASCII"),
        ({"columns": BASE["columns"] | {"low": "h"}}, r"\[columns\] 'h': named for high and low"),
        ({"columns": {"time": "t", "price": "p"}}, r"unknown key 'price'.*missing 'open'"),
        ({"header": False}, "a column number from 1"),
        ({"time_format": "unix"}, "time_format: expected"),
        ({"format": "databento_dbn"}, "databento_dbn files declare these themselves"),
    ],
)
def test_bad_declarations(changes: dict[str, object], message: str) -> None:
    content = {key: value for key, value in (BASE | changes).items() if value is not None}
    with pytest.raises(BadInputError, match=message):
        declaration_from(content, "source.toml")


def test_a_declaration_survives_its_file(tmp_path: Path) -> None:
    folder(tmp_path, delimiter="\t", time_format="%d.%m.%Y %H:%M")
    found = load_declaration(tmp_path)
    assert found == declaration_from(BASE | {"delimiter": "\t", "time_format": "%d.%m.%Y %H:%M"}, "test")
    assert found.digest() != declaration_from(BASE, "test").digest()
    (tmp_path / "source.toml").write_text("format = ", encoding="utf-8")
    with pytest.raises(BadInputError, match="not valid TOML"):
        load_declaration(tmp_path)


def parquet(tmp_path: Path, table: pa.Table, **changes: object) -> Path:
    content = {key: value for key, value in (BASE | {"format": "parquet"} | changes).items() if value is not None}
    (tmp_path / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    pq.write_table(table, tmp_path / "a.parquet")
    return tmp_path


def columns(stamps: pa.Array) -> pa.Table:
    n = len(stamps)
    values = {name: pa.array(np.arange(n) + 1.0) for name in "ohlcv"}
    return pa.table({"t": stamps, **values})


@pytest.mark.parametrize(
    ("stamps", "zone"),
    [
        (pa.array(["2026-06-01 14:00:00", "2026-06-01 14:01:00"]), "UTC"),
        (pa.array(pd.DatetimeIndex(["2026-06-01 14:00", "2026-06-01 14:01"])), "UTC"),
        (pa.array(pd.DatetimeIndex(["2026-06-01 10:00", "2026-06-01 10:01"])), "America/New_York"),
        (pa.array(pd.DatetimeIndex(["2026-06-01 14:00", "2026-06-01 14:01"], tz="UTC")), None),
    ],
)
def test_parquet_times(tmp_path: Path, stamps: pa.Array, zone: str | None) -> None:
    found = read_folder(parquet(tmp_path, columns(stamps), timezone=zone), MES)
    assert times(found) == ["2026-06-01T14:00:00+0000", "2026-06-01T14:01:00+0000"]
    assert found.minutes["close"].tolist() == [1.0, 2.0]


def test_bad_parquet(tmp_path: Path) -> None:
    naive = columns(pa.array(pd.DatetimeIndex(["2026-06-01 14:00"])))
    with pytest.raises(NaiveTimestampError, match="declares none"):
        read_folder(parquet(tmp_path, naive, timezone=None), MES)
    with pytest.raises(BadInputError, match=r"close = 'c' has type string, expected a number"):
        read_folder(parquet(tmp_path, naive.set_column(4, "c", pa.array(["x"]))), MES)
    with pytest.raises(BadInputError, match="no column 'c' for close, but several"):
        read_folder(parquet(tmp_path, naive.append_column("c", naive["c"])), MES)
    with pytest.raises(BadInputError, match="no column 'v' for volume"):
        read_folder(parquet(tmp_path, naive.drop_columns(["v"])), MES)
    whole = (parquet(tmp_path, naive) / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match="not a whole Parquet file"):
        read_folder(tmp_path, MES)


def test_detection_proposes_only_what_files_prove(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("20260601 1400;1;2;1;2;3\n", encoding="utf-8")
    with pytest.raises(AmbiguousFormatError) as caught:
        read_folder(tmp_path, MES)
    message = str(caught.value)
    for needed in ('bar_label = "open"', 'or "close"', "timezone", 'delimiter = ";"', "header = false", "time = 1"):
        assert needed in message
    assert "20260601 1400;1;2;1;2;3" in message


def test_the_proposed_text_is_a_declaration_that_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS, encoding="utf-8")
    with pytest.raises(AmbiguousFormatError) as caught:
        detect(tmp_path, MES)
    text = template(caught.value)
    assert "expiry" not in tomllib.loads(text), "no file of these columns can name its delivery month"
    (tmp_path / "source.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"missing key 'bar_label'.*missing key 'volume'"):
        read_folder(tmp_path, MES)
    for key in ("bar_label", "timezone", "volume", "expiry"):
        text = text.replace(f"# {key} = ", f"{key} = ")
    (tmp_path / "source.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match="set confirmed = true"):
        read_folder(tmp_path, MES)
    (tmp_path / "source.toml").write_text(text.replace("confirmed = false", "confirmed = true"), encoding="utf-8")
    assert times(read_folder(tmp_path, MES))[0] == "2026-06-01T14:00:00+0000"


def template(problem: AmbiguousFormatError) -> str:
    return str(problem).split("\n\n", 1)[1]


@pytest.mark.parametrize(
    ("text", "columns", "time_format"),
    [
        (
            '"expiry","open_time","open","high","low","close","volume"\n"MESU6","2026-06-01 14:00:00",1,1,1,1,1\n',
            {"expiry": "expiry", "time": "open_time", **{n: n for n in ("open", "high", "low", "close", "volume")}},
            "iso8601",
        ),
        (
            "Date;Time;Volume;Close;Low;High;Open;Symbol\n20260601;1400;1;1;1;1;1;MESU6\n",
            {n: n.title() for n in ("date", "time", "open", "high", "low", "close", "volume")} | {"expiry": "Symbol"},
            None,
        ),
        (
            "Date,Stamp,Open,High,Low,Last,Volume\n",
            {"time": "Date", "close": "Last", **{n: n.title() for n in ("open", "high", "low", "volume")}},
            None,
        ),
        ('a "b"\\,o\n', {"time": 'a "b"\\', "open": "o"}, None),
        (
            "2026-06-01,14:00:00,1,1,1,1,1\n",
            {n: k for k, n in enumerate(("date", "time", "open", "high", "low", "close", "volume"), start=1)},
            "iso8601",
        ),
        ("20260601 140000;1;1\n", {"time": 1, "open": 2, "high": 3}, None),
    ],
)  # fmt: skip
def test_the_proposed_text_is_toml_that_says_only_what_the_file_shows(
    tmp_path: Path, text: str, columns: dict[str, object], time_format: str | None
) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(AmbiguousFormatError) as caught:
        detect(tmp_path, MES)
    proposed = tomllib.loads(template(caught.value))
    assert proposed["columns"] == columns
    assert proposed.get("time_format") == time_format
    assert "expiry" not in proposed
    assert ("# expiry = " in template(caught.value)) == ("expiry" not in columns)


def test_the_proposal_for_parquet_names_its_columns(tmp_path: Path) -> None:
    names = ("Timestamp", "Open", "High", "Low", "Close", "Volume", "Contract")
    pq.write_table(pa.table({name: pa.array([1]) for name in names}), tmp_path / "a.parquet")
    with pytest.raises(AmbiguousFormatError) as caught:
        detect(tmp_path, MES)
    proposed = tomllib.loads(template(caught.value))
    assert list(proposed["columns"].values()) == list(names)
    assert "time_format" not in proposed


def test_names_that_are_no_expiry_are_refused_and_not_taken_for_spreads(tmp_path: Path) -> None:
    rows = "t,o,h,l,c,v,e\n2026-06-01T14:00:00Z,1,1,1,1,1,MESU6\n2026-06-01T14:01:00Z,1,1,1,1,1,{name}\n"
    by_column = {"expiry": None, "columns": BASE["columns"] | {"expiry": "e"}}
    for name in ("MES 09-26", "MES-09", "MESU6-XX", "MES+U6", "MES"):
        with pytest.raises(BadInputError, match=r"a\.csv: \['.*'\] \(1 names\) are no expiry names"):
            read_folder(folder(tmp_path, rows.format(name=name), **by_column), MES)
    for name in ("MESU6-MESZ6", "MESU6+MESZ6", "MESU6 MESZ6", "MES:BF U6-Z6-H7"):
        assert read_folder(folder(tmp_path, rows.format(name=name), **by_column), MES).counts["spread_rows"] == 1
    with pytest.raises(ForeignContractError, match="NQU6-NQZ6"):
        read_folder(folder(tmp_path, rows.format(name="NQU6-NQZ6"), **by_column), MES)


@pytest.mark.parametrize("time_format", ["epoch_s", "epoch_ms", "epoch_us", "epoch_ns"])
def test_numbers_that_are_no_time(tmp_path: Path, time_format: str) -> None:
    for stamp in ("9" * 20, "9" * 40, "-" + "9" * 20, "1e300"):
        text = f"t,o,h,l,c,v\n0,1,1,1,1,1\n{stamp},1,1,1,1,1\n"
        with pytest.raises(BadInputError, match=f"line 3 has '{stamp}'"):
            read_folder(folder(tmp_path, text, time_format=time_format), MES)


def test_headers_that_cannot_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no column for low = 'o2', close = 'c', or several"):
        read_folder(folder(tmp_path, ROWS.replace("t,o,h,l", "t,o,h,c"), columns=BASE["columns"] | {"low": "o2"}), MES)
    quoted = ROWS.replace("t,o,", '"t, local","o",')
    found = read_folder(folder(tmp_path, quoted, columns=BASE["columns"] | {"time": "t, local"}), MES)
    assert len(found.minutes) == 2


def test_links_to_nothing(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "notes.md").symlink_to(tmp_path / "absent.md")
    assert read_folder(tmp_path, MES).counts["files_ignored"] == 1
    (tmp_path / "b.csv").symlink_to(tmp_path / "absent.csv")
    with pytest.raises(BadInputError, match=r"links to nothing: \['b\.csv'\]"):
        read_folder(tmp_path, MES)


def test_parquet_is_ambiguous_too(tmp_path: Path) -> None:
    pq.write_table(columns(pa.array([1])), tmp_path / "a.parquet")
    with pytest.raises(AmbiguousFormatError, match=r"t \(int64\), o \(double\)"):
        detect(tmp_path, MES)


def test_dbn_describes_itself(tmp_path: Path) -> None:
    write_dbn(tmp_path / "a.dbn.zst", dbn_bytes([], []))
    found = detect(tmp_path, MGC)
    assert found.declaration == Declaration(format="databento_dbn", contract="MGC")
    assert "schema ohlcv-1m" in found.evidence[0]
    assert "MGC.FUT" in found.evidence[0]


def test_unreadable_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00t")
    with pytest.raises(BadInputError, match=r"a\.csv.*UTF-8"):
        detect(tmp_path, MES)
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(BadInputError, match="empty file"):
        detect(tmp_path, MES)
