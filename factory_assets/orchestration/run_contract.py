"""One contract, then its horizons: what ``factory run``, ``factory demo`` and the worlds do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from factory_assets.orchestration.launch import RunOutcome, launch, steps_of
from factory_assets.orchestration.phases import PHASES, keys_of, phases_until
from factory_assets.orchestration.study_artifact import published_short_history
from factory_assets.splits.short_history import ShortHistory
from factory_assets.vocabulary.errors import TooLittleHistoryError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

Announce = Callable[[PartitionKey, int], Callable[[str, str], None]]
"""Told of a partition and its number of steps before it starts; returns the listener for its steps."""

_NAMES = [phase.name for phase in PHASES]
_WITHOUT_STUDY = frozenset(_NAMES[: _NAMES.index("labels") + 1])


@dataclass(frozen=True)
class PartitionOutcome:
    """One partition's run."""

    key: PartitionKey
    outcome: RunOutcome


def run_contract(
    definitions: dg.Definitions,
    contract: str,
    horizons: Sequence[int],
    *,
    home: FactoryHome,
    profile: str,
    until: str | None = None,
    announce: Announce | None = None,
) -> list[PartitionOutcome]:
    """Run the contract once, then each horizon in ascending order.

    Parameters
    ----------
    definitions : Definitions
        The code location.
    contract : str
        Symbol.
    horizons : sequence of int
        Horizons in base bars; may be empty if ``until`` ends before labels.
    home : FactoryHome
        Where data and runs live.
    profile : str
        Budget.
    until : str, optional
        Last phase to run.
    announce : callable, optional
        Progress of each partition.

    Returns
    -------
    list of PartitionOutcome
        A failed contract ends the list: its horizons have nothing to stand on. A failed horizon stops only itself.

    Raises
    ------
    TooLittleHistoryError
        The contract has too few sessions for a study and more than labels was asked for. Everything up to the labels of
        every horizon has been made then; the message says how many sessions are lacking.
    """
    phases = phases_until(until)
    short: ShortHistory | None = None
    outcomes: list[PartitionOutcome] = []
    keys = [PartitionKey(contract), *(PartitionKey(contract, h) for h in sorted(set(horizons)))]
    for key in keys:
        if key.horizon is not None and short is None:
            short = published_short_history(home, contract)
        reachable = phases if short is None else [phase for phase in phases if phase.name in _WITHOUT_STUDY]
        selection = keys_of(definitions, reachable, by_horizon=key.horizon is not None)
        if not selection:
            continue
        listener = announce(key, steps_of(definitions, selection)) if announce is not None else None
        outcome = launch(definitions, selection, key, home=home, profile=profile, on_step=listener)
        outcomes.append(PartitionOutcome(key, outcome))
        if key.horizon is None and not outcome.succeeded:
            break
    if short is not None and phases[-1].name not in _WITHOUT_STUDY and all(o.outcome.succeeded for o in outcomes):
        raise TooLittleHistoryError(short.message)
    return outcomes
