"""What a raw folder says about itself: the small ``source.toml`` beside the files.

Vendors' formats of one shape differ in time zone and bar label, and no look at the rows can tell them apart; a wrong
guess shifts every bar by a minute or by hours. So the folder declares it, once, in words.
Neighbours: :mod:`factory_assets.market.readers.declaration_file` reads and judges the file,
:mod:`factory_assets.market.readers.detection` proposes one, :mod:`factory_assets.market.readers.folder` reads by one.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import TypeAlias

from factory_assets.market.readers.conventions import CONVENTIONS
from factory_assets.vocabulary.errors import BadInputError

DECLARATION_FILE = "source.toml"
FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "databento_dbn": (".dbn", ".dbn.zst"),
        "csv": (".csv", ".txt", ".csv.zst"),
        "lean": ("_trade.zip",),
        "parquet": (".parquet",),
        "projectx": (".json",),
    }
)
"""Formats that have a reader, and how their files end; those of ``CONVENTIONS`` are read by one of these readers."""
SELF_DESCRIBING: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "databento_dbn": frozenset({"format", "contract", "confirmed", "expiry_from"}),
        "databento_csv": frozenset(
            {"format", "contract", "confirmed", "expiry", "expiry_of_file", "expiry_of_instrument", "expiry_from"}
        ),
    }
)
"""Formats that state their own conventions, with the only keys their declaration may have."""
BAR_LABELS = ("open", "close")
NO_VOLUME = "none"
VOLUME_MEANINGS = ("contracts", "ticks", NO_VOLUME)
CALENDARS = ("gregorian", "buddhist")
TIME_FORMATS_EPOCH: Mapping[str, str] = MappingProxyType(
    {"epoch_s": "s", "epoch_ms": "ms", "epoch_us": "us", "epoch_ns": "ns"}
)
ISO_TIME = "iso8601"
REQUIRED_COLUMNS = ("time", "open", "high", "low", "close", "volume")
OPTIONAL_COLUMNS = ("date", "expiry")
TABLES = ("expiry_of_file", "expiry_of_instrument", "expiry_from", "columns")
_SHIFTED_ZONE = re.compile(r"(?P<zone>.+)(?P<sign>[+-])(?P<hours>[01]\d):(?P<minutes>[0-5]\d)")
_QUIET = ("skip_lines", "calendar", "confirmed")
Place: TypeAlias = str | int | tuple[str | int, ...]
"""A column by name, or by its number from 1 if there is no header; several are added up (volume only)."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Conventions of one raw folder.

    Attributes
    ----------
    format : str
        ``databento_dbn``, ``csv``, ``parquet``, or a vendor's format of
        :data:`~factory_assets.market.readers.conventions.CONVENTIONS` (``ninjatrader8``), which settles most of the
        keys below. DBN describes itself and takes no further key than ``contract`` and ``[expiry_from]``.
    contract : str
        Product the files hold (``MGC``); has to be the partition they are read into.
    bar_label : str
        ``open`` if a row is stamped with the start of its minute, ``close`` if with its end. A wrong value makes
        every decision one minute early or late.
    timezone : str
        Zone of times without an offset (``UTC``, ``America/New_York``, ``EST`` for fixed eastern time, or a clock that
        keeps a fixed distance to a zone, ``America/New_York+07:00``); empty only if every time carries its own offset.
    time_format : str
        ``iso8601``, ``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns`` or a strptime pattern (``%Y%m%d %H%M%S``).
    delimiter : str
        Field separator of CSV files.
    header : bool
        Whether the first line of a CSV file names the columns.
    skip_lines : int
        Lines of a CSV file in front of the header, or of the first row: a title, or a header that names fewer columns
        than there are (then ``header`` is false and ``columns`` are numbers).
    calendar : str
        ``gregorian``, or ``buddhist`` if dates count years of the Buddhist era (2566 is 2023).
    volume : str
        ``contracts`` traded, ``ticks`` (number of trades) where a vendor has nothing better, or ``none``: no volume is
        read, it is NaN in every row, and what depends on it is masked.
    vendor : str
        Who the files come from, for provenance; a vendor's format knows it.
    confirmed : bool
        False in a declaration that ``factory ingest --detect`` wrote and nobody has checked yet: nothing is read by it.
    expiry : str
        Delivery month of all rows (``MESU6``) if no column names it.
    expiry_of_file : mapping of str to str
        Delivery month of each file, if every file holds one and none names it.
    expiry_of_instrument : mapping of str to str
        Delivery month (or combination, ``MGCG6-MGCJ6``) of each instrument id, where a Databento CSV has no symbols.
    expiry_from : mapping of str to str
        Delivery month by first trade date (``"2023-09-14" = "NQZ3"``) where the vendor already joined the months to
        one unadjusted series; ascending, the first at or before the first row.
    columns : mapping of str to (str or int or tuple)
        Where to find ``time``, ``open``, ``high``, ``low``, ``close``, ``volume`` and optionally ``date`` (put in
        front of ``time`` with a space) and ``expiry``: a column name, or its number from 1 if there is no header.
        ``volume`` may be several columns, which are added up.
    """

    format: str
    contract: str = ""
    bar_label: str = "open"
    timezone: str = ""
    time_format: str = ISO_TIME
    delimiter: str = ","
    header: bool = True
    skip_lines: int = 0
    calendar: str = "gregorian"
    volume: str = "contracts"
    vendor: str = ""
    confirmed: bool = True
    expiry: str = ""
    expiry_of_file: Mapping[str, str] = field(default_factory=dict)
    expiry_of_instrument: Mapping[str, str] = field(default_factory=dict)
    expiry_from: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Place] = field(default_factory=dict)

    @property
    def reader(self) -> str:
        """Format whose reader takes the files: a key of :data:`FORMATS`."""
        return CONVENTIONS[self.format].reader if self.format in CONVENTIONS else self.format

    @property
    def is_continuous(self) -> bool:
        """Whether the vendor joined the months, so that they do not overlap."""
        return bool(self.expiry_from)

    @property
    def vendor_name(self) -> str:
        """Who the files come from, for provenance: declared, or known by the format; else ``undeclared``."""
        if self.vendor:
            return self.vendor
        if self.format in CONVENTIONS:
            return CONVENTIONS[self.format].vendor
        return "Databento" if self.format == "databento_dbn" else "undeclared"

    @property
    def clock(self) -> str:
        """Zone of the times, for provenance: declared, settled by the format, or ``offset in every time``."""
        if self.timezone:
            return self.timezone
        settled = self.format in SELF_DESCRIBING or self.time_format in TIME_FORMATS_EPOCH
        return "UTC" if settled else "offset in every time"

    @property
    def has_volume(self) -> bool:
        """Whether a volume is read at all."""
        return self.volume != NO_VOLUME

    def settles(self, key: str) -> bool:
        """Whether the format itself settles a key, so that ``source.toml`` may not give it and no remedy may ask it."""
        if self.format in SELF_DESCRIBING:
            return key not in SELF_DESCRIBING[self.format]
        return self.format in CONVENTIONS and key in CONVENTIONS[self.format].fixed

    def expiry_in(self, file_name: str) -> str:
        """Delivery month of all rows of one file, where no column names it.

        Raises
        ------
        BadInputError
            ``[expiry_of_file]`` does not list the file.
        """
        if not self.expiry_of_file:
            return self.expiry
        if file_name not in self.expiry_of_file:
            raise BadInputError(
                f"{file_name}: [expiry_of_file] in {DECLARATION_FILE} does not list this file (it lists "
                f"{sorted(self.expiry_of_file)[:5]}). Add a line with its delivery month, as "
                f"{toml_value(file_name)} = {toml_value((self.contract or 'MES') + 'U6')}."
            )
        return self.expiry_of_file[file_name]

    def digest(self) -> str:
        """Sha256 of the declaration; with a file's own hash it identifies what reading the file yields."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain |= {name: dict(sorted(plain[name].items())) for name in TABLES}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """Text of the ``source.toml`` that declares this."""
        names = {f.name for f in fields(self)}
        if self.format in SELF_DESCRIBING:
            names &= SELF_DESCRIBING[self.format]
        elif self.format in CONVENTIONS:
            names -= CONVENTIONS[self.format].fixed.keys()
        elif self.reader != "csv":
            names -= {"delimiter", "header", "skip_lines"}
        usual = {f.name: f.default for f in fields(self) if f.name in _QUIET}
        lines = [
            f"{name} = {toml_value(getattr(self, name))}"
            for name in (f.name for f in fields(self))
            if name in names and name not in TABLES and getattr(self, name) not in ("", usual.get(name))
        ]
        for table in TABLES:
            if (rows := getattr(self, table)) and table in names:
                lines += ["", f"[{table}]", *(f"{toml_key(name)} = {toml_value(row)}" for name, row in rows.items())]
        return "\n".join(lines) + "\n"


def settled_declaration(format_name: str) -> Declaration:
    """What a vendor's format settles and usually has, as a declaration; what it leaves open is at its default."""
    convention = CONVENTIONS[format_name]
    return Declaration(**{**convention.usual, **convention.fixed, "format": format_name})


def toml_value(value: str | int | bool | tuple[str | int, ...]) -> str:
    """Text of one value in a TOML file."""
    # JSON and TOML write strings alike, but for two escapes: pairs of surrogates, and the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """Text of one key in a TOML file."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def shifted_zone(timezone: str) -> tuple[str, timedelta]:
    """IANA zone of a declared ``timezone``, and how far the vendor's clock runs ahead of it.

    Examples
    --------
    >>> shifted_zone("America/New_York+07:00")
    ('America/New_York', datetime.timedelta(seconds=25200))
    >>> shifted_zone("UTC")
    ('UTC', datetime.timedelta(0))
    """
    found = _SHIFTED_ZONE.fullmatch(timezone)
    if found is None:
        return timezone, timedelta(0)
    ahead = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return found["zone"], ahead if found["sign"] == "+" else -ahead
