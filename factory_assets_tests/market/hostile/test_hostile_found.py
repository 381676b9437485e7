"""What the corpus found in the readers, one by one: each of these was once a wrong row or a library's error."""

import os
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory_assets.market.readers import load_declaration_file
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.market.hostile.bases import Base, Hostile, bases
from factory_assets_tests.market.hostile.folder_mutations import put
from factory_assets_tests.market.hostile.one_case import FOLDER_LEVEL, HOME_LEVEL, Outcome, run_case
from factory_assets_tests.market.hostile.open_interest_mutations import FILE


def sound(format_name: str, number: int = 0) -> Hostile:
    base: Base = bases(format_name)[number]
    return Hostile(files=base.files, declaration=base.declaration.encode(), base=base)


def with_time(format_name: str, text: str, number: int = 0) -> Hostile:
    """The first file's first row under another time."""
    made = sound(format_name, number)
    name = sorted(made.files)[0]
    mark = made.base.delimiter.encode()
    lines = made.files[name].split(b"\n")
    place = 1 if made.base.header else 0
    at = 1 if format_name == "csv" else 0
    fields = lines[place].split(mark)
    fields[at] = text.encode()
    lines[place] = mark.join(fields)
    return replace(made, files={**made.files, name: b"\n".join(lines)})


def refused(made: Hostile, workspace: Path, *, level: str = FOLDER_LEVEL) -> str:
    outcome: Outcome = run_case("found", replace(made, must="refuse"), level, workspace)
    return outcome.detail


@pytest.mark.parametrize(
    ("format_name", "text"),
    [
        ("firstrate", "now"),  # pandas: the clock of the machine
        ("ninjatrader8", "today"),
        ("ninjatrader8", "20231120 143060"),  # pandas: the next minute
        ("firstrate", "2023-11-20 09:30:61"),
        ("csv", "2023-11-20Z"),  # a day, and no minute
        ("csv", "2023-11-20T14:3:00Z"),  # pandas: 14:03, though a digit of 14:3x may be lost
    ],
)
def test_a_time_is_never_read_as_another(tmp_path: Path, format_name: str, text: str) -> None:
    made = with_time(format_name, text)
    told = refused(made, tmp_path)
    assert sorted(made.files)[0] in told
    assert text in told


@pytest.mark.parametrize(
    "line",
    [
        "x = " + "[" * 3_000 + "]" * 3_000,
        "a." * 3_000 + "b = 1",
        "skip_lines = " + "9" * 6_000,
        'timezone = "posixrules"',
        'vendor = "' + "x" * 400 + '"',
        "# " + "x" * (1 << 20),
    ],
)
def test_no_declaration_lets_a_library_speak(tmp_path: Path, line: str) -> None:
    made = sound("csv")
    told = refused(replace(made, declaration=f"{line}\n".encode() + made.declaration), tmp_path)
    assert "source.toml" in told


@pytest.mark.parametrize("what", ["huge", "memory", "pipe"])
def test_a_declaration_that_is_no_small_file_is_not_read(tmp_path: Path, what: str) -> None:
    put(tmp_path / "mine.toml", what)
    with pytest.raises(BadInputError, match=r"mine\.toml"):
        load_declaration_file(tmp_path / "mine.toml")


def arranged(made: Hostile, arrange: Callable[[Path], None]) -> Hostile:
    return replace(made, arrange=arrange)


def test_a_file_over_its_limit_is_not_even_hashed(tmp_path: Path) -> None:
    made = sound("csv")
    (name,) = made.files

    def arrange(folder: Path) -> None:
        with (folder / name).open("wb") as stream:
            stream.truncate(1 << 40)  # a day of hashing

    assert "split it" in refused(arranged(made, arrange), tmp_path, level=HOME_LEVEL)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    made = sound("csv")
    (content,) = made.files.values()
    assert "Rename" in refused(replace(made, files={os.fsdecode(b"\xff\xfe.csv"): content}), tmp_path)


def test_open_interest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def arrange(folder: Path) -> None:
        (folder / FILE).unlink()
        put(folder / FILE, "memory")

    made = replace(arranged(sound("databento_dbn"), arrange), extra={FILE: b""})
    assert "cannot be read" in refused(made, tmp_path)


def test_decimals_become_the_nearest_float(tmp_path: Path) -> None:
    made = sound("parquet")
    (content,) = made.files.values()
    table = pq.read_table(pa.BufferReader(content))
    for name in ("open", "high", "low", "close", "volume"):
        exact = pa.array([Decimal(str(value)) for value in table.column(name).to_pylist()], pa.decimal128(20, 4))
        table = table.set_column(table.column_names.index(name), name, exact)
    sink = BytesIO()
    pq.write_table(table, sink)
    outcome = run_case("decimals", replace(made, files={"bars.parquet": sink.getvalue()}), FOLDER_LEVEL, tmp_path)
    assert outcome.detail == "rows equal, bars"
