"""What a round trip costs at each decision, in points.

Neighbours: the figures live in :mod:`factory_assets.vocabulary.instruments`, the volatility state in
:mod:`factory_assets.indicators`. A cost is charged once, where an outcome is booked, and nowhere else.
"""

import numpy as np

from factory_assets.indicators import high_volatility
from factory_assets.vocabulary.instruments import Instrument


def decision_costs(
    atr_pct: np.ndarray, trade_day: np.ndarray, instrument: Instrument, sessions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Round-trip cost of a trade decided at each base bar, and whether it is the high one.

    Parameters
    ----------
    atr_pct : ndarray of float64, shape (N,)
        ATR% of base bars, NaN while warming up.
    trade_day : ndarray of int32, shape (N,)
        Session of each bar, days since 1970, never decreasing.
    instrument : Instrument
        Whose ticks and fees apply.
    sessions : int
        Trailing sessions in which ATR% is ranked; with fewer, the high cost is charged.

    Returns
    -------
    cost : ndarray of float64, shape (N,)
        Ticks x tick size, points. Known at the bar's close.
    high : ndarray of bool, shape (N,)
        Whether the high cost applies.

    Examples
    --------
    >>> from factory_assets.vocabulary.instruments import instrument
    >>> cost, high = decision_costs(np.array([0.001]), np.array([0], np.int32), instrument("MES"), sessions=20)
    >>> float(cost[0]), bool(high[0])
    (0.625, True)
    """
    high = high_volatility(atr_pct, trade_day, sessions=sessions)
    low_cost = instrument.cost_price(high_volatility=False)
    return np.where(high, instrument.cost_price(high_volatility=True), low_cost), high
