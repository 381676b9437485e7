"""What the command line shows of the store: partitions, verdicts, tables and answers to one SELECT."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory_assets.orchestration.assets import all_assets
from factory_assets.orchestration.outputs import CATALOGUE, Catalogue, Output
from factory_assets.orchestration.releases import released_folder
from factory_assets.storage import Store
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import StorageError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.timeframes import HORIZONS_BARS


def open_store(home: FactoryHome) -> Store:
    """The store of a home, as the graph opens it."""
    return Store(home.store_url, clock=system_clock, locks_folder=home.root / "locks")


def partition_rows(home: FactoryHome) -> list[dict[str, Any]]:
    """One row a materialized or blocked partition: state, rows, moment and failing invariants."""
    store = open_store(home)
    rows = []
    for output, key in _partitions(store):
        manifest = store.manifest(output.name, output.group, key)
        blocked = manifest.blocked
        rows.append(
            {
                "partition": str(key),
                "asset": f"{output.group}/{output.name}",
                "state": "ready" if blocked is None else "blocked",
                "rows": manifest.rows if output.schema is not None else None,
                "made": manifest.created_at.isoformat(timespec="seconds"),
                "why": "" if blocked is None else blocked.reason,
            }
        )
    return rows


def validation_rows(home: FactoryHome) -> list[dict[str, Any]]:
    """One row a partition after reading every byte of it again: ``ok``, or what is wrong."""
    store = open_store(home)
    rows = []
    for output, key in _partitions(store):
        try:
            if output.schema is not None:
                verdicts = store.read_table(output.schema, key).manifest.verdicts
            else:
                verdicts = store.read_files(output.name, output.group, key).manifest.verdicts
            broken = [verdict.name for verdict in verdicts if not verdict.passed]
            verdict, invariants = "ok", f"{len(verdicts)} recorded, not held: {', '.join(broken) or 'none'}"
        except StorageError as problem:
            verdict, invariants = str(problem), ""
        rows.append(
            {
                "partition": str(key),
                "asset": f"{output.group}/{output.name}",
                "verdict": verdict,
                "invariants": invariants,
            }
        )
    return rows


def table_rows(home: FactoryHome, name: str, key: PartitionKey) -> list[dict[str, Any]]:
    """Rows of one partition's table."""
    schema = _catalogue()[name].schema
    assert schema is not None, f"{name} holds files"
    return open_store(home).read_table(schema, key).table.to_pylist()


def select_rows(home: FactoryHome, query: str) -> list[dict[str, Any]]:
    """Answer of exactly one SELECT over verified files."""
    from factory_assets.storage.sql import run_select

    return run_select(open_store(home), query).to_pylist()


def bundle_folder(home: FactoryHome, key: PartitionKey) -> Path | None:
    """Folder of the partition's current release bundle; None if none was made."""
    store = open_store(home)
    group = _catalogue()["bundle"].group
    if store.status("bundle", group, key) != "ready":
        return None
    loaded = store.read_files("bundle", group, key)
    return released_folder(home, key, loaded.files["digest.txt"].decode())


def describe(entry: Any) -> dict[str, Any]:
    """A registry entry as a row: plain values only."""
    return {
        field.name: value if isinstance(value := getattr(entry, field.name), str | int | float | bool) else str(value)
        for field in dataclasses.fields(entry)
    }


def _partitions(store: Store) -> Iterator[tuple[Output, PartitionKey]]:
    contracts = [PartitionKey(symbol) for symbol in INSTRUMENTS]
    pairs = [PartitionKey(key.contract, horizon) for key in contracts for horizon in HORIZONS_BARS]
    for output in _catalogue().all():
        for key in pairs if output.by_horizon else contracts:
            if store.status(output.name, output.group, key) != "missing":
                yield output, key


def _catalogue() -> Catalogue:
    all_assets()
    return CATALOGUE
