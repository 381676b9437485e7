"""What a table has to be before it is written: declared names and types, its own contract only, sorted, without twins.

Checked on plain Arrow arrays and never repaired: a wrong table is the producer's mistake and stays outside.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory_assets.storage.manifest import plain_scalar
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, SchemaMismatchError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import TEXT, TableSchema
from factory_assets.vocabulary.verdict import Scalar


def conform(table: pa.Table, schema: TableSchema, key: PartitionKey) -> pa.Table:
    """The table with its partition columns, in the declared order, after every check.

    Columns are shared with the argument, not copied.

    Raises
    ------
    SchemaMismatchError
        Missing, unexpected, wrongly typed, null or partly NaN columns; no rows where there have to be some; rows that
        are not strictly increasing under ``order_by``; sessions that are not in order.
    ForeignContractError
        Rows of another contract or horizon.
    """
    require_kind(schema, key)
    where = f"{schema.name}|{key}"
    complete = _with_partition_columns(table, schema, key)
    target = _checked_types(complete, schema, where)
    _refuse_foreign(complete, schema, key, where)
    ordered = pa.Table.from_arrays([complete.column(name) for name in target.names], schema=target)
    if ordered.num_rows == 0 and not schema.may_be_empty:
        raise SchemaMismatchError(f"{where}: no rows, and this table may not be empty; the old partition stays")
    _check_order(ordered, schema, where)
    return ordered


def require_kind(schema: TableSchema, key: PartitionKey) -> None:
    """Refuse a contract key for a contract-and-horizon table and the reverse.

    Raises
    ------
    BadInputError
        If key and table are of different partition families.
    """
    if schema.by_horizon != (key.horizon is not None):
        wanted = "CONTRACT|HORIZON" if schema.by_horizon else "CONTRACT"
        raise BadInputError(f"table {schema.name} is partitioned by {wanted}, got the key {key}")


def check_stored(table: pa.Table, schema: TableSchema, columns: list[str], stored: dict[str, str], where: str) -> None:
    """After reading: names and types against the declaration and against the manifest.

    Raises
    ------
    SchemaMismatchError
        If the file's columns are not those that were declared and recorded.
    """
    declared = {column.name: str(column.type) for column in schema.stored_columns}
    wanted = {name: declared.get(name, str(schema.open_type)) for name in columns}
    found = {field.name: str(field.type) for field in table.schema}
    recorded = {name: stored.get(name) for name in columns}
    if list(found) != columns or found != wanted or found != recorded:
        raise SchemaMismatchError(
            f"{where}: declared {wanted}, manifest {recorded}, file {found}. "
            "The table's declaration changed since it was written: materialize the partition again."
        )


def check_recorded(schema: TableSchema, stored: dict[str, str], where: str) -> None:
    """Columns a manifest records against the declaration.

    Raises
    ------
    SchemaMismatchError
        If a declared column is missing, has another type, or an undeclared one is there.
    """
    declared = {column.name: str(column.type) for column in schema.stored_columns}
    problems = [
        f"{n}: declared {t}, stored {stored.get(n, 'nothing')}" for n, t in declared.items() if stored.get(n) != t
    ]
    problems += [
        f"{n}: stored {t}, declared {'nothing' if schema.open_type is None else schema.open_type}"
        for n, t in stored.items()
        if n not in declared and t != str(schema.open_type)
    ]
    if problems:
        raise SchemaMismatchError(f"{where}: " + "; ".join(problems) + ". Materialize the partition again.")


def order_keys(table: pa.Table, schema: TableSchema) -> tuple[tuple[Scalar, ...], tuple[Scalar, ...]] | None:
    """Order key of the first and of the last row, times and dates in ISO 8601; None without rows."""
    if table.num_rows == 0:
        return None
    ends = [
        tuple(_readable(table.column(name)[row].as_py()) for name in schema.order_by) for row in (0, table.num_rows - 1)
    ]
    return ends[0], ends[1]


def fixed_width(array: pa.Array) -> np.ndarray:
    """Values of a number, truth, time or date array as a plain numpy array; nulls read as zero."""
    kind = array.type
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(0, pa.int64()).cast(_carrier(kind)).cast(kind))
    if pa.types.is_boolean(kind):
        return np.asarray(array.cast(pa.uint8()))
    if pa.types.is_temporal(kind):
        array = array.view(_carrier(kind))
    return array.to_numpy(zero_copy_only=False)


def _carrier(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_temporal(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    return kind if not pa.types.is_boolean(kind) else pa.uint8()


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text (plain or dictionary-encoded)."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _with_partition_columns(table: pa.Table, schema: TableSchema, key: PartitionKey) -> pa.Table:
    if "contract" not in table.column_names:
        codes = pa.array(np.zeros(table.num_rows, dtype=np.int32))
        column = pa.DictionaryArray.from_arrays(codes, pa.array([key.contract], type=pa.string()))
        table = table.append_column(pa.field("contract", TEXT, nullable=False), column)
    if schema.by_horizon and "horizon" not in table.column_names:
        column = pa.array(np.full(table.num_rows, key.horizon, dtype=np.int64))
        table = table.append_column(pa.field("horizon", pa.int64(), nullable=False), column)
    return table


def _checked_types(table: pa.Table, schema: TableSchema, where: str) -> pa.Schema:
    names = table.column_names
    declared = {column.name: column for column in schema.stored_columns}
    extra = [name for name in names if name not in declared]
    problems = [f"column {n} comes {names.count(n)} times" for n in sorted(set(names)) if names.count(n) > 1]
    problems += [f"missing column {name}" for name in declared if name not in names]
    if extra and schema.open_type is None:
        problems.append(f"unexpected columns {extra}")
    for field in table.schema:
        wanted = declared[field.name].type if field.name in declared else schema.open_type
        if wanted is not None and field.type != wanted:
            problems.append(f"column {field.name}: expected {wanted}, got {field.type}")
    for name, column in declared.items():
        nulls = table.column(name).null_count if names.count(name) == 1 and not column.nullable else 0
        if nulls:
            problems.append(f"column {name}: {nulls} nulls where there may be none")
        if column.all_or_none and names.count(name) == 1 and table.column(name).type == column.type:
            missing = pc.sum(pc.is_nan(table.column(name))).as_py() or 0
            if 0 < missing < table.num_rows:
                problems.append(f"column {name}: {missing} of {table.num_rows} cells are NaN; expected all or none")
    if problems:
        raise SchemaMismatchError(
            f"{where}: " + "; ".join(problems) + ". Nothing was written; the old partition stays."
        )
    return schema.arrow(extra)


def _refuse_foreign(table: pa.Table, schema: TableSchema, key: PartitionKey, where: str) -> None:
    own: dict[str, Any] = {"contract": key.contract}
    if schema.by_horizon:
        own["horizon"] = key.horizon
    for name, value in own.items():
        found = set(
            pc.unique(table.column(name).cast(pa.string()) if name == "contract" else table.column(name)).to_pylist()
        )
        foreign = found - {value}
        if foreign:
            raise ForeignContractError(
                f"{where}: rows of {name} {sorted(map(str, foreign))} in the partition of {value}. "
                "One contract per partition: nothing was written; correct the producer."
            )


def _check_order(table: pa.Table, schema: TableSchema, where: str) -> None:
    if table.num_rows < 2:
        return
    undecided = np.ones(table.num_rows - 1, dtype=bool)
    for name in schema.order_by:
        values = _sortable(table.column(name))
        descending = undecided & (values[1:] < values[:-1])
        if descending.any():
            raise SchemaMismatchError(_order_message(table, schema, where, int(np.argmax(descending)), "not sorted"))
        undecided &= values[1:] == values[:-1]
    if undecided.any():
        raise SchemaMismatchError(_order_message(table, schema, where, int(np.argmax(undecided)), "duplicate rows"))
    if schema.session_column is not None:
        days = _sortable(table.column(schema.session_column))
        if bool(np.any(np.diff(days) < 0)):
            row = int(np.argmax(np.diff(days) < 0))
            raise SchemaMismatchError(_order_message(table, schema, where, row, f"{schema.session_column} goes back"))


def _order_message(table: pa.Table, schema: TableSchema, where: str, row: int, what: str) -> str:
    def shown(index: int) -> str:
        return ", ".join(str(_readable(table.column(name)[index].as_py())) for name in schema.order_by)

    return (
        f"{where}: {what} under ({', '.join(schema.order_by)}) at rows {row} and {row + 1}: "
        f"({shown(row)}) then ({shown(row + 1)}). Text sorts by code point. Nothing was written; the old partition "
        "stays."
    )


def _sortable(column: pa.ChunkedArray) -> np.ndarray:
    if not is_text(column.type):
        return fixed_width(_one(column))
    encoded = _one(column.cast(pa.string()).dictionary_encode().unify_dictionaries())
    order = np.array(pc.sort_indices(encoded.dictionary))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[np.asarray(encoded.indices)]


def _one(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        return combined.chunk(0) if combined.num_chunks else pa.array([], type=column.type)
    return combined


def _readable(value: Any) -> Scalar:
    return value.isoformat() if hasattr(value, "isoformat") else plain_scalar(value)
