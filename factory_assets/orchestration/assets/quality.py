"""The quality page of a contract: whether its bars are fit for use, drawn with every contract materialization."""

from collections.abc import Iterable

from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.kept_comparison import comparison_now, last_comparison
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.pages import place_page
from factory_assets.orchestration.provenance import PROVENANCE
from factory_assets.reports.quality import QualityInputs, quality_page
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import CANONICAL_BARS, COVERAGE, GAPS, QUARANTINE, RESTATEMENTS, ROLLS
from factory_assets.vocabulary.timeframes import bars_name

PAGE_KIND = "quality"
_CHECKED = (CANONICAL_BARS.name, bars_name(1), GAPS.name, COVERAGE.name)


@factory_asset(
    Output(
        name="quality_page",
        group="market",
        description="Self-contained HTML page: may these bars be used, and what was found in them.",
        kinds=frozenset({"html"}),
        by_horizon=False,
    ),
    reads=[
        CANONICAL_BARS.name,
        QUARANTINE.name,
        ROLLS.name,
        GAPS.name,
        COVERAGE.name,
        RESTATEMENTS.name,
        bars_name(1),
    ],
    outside={"vendor comparison": comparison_now},
)
def quality(part: Materialization) -> Iterable[Product]:
    """Draw the page from verified tables and put it into FACTORY_HOME/reports."""
    bars = part.read(CANONICAL_BARS.name)
    recorded = part.meta_of(CANONICAL_BARS.name)
    made = quality_page(
        QualityInputs(
            instrument=part.instrument,
            bars=bars,
            quarantine=part.read(QUARANTINE.name),
            rolls=part.read(ROLLS.name),
            gaps=part.read(GAPS.name),
            coverage=part.read(COVERAGE.name),
            restatements=part.read(RESTATEMENTS.name),
            sessions=part.calendar.covering(times_us(bars["open_time"])),
            provenance={name: str(recorded[name]) for name in PROVENANCE},
            verdicts=[verdict for name in _CHECKED for verdict in part.verdicts_of(name)],
            comparison=last_comparison(part.home, part.key.contract),
        )
    )
    page = made.html.encode()
    path = place_page(part.home, part.key, PAGE_KIND, page)
    return [
        Product(
            name="quality_page",
            content={"quality.html": page},
            metadata={
                "verdict": made.verdict,
                "path": str(path),
                "bytes": len(page),
                "to_settle": sum(each.grave for each in made.findings),
                "to_know": sum(not each.grave for each in made.findings),
            },
            figures=made.figures,
        )
    ]
