"""Phases 1 and 2: vendor files to canonical minutes, and minutes to nine timeframes.

Belongs here: sessions, readers, validity rules, the roll rule, the canonical series, the ladder, simulated worlds, and
the invariants of all of them. Does not: anything that predicts (:mod:`factory_assets.features`), writes tables
(:mod:`factory_assets.storage`) or knows Dagster (:mod:`factory_assets.orchestration`). Everything is plain functions
from values to values.
"""

from factory_assets.market.adjustment import adjusted_prices, traded_prices
from factory_assets.market.canonical import Canonical, build_canonical
from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import Gaps, find_gaps
from factory_assets.market.invariants import canonical_invariants, ladder_invariants
from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers import RawRead, detect, read_file, read_folder
from factory_assets.market.rolls import FrontChoice, choose_fronts, next_front, roll_ratio
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.market.synthetic import simulate, write_world

__all__ = [
    "Canonical",
    "FrontChoice",
    "Gaps",
    "RawRead",
    "SessionCalendar",
    "Sessions",
    "adjusted_prices",
    "build_canonical",
    "build_ladder",
    "canonical_invariants",
    "choose_fronts",
    "detect",
    "find_gaps",
    "ladder_invariants",
    "next_front",
    "read_file",
    "read_folder",
    "roll_ratio",
    "session_coverage",
    "simulate",
    "traded_prices",
    "write_world",
]
