"""Vendor timestamps to microseconds since 1970 UTC, by the conventions a folder declares."""

import re
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from factory_assets.market.readers.declaration import ISO_TIME, TIME_FORMATS_EPOCH, Declaration, shifted_zone
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets.vocabulary.timeframes import MINUTE_US

_UNIT_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_REACH_NS = 9.2e18
_DIGITS = MappingProxyType({"Y": 4, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "y": 2, "j": 3})
_OFFSET = r"[T ]\d{2}[:.\d]*\s*(?:[+-]\d{2}(?::?\d{2})?|Z)\s*$"
_ISO_SHAPE = r"^\s*[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][0-9]{2}:?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]+)?)?[^.,]*$"
BUDDHIST_ERA_YEARS = 543
"""Years by which the Buddhist era, as Thailand counts it, is ahead of AD (2566 is 2023)."""
LineOf = Callable[[int], int | str]
"""From the position of a row to its line in the file (or its number, where a file has no lines)."""


def open_times_us(stamps: pd.Series, declaration: Declaration, where: str, line_of: LineOf) -> np.ndarray:
    """Open time of every bar, int64 shape (N,), microseconds since 1970 UTC.

    Parameters
    ----------
    stamps : Series, shape (N,)
        Text, epoch integers or datetimes as the file holds them.
    declaration : Declaration
        Zone, format and bar label. Stamps at a bar's close are moved back by one minute.
    where : str
        File, for messages.
    line_of : callable
        Line (or row) number of a stamp by its position, for messages.

    Raises
    ------
    NaiveTimestampError
        Times without an offset, and no declared zone.
    BadInputError
        Times that do not fit the declared format, or that a clock change skips or repeats in the declared zone.
    """
    parsed = _parsed(stamps, declaration, where, line_of)
    if parsed.tz is None:
        if not declaration.timezone:
            raise NaiveTimestampError(
                f"{where}, line {line_of(0)}: {_shown(stamps.iloc[0])} carries no time zone and source.toml declares "
                f"none. {_zone_remedy(declaration)}"
            )
        zone, ahead = shifted_zone(declaration.timezone)
        parsed = (parsed - ahead).tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        _refuse_missing(
            parsed, stamps, f"{where}: a clock change skips or repeats this time in {declaration.timezone}", line_of,
            "Export the data in UTC.",
        )  # fmt: skip
    values = parsed.tz_convert("UTC").as_unit("us").asi8
    return values - MINUTE_US if declaration.bar_label == "close" else values


def _parsed(stamps: pd.Series, declaration: Declaration, where: str, line_of: LineOf) -> pd.DatetimeIndex:
    if pd.api.types.is_datetime64_any_dtype(stamps):
        if declaration.calendar != "gregorian":
            raise BadInputError(
                f"{where}: the times are no text but timestamps, which count years AD. Take calendar out of "
                "source.toml."
            )
        parsed = pd.DatetimeIndex(stamps)
    elif declaration.time_format in TIME_FORMATS_EPOCH:
        unit = TIME_FORMATS_EPOCH[declaration.time_format]
        numbers = pd.to_numeric(stamps, errors="coerce")
        # Pandas overflows on numbers that are no time at all, before it could coerce them.
        numbers = numbers.where(numbers.astype(np.float64).abs() < _REACH_NS / _UNIT_NS[unit])
        parsed = pd.DatetimeIndex(pd.to_datetime(numbers, unit=unit, errors="coerce", utc=True))
    else:
        text = _gregorian(stamps.astype(str), declaration)
        if declaration.time_format == ISO_TIME:
            _refuse_some_offsets(text, where, line_of)
            parsed = _iso(text)
        else:
            aware = "%z" in declaration.time_format
            if (padded := _padded(declaration.time_format)) is not None:
                text = text.where(text.str.fullmatch(padded))
            parsed = pd.DatetimeIndex(pd.to_datetime(text, format=declaration.time_format, errors="coerce", utc=aware))
            parsed = parsed.where(~_misread(text, declaration.time_format))
        # Beyond it, what moves a time by hours runs over: an error at best, another century at worst.
        parsed = parsed.where(np.abs(parsed.asi8.astype(np.float64)) < _REACH_NS)
    missing = np.flatnonzero(parsed.isna())
    remedy = _remedy(str(stamps.iloc[missing[0]]), declaration) if len(missing) else ""
    _refuse_missing(
        parsed, stamps, f"{where}: time does not fit time_format = {declaration.time_format!r}", line_of, remedy
    )
    return parsed


