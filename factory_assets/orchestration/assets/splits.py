"""Phase 4, splits: which decision plays which role in which fold."""

from collections.abc import Iterable

from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.splits import split_invariants, split_table
from factory_assets.vocabulary.schemas import LABELS, SPLITS

_CHECKS = (
    "no_interval_overlap",
    "purge_and_embargo_on_clock",
    "no_row_dropped_without_cause",
    "each_event_tested_once",
    "folds_non_empty",
    "no_row_after_val_end",
)


@factory_asset(
    table_output(SPLITS, "Role of every sampled decision in each purged fold and in the hold-out.", checks=_CHECKS),
    reads=["study", LABELS.name],
    settings_sections=["splits", "adapters"],
)
def splits(part: Materialization) -> Iterable[Product]:
    """Assign roles and check them by brute force."""
    outcome = part.read(LABELS.name)
    settings, window_bars = part.settings.splits, part.settings.adapters.sequence_window_bars
    table = split_table(outcome, part.study, settings, part.clock_us, window_bars=window_bars)
    verdicts = split_invariants(outcome, table, part.study, settings, part.clock_us, window_bars=window_bars)
    roles = table.groupby(["scheme", "role"], observed=True).size()
    counts = {f"{scheme}_{role}": int(rows) for (scheme, role), rows in roles.items()}
    return [Product(name=SPLITS.name, content=table, verdicts=verdicts, metadata=counts)]
