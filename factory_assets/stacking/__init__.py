"""Phase 7: out-of-fold predictions, members, and the cross-fitted stack.

Belongs here: which rows a model is fitted on and which it predicts, how base predictions are joined (by decision time)
and combined, and the independent checks of that. Does not: models themselves (:mod:`factory_assets.models`), folds
(:mod:`factory_assets.splits`), scaling (:mod:`factory_assets.adapters`), or judging predictions
(:mod:`factory_assets.evaluation`).
"""

from factory_assets.stacking.canary import Canary, permuted_labels_verdict
from factory_assets.stacking.choice_table import choice_rows, choices_verdict
from factory_assets.stacking.cross_fit import CrossFittedStack, cross_fit_meta
from factory_assets.stacking.fit_members import FitWork, fit_members
from factory_assets.stacking.fit_processes import FitProcesses
from factory_assets.stacking.fit_request import FitRequest
from factory_assets.stacking.invariants import oof_invariants, stack_invariants, val_invariants
from factory_assets.stacking.member import FittedMember
from factory_assets.stacking.member_fit import MemberFit, fit_frozen, fit_member, fit_recorded
from factory_assets.stacking.meta import FittedMeta, meta_inputs
from factory_assets.stacking.oof import OutOfFold, fold_requests, out_of_fold, predict_folds, predict_val
from factory_assets.stacking.probabilities import predictions_frame
from factory_assets.stacking.scaler_check import member_scaler_verdicts
from factory_assets.stacking.training_part import TrainingPart, training_part

__all__ = [
    "Canary",
    "CrossFittedStack",
    "FitProcesses",
    "FitRequest",
    "FitWork",
    "FittedMember",
    "FittedMeta",
    "MemberFit",
    "OutOfFold",
    "TrainingPart",
    "choice_rows",
    "choices_verdict",
    "cross_fit_meta",
    "fit_frozen",
    "fit_member",
    "fit_members",
    "fit_recorded",
    "fold_requests",
    "member_scaler_verdicts",
    "meta_inputs",
    "oof_invariants",
    "out_of_fold",
    "permuted_labels_verdict",
    "predict_folds",
    "predict_val",
    "predictions_frame",
    "stack_invariants",
    "training_part",
    "val_invariants",
]
