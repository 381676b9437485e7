"""Write constraints.txt: the public version of every distribution the project reaches, as installed here.

Walks the requirements from pyproject.toml through the metadata of what is installed. Not a freeze of the environment:
nothing the project does not need is named, installers (pip, setuptools, wheel) are left to the environment, and local
version parts (``+cpu``) and addresses never appear.
"""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

# The environment brings its own; a pin of one interpreter's would break another's (Python 3.12 needs newer setuptools).
INSTALLERS = {"pip", "setuptools", "wheel"}
ROOT = Path(__file__).resolve().parents[1]


def closure(requirements: list[str]) -> dict[str, str]:
    """Name and public version of everything the requirements reach under this interpreter."""
    pins: dict[str, str] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in INSTALLERS:
            continue
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:
            sys.stderr.write(f"pin: {requirement} is not installed here and was left out\n")
            continue
        known = name in pins
        pins[name] = Version(found.version).public
        if not known or requirement.extras:
            for wanted in requirement.extras or {""}:
                waiting += [(Requirement(text), wanted) for text in found.requires or []]
            if requirement.extras:
                waiting += [(Requirement(text), "") for text in found.requires or []]
    return pins


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    lines = [f"{name}=={version}\n" for name, version in sorted(closure(wanted).items())]
    header = "# Exact pins of everything the project reaches; written by scripts/pin.py. Python 3.11, Linux.\n"
    (ROOT / "constraints.txt").write_text(header + "".join(lines), encoding="utf-8")
