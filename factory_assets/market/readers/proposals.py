"""The wording of a proposed declaration: what is known stands as TOML, what only the vendor knows as a comment.

Belongs here: text and evidence. Does not: which format a folder may have
(:mod:`factory_assets.market.readers.detection`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.market.readers.conventions import CONVENTIONS
from factory_assets.market.readers.declaration import (
    BAR_LABELS,
    DECLARATION_FILE,
    ISO_TIME,
    NO_VOLUME,
    REQUIRED_COLUMNS,
    Declaration,
    Place,
    settled_declaration,
    toml_value,
)
from factory_assets.market.readers.delimited import Sniffed
from factory_assets.market.readers.lookalikes import (
    evidence_stamps,
    lookalike_evidence,
    month_lines,
    session_fit,
    zone_evidence,
)
from factory_assets.market.readers.vendor import of_file
from factory_assets.vocabulary.errors import BadInputError
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
class Proposal:
    """Text of a ``source.toml`` for a person to check, complete and confirm.

    Attributes
    ----------
    format : str
        Format it proposes.
    evidence : tuple of str
        One sentence a fact.
    text : str
        TOML with ``confirmed = false``; what nobody can know from the files is commented out.
    needed : bool
        False if the files prove everything and are read without a declaration.
    """

    format: str
    evidence: tuple[str, ...]
    text: str
    needed: bool = True


def commented(proposal: Proposal, files: Sequence[Path]) -> Proposal:
    """The same with its evidence as comments in front of the lines."""
    lines = [
        f"Proposed by factory ingest --detect for {len(files)} files, the first {files[0].name}.",
        "Check every line against what the vendor says, fill in what is commented out, then set confirmed = true.",
        "Evidence:",
        *(f"- {sentence}" for sentence in proposal.evidence),
    ]
    # A line of a file may hold anything, but a comment ends with the line.
    told = "".join(f"# {re.sub('[^ -~]', '?', line)}\n" for line in lines)
    return Proposal(
        format=proposal.format, evidence=proposal.evidence, text=told + proposal.text, needed=proposal.needed
    )


def refusal(folder: Path, files: Sequence[Path], shapes: Sequence[str], instrument: Instrument) -> str:
    """Both readings side by side; nothing in the rows can choose between them."""
    blocks = []
    for name in reversed(shapes):
        lines = [f'format = "{name}"', f"contract = {toml_value(instrument.symbol)}", *month_lines(files, instrument)]
        blocks.append(f"If {CONVENTIONS[name].vendor} wrote the files:\n\n" + "\n".join(lines) + "\n")
    return (
        f"{folder}: {len(files)} csv files, the first {files[0].name}. "
        f"{lookalike_evidence(files[0], shapes, instrument)} A wrong choice shifts every bar, so none is made. Write "
        f"{folder / DECLARATION_FILE} with one of these, or with "
        'format = "csv" and every convention if a third wrote them.\n\n' + "\n".join(blocks)
    )


def vendor_proposal(name: str, files: Sequence[Path], facts: Sniffed | None, instrument: Instrument) -> Proposal:
    """A vendor's format by its shape: what it settles is said, what it leaves open is to be filled in."""
    convention, path = CONVENTIONS[name], files[0]
    evidence = [] if facts is None else [_seen(path, facts)]
    if facts is not None:
        evidence.append(f"{convention.vendor} writes this shape; if another program wrote it, declare format = 'csv'.")
    settled = {key: convention.fixed[key] for key in ("timezone", "bar_label", "volume") if convention.fixed.get(key)}
    if settled:
        said = ", ".join(f"{key} {value}" for key, value in settled.items())
        evidence.append(f"{convention.vendor} settles: {said}.")
    evidence += _fit_evidence(path, name, instrument) if facts is not None and name != "databento_csv" else []
    lines = [f'format = "{name}"', f"contract = {toml_value(instrument.symbol)}", "confirmed = false"]
    lines += [f"# {key} = ...          # to be filled in: {why}" for key, why in convention.asked.items()]
    if not convention.names_months and name != "databento_csv":
        lines += month_lines(files, instrument)
    return Proposal(format=name, evidence=tuple(evidence), text="\n".join(lines) + "\n")


