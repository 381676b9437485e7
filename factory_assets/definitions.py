"""The code location: the only object built at import time."""

from factory_assets.orchestration.build import build_definitions

defs = build_definitions()
