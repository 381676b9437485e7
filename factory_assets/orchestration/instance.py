"""The embedded Dagster instance under FACTORY_HOME."""

import hashlib
import os
from pathlib import Path

import dagster as dg

from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import PROJECT_ROOT, FactoryHome

_SHIPPED_EARLIER = {
    "de8b0b466b58e915bf33c29e4d8f7f3b4eda9b7d251b89ca5d178db00cbcb699",
    "f03c04c4b1255f08ef8fa17ee76c485479adf3ccbd18d82f4b863193a9c8fca9",
    "256e64b201ee9847f973a4f76eac1e5a45c02e8edf15c17c239e915d233e75ee",
}
"""Sha256 of each ``dagster.yaml`` that came with an earlier version: a copy nobody edited is brought up to date."""

_LAST_DATABASE = Path("schedules", "schedules.db")
"""The one of the embedded databases that Dagster makes last."""
_DATABASES_SECONDS = 120.0


def instance_folder(home: FactoryHome) -> Path:
    """DAGSTER_HOME: the user's if one is set, else a folder of the home. Nothing is made.

    Raises
    ------
    BadInputError
        A relative DAGSTER_HOME: Dagster would write beside the current folder.
    """
    named = os.environ.get("DAGSTER_HOME")
    folder = Path(named) if named else home.dagster
    if not folder.is_absolute():
        raise BadInputError(f"DAGSTER_HOME={named!r} is relative; export it as an absolute path, or unset it.")
    return folder


def prepare_instance(home: FactoryHome) -> Path:
    """Put ``dagster.yaml`` into FACTORY_HOME/dagster and point DAGSTER_HOME at it, unless the user set one.

    The databases of a fresh instance are made here, by one process at a time: a daemon and a web UI that find none and
    make them together leave them with two versions each, and no process opens them again.

    Returns
    -------
    Path
        DAGSTER_HOME.
    """
    folder = instance_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    target, template = folder / "dagster.yaml", PROJECT_ROOT / "dagster.yaml"
    if template.exists() and (not target.exists() or _sha256(target) in _SHIPPED_EARLIER):
        target.write_bytes(template.read_bytes())
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["FACTORY_HOME"] = str(home.root)
    with file_lock(folder / "databases.lock", _DATABASES_SECONDS):
        if not (folder / _LAST_DATABASE).exists():
            with dg.DagsterInstance.from_config(str(folder)):
                pass
    return folder


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def embedded_instance(home: FactoryHome) -> dg.DagsterInstance:
    """Instance whose runs the web UI shows."""
    prepare_instance(home)
    return dg.DagsterInstance.get()
