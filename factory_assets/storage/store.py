"""The store: publish a partition whole or not at all, read it verified or not at all.

Layout under the root (a local folder or any fsspec URL)::

    <group>/<table>/<contract>[/<horizon>]/
        parts/<sha256>.parquet      immutable, named by its content
        manifests/<sha256>.json     every manifest that ever was current; what lineage walks
        manifest.json               the current one, replaced in one step

Writing: every part is durable before the manifest that names it, the manifest is durable before a part it no longer
names goes, and the parts of the generation before stay for readers that are still at it. Reading: the manifest's own
hash, then the whole file's hash, then the parquet reader, then names and types. Consumers refuse blocked partitions and
inputs that disagree on an ancestor (see :mod:`factory_assets.storage.lineage`). Locks hold on one host
(see :mod:`factory_assets.storage.locks`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import fsspec
import numpy as np
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from factory_assets.storage.files import Entry, Files, LocalFiles, ObjectFiles, Sink
from factory_assets.storage.lineage import agreed_lineage
from factory_assets.storage.loaded import Loaded, LoadedFiles
from factory_assets.storage.locks import file_lock
from factory_assets.storage.manifest import Blocked, InputRef, Manifest
from factory_assets.storage.names import is_word, known_key, lock_name, safe_file_name, safe_word
from factory_assets.storage.parquet import read_parquet, write_parquet
from factory_assets.storage.parsed_files import ParsedFiles
from factory_assets.storage.partition_folder import PartitionFolder, Removed
from factory_assets.storage.receipts import Receipts
from factory_assets.storage.session_digests import session_digests
from factory_assets.storage.table_contract import (
    check_recorded,
    check_stored,
    conform,
    fixed_width,
    order_keys,
    require_kind,
)
from factory_assets.vocabulary.clock import Clock
from factory_assets.vocabulary.errors import (
    BadInputError,
    BlockedPartitionError,
    ConfigurationError,
    ForeignContractError,
    IntegrityError,
    InvariantViolationError,
    LockTimeoutError,
    MissingPartitionError,
)
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import TableSchema, table_schema
from factory_assets.vocabulary.verdict import Scalar, Verdict

Status = Literal["missing", "blocked", "ready"]
Input = Loaded | LoadedFiles | InputRef
_READ_ATTEMPTS = 5
_KEPT_MANIFESTS_LIMIT = 1024
_UNTIL_OF_GROUP = {"market": "bars", "features": "features", "labels": "labels"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Swept:
    """What :meth:`Store.sweep` found.

    Attributes
    ----------
    partitions : int
        Folders looked at.
    temporaries, parts : int
        Files of interrupted writers, and parts no kept manifest names, that were removed.
    size_bytes : int
        What they took.
    locked, damaged : int
        Partitions left alone because a writer was at them, or because a manifest is damaged.
    """

    partitions: int = 0
    temporaries: int = 0
    parts: int = 0
    size_bytes: int = 0
    locked: int = 0
    damaged: int = 0


class Store:
    """Partitions under one root.

    Parameters
    ----------
    root_url : str
        Local path or fsspec URL (``s3://bucket/prefix``, ``memory://name``).
    clock : Clock
        Dates manifests.
    locks_folder : Path, optional
        Where lock files lie, on a local disk; by default ``.locks`` under a local root, ``locks/`` in FACTORY_HOME
        otherwise.
    lock_timeout_seconds : float
        How long a writer waits for another one.

    Raises
    ------
    ConfigurationError
        A URL of an unknown protocol, of one whose driver is not installed, or one the driver cannot open.
    """

    def __init__(
        self, root_url: str, *, clock: Clock, locks_folder: Path | None = None, lock_timeout_seconds: float = 120
    ) -> None:
        filesystem, path = _opened(root_url)
        self._clock = clock
        self._lock_timeout_seconds = lock_timeout_seconds
        self._files: Files
        if isinstance(filesystem, LocalFileSystem):
            root = Path(path).absolute()
            self._files = LocalFiles(root)
            self._locks_folder = locks_folder or root / ".locks"
        else:
            self._files = ObjectFiles(filesystem, path)
            self._locks_folder = locks_folder or FactoryHome.from_environment().root / "locks"
        self._kept: dict[str, Manifest] = {}

    # --- writing -----------------------------------------------------------------------------------------------------

    def publish_table(
        self,
        schema: TableSchema,
        key: PartitionKey,
        table: pa.Table,
        *,
        inputs: Sequence[Input] = (),
        verdicts: Sequence[Verdict] = (),
        code_version: str,
        settings_digest: str,
        meta: Mapping[str, Scalar] | None = None,
    ) -> Manifest:
        """Replace a partition's table. On any error the old partition is as it was, and readable.

        Parameters
        ----------
        schema : TableSchema
            Its declaration.
        key : PartitionKey
            Which partition.
        table : pyarrow.Table
            Rows sorted by ``order_by``; ``contract`` and ``horizon`` are added when absent.
        inputs : sequence of Loaded, LoadedFiles or InputRef
            Everything it was made of.
        verdicts : sequence of Verdict
            Its invariants, evaluated by the producer.
        code_version, settings_digest : str
            What made it.
        meta : mapping of str to scalar, optional
            Further figures for the manifest, such as hashes of raw files.

        Returns
        -------
        Manifest
            The one that is current now.

        Raises
        ------
        InvariantViolationError
            A blocking verdict is false.
        SchemaMismatchError, ForeignContractError, BadInputError
            The table is not what was declared, or holds another contract's rows.
        LineageConflictError
            Two inputs were made of different versions of one ancestor.
        LockTimeoutError
            Another writer kept the partition too long.
        """
        _require_passed(schema.name, key, verdicts)
        checked = conform(table, schema, key)
        ends = order_keys(checked, schema)
        identity = f"{schema.name}|{key}"
        column = schema.session_column
        name = f"{schema.name}.parquet"
        draft = Manifest(
            table=safe_word(schema.name, "table"),
            group=safe_word(schema.group, "group"),
            key=key,
            created_at=self._clock(),
            code_version=code_version,
            settings_digest=settings_digest,
            parts=(),
            schema={field.name: str(field.type) for field in checked.schema},
            rows=checked.num_rows,
            first=None if ends is None else ends[0],
            last=None if ends is None else ends[1],
            session_column=column,
            sessions=() if column is None else session_digests(checked, column, identity),
            inputs=(),
            lineage={},
            verdicts=tuple(verdicts),
            meta=meta or {},
        )
        return self._publish(draft, inputs, {name: (checked.num_rows, partial(write_parquet, checked))})

    def publish_files(
        self,
        table: str,
        group: str,
        key: PartitionKey,
        files: Mapping[str, bytes],
        *,
        inputs: Sequence[Input] = (),
        verdicts: Sequence[Verdict] = (),
        code_version: str,
        settings_digest: str,
        meta: Mapping[str, Scalar] | None = None,
    ) -> Manifest:
        """Replace a partition of files (a model, a report); the same promises as :meth:`publish_table`.

        Raises
        ------
        BadInputError
            No file at all, or a name that may not become a path.
        InvariantViolationError, LineageConflictError, LockTimeoutError
            As :meth:`publish_table`.
        """
        _require_passed(table, key, verdicts)
        if not files:
            raise BadInputError(f"{table}|{key}: no files to publish; the old partition stays")
        produced: dict[str, tuple[int | None, Callable[[Sink], None]]] = {
            safe_file_name(name): (None, partial(_write_bytes, bytes(content)))
            for name, content in sorted(files.items())
        }
        draft = Manifest(
            table=safe_word(table, "table"),
            group=safe_word(group, "group"),
            key=key,
            created_at=self._clock(),
            code_version=code_version,
            settings_digest=settings_digest,
            parts=(),
            schema={},
            rows=0,
            first=None,
            last=None,
            session_column=None,
            sessions=(),
            inputs=(),
            lineage={},
            verdicts=tuple(verdicts),
            meta=meta or {},
        )
        return self._publish(draft, inputs, produced)

    def block(
        self, table: TableSchema | str, group: str, key: PartitionKey, verdicts: Sequence[Verdict], reason: str
    ) -> Manifest:
        """Mark a partition's last attempt as failed: consumers refuse it until a publication succeeds.

        Its bytes and its manifest's content stay. A partition that never was published becomes a blocked one
        without parts.
        """
        name = table if isinstance(table, str) else table.name
        folder = self._folder(name, group, key)
        now = self._clock()
        with self.lock(name, group, key):
            seen = folder.current_bytes()
            old = _decoded(seen, folder)
            base = old or Manifest(
                table=name,
                group=group,
                key=key,
                created_at=now,
                code_version="",
                settings_digest="",
                parts=(),
                schema={},
                rows=0,
                first=None,
                last=None,
                session_column=None,
                sessions=(),
                inputs=(),
                lineage={},
                verdicts=(),
            )
            blocked = replace(
                base, blocked=Blocked(now, reason, tuple(verdicts)), previous=None if old is None else old.sha256
            )
            folder.commit(blocked, seen)
        return blocked

    def _publish(
        self,
        draft: Manifest,
        inputs: Sequence[Input],
        files: Mapping[str, tuple[int | None, Callable[[Sink], None]]],
    ) -> Manifest:
        refs = tuple(item if isinstance(item, InputRef) else item.ref for item in inputs)
        foreign = sorted({str(ref) for ref in refs if ref.key.contract != draft.key.contract})
        if foreign:
            raise ForeignContractError(
                f"{draft.table}|{draft.key}: made of {', '.join(foreign)}. No value of one contract reaches another's "
                "partition; nothing was written."
            )
        draft = replace(draft, inputs=refs, lineage=self.check_lineage(refs))
        folder = self._folder(draft.table, draft.group, draft.key)
        with self.lock(draft.table, draft.group, draft.key):
            seen = folder.current_bytes()
            old = _decoded(seen, folder)
            parts = tuple(folder.write_part(name, rows, produce) for name, (rows, produce) in files.items())
            manifest = replace(draft, parts=parts, previous=None if old is None else old.sha256)
            folder.commit(manifest, seen)
            folder.clean_quietly()
        return manifest

    # --- reading -----------------------------------------------------------------------------------------------------

    def read_table(
        self,
        table: TableSchema | str,
        key: PartitionKey,
        *,
        columns: Sequence[str] | None = None,
        until_day: int | None = None,
    ) -> Loaded:
        """A verified table.

        Parameters
        ----------
        table : TableSchema or str
            Declaration, or the name of a fixed table.
        key : PartitionKey
            Which partition.
        columns : sequence of str, optional
            Which columns, in which order; all by default.
        until_day : int, optional
            Last session to keep, days since 1970. What a study reads: the reference's digest is then that of the slice,
            which appended sessions do not change.

        Raises
        ------
        MissingPartitionError, BlockedPartitionError
            Never materialized, or its last attempt failed.
        IntegrityError, SchemaMismatchError
            Damaged, or not what is declared today.
        BadInputError
            An unknown column, or a slice of a table without sessions.
        """
        schema = table_schema(table) if isinstance(table, str) else table
        require_kind(schema, key)
        manifest, contents = self._read(schema.name, schema.group, key)
        where = f"{schema.name}|{key}"
        stored = dict(manifest.schema)
        check_recorded(schema, stored, where)
        if manifest.session_column != schema.session_column or len(contents) != 1:
            raise IntegrityError(f"{where}: its manifest describes another kind of table. Materialize it again.")
        wanted = list(stored) if columns is None else list(columns)
        unknown = [name for name in wanted if name not in stored]
        if unknown:
            raise BadInputError(f"{where}: no columns {unknown}; it has {list(stored)}")
        ref = manifest.ref(None if until_day is None else int(until_day))
        session = schema.session_column if until_day is not None else None
        needed = wanted if session is None or session in wanted else [*wanted, session]
        read = read_parquet(contents.popitem()[1], needed or list(stored)[:1], where).select(needed)
        check_stored(read, schema, needed, stored, where)
        if read.num_rows != manifest.rows and needed:
            raise IntegrityError(f"{where}: {read.num_rows} rows, its manifest says {manifest.rows}")
        if session is not None and until_day is not None:
            read = read.slice(0, _rows_until(read.column(session), until_day)).select(wanted)
        return Loaded(read, manifest, ref)

    def read_files(self, table: str, group: str, key: PartitionKey) -> LoadedFiles:
        """Verified files of a partition.

        Raises
        ------
        MissingPartitionError, BlockedPartitionError, IntegrityError
            As :meth:`read_table`.
        """
        manifest, contents = self._read(table, group, key)
        return LoadedFiles(contents, manifest)

    def _read(self, table: str, group: str, key: PartitionKey) -> tuple[Manifest, dict[str, bytes]]:
        folder = self._folder(table, group, key)
        for attempt in range(_READ_ATTEMPTS):
            manifest = folder.current()
            _require_ready(manifest, table, group, key)
            assert manifest is not None
            try:
                return manifest, {part.name: folder.read_part(part) for part in manifest.parts}
            except FileNotFoundError as problem:  # two publications passed since the manifest was read
                if attempt + 1 == _READ_ATTEMPTS or folder.current() == manifest:
                    raise IntegrityError(
                        f"{table}|{key}: a part its manifest names is gone ({problem}). Materialize it again."
                    ) from problem
        raise AssertionError("unreachable: the last attempt returns or raises")

    # --- asking ------------------------------------------------------------------------------------------------------

    def manifest(self, table: str, group: str, key: PartitionKey) -> Manifest:
        """The current manifest, blocked or not.

        Raises
        ------
        MissingPartitionError, IntegrityError
            Never materialized, or damaged.
        """
        found = self._folder(table, group, key).current()
        if found is None:
            raise MissingPartitionError(_missing(table, group, key))
        return found

    def manifest_read(self, ref: InputRef) -> Manifest:
        """The manifest an input was read under, current or not; IntegrityError if it is gone or damaged."""
        return self._manifest_of(ref)

    def status(self, table: str, group: str, key: PartitionKey) -> Status:
        """Whether a partition can be read; a damaged manifest is an IntegrityError."""
        found = self._folder(table, group, key).current()
        if found is None:
            return "missing"
        return "ready" if found.blocked is None else "blocked"

    def partitions(self, group: str, table: str) -> list[PartitionKey]:
        """Keys under which something was published or blocked, sorted by contract and horizon."""
        return sorted(
            (
                key
                for key, has_manifest in self._folders(safe_word(group, "group"), safe_word(table, "table"))
                if has_manifest
            ),
            key=lambda key: (key.contract, key.horizon or 0),
        )

    def tables(self) -> list[tuple[str, str]]:
        """Every (group, table) with a folder in the store, sorted."""
        return [(group, table) for group in self._word_folders("") for table in self._word_folders(group)]

    def _word_folders(self, folder: str) -> list[str]:
        return [entry.name for entry in self._files.entries(folder) if entry.is_folder and is_word(entry.name)]

    def check_lineage(self, refs: Sequence[Input]) -> dict[str, str]:
        """Every ancestor slice of some inputs and its digest; refuses inputs that disagree.

        Raises
        ------
        LineageConflictError
            Two inputs saw different content of one ancestor slice.
        """
        plain = [item if isinstance(item, InputRef) else item.ref for item in refs]
        return agreed_lineage(plain, self._manifest_of, self._current_sha256)

    @property
    def receipts(self) -> Receipts:
        """What past ingestions were judged to rest on."""
        return Receipts(self._files)

    @property
    def parsed(self) -> ParsedFiles:
        """Raw files that were parsed before."""
        return ParsedFiles(
            self._files,
            lambda key: file_lock(self._locks_folder / f"parsed.{key.contract}.lock", self._lock_timeout_seconds),
        )

    def lock(self, table: str, group: str, key: PartitionKey) -> AbstractContextManager[None]:
        """The partition's lock, for reading, changing and publishing without losing another's update."""
        return file_lock(self._locks_folder / lock_name(group, table, key), self._lock_timeout_seconds)

    def sweep(self) -> Swept:
        """Remove what interrupted writers left behind. Partitions a writer is at are left alone and counted."""
        total = Swept()
        for group, table in self.tables():
            for key, _ in self._folders(group, table):
                removed, locked, damaged = self._sweep_one(group, table, key)
                total = Swept(
                    partitions=total.partitions + 1,
                    temporaries=total.temporaries + removed.temporaries,
                    parts=total.parts + removed.parts,
                    size_bytes=total.size_bytes + removed.size_bytes,
                    locked=total.locked + locked,
                    damaged=total.damaged + damaged,
                )
        return total

    def _sweep_one(self, group: str, table: str, key: PartitionKey) -> tuple[Removed, bool, bool]:
        try:
            with file_lock(self._locks_folder / lock_name(group, table, key), 0):
                return self._folder(table, group, key).clean(), False, False
        except LockTimeoutError:
            return Removed(), True, False
        except IntegrityError as problem:
            _log.warning("sweep leaves %s|%s alone: %s", table, key, problem)
            return Removed(), False, True

    def _folders(self, group: str, table: str) -> list[tuple[PartitionKey, bool]]:
        """Partition folders of a table, and whether each has a manifest."""
        found = []
        base = f"{group}/{table}"
        for contract in self._files.entries(base):
            inside = self._files.entries(f"{base}/{contract.name}") if contract.is_folder else []
            candidates: list[tuple[str, str | None, list[Entry]]] = [(contract.name, None, inside)]
            candidates += [
                (contract.name, entry.name, self._files.entries(f"{base}/{contract.name}/{entry.name}"))
                for entry in inside
                if entry.is_folder and entry.name.isdigit()
            ]
            for name, horizon, entries in candidates:
                names = {entry.name for entry in entries}
                key = known_key(name, horizon)
                if key is None:
                    _log.warning("%s/%s: no contract or horizon of this factory; ignored", base, name)
                elif names & {"manifest.json", "parts", "manifests"}:
                    found.append((key, "manifest.json" in names))
        return found

    def _folder(self, table: str, group: str, key: PartitionKey) -> PartitionFolder:
        return PartitionFolder(self._files, group, table, key)

    def _manifest_of(self, ref: InputRef) -> Manifest:
        if ref.manifest_sha256 not in self._kept:
            if len(self._kept) >= _KEPT_MANIFESTS_LIMIT:
                self._kept.clear()
            self._kept[ref.manifest_sha256] = self._folder(ref.table, ref.group, ref.key).kept(ref.manifest_sha256)
        return self._kept[ref.manifest_sha256]

    def _current_sha256(self, manifest: Manifest) -> str | None:
        now = _decoded((folder := self._folder(manifest.table, manifest.group, manifest.key)).current_bytes(), folder)
        return None if now is None else now.sha256


def _opened(root_url: str) -> tuple[AbstractFileSystem, str]:
    """File system and path of a URL. Drivers raise what they like for a URL they cannot make sense of."""
    try:
        filesystem, path = fsspec.core.url_to_fs(root_url)
    except (ValueError, TypeError, AttributeError, ImportError, OSError) as problem:
        known = ", ".join(sorted(fsspec.available_protocols()))
        raise ConfigurationError(
            f"store at {root_url!r} (FACTORY_STORE_URL, or store/ under FACTORY_HOME): {problem}. Expected a local "
            f"path or a URL of a protocol whose driver is installed; known protocols: {known}."
        ) from problem
    return filesystem, path


def _decoded(data: bytes | None, folder: PartitionFolder) -> Manifest | None:
    """The manifest a writer replaces; a damaged one is replaced as if there were none, which is how it is repaired."""
    if data is None:
        return None
    try:
        return Manifest.decode(data, f"{folder.path}/manifest.json")
    except IntegrityError as problem:
        _log.warning("replacing a damaged manifest: %s", problem)
        return None


def _write_bytes(content: bytes, sink: Sink) -> None:
    sink.write(content)


def _rows_until(column: Any, until_day: int) -> int:
    days = (
        np.concatenate([fixed_width(chunk) for chunk in column.chunks]) if column.num_chunks else np.empty(0, np.int32)
    )
    return int(np.searchsorted(days, until_day, side="right"))


def _require_passed(table: str, key: PartitionKey, verdicts: Sequence[Verdict]) -> None:
    names = [verdict.name for verdict in verdicts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInputError(f"{table}|{key}: invariants {twice} were evaluated more than once")
    broken = [f"{v.name}: {v.summary}" for v in verdicts if v.blocking and not v.passed]
    if broken:
        raise InvariantViolationError(
            f"{table}|{key}: {'; '.join(broken)}. Nothing was written; correct the cause and materialize it again."
        )


def _require_ready(manifest: Manifest | None, table: str, group: str, key: PartitionKey) -> None:
    if manifest is None:
        raise MissingPartitionError(_missing(table, group, key))
    if manifest.blocked is not None:
        failed = [v.name for v in manifest.blocked.verdicts if v.blocking and not v.passed]
        raise BlockedPartitionError(
            f"{table}|{key}: its last attempt ({manifest.blocked.at.isoformat(timespec='seconds')}) failed "
            f"{', '.join(failed) or 'before its invariants were evaluated'}: {manifest.blocked.reason}. "
            f"Correct the cause, then run: {_command(group, key)}"
        )


def _missing(table: str, group: str, key: PartitionKey) -> str:
    return f"{table}|{key}: not materialized yet. Run: {_command(group, key)}"


def _command(group: str, key: PartitionKey) -> str:
    horizon = "" if key.horizon is None else f" --horizon {key.horizon}"
    until = f" --until {_UNTIL_OF_GROUP[group]}" if group in _UNTIL_OF_GROUP else ""
    return f"factory run --contract {key.contract}{horizon}{until}"
