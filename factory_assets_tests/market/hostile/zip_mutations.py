"""Mutations of archives: names that lead elsewhere, links, archives inside, bombs, lies in the list of entries."""

import io
import random
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from factory_assets_tests.market.hostile.bases import Base, Hostile
from factory_assets_tests.market.hostile.packing import with_file, zip_entries_of, zip_of

Entries = list[tuple["str | zipfile.ZipInfo", bytes]]


def _entries(base: Base) -> tuple[str, Entries]:
    ((name, content),) = base.files.items()
    return name, [*zip_entries_of(content)]


def _paths(rng: random.Random, base: Base) -> Hostile:
    name, entries = _entries(base)
    entry, text = entries[0]
    ways = (
        "../{}", "../../../../etc/{}", "/etc/{}", "folder/{}", "C:\\{}", "..\\{}", "\\\\host\\share\\{}", "{}/", ".",
        "..", "./{}", "{}\0.exe", "{}:stream", "~/{}", "\n{}", "{}\n", "\u202e{}", "{} ", " {}", "{}\x7f", "é{}",
        "con", "//{}", "%2e%2e%2f{}", "{}\x1b[31m", "",
    )  # fmt: skip
    made = rng.choice(ways).format(entry)
    if rng.random() < 0.5:
        entries[0] = (made, text)
    else:
        entries.append((made, text))
    return with_file(base, name, zip_of(entries), must="refuse")


def _names(rng: random.Random, base: Base) -> Hostile:
    name, entries = _entries(base)
    entry, text = str(entries[0][0]), entries[0][1]
    changes = (
        entry.upper(), entry.replace("minute", "daily"), entry.replace("trade", "quote"), entry.replace("_trade", ""),
        entry.replace("2023", "2024", 1), entry.replace("2023", "0000"), re.sub("_(mes|mgc)_", "_es_", entry),
        "a" * 60_000, entry.replace(".csv", ".txt"), entry.replace(".csv", ""), entry.replace("202312", "202399"),
        entry + ".csv", entry.replace("202312", "202311"), entry.replace("202312", "999912"),
        entry.replace("_2", "_²"), "README.md",
    )  # fmt: skip
    entries[0] = (rng.choice(changes), text)
    return with_file(base, name, zip_of(entries))


def _kinds(rng: random.Random, base: Base) -> Hostile:
    """Links, folders, devices and encrypted entries."""
    name, entries = _entries(base)
    entry, text = str(entries[0][0]), entries[0][1]
    info = zipfile.ZipInfo(entry)
    kind = rng.choice((stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK, None))
    if kind is None:
        content = bytearray(zip_of(entries))
        at = content.rindex(b"PK\x01\x02")
        for place in (at + 8, 6):
            content[place] |= rng.choice((0x1, 0x41))
        return with_file(base, name, bytes(content), must="refuse")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    entries[0] = (info, rng.choice((text, b"/etc/passwd")))
    return with_file(base, name, zip_of(entries), must="refuse")


def _nested(rng: random.Random, base: Base) -> Hostile:
    name, entries = _entries(base)
    whole = base.files[name]
    for _ in range(rng.randint(0, 3)):
        whole = zip_of([("inner.zip", whole)])
    inner = rng.choice(("inner.zip", "20231120_trade.zip", "a.tar", str(entries[0][0]), "x.csv.gz", "x.zst"))
    made: Entries = [(inner, whole)] if rng.random() < 0.6 else [*entries, (inner, whole)]
    return with_file(base, name, zip_of(made), must="refuse")


def _several(rng: random.Random, base: Base) -> Hostile:
    name, entries = _entries(base)
    what = rng.random()
    if what < 0.4:
        return with_file(base, name, zip_of([*entries, rng.choice(entries)]), must="refuse")
    if what < 0.6:
        return with_file(base, name, zip_of([]), must="refuse")
    if what < 0.8:
        return with_file(base, name, zip_of([*entries, ("readme.txt", b"hello")]), must="refuse")
    many = rng.choice((501, 2_000, 20_000))
    return with_file(base, name, zip_of([(f"{number}.csv", b"") for number in range(many)]), must="refuse")


def _methods(rng: random.Random, base: Base) -> Hostile:
    name, entries = _entries(base)
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 6, 98))
    content = bytearray(zip_of(entries, method if method in (0, 8, 12, 14) else 8))
    if method not in (0, 8, 12, 14):
        for mark, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
            struct.pack_into("<H", content, content.index(mark) + offset, method)
    return with_file(base, name, bytes(content), must="accept" if method in (0, 8) else "refuse")


def _directory(rng: random.Random, base: Base) -> Hostile:
    """One number in the list of entries or its end changed: sizes, offsets, counts, checksums."""
    ((name, sound),) = base.files.items()
    content = bytearray(sound)
    mark, reach = rng.choice(((b"PK\x01\x02", 46), (b"PK\x05\x06", 22), (b"PK\x03\x04", 30)))
    at = content.rindex(mark) + rng.randrange(4, reach - 3)
    width = rng.choice(("<B", "<H", "<I"))
    value = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256), (1 << 8 * struct.calcsize(width)) - 1))
    struct.pack_into(width, content, min(at, len(content) - 4), value)
    return with_file(base, name, bytes(content))


def _around(rng: random.Random, base: Base) -> Hostile:
    ((name, content),) = base.files.items()
    ways = (b"MZ" + b"\0" * 300 + content, content + b"\0" * 9, content + content, content + b"PK\x05\x06" + b"\0" * 18)
    ways += (
        content[: content.rindex(b"PK\x05\x06")],
        content[content.rindex(b"PK\x01\x02") :],
        b"PK\x05\x06" + b"\0" * 18,
    )
    ways += (content[:-2] + b"\xff\xff", content[:-2] + b"\x05\x00hello", content[:-22] + b"PK\x06\x07" + content[-22:])
    return with_file(base, name, rng.choice(ways))


@cache
def _zeros_zip(entry: str, size: int) -> bytes:
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(entry, "w") as stream,
    ):
        for _ in range(size >> 22):
            stream.write(bytes(1 << 22))
    return sink.getvalue()


def zip_bomb(rng: random.Random, base: Base) -> Hostile:
    """An archive of a few hundred kilobytes that unpacks to a thousand times as much, whatever size it states."""
    name, entries = _entries(base)
    content = bytearray(_zeros_zip(str(entries[0][0]), 160 << 20))
    if rng.random() < 0.5:
        struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, rng.choice((10, 0, 1 << 31)))
    return with_file(base, name, bytes(content), must="refuse")


ZIP_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {
        "entry_paths": _paths,
        "entry_names": _names,
        "entry_kinds": _kinds,
        "nested": _nested,
        "several": _several,
        "methods": _methods,
        "directory": _directory,
        "around": _around,
    }
)
"""By kind; each gives a folder from a base of family lean."""
