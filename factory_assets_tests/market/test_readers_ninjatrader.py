"""NinjaTrader 8 exports: what the format settles, what a person declares, and every way such a folder goes wrong."""

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.canonical import build_canonical
from factory_assets.market.readers import declaration_from, detect, load_declaration, read_folder
from factory_assets.market.readers.conventions import named_file
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import AmbiguousFormatError, BadInputError, ForeignContractError, UserError
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings

MES = instrument("MES")
NAME = "MES 09-26.Last.txt"
SHORT = {"format": "ninjatrader8", "contract": "MES", "expiry": "MESU6"}
ROWS = [
    "20260526 220100;7540.5;7541;7540.5;7540.75;87",
    "20260526 220200;7540.75;7541;7540;7540.75;81",
    "20260526 220300;7540.75;7541;7540.5;7540.5;42",
]
TEXT = "\r\n".join(ROWS) + "\r\n"


def folder(tmp_path: Path, text: str | bytes = TEXT, name: str = NAME, **changes: object) -> Path:
    """A raw folder with one export and its declaration; a change to None removes the key."""
    content = {key: value for key, value in (SHORT | changes).items() if value is not None}
    (tmp_path / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path


def times(found) -> list[str]:
    return found.minutes["open_time"].dt.strftime("%Y-%m-%dT%H:%M:%S%z").tolist()


def refusal(raw: Path, error: type[UserError] = BadInputError) -> str:
    with pytest.raises(error) as caught:
        read_folder(raw, MES)
    return str(caught.value)


def test_three_known_rows(tmp_path: Path) -> None:
    found = read_folder(folder(tmp_path), MES)
    assert times(found) == [f"2026-05-26T22:0{minute}:00+0000" for minute in (0, 1, 2)], "a stamp is the bar's end"
    assert found.minutes[["open", "high", "low", "close", "volume"]].to_numpy().tolist() == [
        [7540.5, 7541, 7540.5, 7540.75, 87],
        [7540.75, 7541, 7540, 7540.75, 81],
        [7540.75, 7541, 7540.5, 7540.5, 42],
    ]
    assert found.minutes["expiry"].astype(str).tolist() == ["MESU6"] * 3
    assert found.counts["volume_meaning"] == "contracts"


def test_the_declaration_is_three_lines_and_survives_its_file(tmp_path: Path) -> None:
    text = (folder(tmp_path) / "source.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == SHORT
    found = load_declaration(tmp_path)
    assert found is not None
    assert (found.bar_label, found.timezone, found.delimiter, found.header) == ("close", "UTC", ";", False)
    assert found == declaration_from(SHORT, "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bar_label": "open"}, r"\['bar_label'\]: ninjatrader8 settles these"),
        ({"timezone": "EST", "delimiter": ","}, r"\['delimiter', 'timezone'\]: ninjatrader8 settles these"),
        ({"columns": {"time": 1}}, r"\['columns'\]: ninjatrader8 settles these"),
        ({"contract": None}, "missing key 'contract'"),
        ({"expiry": None}, r"expiry: give either a fixed expiry .* a section \[expiry_of_file\]"),
        ({"expiry_of_file": {NAME: "MESU6"}}, "one of them"),
        ({"expiry": "MES 09-26"}, "'MES 09-26' is no expiry name"),
        ({"expiry": None, "expiry_of_file": {NAME: "09-26"}}, "'09-26' is no expiry name"),
        ({"format": "ninjatrader7"}, r"expected one of \['csv', 'databento_.*'ninjatrader8', 'parquet'"),
    ],
)
def test_declarations_that_are_refused(changes: dict[str, object], message: str) -> None:
    content = {key: value for key, value in (SHORT | changes).items() if value is not None}
    with pytest.raises(BadInputError, match=message):
        declaration_from(content, "source.toml")


def test_one_expiry_a_file_each_as_declared(tmp_path: Path) -> None:
    of_file = {NAME: "MESU6", "december.txt": "MESZ26"}
    raw = folder(tmp_path, expiry=None, expiry_of_file=of_file)
    (raw / "december.txt").write_text(TEXT.replace("754", "764"), encoding="utf-8")
    found = read_folder(raw, MES)
    assert found.minutes.groupby("expiry", observed=True)["close"].first().to_dict() == {
        "MESU6": 7540.75,
        "MESZ26": 7640.75,
    }
    assert load_declaration(raw) == declaration_from({**SHORT, "expiry_of_file": of_file} | {"expiry": ""}, "test")
    (raw / "march.txt").write_text(TEXT, encoding="utf-8")
    said = refusal(raw)
    assert "march.txt: [expiry_of_file] in source.toml does not list this file" in said
    assert '"march.txt" = "MESU6"' in said


