"""What a consumer gets from the store: content, the manifest it was verified against, and the reference to record."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from factory_assets.storage.manifest import InputRef, Manifest


@dataclass(frozen=True)
class Loaded:
    """A verified table.

    Attributes
    ----------
    table : pyarrow.Table
        The rows and columns asked for.
    manifest : Manifest
        What was current when it was read.
    ref : InputRef
        What a consumer passes on as its input.
    """

    table: pa.Table
    manifest: Manifest
    ref: InputRef


@dataclass(frozen=True)
class LoadedFiles:
    """Verified files.

    Attributes
    ----------
    files : mapping of str to bytes
        Logical name to content.
    manifest : Manifest
        What was current when they were read.
    """

    files: Mapping[str, bytes]
    manifest: Manifest

    @property
    def ref(self) -> InputRef:
        """What a consumer passes on as its input."""
        return self.manifest.ref()
