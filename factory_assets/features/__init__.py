"""Phase 3, features: what a bar and the bars before it say, one registry entry a feature.

Belongs here: the catalogue (one file a group), the function that computes it, the pools that adapters choose from, and
the certificate that no feature reads the future. Does not: kernels that labels need too
(:mod:`factory_assets.indicators`), joining features to decisions, scaling or selection
(:mod:`factory_assets.adapters`).
"""

from factory_assets.features.causality import certify
from factory_assets.features.compute import compute, regimes_of
from factory_assets.features.pools import column_name, sequence_pool, tabular_pool
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.registry import catalogue
from factory_assets.features.spec import FeatureSpec

__all__ = [
    "FeatureSpec",
    "RegimeTable",
    "catalogue",
    "certify",
    "column_name",
    "compute",
    "regimes_of",
    "sequence_pool",
    "tabular_pool",
]