@pytest.mark.parametrize(
    ("name", "expiry", "error", "message"),
    [
        (
            "MES 12-26.Last.txt",
            "MESU6",
            BadInputError,
            "its name says delivery month MESZ26, source.toml declares MESU6",
        ),
        ("MES 09-25.Last.txt", "MESU6", BadInputError, "delivery month MESU25"),
        ("MNQ 09-26.Last.txt", "MESU6", ForeignContractError, "its name says MNQ, but MES is being read"),
        ("MES 09-26.Bid.txt", "MESU6", BadInputError, "its name says bid prices: quotes, not trades"),
        ("september.txt", "MNQU6", ForeignContractError, "MNQU6"),
    ],
)
def test_a_name_that_contradicts_the_declaration(
    tmp_path: Path, name: str, expiry: str, error: type[UserError], message: str
) -> None:
    said = refusal(folder(tmp_path, name=name, expiry=expiry), error)
    assert message in said
    assert name in said or expiry in said


@pytest.mark.parametrize("declared", ["MESU6", "MESU26", "MESU2026"])
def test_a_name_agrees_with_every_spelling_of_its_month(tmp_path: Path, declared: str) -> None:
    assert len(read_folder(folder(tmp_path, expiry=declared), MES).minutes) == 3
    assert named_file(NAME).agrees(declared)
    assert not named_file(NAME).agrees("MESU27")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace(";81", ""), ("line 2", "Expected 6 columns, got 5")),
        (TEXT.replace(";81", ";81;5"), ("line 2", "Expected 6 columns, got 7")),
        (TEXT.replace("\r\n", "\r\n\r\n\r\n").replace(";42", ""), ("line 7", "Expected 6 columns, got 5")),
        (TEXT.replace(";42", ";many"), ("line 3: volume = 'many' is no number", "correct or remove the line")),
        (TEXT.replace("\r\n", "\r\n\r\n").replace(";42", ";-"), ("line 5: volume = '-' is no number",)),
        (TEXT.replace(".", ","), ("line 1: open = '7540,5' is no number", "decimal number with a point")),
        (TEXT.replace("220300", "102 PM"), ("line 3 has '20260526 102 PM'", "time_format")),
        (TEXT.replace("\r\n", "\r\n\r\n").replace("220300", "10:03"), ("line 5 has '20260526 10:03'",)),
        (TEXT.replace("220300", "20300"), ("line 3 has '20260526 20300'",)),
        (TEXT.replace("220300", "0220300"), ("line 3 has",)),
        (TEXT.replace("220300", "246000"), ("line 3 has",)),
        (TEXT.replace("20260526 2203", "20260631 2203"), ("line 3 has '20260631 220300'",)),
        (TEXT.replace("20260526 2203", "00010526 2203"), ("line 3 has",)),
        ("Time;Open;High;Low;Close;Volume\n" + TEXT, ("line 1 holds no number", "Remove that line")),
        (TEXT.replace(";", ","), ("line 1 has 6 fields with ',' between them",)),
        (TEXT.replace(" 22", ";22"), ("line 1 has 7 fields",)),
        ("20260526 220100 0000000;7540.5;7540.25;7540.5;3\n", ("line 1 has 5 fields", "ticks and days")),
        ("20260526;7540.5;7541;7540.5;7540.75;87\n", ("line 1 has '20260526'", "%Y%m%d %H%M%S")),
        ("", ("empty file",)),
        ("\r\n\r\n", ("empty file",)),
        (b"\xff\xfe2\x000\x00", ("line 1", "UTF-8")),
        (TEXT.encode() * 9_000 + b"20260526 220400;1;1;1;1;\xff\r\n" + TEXT.encode(), ("line 27001", "UTF8")),
        (TEXT.encode() + b"20260526 220400;1;1;1;1;\xff\r\n", ("line 4", "UTF-8")),
    ],
)
def test_damaged_files_are_one_message_with_line_and_remedy(
    tmp_path: Path, text: str | bytes, says: tuple[str, ...]
) -> None:
    message = refusal(folder(tmp_path, text))
    assert NAME in message
    for part in says:
        assert part in message


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + TEXT,
        TEXT.replace("\r\n", "\n"),
        TEXT.rstrip(),
        TEXT.replace("\r\n", "\r\n\r\n"),
        "\r\n" + TEXT + "\r\n\r\n",
        TEXT.replace(";", " ; "),
        "\n".join(reversed(ROWS)),
    ],
)
def test_harmless_differences_change_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "other").mkdir()
    plain, other = read_folder(folder(tmp_path / "plain"), MES), read_folder(folder(tmp_path / "other", text), MES)
    assert other.minutes.drop(columns="source_row").equals(plain.minutes.drop(columns="source_row"))


def test_bars_of_five_minutes_have_the_same_shape_and_are_refused(tmp_path: Path) -> None:
    rows = [f"20260526 {hour:02d}{minute:02d}00;1;1;1;1;1" for hour in (14, 15) for minute in range(0, 60, 5)]
    said = refusal(folder(tmp_path, "\n".join(rows)))
    assert "all 24 bars stand multiples of 5 minutes apart" in said
    one_off = [*rows, "20260526 160100;1;1;1;1;1"]
    assert len(read_folder(folder(tmp_path, "\n".join(one_off)), MES).minutes) == 25
    assert len(read_folder(folder(tmp_path, "\n".join(rows[:19])), MES).minutes) == 19, "too few rows to tell"


