"""How far the price jumps where the series changes month, before and after adjustment.

A good adjustment leaves at a roll no more than any other closed hour leaves: the market moved a little while it was
closed, and nothing else. A jump in adjusted prices beyond all ordinary session gaps says that the ratio is doubtful.
Neighbours: :mod:`factory_assets.market.roll_map` makes the ratios, :mod:`factory_assets.market.canonical_invariants`
checks them; here they are measured for a person to look at.
"""

import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import dates_days, from_days

_COLUMNS = ("trade_date", "from_expiry", "to_expiry", "ratio", "difference", "paired_minutes", "reason")
_ROUNDING_TICKS = 1e-6


def session_gaps(bars: pd.DataFrame, tick_size: float) -> pd.DataFrame:
    """Move from the last close of each session to the first open of the next one that has bars.

    Parameters
    ----------
    bars : DataFrame
        Table ``canonical_bars`` (``trade_date``, ``expiry``, ``open``, ``close``, ``adjustment_ratio``), in time order.
    tick_size : float
        Points a tick.

    Returns
    -------
    DataFrame
        One row a session but the first, known at its first minute's open: ``trade_date``, ``rolled`` (another month
        than the session before), ``close_before`` and ``open_after`` (traded points), ``traded_jump_ticks`` and
        ``adjusted_jump_ticks``. The adjusted jump is measured in points of the month entered, so that both are money
        of the same contract; without a roll the two are equal.
    """
    days = dates_days(bars["trade_date"])
    first = np.flatnonzero(np.diff(days)) + 1
    last = first - 1
    close, opening = bars["close"].to_numpy()[last], bars["open"].to_numpy()[first]
    ratio = bars["adjustment_ratio"].to_numpy()
    months = bars["expiry"].astype(str).to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "trade_date": from_days(days[first]),
            "rolled": months[first] != months[last],
            "close_before": close,
            "open_after": opening,
            "traded_jump_ticks": (opening - close) / tick_size,
            "adjusted_jump_ticks": (opening - close * ratio[last] / ratio[first]) / tick_size,
        }
    )


def roll_jumps(bars: pd.DataFrame, rolls: pd.DataFrame, tick_size: float) -> pd.DataFrame:
    """Roll map with the jump at each roll, traded and adjusted, beside the gaps of ordinary sessions.

    Parameters
    ----------
    bars, rolls : DataFrame
        Tables ``canonical_bars`` and ``rolls``.
    tick_size : float
        Points a tick.

    Returns
    -------
    DataFrame
        One row a roll: the columns of ``rolls``, those of :func:`session_gaps`, ``difference_jump_ticks`` (what is left
        if the distance of the two months is subtracted instead), and ``ordinary_share``: the share of session gaps
        without a roll that are at least as large as the adjusted jump (1 is an unremarkable roll, 0 a jump that no
        ordinary session shows; NaN if there is no ordinary gap).
    """
    gaps = session_gaps(bars, tick_size)
    ordinary = np.sort(gaps.loc[~gaps["rolled"], "adjusted_jump_ticks"].abs().to_numpy())
    jumps = rolls[list(_COLUMNS)].merge(gaps.drop(columns="rolled"), on="trade_date", how="left")
    size = jumps["adjusted_jump_ticks"].abs().to_numpy() - _ROUNDING_TICKS
    moved = jumps["open_after"] - jumps["close_before"] - jumps["difference"]
    jumps["difference_jump_ticks"] = moved / tick_size
    at_least = len(ordinary) - np.searchsorted(ordinary, size, side="left")
    jumps["ordinary_share"] = at_least / len(ordinary) if len(ordinary) else np.nan
    return jumps
