"""Release bundles on disk: written once, named by their digest, verified before anything in them is parsed.

``releases/<contract>/<horizon>/<digest>/`` holds ``manifest.json`` and exactly the files it lists. No file of it is
executable by any reader: JSON, safetensors and a booster's own text format. Belongs here: names, bytes and refusals.
Does not: what the parts mean (:mod:`factory_assets.deployment.release`), golden rows
(:mod:`factory_assets.deployment.golden`).
"""

import hashlib
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from factory_assets.deployment.golden import golden_differences, golden_file, tolerances
from factory_assets.deployment.release import Release
from factory_assets.deployment.sequence_input import SequenceInput
from factory_assets.features.regime_table import RegimeTable
from factory_assets.stacking import FittedMember, FittedMeta
from factory_assets.storage.files import ensure_folder, sync_folder
from factory_assets.vocabulary.clock import Clock
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, FactoryError, IntegrityError
from factory_assets.vocabulary.hash_chain import is_digest
from factory_assets.vocabulary.settings import Barriers, LabelSettings, MarketSettings
from factory_assets.vocabulary.verdict import Scalar

FORMAT = 4
MANIFEST = "manifest.json"
FILE_BYTES_MAX = 512 * 1024 * 1024
FILES_MAX = 1_000
LIBRARIES = (
    "numpy", "pandas", "numba", "scipy", "scikit-learn", "lightgbm", "torch", "safetensors", "TA-Lib",
    "exchange_calendars",
)  # fmt: skip

_PARTIAL = ".partial-"
_PARTIAL_SECONDS_MAX = 3600.0
_PATH = re.compile(r"([a-z0-9][a-z0-9_]{0,63}/){0,2}[a-z0-9][a-z0-9_]{0,63}\.(json|txt|safetensors)")
_SCALER = "scaler.json"
_REGIMES = "regimes.json"
_CONFIG_NUMBERS = ("theta", "m0_long", "m0_short")
_Section = TypeVar("_Section", Barriers, LabelSettings, MarketSettings, SequenceInput)


def write_bundle(release: Release, releases_folder: Path, *, clock: Clock, code_version: str) -> tuple[Path, str]:
    """Write a release; the same release, code and libraries always give the same bytes and the same digest.

    Parameters
    ----------
    release : Release
        What to keep.
    releases_folder : Path
        ``releases/`` of the home.
    clock : Clock
        Tells how old a folder left by a crashed write is: those older than an hour are removed. No moment enters the
        bundle.
    code_version : str
        Version of the code that made it.

    Returns
    -------
    folder : Path
        ``releases_folder/<contract>/<horizon>/<digest>``, which appears whole or not at all.
    digest : str
        Sha256 of ``manifest.json``.

    Raises
    ------
    IntegrityError
        A folder of that digest exists but does not hold what its manifest says.
    """
    files = _files_of(release)
    files[MANIFEST] = _manifest(release, files, code_version)
    digest = hashlib.sha256(files[MANIFEST]).hexdigest()
    parent = releases_folder / release.contract / str(release.horizon)
    ensure_folder(parent)
    _sweep(parent, clock)
    folder = parent / digest
    if not folder.exists():
        partial = parent / f"{_PARTIAL}{os.getpid()}-{digest}"
        if partial.exists():
            shutil.rmtree(partial)
        for name, data in files.items():
            _write_new(partial / name, data)
        for inner in sorted({(partial / name).parent for name in files}):
            sync_folder(inner)
        try:
            partial.rename(folder)
        except OSError:
            # Another process wrote the same release meanwhile; its bytes are verified below like any other's.
            shutil.rmtree(partial)
            if not folder.exists():
                raise
        sync_folder(parent)
    verified_files(folder, digest)
    return folder, digest


