"""Opening the sealed test period: the only way to its outcomes, and what it leaves in the ledger.

First everything that can be wrong is looked at. Then the opening is entered in the ledger, and counts, whatever becomes
of it. Only then are test outcomes made, under the hash of that entry; what they gave is entered before it is shown.
"""

import dagster as dg

from factory_assets.deployment.bundle import load_bundle
from factory_assets.orchestration.declared_settings import DeclaredSettings
from factory_assets.orchestration.launch import StepListener, launch
from factory_assets.orchestration.ledger_files import OPENING_TAG, LedgerFiles
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.orchestration.releases import released_folder
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.orchestration.run_contract import PartitionOutcome
from factory_assets.orchestration.study_artifact import study_in
from factory_assets.splits.study import Study
from factory_assets.vocabulary.errors import SealedPeriodError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import LABELS, SEALED_OUTCOMES

LABEL_SECTIONS = ("labels", "barriers")
"""Sections of the settings that say what a label is; train, val and test share them."""

_SEALED = tuple(dg.AssetKey([SEALED_OUTCOMES.group, name]) for name in (SEALED_OUTCOMES.name, "test_report"))


def open_test(
    definitions: dg.Definitions,
    key: PartitionKey,
    *,
    reason: str,
    home: FactoryHome,
    on_step: StepListener | None = None,
) -> PartitionOutcome:
    """Record the opening, label the test period, score the released bundle on it, record the numbers, write the page.

    The profile is the one the released bundle was made with.

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
        Failed if scoring failed; the opening counts all the same.

    Raises
    ------
    SealedPeriodError
        The ledger is not intact, an input is missing or blocked, or labels would be made under other settings than
        those of train and val. Nothing was recorded and no outcome made.
    MissingPartitionError, BlockedPartitionError, IntegrityError, LineageConflictError
        Study or bundle cannot be read, or the inputs were made of different versions of one ancestor; as above.
    """
    any_profile = FactoryResource(home=str(home.root))
    study = study_in(any_profile.store.read_files("study", "study", key.of_contract))
    ledger = LedgerFiles(any_profile, study)
    ledger.entries()
    digest = any_profile.store.read_files("bundle", CATALOGUE["bundle"].group, key).files["digest.txt"].decode()
    release = load_bundle(released_folder(home, key, digest), expected_digest=digest)
    if release.study != study.to_json():
        raise SealedPeriodError(
            f"{key}: release {digest} was made under another study than the contract's. Nothing was opened; make the "
            f"bundle again: factory run --contract {key.contract} --horizon {key.horizon}"
        )
    factory = FactoryResource(profile=release.profile, home=str(home.root))
    require_label_settings(factory, key)
    _require_inputs(definitions, factory, study, key)
    opening = ledger.record_opening(key, reason=reason, spec_hash=digest)
    outcome = launch(
        definitions,
        _SEALED,
        key,
        home=home,
        profile=release.profile,
        on_step=on_step,
        tags={OPENING_TAG: opening.hash},
    )
    return PartitionOutcome(key, outcome)


def require_label_settings(factory: FactoryResource, key: PartitionKey) -> None:
    """Test outcomes are labelled exactly like those the models were fitted and judged on, or not at all.

    Raises
    ------
    SealedPeriodError
        The settings in force differ from those the ``labels`` of the partition were made with.
    """
    made_with = factory.store.manifest(LABELS.name, LABELS.group, key).settings_digest
    in_force = DeclaredSettings(factory.settings, key, LABEL_SECTIONS).digest
    if in_force != made_with:
        raise SealedPeriodError(
            f"{key}: [{']['.join(LABEL_SECTIONS)}] of profile {factory.settings.profile!r} and "
            f"{factory.place.settings_file.name} hash to {in_force[:16]}, labels were made with {made_with[:16]}. The "
            "test period stays closed: undo the change, or run the partition again under the new settings."
        )


def _require_inputs(definitions: dg.Definitions, factory: FactoryResource, study: Study, key: PartitionKey) -> None:
    """Everything the sealed assets will read is there and was made of the same things, before the opening counts."""
    graph, store = definitions.resolve_asset_graph(), factory.store
    upstream = {parent for sealed in _SEALED for parent in graph.get(sealed).parent_keys} - set(_SEALED)
    states = {}
    for name in sorted(parent.path[-1] for parent in upstream):
        output = CATALOGUE[name]
        states[output] = store.status(name, output.group, key if output.by_horizon else key.of_contract)
    if absent := {output.name: state for output, state in states.items() if state != "ready"}:
        raise SealedPeriodError(
            f"{key}: not ready: {absent}. Nothing was opened; run first: factory run --contract {key.contract} "
            f"--horizon {key.horizon}"
        )
    refs = []
    for output in states:
        manifest = store.manifest(output.name, output.group, key if output.by_horizon else key.of_contract)
        in_slice = manifest.session_column is not None and not output.by_horizon
        refs.append(manifest.ref(study.end_day if in_slice else None))
    store.check_lineage(refs)
