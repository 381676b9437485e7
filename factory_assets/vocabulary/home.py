"""FACTORY_HOME: the one folder the factory writes to, and the names of the folders in it."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class FactoryHome:
    """Where raw files are read and everything else is written.

    Parameters
    ----------
    root : Path
        Absolute path of the home folder.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> "FactoryHome":
        """Home named by ``FACTORY_HOME``; the project's ``data/`` if unset."""
        named = os.environ.get("FACTORY_HOME")
        return cls(Path(named).expanduser().resolve() if named else PROJECT_ROOT / "data")

    @property
    def raw(self) -> Path:
        """Raw vendor files, one folder a contract (the user's; never changed)."""
        return self.root / "raw"

    @property
    def store_url(self) -> str:
        """URL of the store: ``FACTORY_STORE_URL`` (any fsspec URL) or ``store/`` under the home."""
        return os.environ.get("FACTORY_STORE_URL") or str(self.root / "store")

    @property
    def studies(self) -> Path:
        """Study files and ledgers."""
        return self.root / "studies"

    @property
    def releases(self) -> Path:
        """Release bundles."""
        return self.root / "releases"

    @property
    def reports(self) -> Path:
        """HTML pages."""
        return self.root / "reports"

    @property
    def dagster(self) -> Path:
        """Embedded Dagster instance (runs, events, logs)."""
        return self.root / "dagster"

    @property
    def mlflow(self) -> Path:
        """Embedded MLflow store: the log of runs (``mlflow.db``) and their files (``artifacts/``)."""
        return self.root / "mlflow"

    @property
    def work(self) -> Path:
        """What long fits in progress go on from after a kill; gone once their outputs are made."""
        return self.root / "work"

    @property
    def settings_file(self) -> Path:
        """Optional overrides of the defaults in :mod:`factory_assets.vocabulary.settings`."""
        return self.root / "factory.toml"
