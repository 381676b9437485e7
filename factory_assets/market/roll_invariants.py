"""What the rolls of canonical bars have to satisfy, recomputed along another way than the builder's.

The builder steps through sessions with integer days, day arithmetic and sorted arrays; here everything is pivot tables
over Chicago dates, the business days of another exchange, and the library's schedule counted by shifting. The front
months are read off the bars themselves, and each roll rule is asked what it would have done. Neighbour:
:mod:`factory_assets.market.canonical_invariants` judges everything else of the same bars.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property

import numpy as np
import pandas as pd

from factory_assets.market.canonical import Canonical
from factory_assets.market.counted_verdict import counted_verdict
from factory_assets.market.session_corrections import SESSION_CORRECTIONS
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.verdict import Verdict

_MONTHS = {code: number for number, code in enumerate("FGHJKMNQUVXZ", start=1)}
_RETURN_TOLERANCE = 1e-9
_USUAL_CLOSE_HOUR = 16


def rolls_forward_only(
    rows: pd.DataFrame,
    canonical: Canonical,
    instrument: Instrument,
    settings: MarketSettings,
    *,
    open_interest: pd.DataFrame | None = None,
    joins_without_overlap: bool = False,
) -> Verdict:
    """Judge fronts, roll map and both adjustments of a canonical partition.

    Parameters
    ----------
    rows : DataFrame
        Distinct raw rows: ``expiry``, ``open_time``, ``day`` (Chicago trade date), ``open``, ``close``, ``volume`` and
        whether ``refused``.
    canonical : Canonical
        The builder's result.
    instrument : Instrument
        Product of the partition.
    settings : MarketSettings
        The roll rule in force.
    open_interest : DataFrame, optional
        Per ``schemas.OPEN_INTEREST``, for the rule of that name.
    joins_without_overlap : bool
        Whether the rows are a vendor's continuous series, which chose the months itself.

    Returns
    -------
    Verdict
        ``rolls_forward_only``; blocking. ``details`` tell the rolls, how many joined months without overlap, and how
        many sessions a continuous series held a month past the last session before first notice.
    """
    bars, rolls = canonical.bars, canonical.rolls
    if bars.empty:
        return counted_verdict("rolls_forward_only", {"no bars": 1}, "")
    pairs = bars[["trade_date", "expiry"]].drop_duplicates()
    held = pd.Series(pairs["expiry"].astype(str).to_numpy(), index=pd.DatetimeIndex(pairs["trade_date"]))
    several = int(held.index.duplicated().sum())
    held = held[~held.index.duplicated()]
    delivery = pd.Series([_delivery(name, day.date()) for day, name in held.items()], index=held.index)
    changes = held[held != held.shift()].iloc[1:]
    listed = dict(zip(pd.to_datetime(rolls["trade_date"]), rolls["to_expiry"].astype(str), strict=True))
    valid = rows[~rows["refused"]].assign(expiry=lambda frame: frame["expiry"].astype(str))
    fronts = _every_session(held, listed, valid)
    rule = _Rule(valid, instrument, settings, open_interest)
    late, early, other = (0, 0, _other_months(fronts, valid)) if joins_without_overlap else rule.breaches(fronts)
    joins = _Joins(valid, canonical, fronts)
    problems = {
        "sessions with several expiries": several,
        "rolls back to an earlier month": int((delivery.diff().dropna() < 0).sum()),
        "changes of expiry that differ from the roll map": len(set(changes.items()) ^ set(listed.items())),
        "sessions that held a month too long": late,
        "rolls before the rule asks for one": early,
        "sessions in another month than the rule's": other,
        "rolls with a return in the adjusted series": joins.jumps("ratio"),
        "rolls with a jump in the difference-adjusted series": joins.jumps("difference"),
        "rolls whose paired minutes differ": joins.miscounted,
        "rolls without a shared minute": 0 if joins_without_overlap else joins.without_overlap,
        "first bar whose ratio is not 1 or whose difference is not 0": int(
            bars["adjustment_ratio"].iloc[0] != 1.0 or bars["adjustment_difference"].iloc[0] != 0.0
        ),
        "changes of ratio other than at rolls": _changes_elsewhere(bars, "adjustment_ratio", changes),
        "changes of difference other than at rolls": _changes_elsewhere(bars, "adjustment_difference", changes),
    }
    good = (
        f"{len(rolls)} rolls, all forward and on time ({joins.without_overlap} joined without overlap); largest "
        f"adjusted return at a roll {joins.largest('ratio'):.1e}"
    )
    return counted_verdict(
        "rolls_forward_only",
        problems,
        good,
        rolls=len(rolls),
        rolls_without_overlap=joins.without_overlap,
        sessions_past_notice=rule.sessions_past_notice(fronts) if joins_without_overlap else 0,
    )


def _delivery(name: str, day: date) -> int:
    """Delivery month by trying years from the bar's on; the builder resolves the digit arithmetically."""
    digits = _year_digits(name)
    month = _MONTHS[name[-len(digits) - 1]]
    return next(
        12 * year + month
        for year in range(day.year, day.year + 11)
        if str(year).endswith(digits) and (year, month) >= (day.year, day.month)
    )


