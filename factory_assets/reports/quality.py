"""The quality page of a contract: may these bars be used, and what was found in them.

Belongs here: the page's parts in reading order and the tables a person looks at. Numbers come from
:mod:`factory_assets.market`, plots from :mod:`factory_assets.reports.quality_figures`, the words of the verdict from
:mod:`factory_assets.reports.quality_findings`. Equal input gives equal bytes: no time of making is on the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.market.finding import Finding
from factory_assets.market.quarantine_distance import quarantine_distance_ticks
from factory_assets.market.roll_jumps import roll_jumps, session_gaps
from factory_assets.market.sessions import Sessions
from factory_assets.market.vendor_comparison import VendorComparison
from factory_assets.market.vendor_findings import side_out_of_sessions
from factory_assets.market.volume_profile import volume_profile
from factory_assets.reports.figure import Figure
from factory_assets.reports.page import Section, render_page
from factory_assets.reports.quality_figures import (
    EXPLANATIONS,
    coverage_calendar,
    gap_timeline,
    quarantine_timeline,
    roll_figure,
    volume_figure,
)
from factory_assets.reports.quality_findings import (
    counted,
    gap_findings,
    quarantine_findings,
    roll_findings,
    share_within,
    source_findings,
    verdict_sentence,
)
from factory_assets.reports.vendors import vendor_sections
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.verdict import Verdict

_GAPS_SHOWN = 40
_ROWS_SHOWN = 25
_THINNEST_SHOWN = 15
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, kw_only=True, eq=False)
class QualityInputs:
    """What the page is drawn from: the tables of phase 1 and what their manifests say.

    Attributes
    ----------
    instrument : Instrument
        Product of the bars.
    bars, quarantine, rolls, gaps, coverage, restatements : DataFrame
        Tables ``canonical_bars``, ``quarantine``, ``rolls``, ``gaps``, ``coverage`` and ``restatements``.
    sessions : Sessions
        Sessions covering the bars.
    provenance : mapping of str to str
        ``vendor``, ``bar_label``, ``timezone``, ``volume_meaning``, ``series`` and ``source_digest`` of the manifest.
    verdicts : sequence of Verdict
        Every invariant of these tables; ``quarantine_ceiling`` with its ``share`` and ``share_max`` among them.
    comparison : VendorComparison or None
        The last comparison with another vendor, if there is one.
    """

    instrument: Instrument
    bars: pd.DataFrame
    quarantine: pd.DataFrame
    rolls: pd.DataFrame
    gaps: pd.DataFrame
    coverage: pd.DataFrame
    restatements: pd.DataFrame
    sessions: Sessions
    provenance: Mapping[str, str]
    verdicts: Sequence[Verdict]
    comparison: VendorComparison | None


@dataclass(frozen=True, kw_only=True)
class QualityPage:
    """The finished page.

    Attributes
    ----------
    html : str
        Self-contained page.
    figures : sequence of Figure
        Its plots, for the web UI.
    verdict : str
        Whether the bars are fit for use, in one sentence.
    findings : sequence of Finding
        What a user has to know, gravest first.
    """

    html: str
    figures: Sequence[Figure]
    verdict: str
    findings: Sequence[Finding]


def quality_page(inputs: QualityInputs) -> QualityPage:
    """Draw the page."""
    product = inputs.instrument
    simulated, tick = product.simulated, product.tick_size
    gaps_by_session = session_gaps(inputs.bars, tick)
    jumps = roll_jumps(inputs.bars, inputs.rolls, tick)
    found = _findings(inputs, jumps, int((~gaps_by_session["rolled"]).sum()))
    verdict = verdict_sentence(found, simulated=simulated)
    sections = [
        _headline(inputs, found),
        _coverage(inputs),
        _gaps(inputs),
        _quarantine(inputs),
        _rolls(inputs, jumps, gaps_by_session),
        Section(
            title="Volume by minute of the session",
            figures=[
                volume_figure(
                    volume_profile(inputs.bars, inputs.sessions),
                    volume_meaning=inputs.provenance.get("volume_meaning", "contracts"),
                    simulated=simulated,
                )
            ],
        ),
        _restatements(inputs),
        *_vendors(inputs),
        Section(
            title="Checks",
            paragraphs=["Evaluated by the producer before anything was written; a broken one writes nothing."],
            verdicts=inputs.verdicts,
        ),
    ]
    html = render_page(
        f"Data quality of {product.name} ({product.symbol})",
        verdict,
        sections,
        simulated=simulated,
    )
    figures = [figure for section in sections for figure in section.figures]
    return QualityPage(html=html, figures=figures, verdict=verdict, findings=found)


def _findings(inputs: QualityInputs, jumps: pd.DataFrame, ordinary_gaps: int) -> list[Finding]:
    ceiling = next(each.details for each in inputs.verdicts if each.name == "quarantine_ceiling")
    found = [
        *gap_findings(inputs.gaps, inputs.coverage),
        *quarantine_findings(inputs.quarantine, float(ceiling["share"]), float(ceiling["share_max"])),
        *roll_findings(jumps, ordinary_gaps),
        *source_findings(inputs.provenance, len(inputs.restatements)),
    ]
    found += [
        Finding(grave=False, text=f"A check warns: {each.name}: {each.summary}")
        for each in inputs.verdicts
        if not each.passed
    ]
    if inputs.comparison is not None:
        found += _compared(inputs.comparison, inputs.provenance)
    return sorted(found, key=lambda each: not each.grave)


def _compared(compared: VendorComparison, provenance: Mapping[str, str]) -> list[Finding]:
    """What another vendor says of these bars: grave only if nothing speaks for the side they were made of."""
    sides = compared.sides
    ours = next((name for name in sides if sides[name]["source_digest"] == provenance["source_digest"]), "")
    suspect = side_out_of_sessions(sides)
    which = f"these bars are {ours}" if ours else "neither folder is what these bars were made of"
    return [
        Finding(
            grave=each.grave and bool(ours) and suspect in {"", ours},
            text=f"Compared with another vendor ({which}): {each.text}",
        )
        for each in compared.findings
    ]


def _headline(inputs: QualityInputs, found: Sequence[Finding]) -> Section:
    bars, coverage, said = inputs.bars, inputs.coverage, inputs.provenance
    scheduled, traded = int(coverage["scheduled_minutes"].sum()), int(coverage["traded_minutes"].sum())
    first, last = coverage["trade_date"].iloc[0], coverage["trade_date"].iloc[-1]
    series = {"continuous": "joined by the vendor"}.get(said["series"], "delivery months kept apart")
    clock = said["timezone"] if said["timezone"].startswith("offset") else f"times in {said['timezone']}"
    facts = pd.DataFrame(
        [
            ("vendor", f"{said['vendor']}, {series}"),
            ("conventions", f"bars stamped at {said['bar_label']}, {clock}"),
            ("volume", {"none": "none", "ticks": "number of trades"}.get(said["volume_meaning"], "contracts traded")),
            ("raw files, sha256 over all", said["source_digest"]),
            ("span", f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, {len(coverage):,} scheduled sessions"),
            ("minutes", f"{len(bars):,} bars; {traded:,} of {scheduled:,} scheduled ({traded / scheduled:.2%})"),
            ("without the first and last session", f"{share_within(coverage):.2%}, since files may cut those"),
            ("delivery months", f"{bars['expiry'].nunique()} used, {counted(len(inputs.rolls), 'roll')}"),
            ("quarantine", counted(len(inputs.quarantine), "raw row")),
            ("gaps listed", f"{len(inputs.gaps):,}, {int(inputs.gaps['missing_minutes'].sum()):,} minutes"),
            ("restated minutes", f"{len(inputs.restatements):,}"),
        ],
        columns=["what", "found"],
    )
    return Section(
        title="What was found",
        paragraphs=[f"{'To settle' if each.grave else 'To know'}: {each.text}" for each in found],
        tables=[facts],
    )


def _coverage(inputs: QualityInputs) -> Section:
    coverage = inputs.coverage
    days = pd.DatetimeIndex(coverage["trade_date"])
    grouped = coverage.groupby([days.year, days.month])[["traded_minutes", "scheduled_minutes"]].sum()
    share = (grouped["traded_minutes"] / grouped["scheduled_minutes"]).unstack()
    by_month = pd.DataFrame({"year": share.index.astype(str)})
    for number, name in enumerate(_MONTHS, start=1):
        column = share[number] if number in share else pd.Series(np.nan, index=share.index)
        by_month[name] = [f"{value:.1%}" if value == value else "" for value in column]  # noqa: PLR0124 - NaN
    weekday = coverage.groupby(days.weekday)[["traded_minutes", "scheduled_minutes"]].sum()
    by_weekday = pd.DataFrame(
        {
            ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[int(number)]: [
                f"{row.traded_minutes / row.scheduled_minutes:.2%}"
            ]
            for number, row in zip(weekday.index, weekday.itertuples(), strict=True)
        }
    )
    thinnest = coverage.sort_values(["share", "trade_date"], kind="stable").head(_THINNEST_SHOWN)
    columns = ["trade_date", "expiry", "scheduled_minutes", "traded_minutes", "share", "listed_gaps", "calendar_note"]
    thinnest = thinnest[columns].assign(
        trade_date=thinnest["trade_date"].dt.strftime("%Y-%m-%d"), share=thinnest["share"].map("{:.2%}".format)
    )
    edges = {coverage.index[0]: "first in the files", coverage.index[-1]: "last in the files"}
    thinnest["calendar_note"] = [str(note) or edges.get(row, "") for row, note in thinnest["calendar_note"].items()]
    thinnest.columns = [
        "thinnest session",
        "front",
        "scheduled",
        "traded",
        "share",
        "gaps listed",
        "note",
    ]
    irregular = int((coverage["calendar_note"].astype(str) != "").sum())
    return Section(
        title="Coverage",
        paragraphs=[
            f"{counted(irregular, 'session')} of {len(coverage):,} are no regular ones by the calendar: early "
            "closes, with fewer minutes scheduled, and neighbours of holidays.",
            "Under the plot: share of scheduled minutes by month and by weekday, and the thinnest sessions.",
        ],
        tables=[by_month, by_weekday, thinnest],
        figures=[coverage_calendar(coverage, simulated=inputs.instrument.simulated)],
        figures_first=True,
    )


def _gaps(inputs: QualityInputs) -> Section:
    gaps, coverage = inputs.gaps, inputs.coverage
    if gaps.empty:
        text = (
            "No wait for a bar was longer than the 99.9th percentile about its minute of the week in earlier sessions."
        )
        return Section(title="Gaps", paragraphs=[text])
    explained = gaps["explanation"].astype(str)
    scheduled = max(1, int(coverage["scheduled_minutes"].sum()))
    rows = []
    for name, _ in EXPLANATIONS:
        of_kind = gaps[explained == name]
        missing = int(of_kind["missing_minutes"].sum())
        longest = int(of_kind["missing_minutes"].max()) if len(of_kind) else 0
        rows.append((name, f"{len(of_kind):,}", f"{missing:,}", f"{missing / scheduled:.4%}", f"{longest:,}"))
    counts = pd.DataFrame(rows, columns=["explanation", "gaps", "minutes", "of scheduled", "longest, minutes"])
    order = np.lexsort((gaps["start_time"], -gaps["missing_minutes"].to_numpy(), explained != "unexplained"))
    listed = gaps.iloc[order[:_GAPS_SHOWN]]
    shown = pd.DataFrame(
        {
            "from (UTC)": listed["start_time"].dt.strftime("%Y-%m-%d %H:%M"),
            "expiry": listed["expiry"].astype(str),
            "minutes": listed["missing_minutes"],
            "usual": listed["usual_minutes"],
            "explanation": listed["explanation"].astype(str),
            "evidence": listed["evidence"].astype(str),
        }
    )
    more = len(gaps) - len(shown)
    return Section(
        title="Gaps",
        paragraphs=[
            "The unexplained first, then by length"
            + (f"; {more:,} more are in the table gaps (factory sql)." if more else "."),
        ],
        tables=[counts, shown],
        figures=[gap_timeline(gaps, coverage, simulated=inputs.instrument.simulated)],
        figures_first=True,
    )


def _quarantine(inputs: QualityInputs) -> Section:
    quarantine = inputs.quarantine
    if quarantine.empty:
        return Section(title="Quarantine", paragraphs=["No raw row broke a rule."])
    reason = quarantine["reason"].astype(str)
    counts = quarantine.groupby(reason).agg(
        rows=("open_time", "size"),
        files=("source_file", "nunique"),
        first=("open_time", "min"),
        last=("open_time", "max"),
    )
    counts = counts.sort_values("rows", ascending=False, kind="stable").rename_axis("reason").reset_index()
    for name in ("first", "last"):
        counts[name] = counts[name].dt.strftime("%Y-%m-%d %H:%M")
    distance = quarantine_distance_ticks(quarantine, inputs.bars, inputs.instrument.tick_size)
    order = np.lexsort((quarantine["open_time"], -np.nan_to_num(distance, nan=-1.0)))[:_ROWS_SHOWN]
    worst = quarantine.iloc[order]
    shown = pd.DataFrame(
        {
            "stamp (UTC)": worst["open_time"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "expiry": worst["expiry"].astype(str),
            "reason": worst["reason"].astype(str),
            "ticks off": [f"{value:,.0f}" if value == value else "" for value in distance[order]],  # noqa: PLR0124
            **{
                name: [f"{value:,.10g}" for value in worst[name]] for name in ("open", "high", "low", "close", "volume")
            },
            "file": worst["source_file"].astype(str),
            "row": worst["source_row"],
        }
    )
    return Section(
        title="Quarantine",
        paragraphs=[
            f"The {len(shown)} rows furthest from the market: ticks off is the distance from the last close of the "
            "same month before it, empty where there is none within the hour."
        ],
        tables=[counts, shown],
        figures=[quarantine_timeline(quarantine, simulated=inputs.instrument.simulated)],
        figures_first=True,
    )


def _rolls(inputs: QualityInputs, jumps: pd.DataFrame, gaps: pd.DataFrame) -> Section:
    if jumps.empty:
        text = "The series stays in one delivery month: there is no roll, and adjusted prices are traded ones."
        return Section(title="Rolls", paragraphs=[text])
    shown = pd.DataFrame(
        {
            "session": jumps["trade_date"].dt.strftime("%Y-%m-%d"),
            "months": [f"{row.from_expiry} → {row.to_expiry}" for row in jumps.itertuples()],
            "ratio": [f"{value:.6f}" for value in jumps["ratio"]],
            "difference": jumps["difference"],
            "paired minutes": jumps["paired_minutes"],
            "last close → next open": [
                f"{row.close_before:,.10g} → {row.open_after:,.10g}" for row in jumps.itertuples()
            ],
            "traded, ticks": [f"{value:+,.0f}" for value in jumps["traded_jump_ticks"]],
            "by ratio": [f"{value:+,.1f}" for value in jumps["adjusted_jump_ticks"]],
            "by difference": [f"{value:+,.1f}" for value in jumps["difference_jump_ticks"]],
            "gaps as large": [f"{value:.0%}" for value in jumps["ordinary_share"]],
            "why": jumps["reason"].astype(str),
        }
    )
    return Section(
        title="Rolls",
        paragraphs=[
            "Jumps from the last close to the next open: as traded, and what adjustment by ratio (as in the "
            "features) or by difference leaves of them, in ticks of the month entered. The last column but one is "
            "the share of session gaps without a roll that are at least as large as what the ratio leaves."
        ],
        tables=[shown],
        figures=[roll_figure(jumps, gaps, simulated=inputs.instrument.simulated)],
        figures_first=True,
    )


def _restatements(inputs: QualityInputs) -> Section:
    restated = inputs.restatements
    if restated.empty:
        return Section(
            title="Restatements", paragraphs=["No minute came back with other values than it was read with."]
        )
    ticks = (restated["new_close"] - restated["old_close"]).abs() / inputs.instrument.tick_size
    volumes = restated["old_volume"].fillna(-1.0) != restated["new_volume"].fillna(-1.0)
    frame = restated.assign(close_ticks=ticks.fillna(np.inf), volume_changed=volumes)
    frame["seen"] = frame["seen_at"].dt.strftime("%Y-%m-%d %H:%M")
    files = frame.groupby(["seen", "old_source_file", "new_source_file"], observed=True, sort=True).agg(
        minutes=("open_time", "size"),
        closes_moved=("close_ticks", lambda moved: int((moved > 0).sum())),
        volumes_changed=("volume_changed", "sum"),
        largest_close_move_ticks=("close_ticks", "max"),
    )
    files = files.reset_index().astype(dict.fromkeys(("old_source_file", "new_source_file"), str))
    worst = frame.sort_values(["close_ticks", "open_time"], ascending=[False, True], kind="stable").head(_ROWS_SHOWN)
    shown = pd.DataFrame(
        {
            "minute (UTC)": worst["open_time"].dt.strftime("%Y-%m-%d %H:%M"),
            "expiry": worst["expiry"].astype(str),
            **{
                name: [_told(old, new) for old, new in zip(worst[f"old_{name}"], worst[f"new_{name}"], strict=True)]
                for name in ("open", "high", "low", "close", "volume")
            },
        }
    )
    text = (
        f"{counted(len(restated), 'minute')} came again with other values. Nothing says which are true: rows that "
        "contradict each other within the raw folder are in quarantine. The first table counts by file, the second "
        "shows the largest moves of the close."
    )
    return Section(title="Restatements", paragraphs=[text], tables=[files, shown])


def _told(old: float, new: float) -> str:
    before, after = f"{old:,.10g}", f"{new:,.10g}"
    return before if before == after else f"{before} → {after}"


def _vendors(inputs: QualityInputs) -> list[Section]:
    if inputs.comparison is not None:
        return vendor_sections(inputs.comparison, simulated=inputs.instrument.simulated)
    symbol = inputs.instrument.symbol
    text = f"Not compared with another vendor yet: factory compare --contract {symbol} --raw FOLDER_A --raw FOLDER_B."
    return [Section(title="Vendor difference", paragraphs=[text])]
