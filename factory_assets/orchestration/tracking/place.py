"""Where the log of runs lies, and how it is opened: prepared once, loopback only, silent towards third parties."""

import hashlib
import os
import re
import socket
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.settings import TRACKING_SCHEMES, TrackingSettings

LOCK_SECONDS = 30.0
"""Longest wait for another process that writes to the log; then the log is left out, never the run held up."""

_PREPARE_SECONDS = 120.0
_REACH_SECONDS = 3.0
_SQLITE = "sqlite:///"
_USER = re.compile(r"//[^/]*@")
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
# Read by MLflow when it is imported, and by the processes a run starts; a user's own choice of the limits stays.
_SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
_BOUNDED = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def silence_mlflow() -> None:
    """Switch MLflow's telemetry off and bound its retries, before its first import."""
    os.environ.update(_SILENT)
    for name, value in _BOUNDED.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True, kw_only=True)
class TrackingPlace:
    """One tracking store.

    Attributes
    ----------
    uri : str
        As MLflow spells it.
    artifacts : str or None
        URI under which experiments keep files; None where a tracking server decides.
    locks : Path
        Folder of lock files.
    """

    uri: str
    artifacts: str | None
    locks: Path

    @classmethod
    def of(cls, home: FactoryHome, settings: TrackingSettings) -> "TrackingPlace":
        """``MLFLOW_TRACKING_URI``, else ``[tracking] uri``, else ``mlflow/mlflow.db`` in the home.

        Raises
        ------
        BadInputError
            The store named is a folder or of another kind MLflow does not keep runs in, a database file whose path is
            not absolute (it would lie elsewhere for every process), or a server whose host or port is none.
        """
        named = os.environ.get("MLFLOW_TRACKING_URI")
        uri = named or settings.uri
        if problem := _problem_of(uri) if uri else None:
            raise BadInputError(
                f"{'MLFLOW_TRACKING_URI' if named else '[tracking] uri'}={_USER.sub('//', uri)!r}: {problem}. Correct "
                "it, or remove it to keep the log in FACTORY_HOME."
            )
        uri = uri or f"{_SQLITE}{home.mlflow.absolute() / 'mlflow.db'}"
        served = uri.startswith(("http://", "https://"))
        artifacts = home.mlflow.absolute() / "artifacts"
        return cls(uri=uri, artifacts=None if served else artifacts.as_uri(), locks=home.root / "locks")

    @property
    def database(self) -> Path | None:
        """File of a local sqlite store; None for any other."""
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None

    def lock(self) -> AbstractContextManager[None]:
        """Exclusive use of a sqlite store, which admits one writer; a server arranges that itself."""
        return nullcontext() if self.database is None else file_lock(self.locks / "mlflow.lock", LOCK_SECONDS)

    def prepare(self) -> None:
        """Make a local store that is not there, once, whoever comes first; look whether any other can be reached.

        MLflow keeps absolute folders: in the own store of a home that was moved or copied, they are corrected, so that
        its runs show the files that came along and nothing is written into the home that was left.

        MLflow migrates a fresh database on first use, and two processes that do so together crash. Here one process
        migrates a file of its own under a lock and puts it in place whole; a kill in between leaves nothing half-made.

        Raises
        ------
        OSError, sqlite3.Error
            The store cannot be made, opened or reached. MLflow itself would retry for minutes.
        LockTimeoutError
            Another process prepares it and does not end.
        """
        silence_mlflow()
        database = self.database
        if database is None:
            _reach(self.uri)
            return
        if not database.is_file():
            database.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(self.locks / "mlflow_prepare.lock", _PREPARE_SECONDS):
                if not database.is_file():
                    _migrate(database, self.artifacts or "")
        moved = _elsewhere(database, self.artifacts or "")
        if moved and self._is_own(database):
            with self.lock():
                _relocate(database, self.artifacts or "")

    def client(self) -> Any:
        """MLflow's client for this store, which has to be prepared."""
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment(self, client: Any, name: str) -> str:
        """Id of an experiment, made if it is not there, with its files where this place keeps them.

        In a store of the user's, which several homes may share, an experiment of that name may keep its files in
        another home; then this one's has a name of its own.
        """
        wanted = self._artifacts_of(name)
        known = client.get_experiment_by_name(name)
        if known is not None and wanted is not None and known.artifact_location != wanted:
            name = f"{name} {hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
            known = client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        return str(client.create_experiment(name, artifact_location=wanted))

    def _is_own(self, database: Path) -> bool:
        """Whether the database lies beside its files, in the home."""
        return self.artifacts == (database.absolute().parent / "artifacts").as_uri()

    def _artifacts_of(self, experiment: str) -> str | None:
        if self.artifacts is None:
            return None
        return f"{self.artifacts}/{''.join(c if c.isalnum() else '_' for c in experiment)}"


def _migrate(database: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    partial = database.with_name(f".{database.name}.part")
    partial.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"{_SQLITE}{partial}", artifacts)
    store.engine.dispose()
    partial.replace(database)


def _elsewhere(database: Path, artifacts: str) -> list[tuple[int, str]]:
    """Experiments whose files lie in a home other than this one, by id and location; nothing is written by asking."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)
    try:
        rows = connection.execute("select experiment_id, artifact_location from experiments").fetchall()
    finally:
        connection.close()
    own = re.compile(rf"file:.*/{re.escape(_folder_of(artifacts))}/[^/]+")
    return [(number, at) for number, at in rows if at and own.fullmatch(at) and at.rpartition("/")[0] != artifacts]


def _relocate(database: Path, artifacts: str) -> None:
    """Let experiments and their runs name the folder their files lie in now; all of them or none."""
    found = _elsewhere(database, artifacts)
    connection = sqlite3.connect(database, timeout=LOCK_SECONDS)
    try:
        with connection:
            for number, old in found:
                new = f"{artifacts}/{old.rpartition('/')[2]}"
                connection.execute(
                    "update experiments set artifact_location = ? where experiment_id = ?", (new, number)
                )
                connection.execute(
                    "update runs set artifact_uri = ? || substr(artifact_uri, ?) "
                    "where experiment_id = ? and substr(artifact_uri, 1, ?) = ?",
                    (new, len(old) + 1, number, len(old) + 1, f"{old}/"),
                )
    finally:
        connection.close()


def _folder_of(artifacts: str) -> str:
    """The last two parts of the place files lie in: the same in every home."""
    return "/".join(artifacts.split("/")[-2:])


def _problem_of(uri: str) -> str | None:
    """Why no store can lie there, as far as its name tells; None if it may."""
    scheme = uri.partition("://")[0].partition("+")[0]
    if scheme not in TRACKING_SCHEMES:
        return f"expected one of {[f'{known}://…' for known in TRACKING_SCHEMES]}"
    if scheme == "sqlite":
        path = uri.removeprefix(_SQLITE)
        if path == uri or not Path(path).is_absolute() or "?" in path:
            return f"expected the absolute path of a file after {_SQLITE!r}, as {_SQLITE}/data/mlflow.db"
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as problem:
        return f"expected a host and a port from 0 to 65535 ({problem})"
    return None


def _reach(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.hostname is not None:
        port = parts.port or _PORTS.get(parts.scheme.partition("+")[0], 443)
        socket.create_connection((parts.hostname, port), timeout=_REACH_SECONDS).close()
