"""From the mapped columns of a generic file to raw minutes: times, expiries and spreads."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.raw import FileRead, raw_minutes, spread_names
from factory_assets.market.readers.times import LineOf, open_times_us
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
        ``open``, ``high``, ``low``, ``close``, ``volume``.
    expiry : Series of str or None
        Expiry of each row; None if the declaration fixes it.
    line_of : callable
        Line of a row by its position, for messages.
    """
    if len(stamps) == 0:
        raise BadInputError(f"{path}: no rows. Remove the file or export it again.")
    if expiry is None:
        names, codes = [declaration.expiry_in(path.name)], np.zeros(len(stamps), dtype=np.int64)
    else:
        if expiry.isna().any():
            line = line_of(int(np.flatnonzero(expiry.isna())[0]))
            raise BadInputError(f"{path}, line {line}: no expiry. Every row has to name its delivery month.")
        codes, found = pd.factorize(expiry.astype(str), sort=True)
        names = [str(name) for name in found]
    spreads = spread_names(names, instrument, str(path))
    outright = ~spreads[codes]
    open_us = open_times_us(stamps, declaration, str(path), line_of)[outright]
    listed = [name for name, spread in zip(names, spreads, strict=True) if not spread]
    recode = np.cumsum(~spreads) - 1
    minutes = raw_minutes(
        path.name,
        pd.Categorical.from_codes(recode[codes[outright]], listed),
        open_us,
        {name: numbers[name][outright] for name in ("open", "high", "low", "close")},
        numbers["volume"][outright],
    )
    return FileRead(minutes=minutes, rows_read=len(codes), spread_rows=int((~outright).sum()))