def _fit_evidence(path: Path, name: str, instrument: Instrument) -> list[str]:
    """How the minutes fall into sessions as the vendor settles it, or under the zones it may be."""
    convention = CONVENTIONS[name]
    reading = of_file(path, replace(settled_declaration(name), volume=NO_VOLUME))
    if "timezone" in convention.asked:
        return zone_evidence(path, reading, instrument, (reading.bar_label,))
    fit = session_fit(evidence_stamps(path, reading), reading, instrument)
    settled = [f"as settled: {fit[0]} of {fit[1]} minutes lie in {instrument.symbol} sessions"] if fit else []
    # Times that carry their offset are the same under every zone.
    others = zone_evidence(path, reading, instrument, BAR_LABELS) if reading.timezone else []
    return settled + others


def _seen(path: Path, facts: Sniffed) -> str:
    return (
        f"{path.name} looks delimited by {facts.delimiter!r}, header {str(facts.header).lower()}; a row: "
        f"{facts.sample_line[:200]!r}."
    )


def csv_proposal(files: Sequence[Path], facts: Sniffed, instrument: Instrument) -> Proposal:
    """Columns by their usual names, and the conventions no file can prove as comments to fill in."""
    path = files[0]
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
    iso = _ISO_DATE.match(stamp) is not None
    lines = [
        f"delimiter = {toml_value(facts.delimiter)}",
        f"header = {toml_value(facts.header)}",
        f'time_format = "{ISO_TIME}"'
        if iso
        else "# time_format = ...          # to be filled in: a strptime pattern such as '%Y%m%d %H%M%S', or 'epoch_s';"
        f" the times look like {stamp!a}",
    ]
    places = "names in the header" if facts.header else "numbers, the first is 1: check the order"
    heading = f"[columns]                   # {places}"
    evidence = [_seen(path, facts)]
    if facts.header and len(facts.sample) > len(facts.first):
        evidence.append(
            f"Its header names {len(facts.first)} columns, a row holds {len(facts.sample)} fields, and nothing says "
            f"which has no name: declare header = false, skip_lines = {facts.line} and [columns] by numbers."
        )
    if iso:
        columns: dict[str, Place] = {field: found[field] for field in ("date", "time") if field in found}
        plain = Declaration(format="csv", delimiter=facts.delimiter, header=facts.header, columns=columns)
        evidence += zone_evidence(path, plain, instrument, BAR_LABELS)
    return Proposal(
        format="csv", evidence=tuple(evidence), text=_template("csv", lines, heading, found, files, instrument)
    )


def parquet_proposal(files: Sequence[Path], instrument: Instrument) -> Proposal:
    """As :func:`csv_proposal`, from the names and types of the columns.

    Raises
    ------
    BadInputError
        Not a whole Parquet file.
    """
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
    text = _template("parquet", [] if stamped else [pattern], "[columns]", found, files, instrument)
    return Proposal(format="parquet", evidence=(f"{path.name} has the columns {listing}.",), text=text)


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


def _doubt(field: str, place: str | int) -> str:
    """A comment on a column whose name does not say what it holds."""
    known = (*_USUAL_NAMES[field], "date") if field == "time" else _USUAL_NAMES[field]
    if isinstance(place, int) or place.strip().lower() in known:
        return ""
    return "   # by its place, not by its name: check"


def _stamps(found: Mapping[str, str | int]) -> list[str | int]:
    return [found[field] for field in ("date", "time") if field in found]


def _template(
    format_name: str,
    lines: list[str],
    heading: str,
    found: Mapping[str, str | int],
    files: Sequence[Path],
    instrument: Instrument,
) -> str:
    """The text to declare; what nobody can know from the files stays a comment."""
    wanted = [field for field in ("date", *REQUIRED_COLUMNS, "expiry") if field in found or field in REQUIRED_COLUMNS]
    months = [] if "expiry" in found else month_lines(files, instrument)
    section = months if months and not months[0].startswith("#") else []
    return (
        "\n".join(
            [
                f'format = "{format_name}"',
                f"contract = {toml_value(instrument.symbol)}",
                "confirmed = false",
                '# bar_label = "open"         # to be filled in: or "close", the end of the minute that stamps a row',
                '# timezone = "UTC"           # to be filled in: the zone the vendor writes, e.g. "America/New_York"',
                '# volume = "contracts"       # to be filled in: "contracts", "ticks" or "none"',
                *lines,
                *([] if section else months),
                "",
                heading,
                *(
                    f"{field} = {toml_value(found[field])}{_doubt(field, found[field])}"
                    if field in found
                    else f"# {field} = ...   # no column is left"
                    for field in wanted
                ),
                *(["", *section] if section else []),
            ]
        )
        + "\n"
    )
