"""Chained content digests per session: what a consumer of history up to a day has seen, in one short string.

``d_k = sha256(d_{k-1} || session k || rows || sha256 of each column's canonical bytes in session k)``. Canonical bytes
are values with nulls read as zero, then the null mask; text as lengths and UTF-8. Chunking and dictionaries leave no
trace. Appending sessions therefore leaves every earlier digest as it was, while restating one row changes all digests
from its session on. One column is unpacked at a time, so memory stays at one column above the table itself.
"""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory_assets.storage.manifest import DIGEST_CHARACTERS
from factory_assets.storage.table_contract import fixed_width, is_text

_PARTITION_COLUMNS = frozenset({"contract", "horizon"})


def session_digests(table: pa.Table, session_column: str, identity: str) -> tuple[tuple[int, str], ...]:
    """Digest of all content up to and including each session.

    Parameters
    ----------
    table : pyarrow.Table
        Rows in order; sessions contiguous and not decreasing.
    session_column : str
        Its date column.
    identity : str
        ``table|key``, mixed in first, so that equal values of different partitions differ.

    Returns
    -------
    tuple of (int, str)
        Session in days since 1970, and the digest.
    """
    if table.num_rows == 0:
        return ()
    columns = [name for name in table.column_names if name not in _PARTITION_COLUMNS]
    days = fixed_width(_joined(table.column(session_column)))
    starts = np.flatnonzero(np.concatenate(([True], days[1:] != days[:-1])))
    bounds = [*starts.tolist(), len(days)]
    by_column = [_column_digests(table.column(name), bounds) for name in columns]
    header = json.dumps([[name, str(table.schema.field(name).type)] for name in columns])
    digest = hashlib.sha256(f"{identity}\n{header}".encode()).digest()
    found = []
    for session in range(len(bounds) - 1):
        rows = bounds[session + 1] - bounds[session]
        content = b"".join(digests[session] for digests in by_column)
        digest = hashlib.sha256(digest + f"|{days[bounds[session]]}|{rows}|".encode() + content).digest()
        found.append((int(days[bounds[session]]), digest.hex()[:DIGEST_CHARACTERS]))
    return tuple(found)


def _column_digests(column: pa.ChunkedArray, bounds: list[int]) -> list[bytes]:
    """Hash of one column's canonical bytes in each session."""
    array = _joined(column)
    valid = np.asarray(array.is_valid().cast(pa.uint8())) if array.null_count else None
    if is_text(array.type):
        lengths, data, edges = _text_parts(array)
    else:
        values = np.ascontiguousarray(fixed_width(array)).view(np.uint8)
        width = len(values) // len(array)
    digests = []
    for start, end in pairwise(bounds):
        if is_text(array.type):
            hashed = hashlib.sha256(lengths[start:end].tobytes())
            hashed.update(data[edges[start] : edges[end]])
        else:
            hashed = hashlib.sha256(values[start * width : end * width].data)
        # A session without nulls hashes alike whether or not another session of the column has some.
        if valid is not None and not valid[start:end].all():
            hashed.update(b"nulls" + np.packbits(valid[start:end]).tobytes())
        digests.append(hashed.digest())
    return digests


def _text_parts(array: pa.Array) -> tuple[np.ndarray, memoryview, np.ndarray]:
    """Byte length of each text, all bytes, and where each text begins in them (one more entry than rows)."""
    text = pc.fill_null(array.cast(pa.large_string()), "")
    _, offsets, data = text.buffers()
    edges = np.frombuffer(offsets, dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    return np.diff(edges), memoryview(data if data is not None else b""), edges


def _joined(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pa.concat_arrays(column.chunks)
