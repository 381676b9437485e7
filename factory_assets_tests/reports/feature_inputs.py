"""What the feature page is drawn from, made of a random market: the real catalogue, certified on two timeframes."""

from dataclasses import replace
from functools import cache

import pandas as pd

from factory_assets.features import catalogue, compute
from factory_assets.features.causality import certificate
from factory_assets.reports.features import FeatureInputs
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.features.feature_worlds import make_minutes, to_timeframe

SESSIONS, TRAIN_SESSIONS = 40, 30


@cache
def feature_inputs(symbol: str = "MGC", *, with_volume: bool = True) -> FeatureInputs:
    """Forty sessions, of which the first thirty are train; five and sixty minutes."""
    minutes = make_minutes(symbol=symbol, sessions=SESSIONS, seed=9, roll_every=17)
    if not with_volume:
        minutes = minutes.assign(volume=float("nan"))
    aspects, health, verdicts = [], [], {}
    for width in (5, 60):
        frame = to_timeframe(minutes, width)
        if not with_volume:
            frame = frame.assign(volume=float("nan"))
        values = compute(frame, minutes=width)
        found = certificate(frame, width, cut_points=10, seed=1, values=values)
        aspects.append(found.aspects)
        health.append(found.health)
        verdicts[width] = found.verdicts
        if width == 5:
            base = values
    days = base["trade_date"].unique()
    return FeatureInputs(
        instrument=instrument(symbol),
        specs=catalogue(),
        values=base[base["trade_date"] <= days[TRAIN_SESSIONS - 1]].reset_index(drop=True).astype(stored(base)),
        certificate=pd.concat(aspects, ignore_index=True),
        health=pd.concat(health, ignore_index=True),
        verdicts=verdicts,
        sessions=SESSIONS,
        has_volume=with_volume,
    )


def few_features(inputs: FeatureInputs, every: int = 9) -> FeatureInputs:
    """The same of every ninth feature: drawn in a second."""
    kept = inputs.specs[::every]
    names = {spec.name for spec in kept}
    columns = [name for name in inputs.values if name in names | {"close_time", "trade_date"}]
    certificate, health = (
        table[table["feature"].isin(names) | (table["group"] == "control")]
        for table in (inputs.certificate, inputs.health)
    )
    return replace(inputs, specs=kept, values=inputs.values[columns], certificate=certificate, health=health)


def stored(values: pd.DataFrame) -> dict[str, str]:
    """Features are stored as 32-bit floats."""
    return dict.fromkeys((name for name in values.columns if name not in {"close_time", "trade_date"}), "float32")


def with_values(inputs: FeatureInputs, **columns) -> FeatureInputs:
    """The same with some columns replaced."""
    return replace(inputs, values=inputs.values.assign(**columns))
