"""Which delivery month is the front in each session, and the factor that joins two months.

The rule: **roll at the session open once a later month had at least 25 % of the front's volume in the previous
session, at latest the session before first notice, and never back**. A front chosen by "most volume yesterday" would
stay for a session in a month with 5-16 % of the volume. Two further rules may be set (``[market] roll_rule``): by
``open_interest``, as far as it was published by then, and by ``calendar``, a number of sessions before the same
deadline. A vendor's continuous series comes with its months chosen.

Belongs here: the rule as a step (:func:`next_front`, for live use), over a history (:func:`choose_fronts`), and the
ratio (:func:`roll_ratio`). Neighbours: :mod:`factory_assets.market.expiry` knows names and notice days,
:mod:`factory_assets.market.open_interest` what was published when, :mod:`factory_assets.market.roll_map` and
:mod:`factory_assets.market.canonical` apply the result to bars.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

from factory_assets.market.expiry import MONTH_CODES, delivery_index_of, last_holding_limit
from factory_assets.market.open_interest import AGE_SESSIONS_MAX, PublishedOpenInterest
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings

VOLUME, OPEN_INTEREST, CALENDAR = "volume", "open_interest", "calendar"
"""Roll rules, as ``[market] roll_rule`` names them."""

REASON_FIRST = "first session: most volume"
REASON_FIRST_OPEN_INTEREST = "first session: most open interest"
REASON_FIRST_CALENDAR = "first session: nearest month not due"
REASON_FIRST_VENDOR = "first session: the vendor's month"
REASON_VOLUME = "volume share reached"
REASON_OPEN_INTEREST = "open interest share reached"
REASON_CALENDAR = "calendar day reached"
REASON_NOTICE = "last session before first notice"
REASON_VENDOR = "the vendor's series changes month"
REASON_NONE = ""
_DEFAULTS = MarketSettings()


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
    share : float
        Volume (by rule ``open_interest``: open interest) of the strongest later month over the front's; NaN if no
        later month traded or the rule compares nothing, infinite if only the later month has any.
    """

    expiry: str
    rolled: bool
    reason: str
    share: float


