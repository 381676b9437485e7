"""Study files: written once, in one step."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from factory_assets.storage.study_files import StudyFiles
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, UnknownNameError


def test_a_study_is_frozen(tmp_path):
    files = StudyFiles(tmp_path / "studies")
    assert files.read("MGC") is None
    path = files.write("MGC", '{"cut": 1}')
    assert path == tmp_path / "studies" / "MGC.json"
    assert files.read("MGC") == '{"cut": 1}'
    files.write("MGC", '{"cut": 1}')
    with pytest.raises(BadInputError, match="open already"):
        files.write("MGC", '{"cut": 2}')
    assert files.read("MGC") == '{"cut": 1}'
    assert [p.name for p in (tmp_path / "studies").iterdir()] == ["MGC.json"]


def test_of_many_who_open_one_at_once_exactly_one_wins(tmp_path):
    def attempt(number: int) -> bool:
        try:
            StudyFiles(tmp_path).write("MES", f'{{"cut": {number}}}')
        except BadInputError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(16)))
    assert sum(won) == 1
    assert StudyFiles(tmp_path).read("MES") == f'{{"cut": {won.index(True)}}}'


def test_names_and_bytes_are_checked(tmp_path):
    with pytest.raises(UnknownNameError):
        StudyFiles(tmp_path).write("../MGC", "{}")
    (tmp_path / "MGC.json").write_bytes(b"\xff")
    with pytest.raises(IntegrityError):
        StudyFiles(tmp_path).read("MGC")
