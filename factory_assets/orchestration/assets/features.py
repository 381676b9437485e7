"""Phase 3: the catalogue on every timeframe, with the causality certificate as a blocking invariant."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from factory_assets.features import catalogue, compute
from factory_assets.features.causality import certify
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.orchestration.series_volume import HAS_VOLUME, volume_note
from factory_assets.reports.features import feature_figures
from factory_assets.reports.figure import Figure
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, bars_name, features_name

CERTIFICATE = (
    "truncation_invariant",
    "future_perturbation_invariant",
    "lookback_honoured",
    "scale_invariant",
    "finite_after_warmup",
    "no_constant_feature",
    "no_duplicate_features",
    "volume_use_declared",
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
    reads=[bars_name(minutes) for minutes in TIMEFRAMES_MINUTES],
    settings_sections=["features", "splits"],
)
def features(part: Materialization) -> Iterable[Product]:
    """Compute and certify, timeframe by timeframe."""
    settings = part.settings.features
    for minutes in TIMEFRAMES_MINUTES:
        bars = part.read(bars_name(minutes))
        values = compute(bars, minutes=minutes)
        in_series = bool(bars["volume"].notna().any())
        yield Product(
            name=features_name(minutes),
            content=values,
            inputs=part.refs[-1:],
            verdicts=certify(
                bars,
                minutes,
                cut_points=settings.certificate_cut_points,
                seed=settings.certificate_seed,
                values=values,
            ),
            metadata=volume_note(in_series, catalogue()),
            figures=_figures(part, values) if minutes == BASE_MINUTES else (),
            meta={HAS_VOLUME: in_series},
        )


def _figures(part: Materialization, values: pd.DataFrame) -> list[Figure]:
    """Distributions of the sessions a study opened on these bars would train on; later ones are not looked at."""
    days = dates_days(values["trade_date"])
    sessions = np.unique(days)
    train = sessions[: max(1, int(len(sessions) * part.settings.splits.train_share))]
    return feature_figures(values[days <= train[-1]], simulated=part.instrument.simulated)
