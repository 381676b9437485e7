"""A function that computes one or several related features, with their declarations."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.spec import SCALINGS, FeatureSpec, Span

FeatureFunction = Callable[[Bars], np.ndarray | tuple[np.ndarray, ...]]
_REFERENCES = re.compile(r"\n\s*References\n\s*-+\n")
TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Output:
    """Declaration of one feature of a family; see :class:`FeatureSpec` for the fields.

    ``warmup`` defaults to everything before the look-back is full.
    """

    name: str
    unit: str
    scaling: str
    lookback: Span
    warmup: Span | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True, kw_only=True)
class FeatureFamily:
    """Features that come out of one function, in the order of the arrays it returns."""

    function: FeatureFunction
    specs: tuple[FeatureSpec, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of its features."""
        return frozenset(spec.name for spec in self.specs)

    def evaluate(self, bars: Bars) -> dict[str, np.ndarray]:
        """Values of every feature of the family, each float64 of the length of the bars."""
        values = self.function(bars)
        arrays = values if isinstance(values, tuple) else (values,)
        return {spec.name: array for spec, array in zip(self.specs, arrays, strict=True)}


def family(
    *, group: str, inputs: Sequence[str], outputs: Sequence[Output]
) -> Callable[[FeatureFunction], FeatureFamily]:
    """Declare the features a function returns; formula and source are read from its docstring.

    Raises
    ------
    ValueError
        The docstring has no ``References`` section, or a scaling kind is unknown: a defect of the catalogue itself.
    """

    def declare(function: FeatureFunction) -> FeatureFamily:
        parts = _REFERENCES.split(inspect.getdoc(function) or "")
        if len(parts) != 2:
            raise ValueError(f"{function.__qualname__}: the docstring needs one References section naming the source")
        unknown = {output.scaling for output in outputs} - set(SCALINGS)
        if unknown:
            raise ValueError(f"{function.__qualname__}: scaling {sorted(unknown)}, expected one of {SCALINGS}")
        specs = tuple(
            FeatureSpec(
                name=output.name,
                group=group,
                inputs=tuple(inputs),
                formula=" ".join(parts[0].split()),
                source=" ".join(parts[1].split()),
                unit=output.unit,
                scaling=output.scaling,
                lookback=output.lookback,
                warmup=output.warmup or _before(output.lookback),
                tolerance=output.tolerance,
            )
            for output in outputs
        )
        return FeatureFamily(function=function, specs=specs)

    return declare


def _before(lookback: Span) -> Span:
    """The rows before a look-back is full; a look-back in sessions keeps its one extra bar (an upper bound)."""
    return Span(bars=max(lookback.bars - 1, 0), sessions=lookback.sessions)
