"""Where pages lie in FACTORY_HOME/reports, and how they get there: whole or not at all."""

from pathlib import Path

from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey


def page_path(home: FactoryHome, key: PartitionKey, kind: str) -> Path:
    """Path of one page, e.g. ``reports/MGC_20_report.html``."""
    return home.reports / f"{key.contract}_{key.horizon}_{kind}.html"


def place_page(home: FactoryHome, key: PartitionKey, kind: str, page: bytes) -> Path:
    """Put a page in place in one step; a reader sees the old one or the new one."""
    path = page_path(home, key, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(page)
    temporary.replace(path)
    return path
