"""How much of a raw file is taken in: sizes, compression and names, judged before memory is spent.

Belongs here: the limits and the bounded ways to read bytes (plain, zstd). Does not: what the bytes mean; zip archives
have their own file, :mod:`factory_assets.market.readers.archives`. A reader takes its bytes from here, so a file of
terabytes, or a small file that unpacks to them, costs one message and no memory.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from factory_assets.vocabulary.errors import BadInputError

MIB = 1 << 20
FILE_BYTES_MAX: Mapping[str, int] = MappingProxyType(
    {
        "databento_dbn": 2048 * MIB,
        "csv": 1024 * MIB,
        "parquet": 2048 * MIB,
        "lean": 256 * MIB,
        "projectx": 64 * MIB,
    }
)
"""Largest file a reader opens, by the format of :data:`declaration.FORMATS`; ten years of one contract are far less."""
UNPACKED_BYTES_MAX = 2048 * MIB
"""Largest content of one compressed file: 38 million DBN records."""
RATIO_MAX = 100
"""Bytes out for a byte in. Bars shrink four- to tenfold; a bomb thousandfold."""
RATIO_FREE_BYTES = 64 * MIB
"""Content that may come out at any ratio: small files of flat prices compress well and hurt nobody."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK_BYTES = 4 * MIB


def refuse_oversized(path: Path, format_name: str) -> int:
    """Size of a file in bytes, if its format's reader may open it.

    Parameters
    ----------
    path : Path
        Raw file.
    format_name : str
        Key of :data:`FILE_BYTES_MAX`.

    Raises
    ------
    BadInputError
        Not a plain file, unreadable, or larger than the limit.
    """
    limit = FILE_BYTES_MAX[format_name]
    try:
        if not path.is_file():
            raise BadInputError(f"{path}: no plain file. Give the vendor's file itself.")
        size = path.stat().st_size
    except OSError as problem:
        raise BadInputError(f"{path}: cannot be read: {problem}. Check the path and its permissions.") from problem
    if size > limit:
        raise BadInputError(
            f"{path}: {size:,} bytes; a {format_name} file may have {limit:,}. Nothing was read; split it by months."
        )
    return size


def read_unpacked(path: Path, format_name: str) -> bytes | bytearray:
    """Content of a file, unpacked if it is zstd; never more than the limits allow.

    Whether a file is compressed is told by its first bytes, not by its name.

    Raises
    ------
    BadInputError
        Unreadable, truncated, larger than the limits, or of a ratio no market data has.
    """
    size = refuse_oversized(path, format_name)
    try:
        with path.open("rb") as stream:
            if stream.read(len(_ZSTD_MAGIC)) != _ZSTD_MAGIC:
                stream.seek(0)
                return stream.read(size)
        # Closed and opened again: pyarrow reads the file itself, so it is never held beside what comes out of it.
        with pa.OSFile(str(path)) as packed, pa.CompressedInputStream(packed, "zstd") as stream:
            return _bounded(stream, size, path)
    except OSError as problem:
        raise BadInputError(f"{path}: cannot be read: {problem}. Download the file again.") from problem


def _bounded(stream: pa.NativeFile, packed_bytes: int, path: Path) -> bytearray:
    content = bytearray()
    while chunk := stream.read(_CHUNK_BYTES):
        content += chunk
        refuse_bomb(len(content), packed_bytes, str(path))
    return content


def refuse_bomb(unpacked_bytes: int, packed_bytes: int, where: str) -> None:
    """Stop unpacking once more has come out than market data can be.

    Parameters
    ----------
    unpacked_bytes : int
        Bytes that came out so far.
    packed_bytes : int
        Bytes of the compressed file or entry.
    where : str
        File, for the message.

    Raises
    ------
    BadInputError
        Over :data:`UNPACKED_BYTES_MAX`, or over :data:`RATIO_MAX` beyond the first :data:`RATIO_FREE_BYTES`.
    """
    too_dense = unpacked_bytes > RATIO_FREE_BYTES and unpacked_bytes > RATIO_MAX * packed_bytes
    if unpacked_bytes > UNPACKED_BYTES_MAX or too_dense:
        raise BadInputError(
            f"{where}: unpacks to more than {unpacked_bytes:,} bytes from {packed_bytes:,}; at most "
            f"{UNPACKED_BYTES_MAX:,}, and {RATIO_MAX} for one beyond {RATIO_FREE_BYTES:,}, are read. Nothing was read: "
            "this is no market data, or too much for one file; ask for smaller files."
        )
