"""What each vendor's format settles by itself, and what it leaves open and a person therefore has to declare.

One entry a format. ``fixed`` are the keys of ``source.toml`` the vendor settles, ``asked`` those it leaves open, each
with the reason: they are never guessed. Where a vendor does not name the delivery month (``names_months``), the
folder declares ``expiry``, ``[expiry_of_file]`` or (months already joined by the vendor) ``[expiry_from]``.

NinjaTrader 8, Historical Data window, export of minute bars of data type *Last*: no header, ``;`` between six fields
``yyyyMMdd HHmmss;open;high;low;close;volume``, times in UTC, a bar stamped with its end, volume in contracts, one
instrument and delivery month a file. Such files are named after both (``MES 09-26.Last.txt``); the rows name neither.

HistData, *Generic ASCII* bars of one minute: the very same shape, but eastern standard time all year round, the bar's
start, quoted bids of spot products, and a volume that is always 0. The rows cannot tell the two apart, so neither is
ever assumed.

FirstRateData: ``yyyy-MM-dd HH:mm:ss,open,high,low,close,volume``, US eastern time with daylight saving, the bar's
start, minutes without a trade absent, volume in contracts. Files come without a header; one that names these six
columns in this order is accepted. Its continuous futures come unadjusted (``contin_UNadj``) and adjusted: only the
former hold traded prices, and the latter fail the tick check.

TradeStation, *Save As* of the Data Window: quoted header, month first in the date, a bar stamped with its end.
Depending on a setting of the chart times are the computer's or the exchange's, and ``Up`` and ``Down`` count contracts
or ticks: both are asked. A bar's volume is their sum. Indicators of the chart follow as further columns.

TradingView, *Export chart data*: ``time,open,high,low,close`` in lower case, ``time`` as seconds since 1970 UTC or in
ISO 8601 with an offset, the bar's start; ``Volume`` and plots of indicators follow if the chart shows them. Whether
volume is contracts or ticks depends on the symbol's feed: it is asked.

MetaTrader 5, *Export Bars*: tab-separated ``<DATE> <TIME> <OPEN> <HIGH> <LOW> <CLOSE> <TICKVOL> <VOL> <SPREAD>``,
the bar's start, in the zone of the broker's trade server, which no file names: it is asked. Many servers keep New York
time plus seven hours, which no IANA zone does: ``timezone = "America/New_York+07:00"``. ``<TICKVOL>`` counts price
changes; ``<VOL>`` contracts, where the broker passes them on, else 0: which of the two is asked.

Databento CSV, QuantConnect Lean and ProjectX have readers of their own, which state their conventions:
:mod:`~factory_assets.market.readers.databento_csv`, :mod:`~factory_assets.market.readers.lean`,
:mod:`~factory_assets.market.readers.projectx`.

References
----------
NinjaTrader, "NinjaTrader 8 Help Guide: Exporting" (format of the text files, UTC, end-of-bar stamps).
HistData.com, "Data files: detailed specification" (fields, bid quotes, EST without daylight saving).
FirstRate Data, "Futures API documentation" (csv in archives, ``contin_adj`` and ``contin_UNadj``); zone and stamp were
checked on two weeks of NQ: minutes run from 18:00 to 16:59 New York time, on Thanksgiving to 12:59.
TradeStation Help, "Data Window" (saving, Up and Down), "ASCII 3rd party data guidelines" (Time: closing time of the
bar, month first), "Changing the time zone in a chart" (local or exchange). MultiCharts Wiki, "UpTicks" (the same
function: up ticks or up volume, as the chart is set).
TradingView, exports found in public repositories (header, seconds or ISO with offset, plots as columns); Pine Script
reference, ``time`` (UNIX time of the bar's open).
MetaQuotes, MQL5 reference, "MqlRates" (time: period start; tick_volume, real_volume), exports found in public
repositories (header, tabs); MQL5 article 9929, "Dealing with time (part 2)" (servers change their clock by the rules of
New York or of Europe).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from factory_assets.market.expiry import MONTH_CODES, parse_expiry

_NAMED = re.compile(r"(?P<root>[A-Z0-9]{1,6}) (?P<month>0[1-9]|1[0-2])-(?P<year>[0-9]{2})(?:\.(?P<kind>[A-Za-z]+))?\.")


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What a vendor's format says of itself.

    Attributes
    ----------
    vendor : str
        Who writes it, for messages and provenance.
    reader : str
        Kind of file: a key of ``declaration.FORMATS``.
    fixed : mapping
        Keys of the declaration the format settles; the user may not give them.
    usual : mapping
        Keys that have another value than elsewhere unless the user gives them.
    asked : mapping of str to str
        Keys the format leaves open, with the reason; the user has to give them.
    names_months : bool
        Whether the files name the delivery month of their rows, so that none is declared.
    fields : int
        Fields of a line, if the format has that many and no other.
    optional_header : tuple of frozenset of str
        Names (lower case) a first line may hold in each field of a format that otherwise has no header.
    volume_columns : mapping of str to tuple of tuple of str
        By volume meaning: the columns that may hold it, each choice a group of columns to add up. Empty if ``fixed``
        names the column.
    """

    vendor: str
    reader: str
    fixed: Mapping[str, Any]
    usual: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    names_months: bool = False
    fields: int = 0
    optional_header: tuple[frozenset[str], ...] = ()
    volume_columns: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)


def _numbered(*names: str) -> Mapping[str, object]:
    return MappingProxyType({name: number for number, name in enumerate(names, start=1)})


