"""Whose shape a text file has, and what speaks for either of two vendors that write the same one.

``yyyyMMdd HHmmss;open;high;low;close;volume`` without a header comes from NinjaTrader 8 (UTC, stamped at the bar's
end) and from HistData (fixed eastern time, stamped at its start). How many minutes fall into sessions under a reading
is evidence, never a verdict: a daytime file fits several.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd

from factory_assets.market.readers.conventions import CONVENTIONS, named_file
from factory_assets.market.readers.declaration import Declaration, settled_declaration, toml_value
from factory_assets.market.readers.delimited import Sniffed, read_stamps
from factory_assets.market.readers.times import open_times_us
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError
from factory_assets.vocabulary.instruments import Instrument

_RUN_TOGETHER = re.compile(r"[0-9]{8} [0-9]{6}")
_NAIVE_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_SECONDS_OR_OFFSET = re.compile(r"[0-9]{9,10}|.+(?:[+-][0-9]{2}:[0-9]{2}|Z)")
_DATABENTO = ("rtype", "publisher_id", "instrument_id")
_ZONES = ("UTC", "America/New_York", "America/Chicago", "EST")
_SERVER_ZONES = ("America/New_York+07:00", "Europe/Athens")
_ROWS_LOOKED_AT = 200_000


def formats_of_shape(facts: Sniffed) -> list[str]:
    """Formats whose vendor writes such first lines, sorted; several mean that the lines cannot tell which."""
    names = {name.strip() for name in facts.first}
    stamp = facts.sample[0].strip() if facts.sample else ""
    if facts.header:
        found = {
            "databento_csv": names.issuperset(_DATABENTO),
            "metatrader5": _has_columns(facts, "metatrader5"),
            "tradestation": _has_columns(facts, "tradestation") and (names >= {"Up", "Down"} or names >= {"Vol", "OI"}),
            "tradingview": _has_columns(facts, "tradingview") and _SECONDS_OR_OFFSET.fullmatch(stamp) is not None,
            "firstrate": _is_firstrate_header(facts) and _NAIVE_ISO.fullmatch(stamp) is not None,
        }
        return sorted(name for name, fits in found.items() if fits)
    six = len(facts.first) == CONVENTIONS["firstrate"].fields
    if six and facts.delimiter == ";" and _RUN_TOGETHER.fullmatch(facts.first[0].strip()):
        return ["histdata", "ninjatrader8"]
    return ["firstrate"] if six and facts.delimiter == "," and _NAIVE_ISO.fullmatch(facts.first[0].strip()) else []


def _has_columns(facts: Sniffed, format_name: str) -> bool:
    reading = settled_declaration(format_name)
    return facts.delimiter == reading.delimiter and set(facts.first).issuperset(reading.columns.values())


def _is_firstrate_header(facts: Sniffed) -> bool:
    known = CONVENTIONS["firstrate"].optional_header
    names = [name.strip().lower() for name in facts.first]
    return len(names) == len(known) and all(name in one for name, one in zip(names, known, strict=True))


def evidence_stamps(path: Path, reading: Declaration) -> pd.Series | None:
    """The first times of a file, as many as evidence takes; None if they cannot be read by this reading."""
    try:
        return read_stamps(path, reading).head(_ROWS_LOOKED_AT)
    except BadInputError:  # told in full when the file is read; here it only is no evidence
        return None


def session_fit(stamps: pd.Series | None, reading: Declaration, instrument: Instrument) -> tuple[int, int] | None:
    """Minutes that lie in the contract's sessions under a reading, and all of them; None if it does not fit them."""
    if stamps is None or len(stamps) == 0:
        return None
    try:
        open_us = open_times_us(stamps, reading, reading.format, lambda row: row + 1)
        sessions = SessionCalendar.of(instrument).covering(open_us)
    except (BadInputError, NaiveTimestampError):
        return None
    return int((sessions.locate(open_us) >= 0).sum()), len(open_us)


def zone_evidence(path: Path, reading: Declaration, instrument: Instrument, labels: Sequence[str]) -> list[str]:
    """One sentence a zone and bar label: how many minutes would lie in sessions. Best first; a tie proves nothing."""
    zones = (*_ZONES, *_SERVER_ZONES) if reading.format == "metatrader5" else _ZONES
    stamps = evidence_stamps(path, reading)
    fits = []
    for zone, label in product(zones, labels):
        fit = session_fit(stamps, replace(reading, timezone=zone, bar_label=label), instrument)
        if fit is not None:
            fits.append((*fit, zone, label))
    fits.sort(key=lambda fit: -fit[0])
    return [
        f"as {zone}, stamped at the {label}: {inside} of {rows} minutes lie in {instrument.symbol} sessions"
        for inside, rows, zone, label in fits
    ]


def lookalike_evidence(path: Path, formats: Sequence[str], instrument: Instrument) -> str:
    """What each of several vendors of one shape would mean, and how the minutes fall into sessions under each."""
    found = []
    for name in reversed(formats):
        convention = CONVENTIONS[name]
        reading = settled_declaration(name)
        zone = "fixed EST" if reading.timezone == "EST" else reading.timezone
        meant = f"{convention.vendor} ({zone}, stamped at the {reading.bar_label})"
        fit = session_fit(evidence_stamps(path, reading), reading, instrument)
        counted = "" if fit is None else f" {fit[0]} of {fit[1]} minutes lie in {instrument.symbol} sessions"
        found.append(f"as {meant}{counted}")
    vendors = " and ".join(CONVENTIONS[name].vendor for name in reversed(formats))
    return f"{vendors} both write this shape, with different meanings: {'; '.join(found)}."


def month_lines(files: Sequence[Path], instrument: Instrument) -> list[str]:
    """Lines that declare delivery months, as far as the files' names say them; the rest is commented out."""
    named = {path.name: named_file(path.name) for path in files}
    month = f"{instrument.symbol}{instrument.delivery_months[0]}6"
    if len(files) == 1 and not any(named.values()):
        return [
            f'# expiry = "{month}"         # to be filled in: the delivery month of all rows; if the vendor joined '
            "several to one series,",
            "#                            # a section [expiry_from] with the first trade date of each month takes its "
            f'place: "2026-06-11" = "{month}"',
        ]
    lines = ["[expiry_of_file]            # the delivery month of each file, as its name says"]
    for name, found in named.items():
        known = found is not None and found.root == instrument.symbol
        lines.append(
            f"{toml_value(name)} = {toml_value(found.expiry)}"
            if found is not None and known
            else f"# {toml_value(name)} = ...   # to be filled in"
        )
    return lines