def _year_digits(name: str) -> str:
    return name[-1] if not name[-2].isdigit() else name[-4:] if name[-4:].isdigit() else name[-2:]


def _every_session(held: pd.Series, listed: dict[pd.Timestamp, str], valid: pd.DataFrame) -> pd.Series:
    """Front of every session with any valid row: where the front did not trade, the bars cannot tell, the map can."""
    fronts = held.reindex(pd.DatetimeIndex(valid["day"].unique()).union(held.index).sort_values())
    for day in fronts.index[fronts.isna()].intersection(list(listed)):
        fronts[day] = listed[day]
    return fronts.ffill().dropna()


def _other_months(fronts: pd.Series, valid: pd.DataFrame) -> int:
    """Rows of a continuous series that are not of the month its session holds."""
    return int((valid["day"].map(fronts) != valid["expiry"]).sum())


class _Rule:
    """What each roll rule asks for, session by session."""

    def __init__(
        self, valid: pd.DataFrame, instrument: Instrument, settings: MarketSettings, open_interest: pd.DataFrame | None
    ) -> None:
        self._instrument, self._settings = instrument, settings
        # The sum of no number is not zero contracts.
        tally = valid.groupby(["day", "expiry"], observed=True)["volume"].sum(min_count=1)
        self._of_day: dict[pd.Timestamp, dict[str, float]] = {}
        for (day, name), contracts in tally.items():
            self._of_day.setdefault(day, {})[name] = contracts
        self._open_interest = open_interest

    @cached_property
    def _schedule(self) -> "_Schedule":
        years = [day.year for day in self._of_day]
        return _Schedule(self._instrument, min(years) - 1, max(years) + 11)

    @cached_property
    def _known(self) -> pd.DataFrame:
        """Open interest by the session that may use it first, months as columns."""
        if self._open_interest is None or self._open_interest.empty:
            return pd.DataFrame()
        table = self._open_interest.assign(day=pd.to_datetime(self._open_interest["trade_date"]))
        table["month"] = [
            _delivery(name, day) for name, day in zip(table["expiry"].astype(str), table["day"].dt.date, strict=True)
        ]
        table["first_use"] = table["day"].map(self._schedule.first_use_of_figures)
        # Figures of days without a publication between them come out together: the latest count.
        table = table[table["day"] == table.groupby("first_use")["day"].transform("max")]
        return table.pivot(index="first_use", columns="month", values="open_interest").sort_index()

    def breaches(self, fronts: pd.Series) -> tuple[int, int, int]:
        """Sessions that kept a front the rule had to leave, rolls it did not ask for, rolls to another month."""
        late = early = other = 0
        for before, day in zip(fronts.index[:-1], fronts.index[1:], strict=True):
            front, now = fronts[before], fronts[day]
            wanted = self._wanted(front, before, day)
            late += int(wanted != front and now == front)
            early += int(wanted == front and now != front)
            other += int(front not in (wanted, now) and wanted != now)
        return late, early, other

    def sessions_past_notice(self, fronts: pd.Series) -> int:
        """Sessions in a month that an own choice would have left by then."""
        return sum(self._binds(_delivery(name, day.date()), day) for day, name in fronts.items())

    def _wanted(self, front: str, before: pd.Timestamp, day: pd.Timestamp) -> str:
        if before not in self._of_day:
            return front
        traded = self._of_day[before]
        month = {name: _delivery(name, before.date()) for name in {*traded, front}}
        early = self._settings.roll_calendar_sessions if self._settings.roll_rule == "calendar" else 0
        rivals = [
            name
            for name in sorted(traded, key=lambda name: month[name])
            if month[name] > month[front]
            and traded[name] != 0
            and name[-len(_year_digits(name)) - 1] in self._instrument.delivery_months
            and not self._binds(month[name], day, early)
        ]
        if not rivals:
            return front
        must = self._binds(month[front], day, early)
        if self._settings.roll_rule == "calendar":
            return rivals[0] if must else front
        amounts, share = self._amounts(traded, month, day)
        best = max(rivals, key=lambda name: amounts.get(name, 0.0))  # of equals the nearest: they are in order
        most, own = amounts.get(best, 0.0), amounts.get(front, 0.0)
        return best if must or (most > 0 and not most < share * own) else front

    def _amounts(
        self, traded: dict[str, float], month: dict[str, int], day: pd.Timestamp
    ) -> tuple[dict[str, float], float]:
        """What the rule compares, by month name, and the share that suffices."""
        if self._settings.roll_rule == "volume":
            return traded, self._settings.roll_volume_share
        share = self._settings.roll_open_interest_share
        usable = self._known[self._known.index <= day] if len(self._known) else self._known
        if usable.empty:
            return {}, share
        latest = usable.iloc[-1]
        return {name: float(latest[at]) for name, at in month.items() if latest.get(at) == latest.get(at)}, share

    def _binds(self, delivery: int, day: pd.Timestamp, sessions_early: int = 0) -> bool:
        return day >= self._schedule.last_roll_session(self._instrument, delivery, sessions_early)