def next_front(
    front: str,
    previous_volume: Mapping[str, float],
    *,
    previous_day: int,
    trade_day: int,
    instrument: Instrument,
    settings: MarketSettings = _DEFAULTS,
    open_interest: Mapping[str, float] | None = None,
) -> FrontChoice:
    """Front month of a session from what was known before it: the rule's one step, batch and live.

    Parameters
    ----------
    front : str
        Front of the previous session.
    previous_volume : mapping of str to float
        Contracts traded in the previous session, by expiry; NaN where the source has no volume. Nothing of the session
        itself enters. Only a month that traded can be entered: nothing else could be joined to the series.
    previous_day : int
        The previous session, days since 1970: one-digit years of ``front`` and the volumes are resolved against it.
    trade_day : int
        Session to choose for, days since 1970.
    instrument : Instrument
        Gives the delivery months that may become front and the first-notice rule.
    settings : MarketSettings
        Roll rule with its share or number of sessions.
    open_interest : mapping of str to float, optional
        Open interest by expiry as known at the open of ``trade_day``; read by rule ``open_interest`` only. None while
        nothing was published yet: then only the deadline rolls.

    Returns
    -------
    FrontChoice
        The later month the rule names, else the same front: by volume and open interest the strongest one, by calendar
        the nearest one that is not due itself. If the deadline forces a roll but no later month traded, the front
        stays: there is nothing to change to.

    Raises
    ------
    BadInputError
        The front's delivery month is over and no later month traded in the previous session (raw files are missing);
        rule ``volume`` has to choose between months without volume; open interest was published, but not the front's;
        the front traded under a second name (``MGCJ3`` and ``MGCJ23``).
    """
    order = {name: delivery_index_of(name, previous_day) for name in {front, *previous_volume}}
    for name in sorted(previous_volume):
        if order[name] == order[front] and name != front:
            raise _second_name(instrument, front, name, previous_day)
    early = settings.roll_calendar_sessions if settings.roll_rule == CALENDAR else 0
    # NaN is no volume on record, not no trade.
    later = [
        name
        for name, volume in previous_volume.items()
        if not volume <= 0
        and order[name] > order[front]
        and MONTH_CODES[order[name] % 12] in instrument.delivery_months
        and trade_day < _last_roll_day(instrument, order[name], early)
    ]
    if not later:
        _refuse_ended(front, order[front], previous_day, trade_day, instrument)
        return FrontChoice(expiry=front, rolled=False, reason=REASON_NONE, share=math.nan)
    due = trade_day >= _last_roll_day(instrument, order[front], early)
    if settings.roll_rule == CALENDAR:
        nearest = min(later, key=lambda name: order[name])
        reason = REASON_CALENDAR if due else REASON_NONE
        return FrontChoice(expiry=nearest if due else front, rolled=due, reason=reason, share=math.nan)
    if settings.roll_rule == OPEN_INTEREST:
        strength = _published(open_interest, front, trade_day)
        share_min, reason = settings.roll_open_interest_share, REASON_OPEN_INTEREST
    else:
        strength = _traded_volume(previous_volume, front, later, previous_day, instrument)
        share_min, reason = settings.roll_volume_share, REASON_VOLUME
    # The nearer month wins a tie, so that the choice does not depend on the order of the mapping.
    best = min(later, key=lambda name: (-strength.get(name, 0.0), order[name]))
    held, most = strength.get(front, 0.0), strength.get(best, 0.0)
    share = most / held if held > 0 else math.inf if most > 0 else math.nan
    if most > 0 and most >= share_min * held:
        return FrontChoice(expiry=best, rolled=True, reason=reason, share=share)
    return FrontChoice(
        expiry=best if due else front, rolled=due, reason=REASON_NOTICE if due else REASON_NONE, share=share
    )


def choose_fronts(
    session_volume: pd.DataFrame,
    instrument: Instrument,
    settings: MarketSettings = _DEFAULTS,
    *,
    open_interest: pd.DataFrame | None = None,
    joins_without_overlap: bool = False,
) -> pd.DataFrame:
    """Front month of every session that has bars.

    Parameters
    ----------
    session_volume : DataFrame
        Columns ``trade_day`` (days since 1970), ``expiry`` (outright names) and ``volume`` (contracts, or NaN in every
        row), in any order; rows of one session and expiry are summed.
    instrument : Instrument
        Product of the expiries.
    settings : MarketSettings
        Roll rule with its share or number of sessions.
    open_interest : DataFrame, optional
        Per ``schemas.OPEN_INTEREST``; the rule ``open_interest`` needs it, the others do not read it. Each session
        sees the latest figures published before its open.
    joins_without_overlap : bool
        The rows are a vendor's continuous series: the front is the one month each session holds, whatever the rule.

    Returns
    -------
    DataFrame
        One row a session in time order: ``trade_day``, ``expiry`` (the front), ``rolled``, ``from_expiry`` (the front
        before; empty in the first session), ``reason``, ``share``. Each row is known at its session's open, except the
        first by volume, whose front is the month with most volume in the first session itself.

    Raises
    ------
    BadInputError
        No rows, none in a delivery month of the instrument, a hole longer than the front's life, several months of
        which none has volume under rule ``volume``, or open interest missing or too old under rule ``open_interest``;
        one month under two names (``MGCJ3`` and ``MGCJ23``), whose rows would be taken for two.
        Of a continuous series: several months in one session, or a month that comes back.
    """
    # At least one number, or the sum of a session without volume would be 0 contracts.
    by_both = session_volume.groupby(["trade_day", "expiry"], observed=True)["volume"].sum(min_count=1)
    by_day: dict[int, dict[str, float]] = {}
    for (day, name), contracts in by_both.items():
        by_day.setdefault(int(day), {})[str(name)] = float(contracts)
    if not by_day:
        raise BadInputError(f"{instrument.symbol}: no session has any bar, so there is no front month to choose")
    days = sorted(by_day)
    if joins_without_overlap:
        return _fronts_frame(_vendor_fronts(by_day, days, instrument))
    _refuse_second_names(by_day, instrument)
    published = None
    if settings.roll_rule == OPEN_INTEREST:
        published = PublishedOpenInterest(open_interest, instrument)
    first, reason = _first_front(by_day[days[0]], days[0], instrument, settings, published)
    rows = [(days[0], first, False, "", reason, math.nan)]
    front = first
    for number, (previous, today) in enumerate(pairwise(days), start=1):
        known = None if published is None else published.known_at(today)
        if published is not None and known is None and number > AGE_SESSIONS_MAX:
            raise published.begins_late(days[0])
        choice = next_front(
            front,
            by_day[previous],
            previous_day=previous,
            trade_day=today,
            instrument=instrument,
            settings=settings,
            open_interest=_by_name(known, {front, *by_day[previous]}, previous),
        )
        rows.append((today, choice.expiry, choice.rolled, front, choice.reason, choice.share))
        front = choice.expiry
    return _fronts_frame(rows)


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
            "expected at least one. Add the missing raw files around the roll; if the vendor joined the months to one "
            "series, declare them under [expiry_from] in source.toml."
        )
    before, after = left.loc[shared].to_numpy(), right.loc[shared].to_numpy()
    return float(np.median(before / after)), float(np.median(after - before)), len(shared)


