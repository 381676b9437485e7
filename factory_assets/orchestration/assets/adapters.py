"""Phase 5: the tabular row of every sampled decision."""

from collections.abc import Iterable

from factory_assets.adapters import adapter_invariants, build_tabular
from factory_assets.features.pools import tabular_pool
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.schemas import LABELS, TABULAR
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, features_name


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
    settings = part.settings.adapters
    pool = tabular_pool(settings.tabular_primary_minutes, settings.tabular_other_minutes)
    outcome = part.read(LABELS.name, columns=["decision_time", "trade_date", "event"])
    sample = outcome[outcome["event"]]
    decisions = times_us(sample["decision_time"])
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=part.study.val_last_day)
        for minutes, names in pool.items()
    }
    rows = build_tabular(decisions, dates_days(sample["trade_date"]), features, pool)
    return [
        Product(
            name=TABULAR.name,
            content=rows,
            verdicts=adapter_invariants(rows, decisions, features, pool),
            metadata={"columns": sum(len(names) for names in pool.values())},
        )
    ]