def load_bundle(path: Path | str, expected_digest: str | None = None) -> Release:
    """Read a release; nothing is parsed before every byte was verified, and it has to reproduce its golden outputs.

    Parameters
    ----------
    path : Path or str
        The bundle's folder.
    expected_digest : str, optional
        Sha256 the manifest has to have. Without it a bundle proves to be intact, not to be the one you meant.

    Raises
    ------
    BadInputError
        No such folder.
    IntegrityError
        Another digest, files missing, changed, unlisted, linked or badly named, contents that no release has, or golden
        inputs that no longer give the golden outputs.
    """
    files = verified_files(Path(path), expected_digest)
    try:
        release = _release_of(files)
    except IntegrityError:
        raise
    except (FactoryError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
        raise IntegrityError(f"{path}: intact, but not a release this version reads: {problem!r}") from problem
    found, allowed = golden_differences(release, files["golden.json"]), tolerances(release)
    off = [f"{name} by {gap:.3g}, limit {allowed[name]:g}" for name, gap in found.items() if not gap <= allowed[name]]
    if off:
        raise IntegrityError(
            f"{path}: golden inputs give other outputs than when it was written (off: {'; '.join(off)}). Install the "
            f"library versions of its manifest: {manifest_of(files)['libraries']}."
        )
    return release


def verified_files(folder: Path, expected_digest: str | None = None) -> dict[str, bytes]:
    """Bytes of every file of a bundle by relative name, each hashed against the manifest; nothing but it is parsed.

    Raises
    ------
    BadInputError
        No such folder.
    IntegrityError
        As in :func:`load_bundle`.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise BadInputError(f"{folder}: expected the folder of a release bundle")
    found = _walk(folder)
    if MANIFEST not in found:
        raise IntegrityError(f"{folder}: no {MANIFEST}; this is not a whole bundle. Nothing was parsed.")
    digest = hashlib.sha256(found[MANIFEST]).hexdigest()
    named = folder.resolve().name
    wanted = {expected_digest.lower()} if expected_digest is not None else set()
    wanted |= {named} if is_digest(named) else set()
    if wanted - {digest}:
        raise IntegrityError(
            f"{folder}: the manifest hashes to {digest}, expected {' and '.join(sorted(wanted))}. Nothing was parsed; "
            "fetch the bundle again."
        )
    listed = manifest_of(found)["files"]
    missing, extra = sorted({*listed} - {*found}), sorted({*found} - {*listed, MANIFEST})
    changed = [n for n in sorted({*listed} & {*found}) if hashlib.sha256(found[n]).hexdigest() != listed[n]]
    if missing or extra or changed:
        raise IntegrityError(
            f"{folder}: files missing {missing}, not listed {extra}, changed {changed}. Nothing was parsed; fetch the "
            "bundle again."
        )
    return found


def manifest_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest, its form checked; not yet its files.

    Raises
    ------
    IntegrityError
        Not the one spelling of a manifest of this format, or file names that may not be in one.
    """
    try:
        manifest = json.loads(files[MANIFEST])
        intact = isinstance(manifest, dict) and _spelled(manifest) == files[MANIFEST]
    except (ValueError, RecursionError) as problem:
        raise IntegrityError(f"{MANIFEST}: damaged: {problem}") from problem
    if not intact or manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise IntegrityError(f"{MANIFEST}: expected the one spelling of a manifest of format {FORMAT} that lists files")
    names = [name for name in manifest["files"] if not _PATH.fullmatch(name) or name == MANIFEST]
    hashes = [name for name, known in manifest["files"].items() if not isinstance(known, str)]
    if names or hashes:
        raise IntegrityError(f"{MANIFEST}: file names not allowed {names[:5]}, hashes that are no text {hashes[:5]}")
    return manifest


def _walk(root: Path) -> dict[str, bytes]:
    """Every file below, read once; whatever is no plain, plainly named file is refused before anything is opened."""
    problems: list[str] = []
    paths: list[Path] = []
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        name = path.relative_to(root).as_posix()
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            problems.append(f"{name}: a link or special file")
        elif not _PATH.fullmatch(name):
            problems.append(f"{name!r}: not a name a bundle has")
        elif path.lstat().st_size > FILE_BYTES_MAX:
            problems.append(f"{name}: over {FILE_BYTES_MAX} bytes")
        paths.append(path)
        if len(paths) > FILES_MAX:
            problems.append(f"more than {FILES_MAX} files")
            break
    if problems:
        raise IntegrityError(f"{root}: {'; '.join(problems[:5])}. Nothing was parsed.")
    return {path.relative_to(root).as_posix(): _read_plain(path) for path in paths}


def _read_plain(path: Path) -> bytes:
    # A link put there since the look would be followed by a plain open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(FILE_BYTES_MAX + 1)


def _files_of(release: Release) -> dict[str, bytes]:
    config = {
        "contract": release.contract,
        "horizon": release.horizon,
        "barriers": asdict(release.barriers),
        "labels": asdict(release.labels),
        "market": asdict(release.market),
        "has_volume": release.has_volume,
        "joins_without_overlap": release.joins_without_overlap,
        "sequence": None if release.sequence is None else asdict(release.sequence),
        "profile": release.profile,
        **{name: getattr(release, name) for name in _CONFIG_NUMBERS},
    }
    columns = {
        "pool": [[minutes, list(names)] for minutes, names in release.pool.items()],
        "columns": list(release.columns),
    }
    files = {"config.json": _spelled(config), "feature_columns.json": _spelled(columns)}
    for name, member in sorted(release.members.items()):
        for inner, data in member.to_files().items():
            files[f"scalers/{name}.json" if inner == _SCALER else f"models/{name}/{inner}"] = data
    files |= {f"ensemble/{inner}": data for inner, data in release.meta.to_files().items()}
    if release.regimes:
        tables = [table.to_plain() for _, table in sorted(release.regimes.items())]
        files[_REGIMES] = _spelled({"tables": tables})
    files["golden.json"] = golden_file(release)
    wrong = [name for name in files if not _PATH.fullmatch(name)]
    if wrong:
        raise BadInputError(
            f"release of {release.contract}|{release.horizon}: file names {wrong} have no safe spelling"
        )
    return files


def _release_of(files: Mapping[str, bytes]) -> Release:
    manifest, config, columns = (
        manifest_of(files), json.loads(files["config.json"]), json.loads(files["feature_columns.json"]),
    )  # fmt: skip
    members = {}
    for scaler in [name for name in files if name.startswith("scalers/")]:
        name = scaler.removeprefix("scalers/").removesuffix(".json")
        own = _below(files, f"models/{name}/")
        members[name] = FittedMember.from_files({**own, _SCALER: files[scaler]})
    release = Release(
        contract=config.pop("contract"),
        horizon=config.pop("horizon"),
        barriers=_section(Barriers, config.pop("barriers")),
        labels=_section(LabelSettings, config.pop("labels")),
        market=_section(MarketSettings, config.pop("market")),
        has_volume=config.pop("has_volume"),
        joins_without_overlap=config.pop("joins_without_overlap"),
        sequence=_sequence(config.pop("sequence")),
        regimes=_regimes(files),
        profile=config.pop("profile"),
        **{name: config.pop(name) for name in _CONFIG_NUMBERS},
        pool={int(minutes): tuple(names) for minutes, names in columns["pool"]},
        members=members,
        meta=FittedMeta.from_files(_below(files, "ensemble/")),
        study=manifest["study"],
        inputs=manifest["inputs"],
        metrics=manifest["metrics"],
    )
    written = {MANIFEST, "golden.json", *(name for name, data in _files_of(release).items() if files.get(name) == data)}
    if config or {*files} != written:
        raise IntegrityError("the files are not those this release is written as; fetch the bundle again")
    return release


def _below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): data for name, data in files.items() if name.startswith(folder)}


