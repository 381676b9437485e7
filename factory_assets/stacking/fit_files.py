"""A fit as files: the task a process is handed, the arrays it maps, and the result it leaves; nothing executable.

Layout of the folder one asset works in::

    arrays/<digest>.npy          arrays of containers, written once, mapped by every process that needs them
    tasks/<name>_<digest>.json   what to fit; the digest covers data, rows, columns to choose from, parameters, settings
                                 and versions
    results/<name>_<digest>/     sealed files of the member, with the record of its rows, its columns and its curves
    checkpoints/<name>_<digest>/ what a killed fit goes on from; gone once the result is there

Every name follows from what is fitted, so a run after a kill finds what is still true and nothing else: of every name
only the latest digest is kept, and arrays that no task of it mentions go. Whoever owns the folder removes it whole once
its outputs are made.
"""

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from factory_assets.adapters.choice_record import FeatureChoice
from factory_assets.adapters.feature_sets import Candidates
from factory_assets.models.files import read_folder, seal, unseal, write_folder
from factory_assets.models.fit_versions import fit_versions, versions_now
from factory_assets.models.registry import entry
from factory_assets.stacking.fit_request import FitRequest
from factory_assets.stacking.member import FittedMember
from factory_assets.stacking.member_fit import MemberFit
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError, FitError, IntegrityError
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.windows import LazyWindows

_HEADER = "result.json"
_NAME = re.compile(r"[a-z0-9_]{1,40}")
_WINDOWS = ("store", "last", "first", "pad")
_ARRAYS = ("decision_us", "label", "t0_us", "t1_us", "weight", "trade_day")