@cache
def _listed(calendar_name: str, first_year: int, last_year: int) -> pd.Series:
    """Chicago hour of the close of every session of a calendar of the library, which takes a second to list them."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(calendar_name, start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    return calendar.schedule["close"].dt.tz_convert("America/Chicago").dt.hour


class _Schedule:
    """Business days as the sessions of the New York Stock Exchange, and sessions as the futures library lists them."""

    def __init__(self, instrument: Instrument, first_year: int, last_year: int) -> None:
        self._business_days = _listed("XNYS", first_year, last_year).index
        close_hour = _listed(instrument.calendar, first_year, last_year).copy()
        asset_class = "equity_index" if instrument.simulated else instrument.asset_class
        for row in SESSION_CORRECTIONS:
            if row.asset_class == asset_class:
                close_hour[pd.Timestamp(row.trade_date)] = row.close.hour
        self._close_hour = close_hour.sort_index()
        self._sessions = pd.DatetimeIndex(self._close_hour.index)
        self._last: dict[tuple[int, int], pd.Timestamp] = {}

    @cached_property
    def first_use_of_figures(self) -> pd.Series:
        """Of each session, the one behind the next that closes as usual: figures come out in such a one's morning."""
        behind = pd.Series(self._sessions, index=self._sessions).shift(-1)
        return behind.where(self._close_hour >= _USUAL_CLOSE_HOUR).shift(-1).bfill()

    def last_roll_session(self, instrument: Instrument, delivery: int, sessions_early: int) -> pd.Timestamp:
        """Session from which on the month may not be the front: the last one before notice, or some before that."""
        key = (delivery, sessions_early)
        if key not in self._last:
            start = pd.Timestamp((delivery - 1) // 12, (delivery - 1) % 12 + 1, 1)
            if instrument.first_notice_rule == "month_before":
                notice = self._business_days[self._business_days < start][-1]
            elif instrument.first_notice_rule == "cash":
                month = pd.date_range(start, periods=28, freq="D")
                notice = self._business_days[self._business_days <= month[month.weekday == 4][2]][-1]
            else:
                raise BadInputError(f"{instrument.symbol}: first_notice_rule {instrument.first_notice_rule!r} unknown")
            self._last[key] = self._sessions[self._sessions < notice][-1 - sessions_early]
        return self._last[key]


@dataclass(frozen=True)
class _Joined:
    """One roll, measured again: new adjustment over old against the prices, and the minutes behind it."""

    ratio_return: float
    difference_jump: float
    paired: int


class _Joins:
    """Every roll of the map against the raw prices around it."""

    def __init__(self, valid: pd.DataFrame, canonical: Canonical, fronts: pd.Series) -> None:
        self._listed = canonical.rolls["paired_minutes"].to_numpy()
        columns = ["adjustment_ratio", "adjustment_difference"]
        first = canonical.bars.groupby("trade_date", observed=True)[columns].first()
        self._adjustment = first.reindex(fronts.index).ffill()
        rolls = canonical.rolls
        self._found = [
            self._measured(valid, fronts.index, pd.Timestamp(day), str(left), str(entered))
            for day, left, entered in zip(rolls["trade_date"], rolls["from_expiry"], rolls["to_expiry"], strict=True)
        ]

    def jumps(self, method: str) -> int:
        """Rolls at which the adjusted series moves by more than rounding."""
        return sum(not abs(value) <= _RETURN_TOLERANCE for value in self._values(method))

    def largest(self, method: str) -> float:
        """Largest move of the adjusted series at a roll."""
        return max((abs(value) for value in self._values(method)), default=0.0)

    @property
    def miscounted(self) -> int:
        """Rolls whose map names another number of shared minutes."""
        return sum(joined.paired != count for joined, count in zip(self._found, self._listed, strict=True))

    @property
    def without_overlap(self) -> int:
        """Rolls between months that shared no minute in the session before."""
        return sum(joined.paired == 0 for joined in self._found)

    def _values(self, method: str) -> list[float]:
        return [joined.ratio_return if method == "ratio" else joined.difference_jump for joined in self._found]

    def _measured(
        self, valid: pd.DataFrame, days: pd.DatetimeIndex, day: pd.Timestamp, left: str, entered: str
    ) -> _Joined:
        earlier = days[days < day]
        if day not in days or len(earlier) == 0:
            return _Joined(np.inf, np.inf, -1)
        before = valid[valid["day"] == earlier[-1]]
        pairs = before.pivot(index="open_time", columns="expiry", values="close").reindex(columns=[left, entered])
        pairs = pairs.dropna()
        if len(pairs):
            quotient, distance = (pairs[left] / pairs[entered]).median(), (pairs[entered] - pairs[left]).median()
            level = pairs[left].median()
        else:
            out = before[before["expiry"] == left].sort_values("open_time")["close"]
            into = valid[(valid["day"] == day) & (valid["expiry"] == entered)].sort_values("open_time")["open"]
            if out.empty or into.empty:
                return _Joined(np.inf, np.inf, 0)
            level, first = out.iloc[-1], into.iloc[0]
            quotient, distance = level / first, first - level
        then, now = self._adjustment.loc[earlier[-1]], self._adjustment.loc[day]
        return _Joined(
            now["adjustment_ratio"] / then["adjustment_ratio"] / quotient - 1.0,
            (now["adjustment_difference"] - then["adjustment_difference"] - distance) / level,
            len(pairs),
        )


def _changes_elsewhere(bars: pd.DataFrame, column: str, changes: pd.Series) -> int:
    at = bars["trade_date"][bars[column] != bars[column].shift()].iloc[1:]
    return len(set(pd.to_datetime(at)) - set(changes.index)) + int(at.duplicated().sum())
