"""The only code that writes data: immutable parts, atomic manifests, locks, and SQL over verified files.

Belongs here: bytes at rest and what makes them trustworthy (hashes, verdicts, lineage, locks, the append-only log, the
study file on disk, read-only SQL). Does not: what a table means (:mod:`factory_assets.vocabulary.schemas`), what a
study or a ledger entry says (:mod:`factory_assets.splits`, :mod:`factory_assets.evaluation`), release bundles
(:mod:`factory_assets.deployment`). Used by :mod:`factory_assets.orchestration` and :mod:`factory_assets.deployment`
alone. ``storage.sql`` is imported where it is used, since it loads DuckDB.
"""

from factory_assets.storage.append_log import AppendLog
from factory_assets.storage.loaded import Loaded, LoadedFiles
from factory_assets.storage.manifest import Blocked, InputRef, Manifest, Part
from factory_assets.storage.parsed_files import Parsed, ParsedFiles
from factory_assets.storage.store import Store, Swept
from factory_assets.storage.study_files import StudyFiles

__all__ = [
    "AppendLog",
    "Blocked",
    "InputRef",
    "Loaded",
    "LoadedFiles",
    "Manifest",
    "Parsed",
    "ParsedFiles",
    "Part",
    "Store",
    "StudyFiles",
    "Swept",
]
