"""What a raw folder can prove about itself, and what a person has to declare.

DBN files describe themselves. Text and Parquet files never say which end of the minute stamps a bar, and seldom their
zone; two vendors write the same shape with different meanings. So for them detection collects evidence and refuses,
with the text to put into ``source.toml``.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.market.readers.databento import dbn_metadata
from factory_assets.market.readers.declaration import DECLARATION_FILE, FORMATS, Declaration
from factory_assets.market.readers.delimited import sniff
from factory_assets.vocabulary.errors import AmbiguousFormatError, BadInputError
from factory_assets.vocabulary.instruments import Instrument


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
    seen, proposal = _csv_evidence(first) if format_name == "csv" else _parquet_evidence(first)
    raise AmbiguousFormatError(
        f"{folder}: {len(files)} {format_name} files and no {DECLARATION_FILE}. {seen} Nothing in the files proves "
        "whether a row is stamped with the open or the close of its minute, in which time zone, and what volume "
        f"counts; vendors differ. Write {folder / DECLARATION_FILE} with:\n\n"
        f'format = "{format_name}"\n'
        f'contract = "{instrument.symbol}"\n'
        'bar_label = "open"          # or "close"\n'
        'timezone = "UTC"            # or the zone the vendor writes, e.g. "America/New_York"\n'
        'volume = "contracts"        # or "ticks"\n'
        f'expiry = "{instrument.symbol}{instrument.delivery_months[0]}6"'
        "            # the delivery month of all rows; remove it if [columns] names an expiry column\n"
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


def _csv_evidence(path: Path) -> tuple[str, str]:
    facts = sniff(path)
    seen = (
        f"{path.name} looks delimited by {facts['delimiter']!r}, header {facts['header']}; a row: {facts['sample']!r}."
    )
    delimiter = facts["delimiter"].replace("\t", "\\t")
    header = facts["header"] == "true"
    lines = [
        f'delimiter = "{delimiter}"',
        f"header = {facts['header']}",
        'time_format = "iso8601"     # or a strptime pattern such as "%Y%m%d %H%M%S", or "epoch_s"',
        "",
        "[columns]                   # " + ("names in the header" if header else "column numbers, the first is 1"),
    ]
    names = facts["first"].split(facts["delimiter"])
    for position, field in enumerate(("time", "open", "high", "low", "close", "volume")):
        lines.append(
            f'{field} = "{names[position].strip()}"'
            if header and position < len(names)
            else f"{field} = {position + 1}"
        )
    return seen, "\n".join(lines)


def _parquet_evidence(path: Path) -> tuple[str, str]:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as problem:
        raise BadInputError(f"{path}: not a whole Parquet file: {problem}. Export it again.") from problem
    listing = ", ".join(f"{field.name} ({field.type})" for field in schema)
    fields = [f'{field} = "{field}"' for field in ("time", "open", "high", "low", "close", "volume")]
    return f"{path.name} has the columns {listing}.", "\n".join(["", "[columns]", *fields])
