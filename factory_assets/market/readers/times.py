"""Vendor timestamps to microseconds since 1970 UTC, by the conventions a folder declares."""

import re
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pandas as pd

from factory_assets.market.readers.declaration import ISO_TIME, TIME_FORMATS_EPOCH, Declaration
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets.vocabulary.timeframes import MINUTE_US

_UNIT_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_REACH_NS = 9.2e18
_DIGITS = MappingProxyType({"Y": 4, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "y": 2, "j": 3})
LineOf = Callable[[int], int]
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
                f"{where}, line {line_of(0)}: {stamps.iloc[0]!r} carries no time zone and source.toml declares none. "
                'Add the zone the vendor writes, e.g. timezone = "UTC" or timezone = "America/New_York".'
            )
        local = parsed
        parsed = local.tz_localize(declaration.timezone, ambiguous="NaT", nonexistent="NaT")
        _refuse_missing(
            parsed, stamps, f"{where}: a clock change skips or repeats this time in {declaration.timezone}", line_of,
            "Export the data in UTC.",
        )  # fmt: skip
    values = parsed.tz_convert("UTC").as_unit("us").asi8
    return values - MINUTE_US if declaration.bar_label == "close" else values


def _parsed(stamps: pd.Series, declaration: Declaration, where: str, line_of: LineOf) -> pd.DatetimeIndex:
    if pd.api.types.is_datetime64_any_dtype(stamps):
        parsed = pd.DatetimeIndex(stamps)
    elif declaration.time_format in TIME_FORMATS_EPOCH:
        unit = TIME_FORMATS_EPOCH[declaration.time_format]
        numbers = pd.to_numeric(stamps, errors="coerce")
        # Pandas overflows on numbers that are no time at all, before it could coerce them.
        numbers = numbers.where(numbers.astype(np.float64).abs() < _REACH_NS / _UNIT_NS[unit])
        parsed = pd.DatetimeIndex(pd.to_datetime(numbers, unit=unit, errors="coerce", utc=True))
    elif declaration.time_format == ISO_TIME:
        parsed = _iso(stamps.astype(str))
    else:
        aware = "%z" in declaration.time_format
        text = stamps.astype(str)
        if (padded := _padded(declaration.time_format)) is not None:
            text = text.where(text.str.fullmatch(padded))
        parsed = pd.DatetimeIndex(pd.to_datetime(text, format=declaration.time_format, errors="coerce", utc=aware))
    _refuse_missing(
        parsed, stamps, f"{where}: time does not fit time_format = {declaration.time_format!r}", line_of,
        "Correct time_format in source.toml, or the line.",
    )  # fmt: skip
    return parsed


def _padded(pattern: str) -> str | None:
    """Regular expression of whole numbers for a pattern of which some run together, else None.

    Without it ``%H%M%S`` reads the 11000 that a spreadsheet left of 011000 as 11:00:00.
    """
    if re.search(r"%[YmdHIMSyj]%[YmdHIMSyj]", pattern) is None or re.search(r"%[^YmdHIMSyj]", pattern):
        return None
    parts = re.split(r"%([YmdHIMSyj])", pattern)
    return "".join(f"[0-9]{{{_DIGITS[part]}}}" if number % 2 else re.escape(part) for number, part in enumerate(parts))


def _iso(text: pd.Series) -> pd.DatetimeIndex:
    """ISO times; with offsets they come out in UTC, without they stay naive. A mix of both is missing values."""
    carries_offset = text.str.contains(r"(?:[+-]\d{2}:?\d{2}|Z)\s*$", regex=True)
    if bool(carries_offset.all()):
        return pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True))
    return pd.DatetimeIndex(pd.to_datetime(text.where(~carries_offset), format="ISO8601", errors="coerce"))


def _refuse_missing(parsed: pd.DatetimeIndex, stamps: pd.Series, what: str, line_of: LineOf, remedy: str) -> None:
    missing = np.flatnonzero(parsed.isna())
    if len(missing):
        first = int(missing[0])
        raise BadInputError(
            f"{what}: line {line_of(first)} has {stamps.iloc[first]!r} ({len(missing)} such lines). {remedy}"
        )
