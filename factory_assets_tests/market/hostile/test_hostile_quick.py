"""A seeded part of the hostile corpus in every run of the tests: one case of nearly every format and kind."""

from collections import Counter
from pathlib import Path

import pytest

from factory_assets.market.readers.declaration import FORMATS
from factory_assets.market.readers.registry import READERS
from factory_assets_tests.market.hostile.bases import Hostile, bases
from factory_assets_tests.market.hostile.corpus import OPEN_INTEREST, case_names, run_named
from factory_assets_tests.market.hostile.one_case import FILE_LEVEL, FOLDER_LEVEL, HOME_LEVEL, CaseFailedError, run_case
from factory_assets_tests.market.samples import SAMPLE_WRITERS

_SLOW = ("bomb", "long_line", "wide", "instead", "beside", "declaration_file")
GROUPS = [*sorted(READERS), OPEN_INTEREST]


def quick_names(format_name: str) -> list[str]:
    """One case of four in five of the kinds that are not slow."""
    names = [name for name in case_names(4) if name.startswith(f"{format_name}/") and name.split("/")[1] not in _SLOW]
    return [name for place, name in enumerate(name for name in names if name.endswith("/2")) if place % 5 != 4]


def test_no_format_is_without_hostile_cases() -> None:
    assert set(SAMPLE_WRITERS) == set(READERS)
    found = Counter(name.split("/")[0] for name in case_names())
    assert set(found) == {*READERS, OPEN_INTEREST}
    assert min(found.values()) >= 400
    assert sum(found.values()) >= 20_000
    assert {base.declaration.split('"')[1] for name in READERS for base in bases(name)} == set(READERS)
    assert {base.family for name in READERS for base in bases(name)} == {"text", "lean", "json", "dbn", "parquet"}
    assert len(FORMATS) <= len(READERS)


@pytest.mark.parametrize("format_name", sorted(READERS))
@pytest.mark.parametrize("level", [FILE_LEVEL, FOLDER_LEVEL, HOME_LEVEL])
def test_every_sound_folder_is_accepted_at_every_level(tmp_path: Path, format_name: str, level: str) -> None:
    for number, base in enumerate(bases(format_name)):
        sound = Hostile(files=base.files, declaration=base.declaration.encode(), base=base, must="accept")
        outcome = run_case(f"{format_name} {number}", sound, level, tmp_path)
        assert outcome.detail == "rows equal, bars", (number, outcome)


@pytest.mark.parametrize("format_name", GROUPS)
def test_hostile_input_is_read_rightly_or_refused_in_words(tmp_path: Path, format_name: str) -> None:
    failed, verdicts = [], Counter[str]()
    for name in quick_names(format_name):
        try:
            verdicts[run_named(name, tmp_path).verdict] += 1
        except CaseFailedError as problem:
            failed.append(str(problem))
    assert not failed, "\n".join(failed)
    assert min(verdicts["accepted"], verdicts["refused"]) >= 1, verdicts


def test_a_case_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    for name in ("csv/bad_time/5", "databento_dbn/record_field/3", "lean/entry_paths/1", "parquet/footer/2"):
        assert run_named(name, tmp_path).verdict == run_named(name, tmp_path).verdict
