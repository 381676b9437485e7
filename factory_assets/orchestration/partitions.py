"""The two partition families, each one shared object: ``contract`` and ``contract x horizon``.

Dagster sorts the dimensions of a multi-partition key by name; ``contract`` comes before ``horizon``, so a key reads
``MES|20`` everywhere.
"""

import dagster as dg

from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.timeframes import HORIZONS_BARS

CONTRACT = dg.StaticPartitionsDefinition(sorted(INSTRUMENTS))
CONTRACT_HORIZON = dg.MultiPartitionsDefinition(
    {"contract": CONTRACT, "horizon": dg.StaticPartitionsDefinition([str(h) for h in HORIZONS_BARS])}
)
