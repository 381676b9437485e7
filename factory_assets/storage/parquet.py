"""Arrow tables to parquet bytes and back, deterministic for equal content.

Row groups of fixed size are rebuilt one at a time (one chunk, dictionaries in order of first appearance), so neither
the chunking nor the dictionaries a table happens to have reach the file, and no second copy of the table is held. No
timestamp and no pandas metadata is written. Integrity is the manifest's business: the store hashes the whole file
before these bytes come near the parquet reader, since page checksums miss the footer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.storage.table_contract import is_text
from factory_assets.vocabulary.errors import IntegrityError

ROW_GROUP_ROWS = 1 << 17
_ZSTD_LEVEL = 1
_PAGE_BYTES = 1 << 20


def write_parquet(table: pa.Table, sink: Any) -> None:
    """Encode a table into a binary file object, streaming."""
    bare = table.replace_schema_metadata(None)
    text = [field.name for field in bare.schema if is_text(field.type)]
    with pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        bare.schema,
        version="2.6",
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=text,
        write_statistics=False,
        data_page_size=_PAGE_BYTES,
        store_schema=True,
    ) as writer:
        for start in range(0, bare.num_rows, ROW_GROUP_ROWS):
            group = bare.slice(start, ROW_GROUP_ROWS)
            arrays = [_canonical(column) for column in group.columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=bare.schema), row_group_size=ROW_GROUP_ROWS)


def read_parquet(data: bytes, columns: Sequence[str] | None, where: str) -> pa.Table:
    """Decode bytes that were verified before.

    Raises
    ------
    IntegrityError
        If verified bytes are still no parquet file of this store.
    """
    # A buffer of Arrow's own: its worker threads may drop the last reference after this returns, and dropping a Python
    # buffer there takes the interpreter lock, which aborts a process that is just ending (seen: one exit in five).
    buffer = pa.allocate_buffer(len(data))
    np.frombuffer(buffer, dtype=np.uint8)[:] = np.frombuffer(data, dtype=np.uint8)
    try:
        table = pq.read_table(
            pa.BufferReader(buffer), columns=None if columns is None else list(columns), use_threads=True
        )
    except (pa.ArrowException, OSError) as problem:
        raise IntegrityError(f"{where}: not a readable parquet file: {problem}") from problem
    return table.replace_schema_metadata(None).unify_dictionaries()


def _canonical(column: pa.ChunkedArray) -> pa.Array:
    if is_text(column.type) and pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
        combined = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
        return combined.dictionary_encode()
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)
