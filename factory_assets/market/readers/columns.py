"""From the mapped columns of a table to raw minutes: times, expiries and spreads."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration
from factory_assets.market.readers.raw import FileRead, raw_minutes, spread_names
from factory_assets.market.readers.times import LineOf, open_times_us
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument


def minutes_of_columns(
    path: Path,
    instrument: Instrument,
    declaration: Declaration,
    stamps: pd.Series,
    numbers: Mapping[str, np.ndarray],
    expiry: pd.Series | None,
    line_of: LineOf,
) -> FileRead:
    """Raw minutes of one file from its mapped columns, all of length N.

    Parameters
    ----------
    path : Path
        File, for names and messages.
    instrument : Instrument
        Product the file has to hold.
    declaration : Declaration
        Conventions of the folder.
    stamps : Series
        Times as the file holds them.
    numbers : mapping of str to ndarray of float64
        ``open``, ``high``, ``low``, ``close``, and ``volume`` unless the declaration says there is none: then it is NaN
        in every row.
    expiry : Series of str or None
        Expiry of each row; None if the declaration fixes it.
    line_of : callable
        Line of a row by its position, for messages.
    """
    if len(stamps) == 0:
        raise BadInputError(f"{path}: no rows. Remove the file or export it again.")
    open_us = open_times_us(stamps, declaration, str(path), line_of)
    if expiry is not None:
        if expiry.isna().any():
            line = line_of(int(np.flatnonzero(expiry.isna())[0]))
            raise BadInputError(f"{path}, line {line}: no expiry. Every row has to name its delivery month.")
        codes, found = pd.factorize(expiry.astype(str), sort=True)
        names = [str(name) for name in found]
    elif declaration.is_continuous:
        names, codes = months_by_date(open_us, instrument, declaration, str(path), line_of)
    else:
        names, codes = [declaration.expiry_in(path.name)], np.zeros(len(stamps), dtype=np.int64)
    spreads = spread_names(names, instrument, str(path))
    outright = ~spreads[codes]
    listed = [name for name, spread in zip(names, spreads, strict=True) if not spread]
    recode = np.cumsum(~spreads) - 1
    volume = numbers["volume"] if declaration.has_volume else np.full(len(stamps), np.nan)
    minutes = raw_minutes(
        path.name,
        pd.Categorical.from_codes(recode[codes[outright]], listed),
        open_us[outright],
        {name: numbers[name][outright] for name in ("open", "high", "low", "close")},
        volume[outright],
    )
    return FileRead(minutes=minutes, rows_read=len(codes), spread_rows=int((~outright).sum()))


def months_by_date(
    open_us: np.ndarray, instrument: Instrument, declaration: Declaration, where: str, line_of: LineOf
) -> tuple[list[str], np.ndarray]:
    """Delivery month of every row of a series the vendor joined, by the trade dates of ``[expiry_from]``.

    A row outside every session counts to the trade date of the next one; validation quarantines it later.

    Parameters
    ----------
    open_us : ndarray of int64, shape (N,)
        Open of each minute, microseconds since 1970 UTC, in any order.
    instrument : Instrument
        Product; its calendar gives the trade dates.
    declaration : Declaration
        With ``expiry_from``.
    where : str
        File, for messages.
    line_of : callable
        Line of a row by its position, for messages.

    Returns
    -------
    tuple of (list of str, ndarray of int64, shape (N,))
        Months in the order of their stretches, and each row's index into them.

    Raises
    ------
    BadInputError
        A row lies before the first declared stretch.
    """
    starts = sorted(declaration.expiry_from)
    days = np.array(starts, dtype="datetime64[D]").astype(np.int64)
    sessions = SessionCalendar.of(instrument).sessions
    place = np.minimum(np.searchsorted(sessions.close_us, open_us, side="right"), len(sessions) - 1)
    trade_day = sessions.trade_day[place]
    codes = np.searchsorted(days, trade_day, side="right") - 1
    early = np.flatnonzero(codes < 0)
    if len(early):
        first = int(early[0])
        raise BadInputError(
            f"{where}, line {line_of(first)}: a row of trade date {trade_day[first].astype('datetime64[D]')} "
            f"({len(early)} such lines), but [expiry_from] in {DECLARATION_FILE} begins with {starts[0]}. Declare the "
            "month that traded before it, or correct the time."
        )
    return [declaration.expiry_from[start] for start in starts], codes.astype(np.int64)
