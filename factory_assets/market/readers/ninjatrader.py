"""NinjaTrader 8 minute exports: the delimited reader, and what is known of the vendor besides its conventions.

Conventions: :mod:`factory_assets.market.readers.conventions`. Here stand the mistakes such folders come with: a file of
quotes, of ticks or of larger bars, a header somebody added, a month in the file's name that is not the declared one.
"""

from pathlib import Path

from factory_assets.market.readers.conventions import CONVENTIONS, named_file
from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration
from factory_assets.market.readers.delimited import read_csv, sniff
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.instruments import Instrument

_QUOTES = ("bid", "ask")


def read_ninjatrader(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of one NinjaTrader 8 export; a row's ``open_time`` is its stamp less one minute.

    Parameters
    ----------
    path : Path
        Export of one delivery month, data type *Last*, interval one minute.
    instrument : Instrument
        Product the file has to hold.
    declaration : Declaration
        Of format ``ninjatrader8``; names the file's delivery month.

    Raises
    ------
    BadInputError
        Quotes, ticks, larger bars, a header, another delimiter, a month other than the file's name says, or damaged
        lines: one message with file, line and remedy.
    ForeignContractError
        The file's name or the declared expiry is of another product.
    """
    _check_name(path, instrument, declaration)
    _check_shape(path, declaration)
    return read_csv(path, instrument, declaration)


def _check_name(path: Path, instrument: Instrument, declaration: Declaration) -> None:
    named = named_file(path.name)
    if named is None:
        return
    if named.kind in _QUOTES:
        raise BadInputError(
            f"{path}: its name says {named.kind} prices: quotes, not trades. Export data type Last, or rename the file "
            "if it does hold trades."
        )
    if named.root != instrument.symbol:
        raise ForeignContractError(
            f"{path}: its name says {named.root}, but {instrument.symbol} is being read. Nothing was read; keep one "
            "product a folder and ingest this file under its own contract."
        )
    declared = declaration.expiry_in(path.name)
    if not named.agrees(declared):
        raise BadInputError(
            f"{path}: its name says delivery month {named.expiry}, {DECLARATION_FILE} declares {declared}. Correct the "
            "declaration, or rename the file if its name is wrong."
        )


def _check_shape(path: Path, declaration: Declaration) -> None:
    facts, fields = sniff(path), CONVENTIONS[declaration.format].fields
    what = f"{path}: expected NinjaTrader 8 minute bars, {fields} fields with ';' between them and no header"
    if facts.header:
        raise BadInputError(
            f"{what}; line 1 holds no number: {','.join(facts.first)[:80]!a}. Remove that line, or declare the columns "
            'by their names under format = "csv".'
        )
    if facts.delimiter != declaration.delimiter or len(facts.first) != fields:
        raise BadInputError(
            f"{what}; line 1 has {len(facts.first)} fields with {facts.delimiter!r} between them. Export minute bars "
            '(ticks and days have other fields), or declare the file under format = "csv".'
        )
