"""Formats whose vendor fixes every convention: naming the vendor in ``source.toml`` is the whole declaration.

NinjaTrader 8, Historical Data window, export of minute bars of data type *Last*: no header, ``;`` between six fields
``yyyyMMdd HHmmss;open;high;low;close;volume``, times in UTC, a bar stamped with its end, volume in contracts, one
instrument and delivery month a file. Such files are named after both (``MES 09-26.Last.txt``); the rows name neither.

HistData's ASCII bars of one minute have the very same shape, but fixed eastern standard time and the bar's start: the
rows cannot tell the two apart, so neither is ever assumed.

References
----------
NinjaTrader, "NinjaTrader 8 Help Guide: Exporting" (format of the text files, UTC, end-of-bar stamps).
HistData.com, "Data files: detailed specification" (generic ASCII bars: EST without daylight saving).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from factory_assets.market.expiry import MONTH_CODES, parse_expiry

_NAMED = re.compile(r"(?P<root>[A-Z0-9]{1,6}) (?P<month>0[1-9]|1[0-2])-(?P<year>[0-9]{2})(?:\.(?P<kind>[A-Za-z]+))?\.")


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What a vendor's format says of itself.

    Attributes
    ----------
    reader : str
        Format whose reader takes the files.
    fixed : mapping
        Keys of the declaration the format settles; the user may not give them.
    fields : int
        Fields of a line.
    """

    reader: str
    fixed: Mapping[str, object]
    fields: int


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "ninjatrader8": Convention(
            reader="csv",
            fixed=MappingProxyType(
                {
                    "bar_label": "close",
                    "timezone": "UTC",
                    "time_format": "%Y%m%d %H%M%S",
                    "delimiter": ";",
                    "header": False,
                    "volume": "contracts",
                    "columns": MappingProxyType({"time": 1, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6}),
                }
            ),
            fields=6,
        )
    }
)


@dataclass(frozen=True)
class NamedFile:
    """What a file's name says in NinjaTrader's manner.

    Attributes
    ----------
    root : str
        Product (``MES``).
    month, year : int
        Delivery month, and the last two digits of its year.
    kind : str
        ``last`` (trades), ``bid``, ``ask`` (quotes), or empty.
    """

    root: str
    month: int
    year: int
    kind: str

    @property
    def expiry(self) -> str:
        """Expiry as the exchange names it, with two digits of the year (``MESU26``)."""
        return f"{self.root}{MONTH_CODES[self.month - 1]}{self.year:02d}"

    def agrees(self, expiry: str) -> bool:
        """Whether a declared expiry can be the one in the name; years are compared in the digits both have."""
        parts = parse_expiry(expiry)
        if parts is None or (parts.root, parts.month) != (self.root, self.month):
            return False
        return f"{self.year:02d}".endswith(parts.year_digits[-2:])


def named_file(name: str) -> NamedFile | None:
    """Instrument, month and kind of prices in a file name; None for a name of another manner.

    Examples
    --------
    >>> named_file("MES 09-26.Last.txt").expiry
    'MESU26'
    >>> named_file("mes_sep26.txt") is None
    True
    """
    found = _NAMED.match(name)
    if found is None:
        return None
    return NamedFile(found["root"], int(found["month"]), int(found["year"]), (found["kind"] or "").lower())
