"""Vendor files to raw minutes, by conventions a folder declares or proves.

Belongs here: one file a format, the declaration (``source.toml``), detection with evidence, and the reading of a
folder. Does not: judging rows (:mod:`factory_assets.market.quality`) or choosing between delivery months
(:mod:`factory_assets.market.rolls`). A new vendor format is one file here and one line in ``declaration.FORMATS``, or
in ``conventions.CONVENTIONS`` if another format's reader takes its files.
"""

from factory_assets.market.readers.declaration import Declaration, declaration_from, load_declaration
from factory_assets.market.readers.detection import Detection, data_files, detect
from factory_assets.market.readers.folder import assemble, declaration_of, read_file, read_folder
from factory_assets.market.readers.raw import FileRead, RawRead, file_sha256

__all__ = [
    "Declaration",
    "Detection",
    "FileRead",
    "RawRead",
    "assemble",
    "data_files",
    "declaration_from",
    "declaration_of",
    "detect",
    "file_sha256",
    "load_declaration",
    "read_file",
    "read_folder",
]
