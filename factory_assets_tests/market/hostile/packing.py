"""The content inside a packed file, and the file again around other content."""

import io
import random
import warnings
import zipfile
from collections.abc import Callable

import pyarrow as pa

from factory_assets_tests.market.hostile.bases import LEAN, Base, Hostile
from factory_assets_tests.market.hostile.plain_binary import ZSTD_MAGIC, unpacked_zstd


def is_packed(base: Base) -> bool:
    """Whether its files hold others, or are compressed."""
    return base.family == LEAN or any(content.startswith(ZSTD_MAGIC) for content in base.files.values())


def with_file(base: Base, name: str, content: bytes, *, must: str = "", known: bool = True) -> Hostile:
    """The base with another content of one file."""
    return Hostile(
        files={**base.files, name: content}, declaration=base.declaration.encode(), base=base, must=must, known=known
    )


def with_inner(rng: random.Random, base: Base, change: Callable[[bytes], bytes], *, must: str = "") -> Hostile:
    """The base with what one of its files holds changed, and packed as it was."""
    name = rng.choice(sorted(base.files))
    content = base.files[name]
    if content.startswith(ZSTD_MAGIC):
        changed = pa.compress(change(unpacked_zstd(content)), codec="zstd", asbytes=True)
    elif base.family == LEAN:
        changed = _zip_changed(rng, content, change)
    else:
        changed = change(content)
    return with_file(base, name, changed, must=must)


def zip_entries_of(content: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of a sound archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_of(entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of the given entries; a name may stand twice."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in entries:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, content, compress_type=method)
    return sink.getvalue()


def _zip_changed(rng: random.Random, content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    entries = zip_entries_of(content)
    place = rng.randrange(len(entries))
    entries[place] = (entries[place][0], change(entries[place][1]))
    return zip_of([*entries])
