"""Mutations of ``open_interest.csv``, and its plain reading."""

# ruff: noqa: RUF001 - digits of other scripts are the point

import random
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType

from factory_assets_tests.market.hostile.bases import Base, Hostile, bases
from factory_assets_tests.market.hostile.byte_mutations import BYTE_MUTATIONS
from factory_assets_tests.market.hostile.folder_mutations import put
from factory_assets_tests.market.hostile.rows import NoMeaningError, is_outright

FILE = "open_interest.csv"
HEADER = "trade_date,expiry,open_interest"
_DAYS = ("2023-11-13", "2023-11-14", "2023-11-15", "2023-11-16", "2023-11-17", "2023-11-20")
_ODD = (
    "", " ", "-1", "0", "1.5", "1e5", "nan", "inf", "999999999", "1000000000", "9" * 400, "١٢٣", "1,000", "+5", "0x1",
    "2023-11-18", "2023-02-30", "0001-01-01", "9999-12-31", "1970-01-01", "2023-11-5", "20231120", "2023-11-20T00:00",
    "20/11/2023", "MESZ3", "MESH4", "MESZ3-MESH4", "ESZ3", "MGCZ3", "mesz3", "MESZ2023", "MESZ23", "MES Z3",
    "x" * 90_000, '"5"', "5\0", "5\r", "\u2028", "５", "NULL",
)  # fmt: skip


def sound_open_interest() -> bytes:
    """Figures of two months over six sessions."""
    lines = [f"{day},{month},{1_000 + 7 * n}" for n, day in enumerate(_DAYS) for month in ("MESZ3", "MESH4")]
    return ("\n".join([HEADER, *lines]) + "\n").encode()


def plain_open_interest(content: bytes, product: str) -> set[tuple[str, str, int]]:
    """(trade date, month, contracts) of every line.

    Raises
    ------
    NoMeaningError
        The lines do not all say such a thing, or two speak of the same.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as problem:
        raise NoMeaningError("no UTF-8") from problem
    if lines[0].strip().lower() != HEADER:
        raise NoMeaningError("no header")
    found: dict[tuple[str, str], int] = {}
    for line in lines[1:]:
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split(",")]
        if len(parts) != 3 or re.fullmatch("[0-9]{1,9}", parts[2]) is None or not is_outright(parts[1], product):
            raise NoMeaningError(f"{line[:60]!a}")
        try:
            day = str(date.fromisoformat(parts[0]))
        except ValueError as problem:
            raise NoMeaningError(str(problem)) from problem
        if day != parts[0] or (day, parts[1]) in found:
            raise NoMeaningError(f"{line[:60]!a}")
        found[(day, parts[1])] = int(parts[2])
    return {(*key, figure) for key, figure in found.items()}


def _folder(content: bytes, *, must: str = "", arrange: Callable[[Path], None] | None = None) -> Hostile:
    base: Base = bases("databento_dbn")[0]
    return Hostile(
        files=base.files,
        declaration=base.declaration.encode(),
        base=base,
        extra={FILE: content},
        must=must,
        arrange=arrange,
    )


def _lines(rng: random.Random) -> list[list[str]]:
    return [line.split(",") for line in sound_open_interest().decode().splitlines()]


def _text(lines: list[list[str]], mark: str = ",", end: str = "\n") -> bytes:
    return (end.join(mark.join(line) for line in lines) + end).encode("utf-8", errors="surrogatepass")


def _field(rng: random.Random) -> Hostile:
    lines = _lines(rng)
    line = rng.choice(lines)
    line[rng.randrange(3)] = rng.choice(_ODD)
    return _folder(_text(lines))


def _order(rng: random.Random) -> Hostile:
    lines = _lines(rng)
    body = rng.sample(lines[1:], rng.randint(1, len(lines) - 1))
    return _folder(_text([lines[0], *body], end=rng.choice(("\n", "\r\n", "\n\n"))), must="accept")


def _twice(rng: random.Random) -> Hostile:
    lines = _lines(rng)
    again = list(rng.choice(lines[1:]))
    again[2] = rng.choice((again[2], "5"))
    lines.insert(rng.randint(1, len(lines)), again)
    return _folder(_text(lines), must="refuse")


def _columns(rng: random.Random) -> Hostile:
    lines, what = _lines(rng), rng.random()
    first, second = rng.sample(range(3), 2)
    for line in lines[1 if what < 0.4 else 0 :]:
        if what < 0.7:
            line[first], line[second] = line[second], line[first]
        else:
            del line[first]
    return _folder(_text(lines), must="refuse")


def _shape(rng: random.Random) -> Hostile:
    lines = _lines(rng)
    ways: tuple[bytes, ...] = (_text(lines, ";"), _text(lines, "\t"), _text(lines[1:]), _text(lines, end="\r"))
    ways += (b"\xef\xbb\xbf" + _text(lines), b"\n" + _text(lines), _text(lines).decode().encode("utf-16"), b"", b"\n")
    ways += (_text(lines) * 2, _text([*lines, ["x" * 2_000_000]]), _text(lines[:1]), _text(lines).upper())
    return _folder(rng.choice(ways))


def _bytes(rng: random.Random) -> Hostile:
    return _folder(BYTE_MUTATIONS[rng.choice(sorted(BYTE_MUTATIONS))](rng, sound_open_interest()))


def _no_file(rng: random.Random) -> Hostile:
    what = rng.choice(("broken", "loop", "folder", "pipe", "socket", "memory", "zero", "null", "self", "huge"))

    def arrange(folder: Path) -> None:
        (folder / FILE).unlink()
        put(folder / FILE, what)

    return _folder(b"", must="refuse", arrange=arrange)


OPEN_INTEREST_MUTATIONS: Mapping[str, Callable[[random.Random], Hostile]] = MappingProxyType(
    {
        "field": _field,
        "order": _order,
        "twice": _twice,
        "columns": _columns,
        "shape": _shape,
        "bytes": _bytes,
        "no_file": _no_file,
    }
)
"""By kind; each gives a folder of sound bars whose ``open_interest.csv`` is not."""