def _refuse_second_names(by_day: Mapping[int, Mapping[str, float]], instrument: Instrument) -> None:
    """Of a month with two names only one could be the front, and the rows under the other would go unused."""
    first_name: dict[int, str] = {}
    for day, names in by_day.items():
        for name in names:
            other = first_name.setdefault(delivery_index_of(name, day), name)
            if other != name:
                raise _second_name(instrument, other, name, day)


def _second_name(instrument: Instrument, name: str, other: str, day: int) -> BadInputError:
    return BadInputError(
        f"{instrument.symbol}: one delivery month is called {name} and, in session {np.datetime64(day, 'D')}, {other}; "
        "expected one name a month. Correct the expiry in the files, in source.toml or in the live feed."
    )


def _refuse_ended(front: str, delivery: int, previous_day: int, trade_day: int, instrument: Instrument) -> None:
    """Staying needs no later month; but a month that is over cannot be stayed in."""
    today = np.datetime64(trade_day, "D")
    if delivery < 12 * 1970 + int(today.astype("datetime64[M]").astype(np.int64)):
        raise BadInputError(
            f"{instrument.symbol}: front {front} of session {np.datetime64(previous_day, 'D')} has ended before "
            f"the next session with bars, {today}, and no later month traded before. Add the missing raw files."
        )


def _traded_volume(
    volume: Mapping[str, float], front: str, later: list[str], day: int, instrument: Instrument
) -> Mapping[str, float]:
    unknown = sorted(name for name in {front, *later} if math.isnan(volume.get(name, 0.0)))
    if unknown:
        raise BadInputError(
            f"{instrument.symbol}: session {np.datetime64(day, 'D')} has bars of {sorted({front, *later})} and no "
            f'volume of {unknown} to choose the front month by. Set [market] roll_rule = "calendar" in factory.toml.'
        )
    return volume


def _published(open_interest: Mapping[str, float] | None, front: str, trade_day: int) -> Mapping[str, float]:
    if open_interest is not None and front not in open_interest:
        raise BadInputError(
            f"open interest known for session {np.datetime64(trade_day, 'D')}: {dict(sorted(open_interest.items()))}, "
            f"none of the front month {front}. Complete open_interest.csv: every month of a trade date, or none."
        )
    return open_interest or {}


