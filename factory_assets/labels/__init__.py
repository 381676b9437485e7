"""Phase 4, labels: what happens after each decision, and which decisions make the sample.

Belongs here: the walk from a decision to a barrier (:mod:`.path`, the only one in the factory), triple-barrier outcomes
from arrays (:mod:`.triple_barrier`) and for a contract's base bars (:mod:`.label_table`), CUSUM events, costs per
decision, average uniqueness, and the invariants of the ``labels`` table. Does not: folds and purging
(:mod:`factory_assets.splits`), features (:mod:`factory_assets.features`), or anything about accounts and trades
(:mod:`factory_assets.evaluation`). Reads bars of :mod:`factory_assets.market` and :mod:`factory_assets.indicators`.
"""

from factory_assets.labels.costs import decision_costs
from factory_assets.labels.events import cusum_events, cusum_settle_bars
from factory_assets.labels.invariants import label_invariants
from factory_assets.labels.label_table import MASK_REASONS, label_decisions
from factory_assets.labels.path import NO_ENTRY, walk_to_barrier
from factory_assets.labels.triple_barrier import TripleBarrierOutcome, triple_barrier
from factory_assets.labels.weights import average_uniqueness, normalised

__all__ = [
    "MASK_REASONS",
    "NO_ENTRY",
    "TripleBarrierOutcome",
    "average_uniqueness",
    "cusum_events",
    "cusum_settle_bars",
    "decision_costs",
    "label_decisions",
    "label_invariants",
    "normalised",
    "triple_barrier",
    "walk_to_barrier",
]
