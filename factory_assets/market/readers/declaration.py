"""What a raw folder says about itself: the small ``source.toml`` beside the files.

Vendors' formats of one shape differ in time zone and bar label, and no look at the rows can tell them apart; a wrong
guess shifts every bar by a minute or by hours. So the folder declares it, once, in words. Unknown keys are errors.
Neighbours: :mod:`factory_assets.market.readers.detection` proposes a declaration,
:mod:`factory_assets.market.readers.folder` reads by one.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from factory_assets.market.expiry import parse_expiry
from factory_assets.market.readers.conventions import CONVENTIONS
from factory_assets.vocabulary.errors import BadInputError

DECLARATION_FILE = "source.toml"
FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "databento_dbn": (".dbn", ".dbn.zst"),
        "csv": (".csv", ".txt"),
        "parquet": (".parquet",),
    }
)
"""Formats that have a reader, and how their files end; those of ``CONVENTIONS`` are read by one of these readers."""
BAR_LABELS = ("open", "close")
VOLUME_MEANINGS = ("contracts", "ticks")
TIME_FORMATS_EPOCH: Mapping[str, str] = MappingProxyType(
    {"epoch_s": "s", "epoch_ms": "ms", "epoch_us": "us", "epoch_ns": "ns"}
)
ISO_TIME = "iso8601"
REQUIRED_COLUMNS = ("time", "open", "high", "low", "close", "volume")
OPTIONAL_COLUMNS = ("date", "expiry")
_TABLES = ("expiry_of_file", "columns")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Conventions of one raw folder.

    Attributes
    ----------
    format : str
        ``databento_dbn``, ``csv``, ``parquet``, or a vendor's format that settles every convention
        (``ninjatrader8``). DBN describes itself and takes no further key than ``contract``; a vendor's format takes
        ``contract`` and the expiry.
    contract : str
        Product the files hold (``MGC``); has to be the partition they are read into.
    bar_label : str
        ``open`` if a row is stamped with the start of its minute, ``close`` if with its end. A wrong value makes
        every decision one minute early or late.
    timezone : str
        Zone of times without an offset (``UTC``, ``America/New_York``, ``EST`` for fixed eastern time); empty only
        if every time carries its own offset.
    time_format : str
        ``iso8601``, ``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns`` or a strptime pattern (``%Y%m%d %H%M%S``).
    delimiter : str
        Field separator of CSV files.
    header : bool
        Whether the first line of a CSV file names the columns.
    volume : str
        ``contracts`` traded, or ``ticks`` (number of trades) where a vendor has nothing better.
    expiry : str
        Delivery month of all rows (``MESU6``) if no column names it.
    expiry_of_file : mapping of str to str
        Delivery month of each file, if every file holds one and none names it.
    columns : mapping of str to (str or int)
        Where to find ``time``, ``open``, ``high``, ``low``, ``close``, ``volume`` and optionally ``date`` (put in
        front of ``time`` with a space) and ``expiry``: a column name, or its number from 1 if there is no header.
    """

    format: str
    contract: str = ""
    bar_label: str = "open"
    timezone: str = ""
    time_format: str = ISO_TIME
    delimiter: str = ","
    header: bool = True
    volume: str = "contracts"
    expiry: str = ""
    expiry_of_file: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def reader(self) -> str:
        """Format whose reader takes the files: a key of :data:`FORMATS`."""
        return CONVENTIONS[self.format].reader if self.format in CONVENTIONS else self.format

    def expiry_in(self, file_name: str) -> str:
        """Delivery month of all rows of one file, where no column names it.

        Raises
        ------
        BadInputError
            ``[expiry_of_file]`` does not list the file.
        """
        if not self.expiry_of_file:
            return self.expiry
        if file_name not in self.expiry_of_file:
            raise BadInputError(
                f"{file_name}: [expiry_of_file] in {DECLARATION_FILE} does not list this file (it lists "
                f"{sorted(self.expiry_of_file)[:5]}). Add a line with its delivery month, as "
                f"{toml_value(file_name)} = {toml_value((self.contract or 'MES') + 'U6')}."
            )
        return self.expiry_of_file[file_name]

    def digest(self) -> str:
        """Sha256 of the declaration; with a file's own hash it identifies what reading the file yields."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain |= {name: dict(sorted(plain[name].items())) for name in _TABLES}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """Text of the ``source.toml`` that declares this."""
        quoted = {f.name: toml_value(getattr(self, f.name)) for f in fields(self) if f.name not in _TABLES}
        settled = set(CONVENTIONS[self.format].fixed) if self.format in CONVENTIONS else set()
        if self.format == "databento_dbn":
            quoted = {name: quoted[name] for name in ("format", "contract")}
        elif self.format == "parquet":
            settled = {"delimiter", "header"}
        lines = [f"{name} = {text}" for name, text in quoted.items() if text != '""' and name not in settled]
        for table in _TABLES:
            if (rows := getattr(self, table)) and table not in settled:
                lines += [
                    "",
                    f"[{table}]",
                    *(f"{_toml_key(name)} = {toml_value(value)}" for name, value in rows.items()),
                ]
        return "\n".join(lines) + "\n"


def toml_value(value: str | int | bool) -> str:
    """Text of one value in a TOML file."""
    # JSON and TOML write strings alike, but for two escapes: pairs of surrogates, and the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def load_declaration(folder: Path) -> Declaration | None:
    """Declaration of a raw folder; None if it has no ``source.toml``.

    Raises
    ------
    BadInputError
        Not TOML, unknown or missing keys, values out of range; all problems in one message.
    """
    path = folder / DECLARATION_FILE
    if not path.is_file():
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadInputError(f"{path}: not valid TOML: {problem}. Correct the file.") from problem
    return declaration_from(content, str(path))


def declaration_from(content: Mapping[str, Any], where: str) -> Declaration:
    """Declaration from the keys of a ``source.toml``.

    Raises
    ------
    BadInputError
        Unknown or missing keys, wrong types, values out of range; all problems in one message.
    """
    known = {f.name: f for f in fields(Declaration)}
    problems = [f"unknown key {key!r} (known: {sorted(known)})" for key in content if key not in known]
    wanted: dict[str, type] = dict.fromkeys(known, str) | {"header": bool} | dict.fromkeys(_TABLES, dict)
    problems += [
        f"{key}: expected {wanted[key].__name__}, got {value!r}"
        for key, value in content.items()
        if key in wanted and not isinstance(value, wanted[key])
    ]
    if "format" not in content:
        problems.append(f"missing key 'format' (one of {_formats()})")
    if not problems:
        convention = CONVENTIONS.get(content["format"])
        settled = {} if convention is None else dict(convention.fixed)
        if given := sorted(settled.keys() & content.keys()):
            problems = [f"{given}: {content['format']} settles these; remove the keys, or declare format = 'csv'"]
        else:
            declaration = Declaration(**{**settled, **content})
            problems = _problems(declaration, {**settled, **content})
    if problems:
        raise BadInputError(f"{where}: " + "; ".join(problems) + ". Nothing was read; correct the declaration.")
    return declaration


def _problems(declaration: Declaration, content: Mapping[str, Any]) -> list[str]:
    if declaration.reader not in FORMATS:
        return [f"format: expected one of {_formats()}, got {declaration.format!r}"]
    if declaration.format == "databento_dbn":
        extra = sorted(set(content) - {"format", "contract"})
        return [f"{extra}: a DBN file declares these itself; remove the keys"] if extra else []
    problems = [
        f"missing key {key!r}: {meaning}"
        for key, meaning in (
            ("contract", "the product the files hold, e.g. 'MES'"),
            ("bar_label", "'open' or 'close', the end of the minute that stamps a row"),
            ("volume", "'contracts' or 'ticks'"),
            ("columns", "a [columns] section that names time, open, high, low, close and volume"),
        )
        if key not in content
    ]
    if declaration.bar_label not in BAR_LABELS:
        problems.append(f"bar_label: expected one of {BAR_LABELS}, got {declaration.bar_label!r}")
    if declaration.volume not in VOLUME_MEANINGS:
        problems.append(f"volume: expected one of {VOLUME_MEANINGS}, got {declaration.volume!r}")
    if declaration.timezone:
        problems += _zone_problem(declaration.timezone)
    if declaration.time_format not in {ISO_TIME, *TIME_FORMATS_EPOCH}:
        problems += _pattern_problem(declaration.time_format)
    mark = declaration.delimiter
    if declaration.reader == "csv" and (len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0'):
        problems.append(f"delimiter: expected one character of ASCII, no quote and no line end, got {mark!r}")
    return problems + _expiry_problems(declaration) + _column_problems(declaration)


def _formats() -> list[str]:
    return sorted({*FORMATS, *CONVENTIONS})


def _expiry_problems(declaration: Declaration) -> list[str]:
    """Names that are no expiry, and anything but exactly one way to know it."""
    named = {"expiry": declaration.expiry} if declaration.expiry else {}
    named |= {f"[expiry_of_file] {file!r}": name for file, name in declaration.expiry_of_file.items()}
    problems = [
        f"{key}: {name!r} is no expiry name; expected the product, a month code and the year, "
        f"e.g. '{declaration.contract or 'MES'}U6' for September 2026"
        for key, name in named.items()
        if not isinstance(name, str) or parse_expiry(name) is None
    ]
    ways = ("expiry" in declaration.columns, bool(declaration.expiry), bool(declaration.expiry_of_file))
    if declaration.columns and sum(ways) != 1:
        column = "" if declaration.format in CONVENTIONS else " or a column [columns] expiry,"
        problems.append(
            f'expiry: give either a fixed expiry = "MESU6",{column} or a section [expiry_of_file] with a line a file, '
            "one of them"
        )
    return problems


def _zone_problem(name: str) -> list[str]:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, as "America"
        return [f"timezone: {name!r} is no IANA zone (examples: 'UTC', 'America/New_York', 'EST')"]
    return []


def _pattern_problem(pattern: str) -> list[str]:
    expected = f"time_format: expected '{ISO_TIME}', one of {sorted(TIME_FORMATS_EPOCH)} or a strptime pattern"
    if "%" not in pattern:
        return [f"{expected}, got {pattern!r}"]
    try:
        pd.to_datetime(pd.Series(["x"]), format=pattern, errors="coerce")
    except (ValueError, re.error) as problem:
        return [f"{expected}, got {pattern!r}: {problem}"]
    return []


def _column_problems(declaration: Declaration) -> list[str]:
    columns, by_number = declaration.columns, declaration.reader == "csv" and not declaration.header
    problems = [f"[columns] unknown key {key!r}" for key in columns if key not in REQUIRED_COLUMNS + OPTIONAL_COLUMNS]
    problems += [f"[columns] missing {key!r}" for key in REQUIRED_COLUMNS if columns and key not in columns]
    kind = "a column number from 1 (the files have no header)" if by_number else "a column name"
    for key, place in columns.items():
        fits = (
            isinstance(place, int) and not isinstance(place, bool) and place >= 1
            if by_number
            else isinstance(place, str)
        )
        if not fits:
            problems.append(f"[columns] {key}: expected {kind}, got {place!r}")
    fields_of: dict[str, list[str]] = {}
    for key, place in columns.items():
        fields_of.setdefault(repr(place), []).append(key)
    problems += [
        f"[columns] {place}: named for {' and '.join(keys)}; a column means one thing"
        for place, keys in fields_of.items()
        if len(keys) > 1
    ]
    if "date" in columns and declaration.time_format in TIME_FORMATS_EPOCH:
        problems.append("[columns] date: an epoch time has no separate date")
    return problems
