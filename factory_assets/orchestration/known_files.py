"""Whether a folder of vendor files holds anything that the stored bars were not made from already.

The judgement is :mod:`factory_assets.orchestration.freshness`'s. When it finds a contract up to date, that is written
down together with everything it rests on: hashes of the raw files, code, settings file, and the manifests. While all of
it is as written, the next ingestion of known files need not even load the graph to say so.
"""

import hashlib
from pathlib import Path

from factory_assets.storage import Store
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.errors import MissingPartitionError, StorageError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

_GROUP = "market"
_DECLARATION_FILE = "source.toml"


def is_known(source: Path, contract: str, home: FactoryHome, *, profile: str, declaration: Path | None = None) -> bool:
    """Whether ingesting a folder would change nothing: judged by hashes, no row is read.

    Parameters
    ----------
    source : Path
        Folder with the vendor's files.
    contract : str
        Contract the files belong to.
    home : FactoryHome
        Home that may know them.
    profile : str
        Budget the ingestion would run under.
    declaration : Path, optional
        File that declares the folder, where that is no ``source.toml`` in it.

    Returns
    -------
    bool
        True if every file of the folder lies in ``raw/<contract>`` with equal content, the stored raw minutes were made
        from exactly what lies there now, and everything up to the bars is stored, not blocked, and made by this code
        under these settings. False whenever any of it cannot be told.
    """
    key, target = PartitionKey(contract), home.raw / contract
    if not source.is_dir() or not target.is_dir():
        return False
    offered = {path.name: path for path in source.iterdir() if path.is_file()}
    if declaration is not None:
        offered[_DECLARATION_FILE] = declaration
    try:
        held = _hashes(target)
        if not offered or any(name not in held or _sha256(path) != held[name] for name, path in offered.items()):
            return False
        receipt, now = _store(home).receipts.find(key), _receipt(key, home, profile)
    except (OSError, StorageError):  # the ingestion itself will tell what is wrong
        return False
    return receipt == now or note_if_current(contract, home, profile=profile)


def note_if_current(contract: str, home: FactoryHome, *, profile: str) -> bool:
    """Whether the stored bars are what an ingestion would make; if so, that is written down for the next one."""
    from factory_assets.orchestration.freshness import partition_freshness
    from factory_assets.orchestration.operation.raw_state import look_at_raw, stored_raw
    from factory_assets.orchestration.outputs import CATALOGUE
    from factory_assets.vocabulary.instruments import instrument
    from factory_assets.vocabulary.schemas import RAW_MINUTES

    key, store, folder = PartitionKey(contract), _store(home), home.raw / contract
    before = _receipt(key, home, profile)
    names = {output.name for output in CATALOGUE.all() if output.group == _GROUP}
    states = partition_freshness(home, key, profile=profile, names=names)
    if not states or any(each.state != "fresh" for each in states.values()):
        return False
    product = instrument(contract)
    held = look_at_raw(folder, product, look_at_raw(folder, product, "").outside)
    if held.digest is None or held.digest != stored_raw(store.manifest(RAW_MINUTES.name, _GROUP, key)):
        return False
    if _receipt(key, home, profile) == before:  # nothing moved while it was being judged
        store.receipts.keep(key, before)
    return True


def _receipt(key: PartitionKey, home: FactoryHome, profile: str) -> dict[str, str]:
    """Everything the judgement rests on."""
    store, settings = _store(home), home.settings_file
    found = {
        "code": code_version(),
        "profile": profile,
        "settings": _sha256(settings) if settings is not None and settings.is_file() else "",
    }
    found |= {f"raw {name}": digest for name, digest in _hashes(home.raw / key.contract).items()}
    for group, table in store.tables():
        if group == _GROUP:
            try:
                found[f"manifest {table}"] = store.manifest(table, group, key).sha256
            except MissingPartitionError:
                continue
    return found


def _store(home: FactoryHome) -> Store:
    return Store(home.store_url, clock=system_clock, locks_folder=home.root / "locks")


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
