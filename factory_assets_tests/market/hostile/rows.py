"""What both readings of a raw file are compared by: one row, and an error where bytes have no single meaning."""

import math
import re
from dataclasses import dataclass

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_YEAR_1910_US, _SOLAR_US = -1_893_456_000_000_000, 1_800_000_000
_WORDS = {"nan", "-nan", "+nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}


class NoMeaningError(Exception):
    """The bytes do not say one thing: a reader has to refuse them."""


@dataclass(frozen=True)
class Row:
    """One bar as a file says it; prices and volume may be NaN."""

    expiry: str
    open_us: int
    values: tuple[float, float, float, float, float]

    def is_same(self, other: "Row") -> bool:
        """Equal in every field, NaN equal to NaN."""
        apart = abs(self.open_us - other.open_us)
        # Before 1910 libraries disagree on local time by minutes (mean solar time); no future traded then.
        same_time = apart == 0 or (self.open_us < _YEAR_1910_US and apart <= _SOLAR_US)
        return (
            self.expiry == other.expiry
            and same_time
            and all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(self.values, other.values, strict=True))
        )


def number_of(text: str) -> float:
    """A decimal number as every program writes it; underscores, commas, hexadecimals and other digits are none."""
    text = text.strip()
    if _NUMBER.fullmatch(text) is None and text.lower() not in _WORDS:
        raise NoMeaningError(f"{text[:40]!a} is no number")
    return float(text)


def is_outright(name: str, product: str) -> bool:
    """Whether a name is one month of the product; False for a combination.

    Raises
    ------
    NoMeaningError
        Neither of the two.
    """
    month = r"[FGHJKMNQUVXZ](?:[0-9]{4}|[0-9]{1,2})"
    if re.fullmatch(product + month, name):
        return True
    if re.search(r"[-+: ]", name) and product in name:
        return False
    raise NoMeaningError(f"{name[:40]!a} is no month of {product}")
