"""Parquet files by a declared column mapping."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.market.readers.columns import minutes_of_columns
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.raw import FileRead
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument


def read_parquet(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of one Parquet file.

    Times may be timestamps (with or without a zone), epoch integers or text; prices and volume have to be numeric
    columns. A null price is NaN, which validation quarantines.

    Raises
    ------
    BadInputError
        Not a Parquet file, missing columns, or prices that are no numbers.
    NaiveTimestampError
        Times without a zone and none declared.
    ForeignContractError
        Expiries of another product.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check_columns(schema, declaration, path)
            table = file.read(columns=sorted({str(place) for place in declaration.columns.values()}))
    except (pa.ArrowException, OSError) as problem:
        raise BadInputError(f"{path}: not a whole Parquet file: {problem}. Export it again.") from problem
    place = {field: str(name) for field, name in declaration.columns.items()}
    numbers = {
        name: np.asarray(table.column(place[name]).cast(pa.float64()).to_pandas(), dtype=np.float64)
        for name in ("open", "high", "low", "close", "volume")
    }
    stamps = table.column(place["time"]).to_pandas()
    if "date" in place:
        stamps = table.column(place["date"]).to_pandas().astype(str) + " " + stamps.astype(str)
    expiry = table.column(place["expiry"]).to_pandas() if "expiry" in place else None
    return minutes_of_columns(path, instrument, declaration, pd.Series(stamps), numbers, expiry, lambda row: row + 1)


def _check_columns(schema: pa.Schema, declaration: Declaration, path: Path) -> None:
    problems = []
    for field, place in declaration.columns.items():
        if schema.names.count(place) != 1:
            several = ", but several" if place in schema.names else ""
            problems.append(f"no column {place!r} for {field}{several}")
            continue
        kind = schema.field(str(place)).type
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if field not in {"time", "date", "expiry"} and not number:
            problems.append(f"{field} = {place!r} has type {kind}, expected a number")
    if problems:
        raise BadInputError(
            f"{path}: {'; '.join(problems)}; the file has {schema.names}. Correct [columns] in source.toml."
        )
