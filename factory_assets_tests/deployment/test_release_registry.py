"""The release registry: what is champion, what a touched file says, and what a crash leaves."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from factory_assets.deployment.release_registry import ReleaseRecord, ReleaseRegistry
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.hash_chain import sealed, to_line
from factory_assets.vocabulary.partition import PartitionKey

A, B, C = "a" * 64, "b" * 64, "c" * 64
KEY = PartitionKey("SIM", 20)


class Ticking:
    """A clock that gains a minute a look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def registry(tmp_path) -> ReleaseRegistry:
    return ReleaseRegistry(tmp_path / "releases", KEY)


@pytest.fixture
def filled(registry, clock) -> ReleaseRegistry:
    registry.record_candidate(A, data_end_day=20_000, clock=clock)
    registry.promote(A, reason="first", by="ann", clock=clock)
    registry.record_refit(B, parent=A, data_end_day=20_010, clock=clock)
    return registry


def promote(registry, digest, clock, reason="why"):
    return registry.promote(digest, reason=reason, by="ann", clock=clock)


def test_an_empty_registry_has_no_champion_and_leaves_no_file(registry):
    assert registry.records() == ()
    assert registry.champion() is None
    assert not registry.path.parent.exists()


def test_only_a_promotion_makes_a_champion_and_an_earlier_digest_rolls_back(registry, clock):
    registry.record_candidate(A, data_end_day=20_000, clock=clock)
    assert registry.champion() is None
    first = promote(registry, A, clock, "first")
    registry.record_candidate(B, data_end_day=20_100, clock=clock)
    assert registry.champion() == first
    second = promote(registry, B, clock)
    assert (second.parent, second.data_end, second.reason, second.by) == (A, "2025-01-12", "why", "ann")
    assert second.data_end_day == 20_100
    back = promote(registry, A, clock, "worse live")
    assert registry.champion() == back
    assert (back.digest, back.parent, back.data_end_day) == (A, B, 20_000)
    assert [r.kind for r in registry.records()] == ["candidate", "promoted", "candidate", "promoted", "promoted"]
    assert back.moment == datetime(2026, 3, 2, 22, 5, tzinfo=UTC)


def test_saying_the_same_again_writes_nothing(filled, clock):
    before = filled.path.read_bytes()
    filled.record_candidate(A, data_end_day=20_000, clock=clock)
    promote(filled, A, clock, "again")
    filled.record_refit(B, parent=A, data_end_day=20_010, clock=clock)
    assert filled.path.read_bytes() == before


def test_a_candidate_that_comes_back_is_the_newest_again(filled, clock):
    filled.record_candidate(C, data_end_day=20_000, clock=clock)
    filled.record_candidate(A, data_end_day=20_000, clock=clock)


def test_refits_are_told_apart_by_their_recipe(filled, clock):
    filled.record_refit(C, parent=B, data_end_day=20_011, clock=clock)
    assert [r.digest for r in filled.refits()] == [B, C]
    assert [r.digest for r in filled.refits(parent=A)] == [B]
    assert filled.release(B).data_end == "2024-10-14"
    assert filled.release("d" * 64) is None


def test_an_unknown_digest_and_a_blank_reason_are_refused(filled, clock):
    before = filled.path.read_bytes()
    with pytest.raises(BadInputError, match="no release 'cccc"):
        promote(filled, C, clock)
    with pytest.raises(BadInputError, match="say why"):
        promote(filled, B, clock, "  ")
    with pytest.raises(IntegrityError, match="expected sha256"):
        filled.record_candidate("../../etc", data_end_day=1, clock=clock)
    assert filled.path.read_bytes() == before
    with pytest.raises(BadInputError, match="a contract and a horizon"):
        ReleaseRegistry(filled.path.parent, PartitionKey("SIM"))


def _lines(registry):
    return registry.path.read_text(encoding="utf-8").splitlines(keepends=True)


