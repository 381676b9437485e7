"""Experiments that try to break the store, each returning its figures.

The tests run them small, ``benchmarks/storage_faults.py`` at full size.
"""

# ruff: noqa: S608 - building hostile SQL is the point

import errno
import fcntl
import multiprocessing
import os
import random
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from factory_assets.storage.sql import run_select
from factory_assets.storage.store import Store
from factory_assets.vocabulary.errors import FactoryError, IntegrityError, StorageError, UserError
from factory_assets_tests.storage.storage_samples import BARS, MADE_BY, MGC, bars, local_store

_PRIMITIVES = (
    *("open", "read", "write", "fsync", "close", "replace", "mkdir", "unlink"),
    *("listdir", "stat", "lstat", "fstat", "ftruncate", "lseek"),
)
# A new process that has imported the store but never run it: what a scheduler starts.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["factory_assets_tests.faults.storage_experiments"])


def _publish(store: Store, version: int, rows: int) -> None:
    store.publish_table(BARS, MGC, bars(3, rows=rows, version=version), **MADE_BY)


def _is_version(store: Store, version: int, rows: int) -> bool:
    columns = ["expiry", "open_time", "trade_date", "close", "volume"]
    found = store.read_table(BARS, MGC, columns=columns).table
    return found.equals(bars(3, rows=rows, version=version).select(columns).cast(found.schema))


# --- kills ---------------------------------------------------------------------------------------------------------


@dataclass
class Kills:
    rewrites_killed: int = 0
    rewrites_completed: int = 0
    torn: int = 0
    corrupt: int = 0
    acknowledged_lost: int = 0
    orphans_swept: int = 0
    left_after_sweep: int = 0

    def __str__(self) -> str:
        return (
            f"SIGKILL during {self.rewrites_killed} rewrites ({self.rewrites_completed} others completed): "
            f"{self.torn} torn, {self.corrupt} corrupt, {self.acknowledged_lost} acknowledged writes lost, "
            f"{self.orphans_swept} orphans swept, {self.left_after_sweep} left"
        )


def _rewrite_for_ever(folder: str, version: int, rows: int, acknowledgements: int) -> None:
    store = local_store(Path(folder))
    while True:
        version += 1
        _publish(store, version, rows)
        os.write(acknowledgements, b"w")


def _start_writer(folder: str, version: int, rows: int, pipe_path: str) -> None:
    _rewrite_for_ever(folder, version, rows, os.open(pipe_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))


def kill_during_rewrites(folder: Path, kills: int, seed: int = 1, rows: int = 3000) -> Kills:
    """A writer rewrites one partition without pause and is killed at a random moment, again and again."""
    figures, moment = Kills(), random.Random(seed)
    store = local_store(folder)
    _publish(store, 0, rows)
    started = time.perf_counter()
    _publish(store, 0, rows)
    one_rewrite_seconds = time.perf_counter() - started
    version = 0
    for round_number in range(kills):
        log = folder / f"acknowledged-{round_number}"
        log.touch()
        writer = _PROCESSES.Process(target=_start_writer, args=(str(folder), version, rows, str(log)), daemon=True)
        writer.start()
        while log.stat().st_size == 0 and writer.is_alive():
            time.sleep(0.001)
        time.sleep(moment.uniform(0, 2.5 * one_rewrite_seconds))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        acknowledged = version + log.stat().st_size
        figures.rewrites_killed += 1
        figures.rewrites_completed += acknowledged - version
        try:
            found = int(store.read_table(BARS, MGC, columns=["volume"]).table["volume"][0].as_py())
            figures.torn += not _is_version(store, found, rows)
        except FactoryError:
            figures.corrupt += 1
            continue
        figures.acknowledged_lost += found < acknowledged
        version = found
        swept = store.sweep()
        figures.orphans_swept += swept.temporaries + swept.parts
    again = store.sweep()
    parts = list((folder / "store").rglob("*.parquet"))
    temporaries = list((folder / "store").rglob(".tmp-*"))
    figures.left_after_sweep = again.temporaries + again.parts + len(temporaries) + max(len(parts) - 2, 0)
    return figures


# --- flipped bits --------------------------------------------------------------------------------------------------


