"""What Databento's binary and text files have in common: scales, record types, names of continuous series.

References
----------
Databento, "DBN encoding" (prices in parts of 1e-9, the undefined price, record types) and "Standards and conventions:
Symbology" (continuous contracts: root, roll rule c, v or n, and rank).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.instruments import Instrument

PRICE_SCALE = 1e9
"""Integer prices are counted in parts of a point of this number."""
UNDEFINED_PRICE = (1 << 63) - 1
"""Integer that stands for a price Databento does not know."""
RTYPE_OHLCV_1M = 33
"""Record type of one-minute bars."""
OTHER_BARS: Mapping[int, str] = MappingProxyType({32: "ohlcv-1s", 34: "ohlcv-1h", 35: "ohlcv-1d", 36: "ohlcv-eod"})
"""Record types of bars that are not of one minute."""
_CONTINUOUS = re.compile(r"(?P<root>[A-Z0-9]{1,6})\.[cvn]\.[0-9]{1,2}")


def is_continuous(name: str) -> bool:
    """Whether a symbol is a rule (``MGC.c.0``) and names no instrument."""
    return _CONTINUOUS.fullmatch(name) is not None


def refuse_other_series(names: list[str], instrument: Instrument, where: str) -> None:
    """Refuse rows under continuous symbology that are not one series of the product.

    Parameters
    ----------
    names : list of str
        Symbols in use (``MGC.c.0``); none if there are no rows.
    instrument : Instrument
        Product they have to be of.
    where : str
        File, for messages.

    Raises
    ------
    ForeignContractError
        A symbol of another product.
    BadInputError
        No continuous symbol, or several series, whose months would overlap unseen.
    """
    found = [(name, _CONTINUOUS.fullmatch(name)) for name in names]
    strange = [name for name, match in found if match is None]
    if strange:
        raise BadInputError(
            f"{where}: {strange[:5]!a} are no continuous symbols as {instrument.symbol}.c.0. Download the file again, "
            "under one symbology."
        )
    foreign = [name for name, match in found if match is not None and match["root"] != instrument.symbol]
    if foreign:
        raise ForeignContractError(
            f"{where}: holds {foreign[:5]}, which are not {instrument.symbol}. Nothing was read; keep one product a "
            "folder and ingest this file under its own contract."
        )
    if len(names) > 1:
        raise BadInputError(
            f"{where}: holds several continuous series {names[:5]}. Request one of them a folder, or parent symbology "
            f"({instrument.symbol}.FUT) for all months."
        )
