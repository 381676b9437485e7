"""Vendors' delimited formats: known rows by hand, what each settles, what it asks for, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.canonical import build_canonical
from factory_assets.market.readers import declaration_from, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.plausible import CONSTANT_VOLUME_ROWS, refuse_constant_volume
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, NaiveTimestampError
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings

MES, NQ = instrument("MES"), instrument("NQ")
TRADESTATION_HEADER = '"Date","Time","Open","High","Low","Close","Up","Down"'
METATRADER_HEADER = "\t".join(
    f"<{name}>" for name in ("DATE", "TIME", "OPEN", "HIGH", "LOW", "CLOSE", "TICKVOL", "VOL", "SPREAD")
)


def raw_folder(folder: Path, text: str, name: str = "bars.csv", **declared: object) -> Path:
    """A raw folder of NQ with one file of one delivery month, unless ``declared`` says otherwise; None leaves out."""
    content = {"contract": "NQ", "expiry": "NQZ3"} | declared
    content = {key: value for key, value in content.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    (folder / name).write_bytes(text.encode())
    return folder


def times(found) -> list[str]:
    return found.minutes["open_time"].dt.strftime("%Y-%m-%d %H:%M").tolist()


def refusal(raw: Path, error=BadInputError, product=NQ) -> str:
    with pytest.raises(error) as caught:
        read_folder(raw, product)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("declared", "text", "opens", "values"),
    [
        (
            {"format": "firstrate"},
            "2023-11-19 18:00:00,15895.00,15903.75,15888.00,15893.25,571\n"
            "2023-07-03 09:30:00,15893.00,15893.50,15877.75,15883.75,549\n",
            ["2023-07-03 13:30", "2023-11-19 23:00"],
            [15883.75, 549.0],
        ),
        (
            {"format": "firstrate"},
            "timestamp,open,high,low,close,volume\n2023-11-19 18:00:00,15895.00,15903.75,15888.00,15893.25,571\n",
            ["2023-11-19 23:00"],
            [15893.25, 571.0],
        ),
        (
            {"format": "firstrate"},
            "\r\n DateTime,Open,High,Low,Close,Volume\r\n2023-11-19 18:00:00,15895,15903.75,15888,15893.25,571\r\n",
            ["2023-11-19 23:00"],
            [15893.25, 571.0],
        ),
        (
            {"format": "tradestation", "timezone": "America/Chicago", "volume": "contracts"},
            TRADESTATION_HEADER + "\r\n11/20/2023,08:31,15895.00,15903.75,15888.00,15893.25,300,271\r\n",
            ["2023-11-20 14:30"],
            [15893.25, 571.0],
        ),
        (
            {"format": "tradestation", "timezone": "America/New_York", "volume": "ticks"},
            '"Date","Time","Open","High","Low","Close","Vol","OI"\n07/03/2023,09:31,1,1.5,1,1.25,71,0\n',
            ["2023-07-03 13:30"],
            [1.25, 71.0],
        ),
        (
            {
                "format": "tradestation",
                "timezone": "UTC",
                "volume": "none",
                "time_format": "%m/%d/%Y %H%M",
            },
            TRADESTATION_HEADER + ',"PLOT1"\n07/03/2023,0001,1,1.5,1,1.25,71,0,3.5\n',
            ["2023-07-03 00:00"],
            [1.25, np.nan],
        ),
        (
            {"format": "histdata"},
            "20230703 093000;15895.00;15903.75;15888.00;15893.25;0\n20231120 093000;1;1;1;1;0\n",
            ["2023-07-03 14:30", "2023-11-20 14:30"],
            [15893.25, np.nan],
        ),
        (
            {"format": "tradingview", "volume": "contracts"},
            "time,open,high,low,close,Volume,Volume MA\n1700490600,15895,15903.75,15888,15893.25,571,\n",
            ["2023-11-20 14:30"],
            [15893.25, 571.0],
        ),
        (
            {"format": "tradingview", "volume": "none"},
            "time,open,high,low,close,Basis,Upper,Plot,Plot\n"
            "2023-03-10T09:30:00-05:00,1,1,1,1,,,1,2\n2023-03-13T09:30:00-04:00,2,2,2,2,,,1,2\n",
            ["2023-03-10 14:30", "2023-03-13 13:30"],
            [1.0, np.nan],
        ),
        (
            {"format": "metatrader5", "timezone": "UTC", "volume": "ticks"},
            METATRADER_HEADER + "\r\n2023.11.20\t14:30:00\t15895.00\t15903.75\t15888.00\t15893.25\t571\t0\t5\r\n",
            ["2023-11-20 14:30"],
            [15893.25, 571.0],
        ),
        (
            {"format": "metatrader5", "timezone": "Europe/Athens", "volume": "contracts"},
            METATRADER_HEADER + "\n2023.11.20\t16:30:00\t15895.00\t15903.75\t15888.00\t15893.25\t571\t33\t5\n",
            ["2023-11-20 14:30"],
            [15893.25, 33.0],
        ),
    ],
)
def test_known_rows(tmp_path: Path, declared: dict, text: str, opens: list[str], values: list[float]) -> None:
    found = read_folder(raw_folder(tmp_path, text, **declared), NQ)
    assert times(found) == opens
    assert found.minutes.iloc[0][["close", "volume"]].tolist() == pytest.approx(values, nan_ok=True)


def test_a_server_seven_hours_ahead_of_new_york_changes_its_clock_with_new_york(tmp_path: Path) -> None:
    # Between 2023-03-12 and 2023-03-26 New York has summer time and Europe has not; so in autumn until 2023-11-05.
    stamps = {
        "2023.03.10\t16:30:00": "2023-03-10 14:30",
        "2023.03.20\t16:30:00": "2023-03-20 13:30",
        "2023.10.31\t16:30:00": "2023-10-31 13:30",
        "2023.11.07\t00:05:00": "2023-11-06 22:05",
    }
    body = "".join(f"{stamp}\t1\t1\t1\t1\t7\t0\t5\n" for stamp in stamps)
    ahead = {"format": "metatrader5", "volume": "ticks"}
    text = f"{METATRADER_HEADER}\n{body}"
    raw = raw_folder(tmp_path / "us", text, timezone="America/New_York+07:00", **ahead)
    assert times(read_folder(raw, NQ)) == list(stamps.values())
    raw = raw_folder(tmp_path / "eu", text, timezone="Europe/Athens", **ahead)
    assert times(read_folder(raw, NQ))[1] == "2023-03-20 14:30", "an hour apart in the weeks between the changes"
    raw = raw_folder(tmp_path / "behind", text, timezone="UTC-01:30", **ahead)
    assert times(read_folder(raw, NQ))[0] == "2023-03-10 18:00"


def test_extra_columns_are_ignored_and_counted(tmp_path: Path) -> None:
    text = "time,open,high,low,close,Volume,EMA,RSI\n1700490600,1,1,1,1,5,2,3\n"
    found = read_folder(raw_folder(tmp_path, text, format="tradingview", volume="contracts"), NQ)
    assert found.counts["ignored_columns"] == 2
    text = TRADESTATION_HEADER + "\n11/20/2023,08:31,1,1,1,1,3,2\n"
    raw = raw_folder(tmp_path / "b", text, format="tradestation", volume="contracts", timezone="America/Chicago")
    assert read_folder(raw, NQ).counts["ignored_columns"] == 0


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (
            {"format": "tradestation", "volume": "contracts"},
            "missing key 'timezone': charts show the computer's or the",
        ),
        ({"format": "tradestation", "timezone": "UTC"}, "missing key 'volume': 'contracts' or 'ticks': Up and Down"),
        ({"format": "tradingview"}, "missing key 'volume': 'contracts' for an exchange's future"),
        (
            {"format": "metatrader5", "volume": "ticks"},
            "missing key 'timezone': the clock of the broker's trade server",
        ),
        ({"format": "metatrader5", "timezone": "UTC"}, "missing key 'volume': 'contracts' reads <VOL>"),
        ({"format": "firstrate", "timezone": "UTC"}, r"\['timezone'\]: firstrate settles these"),
        ({"format": "histdata", "volume": "contracts"}, r"\['volume'\]: histdata settles these"),
        ({"format": "firstrate", "expiry": None}, "expiry: give either a fixed expiry"),
        ({"format": "metatrader5", "volume": "ticks", "timezone": "Mars+01:00"}, "'Mars' is no IANA zone"),
        ({"format": "firstrate", "confirmed": "no"}, "confirmed: expected bool"),
        ({"format": "firstrate", "skip_lines": True}, "skip_lines: expected int"),
        ({"format": "firstrate", "skip_lines": -1}, "skip_lines: expected 0 to"),
    ],
)
def test_what_a_vendor_leaves_open_is_asked_with_its_reason(declared: dict, says: str) -> None:
    content = {"contract": "NQ", "expiry": "NQZ3"} | declared
    with pytest.raises(BadInputError, match=says):
        declaration_from({key: value for key, value in content.items() if value is not None}, "source.toml")


@pytest.mark.parametrize(
    ("declared", "text", "says"),
    [
        (
            {"format": "firstrate"},
            "time,open,high,low,close,volume\n2023-11-19 18:00:00,1,1,1,1,1\n",
            ("line 1 holds no number", 'format = "csv"'),
        ),
        ({"format": "firstrate"}, "2023-11-19 18:00:00;1;1;1;1;1\n", ("line 1 has 6 fields with ';'",)),
        ({"format": "firstrate"}, "2023-11-19,1,1,1,1\n", ("line 1 has 5 fields",)),
        ({"format": "firstrate"}, "2023-11-19,1,1,1,1,1\n", ("line 1 has '2023-11-19'", "%Y-%m-%d %H:%M:%S")),
        (
            {"format": "firstrate"},
            "timestamp,open,high,low,close,volume\n2023-11-19 18:00:00,1,1,1,1,1\n2023-11-05 01:30:00,1,1,1,1,1\n",
            ("line 3 has '2023-11-05 01:30:00'", "a clock change skips or repeats"),
        ),
        (
            {"format": "tradestation", "timezone": "UTC", "volume": "contracts"},
            '"Date","Time","Open","High","Low","Close"\n11/20/2023,08:31,1,1,1,1\n',
            ("line 1 names no column for volume", "Up + Down or Vol or Volume", 'volume = "none"'),
        ),
        (
            {"format": "tradestation", "timezone": "UTC", "volume": "contracts"},
            '"Date","Time","Open","High","Low","Close","Up","Down","Vol"\n11/20/2023,08:31,1,1,1,1,1,1,1\n',
            ("line 1 names several columns for the volume", "name one in [columns]"),
        ),
        (
            {"format": "tradestation", "timezone": "UTC", "volume": "contracts"},
            TRADESTATION_HEADER + "\n20/11/2023,08:31,1,1,1,1,1,1\n",
            ("line 2 has '20/11/2023 08:31'", "time_format"),
        ),
        (
            {"format": "tradestation", "timezone": "UTC", "volume": "contracts"},
            TRADESTATION_HEADER + "\n11/20/2023,08:31 AM,1,1,1,1,1,1\n",
            ("line 2 has '11/20/2023 08:31 AM'", "%I and %p"),
        ),
        (
            {"format": "tradingview", "volume": "contracts"},
            "time,open,high,low,close\n1700490600,1,1,1,1\n",
            ("line 1 names no column for volume = 'contracts'", 'declare volume = "none"'),
        ),
        (
            {"format": "tradingview", "volume": "none"},
            "time,open,high,low,close\n1700490600,1,1,1,1\n2023-11-20T14:31:00Z,1,1,1,1\n",
            ("line 3 has '2023-11-20T14:31:00Z'", "epoch_s"),
        ),
        (
            {"format": "metatrader5", "timezone": "UTC", "volume": "ticks"},
            METATRADER_HEADER.replace("\t", ",") + "\n2023.11.20,14:30:00,1,1,1,1,1,0,0\n",
            ("line 1 is '<DATE>,<TIME>", "expected a MetaTrader 5 export"),
        ),
        (
            {"format": "histdata"},
            "20231120 093000;1;1;1;1\n",
            ("expected HistData minute bars, 6 fields", "line 1 has 5"),
        ),
    ],
)
def test_files_that_are_not_the_vendors_are_refused_with_line_and_remedy(
    tmp_path: Path, declared: dict, text: str, says: tuple[str, ...]
) -> None:
    said = refusal(raw_folder(tmp_path, text, **declared))
    for part in ("bars.csv", *says):
        assert part in said


def test_naive_times_of_tradingview_need_a_zone(tmp_path: Path) -> None:
    text = "time,open,high,low,close\n2023-11-20T09:30:00,1,1,1,1\n"
    said = refusal(raw_folder(tmp_path, text, format="tradingview", volume="none"), NaiveTimestampError)
    assert "line 2" in said
    raw = raw_folder(tmp_path, text, format="tradingview", volume="none", timezone="America/New_York")
    assert times(read_folder(raw, NQ)) == ["2023-11-20 14:30"]


def test_another_product_is_refused(tmp_path: Path) -> None:
    text = "2023-11-19 18:00:00,1,1,1,1,1\n"
    assert "MESZ3" in refusal(raw_folder(tmp_path, text, format="firstrate", expiry="MESZ3"), ForeignContractError)


def minutes_text(volumes: list[int]) -> str:
    rows = (f"2023-11-20 {9 + k // 60:02d}:{k % 60:02d}:00,1,1,1,1,{volume}\n" for k, volume in enumerate(volumes))
    return "".join(rows)


@pytest.mark.parametrize("value", [0, 1])
def test_a_volume_that_never_changes_is_none(tmp_path: Path, value: int) -> None:
    rows = [value] * CONSTANT_VOLUME_ROWS
    said = refusal(raw_folder(tmp_path, minutes_text(rows), format="firstrate"))
    assert f"bars.csv: volume is {value} in all {CONSTANT_VOLUME_ROWS} rows" in said
    assert 'Declare them under format = "csv" with volume = "none"' in said, "the format itself takes no such key"
    one_off = [*rows[:-1], value + 1]
    assert len(read_folder(raw_folder(tmp_path, minutes_text(one_off), format="firstrate"), NQ).minutes) == 500
    short = read_folder(raw_folder(tmp_path, minutes_text(rows[:-1]), format="firstrate"), NQ)
    assert short.minutes["volume"].eq(value).all(), "too few rows to tell"


def test_the_joined_months_of_a_continuous_series(tmp_path: Path) -> None:
    # 18:00 in New York on the 13th is the open of trade date 2023-12-14.
    stamps = ("2023-12-13 16:59", "2023-12-13 18:00", "2023-12-14 12:00", "2023-09-14 12:00")
    text = "".join(f"{stamp}:00,1,1,1,1,{k}\n" for k, stamp in enumerate(stamps))
    stretches = {"2023-09-14": "NQZ3", "2023-12-14": "NQH4", "2024-03-14": "NQM24"}
    raw = raw_folder(tmp_path, text, format="firstrate", expiry=None, expiry_from=stretches)
    found = read_folder(raw, NQ)
    months = dict(zip(times(found), found.minutes["expiry"].astype(str), strict=True))
    assert months == {
        "2023-09-14 16:00": "NQZ3",
        "2023-12-13 21:59": "NQZ3",
        "2023-12-13 23:00": "NQH4",
        "2023-12-14 17:00": "NQH4",
    }
    assert found.counts["series"] == "continuous"
    assert found.declaration.is_continuous
    late = {"2023-12-14": "NQH4"}
    said = refusal(raw_folder(tmp_path, text, format="firstrate", expiry=None, expiry_from=late))
    assert "bars.csv, line 1: a row of trade date 2023-12-13 (2 such lines)" in said
    assert "begins with 2023-12-14" in said


@pytest.mark.parametrize(
    ("stretches", "says"),
    [
        ({"2023-12-14": "NQH24", "2024-03-14": "NQZ23"}, "NQZ23 is no later month than NQH24"),
        ({"2023-12-14": "NQH4", "2024-03-14": "NQZ3"}, "NQZ3 is delivered 117 months after that day"),
        ({"2023-09-14": "NQZ3", "2023-12-14": "NQZ3"}, "NQZ3 is no later month than NQZ3"),
        ({"14.12.2023": "NQH4"}, "'14.12.2023': expected a trade date"),
        ({"2023-W50-4": "NQH4"}, "expected a trade date"),
        ({"2023-12-14": "H4"}, "'H4' is no expiry name"),
        ({"2023-12-14": 4}, "4 is no expiry name"),
    ],
)
def test_stretches_that_lead_nowhere(stretches: dict, says: str) -> None:
    content = {"format": "firstrate", "contract": "NQ", "expiry_from": stretches}
    with pytest.raises(BadInputError, match=says):
        declaration_from(content, "source.toml")
    with pytest.raises(BadInputError, match="one of them"):
        declaration_from(content | {"expiry": "NQZ3", "expiry_from": {"2023-12-14": "NQH4"}}, "source.toml")


def test_a_month_of_one_digit_is_that_of_its_own_stretch() -> None:
    stretches = {"2023-09-14": "NQZ3", "2024-02-01": "NQH4", "2033-09-15": "NQZ3"}
    found = declaration_from({"format": "firstrate", "contract": "NQ", "expiry_from": stretches}, "source.toml")
    assert found.expiry_from == stretches


def test_an_unconfirmed_declaration_reads_nothing(tmp_path: Path) -> None:
    text = "2023-11-19 18:00:00,1,1,1,1,1\n"
    said = refusal(raw_folder(tmp_path, text, format="firstrate", confirmed=False))
    assert "set confirmed = true" in said
    assert len(read_folder(raw_folder(tmp_path, text, format="firstrate", confirmed=True), NQ).minutes) == 1


def test_who_the_files_come_from() -> None:
    base = {"contract": "NQ", "expiry": "NQZ3"}
    assert declaration_from(base | {"format": "firstrate"}, "t").vendor_name == "FirstRateData"
    own = {"format": "csv", "bar_label": "open", "volume": "none", "columns": dict.fromkeys(("time",), "t")}
    own["columns"] |= {name: name for name in ("open", "high", "low", "close")}
    assert declaration_from(base | own, "t").vendor_name == "undeclared"
    named = declaration_from(base | own | {"vendor": "Kibot"}, "t")
    assert named.vendor_name == "Kibot"
    assert 'vendor = "Kibot"' in named.to_toml()


def test_the_real_file_with_its_early_closes(real_data: Path, tmp_path: Path) -> None:
    (source,) = (real_data / "NQ_firstrate").glob("*.csv")
    found = read_folder(raw_folder(tmp_path, source.read_text(encoding="utf-8"), format="firstrate"), NQ)
    assert len(found.minutes) == found.counts["rows_read"] == 14_714
    assert times(found)[0] == "2023-11-19 23:00"
    assert found.minutes.iloc[0][["open", "high", "low", "close", "volume"]].tolist() == [
        15895.0, 15903.75, 15888.0, 15893.25, 571.0,
    ]  # fmt: skip
    made = build_canonical(found.minutes, NQ, SessionCalendar.of(NQ), MarketSettings())
    assert (len(made.bars), len(made.quarantine)) == (14_714, 0)
    days = made.bars.groupby(made.bars["trade_date"].astype(str).to_numpy())
    last = days["close_time"].max().dt.tz_convert("America/New_York").dt.strftime("%H:%M")
    minutes = days.size()
    assert minutes.drop(["2023-11-23", "2023-11-24"]).eq(1_380).all()
    assert (minutes["2023-11-23"], last["2023-11-23"]) == (1_139, "13:00"), "Thanksgiving, one minute without a trade"
    assert (minutes["2023-11-24"], last["2023-11-24"]) == (1_155, "13:15")
    assert last.drop(["2023-11-23", "2023-11-24"]).eq("17:00").all()


def test_a_constant_volume_is_noticed_over_many_short_files(tmp_path: Path) -> None:
    half = minutes_text([0] * (CONSTANT_VOLUME_ROWS // 2))
    raw = raw_folder(tmp_path, half, format="firstrate")
    (raw / "later.csv").write_text(half.replace("2023-11-20", "2023-11-21"), encoding="utf-8")
    assert f"{raw}: volume is 0 in all {CONSTANT_VOLUME_ROWS} rows" in refusal(raw)
    (raw / "later.csv").write_text(half.replace("2023-11-20", "2023-11-21").replace(",0\n", ",1\n"), encoding="utf-8")
    assert len(read_folder(raw, NQ).minutes) == CONSTANT_VOLUME_ROWS


@pytest.mark.parametrize(
    ("format_name", "remedy"),
    [
        ("csv", 'Declare volume = "none", or volume = "ticks"'),
        ("tradingview", 'Declare volume = "none", or volume = "ticks"'),
        ("ninjatrader8", 'Declare them under format = "csv" with volume = "none"'),
        ("databento_csv", 'Declare them under format = "csv" with volume = "none"'),
        ("databento_dbn", "convert them to CSV"),
        ("lean", "convert them to CSV"),
        ("projectx", "convert them to CSV"),
    ],
)
def test_the_remedy_for_a_constant_volume_is_one_the_format_takes(format_name: str, remedy: str) -> None:
    minutes = pd.DataFrame({"volume": np.ones(CONSTANT_VOLUME_ROWS)})
    with pytest.raises(BadInputError, match=re.escape(remedy)):
        refuse_constant_volume(Path("bars"), minutes, Declaration(format=format_name))
