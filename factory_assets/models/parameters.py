"""Constructor parameters of a model: frozen, keyword-only, typed and bounded in the one place that holds the default.

Belongs here: how parameters are declared, changed and checked. Does not: any single model's parameters (they stand
beside the model) or the user's overrides (:class:`factory_assets.vocabulary.settings.ModelSettings`).
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

from factory_assets.vocabulary.errors import ConfigurationError


def parameter(default: bool | int | float, *, low: float | None = None, high: float | None = None) -> Any:
    """Field of a parameter class: its default and the closed range of values it may take.

    Parameters
    ----------
    default : bool, int or float
        Default; its type is the parameter's type.
    low, high : float, optional
        Smallest and largest value allowed; None leaves the side open.
    """
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class ModelParameters:
    """What every model is parametrised by; a model subclasses it with its own fields.

    Attributes
    ----------
    seed : int
        Seed of everything random in a fit.
    """

    seed: int = parameter(0, low=0, high=2**31 - 1)

    def with_changes(self, changes: Mapping[str, Any], where: str) -> Self:
        """Copy with some parameters changed.

        Parameters
        ----------
        changes : mapping of str to value
            New values by parameter name.
        where : str
            What the parameters belong to, for the message.

        Raises
        ------
        ConfigurationError
            Unknown names, wrong types and values out of range; all of them in one message.
        """
        known = {field.name: field for field in dataclasses.fields(self)}
        problems: list[str] = []
        values: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in known:
                problems.append(f"unknown parameter {name!r}")
                continue
            try:
                values[name] = _typed(value, getattr(self, name))
            except TypeError as problem:
                problems.append(f"{name}: {problem}")
                continue
            low, high = known[name].metadata["low"], known[name].metadata["high"]
            if (low is not None and values[name] < low) or (high is not None and values[name] > high):
                problems.append(f"{name}: expected a value in [{low}, {high}], got {value!r}")
        if problems:
            raise ConfigurationError(f"{where}: {'; '.join(problems)}. Known parameters: {sorted(known)}.")
        return dataclasses.replace(self, **values)

    def as_dict(self) -> dict[str, bool | int | float]:
        """Values by name, as written beside a fitted model."""
        return dataclasses.asdict(self)


def _typed(value: Any, default: bool | int | float) -> bool | int | float:
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise TypeError(f"expected true or false, got {value!r}")
    if isinstance(value, bool):
        raise TypeError(f"expected {type(default).__name__}, got {value!r}")
    if isinstance(default, int):
        if isinstance(value, Integral):
            return int(value)
        raise TypeError(f"expected an integer, got {value!r}")
    if isinstance(value, Real) and math.isfinite(float(value)):
        return float(value)
    raise TypeError(f"expected a finite number, got {value!r}")
