"""What the graph makes: every asset's name, group, schema, invariants and partition family, declared once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import dagster as dg

from factory_assets.storage import Store
from factory_assets.vocabulary.errors import FactoryError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import TableSchema

ATTEMPT = "attempt"
"""Manifest figure that names the attempt (run and partition) an output was published in."""

OUTSIDE = "outside."
"""Manifest figures that begin so say what an input outside the store was when the output was made."""

OutsideInput = Callable[[FactoryHome, Store, PartitionKey], str]
"""What an input outside the store is now, as a digest or a name; equal values mean that nothing has changed."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One declared output of an asset body.

    Attributes
    ----------
    name : str
        Asset name; with the group it forms the key ``group/name``.
    group : str
        Asset group and folder in the store.
    description : str
        What it is in trading terms, and when its values are known.
    schema : TableSchema or None
        Schema of a table; None for files.
    checks : tuple of str
        Invariants the producer evaluates for it.
    kinds : frozenset of str
        Technologies shown in the UI.
    by_horizon : bool
        Partition family: contract x horizon, or contract.
    """

    name: str
    group: str
    description: str
    schema: TableSchema | None = None
    checks: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset({"python"})
    by_horizon: bool

    @property
    def key(self) -> dg.AssetKey:
        """Key in the graph."""
        return dg.AssetKey([self.group, self.name])


class Catalogue:
    """Every output declared so far: names, groups and schemas for reads, views and pages."""

    def __init__(self) -> None:
        self._outputs: dict[str, Output] = {}
        self._bodies: dict[str, str] = {}
        self._sections: dict[str, tuple[str, ...]] = {}
        self._outside: dict[str, Mapping[str, OutsideInput]] = {}

    def add(self, output: Output) -> None:
        """Declare an output; a second one of the same name raises."""
        if output.name in self._outputs:
            raise FactoryError(f"asset {output.name} is declared twice; names are view names and have to be unique")
        self._outputs[output.name] = output

    def __getitem__(self, name: str) -> Output:
        """Output by name; an upstream asset has to be declared before its consumer."""
        if name not in self._outputs:
            raise FactoryError(f"asset {name!r} is not declared; declared: {sorted(self._outputs)}")
        return self._outputs[name]

    def knows(self, name: str) -> bool:
        """Whether an output of that name is declared."""
        return name in self._outputs

    def bind(
        self,
        name: str,
        body: str,
        settings_sections: Sequence[str],
        outside: Mapping[str, OutsideInput] = MappingProxyType({}),
    ) -> None:
        """Say which body makes an output, of which settings and inputs outside the store; bodies' outputs go along."""
        self._bodies[name] = body
        self._outside[name] = MappingProxyType({**outside})
        self._sections[name] = tuple(settings_sections)

    def sections_of(self, name: str) -> tuple[str, ...]:
        """Sections of the settings an output's digest covers."""
        return self._sections[name]

    def outside_of(self, name: str) -> Mapping[str, OutsideInput]:
        """Inputs outside the store that an output was declared to depend on, by name."""
        return self._outside[name]

    def body_of(self, name: str) -> str:
        """Name of the body that makes an output."""
        return self._bodies[name]

    def all(self) -> tuple[Output, ...]:
        """Every output in the order of declaration."""
        return tuple(self._outputs.values())


CATALOGUE = Catalogue()


def table_output(
    schema: TableSchema, description: str, *, checks: tuple[str, ...] = (), kinds: frozenset[str] = frozenset()
) -> Output:
    """Declaration of a table: name, group and family come from its schema."""
    return Output(
        name=schema.name,
        group=schema.group,
        description=description,
        schema=schema,
        checks=checks,
        kinds=kinds | {"parquet"},
        by_horizon=schema.by_horizon,
    )
