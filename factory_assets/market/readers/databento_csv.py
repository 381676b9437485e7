"""Databento's bars as CSV (``.csv``, ``.csv.zst``), as the vendor's portal, ``dbn`` and ``DBNStore.to_csv`` write them.

``ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume[,symbol]``, a row stamped with the bar's open in
UTC. Times are nanoseconds since 1970 or ISO 8601, prices integers of 1e-9 points or decimals, as the export was asked
for; each column proves which: an integer has no point, and a decimal always has one.

Months come from the column ``symbol``. Without it, or under a continuous symbol, rows carry instrument ids alone, and
the month is declared: ``[expiry_of_instrument]``, ``expiry`` or ``[expiry_of_file]`` where a file holds one instrument,
or ``[expiry_from]`` for a continuous series.

References
----------
Databento, "DBNStore.to_csv" and "batch.submit_job" (``pretty_px``, ``pretty_ts``, ``map_symbols``); "map_symbols_csv"
(the columns of a raw file).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from factory_assets.market.readers.databento_facts import (
    OTHER_BARS,
    PRICE_SCALE,
    RTYPE_OHLCV_1M,
    UNDEFINED_PRICE,
    is_continuous,
    refuse_other_series,
)
from factory_assets.market.readers.declaration import DECLARATION_FILE, ISO_TIME, Declaration
from factory_assets.market.readers.limits import read_unpacked
from factory_assets.market.readers.raw import FileRead, raw_minutes, spread_names
from factory_assets.market.readers.stretches import IdMonths, months_of_ids
from factory_assets.market.readers.times import open_times_us
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

_PRICES = ("open", "high", "low", "close")
_COLUMNS = ("ts_event", "rtype", "instrument_id", *_PRICES, "volume")
_SYMBOL = "symbol"
_WHOLE, _DECIMAL = r"^-?[0-9]{1,19}$", r"^-?[0-9]{1,10}\.[0-9]{1,12}$"
_UNKNOWN = ("", "nan", "NaN")
_ISO = Declaration(format="databento_csv", bar_label="open", time_format=ISO_TIME, timezone="")


def read_databento_csv(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of the outright expiries in one CSV file.

    Parameters
    ----------
    path : Path
        Text file, plain or zstd.
    instrument : Instrument
        Product the file has to hold.
    declaration : Declaration
        The months, where no column ``symbol`` names them.

    Returns
    -------
    FileRead
        Undefined prices are NaN (validation quarantines them); spreads are left out and counted.

    Raises
    ------
    ForeignContractError
        The file holds another product.
    BadInputError
        Other columns or another schema, integers and decimals mixed, values that are no numbers, months nobody named.
    """
    table = _table(path)
    _check_schema(table, path)
    open_us = _open_us(table.column("ts_event"), path)
    prices = {name: _price(table.column(name), name, instrument, path) for name in _PRICES}
    volume = _whole(table.column("volume"), "volume", path).astype(np.float64)
    found = _months(table, open_us, instrument, declaration, path)
    names, codes = found.names, found.codes
    spreads = spread_names(names, instrument, str(path))
    outright = ~(spreads[codes] | found.superseded)
    listed = [name for name, spread in zip(names, spreads, strict=True) if not spread]
    recode = np.cumsum(~spreads) - 1
    minutes = raw_minutes(
        path.name,
        pd.Categorical.from_codes(recode[codes[outright]], listed).remove_unused_categories(),
        open_us[outright],
        {name: prices[name][outright] for name in _PRICES},
        volume[outright],
    )
    return FileRead(
        minutes=minutes,
        rows_read=len(codes),
        spread_rows=int(spreads[codes].sum()),
        superseded_rows=int(found.superseded.sum()),
    )


