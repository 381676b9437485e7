"""ProjectX answers: known values by hand, and what a strict reading of JSON refuses. All answers are made."""

import json
from pathlib import Path

import pandas as pd
import pytest

from factory_assets.market.readers import declaration_from, read_file, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.strict_json import DEPTH_MAX
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, NaiveTimestampError, UserError
from factory_assets.vocabulary.instruments import instrument

MES = instrument("MES")
# Newest first, as the API answers; the second bar in the offset of Chicago's summer, the third in that of its winter.
BARS = [
    {"t": "2025-03-10T14:31:00+00:00", "o": 5650.25, "h": 5651.0, "l": 5650.0, "c": 5650.5, "v": 412},
    {"t": "2025-03-10T09:30:00-05:00", "o": 5649.0, "h": 5650.5, "l": 5648.75, "c": 5650.25, "v": 390},
    {"t": "2025-03-07T15:00:00-06:00", "o": 5700.000000000, "h": 5700, "l": 5700, "c": 5700, "v": 1},
]


def answer(bars: object = None, **keys: object) -> str:
    said = {"bars": BARS if bars is None else bars, "success": True, "errorCode": 0, "errorMessage": None}
    return json.dumps(said | keys)


def declared(label: str = "open", **keys: object) -> Declaration:
    content = {"format": "projectx", "contract": "MES", "bar_label": label, "expiry": "MESH5", **keys}
    return declaration_from(content, "source.toml")


def read(folder: Path, text: str | bytes, declaration: Declaration | None = None) -> pd.DataFrame:
    path = folder / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path, MES, declaration or declared()).minutes


def test_known_values(tmp_path: Path) -> None:
    minutes = read(tmp_path, answer())
    stamps = ["2025-03-10 14:31", "2025-03-10 14:30", "2025-03-07 21:00"]
    assert minutes["open_time"].tolist() == [pd.Timestamp(stamp, tz="UTC") for stamp in stamps]
    assert minutes.loc[0, ["open", "high", "low", "close", "volume"]].tolist() == [
        5650.25,
        5651.0,
        5650.0,
        5650.5,
        412.0,
    ]
    assert minutes["expiry"].astype(str).unique().tolist() == ["MESH5"]


def test_a_close_label_is_moved_back_by_a_minute(tmp_path: Path) -> None:
    minutes = read(tmp_path, answer(), declared("close"))
    assert minutes["open_time"].iloc[0] == pd.Timestamp("2025-03-10 14:30", tz="UTC")


def test_a_folder_of_pages_is_sorted_by_time(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(answer(BARS[:2]))
    (tmp_path / "b.json").write_text("﻿" + answer(BARS[2:]), encoding="utf-8")
    (tmp_path / "source.toml").write_text(declared().to_toml())
    found = read_folder(tmp_path, MES)
    assert found.minutes["open_time"].is_monotonic_increasing
    assert found.counts["raw_rows"] == 3
    assert found.declaration.vendor_name == "ProjectX Gateway"


def bars_with(**values: object) -> str:
    return answer([BARS[0], BARS[1] | values])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bars_with(o="5650.25"), r"bar 2: o = '5650.25', expected a number"),
        (bars_with(h=None), "bar 2: h = 'None', expected a number"),
        (bars_with(v=True), "bar 2: v = 'True', expected a number"),
        (bars_with(l=[1]), "bar 2: l = .*expected a number"),
        (bars_with(c=10**400), "bar 2: c = .*expected a number"),
        (bars_with(t=1741617000), "bar 2: t = '1741617000', expected a time"),
        (bars_with(t="2025-03-10T09:30:30-05:00"), "bar 2: t = .*no whole minute"),
        (bars_with(t="yesterday"), "time does not fit|carries no offset"),
        (bars_with(t="2025-03-10T09:30:00"), "no offset"),
        (answer([{key: BARS[0][key] for key in "tohl"}]), "bar 1: no c, v; it has 'h, l, o, t'"),
        (answer([[1, 2]]), "bar 1: expected an object with the keys t, o, h, l, c, v"),
        (answer({}), "no answer with a list 'bars'"),
        (json.dumps(BARS), "no answer with a list 'bars'"),
        (json.dumps({"bars": None, "success": False, "errorCode": 3}), "success 'False', errorCode '3'"),
        (answer(success=False, errorCode=2, errorMessage="no"), "reports success 'False', errorCode '2'"),
        (answer(errorCode=1), "errorCode '1'"),
        (answer(success=False), "reports success 'False'"),
        (answer([]), "no rows"),
        ("", "no JSON"),
        ("{", "no JSON"),
        (answer()[:-1], "no JSON"),
        (answer() + "{}", "Extra data"),
        (answer().replace("5650.25", "NaN", 1), "NaN is no number of JSON"),
        (answer().replace("5650.25", "-Infinity", 1), "-Infinity is no number of JSON"),
        (answer().replace("5650.25", "1e999", 1), "beyond what a price can be"),
        (answer().replace("5650.25", "1" * 5000, 1), "no JSON"),
        (answer().replace('"o"', '"c"', 1), "key 'c' stands twice"),
        (answer().replace('"success"', '"bars"', 1), "key 'bars' stands twice"),
        (answer()[:-1] + ', "x": ' + "[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1) + "}", "nested deeper than 32"),
        ("[" * 200_000 + "]" * 200_000, "nested deeper than 32"),
        (b"\xff\xfe" + answer().encode("utf-16-le"), "no JSON"),
        (answer().encode().replace(b"2025", b"\xe9025", 1), "no JSON"),
    ],
)
def test_another_content_is_refused_in_one_message(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, text)
    assert "a.json" in str(caught.value)
    assert len(str(caught.value)) < 700


def test_times_without_an_offset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NaiveTimestampError, match="carries no time zone") as caught:
        read(tmp_path, answer([BARS[0] | {"t": "2025-03-10T14:31:00"}]))
    assert "timezone =" not in str(caught.value), "a key that the format does not take is no remedy"


def test_bars_of_five_minutes_are_refused(tmp_path: Path) -> None:
    stamps = pd.date_range("2025-03-10 14:00", periods=30, freq="5min", tz="UTC")
    bars = [BARS[0] | {"t": stamp.isoformat(), "v": place} for place, stamp in enumerate(stamps)]
    with pytest.raises(BadInputError, match="multiples of 5 minutes"):
        read(tmp_path, answer(bars))


def test_the_months_are_declared(tmp_path: Path) -> None:
    assert (
        read(tmp_path, answer(), declared(expiry="", expiry_of_file={"a.json": "MESM5"}))["expiry"].iloc[0] == "MESM5"
    )
    stretches = declared(expiry="", expiry_from={"2025-01-01": "MESH5", "2025-03-10": "MESM5"})
    assert read(tmp_path, answer(), stretches)["expiry"].astype(str).tolist() == ["MESM5", "MESM5", "MESH5"]
    with pytest.raises(ForeignContractError, match="not MES"):
        read(tmp_path, answer(), declared(expiry="MGCJ5"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"bar_label": "open"}, "expiry: give either"),
        ({"expiry": "MESH5"}, "missing key 'bar_label'.*compare with a chart"),
        ({"expiry": "MESH5", "bar_label": "open", "timezone": "UTC"}, "timezone"),
        ({"expiry": "MESH5", "bar_label": "middle"}, "bar_label: expected one of"),
        ({"bar_label": "open", "expiry_of_instrument": {"7": "MESH5"}}, "only rows of databento_csv"),
    ],
)
def test_bad_declarations(keys: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        declaration_from({"format": "projectx", "contract": "MES", **keys}, "source.toml")
