"""Read a raw folder, or one file of it, by its declaration.

The functions are pure: the same bytes under the same declaration give the same rows, so a caller may cache a file's
rows under (sha256 of the file, digest of the declaration) and parse it once.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration
from factory_assets.market.readers.declaration_file import load_declaration
from factory_assets.market.readers.detection import data_files, detect
from factory_assets.market.readers.limits import refuse_oversized
from factory_assets.market.readers.plausible import refuse_constant_volume, refuse_implausible
from factory_assets.market.readers.raw import FileRead, RawRead, file_sha256
from factory_assets.market.readers.registry import READERS
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.instruments import Instrument


def read_file(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Rows of one raw file.

    Raises
    ------
    BadInputError
        The file is not what the declaration says; the message names file, line and remedy.
    ForeignContractError
        The file holds another product.
    """
    found = READERS[declaration.format](path, instrument, declaration)
    refuse_implausible(path, found, declaration)
    return found


def declaration_of(folder: Path, instrument: Instrument) -> tuple[Declaration, list[Path]]:
    """Conventions and data files of a raw folder: declared in ``source.toml``, or proven by the files themselves.

    Raises
    ------
    AmbiguousFormatError
        No declaration, and the files do not prove their conventions.
    ForeignContractError
        The folder declares another contract.
    BadInputError
        No folder, no files, several formats, or a declaration that does not fit them or was never confirmed.
    """
    format_name, files = data_files(folder)
    declaration = load_declaration(folder) or detect(folder, instrument).declaration
    if not declaration.confirmed:
        raise BadInputError(
            f"{folder / DECLARATION_FILE}: a proposal that nobody has confirmed. Check every line of it against what "
            "the vendor says, then set confirmed = true. Nothing was read."
        )
    if declaration.reader != format_name:
        raise BadInputError(
            f"{folder / DECLARATION_FILE}: declares format {declaration.format!r}, but the folder holds "
            f"{len(files)} files of {format_name!r} (first: {files[0].name}). Correct one of the two."
        )
    if declaration.contract and declaration.contract != instrument.symbol:
        raise ForeignContractError(
            f"{folder / DECLARATION_FILE}: declares contract {declaration.contract!r}, but {instrument.symbol!r} is "
            f"being read. Nothing was read; name --contract {declaration.contract} or another folder."
        )
    return declaration, files


def read_folder(
    folder: Path,
    instrument: Instrument,
    *,
    read: Callable[[Path, Instrument, Declaration], FileRead] = read_file,
) -> RawRead:
    """Rows of all data files in a raw folder.

    Parameters
    ----------
    folder : Path
        Folder with the files of one contract in one format, and a ``source.toml`` unless they are DBN.
    instrument : Instrument
        Product the folder has to hold.
    read : callable
        Reads one file: :func:`read_file`, or something that remembers what it gave for the same bytes before.

    Returns
    -------
    RawRead
        Minutes sorted by expiry, time, file and row, counts, declaration, and a table of the files with their sha256.

    Raises
    ------
    AmbiguousFormatError, ForeignContractError, BadInputError
        As :func:`declaration_of` and :func:`read_file`.
    """
    declaration, files = declaration_of(folder, instrument)
    for path in files:  # before anything hashes or copies a file that no reader would open
        refuse_oversized(path, declaration.reader)
    parts = [read(path, instrument, declaration) for path in files]
    data = set(files)
    # A link to nothing is no file, but it was there to be counted.
    ignored = sum(1 for path in folder.iterdir() if not path.is_dir() and path not in data)
    whole = assemble(files, parts, declaration, files_ignored=ignored - (folder / DECLARATION_FILE).is_file())
    refuse_constant_volume(folder, whole.minutes, declaration)
    return whole


def assemble(
    files: Sequence[Path], parts: Sequence[FileRead], declaration: Declaration, *, files_ignored: int = 0
) -> RawRead:
    """One :class:`RawRead` from the rows of several files, parsed now or taken from a cache.

    Parameters
    ----------
    files : sequence of Path, shape (K,)
        The raw files, hashed here.
    parts : sequence of FileRead, shape (K,)
        Their rows, in the same order.
    declaration : Declaration
        Conventions the rows were read by.
    files_ignored : int
        Files in the folder that are no data.
    """
    sources = pd.DataFrame(
        {
            "source_file": [path.name for path in files],
            "sha256": [file_sha256(path) for path in files],
            "bytes": [path.stat().st_size for path in files],
            "rows_read": [part.rows_read for part in parts],
            "spread_rows": [part.spread_rows for part in parts],
            "superseded_rows": [part.superseded_rows for part in parts],
        }
    )
    minutes = _joined([part.minutes for part in parts])
    counts: dict[str, int | str] = {
        "files_read": len(files),
        "files_ignored": files_ignored,
        "rows_read": int(sources["rows_read"].sum()),
        "spread_rows": int(sources["spread_rows"].sum()),
        "superseded_rows": int(sources["superseded_rows"].sum()),
        "raw_rows": len(minutes),
        "ignored_columns": max((part.ignored_columns for part in parts), default=0),
        "volume_meaning": declaration.volume,
        "series": "continuous" if declaration.is_continuous else "months",
    }
    return RawRead(minutes=minutes, counts=counts, declaration=declaration, sources=sources)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of several files, sorted by expiry, time, file and row; a column is copied once to join and once to sort."""
    # Categories are in text order, so rows sort by text; the row number settles copies within one file.
    text = {
        name: union_categoricals([frame[name] for frame in frames], sort_categories=True)
        for name in ("source_file", "expiry")
    }
    file, expiry = (np.asarray(text[name].codes).astype(np.uint32) for name in ("source_file", "expiry"))
    row = np.concatenate([np.arange(len(frame)) for frame in frames])
    open_us = np.concatenate([times_us(frame["open_time"]) for frame in frames])
    # Files mostly come in the order of time: sorting by month alone, and stably, is then enough.
    order = np.argsort(expiry.astype(np.uint16) if len(text["expiry"].categories) < 1 << 16 else expiry, kind="stable")
    if not _increasing((expiry[order], open_us[order], file[order], row[order])):
        order = np.lexsort((row, file, open_us, expiry))
    columns: dict[str, object] = {
        "source_file": text["source_file"].take(order),
        "source_row": row[order],
        "expiry": text["expiry"].take(order),
        "open_time": from_us(open_us[order]),
    }
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = np.concatenate([frame[name].to_numpy(dtype=np.float64) for frame in frames])[order]
    return pd.DataFrame(columns, copy=False)


def _increasing(keys: Sequence[np.ndarray]) -> bool:
    """Whether rows come in the order of their keys, the first key first."""
    undecided = np.ones(max(0, len(keys[0]) - 1), dtype=bool)
    for values in keys:
        if bool((undecided & (values[1:] < values[:-1])).any()):
            return False
        undecided &= values[1:] == values[:-1]
    return True
