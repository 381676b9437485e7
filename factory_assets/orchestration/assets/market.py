"""Phases 1 and 2: raw vendor files to canonical minutes and the ladder of timeframes."""

from collections.abc import Iterable

from factory_assets.market.canonical import build_canonical
from factory_assets.market.invariants import canonical_invariants
from factory_assets.market.ladder import build_ladder
from factory_assets.market.ladder_invariants import ladder_invariants
from factory_assets.market.readers import read_folder
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.reports.market import market_figures
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import CANONICAL_BARS, QUARANTINE, RAW_MINUTES, ROLLS, table_schema
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name

_CANONICAL_CHECKS = (
    "data_contract",
    "sessions_and_ticks",
    "rows_accounted",
    "quarantine_ceiling",
    "rolls_forward_only",
    "no_foreign_contract",
)
_LADDER_CHECKS = ("ladder_equals_minutes", "known_at_close", "volume_conserved")


@factory_asset(
    table_output(
        RAW_MINUTES, "Every minute of every delivery month as the vendor recorded it, calendar spreads dropped."
    )
)
def raw_minutes(part: Materialization) -> Iterable[Product]:
    """Read the contract's raw folder."""
    folder = part.home.raw / part.key.contract
    if not folder.is_dir():
        raise BadInputError(
            f"{part.key}: no raw files at {folder}. "
            f"Bring some with: factory ingest --contract {part.key.contract} --raw FOLDER"
        )
    read = read_folder(folder, part.instrument)
    hashes = {f"sha256 {row.source_file}": str(row.sha256) for row in read.sources.itertuples()}
    meta = {**hashes, "declaration": read.declaration.to_toml()}
    return [Product(name=RAW_MINUTES.name, content=read.minutes, metadata=dict(read.counts), meta=meta)]


@factory_asset(
    table_output(
        CANONICAL_BARS,
        "One continuous series of traded minutes: the front month of each session, known at close_time.",
        checks=_CANONICAL_CHECKS,
    ),
    table_output(QUARANTINE, "Rows that broke a rule, with the reason; never repaired, never used."),
    table_output(ROLLS, "Sessions at whose open the series changes month, with ratio and difference."),
    reads=[RAW_MINUTES.name],
    settings_sections=["market"],
)
def canonical(part: Materialization) -> Iterable[Product]:
    """Choose the front month, set aside what breaks a rule, keep the rest."""
    raw = part.read(RAW_MINUTES.name)
    made = build_canonical(raw, part.instrument, part.calendar, part.settings.market)
    verdicts = canonical_invariants(raw, made, part.instrument, part.calendar, part.settings.market)
    figures = market_figures(made.bars, made.quarantine, made.rolls, simulated=part.instrument.simulated)
    return [
        Product(
            name=CANONICAL_BARS.name, content=made.bars, verdicts=verdicts, metadata=dict(made.counts), figures=figures
        ),
        Product(name=QUARANTINE.name, content=made.quarantine),
        Product(name=ROLLS.name, content=made.rolls),
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
