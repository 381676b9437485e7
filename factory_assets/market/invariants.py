"""The market's invariants under one name: canonical bars and the ladder above them.

Each is recomputed along another way than its builder's; see :mod:`factory_assets.market.canonical_invariants` and
:mod:`factory_assets.market.ladder_invariants`.
"""

from factory_assets.market.canonical_invariants import canonical_invariants
from factory_assets.market.ladder_invariants import ladder_invariants

__all__ = ["canonical_invariants", "ladder_invariants"]
