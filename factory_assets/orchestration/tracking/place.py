"""Where the log of runs lies, and how it is opened: prepared once, loopback only, silent towards third parties."""

import os
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
            ``MLFLOW_TRACKING_URI`` names a folder or another kind of store MLflow does not keep runs in.
        """
        named = os.environ.get("MLFLOW_TRACKING_URI")
        if named and named.partition("://")[0].partition("+")[0] not in TRACKING_SCHEMES:
            raise BadInputError(
                f"MLFLOW_TRACKING_URI={named!r}: expected one of {[f'{known}://…' for known in TRACKING_SCHEMES]}; "
                "unset it to keep the log in FACTORY_HOME"
            )
        uri = named or settings.uri or f"{_SQLITE}{home.mlflow / 'mlflow.db'}"
        served = uri.startswith(("http://", "https://"))
        return cls(
            uri=uri, artifacts=None if served else (home.mlflow / "artifacts").as_uri(), locks=home.root / "locks"
        )

    @property
    def database(self) -> Path | None:
        """File of a local sqlite store; None for any other."""
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None

    def lock(self) -> AbstractContextManager[None]:
        """Exclusive use of a sqlite store, which admits one writer; a server arranges that itself."""
        return nullcontext() if self.database is None else file_lock(self.locks / "mlflow.lock", LOCK_SECONDS)

    def prepare(self) -> None:
        """Make a local store that is not there, once, whoever comes first; look whether any other can be reached.

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
        _open_read_only(database)

    def client(self) -> Any:
        """MLflow's client for this store, which has to be prepared."""
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment(self, client: Any, name: str) -> str:
        """Id of an experiment, made if it is not there, with its files where this place keeps them."""
        known = client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        return str(client.create_experiment(name, artifact_location=self._artifacts_of(name)))

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


def _open_read_only(database: Path) -> None:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)
    try:
        connection.execute("select count(*) from experiments").fetchone()
    finally:
        connection.close()


def _reach(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.hostname is not None:
        port = parts.port or _PORTS.get(parts.scheme.partition("+")[0], 443)
        socket.create_connection((parts.hostname, port), timeout=_REACH_SECONDS).close()
