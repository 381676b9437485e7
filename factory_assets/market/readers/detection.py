"""What a raw folder can prove about itself, and what a person has to declare.

DBN files describe themselves. Text and Parquet files never say which end of the minute stamps a bar, and seldom their
zone; vendors write the same shape with different meanings. So for them detection collects evidence and writes a
proposal to confirm: what only the vendor knows is left to be filled in, and between two vendors of one shape it refuses
to choose. Neighbours: :mod:`factory_assets.market.readers.proposals` words the proposal,
:mod:`factory_assets.market.readers.lookalikes` tells shapes apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory_assets.market.open_interest import OPEN_INTEREST_FILE
from factory_assets.market.readers.databento import dbn_metadata
from factory_assets.market.readers.declaration import DECLARATION_FILE, FORMATS, Declaration
from factory_assets.market.readers.delimited import sniff
from factory_assets.market.readers.lookalikes import formats_of_shape
from factory_assets.market.readers.proposals import (
    Proposal,
    commented,
    csv_proposal,
    parquet_proposal,
    refusal,
    vendor_proposal,
)
from factory_assets.vocabulary.errors import AmbiguousFormatError, BadInputError
from factory_assets.vocabulary.instruments import Instrument

# Files that come with bars and hold none: open interest, and what Databento puts beside a download.
_COMPANIONS = frozenset({OPEN_INTEREST_FILE, "manifest.json", "metadata.json", "symbology.json", "condition.json"})


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
    """What a raw folder proves by itself.

    Raises
    ------
    AmbiguousFormatError
        The files cannot prove zone, bar label or volume meaning: the message holds the ``source.toml`` to write.
    BadInputError
        No such folder, no data files, or files of several formats.
    """
    format_name, files = data_files(folder)
    if format_name == "databento_dbn":
        return _dbn(files, instrument)
    proposal = propose(folder, instrument)
    raise AmbiguousFormatError(
        f"{folder}: {len(files)} {format_name} files and no {DECLARATION_FILE}. {' '.join(proposal.evidence)} Nothing "
        "in the files proves all of this: the end of the minute that stamps a row, its time zone, and what volume "
        f"counts; vendors differ. Let factory ingest --detect write {folder / DECLARATION_FILE}, or write it with "
        f"(check every line, fill in what is commented out):\n\n{proposal.text}"
    )


def propose(folder: Path, instrument: Instrument) -> Proposal:
    """A declaration for a person to confirm, with its evidence.

    Raises
    ------
    AmbiguousFormatError
        Several vendors write such files with different meanings: the message says what each would mean and what to
        declare. Nothing is proposed then.
    BadInputError
        No such folder, no data files, or files of several formats.
    """
    kind, files = data_files(folder)
    if kind == "databento_dbn":
        found = _dbn(files, instrument)
        text = found.declaration.to_toml() + "confirmed = false\n"
        joined = any("symbology continuous" in fact for fact in found.evidence)
        if joined:
            text += (
                "\n[expiry_from]               # the month of each stretch, by its first trade date; factory ingest\n"
                '# "2026-01-28" = ...         # says where the instrument id changes\n'
            )
        return commented(Proposal(format=kind, evidence=found.evidence, text=text, needed=joined), files)
    if kind == "csv" and files[0].name.lower().endswith(".zst"):
        proposal = vendor_proposal("databento_csv", files, None, instrument)
    elif kind == "csv":
        facts = sniff(files[0])
        shapes = formats_of_shape(facts)
        if len(shapes) > 1:
            raise AmbiguousFormatError(refusal(folder, files, shapes, instrument))
        proposal = (
            vendor_proposal(shapes[0], files, facts, instrument) if shapes else csv_proposal(files, facts, instrument)
        )
    elif kind == "parquet":
        proposal = parquet_proposal(files, instrument)
    else:
        proposal = vendor_proposal(kind, files, None, instrument)
    return commented(proposal, files)


def _dbn(files: Sequence[Path], instrument: Instrument) -> Detection:
    facts = dbn_metadata(files[0])
    evidence = (
        f"{len(files)} DBN files; {files[0].name}: {', '.join(f'{key} {value}' for key, value in facts.items())}",
        "Databento stamps ohlcv-1m records with the bar's open in UTC and counts volume in contracts",
    )
    return Detection(declaration=Declaration(format="databento_dbn", contract=instrument.symbol), evidence=evidence)


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
    odd = [p.name for files in found.values() for p in files if not p.name.isprintable()]
    if odd:
        raise BadInputError(f"{folder}: file names with characters that are no text: {odd[:3]!a}. Rename the files.")
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
    return not name.startswith((".", "readme")) and name not in _COMPANIONS and name.endswith(suffixes)
