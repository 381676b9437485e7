"""Shared checks every registered model passes; none is skipped by name, only by what the entry declares.

Belongs here: what any model has to do whatever it is. Does not: what one model has to do (its own tests).
:data:`CHECKS` holds them by name; the tests run registry x checks, and a user's package runs :func:`check_model`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from factory_assets.models.checks import contract, learning, persistence, resuming, windows

Check = Callable[[str], None]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        name: getattr(module, name)
        for module in (contract, learning, persistence, resuming, windows)
        for name in sorted(vars(module))
        if name.startswith("check_")
    }
)


def check_model(name: str) -> None:
    """Run every shared check on one registered model.

    Parameters
    ----------
    name : str
        Registry name.

    Raises
    ------
    InvariantViolationError
        The first check that does not hold, saying what was expected and what came.
    """
    for check in CHECKS.values():
        check(name)


__all__ = ["CHECKS", "Check", "check_model"]
