"""What decides the bytes of a fit beside its data and parameters: sources, libraries, interpreter and processor.

One place for all that keep something of a fit for later: checkpoints of networks (:mod:`factory_assets.models.neural`)
and fits in child processes (:mod:`factory_assets.stacking.fit_files`).
"""

import hashlib
import platform
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from factory_assets.vocabulary.code_version import sources_on_disk, sources_version

_OWN = __name__.partition(".")[0]
_LIBRARIES = (
    "lightgbm",
    "numba",
    "numpy",
    "pandas",
    "safetensors",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
    "torch",
)
_REQUIRED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CPUINFO = Path("/proc/cpuinfo")
_KIND = re.compile(r"(vendor_id|cpu family|model|model name|flags|Features|CPU \w+)\s*:")


def fit_versions(model_class: type) -> dict[str, str]:
    """Versions a fit of a model depends on, as this process first saw them: those of what it has loaded.

    Parameters
    ----------
    model_class : type
        The model; every package one of its base classes is from counts, so that of a user's own model too.

    Returns
    -------
    dict of str to str
        By what it is the version of. Fits that agree in it, in data and in parameters end with the same bytes.
    """
    packages = _packages(model_class)
    return {**_sources(packages, now=False), **_libraries_first_seen(packages)}


def versions_now(model_class: type) -> dict[str, str]:
    """:func:`fit_versions` as sources and libraries lie on the disk now; other ones if somebody changed them since."""
    packages = _packages(model_class)
    return {**_sources(packages, now=True), **_libraries(packages)}


def _packages(model_class: type) -> frozenset[str]:
    tops = {base.__module__.partition(".")[0] for base in model_class.__mro__}
    return frozenset({_OWN, *(tops - {*sys.stdlib_module_names})})


def _sources(packages: frozenset[str], *, now: bool) -> dict[str, str]:
    of = sources_on_disk if now else sources_version
    return {f"sources of {package}": of(package) for package in sorted(packages)}


@cache
def _libraries_first_seen(packages: frozenset[str]) -> dict[str, str]:
    return _libraries(packages)


def _libraries(packages: frozenset[str]) -> dict[str, str]:
    """Versions of the factory's own libraries, and of what a user's package is distributed as and requires."""
    wanted = {*_LIBRARIES}
    others = packages - {_OWN}
    distributions = packages_distributions() if others else {}
    for name in (name for package in others for name in distributions.get(package, ())):
        wanted |= {name, *(found[0] for line in requires(name) or () if (found := _REQUIRED.match(line)))}
    return {
        "python": platform.python_version(),
        "processor": _processor(),
        **{name: _version(name) for name in sorted(wanted)},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


@cache
def _processor() -> str:
    """Kind of processor: what kernels are chosen by, and no number of cores, clock rates or addresses."""
    told = [platform.machine(), platform.processor()]
    if _CPUINFO.is_file():
        first = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        told += [line for line in first.splitlines() if _KIND.match(line)]
    return f"{platform.machine()} {hashlib.sha256(chr(10).join(told).encode()).hexdigest()[:12]}"
