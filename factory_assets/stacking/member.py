"""One fitted member of a stack: scaler, model and the columns they were fitted on, as one thing to predict with."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from factory_assets.adapters.scaling import FittedScaler
from factory_assets.models.base import BaseModel
from factory_assets.models.files import seal, unseal
from factory_assets.models.persistence import model_from_files
from factory_assets.stacking.probabilities import label_columns
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.windows import LazyWindows

_HEADER, _SCALER = "member.json", "scaler.json"


@dataclass(frozen=True, kw_only=True)
class FittedMember:
    """A base model with the scaler fitted on the rows the model was fitted on.

    Attributes
    ----------
    scaler : FittedScaler
        Fills masked cells with training medians; scales where the model's registry entry asks for it.
    model : BaseModel
        Fitted on the labels -1, 0, +1.
    feature_names : tuple of str
        Columns, in the order ``features`` has to come in: the names along its last axis.
    """

    scaler: FittedScaler
    model: BaseModel
    feature_names: tuple[str, ...]

    @property
    def rounds(self) -> int | None:
        """Boosting rounds or epochs the fit came to; None for a model without rounds. What a refit is frozen at."""
        return int(self.model.fit_report_["best_iteration"]) if self.model.entry.stops_early else None

    def predict_proba(self, features: np.ndarray | LazyWindows) -> np.ndarray:
        """Probabilities of down, flat and up.

        Parameters
        ----------
        features : ndarray of float32, shape (N, F), or LazyWindows of shape (N, T, F)
            As the model's adapter hands them over: unscaled, known at the decision; NaN where a warm-up masks the cell.

        Returns
        -------
        ndarray of float64, shape (N, 3)
            Each row from itself alone; rows sum to one.

        Raises
        ------
        BadInputError
            Another number of dimensions, columns or rows a window than fitted on.
        """
        expected = self.model.shape_
        if tuple(features.shape[1:]) != expected:
            raise BadInputError(
                f"member {self.model.entry.name!r}: expected (N, {', '.join(map(str, expected))}), got "
                f"{tuple(features.shape)}"
            )
        return label_columns(self.model.predict_proba(self.scaler.transform(features)), self.model.classes_)

    def predict_samples(self, data: TimeSeriesDataContainer) -> np.ndarray:
        """:meth:`predict_proba` of a container's samples, which may have more columns than the member reads.

        Raises
        ------
        BadInputError
            A container without a column the member reads.
        """
        return self.predict_proba(data.of_columns(self.feature_names).features)

    def to_files(self) -> dict[str, bytes]:
        """Sealed set of files: ``member.json`` lists the scaler and the model's own sealed set."""
        payload = {**self.model.to_files(), _SCALER: self.scaler.to_json().encode()}
        return seal({"member": self.model.entry.name, "feature_names": list(self.feature_names)}, payload, _HEADER)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "FittedMember":
        """Member from :meth:`to_files`.

        Raises
        ------
        IntegrityError
            Files missing, extra, damaged or not what their headers say.
        UnknownNameError
            A model no registry holds.
        """
        header, payload = unseal(files, _HEADER)
        if _SCALER not in payload:
            raise IntegrityError(f"saved member: {_SCALER} is missing from {sorted(payload)}. Save it again.")
        try:
            scaler = FittedScaler.from_json(payload[_SCALER].decode())
            names = tuple(str(name) for name in header["feature_names"])
        except (KeyError, TypeError, UnicodeDecodeError, BadInputError) as problem:
            raise IntegrityError(f"saved member: cannot be read: {problem}. Save it again.") from problem
        model = model_from_files({name: data for name, data in payload.items() if name != _SCALER})
        shape, dimensions = model.shape_, model.entry.dimensions
        if scaler.names != names or shape[-1:] != (len(names),) or len(shape) != dimensions - 1:
            raise IntegrityError(
                f"saved member {model.entry.name!r}: {len(names)} columns, scaler of {len(scaler.names)}, model of "
                f"{shape}; expected the same columns in all three and {dimensions - 1} dimensions a row. Save it again."
            )
        return cls(scaler=scaler, model=model, feature_names=names)
