"""Which delivery month is the front in each session, and the factor that joins two months.

The rule: **roll at the session open once a later month had at least 25 % of the front's volume in the previous
session, at latest the session before first notice, and never back**. A front chosen by "most volume yesterday" would
stay for a session in a month with 5-16 % of the volume.

Belongs here: the rule as a step (:func:`next_front`, for live use), over a history (:func:`choose_fronts`), and the
ratio (:func:`roll_ratio`). Neighbours: :mod:`factory_assets.market.expiry` knows names and notice days,
:mod:`factory_assets.market.canonical` applies the result to bars.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

from factory_assets.market.expiry import MONTH_CODES, delivery_index_of, last_holding_limit
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings

REASON_FIRST = "first session: most volume"
REASON_VOLUME = "volume share reached"
REASON_NOTICE = "last session before first notice"
REASON_NONE = ""


@dataclass(frozen=True, kw_only=True)
class FrontChoice:
    """The front month of one session, known at the session's open.

    Attributes
    ----------
    expiry : str
        Month the series trades in this session.
    rolled : bool
        Whether it differs from the front of the previous session.
    reason : str
        Why it rolled; empty if it did not.
    volume_share : float
        Volume of the strongest later month over the front's in the previous session; NaN if no later month traded,
        infinite if only the later month did.
    """

    expiry: str
    rolled: bool
    reason: str
    volume_share: float


def next_front(
    front: str,
    previous_volume: Mapping[str, float],
    *,
    previous_day: int,
    trade_day: int,
    instrument: Instrument,
    roll_volume_share: float = MarketSettings().roll_volume_share,
) -> FrontChoice:
    """Front month of a session from the previous session's volumes: the rule's one step, batch and live.

    Parameters
    ----------
    front : str
        Front of the previous session.
    previous_volume : mapping of str to float
        Contracts traded in the previous session, by expiry. Nothing of the session itself enters.
    previous_day : int
        The previous session, days since 1970: one-digit years of ``front`` and the volumes are resolved against it.
    trade_day : int
        Session to choose for, days since 1970.
    instrument : Instrument
        Gives the delivery months that may become front and the first-notice rule.
    roll_volume_share : float
        Share of the front's volume from which a later month takes over.

    Returns
    -------
    FrontChoice
        The strongest later month if the rule says so, else the same front. If first notice forces a roll but no later
        month traded, the front stays: there is nothing to change to.

    Raises
    ------
    BadInputError
        The front's delivery month is over and no later month traded in the previous session: raw files are missing.
    """
    order = {name: delivery_index_of(name, previous_day) for name in {front, *previous_volume}}
    later = {
        name: volume
        for name, volume in previous_volume.items()
        if volume > 0
        and order[name] > order[front]
        and MONTH_CODES[order[name] % 12] in instrument.delivery_months
        and trade_day < _deadline_day(instrument, order[name])
    }
    if not later:
        today = np.datetime64(trade_day, "D")
        if order[front] < 12 * 1970 + int(today.astype("datetime64[M]").astype(np.int64)):
            raise BadInputError(
                f"{instrument.symbol}: front {front} of session {np.datetime64(previous_day, 'D')} has ended before "
                f"the next session with bars, {today}, and no later month traded before. Add the missing raw files."
            )
        return FrontChoice(expiry=front, rolled=False, reason=REASON_NONE, volume_share=float("nan"))
    # The nearer month wins a tie, so that the choice does not depend on the order of the mapping.
    best = min(later, key=lambda name: (-later[name], order[name]))
    held = previous_volume.get(front, 0.0)
    share = later[best] / held if held > 0 else float("inf")
    if later[best] >= roll_volume_share * held:
        return FrontChoice(expiry=best, rolled=True, reason=REASON_VOLUME, volume_share=share)
    if trade_day >= _deadline_day(instrument, order[front]):
        return FrontChoice(expiry=best, rolled=True, reason=REASON_NOTICE, volume_share=share)
    return FrontChoice(expiry=front, rolled=False, reason=REASON_NONE, volume_share=share)


def choose_fronts(
    session_volume: pd.DataFrame,
    instrument: Instrument,
    roll_volume_share: float = MarketSettings().roll_volume_share,
) -> pd.DataFrame:
    """Front month of every session that has bars.

    Parameters
    ----------
    session_volume : DataFrame
        Columns ``trade_day`` (days since 1970), ``expiry`` (outright names) and ``volume`` (contracts), one row a
        session and expiry, in any order.
    instrument : Instrument
        Product of the expiries.
    roll_volume_share : float
        Share of the front's volume from which a later month takes over.

    Returns
    -------
    DataFrame
        One row a session in time order: ``trade_day``, ``expiry`` (the front), ``rolled``, ``from_expiry`` (the front
        before; empty in the first session), ``reason``, ``volume_share``. Each row is known at its session's open,
        except the first, whose front is the month with most volume in the first session itself.

    Raises
    ------
    BadInputError
        No rows, none in a delivery month of the instrument, or a hole longer than the front's life.
    """
    volume = session_volume.groupby(["trade_day", "expiry"], observed=True)["volume"].sum().reset_index()
    volume["expiry"] = volume["expiry"].astype(str)
    by_day: dict[int, dict[str, float]] = {}
    for day, name, contracts in zip(volume["trade_day"], volume["expiry"], volume["volume"], strict=True):
        by_day.setdefault(int(day), {})[name] = float(contracts)
    if not by_day:
        raise BadInputError(f"{instrument.symbol}: no session has any bar, so there is no front month to choose")
    days = sorted(by_day)
    rows: list[tuple[int, str, bool, str, str, float]] = []
    front = _first_front(by_day[days[0]], days[0], instrument)
    rows.append((days[0], front, False, "", REASON_FIRST, float("nan")))
    for previous, today in pairwise(days):
        choice = next_front(
            front,
            by_day[previous],
            previous_day=previous,
            trade_day=today,
            instrument=instrument,
            roll_volume_share=roll_volume_share,
        )
        rows.append((today, choice.expiry, choice.rolled, front, choice.reason, choice.volume_share))
        front = choice.expiry
    return pd.DataFrame(rows, columns=["trade_day", "expiry", "rolled", "from_expiry", "reason", "volume_share"])


def roll_ratio(from_minutes: pd.DataFrame, to_minutes: pd.DataFrame) -> tuple[float, float, int]:
    """Factor and distance between two months over the minutes both traded in the session before the roll.

    Parameters
    ----------
    from_minutes, to_minutes : DataFrame
        Bars of the month left and the month entered in the *previous* session: ``open_time`` (timezone-aware) and
        ``close`` (traded price).

    Returns
    -------
    ratio : float
        Median of from_close / to_close. Adjusted prices of the later month are multiplied by it, so that the
        adjusted series does not jump at the roll.
    difference : float
        Median of to_close - from_close, points.
    paired : int
        Minutes both months traded.

    Raises
    ------
    BadInputError
        If no minute was traded in both months: nothing measured joins them.
    """
    left = pd.Series(from_minutes["close"].to_numpy(), index=times_us(from_minutes["open_time"], "from_minutes"))
    right = pd.Series(to_minutes["close"].to_numpy(), index=times_us(to_minutes["open_time"], "to_minutes"))
    shared = np.intersect1d(left.index.to_numpy(), right.index.to_numpy())
    if len(shared) == 0:
        raise BadInputError(
            f"roll: no minute of the previous session traded in both months ({len(left)} and {len(right)} minutes); "
            "expected at least one. Add the missing raw files around the roll."
        )
    before, after = left.loc[shared].to_numpy(), right.loc[shared].to_numpy()
    return float(np.median(before / after)), float(np.median(after - before)), len(shared)


def _first_front(volume: Mapping[str, float], trade_day: int, instrument: Instrument) -> str:
    order = {name: delivery_index_of(name, trade_day) for name in volume}
    listed = [name for name in volume if MONTH_CODES[order[name] % 12] in instrument.delivery_months]
    if not listed:
        raise BadInputError(
            f"{instrument.symbol}: the first session trades {sorted(volume)}, none in a delivery month "
            f"({instrument.delivery_months}). Check the expiry in the files or in source.toml."
        )
    open_months = [name for name in listed if trade_day < _deadline_day(instrument, order[name])]
    return min(open_months or listed, key=lambda name: (-volume[name], order[name]))


@cache
def _deadline_day(instrument: Instrument, delivery_index: int) -> int:
    """Day (since 1970) of the last session before first notice: from it on the month may not be the front."""
    limit = last_holding_limit(instrument, delivery_index)
    calendar = SessionCalendar.of(instrument)
    sessions = calendar.between(limit - timedelta(days=14), limit - timedelta(days=1))
    return int(sessions.trade_day[-1])