def _table(path: Path) -> pa.Table:
    """The columns in use, as text."""
    content = read_unpacked(path, "csv")
    names = [*_COLUMNS, _SYMBOL]
    try:
        header = bytes(content[:4096]).partition(b"\n")[0].decode("utf-8-sig").strip().replace('"', "").split(",")
        table = pacsv.read_csv(
            pa.BufferReader(content),
            read_options=pacsv.ReadOptions(use_threads=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[name for name in names if name in header],
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as problem:
        raise BadInputError(
            f"{path}: no table delimited by ',': {str(problem)[:200]}. Download the file again."
        ) from problem
    missing = [name for name in _COLUMNS if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if missing or twice:
        what = f"no column {missing}" if missing else f"columns {twice} stand in it twice"
        raise BadInputError(
            f"{path}, line 1: {what}; expected {','.join(_COLUMNS)}[,{_SYMBOL}] as Databento writes bars, got "
            f"{','.join(header)[:200]!a}. Request schema ohlcv-1m, or declare another format in {DECLARATION_FILE}."
        )
    if table.num_rows == 0:
        raise BadInputError(f"{path}: no rows. Remove the file or download it again.")
    return table


def _line(path: Path, row: int) -> str:
    return f"{path}, line {row + 2}"


def _check_schema(table: pa.Table, path: Path) -> None:
    kinds = _whole(table.column("rtype"), "rtype", path)
    wrong = np.flatnonzero(kinds != RTYPE_OHLCV_1M)
    if len(wrong):
        kind = int(kinds[wrong[0]])
        raise BadInputError(
            f"{_line(path, int(wrong[0]))}: rtype {kind} ({OTHER_BARS.get(kind, 'no bars')}), expected "
            f"{RTYPE_OHLCV_1M} ({len(wrong)} such lines). Download the file again with schema ohlcv-1m."
        )


def _first_not(column: pa.ChunkedArray, pattern: str) -> int | None:
    """First row whose text does not match; None if all do."""
    fits = np.asarray(pc.match_substring_regex(column, pattern), dtype=bool)
    wrong = np.flatnonzero(~fits)
    return int(wrong[0]) if len(wrong) else None


def _whole(column: pa.ChunkedArray, name: str, path: Path) -> np.ndarray:
    """Whole numbers, int64 shape (N,)."""
    row = _first_not(column, _WHOLE)
    if row is None:
        try:
            return np.asarray(pc.cast(column, pa.int64()), dtype=np.int64)
        except pa.ArrowInvalid:
            row = next(
                number for number, text in enumerate(column.to_pylist()) if not -(1 << 63) <= int(text) < 1 << 63
            )
    raise BadInputError(
        f"{_line(path, row)}: {name} = {column[row].as_py()[:80]!a} is no whole number. Correct or remove the line."
    )


def _price(column: pa.ChunkedArray, name: str, instrument: Instrument, path: Path) -> np.ndarray:
    """Prices in points, float64 shape (N,); NaN where Databento knows none."""
    unknown = pc.is_in(column, value_set=pa.array(_UNKNOWN))
    written = column.filter(pc.invert(unknown))
    missing = np.asarray(unknown, dtype=bool)
    values = np.full(len(column), np.nan)
    if _first_not(written, _DECIMAL) is None:
        values[~missing] = np.asarray(pc.cast(written, pa.float64()), dtype=np.float64)
        return values
    if _first_not(written, _WHOLE) is None:
        whole = _whole(written, name, path)
        values[~missing] = np.where(whole == UNDEFINED_PRICE, np.nan, whole / PRICE_SCALE)
        if np.nanmax(np.abs(values), initial=0.0) < instrument.tick_size:
            raise BadInputError(
                f"{_line(path, int(np.flatnonzero(~missing)[0]))}: {name} = {written[0].as_py()!a}: whole numbers are "
                f"prices in parts of 1e-9, and as such all of them lie below one tick ({instrument.tick_size}). "
                "Somebody cut the decimals off; download the file again."
            )
        return values
    either = f"{_DECIMAL[:-1]}$|{_WHOLE}"
    bad = _first_not(written, either)
    positions = np.flatnonzero(~missing)
    if bad is not None:
        raise BadInputError(
            f"{_line(path, int(positions[bad]))}: {name} = {written[bad].as_py()[:80]!a} is no price as Databento "
            "writes it (a whole number of 1e-9, or a decimal with a point). Correct or remove the line."
        )
    first = written[0].as_py()
    odd = _first_not(written, _DECIMAL if "." in first else _WHOLE)
    assert odd is not None
    raise BadInputError(
        f"{_line(path, int(positions[odd]))}: {name} = {written[odd].as_py()!a}, but {first!a} above: whole numbers of "
        "1e-9 and decimals in one column. Download the file again with one setting of pretty_px."
    )


def _open_us(column: pa.ChunkedArray, path: Path) -> np.ndarray:
    if _first_not(column, _WHOLE) is None:
        return _whole(column, "ts_event", path) // 1_000
    stamps = pd.Series(column.to_pandas(), dtype=object).reset_index(drop=True)
    return open_times_us(stamps, _ISO, str(path), lambda row: row + 2)


def _months(
    table: pa.Table, open_us: np.ndarray, instrument: Instrument, declaration: Declaration, path: Path
) -> IdMonths:
    """Months and combinations in use, and each row's index into them."""
    ids = _whole(table.column("instrument_id"), "instrument_id", path)
    if _SYMBOL in table.column_names:
        texts = table.column(_SYMBOL).combine_chunks().dictionary_encode()
        symbols = [str(name) for name in texts.dictionary.to_pylist()]
        if not any(is_continuous(name) for name in symbols):
            names, codes = _named(symbols, np.asarray(texts.indices, dtype=np.int64), declaration, path)
            return IdMonths(names, codes, np.zeros(len(ids), dtype=bool))
        refuse_other_series(sorted(symbols), instrument, str(path))
        return months_of_ids(ids, open_us, instrument, declaration, str(path))
    if declaration.expiry_from:
        return months_of_ids(ids, open_us, instrument, declaration, str(path))
    numbers, codes = np.unique(ids, return_inverse=True)
    names, codes = _declared(numbers.tolist(), codes, declaration, instrument, path)
    return IdMonths(names, codes, np.zeros(len(ids), dtype=bool))


def _named(symbols: list[str], codes: np.ndarray, declaration: Declaration, path: Path) -> tuple[list[str], np.ndarray]:
    given = [
        name
        for name, value in (
            ("expiry", declaration.expiry),
            ("[expiry_of_file]", declaration.expiry_of_file),
            ("[expiry_of_instrument]", declaration.expiry_of_instrument),
            ("[expiry_from]", declaration.expiry_from),
        )
        if value
    ]
    if given:
        raise BadInputError(
            f"{path}: its column {_SYMBOL} names the month of each row. Remove {' and '.join(given)} from "
            f"{DECLARATION_FILE}."
        )
    unnamed = np.flatnonzero(codes == symbols.index("")) if "" in symbols else np.zeros(0, dtype=np.int64)
    if len(unnamed):
        raise BadInputError(
            f"{_line(path, int(unnamed[0]))}: no {_SYMBOL} ({len(unnamed)} such lines). Download the file again with "
            "its symbology (map_symbols)."
        )
    order = np.argsort(np.array(symbols, dtype=object))
    rank = np.empty(len(symbols), dtype=np.int64)
    rank[order] = np.arange(len(symbols))
    return [symbols[position] for position in order], rank[codes]


def _declared(
    numbers: list[int], codes: np.ndarray, declaration: Declaration, instrument: Instrument, path: Path
) -> tuple[list[str], np.ndarray]:
    """Months by instrument id alone, as declared."""
    table = declaration.expiry_of_instrument
    if not table and len(numbers) == 1 and (month := declaration.expiry_in(path.name)):
        return [month], codes
    missing = [number for number in numbers if str(number) not in table]
    if missing:
        month = f"{instrument.symbol}{instrument.delivery_months[0]}6"
        lines = "\n".join(f'"{number}" = "..."   # a month as {month}' for number in missing[:20])
        raise BadInputError(
            f"{path}: no column {_SYMBOL}, and {DECLARATION_FILE} does not say which months the instrument ids "
            f"{missing[:5]} ({len(missing)}) are. Download the file with map_symbols, or declare (symbology.json of "
            f"the download names them):\n\n[expiry_of_instrument]\n{lines}"
        )
    months = [table[str(number)] for number in numbers]
    listed = sorted(set(months))
    return listed, np.array([listed.index(month) for month in months], dtype=np.int64)[codes]
