"""One registry entry: what a model is, needs and promises; the shared checks hold it to the promises."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from factory_assets.models.parameters import ModelParameters
from factory_assets.vocabulary.errors import ConfigurationError

if TYPE_CHECKING:
    from factory_assets.models.base import BaseModel

DIMENSIONS: MappingProxyType[str, int] = MappingProxyType({"tabular": 2, "sequence": 3, "probabilities": 2})
"""Adapters a model may name, and the number of dimensions of the ``X`` each hands over."""

SCALINGS: MappingProxyType[str, str] = MappingProxyType(
    {
        "catalogue": "each column by the scaling kind the feature catalogue declares",
        "none": "no column is scaled; masked cells still get the training median",
    }
)
DETERMINISMS: MappingProxyType[str, str] = MappingProxyType(
    {
        "bitwise": "same rows in any order and same parameters give the same file bytes, on any number of cores",
        "bitwise_per_processor": (
            "as bitwise on one kind of processor; a fit on another kind or on a GPU has other last bits, and its log "
            "loss agrees within .05 nats"
        ),
    }
)
FILE_FORMATS: MappingProxyType[str, str] = MappingProxyType(
    {
        "lightgbm_text": "LightGBM's own model text",
        "json": "coefficients in JSON, written and read by the factory",
        "safetensors": "named tensors without code, checked against the network the header describes",
    }
)


@dataclass(frozen=True, kw_only=True)
class SearchRange:
    """Range a tuner may draw a parameter from, both ends included; integers for an integer parameter.

    Attributes
    ----------
    low, high : float
        Ends of the range.
    log : bool
        Whether to draw on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """What the registry knows of one model. Behaviour is switched by these fields, never by the name.

    Attributes
    ----------
    name : str
        Registry name, e.g. ``"lightgbm"``.
    family : str
        ``boosting``, ``classical``, ``meta``, ...
    adapter : str
        Key of :data:`DIMENSIONS`: where ``X`` comes from (``probabilities``: the base models' predictions).
    primary_minutes : int or None
        Timeframe whose features lead the row; None for metas.
    feature_set : str
        Named set its columns are chosen of on every training part, or a whole pool of its adapter's
        (``factory_assets.adapters.feature_sets`` has them); a configuration may name another one.
    scaling : str
        Key of :data:`SCALINGS`.
    window : int or None
        Rows of look-back in one sample; None for models of single rows.
    defaults : ModelParameters
        Parameters and their defaults.
    search_space : mapping of str to SearchRange
        What a tuner may vary.
    determinism : str
        Key of :data:`DETERMINISMS`.
    file_format : str
        Key of :data:`FILE_FORMATS`.
    weights_equal_copies : bool
        Whether a sample of weight k fits exactly like k copies of it.
    rounds_parameter : str or None
        Parameter that bounds the boosting rounds or epochs early stopping may cut; None if the model has none and
        ignores ``eval_set``.
    own_process : bool
        Whether fits of the model run in a child process: single-threaded and long, so that several use several cores.
    resumable : bool
        Whether a fit that was killed goes on from its last checkpoint (:meth:`BaseModel.checkpoint_in`).
    has_thresholds : bool
        Whether the output jumps where a feature crosses a threshold (trees): there a rounding error of a feature may
        change a probability by more than a rounding error.
    memorising : mapping of str to value
        Parameters under which the model has to reproduce 64 arbitrary rows (its capacity without regularisation).
    model_class : type
        The class.
    """

    name: str
    family: str
    adapter: str
    primary_minutes: int | None
    feature_set: str
    scaling: str
    window: int | None
    defaults: ModelParameters
    search_space: Mapping[str, SearchRange]
    determinism: str
    file_format: str
    weights_equal_copies: bool
    rounds_parameter: str | None
    own_process: bool = False
    resumable: bool = False
    has_thresholds: bool = False
    memorising: Mapping[str, bool | int | float]
    model_class: "type[BaseModel]"

    def __post_init__(self) -> None:
        """Refuse an entry that contradicts itself; all contradictions in one message."""
        vocabulary = {
            "adapter": (self.adapter, DIMENSIONS),
            "scaling": (self.scaling, SCALINGS),
            "determinism": (self.determinism, DETERMINISMS),
            "file_format": (self.file_format, FILE_FORMATS),
        }
        problems = [
            f"{field} {value!r}: expected one of {sorted(known)}"
            for field, (value, known) in vocabulary.items()
            if value not in known
        ]
        parameters = self.defaults.as_dict()
        named = {*self.search_space, *self.memorising, *([self.rounds_parameter] if self.rounds_parameter else [])}
        problems += [
            f"{name!r} is not among the parameters {sorted(parameters)}" for name in sorted(named - {*parameters})
        ]
        problems += [
            f"search space of {name!r}: the default {parameters[name]} lies outside [{span.low}, {span.high}]"
            for name, span in self.search_space.items()
            if name in parameters and not span.low <= parameters[name] <= span.high
        ]
        if self.resumable and self.rounds_parameter is None:
            problems.append("resumable: a model without a rounds_parameter has no rounds to go on from")
        if problems:
            raise ConfigurationError(f"model {self.name!r}: {'; '.join(problems)}")
        object.__setattr__(self, "search_space", MappingProxyType(dict(self.search_space)))
        object.__setattr__(self, "memorising", MappingProxyType(dict(self.memorising)))

    @property
    def dimensions(self) -> int:
        """Number of dimensions of ``X``."""
        return DIMENSIONS[self.adapter]

    @property
    def stops_early(self) -> bool:
        """Whether a fit watches ``eval_set`` to choose its number of rounds."""
        return self.rounds_parameter is not None
