"""Where release bundles lie in FACTORY_HOME, and which of a partition's is champion and which challenger."""

from dataclasses import dataclass
from pathlib import Path

from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


@dataclass(frozen=True, kw_only=True)
class PartitionReleases:
    """What a release registry says of a partition today; None where there is nothing to say.

    Attributes
    ----------
    champion : str or None
        Digest of the release promoted last.
    champion_since : str or None
        Moment of that promotion, ISO 8601 in UTC.
    challenger : str or None
        Digest of the newest refit of the champion's recipe.
    challenger_data_end : str or None
        Last trade date it was fitted on, ISO.
    """

    champion: str | None = None
    champion_since: str | None = None
    challenger: str | None = None
    challenger_data_end: str | None = None


def released_folder(home: FactoryHome, key: PartitionKey, digest: str) -> Path:
    """Folder of the release with that digest."""
    return home.releases / key.contract / str(key.horizon) / digest


def partition_releases(home: FactoryHome, key: PartitionKey) -> PartitionReleases:
    """Champion and challenger of one partition; no file is made by asking.

    Raises
    ------
    IntegrityError
        The registry was touched.
    """
    registry = ReleaseRegistry(home.releases, key)
    champion = registry.champion()
    if champion is None:
        return PartitionReleases()
    refits = registry.refits(parent=champion.digest)
    newest = max(refits, key=lambda refit: (refit.data_end, refit.seq), default=None)
    return PartitionReleases(
        champion=champion.digest,
        champion_since=champion.at,
        challenger=None if newest is None else newest.digest,
        challenger_data_end=None if newest is None else newest.data_end,
    )
