"""Mutations of DBN files by their layout: header fields, records and zstd frames."""

import bz2
import random
import struct
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import pyarrow as pa

from factory_assets_tests.market.hostile.bases import Base, Hostile
from factory_assets_tests.market.hostile.packing import with_file, with_inner
from factory_assets_tests.market.hostile.plain_binary import ZSTD_MAGIC, unpacked_zstd

_PRICES = (0, -1, 1, -(2**63), 2**63 - 1, 2**63 - 2, 10**9, 4_512_260_000_000, 2**62, -4_512_250_000_000, 10**18)
_TIMES = (
    0,
    1,
    2**64 - 1,
    2**63 - 1,
    2**63,
    10**18,
    1_700_490_600,
    253_402_300_800 * 10**9 % 2**64,
    1_700_490_601 * 10**9,
)
_WHOLE = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
DbnMutation = Callable[[random.Random, bytearray, int, int], "bytes | None"]


def _apply(change: DbnMutation, must: str, rng: random.Random, base: Base) -> Hostile:
    def changed(content: bytes) -> bytes:
        plain = bytearray(content)
        start = 8 + int.from_bytes(plain[4:8], "little")
        made = change(rng, plain, start, 4 * plain[start])
        return bytes(plain) if made is None else made

    return with_inner(rng, base, changed, must=must)


def _records(plain: bytearray, start: int, size: int) -> list[bytes]:
    return [bytes(plain[at : at + size]) for at in range(start, len(plain), size)]


def _permuted(rng: random.Random, plain: bytearray, start: int, size: int) -> bytes:
    records = _records(plain, start, size)
    return bytes(plain[:start]) + b"".join(rng.sample(records, len(records)))


def _doubled(rng: random.Random, plain: bytearray, start: int, size: int) -> bytes:
    return bytes(plain) + b"".join(rng.choices(_records(plain, start, size), k=3))


def _dropped(rng: random.Random, plain: bytearray, start: int, size: int) -> bytes:
    records = _records(plain, start, size)
    return bytes(plain[:start]) + b"".join(rng.sample(records, rng.randint(0, len(records))))


def _shifted(rng: random.Random, plain: bytearray, start: int, size: int) -> bytes:
    """Whole records, at an offset that is none."""
    step = rng.randint(1, size - 1)
    return bytes(plain[:start]) + bytes(plain[start + step :]) + b"\0" * rng.choice((0, step))


