"""Delimited text files (CSV and its relatives) by a declared column mapping."""

import csv
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from factory_assets.market.readers.columns import minutes_of_columns
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument


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
        Missing columns, lines of another width, values that are no numbers: file, line and remedy in one message.
    NaiveTimestampError
        Times without offset and no declared zone.
    ForeignContractError
        Expiries of another product.
    """
    table = _table(path, declaration)
    places = _places(table, declaration, path)
    numbers = {
        name: _numbers(table.column(places[name]), name, path, declaration)
        for name in ("open", "high", "low", "close", "volume")
    }
    stamps = _text(table.column(places["time"]))
    if "date" in places:
        stamps = _text(table.column(places["date"])) + " " + stamps
    expiry = _text(table.column(places["expiry"])) if "expiry" in places else None
    line_of = partial(_line_of, path, declaration)
    return minutes_of_columns(path, instrument, declaration, stamps, numbers, expiry, line_of)


def _table(path: Path, declaration: Declaration) -> pa.Table:
    """All fields as text, so that a bad value can be named with its line instead of failing the parser."""
    try:
        names = _first_line_width(path, declaration)
        return pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(use_threads=False, autogenerate_column_names=not declaration.header),
            parse_options=pacsv.ParseOptions(delimiter=declaration.delimiter),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as problem:
        row = re.search(r"Row #(\d+)", str(problem))
        line = _line_of_filled(path, int(row[1]) - 1) if row else _line_without_text(path)
        place = f", line {line}" if line else ""
        raise BadInputError(
            f"{path}{place}: not a table delimited by {declaration.delimiter!r}: {problem}. Correct the file, or "
            "delimiter and header in source.toml."
        ) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise _no_text(path, problem) from problem


def _no_text(path: Path, problem: OSError | UnicodeDecodeError) -> BadInputError:
    line = _line_without_text(path) if isinstance(problem, UnicodeDecodeError) else None
    place = f", line {line}" if line else ""
    return BadInputError(f"{path}{place}: cannot be read as UTF-8 text: {problem}. Check the file.")


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
    with path.open(encoding="utf-8-sig") as stream:
        first = next((line for line in stream if line.strip()), "").rstrip("\r\n")
    fields = _fields(first, declaration.delimiter)
    return fields if declaration.header else [f"f{number}" for number in range(len(fields))]


def _places(table: pa.Table, declaration: Declaration, path: Path) -> dict[str, str]:
    """Arrow column of each declared field; without a header Arrow names them f0, f1, ..."""
    places: dict[str, str] = {}
    missing: list[str] = []
    for field, place in declaration.columns.items():
        name = f"f{place - 1}" if isinstance(place, int) else place
        if table.column_names.count(name) == 1:
            places[field] = name
        else:
            missing.append(f"{field} = {place!r}")
    if missing:
        found = table.column_names if declaration.header else f"{table.num_columns} columns"
        raise BadInputError(
            f"{path}: no column for {', '.join(missing)}, or several; the file has {found}. Correct [columns], "
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
            f"{path}, line {_line_of(path, declaration, rows[0])}: {name} = {values[rows[0]]!r} is no number "
            f"({len(rows)} such lines). Expected a decimal number with a point; correct or remove the line."
        ) from None


def _is_number(value: str) -> bool:
    try:
        pc.cast(pa.scalar(value), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _line_of(path: Path, declaration: Declaration, row: int) -> int:
    """Line of a data row, 1-based; empty lines count as lines but hold no row."""
    return _line_of_filled(path, row + (1 if declaration.header else 0))


def _line_of_filled(path: Path, wanted: int) -> int:
    """Line of the line that is not empty with this position, counted from 0."""
    seen = -1
    # Bytes that are no text may follow further down; the line in question is to be named all the same.
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            seen += bool(line.rstrip("\r\n"))
            if seen == wanted:
                return number
    return wanted + 1


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
    """

    delimiter: str
    header: bool
    first: tuple[str, ...]
    sample: tuple[str, ...]
    sample_line: str


def sniff(path: Path) -> Sniffed:
    """What the first lines of a text file show: delimiter, header, fields. Evidence for a person, not a decision.

    Raises
    ------
    BadInputError
        If the file is empty or no UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            lines = [line.rstrip("\r\n") for line, _ in zip(stream, range(3), strict=False) if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise _no_text(path, problem) from problem
    if not lines:
        raise BadInputError(f"{path}: empty file. Remove it or export it again.")
    counts = {mark: lines[0].count(mark) for mark in (";", ",", "\t", "|")}
    delimiter = max(counts, key=lambda mark: counts[mark])
    first, sample = (tuple(_fields(line, delimiter)) for line in (lines[0], lines[-1]))
    header = not any(_is_number(name.strip()) for name in first)
    return Sniffed(delimiter=delimiter, header=header, first=first, sample=sample, sample_line=lines[-1])
