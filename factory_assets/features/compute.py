"""Features of bars: the one function that research, backtest and live call."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.registry import registry
from factory_assets.vocabulary.frames import from_days, from_us


def compute(
    bars: pd.DataFrame,
    names: Sequence[str] | None = None,
    *,
    minutes: int | None = None,
    regimes: RegimeTable | None = None,
) -> pd.DataFrame:
    """Compute features of one contract's bars of one timeframe.

    A value is known at its row's ``close_time`` and depends on that bar and earlier ones only. Computed from the last
    ``lookback_bars(minutes)`` bars it is the same as from all history, within the declared tolerance: a live run calls
    this very function on the trailing bars and takes the last row. What rests on parameters that are estimated once a
    quarter (:attr:`FeatureSpec.reads_regimes`) needs those of all history there, as ``regimes``.

    Parameters
    ----------
    bars : DataFrame
        Columns of a ``bars_*`` table with ``contract``, in time order; times timezone-aware.
    names : sequence of str, optional
        Features to compute, in this order; all of :func:`catalogue` by default.
    minutes : int, optional
        Timeframe; by default the most common length of the bars.
    regimes : RegimeTable, optional
        Parameters of the hidden Markov model in force; estimated from these bars by default, for which they have to be
        all history (:func:`factory_assets.features.regimes_of`).

    Returns
    -------
    DataFrame
        ``close_time``, ``trade_date``, then one float64 column a feature; NaN only while a feature warms up, and on
        every row of features that read volume (:attr:`FeatureSpec.reads_volume`) where no bar has a volume (all NaN:
        the vendor records none).

    Raises
    ------
    BadInputError
        Missing columns, rows out of order, prices that are not finite and positive, volume on some bars only, bars
        outside their session, ``names`` that is one text, regime parameters of another timeframe.
    ForeignContractError
        Bars of two contracts, or regime parameters of another one.
    NaiveTimestampError
        Times without a time zone.
    UnknownNameError
        A contract, timeframe or feature that does not exist.

    Examples
    --------
    >>> compute(bars_5min, ["rsi_14", "minutes_to_flat"])  # doctest: +SKIP
    """
    chosen = registry().select(names)
    arrays = Bars.from_frame(bars, minutes, regimes=regimes)
    wanted = [spec.name for spec in chosen]
    values = evaluate(arrays, registry().families, wanted)
    columns = {"close_time": from_us(arrays.close_us), "trade_date": from_days(arrays.trade_day), **values}
    # No copy into one block: the columns are this frame's own, and a copy would double the memory.
    return pd.DataFrame(columns, copy=False)


def regimes_of(bars: pd.DataFrame, minutes: int | None = None) -> RegimeTable:
    """Parameters of the hidden Markov model of one contract's bars of one timeframe, quarter by quarter.

    Each quarter's are known before its first session opens: they are estimated from the 120 complete sessions before
    it. A quarter without as many has none.

    Parameters
    ----------
    bars : DataFrame
        All history, as for :func:`compute`.
    minutes : int, optional
        Timeframe; by default the most common length of the bars.

    Raises
    ------
    BadInputError, ForeignContractError, NaiveTimestampError, UnknownNameError
        As :func:`compute`.
    """
    return Bars.from_frame(bars, minutes).regime_table


def evaluate(bars: Bars, families: Sequence[FeatureFamily], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Values of the named features, each float64 of shape (N,), running only the families that have one of them.

    Features that read volume are NaN on every row of a series without volume, whatever their formula makes of NaN.
    """
    if len(bars) == 0:
        return {name: np.zeros(0) for name in names}
    found: dict[str, np.ndarray] = {}
    if not bars.has_volume:
        masked = {spec.name for each in families for spec in each.specs if spec.reads_volume}
        found = {name: np.full(len(bars), np.nan) for name in names if name in masked}
    wanted = set(names) - set(found)
    for each in families:
        if not wanted.isdisjoint(each.names):
            found.update((name, array) for name, array in each.evaluate(bars).items() if name in wanted)
    return {name: found[name] for name in names}
