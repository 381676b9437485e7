"""Delimited text files (CSV and its relatives) by a declared column mapping."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from factory_assets.market.readers.columns import minutes_of_columns
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.limits import refuse_oversized
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

_LINE_CHARS_MAX = 1 << 20


def read_csv(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of one delimited file.

    Parameters
    ----------
    path : Path
        Text file in UTF-8.
    instrument : Instrument
        Product the file has to hold.
    declaration : Declaration
        Delimiter, header, columns, zone, bar label.

    Raises
    ------
    BadInputError
        Too large, missing columns, lines of another width, values that are no numbers: file, line and remedy in one
        message.
    NaiveTimestampError
        Times without offset and no declared zone.
    ForeignContractError
        Expiries of another product.
    """
    refuse_oversized(path, "csv")
    table = _table(path, declaration)
    places = _places(table, declaration, path)
    numbers: dict[str, np.ndarray] = {
        name: _sum([_numbers(table.column(place), name, path, declaration) for place in places[name]])
        for name in ("open", "high", "low", "close", "volume")
        if name in places
    }
    stamps = _text(table.column(places["time"][0]))
    if "date" in places:
        stamps = _text(table.column(places["date"][0])) + " " + stamps
    expiry = _text(table.column(places["expiry"][0])) if "expiry" in places else None
    line_of = partial(_line_of, path, declaration)
    found = minutes_of_columns(path, instrument, declaration, stamps, numbers, expiry, line_of)
    used = {place for group in places.values() for place in group}
    return replace(found, ignored_columns=sum(name not in used for name in table.column_names if name))


def read_stamps(path: Path, declaration: Declaration) -> pd.Series:
    """Times of every row as the file holds them: evidence for detection, which knows no more than their columns.

    Raises
    ------
    BadInputError
        As :func:`read_csv`, for what is read.
    """
    refuse_oversized(path, "csv")
    table = _table(path, declaration)
    places = _places(table, declaration, path)
    stamps = _text(table.column(places["time"][0]))
    return _text(table.column(places["date"][0])) + " " + stamps if "date" in places else stamps


