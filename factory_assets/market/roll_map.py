"""The roll map: at each change of month, the factor and the distance that join the month left to the month entered.

Belongs here: picking the prices a join is measured on. Neighbours: :mod:`factory_assets.market.rolls` chooses the
months and holds the measure of one join, :mod:`factory_assets.market.adjustment` chains the joins into prices.
"""

import numpy as np
import pandas as pd

from factory_assets.market.quality import MinuteArrays
from factory_assets.market.rolls import roll_ratio
from factory_assets.vocabulary.frames import from_days, from_us

WITHOUT_OVERLAP = ", joined without overlap"
"""End of the reason of a roll between months that never traded in the same session."""


def roll_map(
    fronts: pd.DataFrame,
    minutes: MinuteArrays,
    names: np.ndarray,
    trade_day: np.ndarray,
    rows: np.ndarray,
    *,
    joins_without_overlap: bool = False,
) -> pd.DataFrame:
    """Ratio and difference of every roll, over the minutes both months traded in the session before.

    Parameters
    ----------
    fronts : DataFrame
        Front month of every session, from :func:`factory_assets.market.rolls.choose_fronts`.
    minutes : MinuteArrays
        All raw minutes, shape (N,), in time order within a month.
    names : ndarray of object, shape (N,)
        Expiry of each minute.
    trade_day : ndarray of int64, shape (N,)
        Session of each minute, days since 1970; read at ``rows`` only.
    rows : ndarray of int64
        Positions of the valid minutes, increasing: a quarantined price joins nothing.
    joins_without_overlap : bool
        Whether months that share no minute are joined at the last close of the month left and the first open of the
        month entered (a vendor's continuous series holds one month at a time). The move over that break is lost: the
        adjusted series does not show it. Otherwise such a roll is an error.

    Returns
    -------
    DataFrame
        Per ``schemas.ROLLS`` without ``contract``; a row is known at the open of its session, one with 0
        ``paired_minutes`` at its first trade.

    Raises
    ------
    BadInputError
        A roll between months that share no minute, unless such joins are asked for.
    """
    records = []
    days = fronts["trade_day"].to_numpy(dtype=np.int64)
    positions = np.flatnonzero(fronts["rolled"].to_numpy())
    # Few sessions lie around a roll; the many rows are looked through once.
    wanted = np.zeros(int(days[-1] - days[0]) + 1, dtype=bool)
    wanted[days[[*positions, *(positions - 1)]] - days[0]] = True
    rows = rows[wanted[trade_day[rows] - days[0]]]
    day_of_row, names_of_row = trade_day[rows], names[rows]
    for position in positions:
        change = fronts.iloc[position]
        left, entered = change["from_expiry"], change["expiry"]
        before, today = (day_of_row == days[at] for at in (position - 1, position))
        sides = [rows[before & (names_of_row == expiry)] for expiry in (left, entered)]
        reason = change["reason"]
        if joins_without_overlap and not np.isin(*(minutes.open_us[side] for side in sides)).any():
            entry = rows[today & (names_of_row == entered)]
            last_close, first_open = minutes.prices[3][sides[0][-1]], minutes.prices[0][entry[0]]
            ratio, difference, paired = last_close / first_open, first_open - last_close, 0
            reason += WITHOUT_OVERLAP
        else:
            ratio, difference, paired = roll_ratio(*(_closes(minutes, side) for side in sides))
        records.append((days[position], left, entered, ratio, difference, paired, reason))
    columns = ["trade_date", "from_expiry", "to_expiry", "ratio", "difference", "paired_minutes", "reason"]
    rolls = pd.DataFrame(records, columns=columns)
    rolls["trade_date"] = from_days(rolls["trade_date"].to_numpy(dtype=np.int64))
    types = {"ratio": np.float64, "difference": np.float64, "paired_minutes": np.int64}
    text = dict.fromkeys(("from_expiry", "to_expiry", "reason"), "category")
    return rolls.astype(types | text)


def _closes(minutes: MinuteArrays, side: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"open_time": from_us(minutes.open_us[side]), "close": minutes.prices[3][side]})
