"""The catalogue: every feature of the factory, closed and frozen.

A feature is added by writing it into the file of its group; nothing else registers one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from factory_assets.features.family import FeatureFamily
from factory_assets.features.spec import FeatureSpec
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, UnknownNameError


@dataclass(frozen=True)
class Registry:
    """Families in catalogue order and the specs by name; built once, never changed."""

    families: tuple[FeatureFamily, ...]
    specs: MappingProxyType[str, FeatureSpec]

    @classmethod
    def of(cls, families: Iterable[FeatureFamily]) -> "Registry":
        """Registry of the given families.

        Raises
        ------
        ConfigurationError
            Two features with one name.
        """
        kept = tuple(families)
        specs: dict[str, FeatureSpec] = {}
        for spec in (spec for each in kept for spec in each.specs):
            if spec.name in specs:
                raise ConfigurationError(
                    f"feature {spec.name!r} is declared in groups {specs[spec.name].group} and {spec.group}; rename one"
                )
            specs[spec.name] = spec
        return cls(families=kept, specs=MappingProxyType(specs))

    def select(self, names: Sequence[str] | None) -> tuple[FeatureSpec, ...]:
        """Specs of the named features in the order asked, or all in catalogue order.

        Raises
        ------
        BadInputError
            One text instead of a sequence of names.
        UnknownNameError
            Names the catalogue does not have, or one asked for twice.
        """
        if names is None:
            return tuple(self.specs.values())
        if isinstance(names, str):
            raise BadInputError(f"features: expected a sequence of names, got the text {names!r}; write [{names!r}]")
        unknown = [name for name in names if name not in self.specs]
        if unknown:
            raise UnknownNameError(
                f"features {unknown[:10]} are not in the catalogue; it has {len(self.specs)}: {', '.join(self.specs)}"
            )
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise UnknownNameError(f"features {twice} are asked for more than once; a column name has to be unique")
        return tuple(self.specs[name] for name in names)


@cache
def registry() -> Registry:
    """Registry of all groups. Imports TA-Lib, hence at first use."""
    from factory_assets.features import (
        bar_shape,
        calendar_time,
        channels,
        microstructure,
        moving_averages,
        order_flow,
        regime,
        returns,
        session,
        statistical,
        traded,
        trend,
        volatility,
        volume,
        wavelets,
    )

    groups = (
        returns,
        bar_shape,
        moving_averages,
        trend,
        volatility,
        channels,
        volume,
        microstructure,
        order_flow,
        statistical,
        regime,
        wavelets,
        session,
        calendar_time,
        traded,
    )
    return Registry.of(family for group in groups for family in group.FAMILIES)


def catalogue() -> tuple[FeatureSpec, ...]:
    """Every feature of the factory, in catalogue order."""
    return registry().select(None)
