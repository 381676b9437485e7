"""Names that may become part of a path, and the folder of a partition.

Everything that reaches a path passes an allow-list first: partition keys by construction
(:class:`~factory_assets.vocabulary.partition.PartitionKey`), table, group and file names here. A name that starts with
a dot, climbs with ``..``, or holds a separator where none belongs never reaches the file system.
"""

import re

from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.partition import PartitionKey

_WORD = re.compile(r"[a-z][a-z0-9_]{0,79}", re.ASCII)
_FILE_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", re.ASCII)
_SUFFIX = re.compile(r"[a-z0-9]{1,12}", re.ASCII)
_DEPTH_LIMIT = 6


def safe_word(name: str, what: str) -> str:
    """A table or group name that may be a folder: lower-case letters, digits and underscores.

    Raises
    ------
    BadInputError
        If the name is anything else.
    """
    if not isinstance(name, str) or _WORD.fullmatch(name) is None:
        raise BadInputError(f"{what} {name!r}: expected lower-case letters, digits and underscores, e.g. bars_5min")
    return name


def is_word(name: str) -> bool:
    """Whether :func:`safe_word` accepts a name; a folder with another name is not the store's."""
    return _WORD.fullmatch(name) is not None


def safe_file_name(name: str) -> str:
    """The logical name of a published file: segments of letters, digits, dot, dash and underscore, split by ``/``.

    Raises
    ------
    BadInputError
        If a segment is empty, starts with a dot, holds another character, or there are too many of them.
    """
    segments = name.split("/") if isinstance(name, str) else []
    if not 0 < len(segments) <= _DEPTH_LIMIT or any(_FILE_SEGMENT.fullmatch(s) is None for s in segments):
        raise BadInputError(f"file name {name!r}: expected a relative name such as models/fold_0.txt, without '..'")
    return name


def suffix_of(name: str) -> str:
    """Suffix a stored part carries: the file's own when it is plain, ``bin`` otherwise."""
    _, dot, suffix = name.rpartition(".")
    return suffix if dot and _SUFFIX.fullmatch(suffix) is not None else "bin"


def partition_path(group: str, table: str, key: PartitionKey) -> str:
    """Folder of a partition relative to the store's root: ``group/table/CONTRACT[/HORIZON]``."""
    base = f"{safe_word(group, 'group')}/{safe_word(table, 'table')}/{key.contract}"
    return base if key.horizon is None else f"{base}/{key.horizon}"


def lock_name(group: str, table: str, key: PartitionKey) -> str:
    """File name of a partition's lock."""
    return partition_path(group, table, key).replace("/", ".") + ".lock"


def known_key(contract: str, horizon: str | None) -> PartitionKey | None:
    """Partition key of two folder names; None if no table of the vocabulary knows them."""
    if horizon is not None and not (horizon.isascii() and horizon.isdigit()):
        return None
    try:
        return PartitionKey(contract, None if horizon is None else int(horizon))
    except UnknownNameError:
        return None
