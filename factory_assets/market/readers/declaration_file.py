"""The declaration's file: read, and judged key by key before any raw file is opened.

All problems are told in one message, and each says what the key means, because a wrong value shifts every bar.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from factory_assets.market.expiry import delivery_index_of, parse_expiry
from factory_assets.market.readers.conventions import CONVENTIONS
from factory_assets.market.readers.declaration import (
    BAR_LABELS,
    CALENDARS,
    DECLARATION_FILE,
    FORMATS,
    ISO_TIME,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    SELF_DESCRIBING,
    TABLES,
    TIME_FORMATS_EPOCH,
    VOLUME_MEANINGS,
    Declaration,
    shifted_zone,
)
from factory_assets.vocabulary.errors import BadInputError

_SKIP_LINES_MAX = 1_000
_BYTES_MAX = 1 << 20
_TEXT_CHARACTERS_MAX, _DEPTH_MAX = 300, 8
_PROBLEMS_SHOWN, _PROBLEM_CHARACTERS_MAX = 10, 600
_MONTHS_AHEAD_MAX = 24
_EPOCH = date(1970, 1, 1)


def load_declaration(folder: Path) -> Declaration | None:
    """Declaration of a raw folder; None if it has no ``source.toml``.

    Raises
    ------
    BadInputError
        As :func:`load_declaration_file`.
    """
    path = folder / DECLARATION_FILE
    return load_declaration_file(path) if path.is_file() else None


def load_declaration_file(path: Path) -> Declaration:
    """Declaration in a file of any name.

    Raises
    ------
    BadInputError
        No such file, not TOML, unknown or missing keys, values out of range; all problems in one message.
    """
    try:
        if path.exists() and not path.is_file():
            raise BadInputError(f"{path}: no plain file. Give the file that declares the folder.")
        if (size := path.stat().st_size) > _BYTES_MAX:
            raise BadInputError(f"{path}: {size:,} bytes, at most {_BYTES_MAX:,} are read. Correct the file.")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        longest = max(map(len, _texts(content)), default=0)
    except (ValueError, RecursionError) as problem:  # TOML, UTF-8, numbers of thousands of digits, lists in lists
        raise BadInputError(f"{path}: not valid TOML: {problem}. Correct the file.") from problem
    except OSError as problem:
        raise BadInputError(f"{path}: cannot be read: {problem}. Give the file that declares the folder.") from problem
    if longest > _TEXT_CHARACTERS_MAX:
        raise BadInputError(
            f"{path}: a text of {longest:,} characters, at most {_TEXT_CHARACTERS_MAX} are read. Nothing was read; "
            "correct the declaration."
        )
    return declaration_from(content, str(path))


def declaration_from(content: Mapping[str, Any], where: str) -> Declaration:
    """Declaration from the keys of a ``source.toml``.

    Raises
    ------
    BadInputError
        Unknown or missing keys, wrong types, values out of range; all problems in one message.
    """
    problems = _key_problems(content)
    if not problems:
        convention = CONVENTIONS.get(content["format"])
        settled = {} if convention is None else dict(convention.fixed)
        usual = {} if convention is None else dict(convention.usual)
        if given := sorted(settled.keys() & content.keys()):
            problems = [f"{given}: {content['format']} settles these; remove the keys, or declare format = 'csv'"]
        else:
            values = {**usual, **content, **settled}
            if "columns" in values:
                values["columns"] = {
                    key: tuple(place) if isinstance(place, list) else place for key, place in values["columns"].items()
                }
            declaration = Declaration(**values)
            problems = _problems(declaration, values)
    if problems:
        told = "; ".join(problem[:_PROBLEM_CHARACTERS_MAX] for problem in problems[:_PROBLEMS_SHOWN])
        raise BadInputError(f"{where}: {told}. Nothing was read; correct the declaration.")
    return declaration


def _key_problems(content: Mapping[str, Any]) -> list[str]:
    """Unknown keys, keys of a wrong type, and no format."""
    known = [f.name for f in fields(Declaration)]
    problems = [f"unknown key {key!r} (known: {sorted(known)})" for key in content if key not in known]
    wanted: dict[str, type] = dict.fromkeys(known, str) | dict.fromkeys(("header", "confirmed"), bool)
    wanted |= {"skip_lines": int} | dict.fromkeys(TABLES, dict)
    problems += [
        f"{key}: expected {wanted[key].__name__}, got {value!r}"
        for key, value in content.items()
        if key in wanted and type(value) is not wanted[key]
    ]
    if "format" not in content:
        problems.append(f"missing key 'format' (one of {_formats()})")
    return problems


def _texts(value: Any, depth: int = 0) -> list[str]:
    """Every text in a value: the value itself, or the keys and values of a section.

    Raises
    ------
    RecursionError
        Sections in sections: a declaration needs a list in a section, and no more.
    """
    if depth > _DEPTH_MAX:
        raise RecursionError(f"nested deeper than {_DEPTH_MAX}")
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (key, *_texts(inner, depth + 1))]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner, depth + 1)]
    return [value] if isinstance(value, str) else []


def _problems(declaration: Declaration, content: Mapping[str, Any]) -> list[str]:
    if declaration.reader not in FORMATS:
        return [f"format: expected one of {_formats()}, got {declaration.format!r}"]
    if declaration.format in SELF_DESCRIBING:
        settled = CONVENTIONS[declaration.format].fixed if declaration.format in CONVENTIONS else {}
        extra = sorted(set(content) - SELF_DESCRIBING[declaration.format] - set(settled))
        problems = [f"{extra}: {declaration.format} files declare these themselves; remove the keys"] if extra else []
        return problems + _instrument_problems(declaration) + _month_problems(declaration)
    problems = _missing_problems(declaration, content)
    allowed = {"bar_label": BAR_LABELS, "volume": VOLUME_MEANINGS, "calendar": CALENDARS}
    problems += [
        f"{key}: expected one of {values}, got {getattr(declaration, key)!r}"
        for key, values in allowed.items()
        if getattr(declaration, key) not in values
    ]
    if declaration.timezone:
        problems += _zone_problem(declaration.timezone)
    problems += _time_format_problems(declaration)
    mark = declaration.delimiter
    if declaration.reader == "csv" and (len(mark) != 1 or not mark.isascii() or mark in '"\r\n\0'):
        problems.append(f"delimiter: expected one character of ASCII, no quote and no line end, got {mark!r}")
    if not 0 <= declaration.skip_lines <= _SKIP_LINES_MAX:
        problems.append(f"skip_lines: expected 0 to {_SKIP_LINES_MAX}, got {declaration.skip_lines}")
    return problems + _expiry_problems(declaration) + _month_problems(declaration) + _column_problems(declaration)


def _formats() -> list[str]:
    return sorted({*FORMATS, *CONVENTIONS})


def _missing_problems(declaration: Declaration, content: Mapping[str, Any]) -> list[str]:
    """Keys nobody may leave out, each with what it means; a vendor's format says why it cannot know."""
    wanted = {"contract": "the product the files hold, e.g. 'MES'"}
    if declaration.format in CONVENTIONS:
        wanted |= CONVENTIONS[declaration.format].asked
    else:
        wanted |= {
            "bar_label": "'open' or 'close', the end of the minute that stamps a row",
            "volume": "'contracts', 'ticks' or 'none'",
            "columns": "a [columns] section that names time, open, high, low, close and volume",
        }
    return [f"missing key {key!r}: {meaning}" for key, meaning in wanted.items() if key not in content]


