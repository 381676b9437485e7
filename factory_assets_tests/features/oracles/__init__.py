"""Every feature once more, in plain Python loops written from its definition and sharing no code with the catalogue.

An oracle takes the past of a row (:class:`Past`, lists ending with the row) and returns one number. Recursive
indicators run from the first bar of history. One module a group, as in the catalogue.
"""

from . import (
    bar_shape,
    calendar_time,
    microstructure,
    moving_averages,
    regime,
    returns,
    session,
    statistical,
    traded,
    trend,
    volatility,
    volume,
    wavelets,
)
from .past import Past

__all__ = ["ORACLES", "Past"]

_GROUPS = (
    returns,
    bar_shape,
    moving_averages,
    trend,
    volatility,
    volume,
    microstructure,
    statistical,
    regime,
    wavelets,
    session,
    calendar_time,
    traded,
)
ORACLES = {name: oracle for group in _GROUPS for name, oracle in group.ORACLES.items()}
assert len(ORACLES) == sum(len(group.ORACLES) for group in _GROUPS), "one feature has two oracles"
