"""Where a partition's values come from: vendor, conventions and raw files, on the manifest of everything made of them.

``raw_minutes`` says it of the folder it read; whatever reads a partition carries on what its manifest says. Inputs that
disagree, as when bars were appended between two of them, leave every answer standing beside the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from factory_assets.market.readers import Declaration, RawRead
from factory_assets.vocabulary.verdict import Scalar

PROVENANCE = ("vendor", "bar_label", "timezone", "volume_meaning", "series", "source_digest")
CONVENTIONS = "conventions"
"""Manifest figure of ``raw_minutes``: digest of what gives a row its meaning, whichever files there are."""
ROLLED_BY = "rolled_by"
"""Manifest figure of ``canonical_bars``: the roll rule its months were joined by, or ``vendor``."""
_BETWEEN = " | "


def provenance_of(read: RawRead) -> dict[str, str]:
    """What a raw folder's reading says of itself.

    Returns
    -------
    dict
        ``vendor``; ``bar_label`` (end of the minute that stamps a vendor's row); ``timezone`` of the vendor's times;
        ``volume_meaning`` (contracts, ticks or none); ``series`` (months, or continuous if the vendor joined them);
        ``source_digest``, the sha256 over the sorted sha256 of the raw files.
    """
    declaration = read.declaration
    return {
        "vendor": declaration.vendor_name,
        "bar_label": declaration.bar_label,
        "timezone": declaration.clock,
        "volume_meaning": declaration.volume,
        "series": "continuous" if declaration.is_continuous else "months",
        "source_digest": read.source_digest,
    }


def conventions_of(declaration: Declaration) -> str:
    """Digest of what a declaration says of rows, without what it says of files: vendor, contract and months."""
    bare = replace(declaration, contract="", vendor="", confirmed=True, expiry="", expiry_of_file={})
    return replace(bare, expiry_of_instrument={}, expiry_from={}).digest()


def carried_on(inputs: Iterable[Mapping[str, Scalar]]) -> dict[str, str]:
    """Provenance of what is made of several partitions, from the figures on their manifests."""
    told: dict[str, set[str]] = {}
    for figures in inputs:
        for name in PROVENANCE:
            if name in figures:
                told.setdefault(name, set()).update(str(figures[name]).split(_BETWEEN))
    return {name: _BETWEEN.join(sorted(answers)) for name, answers in told.items()}