def _expiry_problems(declaration: Declaration) -> list[str]:
    """Anything but exactly one way to know a row's delivery month."""
    convention = CONVENTIONS.get(declaration.format)
    ways = (
        "expiry" in declaration.columns,
        bool(declaration.expiry),
        bool(declaration.expiry_of_file),
        bool(declaration.expiry_from),
    )
    if declaration.expiry_of_instrument:
        return ["[expiry_of_instrument]: only rows of databento_csv carry instrument ids; remove the section"]
    if convention is not None and convention.names_months:
        return (
            [f"expiry: {convention.vendor} names the month of each row; remove what declares it"] if any(ways) else []
        )
    if sum(ways) == 1 or (convention is None and not declaration.columns):
        return []
    column = "" if declaration.format in CONVENTIONS else " a column [columns] expiry,"
    return [
        f'expiry: give either a fixed expiry = "MESU6",{column} a section [expiry_of_file] with a line a file, or, if '
        'the vendor joined the months, a section [expiry_from] with lines as "2026-06-11" = "MESU6" (first trade date '
        "of each month); one of them"
    ]


def _instrument_problems(declaration: Declaration) -> list[str]:
    """Ids that are no numbers, and several ways to know a month where the files name none."""
    problems = [
        f"[expiry_of_instrument] {number!r}: expected an instrument id and a month (or a combination of months), as "
        f'"42005017" = "MGCG6"; got {name!r}'
        for number, name in declaration.expiry_of_instrument.items()
        if not (number.isascii() and number.isdigit() and isinstance(name, str))
    ]
    tables = ("expiry", "expiry_of_file", "expiry_of_instrument", "expiry_from")
    if len(given := [name for name in tables if getattr(declaration, name)]) > 1:
        problems.append(f"{' and '.join(given)}: several ways to know a row's month; give one of them")
    return problems


