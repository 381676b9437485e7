"""Mutations of the folder: links, pipes, sockets, holes of gigabytes, folders named like files, names of all kinds."""

import os
import random
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from factory_assets.market.readers.declaration import DECLARATION_FILE, toml_key
from factory_assets_tests.market.hostile.bases import DBN, Base, Hostile

GIB = 1 << 30
_STEMS = (
    "new\nline", "bell\a", "esc\x1b[31m", "quote'\"", "per%cent %s {0}", "ünïcødé", "\u202etxt", "\U0001f4c8", " ",
    "-rf", "a" * 200, "é" * 100, "con", "back\\slash", "tab\there", "\u200b", "\x7f", "$(id)", ".hidden", "readme",
    "null", "a,b", "semi;colon", "line\u2028sep", "cr\rlf", "\udcff\udcfe",
)  # fmt: skip


def _arranged(base: Base, arrange: Callable[[Path], None], must: str = "", *, known: bool = True) -> Hostile:
    return Hostile(
        files=base.files, declaration=base.declaration.encode(), base=base, arrange=arrange, must=must, known=known
    )


def _first(base: Base) -> str:
    return sorted(base.files)[0]


def _instead(rng: random.Random, base: Base) -> Hostile:
    """Something else in the place of a data file."""
    name = _first(base)
    what = rng.choice(("broken", "loop", "folder", "pipe", "socket", "memory", "zero", "null", "self", "huge", "empty"))

    def arrange(folder: Path) -> None:
        (folder / name).unlink()
        put(folder / name, what)

    # Beside other files, what is no file is as good as absent.
    alone = len(base.files) == 1
    return _arranged(base, arrange, "refuse" if alone else "", known=alone)


def put(path: Path, what: str) -> None:
    """Something that is no plain file of sane size at a path."""
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "socket":
        here = os.open(path.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as server:
            # Names of sockets are short: bound over the folder's descriptor, moved to their long name then.
            server.bind(f"/proc/self/fd/{here}/s")
        os.close(here)
        (path.parent / "s").rename(path)
    elif what == "huge":
        with path.open("wb") as stream:
            stream.truncate(3 * GIB)
    elif what == "empty":
        path.touch()
    else:
        targets = {"broken": "nowhere", "loop": path.name, "memory": "/proc/self/mem", "zero": "/dev/zero"}
        path.symlink_to({**targets, "null": "/dev/null", "self": "."}[what])


def _beside(rng: random.Random, base: Base) -> Hostile:
    """Something besides the data files that is none, but is named like one."""
    name = _first(base)
    suffix = "_trade.zip" if base.format == "lean" else "".join(Path(name).suffixes[-2:])
    what = rng.choice(("folder", "pipe", "socket", "zero", "null", "self", "broken", "memory", "empty", "huge"))

    def arrange(folder: Path) -> None:
        put(folder / f"20231121{suffix}", what)

    # A link to the folder itself is a subfolder with raw files.
    bad = what in ("broken", "memory", "empty", "huge", "self")
    return _arranged(base, arrange, "refuse" if bad else "accept")


def _linked(rng: random.Random, base: Base) -> Hostile:
    """Links to the real files: as good as they are."""

    def arrange(folder: Path) -> None:
        elsewhere = folder.parent / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        for name in [*base.files, DECLARATION_FILE]:
            (folder / name).replace(elsewhere / name)
            (folder / name).symlink_to(elsewhere / name)

    return _arranged(base, arrange, "accept")


def _nested(rng: random.Random, base: Base) -> Hostile:
    name = _first(base)

    def arrange(folder: Path) -> None:
        (folder / "more").mkdir()
        (folder / "more" / name).write_bytes(base.files[name])
        if rng_half:
            (folder / name).unlink()

    rng_half = rng.random() < 0.5
    return _arranged(base, arrange, "refuse")


def _two_formats(rng: random.Random, base: Base) -> Hostile:
    others = ("x.csv", "x.txt", "x.parquet", "x.dbn", "x.dbn.zst", "20231120_trade.zip", "x.json", "x.csv.zst")
    other = rng.choice(others)

    def arrange(folder: Path) -> None:
        (folder / other).write_bytes(rng_bytes)

    rng_bytes = rng.choice((b"", b"x", base.files[_first(base)]))
    return _arranged(base, arrange, known=False)


def _renamed(rng: random.Random, base: Base) -> Hostile:
    """Data files under names that few expect."""
    name, stem = _first(base), rng.choice(_STEMS)
    suffix = "_trade.zip" if base.format == "lean" else "".join(Path(name).suffixes[-2:]).lstrip()
    suffix = suffix if len(suffix) < 12 else Path(name).suffix
    suffix = suffix.upper() if rng.random() < 0.2 else suffix
    new = stem + suffix
    text = base.declaration.encode("utf-8", errors="surrogatepass")
    # A name that is no text cannot stand in a declaration.
    if not any("\ud800" <= mark <= "\udfff" for mark in new):
        text = base.declaration.replace(f"{toml_key(name)} = ", f"{toml_key(new)} = ").encode()
    files = {(new if old == name else old): content for old, content in base.files.items()}
    # Hidden files and readmes are no data, whatever they hold.
    return Hostile(files=files, declaration=text, base=base, known=stem not in (".hidden", "readme"))


def _declaration_file(rng: random.Random, base: Base) -> Hostile:
    """Something else in the place of ``source.toml``."""
    whats = ("broken", "loop", "folder", "pipe", "socket", "memory", "zero", "null", "self", "huge", "empty", "absent")
    what = rng.choice(whats)

    def arrange(folder: Path) -> None:
        (folder / DECLARATION_FILE).unlink()
        if what != "absent":
            put(folder / DECLARATION_FILE, what)

    # Only DBN needs no declaration, if what stands there is plainly none; a continuous series needs its months.
    odd = ("broken", "loop", "memory", "huge", "empty", "self")
    needs = base.family != DBN or "expiry_from" in base.declaration or what in odd
    return _arranged(base, arrange, "refuse" if needs else "accept", known=False)


def _unreadable(rng: random.Random, base: Base) -> Hostile:
    """No permission to read a file: root reads it all the same, everybody else is told."""
    name = rng.choice([*base.files, DECLARATION_FILE])

    def arrange(folder: Path) -> None:
        (folder / name).chmod(rng_mode)

    rng_mode = rng.choice((0, 0o200, 0o111))
    return _arranged(base, arrange, "accept" if os.geteuid() == 0 else "refuse")


def _no_folder(rng: random.Random, base: Base) -> Hostile:
    what = rng.choice(("empty", "file", "absent", "pipe"))

    def arrange(folder: Path) -> None:
        for path in folder.iterdir():
            path.unlink()
        if what != "empty":
            folder.rmdir()
        if what == "file":
            folder.write_bytes(b"x")
        elif what == "pipe":
            os.mkfifo(folder)

    return _arranged(base, arrange, "refuse")


def _copied(rng: random.Random, base: Base) -> Hostile:
    """The same bars in a second file."""
    name = _first(base)
    other = f"20231121{name}" if base.format != "lean" else "20231121_trade.zip"

    def arrange(folder: Path) -> None:
        (folder / other).write_bytes(base.files[name])

    return _arranged(base, arrange, known=False)


FOLDER_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {
        "instead": _instead,
        "beside": _beside,
        "linked": _linked,
        "nested_folder": _nested,
        "two_formats": _two_formats,
        "renamed": _renamed,
        "declaration_file": _declaration_file,
        "unreadable": _unreadable,
        "no_folder": _no_folder,
        "copied": _copied,
    }
)
"""By kind; each gives a folder of any format."""
