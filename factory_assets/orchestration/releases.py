"""Where release bundles lie in FACTORY_HOME."""

from pathlib import Path

from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


def released_folder(home: FactoryHome, key: PartitionKey, digest: str) -> Path:
    """Folder of the release with that digest."""
    return home.releases / key.contract / str(key.horizon) / digest