def _month_problems(declaration: Declaration) -> list[str]:
    """Names that are no expiry, and first trade dates that are none or do not lead forward."""
    named = {"expiry": declaration.expiry} if declaration.expiry else {}
    named |= {f"[expiry_of_file] {file!r}": name for file, name in declaration.expiry_of_file.items()}
    named |= {f"[expiry_from] {day!r}": name for day, name in declaration.expiry_from.items()}
    problems = [
        f"{key}: {name!r} is no expiry name; expected the product, a month code and the year, "
        f"e.g. '{declaration.contract or 'MES'}U6' for September 2026"
        for key, name in named.items()
        if not isinstance(name, str) or parse_expiry(name) is None
    ]
    days = {text: _day(text) for text in declaration.expiry_from}
    problems += [
        f"[expiry_from] {text!r}: expected a trade date as '2026-06-11'" for text, day in days.items() if day is None
    ]
    if problems:
        return problems
    stretches = sorted((day, declaration.expiry_from[text]) for text, day in days.items() if day is not None)
    for day, name in stretches:
        ahead = delivery_index_of(name, (day - _EPOCH).days) - (12 * day.year + day.month - 1)
        if not 0 <= ahead <= _MONTHS_AHEAD_MAX:
            problems.append(
                f"[expiry_from] '{day}': {name} is delivered {ahead} months after that day; a front month is at most "
                f"{_MONTHS_AHEAD_MAX} ahead"
            )
    for (since, before), (day, name) in pairwise(stretches):
        if delivery_index_of(name, (day - _EPOCH).days) <= delivery_index_of(before, (since - _EPOCH).days):
            problems.append(
                f"[expiry_from] '{day}': {name} is no later month than {before} before it; a series never rolls back"
            )
    return problems


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if str(day) == text else None


def _zone_problem(timezone: str) -> list[str]:
    zone, _ = shifted_zone(timezone)
    try:
        ZoneInfo(zone)
        pd.DatetimeIndex([0]).tz_localize(zone)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones, as "America"; KeyError: not found
        return [
            f"timezone: {zone!r} is no IANA zone (examples: 'UTC', 'America/New_York', 'EST', or a clock ahead of a "
            "zone as 'America/New_York+07:00')"
        ]
    return []


def _time_format_problems(declaration: Declaration) -> list[str]:
    pattern = declaration.time_format
    era = declaration.calendar != CALENDARS[0]
    if pattern in TIME_FORMATS_EPOCH:
        problems = ["calendar: an epoch time has no year; remove the key"] if era else []
        if declaration.timezone not in ("", "UTC"):
            problems.append(
                f"timezone: {pattern} counts from 1970 in UTC, so {declaration.timezone!r} would be passed over; "
                "remove the key, or, if the vendor counts local time, export the times as text"
            )
        return problems
    if pattern == ISO_TIME:
        return []
    expected = f"time_format: expected '{ISO_TIME}', one of {sorted(TIME_FORMATS_EPOCH)} or a strptime pattern"
    if "%" not in pattern:
        return [f"{expected}, got {pattern!r}"]
    try:
        pd.to_datetime(pd.Series(["x"]), format=pattern, errors="coerce")
    except (ValueError, re.error) as problem:
        return [f"{expected}, got {pattern!r}: {problem}"]
    problems = []
    # Both halves of the day would be read as the morning without a word.
    if ("%p" in pattern) != ("%I" in pattern) or ("%H" in pattern and "%I" in pattern):
        problems.append(f"time_format: a clock of 12 hours needs %I and %p, one of 24 hours %H alone; got {pattern!r}")
    if "%Z" in pattern:
        problems.append("time_format: names of zones (CST) mean several; leave %Z out and declare timezone")
    if era and pattern.count("%Y") != 1:
        problems.append(f"calendar: years of the Buddhist era need four digits (%Y) in time_format; got {pattern!r}")
    return problems


def _column_problems(declaration: Declaration) -> list[str]:
    columns, by_number = declaration.columns, declaration.reader == "csv" and not declaration.header
    required = [key for key in REQUIRED_COLUMNS if key != "volume" or _names_volume(declaration)]
    problems = [f"[columns] unknown key {key!r}" for key in columns if key not in REQUIRED_COLUMNS + OPTIONAL_COLUMNS]
    problems += [f"[columns] missing {key!r}" for key in required if columns and key not in columns]
    kind = "a column number from 1 (the files have no header)" if by_number else "a column name"
    used: dict[str, list[str]] = {}
    for key, place in columns.items():
        parts = place if isinstance(place, tuple) and place and key == "volume" else (place,)
        for part in parts:
            fits = type(part) is int and part >= 1 if by_number else isinstance(part, str)
            if not fits:
                problems.append(f"[columns] {key}: expected {kind}, got {place!r}")
            used.setdefault(repr(part), []).append(key)
    problems += [
        f"[columns] {place}: named for {' and '.join(keys)}; a column means one thing"
        for place, keys in used.items()
        if len(keys) > 1
    ]
    if "date" in columns and declaration.time_format in TIME_FORMATS_EPOCH:
        problems.append("[columns] date: an epoch time has no separate date")
    return problems


def _names_volume(declaration: Declaration) -> bool:
    """Whether [columns] has to name the volume: not if there is none, or if the vendor's header names it."""
    later = declaration.format in CONVENTIONS and bool(CONVENTIONS[declaration.format].volume_columns)
    return declaration.has_volume and not later
