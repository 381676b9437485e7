"""A fitted meta-learner with the order of its bases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from factory_assets.models.base import BaseModel
from factory_assets.models.files import seal, unseal
from factory_assets.models.persistence import model_from_files
from factory_assets.stacking.probabilities import COLUMNS, label_columns
from factory_assets.vocabulary.errors import BadInputError, IntegrityError

_HEADER = "meta.json"
PROBABILITY_FLOOR = 1e-6


@dataclass(frozen=True, kw_only=True)
class FittedMeta:
    """Combines base probabilities of one decision into one set of probabilities.

    Attributes
    ----------
    base_names : tuple of str
        Bases in the order their columns enter: sorted by name.
    model : BaseModel
        Fitted on the bases' out-of-fold log-probabilities.
    """

    base_names: tuple[str, ...]
    model: BaseModel

    def predict_proba(self, probabilities: Mapping[str, np.ndarray]) -> np.ndarray:
        """Probabilities of down, flat and up, float64, shape (N, 3), each row from itself alone.

        Parameters
        ----------
        probabilities : mapping of str to ndarray, shape (N, 3)
            Each base's probabilities of the same decisions in the same order.

        Raises
        ------
        BadInputError
            Other bases than fitted on, or shapes that differ.
        """
        inputs = meta_inputs(probabilities, self.base_names)
        return label_columns(self.model.predict_proba(inputs), self.model.classes_)

    def to_files(self) -> dict[str, bytes]:
        """Sealed set of files: ``meta.json`` lists the model's own sealed set."""
        return seal(
            {"meta": self.model.entry.name, "base_names": list(self.base_names)}, self.model.to_files(), _HEADER
        )

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "FittedMeta":
        """Meta-learner from :meth:`to_files`.

        Raises
        ------
        IntegrityError
            Files missing, extra, damaged or not what their headers say.
        """
        header, payload = unseal(files, _HEADER)
        names, model = header.get("base_names"), model_from_files(payload)
        if not isinstance(names, list) or model.shape_ != (len(names) * len(COLUMNS),):
            raise IntegrityError(f"saved meta: bases {names!r} do not fit a model of shape {model.shape_}")
        return cls(base_names=tuple(str(name) for name in names), model=model)


def meta_inputs(probabilities: Mapping[str, np.ndarray], base_names: Sequence[str]) -> np.ndarray:
    """Log-probabilities of all bases side by side, float64, shape (N, 3 x bases).

    Logs, because a multinomial logistic regression on them contains every base (weight 1 on its own columns) and every
    geometric pool of bases. A probability below :data:`PROBABILITY_FLOOR` counts as the floor.

    Parameters
    ----------
    probabilities : mapping of str to ndarray, shape (N, 3)
        By base.
    base_names : sequence of str
        Order of the bases.

    Raises
    ------
    BadInputError
        Bases missing or extra, or shapes that differ.
    """
    if {*probabilities} != {*base_names} or not base_names:
        raise BadInputError(f"meta-learner of bases {list(base_names)}: got {sorted(probabilities)}")
    shapes = {name: probabilities[name].shape for name in base_names}
    if len({*shapes.values()}) > 1 or any(len(shape) != 2 or shape[1] != len(COLUMNS) for shape in shapes.values()):
        raise BadInputError(f"meta-learner: expected the same (N, {len(COLUMNS)}) of every base, got {shapes}")
    stacked = np.concatenate([probabilities[name] for name in base_names], axis=1).astype(np.float64)
    return np.log(np.clip(stacked, PROBABILITY_FLOOR, 1.0))
