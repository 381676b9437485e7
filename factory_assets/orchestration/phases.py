"""The phases a run goes through, in data order, and the assets of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from factory_assets.orchestration.jobs import SEALED
from factory_assets.vocabulary.errors import UnknownNameError


@dataclass(frozen=True)
class Phase:
    """A step of ``factory run --until``: its name, its asset groups and its partition family."""

    name: str
    groups: tuple[str, ...]
    by_horizon: bool


PHASES: tuple[Phase, ...] = (
    Phase("bars", ("market",), by_horizon=False),
    Phase("features", ("features",), by_horizon=False),
    Phase("study", ("study",), by_horizon=False),
    Phase("labels", ("labels",), by_horizon=True),
    Phase("splits", ("splits",), by_horizon=True),
    Phase("adapters", ("adapters",), by_horizon=True),
    Phase("models", ("boosting", "classical", "neural"), by_horizon=True),
    Phase("stacking", ("stacking",), by_horizon=True),
    Phase("evaluation", ("evaluation",), by_horizon=True),
    Phase("bundle", ("deployment",), by_horizon=True),
    Phase("report", ("reports",), by_horizon=True),
)


def phases_until(last: str | None) -> tuple[Phase, ...]:
    """Phases up to and including ``last``; all of them for None.

    Raises
    ------
    UnknownNameError
        If no phase has that name.
    """
    names = [phase.name for phase in PHASES]
    if last is None:
        return PHASES
    if last not in names:
        raise UnknownNameError(f"--until {last!r}: phases are {', '.join(names)}")
    return PHASES[: names.index(last) + 1]


def keys_of(definitions: dg.Definitions, phases: Sequence[Phase], *, by_horizon: bool) -> list[dg.AssetKey]:
    """Keys of the phases' assets in one partition family; sealed assets never among them."""
    groups = {group for phase in phases if phase.by_horizon == by_horizon for group in phase.groups}
    return sorted(
        spec.key
        for spec in definitions.resolve_all_asset_specs()
        if spec.group_name in groups and spec.key.path[-1] not in SEALED
    )
