"""What every test may use: the real bars, if they are there, and a home of its own."""

import os
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real bars; ``FACTORY_REAL_DATA`` overrides the place beside the project."""
    folder = Path(os.environ.get("FACTORY_REAL_DATA") or PROJECT_ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real bars at {folder}; set FACTORY_REAL_DATA")
    return folder