def _by_name(known: Mapping[int, int] | None, names: set[str], day: int) -> dict[str, float] | None:
    """Open interest under the names the bars use: the file may write the year with more digits."""
    if known is None:
        return None
    delivery = {name: delivery_index_of(name, day) for name in names}
    return {name: float(known[delivery[name]]) for name in names if delivery[name] in known}


def _first_front(
    volume: Mapping[str, float],
    trade_day: int,
    instrument: Instrument,
    settings: MarketSettings,
    published: PublishedOpenInterest | None,
) -> tuple[str, str]:
    """Front of the first session, which no earlier session decides, and what decided it."""
    order = {name: delivery_index_of(name, trade_day) for name in volume}
    listed = _listed(volume, order, trade_day, instrument)
    early = settings.roll_calendar_sessions if settings.roll_rule == CALENDAR else 0
    open_months = [name for name in listed if trade_day < _last_roll_day(instrument, order[name], early)] or listed
    if settings.roll_rule == CALENDAR:
        return min(open_months, key=lambda name: order[name]), REASON_FIRST_CALENDAR
    known = None if published is None else _by_name(published.known_at(trade_day), {*open_months}, trade_day)
    if known:
        return min(open_months, key=lambda name: (-known.get(name, 0.0), order[name])), REASON_FIRST_OPEN_INTEREST
    if len(open_months) > 1:
        _traded_volume(volume, open_months[0], open_months, trade_day, instrument)
    return min(open_months, key=lambda name: (-volume[name], order[name])), REASON_FIRST


def _listed(names: Mapping[str, float], order: Mapping[str, int], day: int, instrument: Instrument) -> list[str]:
    listed = [name for name in names if MONTH_CODES[order[name] % 12] in instrument.delivery_months]
    if not listed:
        raise BadInputError(
            f"{instrument.symbol}: session {np.datetime64(day, 'D')} trades {sorted(names)}, none in a delivery month "
            f"({instrument.delivery_months}). Check the expiry in the files or in source.toml."
        )
    return listed


def _vendor_fronts(
    by_day: Mapping[int, Mapping[str, float]], days: list[int], instrument: Instrument
) -> list[tuple[int, str, bool, str, str, float]]:
    """The months of a continuous series as they come: one a session, never an earlier one again."""
    rows: list[tuple[int, str, bool, str, str, float]] = []
    front, held = "", -1
    for day in days:
        if len(by_day[day]) > 1:
            raise BadInputError(
                f"{instrument.symbol}: session {np.datetime64(day, 'D')} of a continuous series holds "
                f"{sorted(by_day[day])}; expected one month a session. Correct [expiry_from] in source.toml."
            )
        ((name, _),) = by_day[day].items()
        order = {name: delivery_index_of(name, day)}
        _listed(by_day[day], order, day, instrument)
        if order[name] < held or (order[name] == held and name != front):
            what = f"goes back from {front} to" if order[name] < held else f"calls {front} by a second name,"
            raise BadInputError(
                f"{instrument.symbol}: session {np.datetime64(day, 'D')} of a continuous series {what} {name}. Correct "
                "[expiry_from] in source.toml."
            )
        rolled = bool(front) and name != front
        reason = REASON_FIRST_VENDOR if not front else REASON_VENDOR if rolled else REASON_NONE
        rows.append((day, name, rolled, front, reason, math.nan))
        front, held = name, order[name]
    return rows


def _fronts_frame(rows: list[tuple[int, str, bool, str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["trade_day", "expiry", "rolled", "from_expiry", "reason", "share"])


@cache
def _last_roll_day(instrument: Instrument, delivery_index: int, sessions_early: int) -> int:
    """Day (since 1970) of the session from which on the month may not be the front.

    The last session before first notice, or ``sessions_early`` sessions before that one.
    """
    limit = np.datetime64(last_holding_limit(instrument, delivery_index), "D").astype(np.int64)
    days = SessionCalendar.of(instrument).sessions.trade_day
    return int(days[int(np.searchsorted(days, limit, side="left")) - 1 - sessions_early])
