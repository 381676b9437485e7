"""Would the corpus see a fault? Faults as they are really made are put into the readers, and it has to complain."""

import re
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any, NoReturn

import pytest

from factory_assets.market import open_interest
from factory_assets.market.readers import archives, databento, delimited, folder, lean, strict_json, times
from factory_assets.orchestration import raw_folder
from factory_assets.vocabulary.errors import BadInputError
from factory_assets_tests.market.hostile.bases import Hostile, bases
from factory_assets_tests.market.hostile.corpus import run_named
from factory_assets_tests.market.hostile.one_case import FILE_LEVEL, HOME_LEVEL, CaseFailedError, run_case

Fault = Callable[[pytest.MonkeyPatch], None]


def _bad_lines_swallowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        delimited.pacsv, "ParseOptions", partial(delimited.pacsv.ParseOptions, invalid_row_handler=lambda _: "skip")
    )


def _label_off_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(times, "MINUTE_US", 0)


def _cut_records_dropped(patch: pytest.MonkeyPatch) -> None:
    sound = databento._records

    def partial_rows(content: bytes, start: int, **more: Any) -> Any:
        return sound(content[: start + (len(content) - start) // 56 * 56], start, **more)

    patch.setattr(databento, "_records", partial_rows)


def _library_error_let_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delimited, "_no_text", lambda _, problem: problem)


def _columns_by_place(patch: pytest.MonkeyPatch) -> None:
    order = ("expiry", "time", "open", "high", "low", "close", "volume")

    def by_place(table: Any, declaration: Any, path: Path) -> dict[str, list[str]]:
        return {name: [column] for name, column in zip(order, table.column_names, strict=True)}

    patch.setattr(delimited, "_places", by_place)


def _keys_twice_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(strict_json, "_unique", dict)


def _links_in_archives_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(archives, "_problem_of_entry", lambda _: None)


def _file_not_named(patch: pytest.MonkeyPatch) -> None:
    sound = lean.zip_entries

    def anonymous(path: Path, format_name: str) -> Any:
        try:
            yield from sound(path, format_name)
        except BadInputError:
            raise BadInputError("a damaged archive. Download it again.") from None

    patch.setattr(lean, "zip_entries", anonymous)


def _no_remedy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(times, "_remedy", lambda *_: "")


def _warns(patch: pytest.MonkeyPatch) -> None:
    sound = folder.refuse_implausible

    def warning(*parts: Any) -> None:
        warnings.warn("odd rows", stacklevel=2)
        sound(*parts)

    patch.setattr(folder, "refuse_implausible", warning)


def _copied_before_judged(patch: pytest.MonkeyPatch) -> None:
    sound = raw_folder._new_files

    def copied(files: Any, source: Path, target: Path) -> Any:
        new = sound(files, source, target)
        target.mkdir(parents=True)
        for path in files:
            copyfile(path, target / path.name)
        return new

    patch.setattr(raw_folder, "_new_files", copied)


def _clock_change_guessed(patch: pytest.MonkeyPatch) -> None:
    sound = times.pd.DatetimeIndex.tz_localize

    def guessed(index: Any, zone: Any, **more: Any) -> Any:
        return sound(index, zone, ambiguous=[True] * len(index), nonexistent="shift_forward")

    patch.setattr(times.pd.DatetimeIndex, "tz_localize", guessed)


def _figures_twice_accepted(patch: pytest.MonkeyPatch) -> None:
    places = iter(range(1 << 30))
    patch.setattr(open_interest, "delivery_index_of", lambda *_: next(places))


FAULTS: dict[str, tuple[Fault, tuple[str, ...], str]] = {
    "bad lines swallowed": (
        _bad_lines_swallowed,
        ("csv/ragged", "metatrader5/blank_lines"),
        "no one meaning|rows, the",
    ),
    "label off by one": (
        _label_off_by_one,
        ("ninjatrader8/permuted_rows", "tradestation/added_column"),
        "the file says",
    ),
    "cut records dropped": (_cut_records_dropped, ("databento_dbn/bytes_cut_at_end",), "has no one meaning"),
    "library's error let out": (_library_error_let_out, ("csv/invalid_utf8", "histdata/encoded"), "UnicodeDecodeError"),
    "columns by place": (_columns_by_place, ("csv/permuted_columns",), "the file says|expected|Error"),
    "keys twice accepted": (_keys_twice_accepted, ("projectx/key_twice",), "expected to be refused|no one meaning"),
    "links in archives accepted": (_links_in_archives_accepted, ("lean/entry_kinds",), "expected to be refused"),
    "file not named": (_file_not_named, ("lean/bytes_truncated",), "names no file"),
    "no remedy": (_no_remedy, ("histdata/bad_time",), "says no remedy"),
    "warns": (_warns, ("parquet/permuted",), "warned"),
    "copied before judged": (_copied_before_judged, ("csv/conflicting_rows", "csv/scaled"), "the home holds"),
    "clock change guessed": (_clock_change_guessed, ("firstrate/clock_change",), "comes twice or never"),
    "figures twice accepted": (
        _figures_twice_accepted,
        ("open_interest/twice",),
        "expected to be refused|no one thing",
    ),
}
CASES_TRIED = 40


def complaint(fault_kinds: tuple[str, ...], workspace: Path) -> str:
    """The first failure among the first cases of some kinds; empty if all are content."""
    for kind in fault_kinds:
        for number in range(CASES_TRIED):
            try:
                run_named(f"{kind}/{number}", workspace)
            except CaseFailedError as problem:
                return str(problem)
    return ""


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fault, kinds, message = FAULTS[name]
    fault(monkeypatch)
    told = complaint(kinds, tmp_path)
    assert told, f"{name}: nobody complained"
    assert re.search(message, told), told


def test_a_hang_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(*parts: object) -> NoReturn:
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(folder, "refuse_implausible", forever)
    base = bases("csv")[0]
    sound = Hostile(files=base.files, declaration=base.declaration.encode(), base=base)
    with pytest.raises(CaseFailedError, match=r"slow one.*took longer than 0.3 s"):
        run_case("slow one", sound, FILE_LEVEL, tmp_path, deadline_s=0.3)


def test_a_trace_in_the_home_is_seen_at_that_level_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _copied_before_judged(monkeypatch)
    base = bases("csv")[0]
    content = {name: data.replace(b"4500.", b"-500.") for name, data in base.files.items()}
    assert content != base.files
    bad = Hostile(files=content, declaration=base.declaration.encode(), base=base)
    assert run_case("bad", bad, FILE_LEVEL, tmp_path).verdict == "accepted"
    with pytest.raises(CaseFailedError, match="the home holds"):
        run_case("bad", bad, HOME_LEVEL, tmp_path)
