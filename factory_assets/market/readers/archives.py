"""Zip archives, read without trusting them: names, kinds, counts and sizes are judged before a byte is unpacked.

Nothing is ever extracted to the disk; entries are unpacked in memory, one after the other, with the limits of
:mod:`factory_assets.market.readers.limits`.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factory_assets.market.readers.limits import FILE_BYTES_MAX, refuse_bomb, refuse_oversized
from factory_assets.vocabulary.errors import BadInputError

ENTRIES_MAX = 500
"""Entries of one archive: a day of every listed month of a product is a few dozen."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NESTED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz", ".jar")
_NO_NAMES = ("", ".", "..")
_NAME_CHARACTERS_MAX = 200
_ENCRYPTED = 0x1
_CHUNK_BYTES = 1 << 20
_DIRECTORY_BYTES_MAX = 1 << 20
_END_MAGIC, _END_BYTES, _COMMENT_BYTES_MAX = b"PK\x05\x06", 22, (1 << 16) - 1
_LOCATOR_MAGIC, _LOCATOR_BYTES = b"PK\x06\x07", 20
# What the standard library raises on damaged archives, by its own source and by trial.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def zip_entries(path: Path, format_name: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in a zip archive, in the archive's order.

    Parameters
    ----------
    path : Path
        The archive.
    format_name : str
        Format whose size limit holds, a key of ``limits.FILE_BYTES_MAX``.

    Raises
    ------
    BadInputError
        Not a zip, damaged, encrypted, too large, too many entries, an unusual compression, a nested archive, a link, a
        name twice, or a name that leads elsewhere (absolute, ``..``, a drive, a folder): nothing of it is unpacked.
    """
    refuse_oversized(path, format_name)
    with _damage_named(path):
        _refuse_wide_directory(path)
        archive = zipfile.ZipFile(path)
    with archive:
        infos = archive.infolist()
        if problem := _problem_of(infos):
            raise BadInputError(f"{path}: {problem}. Nothing was read; download the archive again from the vendor.")
        unpacked = 0
        for info in infos:
            with _damage_named(path):
                content = _unpacked(archive, info, unpacked, path)
            unpacked += len(content)
            yield info.filename, content


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as problem:
        raise BadInputError(
            f"{path}: no whole zip archive: {str(problem)[:200]}. Download the file again."
        ) from problem


def _refuse_wide_directory(path: Path) -> None:
    """Refuse a list of entries too long to be parsed; the library would parse all of it before it could be counted."""
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, _END_BYTES + _COMMENT_BYTES_MAX + _LOCATOR_BYTES), 2)
        tail = stream.read()
    end = tail.rfind(_END_MAGIC)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise zipfile.BadZipFile("it does not end with a list of entries")
    if tail[max(end - _LOCATOR_BYTES, 0) : end].startswith(_LOCATOR_MAGIC):
        raise zipfile.BadZipFile("it is of the form for archives beyond 4 GiB")
    (directory_bytes,) = struct.unpack_from("<L", tail, end + 12)
    if directory_bytes > _DIRECTORY_BYTES_MAX:
        raise BadInputError(
            f"{path}: a list of entries of {directory_bytes:,} bytes, at most {_DIRECTORY_BYTES_MAX:,} are read. "
            "Nothing was read; download the archive again from the vendor."
        )


def _problem_of(infos: list[zipfile.ZipInfo]) -> str | None:
    """What is wrong with the list of entries as the archive states it; None if nothing is."""
    if len(infos) > ENTRIES_MAX:
        return f"{len(infos)} entries, at most {ENTRIES_MAX} are read"
    if not infos:
        return "an archive without entries"
    names = [info.filename for info in infos]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"entries {twice[:3]!a} stand in it twice"
    if problem := next((found for info in infos if (found := _problem_of_entry(info))), None):
        return problem
    total = sum(info.file_size for info in infos)
    limit = max(FILE_BYTES_MAX.values())
    return f"states {total:,} unpacked bytes, at most {limit:,} are read" if total > limit else None


def _problem_of_entry(info: zipfile.ZipInfo) -> str | None:
    name = info.filename
    # The library cuts a name at a null byte and turns backslashes; the name as stored is what has to be plain.
    raw = info.orig_filename
    plain = (
        name.isprintable()
        and not any(mark in raw for mark in "/\\:\0")
        and name not in _NO_NAMES
        and len(raw) <= _NAME_CHARACTERS_MAX
    )
    kind = stat.S_IFMT(info.external_attr >> 16)
    judged = (
        (plain, f"entry {raw[:80]!a}: expected a plain file name without folders"),
        (kind in {0, stat.S_IFREG}, f"entry {name[:80]!a} is a link or no plain file"),
        (not info.flag_bits & _ENCRYPTED, f"entry {name[:80]!a} is encrypted"),
        (info.compress_type in _METHODS, f"entry {name[:80]!a} is neither stored nor deflated"),
        (not name.lower().endswith(_NESTED), f"entry {name[:80]!a} is an archive inside the archive"),
    )
    return next((problem for fits, problem in judged if not fits), None)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, unpacked_before: int, path: Path) -> bytes:
    """Content of one entry; what comes out is counted, whatever the archive states."""
    parts: list[bytes] = []
    size = 0
    packed = path.stat().st_size
    with archive.open(info) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            refuse_bomb(unpacked_before + size, packed, f"{path}, entry {info.filename}")
            parts.append(chunk)
    return b"".join(parts)
