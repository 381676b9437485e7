"""Regime parameters for tests whose bars are too few to estimate any: invented ones, of the right size."""

import numpy as np

from factory_assets.features import RegimeTable
from factory_assets.features.bars import Bars
from factory_assets.features.regime_estimation import quarters_of
from factory_assets.features.regime_table import RegimeQuarter

TRANSITION = ((0.95, 0.04, 0.01), (0.03, 0.94, 0.03), (0.01, 0.09, 0.9))


def invented_regimes(frame, minutes=None) -> RegimeTable:
    """No parameters in the first quarter of the bars, invented ones in every later one.

    They have the size of the bars' returns and change from quarter to quarter.
    """
    bars = Bars.from_frame(frame, minutes)
    size = float(np.mean(bars.squared_return))
    quarters = []
    for at, (begin, end) in enumerate(quarters_of(bars)):
        before = bars.trade_day[bars.trade_day < begin]
        estimated = at > 0 and len(before) > 0
        quarters.append(
            RegimeQuarter(
                valid_from=begin,
                valid_to=end,
                known_day=int(before[-1]) if len(before) else int(bars.trade_day[0]),
                sessions=120 if estimated else 0,
                rows=len(before) if estimated else 0,
                first_day=int(before[0]) if estimated else None,
                variance=tuple(size * (1.0 + 0.1 * at) * share for share in (0.2, 0.8, 3.0)) if estimated else None,
                transition=TRANSITION if estimated else None,
            )
        )
    return RegimeTable(contract=bars.instrument.symbol, minutes=bars.minutes, quarters=tuple(quarters))