def _sum(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.sum(parts, axis=0)


def _table(path: Path, declaration: Declaration) -> pa.Table:
    """All fields as text, so that a bad value can be named with its line instead of failing the parser."""
    try:
        names = _first_line_width(path, declaration)
        return pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(
                use_threads=False,
                skip_rows=declaration.skip_lines,
                # Not left to pyarrow, which finds no column in a file of one line without its end.
                column_names=None if declaration.header else names or ["f0"],
            ),
            parse_options=pacsv.ParseOptions(delimiter=declaration.delimiter),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as problem:
        raise _no_table(path, declaration, str(problem)) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise _no_text(path, problem) from problem


def _no_table(path: Path, declaration: Declaration, problem: str) -> BadInputError:
    """What the parser said, with the line it speaks of and what to do about it."""
    row, widths = re.search(r"Row #(\d+)", problem), re.search(r"Expected (\d+) columns?, got (\d+)", problem)
    skip = declaration.skip_lines
    line = _line_of_filled(path, int(row[1]) - 1 - skip, skip) if row else _line_without_text(path)
    place = f", line {line}" if line else ""
    what = f"{path}{place}: not a table delimited by {declaration.delimiter!r}: {problem[:400]}."
    settled = declaration.settles("header")
    keys = "" if settled else ", or delimiter and header in source.toml"
    remedy = f"Correct the file{keys}."
    too_wide = widths is not None and int(widths[1]) < int(widths[2])
    if row and widths and too_wide and declaration.header and line == _line_of(path, declaration, 0):
        first = _line_of_filled(path, 0, declaration.skip_lines)
        under = 'format = "csv", ' if settled else ""
        remedy = (
            f"Line {first} names {widths[1]} columns, the rows hold {widths[2]} fields, and nothing says which field "
            f"has no name. Declare {under}header = false and skip_lines = {first} in source.toml, and number the "
            "columns from 1."
        )
    elif too_wide and declaration.delimiter == ",":
        remedy += " A number with a thousands separator (1,234) is two fields: export numbers without."
    return BadInputError(f"{what} {remedy}")


def _no_text(path: Path, problem: OSError | UnicodeDecodeError) -> BadInputError:
    line = _line_without_text(path) if isinstance(problem, UnicodeDecodeError) else None
    place = f", line {line}" if line else ""
    wide = line == 1 and _first_bytes(path) in {b"\xff\xfe", b"\xfe\xff"}
    remedy = "It is UTF-16: save it as UTF-8." if wide else "Check the file, and save it as UTF-8."
    return BadInputError(f"{path}{place}: cannot be read as UTF-8 text: {problem}. {remedy}")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(2)


def _line_without_text(path: Path) -> int | None:
    """First line that is not UTF-8; None if all are."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def _first_line_width(path: Path, declaration: Declaration) -> list[str]:
    first = next((line for _, line in _lines(path, declaration.skip_lines)), "")
    fields = _fields(first, declaration.delimiter)
    return fields if declaration.header else [f"f{number}" for number in range(len(fields))]


def _lines(path: Path, skip_lines: int) -> Iterator[tuple[int, str]]:
    """Lines that are not empty with their numbers from 1, from behind ``skip_lines`` on."""
    with path.open(encoding="utf-8-sig") as stream:
        # A file without line ends is one line of any length: refused before it is in memory.
        lines = iter(partial(stream.readline, _LINE_CHARS_MAX), "")
        for number, line in islice(enumerate(lines, start=1), skip_lines, None):
            if len(line) >= _LINE_CHARS_MAX:
                raise BadInputError(
                    f"{path}, line {number}: longer than {_LINE_CHARS_MAX:,} characters: no bar. Check the file."
                )
            if line.strip():
                yield number, line.rstrip("\r\n")


def _places(table: pa.Table, declaration: Declaration, path: Path) -> dict[str, list[str]]:
    """Arrow columns of each declared field; without a header Arrow names them f0, f1, ..."""
    places: dict[str, list[str]] = {}
    missing: list[str] = []
    for field, place in declaration.columns.items():
        if field == "volume" and not declaration.has_volume:
            continue
        parts = place if isinstance(place, tuple) else (place,)
        names = [f"f{part - 1}" if isinstance(part, int) else part for part in parts]
        if all(table.column_names.count(name) == 1 for name in names):
            places[field] = names
        else:
            missing.append(f"{field} = {place!r}")
    if missing:
        found = table.column_names if declaration.header else f"{table.num_columns} columns"
        what = "no column" if declaration.header else "no column of that number"
        raise BadInputError(
            f"{path}: {what} for {', '.join(missing)}, or several; the file has {found}. Correct [columns], "
            "delimiter or header in source.toml."
        )
    return places


def _numbers(column: pa.ChunkedArray, name: str, path: Path, declaration: Declaration) -> np.ndarray:
    text = pc.utf8_trim_whitespace(column)
    try:
        return np.asarray(pc.cast(text, pa.float64()), dtype=np.float64)
    except pa.ArrowInvalid:
        values = text.to_pylist()
        rows = [row for row, value in enumerate(values) if not _is_number(value)]
        raise BadInputError(
            f"{path}, line {_line_of(path, declaration, rows[0])}: {name} = {repr(values[rows[0]])[:90]} is no number "
            f"({len(rows)} such lines). Expected a decimal number with a point and no thousands separators; correct or "
            "remove the line."
        ) from None


def _is_number(value: str) -> bool:
    try:
        pc.cast(pa.scalar(value), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _line_of(path: Path, declaration: Declaration, row: int) -> int:
    """Line of a data row, 1-based; empty lines count as lines but hold no row."""
    return _line_of_filled(path, row + (1 if declaration.header else 0), declaration.skip_lines)


def _line_of_filled(path: Path, wanted: int, skip_lines: int) -> int:
    """Line of the line that is not empty with this position, counted from 0 behind ``skip_lines``."""
    seen = -1
    # Bytes that are no text may follow further down; the line in question is to be named all the same.
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            seen += number > skip_lines and bool(line.rstrip("\r\n"))
            if seen == wanted:
                return number
    return wanted + skip_lines + 1


def _text(column: pa.ChunkedArray) -> pd.Series:
    return pd.Series(pc.utf8_trim_whitespace(column).to_pandas(), dtype=object).reset_index(drop=True)


def _fields(line: str, delimiter: str) -> list[str]:
    """Fields of one line, without their quotes."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


@dataclass(frozen=True, kw_only=True)
class Sniffed:
    """What the first lines of a text file show.

    Attributes
    ----------
    delimiter : str
        The likeliest field separator.
    header : bool
        Whether the first line holds no number.
    first, sample : tuple of str
        Fields of the first line, and of a line below it (the first itself if there is no other).
    sample_line : str
        The line of ``sample`` as it stands.
    line : int
        Number of the first line that holds anything, from 1.
    """

    delimiter: str
    header: bool
    first: tuple[str, ...]
    sample: tuple[str, ...]
    sample_line: str
    line: int


def sniff(path: Path, *, skip_lines: int = 0) -> Sniffed:
    """What the first lines of a text file show: delimiter, header, fields. Evidence for a person, not a decision.

    Raises
    ------
    BadInputError
        If the file is empty or no UTF-8 text.
    """
    try:
        numbered = list(islice(_lines(path, skip_lines), 2))
    except (OSError, UnicodeDecodeError) as problem:
        raise _no_text(path, problem) from problem
    if not numbered:
        raise BadInputError(f"{path}: empty file. Remove it or export it again.")
    lines = [line for _, line in numbered]
    counts = {mark: lines[0].count(mark) for mark in (";", ",", "\t", "|")}
    delimiter = max(counts, key=lambda mark: counts[mark])
    first, sample = (tuple(_fields(line, delimiter)) for line in (lines[0], lines[-1]))
    header = not any(_is_number(name.strip()) for name in first)
    return Sniffed(
        delimiter=delimiter, header=header, first=first, sample=sample, sample_line=lines[-1], line=numbered[0][0]
    )
