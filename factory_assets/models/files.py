"""Sealed sets of files: a header that lists every other file with its sha256, and its own.

Belongs here: the bytes and names of a saved model and the refusals on reading them. Does not: what the bytes mean
(:mod:`factory_assets.models.base` and each model) or where the store keeps them.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from factory_assets.vocabulary.errors import BadInputError, IntegrityError

HEADER = "model.json"
FORMAT = 1
FILE_BYTES_MAX = 512 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\.(json|txt|safetensors)")


def seal(header: Mapping[str, Any], payload: Mapping[str, bytes], header_name: str = HEADER) -> dict[str, bytes]:
    """Payload plus a header file that lists it.

    Parameters
    ----------
    header : mapping
        What describes the payload; JSON values only, finite numbers only.
    payload : mapping of str to bytes
        Files by plain name.
    header_name : str
        Name of the header file; sets may be nested, each with a header of its own.

    Returns
    -------
    dict of str to bytes
        The payload and the header.
    """
    for name in (*payload, header_name):
        _refuse_name(name)
    if header_name in payload:
        raise IntegrityError(f"{header_name!r} is the header's name; the payload cannot hold a file of that name")
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(payload.items())}
    described = {**header, "format": FORMAT, "files": listed}
    described["digest"] = _digest(described)
    return {**payload, header_name: _spelled(described)}


def unseal(files: Mapping[str, bytes], header_name: str = HEADER) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Header and payload of a sealed set, every hash verified before anything of the payload is parsed.

    Raises
    ------
    IntegrityError
        No or damaged header, files missing, files that are not listed, names that are no plain file names, or bytes
        that do not hash to what the header says.
    """
    for name in files:
        _refuse_name(name)
    if header_name not in files:
        raise IntegrityError(f"saved files: {header_name} is missing; got {sorted(files)}. Save them again.")
    header = _parsed(files[header_name], header_name)
    listed = header["files"]
    missing, extra = sorted({*listed} - {*files}), sorted({*files} - {*listed, header_name})
    if missing or extra:
        raise IntegrityError(f"saved files: files missing {missing}, files not listed {extra}; nothing was read")
    wrong = [name for name, known in listed.items() if hashlib.sha256(files[name]).hexdigest() != known]
    if wrong:
        raise IntegrityError(f"saved files: bytes of {wrong} do not hash to what {header_name} says; nothing was read")
    return header, {name: files[name] for name in listed}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a sealed set into a new folder; the folder appears whole or not at all.

    Raises
    ------
    BadInputError
        If the folder exists and is not empty.
    """
    for name in files:
        _refuse_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInputError(f"{folder}: exists and is not an empty folder; name a new one, nothing was written")
    partial = folder.with_name(f".{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    for name, data in files.items():
        with (partial / name).open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    partial.replace(folder)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Bytes of every file of a saved model's folder; nothing is parsed.

    Raises
    ------
    BadInputError
        If the folder does not exist.
    IntegrityError
        Symlinks, folders, names that are no plain file names, or files over the size limit.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise BadInputError(f"{folder}: expected the folder of a saved model")
    files: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise IntegrityError(f"{path}: expected a plain file, not a link or folder; nothing was read")
        _refuse_name(path.name)
        if path.stat().st_size > FILE_BYTES_MAX:
            raise IntegrityError(f"{path}: larger than the limit of {FILE_BYTES_MAX} bytes; nothing was read")
        files[path.name] = path.read_bytes()
    return files


def _refuse_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise IntegrityError(
            f"file name {name!r}: expected a plain lower-case .json, .txt or .safetensors name without folders"
        )


def _spelled(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, indent=1, allow_nan=False).encode()


def _digest(header: Mapping[str, Any]) -> str:
    return hashlib.sha256(_spelled({key: value for key, value in header.items() if key != "digest"})).hexdigest()


def _parsed(data: bytes, header_name: str) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        raise IntegrityError(f"saved files: {header_name} is damaged: {problem}. Save them again.") from problem
    if not isinstance(header, dict) or not isinstance(header.get("files"), dict):
        raise IntegrityError(f"saved files: {header_name} is damaged: it lists no files. Save them again.")
    try:
        # The one spelling as well: a byte changed between two values would not change their digest.
        intact = header.get("digest") == _digest(header) and _spelled(header) == data
    except ValueError as problem:
        raise IntegrityError(f"saved files: {header_name} is damaged: {problem}. Save them again.") from problem
    if not intact:
        raise IntegrityError(f"saved files: {header_name} does not hash to its own digest. Save them again.")
    if header.get("format") != FORMAT:
        raise IntegrityError(f"saved files: format {header.get('format')!r}, this version reads {FORMAT}")
    return header
