"""Where pages lie in FACTORY_HOME/reports, and how they get there: whole or not at all."""

from pathlib import Path

from factory_assets.vocabulary.errors import StorageError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


def page_path(home: FactoryHome, key: PartitionKey, kind: str) -> Path:
    """Path of one page, e.g. ``reports/MGC_20_report.html``; of a contract's own, ``reports/MGC_quality.html``."""
    horizon = "" if key.horizon is None else f"_{key.horizon}"
    return home.reports / f"{key.contract}{horizon}_{kind}.html"


def place_page(home: FactoryHome, key: PartitionKey, kind: str, page: bytes) -> Path:
    """Put a page in place in one step; a reader sees the old one or the new one."""
    return place(page_path(home, key, kind), page)


def place(path: Path, content: bytes) -> Path:
    """Put a file of the reports in place in one step.

    Raises
    ------
    StorageError
        It cannot be written there.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as problem:
        raise StorageError(
            f"{path}: cannot be written: {problem}. Make room or correct its permissions, then repeat."
        ) from problem
    return path