def _section(kind: type[_Section], values: Mapping[str, Any]) -> _Section:
    expected = {field.name for field in fields(kind)}
    if {*values} != expected:
        raise ConfigurationError(f"{kind.__name__}: keys {sorted(values)}, expected {sorted(expected)}")
    return kind(**values)


def _sequence(values: Mapping[str, Any] | None) -> SequenceInput | None:
    return None if values is None else _section(SequenceInput, {**values, "names": tuple(values["names"])})


def _regimes(files: Mapping[str, bytes]) -> dict[int, RegimeTable]:
    """Regime parameters by timeframe; none in a bundle without them."""
    if _REGIMES not in files:
        return {}
    tables = [RegimeTable.from_plain(plain) for plain in json.loads(files[_REGIMES])["tables"]]
    return {table.minutes: table for table in tables}


def _manifest(release: Release, files: Mapping[str, bytes], code_version: str) -> bytes:
    return _spelled(
        {
            "format": FORMAT,
            "contract": release.contract,
            "horizon": release.horizon,
            "code_version": code_version,
            "libraries": {name: _version(name) for name in LIBRARIES},
            "inputs": dict(release.inputs),
            "metrics": {name: _finite_or_none(value) for name, value in release.metrics.items()},
            "study": release.study,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }
    )


def _finite_or_none(value: Scalar | None) -> Scalar | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _spelled(content: Mapping[str, Any]) -> bytes:
    try:
        return (json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as problem:
        raise BadInputError(
            f"release: a value has no JSON spelling: {problem}; leave it out or make it text"
        ) from problem


def _write_new(path: Path, data: bytes) -> None:
    ensure_folder(path.parent)
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sweep(parent: Path, clock: Clock) -> None:
    """Remove what crashed writes left; a younger folder may belong to a write still going on."""
    now = clock().timestamp()
    remove: Callable[[Path], None] = shutil.rmtree
    for left in parent.glob(f"{_PARTIAL}*"):
        if now - left.stat().st_mtime > _PARTIAL_SECONDS_MAX:
            remove(left)
