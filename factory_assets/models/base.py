"""The contract every model keeps: frozen parameters, validated fits, probabilities, saving without pickle.

A model implements four private methods; everything a user can get wrong is refused here, once. Capabilities are fields
of the registry entry, so nothing ever asks a model for its name to decide what to do.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from factory_assets.models.files import read_folder, seal, unseal, write_folder
from factory_assets.models.model_entry import ModelEntry
from factory_assets.models.parameters import ModelParameters
from factory_assets.models.samples import Samples, checked_features, checked_samples
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, IntegrityError, NotFittedError

State = TypeVar("State")
EvalSet = Sequence[Any]
Scalar = str | int | float | bool
_CLASS_MIN, _CLASS_MAX = -(2**63), 2**63 - 1
_SIZE_MAX = 2**24


@dataclass(frozen=True)
class _Fitted(Generic[State]):
    state: State
    classes: np.ndarray
    shape: tuple[int, ...]
    report: Mapping[str, Scalar]
    curves: Mapping[str, list[float]]
    resumed_rounds: int = 0


class BaseModel(abc.ABC, Generic[State]):
    """A classifier of decisions.

    Parameters
    ----------
    **params
        Changes of the registry entry's defaults; frozen once stored.

    Attributes
    ----------
    entry : ModelEntry
        The class's registry entry.
    params : ModelParameters
        Parameters of this instance.

    Raises
    ------
    ConfigurationError
        Unknown parameters, wrong types, values out of range, or a class no registry holds.

    Examples
    --------
    >>> import numpy as np
    >>> from factory_assets.models import create
    >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = create("logistic", inverse_l2=10.0).fit(x, np.array([0, 0, 1, 1]))
    >>> model.predict(np.array([[-3.0], [3.0]])).tolist()
    [0, 1]
    """

    entry: ClassVar[ModelEntry]

    def __init__(self, **params: Any) -> None:
        entry = self._own_entry()
        self._params: ModelParameters = entry.defaults.with_changes(params, f"model {entry.name!r}")
        self._fitted: _Fitted[State] | None = None
        self._checkpoint_folder: Path | None = None

    @classmethod
    def _own_entry(cls) -> ModelEntry:
        entry = getattr(cls, "entry", None)
        if entry is None:
            raise ConfigurationError(f"{cls.__qualname__} is not registered; decorate it with models.register(...)")
        return entry

    @property
    def params(self) -> ModelParameters:
        """Parameters, frozen."""
        return self._params

    @property
    def is_fitted(self) -> bool:
        """Whether the latest fit finished."""
        return self._fitted is not None

    @property
    def classes_(self) -> np.ndarray:
        """Classes of the training labels, sorted, int64, shape (K,); the columns of :meth:`predict_proba`."""
        return self._require_fitted().classes

    @property
    def shape_(self) -> tuple[int, ...]:
        """Shape of one row of ``X``: (F,) for tabular models, (T, F) for sequence models."""
        return self._require_fitted().shape

    @property
    def fit_report_(self) -> Mapping[str, Scalar]:
        """Figures of the fit: rows and what the model adds (iterations, best iteration, ...)."""
        return self._require_fitted().report

    @property
    def fit_curves_(self) -> Mapping[str, list[float]]:
        """Losses by round (tree or epoch) of the fit, e.g. ``train_loss`` and ``watched_loss``; round 1 comes first.

        Rounds after the best one are included. Empty for models without rounds and for a model that was loaded: the
        curves are no part of the saved files.
        """
        return self._require_fitted().curves

    @property
    def resumed_rounds_(self) -> int:
        """Rounds the fit took over from a checkpoint instead of running them; 0 when it began anew or was loaded."""
        return self._require_fitted().resumed_rounds

    def checkpoint_in(self, folder: Path | str) -> Self:
        """Let the next fits keep a checkpoint in a folder, and go on from one of the very same fit if it is there.

        A resumed fit gives the bytes of an uninterrupted one. A checkpoint of other data or parameters, of other
        sources (the factory's, or the package's a user's model is from), libraries or kind of processor
        (:func:`factory_assets.models.fit_versions.fit_versions`), or a damaged one, is never used: the fit logs a
        warning and begins anew. The folder serves one fit at a time; the last checkpoint stays in it, for the caller
        to remove once the fit's result is safe.

        Raises
        ------
        ConfigurationError
            If the model cannot resume.
        """
        entry = self._own_entry()
        if not entry.resumable:
            raise ConfigurationError(
                f"model {entry.name!r} keeps no checkpoints: its fits begin anew. Ask entry.resumable before."
            )
        self._checkpoint_folder = Path(folder)
        return self

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: EvalSet | None = None) -> Self:  # noqa: N803
        """Fit on samples; an earlier fit is forgotten first, so an interrupted one leaves the model unfitted.

        Parameters
        ----------
        X : array_like of float, shape (N, F), or windows, shape (N, T, F)
            Values known at the decision; finite. Tabular models take rows. Sequence models take an array or
            :class:`~factory_assets.vocabulary.windows.LazyWindows`, newest step last; lazy windows are never
            materialised as a whole, and fit like the array they stand for.
        y : array_like of int, shape (N,)
            Classes, any two or more integers.
        sample_weight : array_like of float, shape (N,), optional
            Finite, >= 0, some positive; a row of weight 0 is an absent row.
        eval_set : (X, y) or (X, y, sample_weight), optional
            What early stopping watches. Whatever stands here chooses the number of rounds: it has to be a purged tail
            of the training part, never rows the model is scored on. Models without rounds ignore it.

        Raises
        ------
        BadInputError
            Shapes, values, labels or weights that break the rules above.
        FitError
            A fit that does not converge.
        """
        self._fitted = None
        name = self._own_entry().name
        features = checked_features(X, self.entry.dimensions, f"model {name!r}, X")
        train, classes = checked_samples(features, y, sample_weight, None, f"model {name!r}, training")
        evaluation = None
        if eval_set is not None:
            evaluation = self._checked_eval_set(eval_set, features.shape[1:], classes)
        state = self._fit(train, evaluation if self.entry.stops_early else None, len(classes))
        report = {"rows": len(train), "eval_rows": len(evaluation) if evaluation else 0, **self._report(state)}
        self._fitted = _Fitted(
            state,
            classes,
            tuple(features.shape[1:]),
            MappingProxyType(report),
            self._curves(state),
            self._resumed_rounds(state),
        )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probabilities of the classes, float64, shape (N, K), columns in the order of ``classes_``; rows sum to one.

        ``X`` has shape (N, F), or (N, T, F) for sequence models (an array or lazy windows, taken a few at a time).
        Each row's result depends on that row alone: one row gives the bits it gives inside a batch.

        Raises
        ------
        NotFittedError
            Before a fit that finished.
        BadInputError
            Another shape than the one trained on, NaN or infinities.
        """
        fitted = self._require_fitted()
        features = checked_features(X, self.entry.dimensions, f"model {self.entry.name!r}, X")
        if tuple(features.shape[1:]) != fitted.shape:
            raise BadInputError(
                f"model {self.entry.name!r}: fitted on rows of shape {fitted.shape}, got {tuple(features.shape[1:])}"
            )
        if len(features) == 0:
            return np.empty((0, len(fitted.classes)))
        return self._predict(fitted.state, features)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Most probable class of each row, int64, shape (N,); the smaller class where two are equal."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def to_files(self) -> dict[str, bytes]:
        """Fitted model as a sealed set of files: ``model.json`` lists the others with their sha256.

        Raises
        ------
        NotFittedError
            Before a fit that finished.
        """
        fitted = self._require_fitted()
        header = {
            "model": self.entry.name,
            "file_format": self.entry.file_format,
            "parameters": self._params.as_dict(),
            "classes": fitted.classes.tolist(),
            "shape": list(fitted.shape),
            "report": dict(fitted.report),
        }
        return seal(header, self._state_files(fitted.state))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Fitted model of this class from :meth:`to_files`.

        Raises
        ------
        IntegrityError
            Files missing, extra, damaged, or of another model.
        """
        header, payload = unseal(files)
        return cls.restored(header, payload)

    @classmethod
    def restored(cls, header: Mapping[str, Any], payload: Mapping[str, bytes]) -> Self:
        """Fitted model from a verified header and its payload.

        Raises
        ------
        IntegrityError
            If they are another model's, or the payload is not what the header describes.
        """
        entry = cls._own_entry()
        if header.get("model") != entry.name:
            raise IntegrityError(f"saved model is {header.get('model')!r}, expected {entry.name!r}; use load_model")
        try:
            model = cls(**header["parameters"])
            classes = np.array(_plain_integers(header["classes"], _CLASS_MIN, _CLASS_MAX), dtype=np.int64)
            shape, report = tuple(_plain_integers(header["shape"], 1, _SIZE_MAX)), dict(header["report"])
        except (KeyError, TypeError, ValueError, ConfigurationError) as problem:
            raise IntegrityError(f"saved model {entry.name!r}: the header is incomplete: {problem}") from problem
        if classes.ndim != 1 or len(classes) < 2 or not (np.diff(classes) > 0).all():
            raise IntegrityError(f"saved model {entry.name!r}: expected sorted classes, got {classes.tolist()}")
        state = model._state_from(payload, len(classes), shape)
        model._fitted = _Fitted(state, classes, shape, MappingProxyType(report), MappingProxyType({}))
        return model

    def save(self, folder: Path | str) -> None:
        """Write :meth:`to_files` into a new folder, which appears whole or not at all.

        Raises
        ------
        NotFittedError
            Before a fit that finished.
        BadInputError
            If the folder exists and is not empty.
        """
        write_folder(Path(folder), self.to_files())

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Fitted model of this class from a folder written by :meth:`save`.

        Raises
        ------
        BadInputError
            If the folder does not exist.
        IntegrityError
            Symlinks, files missing, extra, damaged, or of another model.
        """
        return cls.from_files(read_folder(Path(folder)))

    @abc.abstractmethod
    def _fit(self, train: Samples, evaluation: Samples | None, class_count: int) -> State:
        """Everything learnt, as one immutable value; ``self`` stays as it is."""

    @abc.abstractmethod
    def _predict(self, state: State, features: Any) -> np.ndarray:
        """Probabilities, shape (N, K), each row from itself alone; ``features`` as in :class:`Samples`."""

    @abc.abstractmethod
    def _state_files(self, state: State) -> dict[str, bytes]:
        """Files of the state by plain name."""

    @abc.abstractmethod
    def _state_from(self, files: Mapping[str, bytes], class_count: int, shape: tuple[int, ...]) -> State:
        """State from its verified files; IntegrityError if they are not what the header describes."""

    @abc.abstractmethod
    def _report(self, state: State) -> Mapping[str, Scalar]:
        """Figures of the fit a reader wants to see (iterations; ``best_iteration`` where rounds can be cut)."""

    def _curves(self, state: State) -> Mapping[str, list[float]]:  # noqa: ARG002
        """Losses by round; models with rounds override it."""
        return MappingProxyType({})

    def _resumed_rounds(self, state: State) -> int:  # noqa: ARG002
        """Rounds taken over from a checkpoint; resumable models override it."""
        return 0

    def _checked_eval_set(self, eval_set: EvalSet, shape: tuple[int, ...], classes: np.ndarray) -> Samples:
        what = f"model {self.entry.name!r}, eval_set"
        if len(eval_set) not in {2, 3}:
            raise BadInputError(f"{what}: expected (X, y) or (X, y, sample_weight), got {len(eval_set)} items")
        features = checked_features(eval_set[0], self.entry.dimensions, f"{what} X")
        if tuple(features.shape[1:]) != shape:
            raise BadInputError(f"{what}: rows of shape {tuple(features.shape[1:])}, training has {shape}")
        samples, _ = checked_samples(features, eval_set[1], eval_set[2] if len(eval_set) == 3 else None, classes, what)
        return samples

    def _require_fitted(self) -> _Fitted[State]:
        if self._fitted is None:
            raise NotFittedError(
                f"model {self._own_entry().name!r} is not fitted: call fit first (or load a saved one)"
            )
        return self._fitted


def _plain_integers(values: Any, low: int, high: int) -> list[int]:
    """Values of a header that are integers and nothing that only converts to one."""
    if not isinstance(values, list) or any(type(value) is not int or not low <= value <= high for value in values):
        raise ValueError(f"expected integers from {low} to {high}, got {str(values)[:200]}")
    return values
