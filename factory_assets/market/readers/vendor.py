"""Delimited files of vendors whose header decides what a person need not declare.

Conventions: :mod:`factory_assets.market.readers.conventions`. Here one file's first lines complete the folder's
declaration: whether a header stands where the vendor writes none, which columns hold the volume, and whether a time is
a count of seconds. Only what the lines prove is filled in; whatever they leave open is an error.
"""

import re
from dataclasses import replace
from pathlib import Path

from factory_assets.market.readers.conventions import CONVENTIONS, Convention
from factory_assets.market.readers.declaration import ISO_TIME, Declaration
from factory_assets.market.readers.delimited import Sniffed, read_csv, sniff
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

_SECONDS = re.compile(r"[0-9]{9,10}")


def read_vendor(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of one file of a vendor's delimited format.

    Parameters
    ----------
    path : Path
        Export of one product.
    instrument : Instrument
        Product the file has to hold.
    declaration : Declaration
        Of a format in :data:`~factory_assets.market.readers.conventions.CONVENTIONS`.

    Raises
    ------
    BadInputError
        The first lines are not the vendor's, or a later line is damaged: one message with file, line and remedy.
    ForeignContractError
        The declared month is of another product.
    """
    return read_csv(path, instrument, of_file(path, declaration))


def of_file(path: Path, declaration: Declaration) -> Declaration:
    """The folder's declaration, completed by what the first lines of one file prove.

    Raises
    ------
    BadInputError
        The lines are not of the declared format, or several columns may be the volume.
    """
    convention, facts = CONVENTIONS[declaration.format], sniff(path, skip_lines=declaration.skip_lines)
    if not declaration.header:
        return _without_header(path, facts, convention, declaration)
    return _with_header(path, facts, convention, declaration)


def _without_header(path: Path, facts: Sniffed, convention: Convention, declaration: Declaration) -> Declaration:
    what = (
        f"{path}: expected {convention.vendor} minute bars, {convention.fields} fields with {declaration.delimiter!r} "
        f"between them{'' if convention.optional_header else ' and no header'}"
    )
    names = [name.strip().lower() for name in facts.first]
    skipped = 0
    if facts.header:
        known = convention.optional_header
        if len(names) != len(known) or any(name not in one for name, one in zip(names, known, strict=True)):
            raise BadInputError(
                f"{what}; line {declaration.skip_lines + 1} holds no number: {','.join(facts.first)[:80]!a}. Remove "
                'that line, or declare the columns by their names under format = "csv".'
            )
        skipped = facts.line
    if facts.delimiter != declaration.delimiter or len(facts.first) != convention.fields:
        raise BadInputError(
            f"{what}; line {facts.line} has {len(facts.first)} fields with {facts.delimiter!r} between them. Export "
            'minute bars (ticks and days have other fields), or declare the file under format = "csv".'
        )
    return replace(declaration, skip_lines=skipped or declaration.skip_lines)


def _with_header(path: Path, facts: Sniffed, convention: Convention, declaration: Declaration) -> Declaration:
    wanted = [str(place) for place in declaration.columns.values()]
    missing = [name for name in wanted if name not in facts.first]
    if missing or facts.delimiter != declaration.delimiter:
        raise BadInputError(
            f"{path}: expected a {convention.vendor} export with the columns {', '.join(wanted)} and "
            f"{declaration.delimiter!r} between them; line {facts.line} is "
            f"{facts.delimiter.join(facts.first)[:120]!a}. Export it again, or declare the columns by their names "
            'under format = "csv".'
        )
    columns = dict(declaration.columns)
    if declaration.has_volume:
        columns["volume"] = _volume_columns(path, facts, convention, declaration)
    stamp = facts.sample[facts.first.index(columns["time"])] if len(facts.sample) == len(facts.first) else ""
    seconds = "date" not in columns and declaration.time_format == ISO_TIME and _SECONDS.fullmatch(stamp.strip())
    return replace(declaration, columns=columns, time_format="epoch_s" if seconds else declaration.time_format)


def _volume_columns(
    path: Path, facts: Sniffed, convention: Convention, declaration: Declaration
) -> tuple[str | int, ...]:
    choices = convention.volume_columns.get(declaration.volume, ())
    found = [names for names in choices if all(name in facts.first for name in names)]
    if len(found) == 1:
        return found[0]
    sought = " or ".join(" + ".join(names) for names in choices)
    if not found:
        raise BadInputError(
            f"{path}: line {facts.line} names no column for volume = {declaration.volume!r} ({sought}); it names "
            f'{", ".join(facts.first)[:120]!a}. Export it with its volume, or declare volume = "none": what depends on '
            "volume is then masked."
        )
    raise BadInputError(
        f"{path}: line {facts.line} names several columns for the volume ({sought}), and nothing says which is meant. "
        'Declare the file under format = "csv" and name one in [columns].'
    )
