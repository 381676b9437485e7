"""FEATURES.md is the registry in words: regenerated and compared, complete, and readable as Markdown."""

import re
from collections import Counter
from pathlib import Path

import pytest

from factory_assets.features import catalogue
from factory_assets.features.description import PAGE_COMMAND, catalogue_page, catalogue_rows, span_text
from factory_assets.features.spec import Span
from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

PAGE = Path(__file__).resolve().parents[2] / "FEATURES.md"
SPECS = catalogue()


def test_the_page_in_the_repository_is_the_one_the_registry_gives():
    made = catalogue_page()
    kept = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    assert kept == made, f"FEATURES.md is not what the catalogue says: run {PAGE_COMMAND} and commit it"


def test_the_command_is_there_and_writes_the_page(tmp_path, monkeypatch):
    script = PAGE.parent / PAGE_COMMAND.split()[1]
    text = script.read_text(encoding="utf-8")
    assert script.is_file()
    assert "catalogue_page()" in text
    assert 'parents[1] / "FEATURES.md"' in text


def test_counts_by_group_stand_at_the_top_and_add_up():
    page = catalogue_page()
    top = page.partition("## How to read it")[0]
    counted = {
        group: int(count) for group, count in re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (\d+) \|", top, re.MULTILINE)
    }
    assert counted == Counter(spec.group for spec in SPECS)
    assert f"| **all** | {len(SPECS)} | {sum(spec.reads_volume for spec in SPECS)} |" in top
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(dict.fromkeys(spec.group for spec in SPECS))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_feature_is_on_the_page_with_everything_it_declares(spec):
    page = catalogue_page()
    section = page.partition(f"\n## {spec.group}\n")[2].partition("\n## ")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{spec.name}` |")]
    cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    assert cells[1:3] == [spec.unit, spec.scaling]
    assert cells[3].startswith(span_text(spec.lookback))
    assert cells[4] == span_text(spec.warmup)
    assert (cells[5] == "yes") is spec.reads_volume
    (formula,) = [
        line for line in section.splitlines() if line.startswith("- ") and f"`{spec.name}`" in line.split(": ")[0]
    ]
    unescaped = re.sub(r"\\([*<\\])", r"\1", formula)
    assert unescaped.endswith(spec.formula)
    below = section.partition(formula)[2].splitlines()[1]
    assert re.sub(r"\\([*<\\])", r"\1", below) == f"  *Inputs: {', '.join(spec.inputs)}. Reference: {spec.source}*"


def test_nothing_on_the_page_is_markup_by_accident():
    for line in catalogue_page().splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in {5, 7}, line
        elif line.startswith("  *"):
            assert len(re.findall(r"(?<!\\)\*", line)) == 2, line
        elif line.startswith("- `"):
            assert not re.findall(r"(?<!\\)[*<]", line), line
            assert line.count("`") % 2 == 0, line


def test_rows_say_everything_there_is_to_say():
    rows = {row["name"]: row for row in catalogue_rows()}
    assert list(rows) == [spec.name for spec in SPECS]
    for spec in SPECS:
        row = rows[spec.name]
        assert row["group"] == spec.group
        assert row["formula"] == spec.formula
        assert row["reference"] == spec.source
        assert (row["unit"], row["scaling"], row["tolerance"]) == (spec.unit, spec.scaling, spec.tolerance)
        assert row["inputs"] == list(spec.inputs)
        assert row["reads_volume"] is spec.reads_volume
        assert row["reads_regimes"] is spec.reads_regimes
        assert row["scale_invariant"] is (spec.group != "traded")
        assert row["lookback"] == {
            "bars": spec.lookback.bars,
            "sessions": spec.lookback.sessions,
            "settle_bars": spec.lookback.settle_bars,
        }
        assert row["lookback_bars"] == {str(m): spec.lookback_bars(m) for m in TIMEFRAMES_MINUTES}
        assert row["warmup_bars"] == {str(m): spec.warmup_bars(m) for m in TIMEFRAMES_MINUTES}
        assert row["look_back"] == span_text(spec.lookback)


def test_one_group_alone_and_an_unknown_one():
    assert {row["group"] for row in catalogue_rows("traded")} == {"traded"}
    assert [row["name"] for row in catalogue_rows("traded")] == [s.name for s in SPECS if s.group == "traded"]
    with pytest.raises(UnknownNameError, match=r"'trade': the catalogue has returns.*traded"):
        catalogue_rows("trade")


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (Span(), "none"),
        (Span(bars=1), "1 bar"),
        (Span(bars=1200), "1,200 bars"),
        (Span(sessions=1), "1 session + 1 bar"),
        (Span(sessions=2), "2 sessions + 1 bar"),
        (Span(sessions=21, settle_bars=330), "21 sessions + 331 bars"),
        (Span(bars=30, sessions=2), "30 bars or 2 sessions + 1 bar, the longer"),
    ],
)
def test_a_stretch_of_history_in_words(span, said):
    assert span_text(span) == said
