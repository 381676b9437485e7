"""Phase 3: the catalogue on every timeframe, with the causality certificate as a blocking invariant."""

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from factory_assets.features import catalogue, compute, regimes_of
from factory_assets.features.causality import certificate
from factory_assets.features.regime_invariants import REGIME_CHECKS, regime_invariants
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.orchestration.series_volume import HAS_VOLUME, volume_note
from factory_assets.orchestration.train_sessions import TRAIN_LAST_DAY, train_cut
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.schemas import (
    FEATURE_CERTIFICATE,
    FEATURE_HEALTH,
    REGIME_PARAMETERS,
    TableSchema,
    table_schema,
)
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, bars_name, features_name
from factory_assets.vocabulary.verdict import Verdict

CERTIFICATE = (
    "truncation_invariant",
    "future_perturbation_invariant",
    "lookback_honoured",
    "scale_invariant",
    "finite_after_warmup",
    "no_constant_feature",
    "no_duplicate_features",
    "volume_use_declared",
    "regimes_from_earlier_sessions",
    "positive_controls_caught",
)
"""Invariants of every timeframe's features, evaluated on the partition itself."""


@factory_asset(
    *(
        table_output(
            table_schema(features_name(minutes)),
            f"Every feature of the catalogue on {minutes}-minute bars; a row is known at its close_time.",
            checks=CERTIFICATE,
            kinds=frozenset({"numba"}),
        )
        for minutes in TIMEFRAMES_MINUTES
    ),
    table_output(
        REGIME_PARAMETERS,
        "Parameters of the hidden Markov model of volatility, by quarter; known at the close of the trade_date.",
        checks=REGIME_CHECKS,
        kinds=frozenset({"numba"}),
    ),
    table_output(
        FEATURE_CERTIFICATE,
        "The causality certificate: what was recomputed of each feature on each timeframe, and the worst difference.",
    ),
    table_output(
        FEATURE_HEALTH,
        "Each feature on each timeframe: masked and unusable values, whether it moves, and what it resembles most.",
    ),
    reads=[bars_name(minutes) for minutes in TIMEFRAMES_MINUTES],
    settings_sections=["features", "splits"],
)
def features(part: Materialization) -> Iterable[Product]:
    """Compute and certify, timeframe by timeframe."""
    settings, certificates, regimes, days = part.settings.features, [], [], {}
    for minutes in TIMEFRAMES_MINUTES:
        bars = part.read(bars_name(minutes))
        table = regimes_of(bars, minutes)
        values = compute(bars, minutes=minutes, regimes=table)
        in_series = bool(bars["volume"].notna().any())
        found = certificate(
            bars,
            minutes,
            cut_points=settings.certificate_cut_points,
            seed=settings.certificate_seed,
            values=values,
            regimes=table,
        )
        certificates.append(found)
        regimes.append(table.to_frame())
        days[minutes] = dates_days(bars["trade_date"])
        cut = train_cut(bars, part.calendar, part.settings.splits) if minutes == BASE_MINUTES else None
        yield Product(
            name=features_name(minutes),
            content=values,
            inputs=part.refs[-1:],
            verdicts=found.verdicts,
            metadata=volume_note(in_series, catalogue()),
            meta={HAS_VOLUME: in_series, **({} if cut is None else {TRAIN_LAST_DAY: cut})},
        )
    yield _stored(REGIME_PARAMETERS, regimes, lambda rows: regime_invariants(rows, days))
    yield _stored(FEATURE_CERTIFICATE, [each.aspects for each in certificates])
    yield _stored(FEATURE_HEALTH, [each.health for each in certificates])


def _stored(
    schema: TableSchema,
    tables: Iterable[pd.DataFrame],
    verdicts: Callable[[pd.DataFrame], Sequence[Verdict]] = lambda _: (),
) -> Product:
    """One table of all timeframes, made of all their bars."""
    rows = pd.concat(tables, ignore_index=True).sort_values(list(schema.order_by), ignore_index=True)
    return Product(name=schema.name, content=rows, verdicts=verdicts(rows))
