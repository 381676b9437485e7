"""What a field of the settings may be set to, declared beside its default."""

from dataclasses import dataclass
from typing import Any

ALLOWED = "allowed"
"""Key of a field's metadata under which its bounds are found."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What a field may be set to by the file; for a tuple, what each of its distinct elements may be."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    one_of: tuple[str | int, ...] = ()
    length_min: int = 0
    fixed_because: str = ""

    def problem(self, name: str, value: Any, default: Any) -> str | None:
        """What is wrong with a value of the right type; None if nothing is."""
        if self.fixed_because:
            return None if value == default else f"{name} is fixed at {default!r}, got {value!r}: {self.fixed_because}"
        if not isinstance(value, tuple):
            return None if self._holds(value) else f"expected {self._words(name)}, got {value!r}"
        outside = [item for item in value if not self._holds(item)]
        if outside:
            return f"expected {self._words(f'each of {name}')}, got {outside!r}"
        if len(set(value)) < len(value) or len(value) < self.length_min:
            return f"expected {name} to be at least {self.length_min} values, all different, got {list(value)!r}"
        return None

    def _holds(self, value: Any) -> bool:
        if self.one_of:
            return value in self.one_of
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def _words(self, name: str) -> str:
        if self.one_of:
            return f"{name} to be one of {list(self.one_of)}"
        bounds = {">=": self.at_least, ">": self.above, "<=": self.at_most, "<": self.below}
        return f"{name} " + " and ".join(f"{sign} {bound}" for sign, bound in bounds.items() if bound is not None)


def allow(**bounds: Any) -> dict[str, Any]:
    """Metadata of a field: the values the file may set it to, by the fields of :class:`Allowed`."""
    return {ALLOWED: Allowed(**bounds)}
