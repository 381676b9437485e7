"""Which function reads which format: one line a format, closed, and the list every shared test runs over."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from factory_assets.market.readers.databento import read_dbn
from factory_assets.market.readers.databento_csv import read_databento_csv
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.delimited import read_csv
from factory_assets.market.readers.lean import read_lean
from factory_assets.market.readers.ninjatrader import read_ninjatrader
from factory_assets.market.readers.parquet import read_parquet
from factory_assets.market.readers.projectx import read_projectx
from factory_assets.market.readers.raw import FileRead
from factory_assets.market.readers.vendor import read_vendor
from factory_assets.vocabulary.instruments import Instrument

Reader: TypeAlias = Callable[[Path, Instrument, Declaration], FileRead]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "csv": read_csv,
        "databento_csv": read_databento_csv,
        "databento_dbn": read_dbn,
        "firstrate": read_vendor,
        "histdata": read_vendor,
        "lean": read_lean,
        "metatrader5": read_vendor,
        "ninjatrader8": read_ninjatrader,
        "parquet": read_parquet,
        "projectx": read_projectx,
        "tradestation": read_vendor,
        "tradingview": read_vendor,
    }
)
"""Reader of each format a ``source.toml`` may declare."""
