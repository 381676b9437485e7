"""Phase 6: models behind one contract, one closed registry and one set of shared checks.

Belongs here: what a model is (``base``, ``model_entry``, ``parameters``, ``samples``), the registry, saving without
pickle (``files``, ``persistence``), the checks every registered model passes (``checks``), and the models by family
folder. Does not: features and scaling (:mod:`factory_assets.adapters`), folds (:mod:`factory_assets.splits`), which
rows a model is fitted on and how predictions are combined (:mod:`factory_assets.stacking`). Nothing here imports a
modelling library before a model is fitted or loaded.
"""

from factory_assets.models.base import BaseModel
from factory_assets.models.model_entry import ModelEntry, SearchRange
from factory_assets.models.parameters import ModelParameters, parameter
from factory_assets.models.persistence import load_model, model_from_files
from factory_assets.models.registry import create, entry, names, register

__all__ = [
    "BaseModel",
    "ModelEntry",
    "ModelParameters",
    "SearchRange",
    "create",
    "entry",
    "load_model",
    "model_from_files",
    "names",
    "parameter",
    "register",
]
