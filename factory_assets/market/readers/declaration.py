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
from factory_assets.vocabulary.errors import BadInputError

DECLARATION_FILE = "source.toml"
FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "databento_dbn": (".dbn", ".dbn.zst"),
        "csv": (".csv", ".txt"),
        "parquet": (".parquet",),
    }
)
BAR_LABELS = ("open", "close")
VOLUME_MEANINGS = ("contracts", "ticks")
TIME_FORMATS_EPOCH: Mapping[str, str] = MappingProxyType(
    {"epoch_s": "s", "epoch_ms": "ms", "epoch_us": "us", "epoch_ns": "ns"}
)
ISO_TIME = "iso8601"
REQUIRED_COLUMNS = ("time", "open", "high", "low", "close", "volume")
OPTIONAL_COLUMNS = ("date", "expiry")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Conventions of one raw folder.

    Attributes
    ----------
    format : str
        ``databento_dbn``, ``csv`` or ``parquet``. DBN describes itself and takes no further key than ``contract``.
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
    columns: Mapping[str, str | int] = field(default_factory=dict)

    def digest(self) -> str:
        """Sha256 of the declaration; with a file's own hash it identifies what reading the file yields."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain["columns"] = dict(sorted(self.columns.items()))
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """Text of the ``source.toml`` that declares this."""
        quoted = {f.name: toml_value(getattr(self, f.name)) for f in fields(self) if f.name != "columns"}
        if self.format == "databento_dbn":
            quoted = {name: quoted[name] for name in ("format", "contract")}
        elif self.format == "parquet":
            quoted = {name: text for name, text in quoted.items() if name not in {"delimiter", "header"}}
        lines = [f"{name} = {text}" for name, text in quoted.items() if text != '""']
        if self.columns:
            lines += ["", "[columns]", *(f"{name} = {toml_value(place)}" for name, place in self.columns.items())]
        return "\n".join(lines) + "\n"


def toml_value(value: str | int | bool) -> str:
    """Text of one value in a TOML file."""
    # JSON and TOML write strings alike, but for two escapes: pairs of surrogates, and the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


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
    wanted: dict[str, type] = dict.fromkeys(known, str) | {"header": bool, "columns": dict}
    problems += [
        f"{key}: expected {wanted[key].__name__}, got {value!r}"
        for key, value in content.items()
        if key in wanted and not isinstance(value, wanted[key])
    ]
    if "format" not in content:
        problems.append(f"missing key 'format' (one of {sorted(FORMATS)})")
    if not problems:
        declaration = Declaration(**content)
        problems = _problems(declaration, content)
    if problems:
        raise BadInputError(f"{where}: " + "; ".join(problems) + ". Nothing was read; correct the declaration.")
    return declaration


def _problems(declaration: Declaration, content: Mapping[str, Any]) -> list[str]:
    if declaration.format not in FORMATS:
        return [f"format: expected one of {sorted(FORMATS)}, got {declaration.format!r}"]
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
    if declaration.format == "csv" and (len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0'):
        problems.append(f"delimiter: expected one character of ASCII, no quote and no line end, got {mark!r}")
    if declaration.expiry and parse_expiry(declaration.expiry) is None:
        problems.append(
            f"expiry: {declaration.expiry!r} is no expiry name; expected the product, a month code and the year, "
            f"e.g. '{declaration.contract or 'MES'}U6' for September 2026"
        )
    return problems + _column_problems(declaration)


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
    columns, by_number = declaration.columns, declaration.format == "csv" and not declaration.header
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
    if columns and ("expiry" in columns) == bool(declaration.expiry):
        problems.append('expiry: give either a fixed expiry = "MESU6" or a column [columns] expiry, one of the two')
    if "date" in columns and declaration.time_format in TIME_FORMATS_EPOCH:
        problems.append("[columns] date: an epoch time has no separate date")
    return problems
