"""The append-only log: durable lines, no lost appends, torn tails set aside."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from factory_assets.storage.append_log import AppendLog
from factory_assets.vocabulary.errors import BadInputError, IntegrityError


def test_lines_come_back_in_order(tmp_path):
    log = AppendLog(tmp_path / "deep" / "ledger.jsonl")
    assert log.lines() == []
    log.append('{"a": 1}')
    log.append("zwei ü")
    assert log.lines() == ['{"a": 1}', "zwei ü"]
    assert (tmp_path / "deep" / "ledger.jsonl").read_bytes() == '{"a": 1}\nzwei ü\n'.encode()


@pytest.mark.parametrize("line", ["", "a\nb", "a\r"])
def test_an_entry_is_one_line(tmp_path, line):
    log = AppendLog(tmp_path / "log")
    with pytest.raises(BadInputError, match="one line"):
        log.append(line)
    assert log.lines() == []


def test_append_after_builds_on_all_lines_without_losing_one(tmp_path):
    log = AppendLog(tmp_path / "log")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: log.append_after(lambda lines: str(len(lines))), range(40)))
    assert log.lines() == [str(n) for n in range(40)]


def test_a_torn_tail_is_set_aside_by_the_next_append(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    log = AppendLog(path)
    assert log.lines() == ["one"]
    log.append("three")
    assert path.read_bytes() == b"one\nthree\n"
    assert (tmp_path / "log.torn").read_bytes() == b"tw\n"


def test_a_failed_write_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    log = AppendLog(tmp_path / "log")
    log.append("one")
    real = os.fsync

    def fails(descriptor):
        raise OSError(errno.EIO, "injected")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="injected"):
        log.append("two")
    monkeypatch.setattr(os, "fsync", real)
    assert log.lines() == ["one"]
    log.append("three")
    assert log.lines() == ["one", "three"]


def test_damaged_text_is_an_error(tmp_path):
    (tmp_path / "log").write_bytes(b"\xff\xfe\n")
    with pytest.raises(IntegrityError, match="damaged"):
        AppendLog(tmp_path / "log").lines()
