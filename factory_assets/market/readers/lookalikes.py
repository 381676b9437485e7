"""The one shape that two vendors write with different meanings: what speaks for either, for a person to decide.

``yyyyMMdd HHmmss;open;high;low;close;volume`` without a header comes from NinjaTrader 8 (UTC, stamped at the bar's
end) and from HistData (fixed eastern time, stamped at its start). How many minutes fall into sessions under either
reading is evidence, never a verdict: a daytime file fits both.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from factory_assets.market.readers.conventions import CONVENTIONS, named_file
from factory_assets.market.readers.declaration import Declaration, toml_value
from factory_assets.market.readers.delimited import Sniffed
from factory_assets.market.readers.times import open_times_us
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

_STAMP = re.compile(r"[0-9]{8} [0-9]{6}")
_LINES_READ = 50_000
_READINGS = (
    ("NinjaTrader 8 (UTC, stamped at the close)", "close", "UTC"),
    ("HistData (fixed EST, stamped at the open)", "open", "EST"),
)


def has_shared_shape(facts: Sniffed) -> bool:
    """Whether a file's first lines have the shape both vendors write."""
    convention = CONVENTIONS["ninjatrader8"]
    return (
        not facts.header
        and facts.delimiter == convention.fixed["delimiter"]
        and len(facts.first) == convention.fields
        and _STAMP.fullmatch(facts.first[0].strip()) is not None
    )


def lookalike_evidence(path: Path, instrument: Instrument) -> str:
    """Sentences on both vendors: what either would mean, and how its minutes fall into the contract's sessions."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        stamps = pd.Series(
            [line.split(";", 1)[0].strip() for line, _ in zip(stream, range(_LINES_READ), strict=False) if line.strip()]
        )
    calendar = SessionCalendar.of(instrument)
    found = []
    for vendor, label, zone in _READINGS:
        reading = Declaration(format="csv", bar_label=label, timezone=zone, time_format="%Y%m%d %H%M%S")
        try:
            open_us = open_times_us(stamps, reading, str(path), lambda row: row + 1)
            inside = int((calendar.covering(open_us).locate(open_us) >= 0).sum())
        except BadInputError:  # damaged lines are named when the file is read; here they only end the evidence
            return "NinjaTrader 8 and HistData both write this shape, with different meanings."
        found.append(f"as {vendor} {inside} of {len(stamps)} minutes lie in {instrument.symbol} sessions")
    return f"NinjaTrader 8 and HistData both write this shape, with different meanings: {'; '.join(found)}."


def ninjatrader_proposal(files: Sequence[Path], instrument: Instrument) -> str:
    """Commented lines to declare instead if NinjaTrader 8 wrote the files; months are proposed from names alone."""
    names = [(path.name, named_file(path.name)) for path in files]
    lines = ["If NinjaTrader 8 wrote the files, write these lines instead of all above:"]
    lines += ['format = "ninjatrader8"', f"contract = {toml_value(instrument.symbol)}"]
    if len(files) == 1 and names[0][1] is None:
        month = f"{instrument.symbol}{instrument.delivery_months[0]}6"
        lines.append(f'expiry = "{month}"         # to be filled in: the delivery month of all rows')
    else:
        lines.append("[expiry_of_file]            # the delivery month of each file, as its name says")
        lines += [
            f"{toml_value(name)} = " + ("...   # to be filled in" if named is None else toml_value(named.expiry))
            for name, named in names
        ]
    return "".join(f"# {line}\n" for line in lines)