def write_tasks(
    folder: Path,
    requests: Sequence[FitRequest],
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
) -> list[Path]:
    """Write what the fits need, and remove what earlier attempts at the same names left of other data or code.

    A task names the code and libraries this process has loaded; :func:`perform` fits with no others.

    Parameters
    ----------
    folder : Path
        Folder of the asset; made if absent.
    requests : sequence of FitRequest
        Fits, each of another name.
    data, kinds, settings, clock_us
        As for :func:`factory_assets.stacking.fit_recorded`; one container for all.

    Returns
    -------
    list of Path
        Task files, in the order of the requests.

    Raises
    ------
    BadInputError
        Names that repeat or are no plain names.
    """
    names = [request.name for request in requests]
    if len(set(names)) < len(names) or not all(_NAME.fullmatch(name) for name in names):
        raise BadInputError(f"fits {names}: expected plain names (a-z, 0-9, _), each once")
    for part in ("arrays", "tasks", "results", "checkpoints"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    common = {
        "data": _container_spelled(folder, data),
        "kinds": list(kinds),
        "settings": dataclasses.asdict(settings),
        "clock_us": _kept_array(folder, clock_us),
    }
    tasks = []
    for request in requests:
        rows = None if request.rows is None else _kept_array(folder, np.asarray(request.rows))
        versions = fit_versions(entry(request.model_name).model_class)
        spelled = {**common, "versions": versions, "request": {**_request_spelled(request), "rows": rows}}
        text = json.dumps(spelled, sort_keys=True, allow_nan=False)
        path = folder / "tasks" / f"{request.name}_{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
        _write(path, text.encode())
        tasks.append(path)
    _sweep(folder, tasks)
    return tasks


def perform(task: Path) -> None:
    """Fit what a task file says and leave the result; a result that is there already is kept.

    Raises
    ------
    BadInputError, TooLittleHistoryError, FitError
        As the fit raises.
    FitError
        Sources or libraries are not those the task names, before the fit or once it is done: modules are imported as a
        fit needs them, so a change on the way may be in it.
    """
    if read_result(task) is not None:
        return
    spelled = json.loads(task.read_text(encoding="utf-8"))
    folder, plain = task.parents[1], dict(spelled["request"])
    rows, offered = plain.pop("rows"), plain.pop("candidates")
    request = FitRequest(
        **plain,
        rows=None if rows is None else _array(folder, rows),
        candidates=None if offered is None else Candidates.from_plain(offered),
    )
    _refuse_other_versions(task, request, spelled["versions"])
    fit = request.fit(
        _container_of(folder, spelled["data"]),
        spelled["kinds"],
        settings=SplitSettings(**spelled["settings"]),
        clock_us=_array(folder, spelled["clock_us"]),
        checkpoints=_checkpoints(task),
    )
    _refuse_other_versions(task, request, spelled["versions"])
    header = {
        "fit_decision_us": fit.fit_decision_us.tolist(),
        "watched_decision_us": fit.watched_decision_us.tolist(),
        "curves": {name: list(losses) for name, losses in fit.curves.items()},
        "choice": None if fit.choice is None else fit.choice.to_plain(),
    }
    write_folder(_result(task), seal(header, fit.member.to_files(), _HEADER))
    shutil.rmtree(_checkpoints(task), ignore_errors=True)


def read_result(task: Path) -> MemberFit | None:
    """The finished fit of a task; None if there is none yet, or a damaged one, which is removed."""
    place = _result(task)
    if not place.is_dir():
        return None
    try:
        header, payload = unseal(read_folder(place), _HEADER)
        member = FittedMember.from_files(payload)
    except IntegrityError:  # a power cut can leave a name without its bytes; fitting again is the remedy
        shutil.rmtree(place)
        return None
    return MemberFit(
        member=member,
        fit_decision_us=np.array(header["fit_decision_us"], dtype=np.int64),
        watched_decision_us=np.array(header["watched_decision_us"], dtype=np.int64),
        curves=header["curves"],
        choice=None if header["choice"] is None else FeatureChoice.from_plain(header["choice"]),
    )


def _refuse_other_versions(task: Path, request: FitRequest, named: Mapping[str, str]) -> None:
    found = versions_now(entry(request.model_name).model_class)
    changed = [
        f"{name} {named.get(name, 'absent')}, now {found.get(name, 'absent')}"
        for name in sorted({*named, *found})
        if named.get(name) != found.get(name)
    ]
    if changed:
        raise FitError(
            f"{task.stem}: the run began with {'; '.join(changed)}. One result cannot be of two versions: run it "
            "again, and leave code and libraries alone until it has ended; fits of earlier versions are made anew."
        )


def _request_spelled(request: FitRequest) -> dict[str, Any]:
    fields = (field.name for field in dataclasses.fields(request) if field.name != "rows")
    offered = None if request.candidates is None else request.candidates.to_plain()
    spelled = {"params": dict(request.params), "candidates": offered}
    return {name: getattr(request, name) for name in fields} | spelled


def _container_spelled(folder: Path, data: TimeSeriesDataContainer) -> dict[str, Any]:
    features = data.features
    values: dict[str, Any] = {name: _kept_array(folder, getattr(data, name)) for name in _ARRAYS}
    if isinstance(features, LazyWindows):
        shown = features.compacted()
        values["windows"] = {name: _kept_array(folder, getattr(shown, name)) for name in _WINDOWS}
        values["length"] = shown.length
    else:
        values["features"] = _kept_array(folder, features)
    return {**values, "feature_names": list(data.feature_names)}


def _container_of(folder: Path, spelled: dict[str, Any]) -> TimeSeriesDataContainer:
    arrays = {name: _array(folder, spelled[name]) for name in _ARRAYS}
    if "windows" in spelled:
        parts = {name: _array(folder, spelled["windows"][name]) for name in _WINDOWS}
        features: np.ndarray | LazyWindows = LazyWindows(**parts, length=spelled["length"])
    else:
        features = _array(folder, spelled["features"])
    names = tuple(spelled["feature_names"])
    return TimeSeriesDataContainer(**arrays, features=features, feature_names=names, roles=None)


def _kept_array(folder: Path, values: np.ndarray) -> str:
    """Digest under which an array lies in the folder; one that is there and intact is not written again."""
    digest = _array_digest(values)
    path = folder / "arrays" / f"{digest}.npy"
    if not _is_array(path, digest):
        partial = path.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.save(stream, values, allow_pickle=False)
        partial.replace(path)
    return digest


def _is_array(path: Path, digest: str) -> bool:
    try:
        return path.exists() and _array_digest(np.load(path, mmap_mode="r", allow_pickle=False)) == digest
    except (ValueError, EOFError, OSError):  # what a power cut left of it
        return False


def _array(folder: Path, digest: str) -> np.ndarray:
    """An array of the folder, mapped: processes that read the same one share its memory."""
    path = folder / "arrays" / f"{digest}.npy"
    # an empty array cannot be mapped
    mapped = path.stat().st_size > 1024
    return np.asarray(np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False))


def _array_digest(values: np.ndarray) -> str:
    columns_first = values.flags.f_contiguous and not values.flags.c_contiguous
    digest = hashlib.sha256(f"{values.dtype.str} {values.shape} {columns_first}".encode())
    digest.update(np.ascontiguousarray(values.T if columns_first else values).data.cast("B") if values.size else b"")
    return digest.hexdigest()[:32]


def _result(task: Path) -> Path:
    return task.parents[1] / "results" / task.stem


def _checkpoints(task: Path) -> Path:
    return task.parents[1] / "checkpoints" / task.stem


def _sweep(folder: Path, tasks: Iterable[Path]) -> None:
    """Remove what earlier attempts left of these names under other digests, and arrays no task mentions any more."""
    kept = {task.stem.rpartition("_")[0]: task.stem for task in tasks}
    for part in ("tasks", "results", "checkpoints"):
        for path in (folder / part).iterdir():
            name, _, digest = path.name.removesuffix(".json").rpartition("_")
            current = kept.get(name, path.name.removesuffix(".json"))
            if path.name.startswith(".") or f"{name}_{digest}" != current:
                _remove(path)
    mentioned = "".join(task.read_text(encoding="utf-8") for task in (folder / "tasks").iterdir())
    for path in (folder / "arrays").iterdir():
        if path.stem not in mentioned or path.suffix != ".npy":
            path.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)