def _remedy(stamp: str, declaration: Declaration) -> str:
    """What to do about a time that does not fit, by what it looks like."""
    year = re.search(r"(?<!\d)2[45]\d\d(?=\D|\d{4}(?!\d))", stamp)
    if year and declaration.calendar == "gregorian":
        return f'{year[0]} looks like a year of the Buddhist era: declare calendar = "buddhist" in source.toml.'
    if declaration.calendar != "gregorian" and re.search(r"(?<!\d)(?:19|20)\d\d", stamp):
        return 'The year looks Gregorian: take calendar = "buddhist" out of source.toml.'
    settled = declaration.settles("time_format")
    if re.search(r"\d\s?[AaPp]\.?[Mm]\b", stamp):
        needed = 'format = "csv" and ' if settled else ""
        return f"A clock of 12 hours needs {needed}a time_format with %I and %p, as '%m/%d/%Y %I:%M %p'."
    if settled:
        return f"{declaration.vendor_name} writes no such time: correct the line, or get the file again."
    return "Correct time_format in source.toml, or the line."


def _zone_remedy(declaration: Declaration) -> str:
    """How to say the zone of times without one; some formats take no such key, since the vendor always writes it."""
    if declaration.settles("timezone"):
        return f"{declaration.vendor_name} writes an offset in every time: get the file again as it came."
    return 'Add the zone the vendor writes, e.g. timezone = "UTC" or timezone = "America/New_York".'


def _gregorian(text: pd.Series, declaration: Declaration) -> pd.Series:
    """Times with the years of the declared calendar turned into years AD; what holds no such year is missing."""
    if declaration.calendar == "gregorian":
        return text
    pattern = declaration.time_format
    part = r"[0-9]{2}" if _padded(pattern) else r"\S+?"
    before = "" if pattern == ISO_TIME else re.sub("%[A-Za-z]", lambda _: part, re.escape(pattern.split("%Y")[0]))
    parts = text.str.extract(rf"^\s*({before})(\d{{4}})(.*)$")
    years = pd.to_numeric(parts[1], errors="coerce") - BUDDHIST_ERA_YEARS
    return (parts[0] + years.astype("Int64").astype(str).str.zfill(4) + parts[2]).astype(str)


def _refuse_some_offsets(text: pd.Series, where: str, line_of: LineOf) -> None:
    """Offsets may differ from row to row, but either every row carries one or none does."""
    carries = text.str.contains(_OFFSET, regex=True).to_numpy()
    if carries.any() and not carries.all():
        first = int(np.flatnonzero(carries != carries[0])[0])
        raise BadInputError(
            f"{where}, line {line_of(first)}: {_shown(text.iloc[first])} carries "
            f"{'an' if carries[first] else 'no'} offset, unlike {_shown(text.iloc[0])} in line {line_of(0)}: the "
            f"times cannot be read by one rule (time_format = {ISO_TIME!r}). Export them all with an offset, or all "
            "without one and declare timezone."
        )


def _padded(pattern: str) -> str | None:
    """Regular expression of whole numbers for a pattern of which some run together, else None.

    Without it ``%H%M%S`` reads the 11000 that a spreadsheet left of 011000 as 11:00:00.
    """
    if re.search(r"%[YmdHIMSyj]%[YmdHIMSyj]", pattern) is None or re.search(r"%[^YmdHIMSyj]", pattern):
        return None
    parts = re.split(r"%([YmdHIMSyj])", pattern)
    return "".join(f"[0-9]{{{_DIGITS[part]}}}" if number % 2 else re.escape(part) for number, part in enumerate(parts))


def _misread(text: pd.Series, pattern: str) -> np.ndarray:
    """Rows that pandas reads as another time than they say, bool shape (N,).

    Seconds 60 and 61 become the next minute, and the words ``now`` and ``today`` the clock of this machine.
    """
    found = text.str.contains("6[01]|^[a-z]+$", regex=True, na=False).to_numpy(dtype=bool).copy()
    for row in np.flatnonzero(found):
        try:
            datetime.strptime(text.iloc[row], pattern)  # noqa: DTZ007 - only whether it can be read
            found[row] = False
        except ValueError as problem:
            found[row] = text.iloc[row].isalpha() or "second must be in" in str(problem)
    return found


def _iso(text: pd.Series) -> pd.DatetimeIndex:
    """ISO times; with offsets they come out in UTC, without they stay naive."""
    aware = bool(text.iloc[:1].str.contains(_OFFSET, regex=True).any())
    # A day alone is no minute, and where digits got lost another time may be left: 12:3 of 12:30.
    whole = pc.match_substring_regex(pa.array(text, pa.string()), _ISO_SHAPE).to_numpy(zero_copy_only=False)
    text = text.where(whole.astype(bool))
    return pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=aware))


def _shown(stamp: object) -> str:
    """A time as a message shows it; what stands in a file may be of any length."""
    return repr(stamp)[:90]


def _refuse_missing(parsed: pd.DatetimeIndex, stamps: pd.Series, what: str, line_of: LineOf, remedy: str) -> None:
    missing = np.flatnonzero(parsed.isna())
    if len(missing):
        first = int(missing[0])
        raise BadInputError(
            f"{what}: line {line_of(first)} has {_shown(stamps.iloc[first])} ({len(missing)} such lines). {remedy}"
        )