def _field(rng: random.Random, plain: bytearray, start: int, size: int) -> None:
    at = start + size * rng.randrange((len(plain) - start) // size)
    offset, kind, values = rng.choice(
        (
            (0, "<B", _WHOLE[:7]),
            (1, "<B", (0, 32, 34, 35, 36, 33, 160, 255)),
            (4, "<I", _WHOLE),
            (8, "<Q", _TIMES),
            *((16 + 8 * side, "<q", _PRICES) for side in range(4)),
            (48, "<Q", (0, 1, 2**64 - 1, 2**63, 2**53 + 1)),
        )
    )
    for place in range(at, len(plain) if rng.random() < 0.2 else at + 1, size):
        struct.pack_into(kind, plain, place + offset, rng.choice(values))


def _moved_in_time(rng: random.Random, plain: bytearray, start: int, size: int) -> None:
    shift = rng.choice((1, 10**9, 30 * 10**9, 60 * 10**9, 86_400 * 10**9, 400 * 86_400 * 10**9, -(10**18)))
    for at in range(start, len(plain), size):
        (stamp,) = struct.unpack_from("<Q", plain, at + 8)
        struct.pack_into("<Q", plain, at + 8, (stamp + shift) % 2**64)


def _header_field(rng: random.Random, plain: bytearray, start: int, size: int) -> None:
    at = 50 if plain[3] == 1 else 42
    offset, kind, values = rng.choice(
        (
            (3, "<B", (0, 1, 2, 3, 4, 255)),
            (4, "<I", (0, 1, 91, start - 9, start - 7, start + 56, 2**31, 2**32 - 1)),
            (24, "<H", (0, 4, 5, 7, 8, 6, 999, 65535)),
            (8 + at, "<B", (*range(12), 255)),
            (9 + at, "<B", (*range(12), 255)),
            (10 + at, "<B", (0, 1, 2, 255)),
            (11 + at, "<H", (0, 1, 22, 71, 70, 72, 65535)),
            *((108 + 4 * number, "<I", _WHOLE) for number in range(5)),
        )
    )
    struct.pack_into(kind, plain, offset, rng.choice(values))


def _symbols(rng: random.Random, plain: bytearray, start: int, size: int) -> None:
    """Names, ids and dates of the symbology: everything behind the fixed header."""
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(min(112, start - 1), start)
        plain[at] = rng.choice((0, 48 + rng.randrange(10), 65 + rng.randrange(26), rng.randrange(256), plain[at] ^ 1))


def _trailing(rng: random.Random, plain: bytearray, start: int, size: int) -> bytes:
    more = (b"\0" * size, bytes(plain[start : start + size])[: rng.randint(1, size - 1)], bytes(plain), b"\n", b"DBN\1")
    return bytes(plain) + rng.choice(more)


def _frames(rng: random.Random, base: Base) -> Hostile:
    """The same content in other frames, or frames of something else around it."""
    name = rng.choice(sorted(base.files))
    content = base.files[name]
    plain = unpacked_zstd(content) if content.startswith(ZSTD_MAGIC) else content
    cut = rng.randrange(1, len(plain))

    def packed(part: bytes) -> bytes:
        return bytes(pa.compress(part, codec="zstd", asbytes=True))

    whole, half = packed(plain), packed(plain[:cut])
    both = half + packed(plain[cut:])
    skipped = struct.pack("<II", 0x184D2A50 + rng.randrange(16), 7) + b"comment"
    ways = (
        (plain, "accept"), (both, "accept"), (skipped + whole, ""), (whole + skipped, ""), (both[: len(half)], ""),
        (packed(whole), "refuse"), (whole[:-1], "refuse"), (half + packed(plain[cut:])[:-2], "refuse"),
        (whole + b"\0", ""), (whole[: rng.randrange(4, len(whole))], "refuse"), (whole + whole, ""),
        (whole + plain[-56:], "refuse"), (both[: rng.randrange(len(half) + 1, len(both))], "refuse"),
        (packed(b""), "refuse"), (whole[4:], "refuse"), (ZSTD_MAGIC, "refuse"), (ZSTD_MAGIC + whole, "refuse"),
        (pa.compress(plain, codec="gzip", asbytes=True), "refuse"), (bz2.compress(plain), "refuse"),
        (_raw_blocks(plain), "accept"), (_raw_blocks(plain)[: -rng.randint(1, 200)], "refuse"),
        (_raw_blocks(plain, last=False), "refuse"),
        (_raw_blocks(plain, cut=rng.randrange(len(plain) // 56) * 56, last=False), "refuse"),
    )  # fmt: skip
    made, must = rng.choice(ways)
    return with_file(base, name, made, must=must)


def _raw_blocks(plain: bytes, *, cut: int | None = None, last: bool = True) -> bytes:
    """A frame of unpacked blocks without a stated size or checksum, as a stream writes it; perhaps without its end."""
    made = ZSTD_MAGIC + bytes([0, 0x58])
    parts = [plain[at : at + 400] for at in range(0, len(plain), 400)] if cut is None else [plain[:cut]]
    for number, part in enumerate(parts):
        ends = last and number == len(parts) - 1
        made += (int(ends) | len(part) << 3).to_bytes(3, "little") + part
    return made


def zeros_frame(size: int) -> bytes:
    """A zstd frame of that many zeros, in blocks of 128 KiB that take four bytes each."""
    block = 128 * 1024
    count = max(1, size // block)
    more, last = ((ends | 1 << 1 | block << 3).to_bytes(3, "little") + b"\0" for ends in (0, 1))
    return ZSTD_MAGIC + bytes([0, 0x58]) + more * (count - 1) + last


def zstd_bomb(rng: random.Random, base: Base) -> Hostile:
    """A few kilobytes that unpack to gigabytes."""
    name = rng.choice(sorted(base.files))
    return with_file(base, name, zeros_frame(rng.choice((1, 8, 200)) << 30), must="refuse")


_MUTATIONS: Mapping[str, tuple[DbnMutation, str]] = MappingProxyType(
    {
        "permuted_records": (_permuted, "accept"),
        "doubled_records": (_doubled, "accept"),
        "dropped_records": (_dropped, ""),
        "shifted_records": (_shifted, "refuse"),
        "record_field": (_field, ""),
        "moved_in_time": (_moved_in_time, ""),
        "header_field": (_header_field, ""),
        "symbols": (_symbols, ""),
        "trailing": (_trailing, ""),
    }
)
DBN_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {name: partial(_apply, change, must) for name, (change, must) in _MUTATIONS.items()} | {"frames": _frames}
)
"""By kind; each gives a folder from a base of family dbn."""
