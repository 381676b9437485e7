"""The assets, one file a phase, in data order.

Belongs here: asset bodies, which are glue (read, one domain call, publish). Does not: finance, plots, bytes. An asset
names its upstream by output name, so the files are imported in data order: whoever reads comes after who makes.
"""

from functools import cache
from importlib import import_module

import dagster as dg

FILES = (
    "market",
    "quality",
    "features",
    "feature_page",
    "study",
    "labels",
    "splits",
    "adapters",
    "models",
    "feature_choice",
    "stacking",
    "evaluation",
    "deployment",
    "reports",
    "test_report",
    "nightly",
    "forward",
)


@cache
def all_assets() -> tuple[dg.AssetsDefinition, ...]:
    """Every asset definition of the factory, in data order."""
    found: dict[int, dg.AssetsDefinition] = {}
    for name in FILES:
        for value in vars(import_module(f"{__name__}.{name}")).values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, dg.AssetsDefinition):
                    found[id(item)] = item
    return tuple(found.values())
