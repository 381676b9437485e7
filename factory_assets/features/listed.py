"""Names in the details of a verdict: the first ten, and how many more."""

from collections.abc import Collection

NAMES_SHOWN = 10


def listed(names: Collection[str]) -> str:
    """Sorted names as one text; empty for none."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_SHOWN} more" if len(ordered) > NAMES_SHOWN else ""
    return ", ".join(ordered[:NAMES_SHOWN]) + more