def _write(registry, lines):
    registry.path.write_text("".join(lines), encoding="utf-8")


def _rehashed(registry):
    """An edit whose own line was hashed anew: the next line and the head still know."""
    lines = _lines(registry)
    plain = json.loads(lines[1])
    record = sealed(ReleaseRecord, **{**{k: v for k, v in plain.items() if k != "hash"}, "reason": "other"})
    _write(registry, [lines[0], to_line(record) + "\n", *lines[2:]])


def _replaced(registry, entries):
    """Another registry's lines, whole and true among themselves, in the place of this one's."""
    other = ReleaseRegistry(registry.path.parents[3] / "elsewhere", KEY)
    for night in range(entries):
        other.record_candidate(f"{night}" * 64, data_end_day=night, clock=Ticking())
    registry.path.write_bytes(other.path.read_bytes())


TOUCHED = {
    "replaced": lambda r: _replaced(r, 3),
    "replaced by a longer one": lambda r: _replaced(r, 4),
    "edited": lambda r: _write(r, [line.replace("first", "other") for line in _lines(r)]),
    "edited and hashed": _rehashed,
    "line deleted": lambda r: _write(r, [_lines(r)[0], _lines(r)[2]]),
    "tail cut": lambda r: _write(r, _lines(r)[:-1]),
    "swapped": lambda r: _write(r, [_lines(r)[1], _lines(r)[0], _lines(r)[2]]),
    "emptied": lambda r: _write(r, []),
    "deleted": lambda r: r.path.unlink(),
    "doubled": lambda r: _write(r, [*_lines(r), _lines(r)[-1]]),
    "respelled": lambda r: _write(r, [line.replace('": ', '":  ') for line in _lines(r)]),
    "head deleted": lambda r: r.path.with_name("registry.head.json").unlink(),
    "head edited": lambda r: r.path.with_name("registry.head.json").write_text('{"count": 2}', encoding="utf-8"),
    "not text": lambda r: r.path.write_bytes(b"\xff\xfe\n"),
    "of another partition": lambda r: _write(r, [line.replace('"horizon": 20', '"horizon": 5') for line in _lines(r)]),
}


@pytest.mark.parametrize("how", TOUCHED)
def test_a_touched_registry_is_refused_and_stays_as_it_is(filled, clock, how):
    TOUCHED[how](filled)
    state = {path.name: path.read_bytes() for path in filled.path.parent.iterdir() if path.suffix != ".lock"}
    for ask in (filled.records, filled.champion, lambda: promote(filled, A, clock)):
        with pytest.raises(IntegrityError, match=r"registry|restore"):
            ask()
    after = {path.name: path.read_bytes() for path in filled.path.parent.iterdir() if path.suffix != ".lock"}
    assert after == state


def test_a_crash_between_line_and_head_loses_nothing(filled, clock, monkeypatch):
    def die(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ReleaseRegistry, "_keep_head", die)
        with pytest.raises(RuntimeError, match="killed"):
            promote(filled, B, clock, "then the lights went out")
    assert filled.champion().digest == B
    assert filled.champion().reason == "then the lights went out"
    assert json.loads(filled.path.with_name("registry.head.json").read_text())["count"] == 4


def test_a_torn_line_was_never_said(filled, clock):
    with filled.path.open("a", encoding="utf-8") as stream:
        stream.write('{"at": "2026')
    assert filled.champion().digest == A
    promote(filled, B, clock)
    assert [r.kind for r in filled.records()] == ["candidate", "promoted", "refit", "promoted"]


def test_processes_that_write_at_once_all_count(registry, clock):
    registry.record_candidate(A, data_end_day=20_000, clock=clock)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for night in range(6):
                    registry.record_refit(f"{number}{night}".ljust(64, "0"), parent=A, data_end_day=night, clock=clock)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert len(registry.refits(parent=A)) == 18
    assert [r.seq for r in registry.records()] == list(range(19))
