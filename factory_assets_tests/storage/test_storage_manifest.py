"""The manifest's one spelling: round trip, strictness, digests of slices."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from factory_assets.storage.manifest import NOTHING, Blocked, InputRef, Manifest, Part
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.storage.storage_samples import MGC, MOMENT

EXAMPLE = Manifest(
    table="bars_5min",
    group="market",
    key=MGC,
    created_at=MOMENT,
    code_version="1",
    settings_digest="2",
    parts=(Part("bars_5min.parquet", "a" * 64, 10, 3),),
    schema={"close_time": "timestamp[us, tz=UTC]", "close": "double"},
    rows=3,
    first=("2022-01-08T00:05:00+00:00",),
    last=("2022-01-09T00:05:00+00:00",),
    session_column="trade_date",
    sessions=((19000, "b" * 32), (19003, "c" * 32)),
    inputs=(InputRef("canonical_bars", "market", MGC, None, "d" * 64, "e" * 32),),
    lineage={"canonical_bars|MGC|full": "e" * 32},
    verdicts=(Verdict(name="sorted", passed=True, summary="3 rows", details={"rows": 3, "share": 0.5}),),
    meta={"raw_sha256": "f" * 64},
    blocked=Blocked(datetime(2026, 2, 1, tzinfo=UTC), "spikes", (Verdict(name="x", passed=False, summary="no"),)),
    previous="1" * 64,
)


def test_round_trip_is_exact():
    assert Manifest.decode(EXAMPLE.encode(), "here") == EXAMPLE


def test_sha256_is_that_of_the_payload_in_the_file():
    document = json.loads(EXAMPLE.encode())
    spelled = json.dumps(document["manifest"], sort_keys=True, separators=(",", ":"))
    assert document["sha256"] == hashlib.sha256(spelled.encode()).hexdigest() == EXAMPLE.sha256


def test_every_single_flipped_bit_is_detected():
    intact = EXAMPLE.encode()
    for position in range(len(intact)):
        damaged = bytearray(intact)
        damaged[position] ^= 1 << (position % 8)
        with pytest.raises(IntegrityError, match="here"):
            Manifest.decode(bytes(damaged), "here")


def _rehashed(change):
    """A file whose hash is right but whose content is not what this store writes."""
    document = json.loads(EXAMPLE.encode())
    change(document["manifest"])
    spelled = json.dumps(document["manifest"], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(spelled.encode()).hexdigest()
    return b'{"manifest":' + spelled.encode() + b',"sha256":"' + digest.encode() + b'"}\n'


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(surprise=1),
        lambda m: m.pop("rows"),
        lambda m: m.update(rows="3"),
        lambda m: m.update(rows=True),
        lambda m: m.update(format=2),
        lambda m: m.update(key="../../escape"),
        lambda m: m.update(created_at="2026-01-02T03:04:05"),
        lambda m: m.update(previous="xyz"),
        lambda m: m["parts"].append(["a", "b", 1]),
        lambda m: m["parts"].append(["a", "G" * 64, 1, 1]),
        lambda m: m["verdicts"][0].update(passed="yes"),
        lambda m: m["verdicts"][0].update(extra=1),
        lambda m: m["blocked"].pop("reason"),
        lambda m: m["meta"].update(deep={}),
        lambda m: m["sessions"].append([19004]),
    ],
)
def test_wrong_fields_are_refused_even_with_the_right_hash(change):
    assert Manifest.decode(_rehashed(lambda m: m.update()), "here") == EXAMPLE
    with pytest.raises(IntegrityError):
        Manifest.decode(_rehashed(change), "here")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, EXAMPLE.encode()[:-1]])
def test_other_bytes_are_refused(data):
    with pytest.raises(IntegrityError):
        Manifest.decode(data, "here")


@pytest.mark.parametrize(
    ("day", "expected"),
    [(18999, NOTHING), (19000, "b" * 32), (19002, "b" * 32), (19003, "c" * 32), (30000, "c" * 32), (None, "c" * 32)],
)
def test_slice_digest_is_that_of_the_last_session_until_the_day(day, expected):
    assert EXAMPLE.digest_at(day) == expected


def test_a_table_without_sessions_has_no_slices():
    plain = dataclasses.replace(EXAMPLE, session_column=None, sessions=())
    assert plain.digest_at(None) == plain.content_digest
    with pytest.raises(BadInputError, match="no session column"):
        plain.digest_at(19000)


def test_numpy_and_infinite_figures_become_plain():
    verdict = Verdict(name="x", passed=np.True_, summary="s", details={"n": np.int64(3), "r": float("inf")})
    manifest = dataclasses.replace(EXAMPLE, verdicts=(verdict,), meta={"share": np.float32(0.5)})
    assert dict(manifest.verdicts[0].details) == {"n": 3, "r": "inf"}
    assert manifest.verdicts[0].passed is True
    assert Manifest.decode(manifest.encode(), "here") == manifest
