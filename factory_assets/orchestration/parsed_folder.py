"""A raw folder read through the store's memory of parsed files: what was parsed before is not parsed again.

Rows are kept under the hash of the file's bytes and a recipe: the file's name (a declaration may go by it), the
declaration, and the versions of the code and of the libraries that parse.
"""

import hashlib
import json
from dataclasses import fields
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa

from factory_assets.market.readers import Declaration, FileRead, RawRead, file_sha256, read_file, read_folder
from factory_assets.storage import Parsed, ParsedFiles
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.frames import to_frame
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.partition import PartitionKey

_PARSING_LIBRARIES = ("databento-dbn", "numpy", "pandas", "pyarrow")
_FIGURES = tuple(field.name for field in fields(FileRead) if field.name != "minutes")


class ParsedFolder:
    """Reads raw folders of one contract. What was newly parsed is kept only when the caller says so.

    Parameters
    ----------
    parsed : ParsedFiles
        The store's memory.
    product : Instrument
        Contract the files belong to.

    Attributes
    ----------
    parsed_count, known_count : int
        Files that were parsed, and files that were known, since this was made.
    """

    def __init__(self, parsed: ParsedFiles, product: Instrument) -> None:
        self._parsed = parsed
        self._product = product
        self._key = PartitionKey(product.symbol)
        self._new: dict[tuple[str, str], FileRead] = {}
        self.parsed_count = self.known_count = 0

    def read(self, folder: Path) -> RawRead:
        """:func:`factory_assets.market.readers.read_folder`, from memory where there is one."""
        return read_folder(folder, self._product, read=self._file)

    def keep(self) -> None:
        """Remember what was parsed since the last time."""
        for (sha256, recipe), found in self._new.items():
            self._parsed.keep(self._key, sha256, recipe, _packed(found))
        self._new.clear()

    def forget_others(self, read: RawRead) -> int:
        """Remove what is remembered of files that are not among those read; how many files of the store that were."""
        return self._parsed.retain(self._key, set(read.sources["sha256"]))

    def _file(self, path: Path, product: Instrument, declaration: Declaration) -> FileRead:
        place = file_sha256(path), _recipe(path.name, declaration)
        if place in self._new:
            return self._new[place]
        known = self._parsed.find(self._key, *place)
        if known is not None:
            self.known_count += 1
            return _unpacked(known, path.name)
        self.parsed_count += 1
        self._new[place] = read_file(path, product, declaration)
        return self._new[place]


def _recipe(file_name: str, declaration: Declaration) -> str:
    whole = [file_name, declaration.digest(), code_version(), _libraries()]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


@cache
def _libraries() -> str:
    return " ".join(f"{name} {version(name)}" for name in _PARSING_LIBRARIES)


def _packed(found: FileRead) -> Parsed:
    table = pa.Table.from_pandas(found.minutes.drop(columns="source_file"), preserve_index=False)
    return Parsed(table, {name: int(getattr(found, name)) for name in _FIGURES})


def _unpacked(known: Parsed, file_name: str) -> FileRead:
    minutes = to_frame(known.table)
    # A file without outright rows has no name to be categorical about.
    minutes["expiry"] = minutes["expiry"].astype("category")
    minutes.insert(0, "source_file", pd.Categorical.from_codes([0] * len(minutes), [file_name]))
    return FileRead(minutes=minutes, **known.figures)
