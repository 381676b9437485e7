"""Mutations that know nothing of a format: bytes cut, flipped, moved, doubled, blanked or made up."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

ByteMutation = Callable[[random.Random, bytes], bytes]


def _truncated(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _cut_at_end(rng: random.Random, content: bytes) -> bytes:
    return content[: -rng.randint(1, min(12, len(content)))]


def _bits_flipped(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _bytes_replaced(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _bytes_near(rng: random.Random, content: bytes, front: bool) -> bytes:
    """Damage in the first or last bytes, where formats keep what the rest means."""
    changed = bytearray(content)
    reach = min(len(changed), 240)
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(reach)
        changed[place if front else len(changed) - 1 - place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def _slice_of(rng: random.Random, content: bytes) -> tuple[int, int]:
    first = rng.randrange(len(content))
    return first, min(len(content), first + rng.choice((1, 3, 17, 64, 300)))


def _slice_removed(rng: random.Random, content: bytes) -> bytes:
    first, last = _slice_of(rng, content)
    return content[:first] + content[last:]


def _slice_doubled(rng: random.Random, content: bytes) -> bytes:
    first, last = _slice_of(rng, content)
    return content[:last] + content[first:last] + content[last:]


def _slice_moved(rng: random.Random, content: bytes) -> bytes:
    first, last = _slice_of(rng, content)
    rest = content[:first] + content[last:]
    place = rng.randrange(len(rest) + 1)
    return rest[:place] + content[first:last] + rest[place:]


def _slice_blanked(rng: random.Random, content: bytes) -> bytes:
    first, last = _slice_of(rng, content)
    return content[:first] + rng.choice((b"\0", b" ", b"\xff", b"0")) * (last - first) + content[last:]


def _inserted(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 2, 9, 100))) + content[place:]


def _nul_inserted(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + b"\0" * rng.choice((1, 1, 2, 512)) + content[place:]


def _appended(rng: random.Random, content: bytes) -> bytes:
    more = (rng.randbytes(rng.randint(1, 300)), b"\0" * rng.randint(1, 5_000), b"\x1a", b"\n\n\n", content[:40])
    return content + rng.choice(more)


def _prepended(rng: random.Random, content: bytes) -> bytes:
    return (
        rng.choice((rng.randbytes(rng.randint(1, 40)), b"\n", b"\0", b" ", b"\xef\xbb\xbf", b"#!/bin/sh\n")) + content
    )


def _twice(rng: random.Random, content: bytes) -> bytes:
    return content * rng.randint(2, 3)


def _nothing(rng: random.Random, content: bytes) -> bytes:
    return rng.choice((b"", b"\n", b" ", b"\0", b"\r\n\r\n", b"\xef\xbb\xbf", b"\t", b"\x1a"))


def _made_up(rng: random.Random, content: bytes) -> bytes:
    size = rng.choice((1, 5, 40, 400, 4_000))
    alphabet = rng.choice((bytes(range(256)), b"0123456789.,;-+:\n", b'\n\r\t ",;{}[]0', bytes(range(32, 127)) + b"\n"))
    made = bytes(rng.choice(alphabet) for _ in range(size))
    return rng.choice((b"", content[: rng.choice((4, 8, 64))])) + made


BYTE_MUTATIONS: Mapping[str, ByteMutation] = MappingProxyType(
    {
        "truncated": _truncated,
        "cut_at_end": _cut_at_end,
        "bits_flipped": _bits_flipped,
        "bytes_replaced": _bytes_replaced,
        "front_damaged": lambda rng, content: _bytes_near(rng, content, front=True),
        "end_damaged": lambda rng, content: _bytes_near(rng, content, front=False),
        "slice_removed": _slice_removed,
        "slice_doubled": _slice_doubled,
        "slice_moved": _slice_moved,
        "slice_blanked": _slice_blanked,
        "inserted": _inserted,
        "nul_inserted": _nul_inserted,
        "appended": _appended,
        "prepended": _prepended,
        "twice": _twice,
        "nothing": _nothing,
        "made_up": _made_up,
    }
)
"""By kind; each takes the bytes of a file, or of what it unpacks to, and gives others."""
