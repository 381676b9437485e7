"""QuantConnect Lean: zip archives of futures minute trades, one a day (``20131007_trade.zip``).

An archive holds one CSV a delivery month, ``20131007_es_minute_trade_201312.csv``, in newer versions with the last
trading day behind the month (``..._201312_20131220.csv``): no header, milliseconds since midnight of the day in the
name, open, high, low, close, volume. The stamp is the bar's start, prices of futures are not scaled (those of equities
are), volume is contracts. Midnight is that of the *data time zone* of the market-hours database: UTC for the futures
QuantConnect hosts, but whoever converts data may choose another, so it is asked.

Archives of quotes and open interest beside them (``_quote.zip``, ``_openinterest.zip``) are no trades and not read.

References
----------
QuantConnect, Lean: "LEAN Data Formats / Futures" (Data/future/readme.md: names, columns, UTC); LeanData.cs
(GenerateZipEntryName); market-hours-database.json (dataTimeZone); pull request 2474 (futures data are in UTC).
"""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from factory_assets.market.expiry import MONTH_CODES
from factory_assets.market.readers.archives import zip_entries
from factory_assets.market.readers.columns import minutes_of_columns
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.instruments import Instrument

_ARCHIVE = re.compile(r"(?P<day>[0-9]{8})_trade\.zip")
_ENTRY = re.compile(
    r"(?P<day>[0-9]{8})_(?P<root>[a-z0-9]{1,6})_(?P<resolution>[a-z]+)_(?P<kind>[a-z]+)_(?P<month>[0-9]{6})"
    r"(?:_(?P<last>[0-9]{8}))?\.csv"
)
_FIELDS = ("time", "open", "high", "low", "close", "volume")
_DAY_MS, _MINUTE_MS = 86_400_000, 60_000
# A month's last trading day lies in the month or shortly before it (crude oil: the month before).
_MONTHS_AHEAD_MAX = 2


@dataclass(frozen=True)
class _Entry:
    """Rows of one delivery month on one day."""

    name: str
    expiry: str
    table: pa.Table


def read_lean(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of all delivery months in one day's archive.

    Parameters
    ----------
    path : Path
        ``YYYYMMDD_trade.zip`` of minute resolution.
    instrument : Instrument
        Product the archive has to hold.
    declaration : Declaration
        Of format ``lean``: the time zone.

    Raises
    ------
    BadInputError
        An unsafe or damaged archive, another resolution or kind of data, names that do not fit together, a month the
        product does not deliver, values that are no numbers, or times outside the day; file, entry and line are named.
    ForeignContractError
        Entries of another product.
    """
    day = _day_of(path)
    entries = [
        _Entry(name, _expiry_of(name, day, instrument, path), _table(content, name, path))
        for name, content in zip_entries(path, "lean")
    ]
    counts = [entry.table.num_rows for entry in entries]
    ends = np.cumsum(counts)

    def line_of(row: int) -> str:
        entry = int(np.searchsorted(ends, row, side="right"))
        return f"{row - int(ends[entry]) + counts[entry] + 1} of {entries[entry].name}"

    whole = pa.concat_tables([entry.table for entry in entries])
    stamps = np.datetime64(day, "D").astype("M8[ms]") + np.asarray(whole["time"]).astype("m8[ms]")
    return minutes_of_columns(
        path,
        instrument,
        declaration,
        pd.Series(stamps),
        {name: np.asarray(whole[name], dtype=np.float64) for name in _FIELDS[1:]},
        pd.Series(np.repeat(np.array([entry.expiry for entry in entries], dtype=object), counts)),
        line_of,
    )


def _day_of(path: Path) -> date:
    found = _ARCHIVE.fullmatch(path.name)
    day = None if found is None else _date(found["day"])
    if day is None:
        raise BadInputError(
            f"{path}: expected the name of a day's trades as 20131007_trade.zip; it says which day the rows are of. "
            "Give the file its name back."
        )
    return day


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _expiry_of(name: str, day: date, instrument: Instrument, path: Path) -> str:
    """Delivery month as the exchange names it (``MGCZ13``), from an entry's name."""
    where, found = f"{path}, entry {name!a}", _ENTRY.fullmatch(name.lower())
    if found is None:
        raise BadInputError(f"{where}: expected a name as 20131007_es_minute_trade_201312.csv. Check the archive.")
    if (found["resolution"], found["kind"]) != ("minute", "trade"):
        raise BadInputError(
            f"{where}: {found['resolution']} {found['kind']} data, expected minute trade. Give the archives of the "
            "folder future/<market>/minute/<product> whose names end with _trade.zip."
        )
    if found["root"] != instrument.symbol.lower():
        raise ForeignContractError(
            f"{where}: its name says {found['root'].upper()}, but {instrument.symbol} is being read. Nothing was read; "
            "keep one product a folder and ingest this file under its own contract."
        )
    if _date(found["day"]) != day:
        raise BadInputError(f"{where}: of another day than the archive. Give both their names back.")
    year, month = int(found["month"][:4]), int(found["month"][4:])
    ahead = None if found["last"] is None else _months_to(_date(found["last"]), year, month)
    if not (1 <= month <= 12 and 1990 <= year < 2090) or (found["last"] and ahead is None):
        raise BadInputError(f"{where}: {found['month']} is no delivery month. Check the archive.")
    code = MONTH_CODES[month - 1]
    if code not in instrument.delivery_months or (ahead is not None and not 0 <= ahead <= _MONTHS_AHEAD_MAX):
        raise BadInputError(
            f"{where}: {found['month']} is no delivery month of {instrument.symbol} (it has "
            f"{instrument.delivery_months}) that ends trading then. Convert the data again with Lean's own tools."
        )
    return f"{instrument.symbol}{code}{year % 100:02d}"


def _months_to(last: date | None, year: int, month: int) -> int | None:
    return None if last is None else 12 * (year - last.year) + month - last.month


def _table(content: bytes, name: str, path: Path) -> pa.Table:
    """Rows of one entry: milliseconds as int64, prices and volume as float64."""
    kinds = dict.fromkeys(_FIELDS[1:], pa.float64()) | {"time": pa.int64()}
    where = f"{path}, entry {name!a}"
    if not content.strip():
        raise BadInputError(f"{where}: empty. Download the archive again.")
    try:
        table = pacsv.read_csv(
            pa.BufferReader(content),
            read_options=pacsv.ReadOptions(use_threads=False, column_names=list(_FIELDS)),
            parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(column_types=kinds, null_values=[]),
        )
    except pa.ArrowException as problem:
        place = _first_bad_line(content)
        raise BadInputError(
            f"{where}{place}: expected {','.join(_FIELDS)} as numbers "
            f"({str(problem)[:200]}). Download the archive again."
        ) from problem
    times = np.asarray(table["time"])
    wrong = np.flatnonzero((times < 0) | (times >= _DAY_MS) | (times % _MINUTE_MS != 0))
    if len(wrong):
        raise BadInputError(
            f"{where}, line {wrong[0] + 1}: time {times[wrong[0]]} is no minute of a day in milliseconds ({len(wrong)} "
            "such lines). Give archives of minute resolution."
        )
    return table


def _first_bad_line(content: bytes) -> str:
    for number, line in enumerate(content.splitlines(), start=1):
        fields = line.decode("utf-8", errors="replace").split(",")
        try:
            [float(field) for field in fields]
            fits = len(fields) == len(_FIELDS) and fields[0].isdigit()
        except ValueError:
            fits = False
        if not fits:
            return f", line {number}"
    return ""
