"""The outcome of one invariant: what a producer evaluates once and the manifest keeps for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One invariant of one partition, evaluated by its producer before anything is written.

    Attributes
    ----------
    name : str
        Name of the invariant, e.g. ``"no_interval_overlap"``; the asset check carries the same name.
    passed : bool
        Whether it holds.
    summary : str
        One sentence with the counts behind the verdict: what was compared and what was found.
    details : mapping of str to scalar
        Figures shown in the UI and kept in the manifest.
    blocking : bool
        False for invariants that only warn.
    """

    name: str
    passed: bool
    summary: str
    details: Mapping[str, Scalar] = field(default_factory=dict)
    blocking: bool = True
