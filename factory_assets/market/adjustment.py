"""Traded prices to adjusted ones and back: the roll map chained forward from the first delivery month.

Two ways to close the jump at a roll. By **ratio**, adjusted = traded x the product of the ratios so far: percentage
moves are those of the month held, which is what features use. By **difference**, adjusted = traded - the sum of the
differences so far: moves in points are those of the month held, which is what point-based charts use. Both chain
*forward*, so a later roll never changes an earlier price, and both leave the first month as it traded. P&L, barriers
and tick checks use traded prices, which both ways give back exactly.

Belongs here: the chains and their application. Neighbour: :mod:`factory_assets.market.roll_map` measures each join.
"""

from fractions import Fraction

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import dates_days

METHODS = ("ratio", "difference")
_PRICES = ("open", "high", "low", "close")


def adjustment_ratios(trade_day: np.ndarray, rolls: pd.DataFrame) -> np.ndarray:
    """Factor from traded to adjusted price of each session, float64 shape (N,).

    Parameters
    ----------
    trade_day : ndarray of int, shape (N,)
        Sessions as days since 1970, in any order.
    rolls : DataFrame
        Per ``schemas.ROLLS``: ``trade_date`` (increasing) and ``ratio``.

    Returns
    -------
    ndarray
        Product of the ratios of all rolls up to and including the session, 1 before the first; known at the
        session's open (:func:`factory_assets.market.roll_map.roll_map` names the exception).
    """
    chain = np.concatenate([[1.0], np.cumprod(rolls["ratio"].to_numpy(dtype=np.float64))])
    return chain[_rolls_so_far(trade_day, rolls)]


def adjustment_differences(trade_day: np.ndarray, rolls: pd.DataFrame) -> np.ndarray:
    """Points to take off a traded price of each session, float64 shape (N,): the differences of the rolls so far.

    Parameters and times as for :func:`adjustment_ratios`, with ``difference`` in the roll map; 0 before the first roll.
    """
    chain = np.concatenate([[0.0], np.cumsum(rolls["difference"].to_numpy(dtype=np.float64))])
    return chain[_rolls_so_far(trade_day, rolls)]


def adjusted_prices(bars: pd.DataFrame, rolls: pd.DataFrame, method: str = "ratio") -> pd.DataFrame:
    """Bars of any timeframe with ``open``, ``high``, ``low`` and ``close`` adjusted.

    Parameters
    ----------
    bars : DataFrame
        ``canonical_bars`` or ``bars_*``: ``trade_date`` and traded prices in points.
    rolls : DataFrame
        The roll map of the same contract, per ``schemas.ROLLS``.
    method : str
        ``"ratio"`` or ``"difference"``. Difference-adjusted prices may fall to zero or below over many rolls; they
        have no meaningful returns in percent.

    Returns
    -------
    DataFrame
        The bars with adjusted prices, other columns as they were. A value is known when its bar is.

    Raises
    ------
    UnknownNameError
        Another method.
    BadInputError
        Columns missing, a roll map out of order or with a ratio not above zero.

    Examples
    --------
    >>> bars = pd.DataFrame({"trade_date": pd.to_datetime(["2022-01-26", "2022-01-27"]), "close": [1800.0, 1804.0]})
    >>> bars = bars.assign(open=bars["close"], high=bars["close"], low=bars["close"])
    >>> rolls = pd.DataFrame({"trade_date": pd.to_datetime(["2022-01-27"]), "ratio": [0.5], "difference": [4.0]})
    >>> adjusted_prices(bars, rolls, "difference")["close"].tolist()
    [1800.0, 1800.0]
    """
    days = _checked(bars, rolls, method)
    if method == "ratio":
        factor = adjustment_ratios(days, rolls)
        return bars.assign(**{name: bars[name].to_numpy(dtype=np.float64) * factor for name in _PRICES})
    points = adjustment_differences(days, rolls)
    return bars.assign(**{name: bars[name].to_numpy(dtype=np.float64) - points for name in _PRICES})


def traded_prices(bars: pd.DataFrame, rolls: pd.DataFrame, tick_size: float, method: str = "ratio") -> pd.DataFrame:
    """Adjusted bars back to the prices that traded, exactly: the nearest price on the tick grid.

    Parameters
    ----------
    bars : DataFrame
        What :func:`adjusted_prices` returned.
    rolls : DataFrame
        The same roll map; more rolls at its end change nothing.
    tick_size : float
        Smallest price step in points. Adjusting rounds by about 1e-16 of the price and a tick is many times that, so
        the grid tells the traded price without doubt.
    method : str
        The method they were adjusted by.

    Returns
    -------
    DataFrame
        Bars whose prices are, bit for bit, the decimal multiples of the tick that traded.

    Raises
    ------
    UnknownNameError, BadInputError
        As :func:`adjusted_prices`; or prices that no price on the tick grid gives under this roll map and method.
    """
    days = _checked(bars, rolls, method)
    factor, points = adjustment_ratios(days, rolls), adjustment_differences(days, rolls)
    # A decimal grid is exact as whole number x numerator / denominator, not as whole number x binary tick.
    tick = Fraction(str(tick_size))
    found = {}
    for name in _PRICES:
        adjusted = bars[name].to_numpy(dtype=np.float64)
        about = adjusted / factor if method == "ratio" else adjusted + points
        ticks = np.rint(about * tick.denominator / tick.numerator)
        found[name] = ticks * tick.numerator / tick.denominator
        off = np.flatnonzero(~(np.abs(found[name] - about) <= 1e-3 * tick_size))
        if len(off):
            raise BadInputError(
                f"{name} of row {off[0]} would be {about[off[0]]!r}, {len(off)} rows in all: no multiple of the tick "
                f"{tick_size}. Expected bars that adjusted_prices made by method {method!r} with this roll map."
            )
    return bars.assign(**found)


def _rolls_so_far(trade_day: np.ndarray, rolls: pd.DataFrame) -> np.ndarray:
    return np.searchsorted(dates_days(rolls["trade_date"]), np.asarray(trade_day), side="right")


def _checked(bars: pd.DataFrame, rolls: pd.DataFrame, method: str) -> np.ndarray:
    """Sessions of the bars as days since 1970; refuses what cannot be adjusted."""
    if method not in METHODS:
        raise UnknownNameError(f"adjustment method {method!r}; expected one of {METHODS}")
    missing = [name for name in ("trade_date", *_PRICES) if name not in bars.columns]
    missing += [f"rolls.{name}" for name in ("trade_date", "ratio", "difference") if name not in rolls.columns]
    if missing:
        raise BadInputError(f"adjusting prices: columns {missing} missing; expected bars and their roll map")
    if (np.diff(dates_days(rolls["trade_date"])) <= 0).any():
        raise BadInputError("adjusting prices: the rolls are not in order of trade_date; sort the roll map")
    if not (np.isfinite(rolls["ratio"]) & (rolls["ratio"] > 0) & np.isfinite(rolls["difference"])).all():
        raise BadInputError("adjusting prices: a roll's ratio is not above zero, or its difference is not finite")
    return dates_days(bars["trade_date"])
