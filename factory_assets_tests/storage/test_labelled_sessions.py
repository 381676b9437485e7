"""The record of sessions labelled without a study: it only grows, and damage is noticed."""

import json
from datetime import UTC, datetime

import pytest

from factory_assets.storage.labelled_sessions import LabelledSessions
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, UnknownNameError

AT = datetime(2026, 6, 12, 22, tzinfo=UTC)


def test_it_only_grows(tmp_path):
    record = LabelledSessions(tmp_path / "studies", "MES")
    assert record.until_day() is None
    for day, kept in ((20_615, 20_615), (20_615, 20_615), (20_600, 20_615), (20_616, 20_616)):
        record.extend(day, at=AT)
        assert LabelledSessions(tmp_path / "studies", "MES").until_day() == kept
    lines = [json.loads(line) for line in record.path.read_text(encoding="utf-8").splitlines()]
    assert [line["labelled_until"] for line in lines] == ["2026-06-11", "2026-06-12"]
    assert {line["recorded_at"] for line in lines} == {"2026-06-12T22:00:00+00:00"}
    assert LabelledSessions(tmp_path / "studies", "MGC").until_day() is None


def test_a_line_that_a_crash_cut_short_does_not_count(tmp_path):
    record = LabelledSessions(tmp_path, "MES")
    record.extend(20_615, at=AT)
    with record.path.open("a", encoding="utf-8") as stream:
        stream.write('{"contract": "MES", "labelled_un')
    assert record.until_day() == 20_615
    record.extend(20_616, at=AT)
    assert record.until_day() == 20_616


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "nothing",
        "[1]",
        '{"contract": "MGC", "labelled_until": "2026-07-01", "recorded_at": "x"}',
        '{"contract": "MES", "labelled_until": "soon", "recorded_at": "x"}',
        '{"contract": "MES", "labelled_until": 5, "recorded_at": "x"}',
        '{"contract": "MES", "labelled_until": "2026-06-10", "recorded_at": "x"}',
        '{"contract": "MES", "labelled_until": "2026-07-10", "recorded_at": "x", "note": 1}',
    ],
)
def test_lines_nobody_wrote_are_refused_and_kept(tmp_path, line):
    record = LabelledSessions(tmp_path, "MES")
    record.extend(20_615, at=AT)
    with record.path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    before = record.path.read_bytes()
    for attempt in (record.until_day, lambda: record.extend(20_700, at=AT)):
        with pytest.raises(IntegrityError, match=r"MES\.labelled\.jsonl, line 2: .*restore it from a backup"):
            attempt()
    assert record.path.read_bytes() == before


def test_names_and_moments_are_checked(tmp_path):
    with pytest.raises(UnknownNameError):
        LabelledSessions(tmp_path, "../MES")
    with pytest.raises(BadInputError, match="no time zone"):
        LabelledSessions(tmp_path, "MES").extend(1, at=AT.replace(tzinfo=None))
