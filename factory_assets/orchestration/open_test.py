"""Opening the sealed test period: the only way to its outcomes, and what it leaves in the ledger."""

import dagster as dg

from factory_assets.orchestration.launch import StepListener, launch
from factory_assets.orchestration.run_contract import PartitionOutcome
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

REASON_TAG = "factory/opening_reason"
"""Run tag that carries the reason; without it the sealed assets refuse."""


def open_test(
    definitions: dg.Definitions,
    key: PartitionKey,
    *,
    reason: str,
    home: FactoryHome,
    on_step: StepListener | None = None,
) -> PartitionOutcome:
    """Label the test period, score the released bundle on it, record the opening, then write the page.

    Parameters
    ----------
    definitions : Definitions
        The code location.
    key : PartitionKey
        Contract and horizon.
    reason : str
        Why the period is opened; kept in the ledger for ever.
    home : FactoryHome
        Where data, runs and the ledger live.
    on_step : callable, optional
        Told of each step.

    Returns
    -------
    PartitionOutcome
        Failed if the ledger is not intact; then nothing was read and nothing written.
    """
    selection = [dg.AssetKey(["sealed", name]) for name in ("sealed_outcomes", "test_report")]
    outcome = launch(definitions, selection, key, home=home, profile="fast", on_step=on_step, tags={REASON_TAG: reason})
    return PartitionOutcome(key, outcome)