@dataclass
class Flips:
    detected: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        by_region = ", ".join(f"{region} {self.detected[region]} of {n}" for region, n in self.tried.items())
        return f"one flipped bit: {sum(self.detected.values())} of {sum(self.tried.values())} detected ({by_region})"


def _regions(part: Path) -> dict[str, list[int]]:
    """Byte positions of the data pages, page headers and footer of a parquet file."""
    data = part.read_bytes()
    footer_start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    metadata = pq.ParquetFile(part).metadata
    headers: set[int] = set(range(4))
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            for offset in (chunk.dictionary_page_offset, chunk.data_page_offset):
                if offset:
                    headers |= set(range(offset, offset + 16))
    body = [position for position in range(4, footer_start) if position not in headers]
    return {"data pages": body, "page headers": sorted(headers), "footer": list(range(footer_start, len(data)))}


def flip_bits(folder: Path, flips_each: int, seed: int = 1) -> Flips:
    """One bit at a time, at random places; a read that does not raise is an undetected flip."""
    figures, choose = Flips(), random.Random(seed)
    store = local_store(folder)
    _publish(store, 1, 200)
    base = folder / "store" / "market" / "bars_5min" / "MGC"
    part, manifest = next((base / "parts").iterdir()), base / "manifest.json"
    places = {name: (part, positions) for name, positions in _regions(part).items()}
    places["manifest"] = (manifest, list(range(manifest.stat().st_size)))
    for region, (path, positions) in places.items():
        intact = path.read_bytes()
        figures.detected[region] = figures.tried[region] = 0
        for _ in range(flips_each):
            damaged = bytearray(intact)
            damaged[choose.choice(positions)] ^= 1 << choose.randrange(8)
            path.write_bytes(damaged)
            figures.tried[region] += 1
            try:
                store.read_table(BARS, MGC)
            except IntegrityError:
                figures.detected[region] += 1
        path.write_bytes(intact)
        store.read_table(BARS, MGC)
    return figures


# --- failing calls -------------------------------------------------------------------------------------------------


@dataclass
class FailedCalls:
    calls: int = 0
    raised_old_intact: int = 0
    returned_new_intact: int = 0
    broken: int = 0
    what: str = "EIO at every call of a publication"

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.calls} publications, {self.raised_old_intact} refused with the old partition "
            f"readable and byte-equal, {self.returned_new_intact} survived with the new one whole, {self.broken} broken"
        )