_PRICES = ("open", "high", "low", "close")
_SIX_FIELDS = _numbered("time", *_PRICES, "volume")
_SEMICOLONS = {"delimiter": ";", "header": False, "time_format": "%Y%m%d %H%M%S"}
# Formats whose reader knows the columns and how times are written.
_OWN_READER = {"columns": MappingProxyType({}), "header": True, "delimiter": ",", "volume": "contracts"}
_OWN_READER |= {"time_format": "iso8601"}
_UP_AND_DOWN = (("Up", "Down"), ("Vol",), ("Volume",))

CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "ninjatrader8": Convention(
            vendor="NinjaTrader 8",
            reader="csv",
            fixed=MappingProxyType(
                {
                    **_SEMICOLONS,
                    "bar_label": "close",
                    "timezone": "UTC",
                    "volume": "contracts",
                    "columns": _SIX_FIELDS,
                }
            ),
            fields=6,
        ),
        "histdata": Convention(
            vendor="HistData",
            reader="csv",
            fixed=MappingProxyType(
                {
                    **_SEMICOLONS,
                    "bar_label": "open",
                    "timezone": "EST",
                    "volume": "none",
                    "columns": _numbered("time", *_PRICES),
                }
            ),
            fields=6,
        ),
        "firstrate": Convention(
            vendor="FirstRateData",
            reader="csv",
            fixed=MappingProxyType(
                {
                    "delimiter": ",",
                    "header": False,
                    "time_format": "%Y-%m-%d %H:%M:%S",
                    "bar_label": "open",
                    "timezone": "America/New_York",
                    "volume": "contracts",
                    "columns": _SIX_FIELDS,
                }
            ),
            fields=6,
            optional_header=(
                frozenset({"timestamp", "datetime", "date"}),
                *(frozenset({name}) for name in (*_PRICES, "volume")),
            ),
        ),
        "tradestation": Convention(
            vendor="TradeStation",
            reader="csv",
            fixed=MappingProxyType(
                {
                    "delimiter": ",",
                    "header": True,
                    "bar_label": "close",
                    "columns": MappingProxyType({name: name.title() for name in ("date", "time", *_PRICES)}),
                }
            ),
            usual=MappingProxyType({"time_format": "%m/%d/%Y %H:%M"}),
            asked=MappingProxyType(
                {
                    "timezone": "charts show the computer's or the exchange's time (Format Symbol, Settings, Time "
                    "Zone), and the file does not say which, e.g. 'America/Chicago' for exchange time of CME products",
                    "volume": "'contracts' or 'ticks': Up and Down count either, as the chart is set (For volume, use)",
                }
            ),
            volume_columns=MappingProxyType({"contracts": _UP_AND_DOWN, "ticks": _UP_AND_DOWN}),
        ),
        "tradingview": Convention(
            vendor="TradingView",
            reader="csv",
            fixed=MappingProxyType(
                {
                    "delimiter": ",",
                    "header": True,
                    "bar_label": "open",
                    "columns": MappingProxyType({name: name for name in ("time", *_PRICES)}),
                }
            ),
            asked=MappingProxyType(
                {
                    "volume": "'contracts' for an exchange's future, 'ticks' where the symbol's feed only counts price "
                    "changes, 'none' if the chart showed no volume"
                }
            ),
            volume_columns=MappingProxyType(
                {"contracts": (("Volume",), ("volume",)), "ticks": (("Volume",), ("volume",))}
            ),
        ),
        "metatrader5": Convention(
            vendor="MetaTrader 5",
            reader="csv",
            fixed=MappingProxyType(
                {
                    "delimiter": "\t",
                    "header": True,
                    "time_format": "%Y.%m.%d %H:%M:%S",
                    "bar_label": "open",
                    "columns": MappingProxyType({name: f"<{name.upper()}>" for name in ("date", "time", *_PRICES)}),
                }
            ),
            asked=MappingProxyType(
                {
                    "timezone": "the clock of the broker's trade server, which no file names; ask the broker, e.g. "
                    "'America/New_York+07:00', 'Europe/Athens' or 'UTC'",
                    "volume": "'contracts' reads <VOL>, 'ticks' reads <TICKVOL> (many brokers leave <VOL> at 0)",
                }
            ),
            volume_columns=MappingProxyType({"contracts": (("<VOL>",),), "ticks": (("<TICKVOL>",),)}),
        ),
        "databento_csv": Convention(
            vendor="Databento",
            reader="csv",
            fixed=MappingProxyType({**_OWN_READER, "bar_label": "open", "timezone": "UTC"}),
        ),
        "lean": Convention(
            vendor="QuantConnect Lean",
            reader="lean",
            fixed=MappingProxyType({**_OWN_READER, "bar_label": "open"}),
            asked=MappingProxyType(
                {
                    "timezone": "the data time zone of Lean's market-hours database, whose midnight the rows count "
                    "from: 'UTC' for the futures QuantConnect hosts"
                }
            ),
            names_months=True,
        ),
        "projectx": Convention(
            vendor="ProjectX Gateway",
            reader="projectx",
            fixed=MappingProxyType({**_OWN_READER, "timezone": ""}),
            asked=MappingProxyType(
                {"bar_label": "'open' or 'close': ProjectX documents t only as a time; compare with a chart"}
            ),
        ),
    }
)
"""Formats that settle conventions of their own; a format that is not here is described by its declaration alone."""


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
