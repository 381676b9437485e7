"""From a fitted stack to live predictions: release bundles, the predictor, and the proof that it equals batch.

Belongs here: what is shipped (:mod:`~factory_assets.deployment.bundle`), how minutes become decisions outside the
factory (:mod:`~factory_assets.deployment.predictor`), and the parity of both with the batch tables
(:mod:`~factory_assets.deployment.parity`). Does not: fitting (:mod:`factory_assets.stacking`), judging a model
(:mod:`factory_assets.evaluation`), or which release is published (:mod:`factory_assets.orchestration`). Nothing here
computes a feature, a roll or a cost of its own: live calls the batch functions.
"""

from factory_assets.deployment.batch import BatchRows, batch_rows, score
from factory_assets.deployment.bundle import load_bundle, write_bundle
from factory_assets.deployment.inputs import inputs_of
from factory_assets.deployment.minute import Minute
from factory_assets.deployment.parity import prove_release
from factory_assets.deployment.prediction import Prediction
from factory_assets.deployment.predictor import Predictor
from factory_assets.deployment.release import Release
from factory_assets.deployment.sequence_input import SequenceInput

__all__ = [
    "BatchRows",
    "Minute",
    "Prediction",
    "Predictor",
    "Release",
    "SequenceInput",
    "batch_rows",
    "inputs_of",
    "load_bundle",
    "prove_release",
    "score",
    "write_bundle",
]