def test_doubled_minutes_are_copies_or_quarantined_both(tmp_path: Path) -> None:
    copy, other = ROWS[0], ROWS[1].replace("7540.75;81", "7540.5;81")
    read = read_folder(folder(tmp_path, "\n".join([*ROWS, copy, other])), MES)
    made = build_canonical(read.minutes, MES, SessionCalendar.of(MES), MarketSettings(quarantined_share_max=0.9))
    assert made.bars["open_time"].dt.strftime("%H:%M").tolist() == ["22:00", "22:02"]
    assert made.quarantine["open_time"].dt.strftime("%H:%M").tolist() == ["22:01", "22:01"]


def test_the_shared_shape_is_never_told_apart(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(TEXT, encoding="utf-8")
    (tmp_path / "x.txt").write_text(TEXT, encoding="utf-8")
    with pytest.raises(AmbiguousFormatError) as caught:
        detect(tmp_path, MES)
    said = str(caught.value)
    assert "as NinjaTrader 8 (UTC, stamped at the close) 3 of 3 minutes lie in MES sessions" in said
    assert "as HistData (fixed EST, stamped at the open) 3 of 3 minutes lie in MES sessions" in said
    for vendor, name in (("NinjaTrader 8", "ninjatrader8"), ("HistData", "histdata")):
        proposed = said.split(f"If {vendor} wrote the files:\n\n", 1)[1].split("\n\nIf ", 1)[0]
        expected = {"format": name, "contract": "MES", "expiry_of_file": {NAME: "MESU26"}}
        assert tomllib.loads(proposed) == expected
        assert '# "x.txt" = ...   # to be filled in' in proposed
    assert "so none is made" in said, "neither is chosen"
    with pytest.raises(AmbiguousFormatError):
        read_folder(tmp_path, MES)


def test_minutes_in_sessions_speak_for_a_vendor_but_do_not_decide(tmp_path: Path) -> None:
    # 20:58 to 21:00 UTC is the end of a day's session; at 20:58 EST of the evening the next one trades, too.
    rows = [f"20260526 {clock};1;1;1;1;1" for clock in ("205900", "210000", "220100")]
    (tmp_path / "a.txt").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(AmbiguousFormatError, match=r"close\) 3 of 3 .*open\) 3 of 3"):
        detect(tmp_path, MES)
    (tmp_path / "a.txt").write_text(rows[0].replace("205900", "163000"), encoding="utf-8")
    with pytest.raises(AmbiguousFormatError, match=r"close\) 1 of 1 .*open\) 0 of 1"):
        detect(tmp_path, MES)


_bytes = st.binary(min_size=0, max_size=6) | st.sampled_from(
    [
        b";",
        b"\n",
        b"\r",
        b'"',
        b"\x00",
        b"\xef\xbb\xbf",
        b"9" * 30,
        b"nan",
        b"-",
        b"1e400",
        b"inf",
        b" ",
        b",",
        b"\xd9\xa1",
    ]
)


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(TEXT)), drop=st.integers(0, 40), put=_bytes, again=st.booleans())
def test_no_damage_raises_anything_but_a_users_error(tmp_path_factory, cut, drop, put, again) -> None:
    raw = tmp_path_factory.mktemp("raw")
    damaged = TEXT.encode()[:cut] + put + TEXT.encode()[cut + drop :]
    damaged = damaged + damaged if again else damaged
    found = None
    with contextlib.suppress(UserError):
        found = read_folder(folder(raw, damaged), MES)
    if found is None:
        said = refusal(folder(raw, damaged), UserError)
        assert NAME in said
        assert len(said) < 2_000
    else:
        assert len(found.minutes) == found.counts["rows_read"] > 0
        assert str(found.minutes["open_time"].dtype) == "datetime64[us, UTC]"
    (raw / "source.toml").unlink()
    with pytest.raises(UserError):
        detect(raw, MES)


def test_the_real_file(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "MES_ninjatrader" / "mes_sep26_1min_1month_raw.txt"
    found = read_folder(folder(tmp_path, source.read_bytes(), source.name), MES)
    assert len(found.minutes) == found.counts["rows_read"] == 17_899
    made = build_canonical(found.minutes, MES, SessionCalendar.of(MES), MarketSettings())
    assert (len(made.bars), len(made.quarantine)) == (17_899, 0)
    chicago = made.bars["open_time"].dt.tz_convert("America/Chicago")
    first = chicago.groupby(made.bars["trade_date"].to_numpy()).min().dt.strftime("%H:%M")
    assert first.iloc[1:].tolist() == ["17:00"] * 13
    minutes = made.bars.groupby(made.bars["trade_date"].astype(str).to_numpy()).size()
    assert minutes["2026-06-08"] == 1_380
    assert minutes["2026-06-09"] == 1_339, "the hole of 41 minutes stays a hole"
