"""Vendor files to raw minutes, by conventions a folder declares or proves.

Belongs here: one file a format, the declaration (``source.toml``), detection with evidence, and the reading of a
folder. Does not: judging rows (:mod:`factory_assets.market.quality`) or choosing between delivery months
(:mod:`factory_assets.market.rolls`). A new vendor format is an entry in ``conventions.CONVENTIONS`` and a line in
``registry.READERS``, with a reader of its own only if its files are of a new kind.
"""

from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.declaration_file import declaration_from, load_declaration, load_declaration_file
from factory_assets.market.readers.detection import Detection, data_files, detect, propose
from factory_assets.market.readers.folder import assemble, declaration_of, read_file, read_folder
from factory_assets.market.readers.proposals import Proposal
from factory_assets.market.readers.raw import FileRead, RawRead, file_sha256

__all__ = [
    "Declaration",
    "Detection",
    "FileRead",
    "Proposal",
    "RawRead",
    "assemble",
    "data_files",
    "declaration_from",
    "declaration_of",
    "detect",
    "file_sha256",
    "load_declaration",
    "load_declaration_file",
    "propose",
    "read_file",
    "read_folder",
]
