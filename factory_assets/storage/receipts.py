"""What an ingestion was judged to rest on, kept so that the next one over the same files can be told at once.

A receipt only ever saves time: it is compared whole with what is the case now, and one that is damaged or absent means
that everything is looked at again. It lies at ``.receipts/<contract>.json`` under the store's root.
"""

import hashlib
import json
from collections.abc import Mapping

from factory_assets.storage.files import Files
from factory_assets.vocabulary.partition import PartitionKey

_FOLDER = ".receipts"


class Receipts:
    """Receipts of a store, one a contract.

    Parameters
    ----------
    files : Files
        Where the store keeps its bytes.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def find(self, key: PartitionKey) -> Mapping[str, str] | None:
        """The last receipt of a contract; None if there is none, or not a bit-for-bit intact one."""
        try:
            data = self._files.read(self._path(key))
            document = json.loads(data)
            facts = document["facts"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return facts if isinstance(facts, dict) and _encoded(facts) == data else None

    def keep(self, key: PartitionKey, facts: Mapping[str, str]) -> None:
        """Write a receipt in the place of the last one."""
        self._files.replace(self._path(key), _encoded(facts), None)

    def _path(self, key: PartitionKey) -> str:
        return f"{_FOLDER}/{key.contract}.json"


def _encoded(facts: Mapping[str, str]) -> bytes:
    payload = json.dumps(facts, sort_keys=True)
    digest = hashlib.sha256(payload.encode()).hexdigest()
    return json.dumps({"facts": dict(facts), "sha256": digest}, sort_keys=True).encode()
