"""What a raw folder can prove about itself, and what a person has to declare.

DBN files describe themselves. Text and Parquet files never say which end of the minute stamps a bar, and seldom their
zone; two vendors write the same shape with different meanings. So for them detection collects evidence and refuses,
with the text to put into ``source.toml``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.market.readers.databento import dbn_metadata
from factory_assets.market.readers.declaration import (
    DECLARATION_FILE,
    FORMATS,
    REQUIRED_COLUMNS,
    Declaration,
    toml_value,
)
from factory_assets.market.readers.delimited import sniff
from factory_assets.market.readers.lookalikes import has_shared_shape, lookalike_evidence, ninjatrader_proposal
from factory_assets.vocabulary.errors import AmbiguousFormatError, BadInputError
from factory_assets.vocabulary.instruments import Instrument

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]|$)")
_USUAL_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "time": ("open_time", "time", "timestamp", "datetime"),
        "date": ("date",),
        "open": ("open",),
        "high": ("high",),
        "low": ("low",),
        "close": ("close", "last"),
        "volume": ("volume",),
        "expiry": ("expiry", "symbol", "contract"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A proposed declaration and what it rests on.

    Attributes
    ----------
    declaration : Declaration
        Conventions the files prove.
    evidence : tuple of str
        One sentence a fact, for the user.
    """

    declaration: Declaration
    evidence: tuple[str, ...]


def detect(folder: Path, instrument: Instrument) -> Detection:
    """Propose a declaration for a raw folder.

    Raises
    ------
    AmbiguousFormatError
        The files cannot prove zone, bar label or volume meaning: the message holds the ``source.toml`` to write.
    BadInputError
        No such folder, no data files, or files of several formats.
    """
    format_name, files = data_files(folder)
    first = files[0]
    if format_name == "databento_dbn":
        facts = dbn_metadata(first)
        evidence = (
            f"{len(files)} DBN files; {first.name}: {', '.join(f'{key} {value}' for key, value in facts.items())}",
            "Databento stamps ohlcv-1m records with the bar's open in UTC and counts volume in contracts",
        )
        return Detection(declaration=Declaration(format=format_name, contract=instrument.symbol), evidence=evidence)
    evidence_of = _csv_evidence if format_name == "csv" else _parquet_evidence
    seen, proposal = evidence_of(files, instrument)
    raise AmbiguousFormatError(
        f"{folder}: {len(files)} {format_name} files and no {DECLARATION_FILE}. {seen} Nothing in the files proves "
        "whether a row is stamped with the open or the close of its minute, in which time zone, and what volume "
        f"counts; vendors differ. Write {folder / DECLARATION_FILE} with (check every line, fill in what is commented "
        "out):\n\n"
        f'format = "{format_name}"\n'
        f"contract = {toml_value(instrument.symbol)}\n"
        'bar_label = "open"          # or "close"\n'
        'timezone = "UTC"            # or the zone the vendor writes, e.g. "America/New_York"\n'
        'volume = "contracts"        # or "ticks"\n'
        f"{proposal}"
    )


def data_files(folder: Path) -> tuple[str, list[Path]]:
    """Format and data files of a raw folder, sorted by name. Files of no known format are not among them.

    Raises
    ------
    BadInputError
        No such folder, no data files, files of several formats, or data files in subfolders.
    """
    if not folder.is_dir():
        what = "is a file; expected the folder that holds it" if folder.exists() else "no such folder"
        raise BadInputError(f"{folder}: {what}. Give the folder with the raw files of one contract.")
    suffixes_known = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    broken = [
        p.name
        for p in sorted(folder.iterdir())
        if p.is_symlink() and not p.exists() and (_is_data(p, suffixes_known) or p.name == DECLARATION_FILE)
    ]
    if broken:
        raise BadInputError(
            f"{folder}: links to nothing: {broken[:5]}. Restore the files they point to, or remove them."
        )
    found = {
        name: files
        for name, suffixes in FORMATS.items()
        if (files := sorted(p for p in folder.iterdir() if p.is_file() and _is_data(p, suffixes)))
    }
    if not found:
        known = sorted(suffix for suffixes in FORMATS.values() for suffix in suffixes)
        raise BadInputError(f"{folder}: no raw files; expected some of {known}. Put the vendor's files there.")
    nested = [p.name for p in sorted(folder.iterdir()) if p.is_dir() and _holds_data(p)]
    if nested:
        raise BadInputError(f"{folder}: raw files in subfolders {nested[:5]} would be left out. Put all in one folder.")
    if len(found) > 1:
        listing = "; ".join(f"{name}: {len(files)} files, e.g. {files[0].name}" for name, files in found.items())
        raise BadInputError(f"{folder}: files of several formats ({listing}). Keep one format a folder.")
    return next(iter(found.items()))