@contextmanager
def failing_call(number: int | None, *, from_then_on: bool = False) -> Iterator[list[str]]:
    """Count the file-system calls of a block, and let one of them (or all from it on) fail with EIO."""
    calls: list[str] = []

    def wrapped(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            calls.append(name)
            position = len(calls)
            if number is not None and (position == number or (from_then_on and position > number)):
                if name == "close":  # Linux frees the descriptor even when close reports an error
                    real(*args, **options)
                raise OSError(errno.EIO, f"injected into {name}, call {position}")
            return real(*args, **options)

        return call

    saved = {(module, name): getattr(module, name) for module, name in _patched()}
    try:
        for (module, name), real in saved.items():
            setattr(module, name, wrapped(name, real))
        yield calls
    finally:
        for (module, name), real in saved.items():
            setattr(module, name, real)


def _patched() -> list[tuple[object, str]]:
    return [*((os, name) for name in _PRIMITIVES), (fcntl, "flock")]


def fail_every_call(folder: Path, *, from_then_on: bool = False) -> FailedCalls:
    """Publish version 2 over version 1 once per file-system call, each time with another call failing."""
    figures = FailedCalls()
    if from_then_on:
        figures.what = "EIO at every call from one on"
    store = local_store(folder)
    manifest = folder / "store" / "market" / "bars_5min" / "MGC" / "manifest.json"
    rows = 100
    _publish(store, 0, rows)
    _publish(store, 1, rows)
    with failing_call(None) as calls:
        _publish(store, 2, rows)
    total = len(calls)
    is_new = True
    for number in range(1, total + 1):
        if is_new:
            _publish(store, 0, rows)
            _publish(store, 1, rows)
        store.sweep()
        old = manifest.read_bytes()
        failed = False
        with failing_call(number, from_then_on=from_then_on):
            try:
                _publish(store, 2, rows)
            except (OSError, StorageError):
                failed = True
        figures.calls += 1
        is_old = manifest.read_bytes() == old and _is_version(store, 1, rows)
        is_new = not is_old and _is_version(store, 2, rows)
        figures.raised_old_intact += failed and is_old
        survived = is_new and (not failed or from_then_on)
        figures.returned_new_intact += survived
        figures.broken += not (failed and is_old) and not survived
    store.sweep()
    return figures


def _publish_limited(folder: str, limit_bytes: int, outcome: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    try:
        _publish(local_store(Path(folder)), 2, 100)
    except (OSError, StorageError):
        return
    Path(outcome).touch()


def limit_file_size(folder: Path, limits: int) -> FailedCalls:
    """Publish under a file-size limit from zero to beyond the largest file."""
    figures = FailedCalls(what="file-size limit")
    store = local_store(folder)
    manifest = folder / "store" / "market" / "bars_5min" / "MGC" / "manifest.json"
    _publish(store, 0, 100)
    _publish(store, 1, 100)
    largest = max(path.stat().st_size for path in (folder / "store").rglob("*") if path.is_file())
    for number in range(limits):
        limit_bytes = int(largest * 1.2 * number / max(limits - 1, 1))
        _publish(store, 0, 100)
        _publish(store, 1, 100)
        old, outcome = manifest.read_bytes(), folder / f"done-{number}"
        writer = _PROCESSES.Process(target=_publish_limited, args=(str(folder), limit_bytes, str(outcome)))
        writer.start()
        writer.join()
        figures.calls += 1
        if outcome.exists():
            figures.returned_new_intact += _is_version(store, 2, 100)
            figures.broken += not _is_version(store, 2, 100)
        else:
            is_old = manifest.read_bytes() == old and _is_version(store, 1, 100)
            figures.raised_old_intact += is_old
            figures.broken += not is_old
    return figures


# --- many writers --------------------------------------------------------------------------------------------------


@dataclass
class Writers:
    processes: int
    updates: int
    found: int

    def __str__(self) -> str:
        return (
            f"{self.processes} processes, {self.updates} read-modify-writes of one partition: counter at {self.found}, "
            f"{self.updates - self.found} lost updates"
        )


def _count_up(folder: str, times: int) -> None:
    store = local_store(Path(folder))
    for _ in range(times):
        with store.lock("counter", "models", MGC):
            value = int(store.read_files("counter", "models", MGC).files["value.txt"])
            store.publish_files("counter", "models", MGC, {"value.txt": str(value + 1).encode()}, **MADE_BY)


def many_writers(folder: Path, processes: int, updates_each: int) -> Writers:
    """Processes that each read a number, add one and publish it, under the partition's lock."""
    store = local_store(folder)
    store.publish_files("counter", "models", MGC, {"value.txt": b"0"}, **MADE_BY)
    writers = [_PROCESSES.Process(target=_count_up, args=(str(folder), updates_each)) for _ in range(processes)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = int(store.read_files("counter", "models", MGC).files["value.txt"])
    return Writers(processes, processes * updates_each, found)


# --- hostile SQL ---------------------------------------------------------------------------------------------------


@dataclass
class Hostile:
    statements: int = 0
    refused: int = 0
    written: int = 0
    reached: int = 0

    def __str__(self) -> str:
        return (
            f"{self.statements} hostile SQL statements: {self.refused} refused, "
            f"{self.written} files written or changed, {self.reached} secrets reached"
        )


def hostile_statements(secret: Path, target: Path, part: Path) -> list[str]:
    """Statements that write, read a file, load code, change the engine, or look at what is sealed."""
    return [
        f"COPY bars_5min TO '{target}/a.csv'",
        f"COPY (SELECT 1) TO '{target}/a.parquet' (FORMAT parquet)",
        f"COPY bars_5min FROM '{secret}'",
        f"EXPORT DATABASE '{target}/dump'",
        f"ATTACH '{target}/a.duckdb' AS a",
        f"SELECT 1; COPY (SELECT 1) TO '{target}/b.csv'",
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM read_csv_auto('{secret}', header = false)",
        f"SELECT content FROM read_text('{secret}')",
        f"SELECT content FROM read_blob('{secret}')",
        f"SELECT * FROM read_parquet('{part}')",
        f"SELECT * FROM parquet_scan('{part}')",
        f"SELECT * FROM parquet_metadata('{part}')",
        f"SELECT * FROM read_json('{secret}')",
        f"SELECT * FROM sniff_csv('{secret}')",
        f"SELECT * FROM glob('{secret.parent}/*')",
        f"SELECT (SELECT content FROM read_text('{secret}')) FROM bars_5min",
        f"WITH x AS (SELECT * FROM read_text('{secret}')) SELECT * FROM x",
        f"SELECT * FROM bars_5min WHERE volume IN (SELECT size FROM read_blob('{secret}'))",
        f"FROM query('SELECT * FROM read_text(''{secret}'')')",
        "FROM query_table('sealed_outcomes')",
        "SELECT * FROM sealed_outcomes",
        'SELECT * FROM "SEALED_OUTCOMES"',
        "SELECT * FROM main.sealed_outcomes",
        "INSTALL httpfs",
        f"LOAD '{target}/evil.duckdb_extension'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET ALL",
        "PRAGMA database_list",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "SELECT getenv('HOME')",
        "SELECT current_setting('secret_directory')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_tables",
        "CREATE TABLE t AS SELECT 1",
        "CREATE SECRET s (TYPE s3)",
        "INSERT INTO bars_5min SELECT * FROM bars_5min",
        "UPDATE bars_5min SET close = 0",
        "DELETE FROM bars_5min",
        "DROP VIEW bars_5min",
        "WITH x AS (INSERT INTO bars_5min SELECT * FROM bars_5min RETURNING *) SELECT * FROM x",
        "SELECT * FROM arrow_scan(1, 2, 3)",
        "SELECT * FROM python_map_function(1, 2, 3)",
        "SELECT * FROM secret_frame",
        "EXPLAIN ANALYZE SELECT * FROM bars_5min",
        "DESCRIBE bars_5min",
        f"SELECT write_log('{secret}')",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
        "SELECT list(x) FROM range(10000000000) t(x)",
        "(" * 3000 + f"SELECT content FROM read_text('{secret}')" + ")" * 3000,
        "",
        "SELECT 1 -- \0",
    ]


def attack_with_sql(folder: Path) -> Hostile:
    """Run every hostile statement; anything but a clear refusal, a changed file or a leaked secret counts."""
    figures = Hostile()
    store = local_store(folder)
    _publish(store, 1, 50)
    secret_frame = bars(1)  # a Python variable that DuckDB's replacement scan would find
    secret, target = folder / "secret.csv", folder / "target"
    secret.write_text("swordfish\n")
    target.mkdir()
    part = next((folder / "store").rglob("*.parquet"))
    before = _snapshot(folder)
    for statement in hostile_statements(secret, target, part):
        figures.statements += 1
        try:
            result = run_select(store, statement, timeout_seconds=0.3, memory_limit_megabytes=200)
        except UserError as refusal:
            figures.refused += 1
            figures.reached += "swordfish" in str(refusal)
        else:
            figures.reached += 1 if "swordfish" in str(result.to_pylist()) else 0
    assert secret_frame.num_rows
    after = _snapshot(folder)
    figures.written = len(before.items() ^ after.items())
    return figures


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")}


def run_all(kills: int = 200, flips_each: int = 100, updates_each: int = 25, limits: int = 40) -> Iterator[str]:
    """Every experiment at full size, one line each."""
    experiments: list[Callable[[Path], object]] = [
        lambda folder: kill_during_rewrites(folder, kills),
        lambda folder: flip_bits(folder, flips_each),
        fail_every_call,
        lambda folder: fail_every_call(folder, from_then_on=True),
        lambda folder: limit_file_size(folder, limits),
        lambda folder: many_writers(folder, 8, updates_each),
        attack_with_sql,
    ]
    for experiment in experiments:
        with tempfile.TemporaryDirectory() as folder:
            yield str(experiment(Path(folder)))
