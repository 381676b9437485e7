"""Phase 5: the tabular row and the window of base bars of every sampled decision."""

from collections.abc import Iterable

from factory_assets.adapters import (
    adapter_invariants,
    build_sequence,
    build_tabular,
    fold_windows_verdict,
    sequence_invariants,
)
from factory_assets.features import catalogue
from factory_assets.features.pools import sequence_pool, tabular_columns
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.orchestration.series_volume import HAS_VOLUME, has_volume, volume_note
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.schemas import LABELS, SEQUENCE, SPLITS, TABULAR
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, features_name

_ROWS = features_name(BASE_MINUTES)


@factory_asset(
    table_output(
        TABULAR,
        "Features of every sampled decision of train and val, each the latest value known at the decision.",
        checks=("one_shared_index", "known_at_decision", "no_nan"),
    ),
    reads=["study", LABELS.name, *(features_name(minutes) for minutes in TIMEFRAMES_MINUTES)],
    settings_sections=["adapters"],
)
def tabular(part: Materialization) -> Iterable[Product]:
    """Join each timeframe's features to the decisions by close_time."""
    until_day = part.study.val_last_day
    outcome = part.read(LABELS.name, columns=["decision_time", "trade_date", "event"])
    settings, in_series = part.settings.adapters, has_volume(part, _ROWS)
    pool = tabular_columns(settings, has_volume=in_series)
    sample = outcome[outcome["event"]]
    decisions = times_us(sample["decision_time"])
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=until_day)
        for minutes, names in pool.items()
    }
    rows = build_tabular(decisions, dates_days(sample["trade_date"]), features, pool)
    return [
        Product(
            name=TABULAR.name,
            content=rows,
            verdicts=adapter_invariants(rows, decisions, features, pool),
            metadata={"columns": sum(len(names) for names in pool.values()), **volume_note(in_series, catalogue())},
            meta={HAS_VOLUME: in_series},
        )
    ]


@factory_asset(
    table_output(
        SEQUENCE,
        "Window of base bars of every sampled decision of train and val; its newest row is known at the decision.",
        checks=(
            "one_shared_index",
            "known_at_decision",
            "windows_cross_no_outage",
            "windows_clear_of_judged_rows",
            "no_nan",
        ),
    ),
    reads=["study", LABELS.name, SPLITS.name, TABULAR.name, _ROWS],
    settings_sections=["adapters"],
)
def sequence(part: Materialization) -> Iterable[Product]:
    """Say which rows of features_5min each decision's window shows; no row is copied."""
    until_day = part.study.val_last_day
    outcome = part.read(LABELS.name, columns=["decision_time", "trade_date", "event", "t1"])
    settings, in_series = part.settings.adapters, has_volume(part, _ROWS)
    names = sequence_pool(has_volume=in_series)
    sample = outcome[outcome["event"]]
    decisions = times_us(sample["decision_time"])
    features = part.read(_ROWS, columns=["close_time", *names], until_day=until_day)
    close_us = times_us(features["close_time"])
    clock_us = part.calendar.covering(close_us).base_clock_us()
    limits = {
        "window_bars": settings.sequence_window_bars,
        "outage_minutes_max": settings.sequence_outage_minutes_max,
    }
    windows = build_sequence(decisions, dates_days(sample["trade_date"]), close_us, clock_us, **limits)
    tabular_us = times_us(part.read(TABULAR.name, columns=["decision_time"])["decision_time"])
    return [
        Product(
            name=SEQUENCE.name,
            content=windows,
            verdicts=[
                *sequence_invariants(windows, decisions, tabular_us, features, names, clock_us, **limits),
                fold_windows_verdict(windows, part.read(SPLITS.name), sample),
            ],
            metadata={
                "columns": len(names),
                "window_bars": settings.sequence_window_bars,
                "shorter_windows": int((windows["rows"] < settings.sequence_window_bars).sum()),
                **volume_note(in_series, catalogue()),
            },
            meta={HAS_VOLUME: in_series},
        )
    ]
