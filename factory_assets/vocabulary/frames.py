"""Between Arrow tables at rest and pandas frames in memory, and from times to the integers kernels work on.

In memory: times are ``datetime64[us, UTC]``, dates are ``datetime64[ms]`` at midnight, text is categorical, rows have a
plain RangeIndex. Kernels see times as int64 microseconds since 1970 (UTC) and dates as int32 days since 1970.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from factory_assets.vocabulary.errors import NaiveTimestampError, SchemaMismatchError
from factory_assets.vocabulary.schemas import TableSchema


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Arrow table as a pandas frame in the conventions above."""
    return table.to_pandas(date_as_object=False)


def to_table(frame: pd.DataFrame, schema: TableSchema) -> pa.Table:
    """Pandas frame as an Arrow table with exactly the schema's stored columns (partition columns may be absent).

    Columns are put in schema order; open columns keep the order they come in. NaN becomes null, but in a column
    declared ``all_or_none`` of which every cell is NaN.

    Raises
    ------
    SchemaMismatchError
        Missing, unexpected, null or unconvertible columns; all of them in one message.
    """
    declared = {column.name: column for column in schema.stored_columns}
    missing = [c.name for c in schema.columns if c.name not in frame.columns]
    extra = [str(name) for name in frame.columns if name not in declared]
    problems = [f"missing {missing}"] if missing else []
    if extra and schema.open_type is None:
        problems.append(f"unexpected {extra}")
    arrays, fields = [], []
    for name in [n for n in declared if n in frame.columns] + (extra if schema.open_type is not None else []):
        wanted = declared[name].type if name in declared else schema.open_type
        nullable = declared[name].nullable if name in declared else True
        try:
            if name in declared and declared[name].all_or_none and frame[name].isna().all():
                array = pa.array(np.full(len(frame), np.nan))
            else:
                array = pa.Array.from_pandas(frame[name])
            array = array.cast(wanted) if not pa.types.is_dictionary(wanted) else _as_text(array).cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
            problems.append(f"{name}: cannot become {wanted}: {problem}")
            continue
        if array.null_count and not nullable:
            problems.append(f"{name}: {array.null_count} nulls in a column that has none")
        arrays.append(array)
        fields.append(pa.field(name, wanted, nullable=nullable))
    if problems:
        raise SchemaMismatchError(f"table {schema.name}: " + "; ".join(problems))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _as_text(array: pa.Array) -> pa.Array:
    return (
        array.dictionary_encode() if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) else array
    )


def times_us(times: pd.Series | pd.DatetimeIndex | Sequence[pd.Timestamp], what: str = "times") -> np.ndarray:
    """Timezone-aware times as int64 microseconds since 1970, shape (N,). Missing times become the int64 minimum.

    Raises
    ------
    NaiveTimestampError
        If the times carry no time zone: nothing says which moment they mean.
    """
    index = pd.DatetimeIndex(times)
    if index.tz is None:
        raise NaiveTimestampError(
            f"{what}: naive timestamps (first: {index[0] if len(index) else 'none'}); expected timezone-aware ones. "
            "Localize them to the zone they were recorded in, then convert to UTC."
        )
    return index.tz_convert("UTC").as_unit("us").asi8


def from_us(values_us: np.ndarray) -> pd.DatetimeIndex:
    """Microseconds since 1970 as UTC times; the int64 minimum becomes NaT."""
    return pd.DatetimeIndex(np.asarray(values_us, dtype=np.int64).view("M8[us]"), tz="UTC")


def dates_days(dates: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Dates as int32 days since 1970, shape (N,)."""
    return np.asarray(dates, dtype="datetime64[D]").astype(np.int32)


def from_days(days: np.ndarray) -> np.ndarray:
    """Days since 1970 as ``datetime64[ms]``, the in-memory form of a trade date."""
    return np.asarray(days, dtype=np.int64).astype("datetime64[D]").astype("datetime64[ms]")