def _holds_data(folder: Path) -> bool:
    suffixes = tuple(suffix for known in FORMATS.values() for suffix in known)
    return any(path.is_file() and _is_data(path, suffixes) for path in folder.iterdir())


def _is_data(path: Path, suffixes: tuple[str, ...]) -> bool:
    name = path.name.lower()
    return not name.startswith((".", "readme")) and name.endswith(suffixes)


def _csv_evidence(files: Sequence[Path], instrument: Instrument) -> tuple[str, str]:
    path = files[0]
    facts = sniff(path)
    seen = (
        f"{path.name} looks delimited by {facts.delimiter!r}, header {str(facts.header).lower()}; a row: "
        f"{facts.sample_line!r}."
    )
    found: dict[str, str | int]
    if facts.header:
        found = dict(_named(facts.first))
        shown = facts.sample if facts.sample != facts.first else ()
    else:
        apart = len(facts.first) > len(REQUIRED_COLUMNS) and ":" in facts.first[1]
        fields = ("date", *REQUIRED_COLUMNS) if apart else REQUIRED_COLUMNS
        found = {field: number for number, field in enumerate(fields, start=1) if number <= len(facts.first)}
        shown = facts.sample
    numbers = [facts.first.index(place) if isinstance(place, str) else place - 1 for place in _stamps(found)]
    stamp = " ".join(shown[number].strip() for number in numbers if number < len(shown))
    lines = [
        f"delimiter = {toml_value(facts.delimiter)}",
        f"header = {toml_value(facts.header)}",
        'time_format = "iso8601"'
        if _ISO_DATE.match(stamp)
        else "# time_format = ...          # to be filled in: a strptime pattern such as '%Y%m%d %H%M%S', or 'epoch_s';"
        f" the times look like {stamp!a}",
    ]
    heading = "[columns]                   # " + ("names in the header" if facts.header else "numbers, the first is 1")
    template = _template(lines, heading, found, instrument)
    if has_shared_shape(facts):
        return f"{seen} {lookalike_evidence(path, instrument)}", template + "\n" + ninjatrader_proposal(
            files, instrument
        )
    return seen, template


def _parquet_evidence(files: Sequence[Path], instrument: Instrument) -> tuple[str, str]:
    path = files[0]
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as problem:
        raise BadInputError(f"{path}: not a whole Parquet file: {problem}. Export it again.") from problem
    listing = ", ".join(f"{field.name} ({field.type})" for field in schema)
    found: dict[str, str | int] = dict(_named(schema.names))
    stamped = all(pa.types.is_timestamp(schema.types[schema.names.index(place)]) for place in _stamps(found))
    pattern = (
        "# time_format = ...          # to be filled in unless 'iso8601': a strptime pattern, or 'epoch_s' and so on"
    )
    lines = [] if stamped else [pattern]
    return f"{path.name} has the columns {listing}.", _template(lines, "[columns]", found, instrument)


def _named(names: Sequence[str]) -> dict[str, str]:
    """Column of each field by its usual names in any case; what is left takes the other columns in their order."""
    free = {name.strip().lower(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for field, usual in _USUAL_NAMES.items():
        known = next((free.pop(name) for name in usual if name in free), None)
        if known is not None:
            found[field] = known
    if "time" not in found and "date" in found:
        found["time"] = found.pop("date")
    elif "date" in found and found["time"].strip().lower() != "time":
        del found["date"]  # a timestamp or open_time is whole by itself
    left = [name for name in names if name not in found.values() and name.strip().lower() not in {"", "date"}]
    for field in REQUIRED_COLUMNS:
        if field not in found and left:
            found[field] = left.pop(0)
    return found


def _stamps(found: Mapping[str, str | int]) -> list[Any]:
    return [found[field] for field in ("date", "time") if field in found]


def _template(lines: list[str], heading: str, found: Mapping[str, str | int], instrument: Instrument) -> str:
    """The rest of the text to declare; what nobody can know from the files stays a comment."""
    month = f"{instrument.symbol}{instrument.delivery_months[0]}6"
    if "expiry" not in found:
        lines = [
            *lines,
            f'# expiry = "{month}"         # to be filled in: the delivery month of all rows, unless a column names it',
        ]
    wanted = [field for field in ("date", *REQUIRED_COLUMNS, "expiry") if field in found or field in REQUIRED_COLUMNS]
    columns = [
        f"{field} = {toml_value(found[field])}" if field in found else f"# {field} = ...   # no column is left for it"
        for field in wanted
    ]
    return "\n".join([*lines, "", heading, *columns]) + "\n"
