"""Whether a contract's series has volume: written once with its features, carried to what is made of them.

Belongs here: the fact, its name in manifests and its words in the UI. Does not: which columns a series without volume
lacks (:mod:`factory_assets.features.pools`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from factory_assets.features.spec import FeatureSpec
from factory_assets.orchestration.materialization import Materialization

HAS_VOLUME = "has_volume"
"""Key in the manifest of every table of features, and of the adapters' tables."""


def has_volume(part: Materialization, upstream: str) -> bool:
    """Whether the series behind an upstream table has volume, as its manifest says.

    A table without a word on it was made when every series had to have volume.

    Parameters
    ----------
    part : Materialization
        Partition being made; it declared the table as upstream.
    upstream : str
        A ``features_*`` table, ``tabular`` or ``sequence``.
    """
    return bool(part.meta_of(upstream).get(HAS_VOLUME, True))


def volume_note(series_has_volume: bool, specs: Sequence[FeatureSpec]) -> Mapping[str, Any]:
    """What an asset's page says of a series without volume; nothing of one that has it.

    Parameters
    ----------
    series_has_volume : bool
        Whether it has.
    specs : sequence of FeatureSpec
        Features that are masked, or left out, if it has not: those of them that read volume are counted.
    """
    if series_has_volume:
        return {}
    return {"volume": f"masked because the series has no volume: {sum(spec.reads_volume for spec in specs)} features"}
