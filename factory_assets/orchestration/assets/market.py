"""Phases 1 and 2: raw vendor files to canonical minutes and the ladder of timeframes."""

from collections.abc import Iterable

from factory_assets.market.canonical import build_canonical
from factory_assets.market.continuity_invariants import coverage_invariants, gap_invariants
from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import find_gaps, longest_unexplained
from factory_assets.market.invariants import canonical_invariants
from factory_assets.market.ladder import build_ladder
from factory_assets.market.ladder_invariants import ladder_invariants
from factory_assets.market.open_interest import open_interest_files, read_open_interest
from factory_assets.market.readers import file_sha256
from factory_assets.market.readers.declaration import NO_VOLUME
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.orchestration.parsed_folder import ParsedFolder
from factory_assets.orchestration.provenance import CONVENTIONS, ROLLED_BY, conventions_of, provenance_of
from factory_assets.orchestration.restated import restatement_record
from factory_assets.reports.market import price_figure
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import (
    CANONICAL_BARS,
    COVERAGE,
    GAPS,
    OPEN_INTEREST,
    QUARANTINE,
    RAW_MINUTES,
    RESTATEMENTS,
    ROLLS,
    table_schema,
)
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name

_CANONICAL_CHECKS = (
    "data_contract",
    "sessions_and_ticks",
    "rows_accounted",
    "quarantine_ceiling",
    "quarantine_reasons_recomputed",
    "rolls_forward_only",
    "no_foreign_contract",
)
_GAP_CHECKS = ("gaps_hold_no_bar", "gap_limits_recomputed", "gap_explanations_recomputed")
_COVERAGE_CHECKS = ("coverage_accounts_for_bars", "session_shares_steady", "schedule_is_traded")
_LADDER_CHECKS = ("ladder_equals_minutes", "known_at_close", "volume_conserved")


@factory_asset(
    # The record is published before the reading it compares with is replaced: a kill in between must not lose it.
    table_output(RESTATEMENTS, "Minutes that later raw files told otherwise than earlier ones, old beside new."),
    table_output(
        RAW_MINUTES, "Every minute of every delivery month as the vendor recorded it, calendar spreads dropped."
    ),
    table_output(
        OPEN_INTEREST, "Open interest of each month from open_interest.csv, each with the session that may use it."
    ),
)
def raw_minutes(part: Materialization) -> Iterable[Product]:
    """Read the contract's raw folder."""
    folder = part.home.raw / part.key.contract
    if not folder.is_dir():
        raise BadInputError(
            f"{part.key}: no raw files at {folder}. "
            f"Bring some with: factory ingest --contract {part.key.contract} --raw FOLDER"
        )
    reader = ParsedFolder(part.factory.store.parsed, part.instrument)
    read = reader.read(folder)
    reader.keep()
    reader.forget_others(read)
    open_interest = read_open_interest(folder, part.instrument)
    hashes = {f"sha256 {row.source_file}": str(row.sha256) for row in read.sources.itertuples()}
    hashes |= {f"sha256 {path.name}": file_sha256(path) for path in open_interest_files(folder)}
    source = provenance_of(read)
    own = {"declaration": read.declaration.to_toml(), CONVENTIONS: conventions_of(read.declaration)}
    restated, told = restatement_record(part, read)
    counts = {**read.counts, **told, "files_parsed": reader.parsed_count}
    return [
        Product(name=RAW_MINUTES.name, content=read.minutes, metadata=counts, meta={**hashes, **own, **source}),
        Product(name=OPEN_INTEREST.name, content=open_interest, metadata={"rows": len(open_interest)}, meta=source),
        Product(name=RESTATEMENTS.name, content=restated, metadata=told, meta=source),
    ]


