"""Read a raw folder, or one file of it, by its declaration.

The functions are pure: the same bytes under the same declaration give the same rows, so a caller may cache a file's
rows under (sha256 of the file, digest of the declaration) and parse it once.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from factory_assets.market.readers.databento import read_dbn
from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration, load_declaration
from factory_assets.market.readers.delimited import read_csv
from factory_assets.market.readers.detection import data_files, detect
from factory_assets.market.readers.ninjatrader import read_ninjatrader
from factory_assets.market.readers.parquet import read_parquet
from factory_assets.market.readers.raw import FileRead, RawRead, file_sha256
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
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
    if declaration.format == "databento_dbn":
        return read_dbn(path, instrument)
    if declaration.format == "ninjatrader8":
        return read_ninjatrader(path, instrument, declaration)
    if declaration.format == "parquet":
        return read_parquet(path, instrument, declaration)
    return read_csv(path, instrument, declaration)


def declaration_of(folder: Path, instrument: Instrument) -> tuple[Declaration, list[Path]]:
    """Conventions and data files of a raw folder: declared in ``source.toml``, or proven by the files themselves.

    Raises
    ------
    AmbiguousFormatError
        No declaration, and the files do not prove their conventions.
    ForeignContractError
        The folder declares another contract.
    BadInputError
        No folder, no files, several formats, or a declaration that does not fit them.
    """
    format_name, files = data_files(folder)
    declaration = load_declaration(folder) or detect(folder, instrument).declaration
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


def read_folder(folder: Path, instrument: Instrument) -> RawRead:
    """Rows of all data files in a raw folder.

    Parameters
    ----------
    folder : Path
        Folder with the files of one contract in one format, and a ``source.toml`` unless they are DBN.
    instrument : Instrument
        Product the folder has to hold.

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
    parts = [read_file(path, instrument, declaration) for path in files]
    read = set(files)
    # A link to nothing is no file, but it was there to be counted.
    ignored = sum(1 for path in folder.iterdir() if not path.is_dir() and path not in read)
    return assemble(files, parts, declaration, files_ignored=ignored - (folder / DECLARATION_FILE).is_file())


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
        }
    )
    frames = [part.minutes for part in parts]
    minutes = pd.concat([frame.drop(columns=["source_file", "expiry"]) for frame in frames], ignore_index=True)
    for position, name in enumerate(("source_file", "expiry")):
        joined = union_categoricals([frame[name] for frame in frames], sort_categories=True)
        minutes.insert(position, name, joined)
    minutes.insert(1, "source_row", np.concatenate([np.arange(len(frame)) for frame in frames]))
    # Categories are in text order, so rows sort by text; the row number settles copies within one file.
    minutes = minutes.sort_values(["expiry", "open_time", "source_file", "source_row"], ignore_index=True)
    counts: dict[str, int | str] = {
        "files_read": len(files),
        "files_ignored": files_ignored,
        "rows_read": int(sources["rows_read"].sum()),
        "spread_rows": int(sources["spread_rows"].sum()),
        "raw_rows": len(minutes),
        "volume_meaning": declaration.volume,
    }
    return RawRead(minutes=minutes, counts=counts, declaration=declaration, sources=sources)
