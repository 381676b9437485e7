"""Before anything is installed: is this machine fit? Says what is missing and how to get it; needs only Python."""

import importlib.util
import shutil
import sys
from pathlib import Path

PYTHON_MIN, PYTHON_BELOW = (3, 11), (3, 14)
DISK_BYTES_MIN = 6 * 1024**3


def problems() -> list[str]:
    """Every reason why the installation would fail here."""
    found = []
    version = sys.version_info[:3]
    if not PYTHON_MIN <= version[:2] < PYTHON_BELOW:
        found.append(
            f"Python {'.'.join(map(str, version))} at {sys.executable}: expected >= 3.11 and < 3.14. "
            "Install one and run: make demo PYTHON=python3.11"
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        found.append(
            "the modules venv and ensurepip are missing. Debian and Ubuntu: "
            f"apt-get install python{version[0]}.{version[1]}-venv"
        )
    free = shutil.disk_usage(Path.cwd()).free
    if free < DISK_BYTES_MIN:
        found.append(
            f"{free / 1024**3:.1f} GiB free in {Path.cwd()}: expected at least {DISK_BYTES_MIN / 1024**3:.0f} GiB."
        )
    return found


if __name__ == "__main__":
    for problem in problems():
        sys.stderr.write(f"preflight: {problem}\n")
    sys.exit(2 if problems() else 0)
