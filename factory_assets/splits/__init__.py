"""Phase 4, the second half: which decisions may train and which may judge.

Belongs here: the study (frozen cut dates), splitters that purge by label interval and count on the clock of scheduled
base-bar closes, the splits table and the roles it gives to samples, the purged tail that early stopping watches, and
the brute-force check of all of it. Does not: how labels and their intervals come to be (:mod:`factory_assets.labels`),
what is trained on the splits (:mod:`factory_assets.models`, :mod:`factory_assets.stacking`), who opened the test period
(:mod:`factory_assets.evaluation.ledger`), and where a study file lies (:mod:`factory_assets.storage`).
"""

from factory_assets.splits.assign import split_table
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.splits.hold_out import hold_out
from factory_assets.splits.invariants import split_invariants
from factory_assets.splits.purged_kfold import PurgedKFold
from factory_assets.splits.roles import role_names
from factory_assets.splits.sample_roles import sample_roles
from factory_assets.splits.short_history import ShortHistory
from factory_assets.splits.study import Study, missing_history, open_study
from factory_assets.vocabulary.sample_roles import ROLES

__all__ = [
    "ROLES",
    "PurgedKFold",
    "ShortHistory",
    "Study",
    "early_stop_tail",
    "hold_out",
    "missing_history",
    "open_study",
    "role_names",
    "sample_roles",
    "split_invariants",
    "split_table",
]
