"""The quality page: its verdict in words, its parts and counts, its bytes."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.finding import Finding
from factory_assets.market.vendor_comparison import compare_vendors
from factory_assets.reports.quality import quality_page
from factory_assets.reports.quality_figures import quarantine_timeline
from factory_assets.reports.quality_findings import (
    gap_findings,
    quarantine_findings,
    roll_findings,
    source_findings,
    verdict_sentence,
)
from factory_assets.reports.vendors import vendor_sections
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.market.vendor_worlds import CALENDAR, MES, later, market, record
from factory_assets_tests.reports.quality_inputs import PROVENANCE, gaps_of, quality_inputs, restatements_of

IMAGE_BYTES_MAX = 200_000


@pytest.fixture(scope="module")
def full():
    bars = quality_inputs().bars
    compared = against_a_late_one("theirs", "ours")
    return quality_inputs(restatements=restatements_of(bars.iloc[5:9]), comparison=compared)


@pytest.fixture(scope="module")
def page(full):
    return quality_page(full)


def against_a_late_one(sha256: str, late_sha256: str):
    """A record compared with the same stamped an hour late, so that the sessions speak against the second."""
    late = record(later(market(), 60), sha256=late_sha256)
    return compare_vendors(record(market(), sha256=sha256), late, MES, CALENDAR, folders=("one", "two"))


def text_of(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html))


def bare(**changes):
    """Nothing refused, no gap, no roll, one delivery month."""
    made = quality_inputs()
    one = made.bars[made.bars["expiry"] == "MESH4"].reset_index(drop=True)
    return replace(
        made,
        **{
            "bars": one,
            "quarantine": made.quarantine.iloc[:0],
            "rolls": made.rolls.iloc[:0],
            "gaps": made.gaps.iloc[:0],
            "coverage": made.coverage.iloc[:6].reset_index(drop=True),
            **changes,
        },
    )


# --- words -------------------------------------------------------------------------------------------------------


def finding(*, grave: bool) -> Finding:
    return Finding(grave=grave, text="x")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "Fit for use: every check holds, and nothing below asks for a decision."),
        ([finding(grave=False)], "Fit for use: every check holds. One thing to know, below."),
        ([finding(grave=False)] * 3, "Fit for use: every check holds. 3 things to know, below."),
        ([finding(grave=False), finding(grave=True)], "Not fit for use as it is: one thing to settle first."),
    ],
)
def test_the_verdict_in_words(found, said):
    assert verdict_sentence(found, simulated=False) == said
    assert verdict_sentence(found, simulated=True).startswith("SIMULATED, not a market: good for testing the factory")
    assert verdict_sentence(found, simulated=True).endswith(said)


@pytest.mark.parametrize(("missing", "grave"), [(89, False), (90, True)])
def test_unexplained_minutes_are_grave_from_half_a_percent_of_those_scheduled(missing, grave):
    made = quality_inputs()
    coverage = made.coverage.assign(scheduled_minutes=1380)
    assert len(coverage) * 1380 * 0.005 == pytest.approx(89.7)
    (found,) = gap_findings(gaps_of([("unexplained", missing), ("calendar", 900)], made.sessions), coverage)
    assert found.grave is grave
    assert f"1 gap without an explanation: {missing} minutes" in found.text
    assert f"longest lasts {missing} minutes from 2024-01-02 00:00 UTC" in found.text


def test_explained_gaps_are_no_finding():
    made = quality_inputs()
    assert gap_findings(gaps_of([("calendar", 900), ("quarantined", 500)], made.sessions), made.coverage) == []


def test_sessions_without_bars_and_thin_ones_are_told_apart_and_edges_may_be_cut():
    made = quality_inputs()
    coverage = made.coverage.copy()
    coverage.loc[[2, 5], ["traded_minutes", "share"]] = [0, 0.0]
    coverage.loc[[0, 3, len(coverage) - 1], ["traded_minutes", "share"]] = [400, 0.29]
    empty, thin = gap_findings(made.gaps.iloc[:0], coverage)
    assert empty.grave
    assert "No trade in 2 of 13 scheduled sessions (2024-01-04, 2024-01-09)" in empty.text
    assert thin.text == "1 session traded in less than half of the minutes (2024-01-05)."


def test_quarantine_rolls_and_sources_say_what_follows():
    made = quality_inputs()
    assert quarantine_findings(made.quarantine.iloc[:0], 0.0, 0.01) == []
    (refused,) = quarantine_findings(made.quarantine, 0.0004, 0.01)
    assert "3 raw rows in quarantine (2 spike, 1 off_tick); in the months used 0.0400%" in refused.text
    jumps = pd.DataFrame({"trade_date": made.rolls["trade_date"], "ordinary_share": 0.0, "paired_minutes": 0})
    odd, blind = roll_findings(jumps, 60)
    assert "none of 60 ordinary session gaps reaches (2024-01-10)" in odd.text
    assert "1 of 1 rolls join months that share no minute (2024-01-10)" in blind.text
    assert len(roll_findings(jumps, 59)) == 1, "59 gaps do not say what is ordinary"
    assert source_findings(PROVENANCE, 0) == []
    said = " ".join(
        each.text for each in source_findings({**PROVENANCE, "volume_meaning": "none", "series": "continuous"}, 7)
    )
    assert all(word in said for word in ("no volume", "masked", "joined the delivery months", "restated 7 minutes"))
    assert "counts trades" in source_findings({**PROVENANCE, "volume_meaning": "ticks"}, 0)[0].text


def test_a_warning_check_is_something_to_know():
    warned = Verdict(name="session_shares_steady", passed=False, summary="3 sessions off", blocking=False)
    made = quality_page(bare(verdicts=[*bare().verdicts, warned]))
    assert [each.text for each in made.findings] == ["A check warns: session_shares_steady: 3 sessions off"]


@pytest.mark.parametrize(
    ("first", "late", "grave", "said"),
    [
        ("theirs", "ours", True, "these bars are B"),
        ("ours", "theirs", False, "these bars are A"),
        ("theirs", "others", False, "neither folder is what these bars were made of"),
    ],
)
def test_another_vendors_wrong_clock_is_not_held_against_these_bars(first, late, grave, said):
    compared = against_a_late_one(first, late)
    assert "sessions speak against B" in compared.findings[0].text
    (found,) = quality_page(bare(comparison=compared)).findings
    assert found.grave is grave
    assert said in found.text


# --- the page ----------------------------------------------------------------------------------------------------


def test_the_page_says_what_was_found(page, full):
    said = text_of(page.html)
    assert page.verdict in page.html
    assert page.verdict.startswith("Not fit for use as it is: ")
    assert [each.grave for each in page.findings] == sorted((each.grave for each in page.findings), reverse=True)
    for each in page.findings:
        assert each.text.replace("'", "&#x27;") in page.html.replace("&gt;", ">")
    for expected in (
        "ninjatrader8, delivery months kept apart",
        "bars stamped at close, times in UTC",
        "2024-01-02 to 2024-01-18, 13 scheduled sessions",
        f"{len(full.bars):,} bars",
        "2 used, 1 roll",
        "4 minutes came again with other values",
        "Compared with another vendor (these bars are B): B is shifted by +60 min",
    ):
        assert expected in said, expected


def test_unexplained_gaps_stand_first_then_the_longest(page):
    table = page.html.partition("<h2>Gaps</h2>")[2].partition("<h2>")[0]
    rows = re.findall(
        r"<tr><td[^>]*>(2024-[^<]*)</td><td[^>]*>MESH4</td><td[^>]*>(\d+)</td><td[^>]*>6</td><td[^>]*>(\w+)", table
    )
    assert [(int(minutes), name) for _, minutes, name in rows] == [
        (40, "unexplained"),
        (7, "unexplained"),
        (90, "calendar"),
        (12, "other_expiries_silent"),
    ]
    assert re.search(r"unexplained</td><td>2</td><td>47</td>", table)


def test_the_worst_refused_row_stands_first_with_its_distance(page):
    table = page.html.partition("<h2>Quarantine</h2>")[2].partition("<h2>")[0].partition("ticks off</th>")[2]
    rows = re.findall(r"<td class=\"text\">(spike|off_tick)</td><td>([\d,]+)</td>", table)
    assert [(reason, int(ticks.replace(",", ""))) for reason, ticks in rows] == sorted(
        ((reason, int(ticks.replace(",", ""))) for reason, ticks in rows), key=lambda row: -row[1]
    )
    assert 1590 <= int(rows[0][1].replace(",", "")) <= 1610, "400 points are 1600 ticks"


def test_the_roll_shows_its_jump_before_and_after_adjustment(page, full):
    close = full.bars["close"].to_numpy()
    first = int(np.flatnonzero(full.bars["expiry"] == "MESM4")[0])
    traded = (close[first] - close[first - 1]) / 0.25
    adjusted = (close[first] - close[first - 1] * 4050 / 4000) / 0.25
    row = re.search(r"<tr><td[^>]*>2024-01-10</td>.*?</tr>", page.html.partition("<h2>Rolls</h2>")[2])[0]
    assert f"{traded:+,.0f}<" in row
    assert f"{adjusted:+,.1f}<" in row
    assert abs(adjusted) < 30
    assert traded > 170


def test_what_is_not_there_is_said_and_leaves_no_plot():
    made = quality_page(bare())
    said = text_of(made.html)
    assert made.verdict == "Fit for use: every check holds, and nothing below asks for a decision."
    for expected in (
        "No raw row broke a rule.",
        "The series stays in one delivery month",
        "No wait for a bar was longer",
        "No minute came back",
        "Not compared with another vendor yet: factory compare --contract MES",
    ):
        assert expected in said
    assert [figure.title for figure in made.figures] == ["Coverage calendar", "Volume by minute of the session"]


def test_a_series_without_volume_is_shown_without_contracts():
    made = bare()
    without = quality_page(replace(made, bars=made.bars.assign(volume=np.nan)))
    assert "The series has no volume" in without.figures[-1].caption


def test_equal_input_gives_equal_bytes_and_no_moment_of_making(page, full):
    assert quality_page(full).html == page.html
    assert not re.search(r"\b20(2[5-9]|[3-9]\d)-\d\d-\d\d\b", text_of(page.html))


def test_images_are_small_enough_for_the_ui_and_the_page_stands_alone(page):
    assert len(page.figures) == 7
    assert len({figure.title for figure in page.figures}) == 7, "the UI keys them by title"
    for figure in page.figures:
        assert len(figure.png) < IMAGE_BYTES_MAX, figure.title
    assert {source.partition(";")[0] for source in re.findall(r'src="([^"]{0,30})', page.html)} == {"data:image/png"}
    assert "href" not in page.html
    assert "<script" not in page.html
    assert "http" not in text_of(page.html)
    assert "&lt;b&gt;raw&lt;/b&gt;.txt" in page.html
    assert "because &lt;i&gt;so&lt;/i&gt;" in page.html


def test_simulated_is_said_everywhere():
    made = quality_page(quality_inputs("SIM"))
    assert "SIMULATED" in made.html.partition("<h1>")[0]
    assert made.verdict.startswith("SIMULATED, not a market")
    assert all(figure.caption.startswith("SIMULATED. ") for figure in made.figures)
    assert "SIMULATED" not in quality_page(bare()).html


def test_a_corrupt_stamp_does_not_stretch_the_plot_of_refused_rows():
    odd = quality_inputs().quarantine
    odd.loc[0, "open_time"] = pd.Timestamp("1970-01-01", tz="UTC")
    figure = quarantine_timeline(odd, simulated=False)
    assert "(3), by the month" in figure.caption
    assert len(figure.png) < 15_000, "two months, not six hundred"


def test_a_comparison_has_its_own_figures_only_where_something_differs():
    same = compare_vendors(record(market()), record(market()), MES, CALENDAR)
    (section,) = vendor_sections(same, simulated=True)
    assert [figure.title for figure in section.figures] == ["Clock by week and minutes by session"]
    assert section.figures[0].caption.startswith("SIMULATED. ")
    assert section.paragraphs[1].startswith("No difference")
