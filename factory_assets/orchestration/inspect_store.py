"""What the command line shows of the store: partitions, verdicts, tables and answers to one SELECT."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.outputs import CATALOGUE, Catalogue, Output
from factory_assets.orchestration.releases import released_folder
from factory_assets.storage import Manifest, Store, StudyFiles
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import BadInputError, FactoryError, RemoteStoreError, StorageError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.timeframes import HORIZONS_BARS


def open_store(home: FactoryHome) -> Store:
    """The store of a home, as the graph opens it."""
    return Store(home.store_url, clock=system_clock, locks_folder=home.root / "locks")


def partition_rows(home: FactoryHome) -> list[dict[str, Any]]:
    """One row a partition that is there: ready, blocked or damaged, its rows, its moment, and why."""
    store = open_store(home)
    rows = []
    for output, key in _outputs_and_keys():
        made, count = "", None
        try:
            state = str(store.status(output.name, output.group, key))
            if state == "missing":
                continue
            manifest = store.manifest(output.name, output.group, key)
            why = "" if manifest.blocked is None else manifest.blocked.reason
            made, count = manifest.created_at.isoformat(timespec="seconds"), manifest.rows
        except RemoteStoreError:  # true of every partition: said once, not as a row each
            raise
        except StorageError as problem:
            state, why = "damaged", str(problem)
        rows.append(
            {
                "partition": str(key),
                "asset": f"{output.group}/{output.name}",
                "state": state,
                "rows": count if output.schema is not None else None,
                "made": made,
                "why": why,
            }
        )
    return rows


def validation_rows(home: FactoryHome) -> list[dict[str, Any]]:
    """One row a partition, release and study after reading every byte of it again: ``ok``, or what is wrong."""
    store = open_store(home)
    rows = []
    for output, key in _outputs_and_keys():
        try:
            if store.status(output.name, output.group, key) == "missing":
                continue
            verdicts = _read_again(store, output, key).verdicts
            broken = [verdict.name for verdict in verdicts if not verdict.passed]
            found, invariants = "ok", f"{len(verdicts)} recorded, not held: {', '.join(broken) or 'none'}"
        except RemoteStoreError:
            raise
        except StorageError as problem:
            found, invariants = str(problem), ""
        rows.append(_validated(str(key), f"{output.group}/{output.name}", found, invariants))
    return [*rows, *_release_rows(home), *_study_rows(home)]


def sweep_orphans(home: FactoryHome) -> str:
    """Remove what interrupted writers left in the store; a sentence about it, empty if there was nothing to do."""
    try:
        swept = open_store(home).sweep()
    except PermissionError as problem:
        return f"leftovers of interrupted writers cannot be removed: {problem}"
    if not (swept.temporaries or swept.parts or swept.locked):
        return ""
    return (
        f"left by interrupted writers and removed: {swept.temporaries} temporary files, {swept.parts} parts no "
        f"manifest names ({swept.size_bytes} bytes); {swept.locked} of {swept.partitions} partitions left alone, a "
        "writer is at them"
    )


def _read_again(store: Store, output: Output, key: PartitionKey) -> Manifest:
    if output.schema is not None:
        return store.read_table(output.schema, key).manifest
    return store.read_files(output.name, output.group, key).manifest


def _release_rows(home: FactoryHome) -> list[dict[str, Any]]:
    from factory_assets.deployment.bundle import load_bundle

    rows = []
    # Hidden folders are what a killed run was still proving: no release yet, and the next attempt removes them.
    for folder in sorted(path for path in home.releases.glob("[!.]*/*/[!.]*") if path.is_dir()):
        try:
            load_bundle(folder, expected_digest=folder.name)
            found, invariants = "ok", "every hash, golden rows give golden outputs"
        except FactoryError as problem:
            found, invariants = str(problem), ""
        rows.append(_validated("|".join(folder.parts[-3:-1]), f"releases/{folder.name[:12]}", found, invariants))
    return rows


def _study_rows(home: FactoryHome) -> list[dict[str, Any]]:
    from factory_assets.orchestration.labelled_record import LabelledRecord
    from factory_assets.orchestration.ledger_files import LedgerFiles
    from factory_assets.orchestration.resources import FactoryResource
    from factory_assets.splits.study import Study, day_text

    rows = []
    files = StudyFiles(home.studies)
    for symbol in INSTRUMENTS:
        try:
            text = files.read(symbol)
            if text is None:
                day = LabelledRecord(FactoryResource(home=str(home.root)), symbol).until_day()
                if day is not None:
                    rows.append(_validated(symbol, "studies", "ok", f"no study yet; labelled up to {day_text(day)}"))
                continue
            entries = LedgerFiles(FactoryResource(home=str(home.root)), Study.from_json(text)).entries()
            found, invariants = "ok", f"ledger of {len(entries)} entries, chained and equal to its head"
        except FactoryError as problem:
            found, invariants = str(problem), ""
        rows.append(_validated(symbol, "studies", found, invariants))
    return rows


def _validated(partition: str, asset: str, verdict: str, invariants: str) -> dict[str, Any]:
    return {"partition": partition, "asset": asset, "verdict": verdict, "invariants": invariants}


def table_rows(home: FactoryHome, name: str, key: PartitionKey) -> list[dict[str, Any]]:
    """Rows of one partition's table."""
    schema = _catalogue()[name].schema
    assert schema is not None, f"{name} holds files"
    return open_store(home).read_table(schema, key).table.to_pylist()


def select_rows(home: FactoryHome, query: str) -> list[dict[str, Any]]:
    """Answer of exactly one SELECT over verified files.

    Raises
    ------
    BadInputError
        Two columns of one name, of which a row could hold only one; and as
        :func:`factory_assets.storage.sql.run_select`.
    """
    from factory_assets.storage.sql import run_select

    answer = run_select(open_store(home), query)
    names = answer.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInputError(f"the result has several columns named {twice}: give them an alias (… AS name)")
    return answer.to_pylist()


def bundle_folder(home: FactoryHome, key: PartitionKey) -> Path | None:
    """Folder of the partition's current release bundle; None if none was made."""
    store = open_store(home)
    group = _catalogue()["bundle"].group
    if store.status("bundle", group, key) != "ready":
        return None
    loaded = store.read_files("bundle", group, key)
    return released_folder(home, key, loaded.files["digest.txt"].decode())


def describe(entry: Any) -> dict[str, Any]:
    """A registry entry as a row of plain values (JSON has them all); classes are left out."""
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    return {name: _plain(value) for name, value in values.items() if not isinstance(value, type)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return describe(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return str(value)


def _outputs_and_keys() -> Iterator[tuple[Output, PartitionKey]]:
    contracts = [PartitionKey(symbol) for symbol in INSTRUMENTS]
    pairs = [PartitionKey(key.contract, horizon) for key in contracts for horizon in HORIZONS_BARS]
    for output in _catalogue().all():
        for key in pairs if output.by_horizon else contracts:
            yield output, key


def _catalogue() -> Catalogue:
    all_assets()
    return CATALOGUE
