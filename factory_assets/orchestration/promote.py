"""Making a release the champion of its partition: by an explicit word, and after its bundle was verified."""

from dataclasses import dataclass

from factory_assets.deployment.bundle import load_bundle
from factory_assets.deployment.release import Release
from factory_assets.deployment.release_registry import ReleaseRecord, ReleaseRegistry
from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.orchestration.releases import released_folder
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.splits.study import Study
from factory_assets.vocabulary.errors import BadInputError, BlockedPartitionError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What came of a promotion.

    Attributes
    ----------
    champion : ReleaseRecord
        The champion now.
    before : ReleaseRecord or None
        The champion before; None if there was none. The same line as ``champion`` if nothing had to change.
    """

    champion: ReleaseRecord
    before: ReleaseRecord | None


def promote(key: PartitionKey, *, reason: str, by: str, home: FactoryHome, digest: str | None = None) -> Promotion:
    """Make a release champion; the night refits its recipe and scores it from then on.

    Parameters
    ----------
    key : PartitionKey
        Contract and horizon.
    reason, by : str
        Why, and who says so; kept in the registry for ever.
    home : FactoryHome
        Where store, studies and releases lie.
    digest : str, optional
        Release to promote: a study's bundle, a nightly refit, or an earlier champion to go back to. By default the
        partition's newest bundle.

    Raises
    ------
    BadInputError
        A release the registry does not hold, one of another partition or study, or a blank reason.
    BlockedPartitionError
        No digest was given and the newest bundle is blocked.
    MissingPartitionError
        No digest was given and no bundle was made yet.
    IntegrityError
        Bundle or registry were touched; nothing was changed.
    """
    if not reason.strip():
        raise BadInputError(f'{key}: a promotion needs --reason "…"; it is kept in the registry for ever.')
    factory = FactoryResource(home=str(home.root))
    registry = ReleaseRegistry(home.releases, key)
    before, study = registry.champion(), _study_of(factory, key)
    newest = _newest_bundle(factory, key, needed=digest is None)
    chosen = digest or newest
    assert chosen is not None, "without a digest the newest bundle is needed"
    if registry.release(chosen) is None and chosen != newest:
        known = sorted({record.digest for record in registry.records() if record.kind != "promoted"})
        raise BadInputError(
            f"{key}: no release {chosen!r} in {registry.path}; nothing was changed. It holds: {known or 'none'}"
        )
    _check(load_bundle(released_folder(home, key, chosen), expected_digest=chosen), key, study, chosen)
    if registry.release(chosen) is None:
        registry.record_candidate(chosen, data_end_day=study.val_last_day, clock=factory.clock)
    champion = registry.promote(chosen, reason=reason, by=by, clock=factory.clock)
    return Promotion(champion=champion, before=before)


def _newest_bundle(factory: FactoryResource, key: PartitionKey, *, needed: bool) -> str | None:
    """Digest of the partition's bundle; None if there is none to read and a digest was given anyway."""
    all_assets()
    group = CATALOGUE["bundle"].group
    state = factory.store.status("bundle", group, key)
    if state == "blocked" and needed:
        manifest = factory.store.manifest("bundle", group, key)
        why = "" if manifest.blocked is None else manifest.blocked.reason
        raise BlockedPartitionError(
            f"{key}: the newest bundle is blocked: {why}. Nothing was promoted; run the partition again, or name an "
            "earlier release with --release."
        )
    if state != "ready" and not needed:
        return None
    return factory.store.read_files("bundle", group, key).files["digest.txt"].decode()


def _study_of(factory: FactoryResource, key: PartitionKey) -> Study:
    files = factory.store.read_files("study", "study", key.of_contract).files
    return Study.from_json(files["study.json"].decode())


def _check(release: Release, key: PartitionKey, study: Study, digest: str) -> None:
    problems = []
    if (release.contract, release.horizon) != (key.contract, key.horizon):
        problems.append(f"it is of {release.contract}|{release.horizon}")
    if release.study != study.to_json():
        problems.append("it was made under another study than the contract's")
    if problems:
        raise BadInputError(f"{key}: release {digest} cannot be promoted: {'; '.join(problems)}. Nothing was changed.")