@factory_asset(
    table_output(
        CANONICAL_BARS,
        "One continuous series of traded minutes: the front month of each session, known at close_time.",
        checks=_CANONICAL_CHECKS,
    ),
    table_output(QUARANTINE, "Rows that broke a rule, with the reason; never repaired, never used."),
    table_output(ROLLS, "Sessions at whose open the series changes month, with ratio and difference."),
    reads=[RAW_MINUTES.name, OPEN_INTEREST.name],
    settings_sections=["market"],
)
def canonical(part: Materialization) -> Iterable[Product]:
    """Choose the front month, set aside what breaks a rule, keep the rest."""
    raw = part.read(RAW_MINUTES.name)
    market = part.settings.market
    joining = {
        "open_interest": part.read(OPEN_INTEREST.name),
        "joins_without_overlap": part.meta_of(RAW_MINUTES.name).get("series") == "continuous",
        "has_volume": part.meta_of(RAW_MINUTES.name).get("volume_meaning") != NO_VOLUME,
    }
    made = build_canonical(raw, part.instrument, part.calendar, market, **joining)
    verdicts = canonical_invariants(raw, made, part.instrument, part.calendar, market, **joining)
    rule = _told_rule(market.roll_rule, vendors=joining["joins_without_overlap"])
    figures = [price_figure(made.bars, made.rolls, simulated=part.instrument.simulated)]
    return [
        Product(
            name=CANONICAL_BARS.name,
            content=made.bars,
            verdicts=verdicts,
            metadata={**made.counts, "roll_rule": rule},
            meta={ROLLED_BY: "vendor" if joining["joins_without_overlap"] else market.roll_rule},
            figures=figures,
        ),
        Product(name=QUARANTINE.name, content=made.quarantine),
        Product(name=ROLLS.name, content=made.rolls),
    ]


def _told_rule(rule: str, *, vendors: bool) -> str:
    """What the page says of the rule; who needs a live predictor reads in time that this partition cannot have one."""
    if vendors:
        return "the vendor's: months joined without overlap, the move over each break is lost"
    return "open_interest: no release can be made of this partition" if rule == "open_interest" else rule


@factory_asset(
    table_output(
        GAPS,
        "Waits for a bar longer than the 99.9th percentile for their minute of the week in earlier sessions, each with "
        "what explains it.",
        checks=_GAP_CHECKS,
    ),
    table_output(
        COVERAGE,
        "How much of each scheduled session has a bar; known when the session has ended.",
        checks=_COVERAGE_CHECKS,
    ),
    reads=[RAW_MINUTES.name, CANONICAL_BARS.name, QUARANTINE.name],
)
def continuity(part: Materialization) -> Iterable[Product]:
    """List unusual gaps, explain them, and count what each session holds."""
    raw = part.read(RAW_MINUTES.name, columns=["expiry", "open_time", "volume"])
    bars, quarantine = part.read(CANONICAL_BARS.name), part.read(QUARANTINE.name)
    gaps = find_gaps(bars, raw, quarantine, part.calendar)
    coverage = session_coverage(bars, raw, quarantine, gaps.table, part.calendar)
    told = {**gaps.counts, "longest_unexplained": longest_unexplained(gaps.table)}
    return [
        Product(
            name=GAPS.name,
            content=gaps.table,
            verdicts=gap_invariants(bars, raw, quarantine, gaps.table, coverage),
            metadata=told,
        ),
        Product(
            name=COVERAGE.name,
            content=coverage,
            verdicts=coverage_invariants(bars, quarantine, gaps.table, coverage, part.instrument, part.calendar),
        ),
    ]


@factory_asset(
    *(
        table_output(
            table_schema(bars_name(minutes)),
            f"{minutes}-minute bars anchored to the session open; a bar is known at its close_time.",
            checks=_LADDER_CHECKS if minutes == TIMEFRAMES_MINUTES[0] else (),
            kinds=frozenset({"numba"}),
        )
        for minutes in TIMEFRAMES_MINUTES
    ),
    reads=[CANONICAL_BARS.name],
)
def ladder(part: Materialization) -> Iterable[Product]:
    """Every timeframe from the one below it."""
    minutes_bars = part.read(CANONICAL_BARS.name)
    sessions = part.calendar.covering(times_us(minutes_bars["open_time"]))
    bars = build_ladder(minutes_bars, sessions)
    verdicts = ladder_invariants(minutes_bars, bars, sessions)
    return [
        Product(
            name=bars_name(minutes),
            content=bars[minutes],
            verdicts=verdicts if minutes == TIMEFRAMES_MINUTES[0] else (),
        )
        for minutes in TIMEFRAMES_MINUTES
    ]
