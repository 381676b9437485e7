"""What canonical bars have to satisfy, recomputed from the raw rows along another way than the builder's.

The builder works on sorted arrays, integer microseconds and session spans; here everything is table joins, Chicago
wall-clock times, exact decimals and a business-day calendar of another exchange. A defect in one does not hide in the
other. Neighbour: :mod:`factory_assets.market.ladder_invariants` for the timeframes above one minute.
"""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from factory_assets.market.canonical import Canonical
from factory_assets.market.session_corrections import SESSION_CORRECTIONS
from factory_assets.market.sessions import CHICAGO, SessionCalendar
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.verdict import Verdict

_VALUES = ["open", "high", "low", "close", "volume"]
_MONTHS = {code: number for number, code in enumerate("FGHJKMNQUVXZ", start=1)}
_TICK_TOLERANCE_TICKS = Decimal("0.000001")
_ROLL_RETURN_TOLERANCE = 1e-9
_REGULAR_CLOSE = "16:00"


def canonical_invariants(
    raw: pd.DataFrame,
    canonical: Canonical,
    instrument: Instrument,
    calendar: SessionCalendar,
    settings: MarketSettings,
) -> list[Verdict]:
    """Judge a canonical partition before it is written.

    Parameters
    ----------
    raw : DataFrame
        The raw minutes the partition was built from, per ``schemas.RAW_MINUTES``.
    canonical : Canonical
        The builder's result.
    instrument : Instrument
        Product of the partition.
    calendar : SessionCalendar
        Names the exchange calendar; its arrays are not used.
    settings : MarketSettings
        Quarantine ceiling and roll share.

    Returns
    -------
    list of Verdict
        ``data_contract``, ``sessions_and_ticks``, ``quarantine_ceiling``, ``rows_accounted``, ``rolls_forward_only``,
        ``no_foreign_contract``; all blocking.
    """
    rows = _distinct_rows(raw, canonical.quarantine)
    return [
        _data_contract(canonical.bars),
        _sessions_and_ticks(canonical.bars, instrument, calendar.name),
        _quarantine_ceiling(raw, canonical, settings.quarantined_share_max),
        _rows_accounted(len(raw), rows, canonical),
        _rolls_forward_only(rows, canonical, instrument, settings.roll_volume_share),
        _no_foreign_contract(canonical, instrument),
    ]


def _distinct_rows(raw: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Raw rows without exact copies, with a hash of their values, their Chicago trade date, and whether refused."""
    signature = _signature(raw)
    first = ~signature.duplicated().to_numpy()
    rows = raw.loc[first, ["expiry", "open_time", "close", "volume"]].reset_index(drop=True)
    rows["signature"] = signature.to_numpy()[first]
    rows["day"] = _trade_dates(rows["open_time"])
    rows["refused"] = _in(rows["signature"].to_numpy(), _signature(quarantine).to_numpy())
    return rows


def _trade_dates(open_times: pd.Series) -> pd.Series:
    """Chicago date of each time, the next day's from 17:00 on."""
    local = open_times.dt.tz_convert(CHICAGO).dt.tz_localize(None)
    return (local + pd.Timedelta(hours=7)).dt.normalize()


def _in(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    return pd.Index(values).isin(others)


def _signature(frame: pd.DataFrame) -> pd.Series:
    """64-bit hash of expiry, time and values of every row; equal rows of any two frames have equal hashes."""
    return pd.util.hash_pandas_object(frame[["expiry", "open_time", *_VALUES]], index=False)


def _verdict(name: str, problems: dict[str, int], good: str, **details: str | float) -> Verdict:
    """Passed if every count of problems is zero; the counts travel with the verdict."""
    found = {what: int(number) for what, number in problems.items() if number}
    summary = good if not found else "; ".join(f"{what}: {number}" for what, number in found.items())
    return Verdict(name=name, passed=not found, summary=summary, details={**details, **found})


def _data_contract(bars: pd.DataFrame) -> Verdict:
    prices = bars[["open", "high", "low", "close"]]
    one_minute = pd.Timedelta(minutes=1)
    problems = {
        "no bars": int(bars.empty),
        "repeated times": int(bars["open_time"].duplicated().sum()),
        "times that do not increase": int((bars["open_time"].diff().dropna() <= pd.Timedelta(0)).sum()),
        "close_time other than open_time + 1 minute": int((bars["close_time"] - bars["open_time"] != one_minute).sum()),
        "times off the whole minute": int((bars["open_time"].dt.floor("min") != bars["open_time"]).sum()),
        "nulls": int(bars.isna().sum().sum()),
        "infinite values": int(np.isinf(bars[[*_VALUES, "adjustment_ratio"]].to_numpy()).sum()),
        "prices not above zero": int((~(prices > 0)).to_numpy().sum()),
        "high below another price": int((prices.max(axis=1) > bars["high"]).sum()),
        "low above another price": int((prices.min(axis=1) < bars["low"]).sum()),
        "negative volume": int((bars["volume"] < 0).sum()),
        "adjustment ratio not above zero": int((~(bars["adjustment_ratio"] > 0)).sum()),
    }
    return _verdict("data_contract", problems, f"{len(bars)} bars are unique, ordered, finite and well formed")


def _sessions_and_ticks(bars: pd.DataFrame, instrument: Instrument, calendar_name: str) -> Verdict:
    """Chicago wall clock of every bar against the trade date it carries; ticks in exact decimals."""
    local = bars["open_time"].dt.tz_convert(CHICAGO)
    expected = _trade_dates(bars["open_time"])
    carried = pd.to_datetime(bars["trade_date"])
    hour = local.dt.hour
    minute = hour * 60 + local.dt.minute
    closes = _close_minutes(bars["trade_date"], instrument, calendar_name)
    close_minute = carried.map(closes)
    tick = Decimal(str(instrument.tick_size))
    distinct = pd.unique(bars[["open", "high", "low", "close"]].to_numpy().ravel())
    off_tick = [price for price in distinct if not _on_tick(price, tick)]
    problems = {
        "trade date other than the Chicago session": int((expected.to_numpy() != carried.to_numpy()).sum()),
        "bars on a day without a session": int(close_minute.isna().sum()),
        "bars after the session's close": int(((hour < 17) & (minute >= close_minute)).sum()),
        "bars between close and 17:00": int((hour == 16).sum()),
        "trade dates that go back": int((carried.diff().dropna() < pd.Timedelta(0)).sum()),
        "distinct prices off tick": len(off_tick),
    }
    good = f"{len(bars)} bars of {carried.nunique()} sessions lie inside their session, {len(distinct)} prices on tick"
    return _verdict("sessions_and_ticks", problems, good, sessions=int(carried.nunique()))


def _close_minutes(trade_dates: pd.Series, instrument: Instrument, calendar_name: str) -> dict[pd.Timestamp, int]:
    """Chicago minute of the day at which each session closes, from the library's schedule and the dated table."""
    import exchange_calendars

    if trade_dates.empty:
        return {}
    first, last = trade_dates.min() - timedelta(days=10), trade_dates.max() + timedelta(days=10)
    schedule = exchange_calendars.get_calendar(calendar_name, start=first, end=last).schedule
    wall = pd.Series(schedule["close"].dt.tz_convert(CHICAGO).dt.strftime("%H:%M").to_numpy(), index=schedule.index)
    wall = wall.clip(upper=_REGULAR_CLOSE)
    asset_class = "equity_index" if instrument.simulated else instrument.asset_class
    for row in SESSION_CORRECTIONS:
        if row.asset_class == asset_class:
            wall[pd.Timestamp(row.trade_date)] = row.close.strftime("%H:%M")
    return {day: int(text[:2]) * 60 + int(text[3:]) for day, text in wall.items()}


def _on_tick(price: float, tick: Decimal) -> bool:
    if not np.isfinite(price):
        return False
    ticks = Decimal(repr(float(price))) / tick
    return abs(ticks - ticks.to_integral_value()) <= _TICK_TOLERANCE_TICKS


def _quarantine_ceiling(raw: pd.DataFrame, canonical: Canonical, share_max: float) -> Verdict:
    fronts = set(canonical.bars["expiry"].astype(str))
    kept = int(raw["expiry"].isin(fronts).sum())
    refused = int(canonical.quarantine["expiry"].isin(fronts).sum())
    share = refused / kept if kept else 1.0
    reasons = canonical.quarantine["reason"].astype(str).value_counts()
    listing = ", ".join(f"{name} {number}" for name, number in reasons.items()) or "none"
    limit = f"{share:.4%}, at most {share_max:.2%}"
    return Verdict(
        name="quarantine_ceiling",
        passed=share <= share_max,
        summary=f"{refused} of {kept} rows of the kept expiries quarantined ({limit}): {listing}",
        details={"quarantined": refused, "rows": kept, "share": share, "share_max": share_max},
    )


def _rows_accounted(raw_rows: int, rows: pd.DataFrame, canonical: Canonical) -> Verdict:
    """Every raw row is a canonical bar, quarantined, an exact copy, or of a month that was not the front."""
    bars, quarantine = canonical.bars, canonical.quarantine
    in_raw = rows["signature"].to_numpy()
    in_bars, in_quarantine = _signature(bars).to_numpy(), _signature(quarantine).to_numpy()
    left = rows[~_in(in_raw, in_bars) & ~rows["refused"].to_numpy()]
    first = bars.drop_duplicates("trade_date")
    front = dict(zip(pd.to_datetime(first["trade_date"]), first["expiry"].astype(str), strict=True))
    lost = (left["day"].map(front).astype(object) == left["expiry"].astype(object)).sum()
    counts = canonical.counts
    copies = raw_rows - len(rows)
    parts = copies + len(quarantine) + len(left) + len(bars)
    problems = {
        "canonical bars that no raw row holds": int((~_in(in_bars, in_raw)).sum()),
        "quarantined rows that no raw row holds": int((~_in(in_quarantine, in_raw)).sum()),
        "rows both canonical and quarantined": int(_in(in_quarantine, in_bars).sum()),
        "rows of the front month that are in neither": int(lost),
        "raw rows unaccounted for": abs(raw_rows - parts),
        "counts that disagree": sum(
            int(counts[name] != number)
            for name, number in (
                ("raw_rows", raw_rows),
                ("exact_duplicates", copies),
                ("quarantined", len(quarantine)),
                ("other_expiry_rows", len(left)),
                ("canonical_rows", len(bars)),
            )
        ),
    }
    good = (
        f"{raw_rows} raw rows = {len(bars)} canonical + {len(left)} of other expiries + {len(quarantine)} quarantined "
        f"+ {copies} exact copies"
    )
    return _verdict("rows_accounted", problems, good)


def _rolls_forward_only(rows: pd.DataFrame, canonical: Canonical, instrument: Instrument, share: float) -> Verdict:
    bars, rolls = canonical.bars, canonical.rolls
    if bars.empty:
        return _verdict("rolls_forward_only", {"no bars": 1}, "")
    pairs = bars[["trade_date", "expiry"]].drop_duplicates()
    several = pairs["trade_date"].duplicated().sum()
    held = pd.Series(pairs["expiry"].astype(str).to_numpy(), index=pd.DatetimeIndex(pairs["trade_date"]))
    held = held[~held.index.duplicated()]
    delivery = pd.Series([_delivery(name, day.date()) for day, name in held.items()], index=held.index)
    changes = held[held != held.shift()].iloc[1:]
    listed = dict(zip(pd.to_datetime(rolls["trade_date"]), rolls["to_expiry"].astype(str), strict=True))
    valid = rows[~rows["refused"]]
    volumes = valid.pivot_table(
        index="day", columns="expiry", values="volume", aggfunc="sum", fill_value=0.0, observed=True
    )
    full = held.reindex(volumes.index.union(held.index))
    for day in full.index[full.isna()].intersection(list(listed)):
        full[day] = listed[day]
    late, early = _rule_breaches(full.ffill().dropna(), volumes, instrument, share)
    jumps = _roll_returns(valid, canonical, held)
    problems = {
        "sessions with several expiries": int(several),
        "rolls back to an earlier month": int((delivery.diff().dropna() < 0).sum()),
        "changes of expiry that differ from the roll map": len(set(changes.items()) ^ set(listed.items())),
        "sessions that held a month too long": late,
        "rolls before the volume share or first notice": early,
        "rolls with a return in the adjusted series": int((np.abs(jumps) > _ROLL_RETURN_TOLERANCE).sum()),
        "first bar whose ratio is not 1": int(len(bars) > 0 and bars["adjustment_ratio"].iloc[0] != 1.0),
        "changes of ratio other than at rolls": _ratio_changes(bars, changes),
    }
    worst = float(np.abs(jumps).max()) if len(jumps) else 0.0
    good = f"{len(rolls)} rolls, all forward and on time; largest adjusted median return at a roll {worst:.1e}"
    return _verdict("rolls_forward_only", problems, good, rolls=len(rolls))


def _delivery(name: str, day: date) -> int:
    """Delivery month by trying years from the bar's on; the builder resolves the digit arithmetically."""
    digits = name[-1] if not name[-2].isdigit() else name[-4:] if name[-4:].isdigit() else name[-2:]
    month = _MONTHS[name[-len(digits) - 1]]
    return next(
        12 * year + month
        for year in range(day.year, day.year + 11)
        if str(year).endswith(digits) and (year, month) >= (day.year, day.month)
    )


def _rule_breaches(held: pd.Series, volumes: pd.DataFrame, instrument: Instrument, share: float) -> tuple[int, int]:
    """Sessions that kept a front the rule had to leave, and rolls the rule did not ask for."""
    notice = _BusinessDays(held.index.min().year - 1, held.index.max().year + 11)
    late = early = 0
    for position in range(1, len(held)):
        day, before = held.index[position], held.index[position - 1]
        front, now = held.iloc[position - 1], held.iloc[position]
        previous = volumes.loc[before]
        rivals = {
            name: contracts
            for name, contracts in previous.items()
            if contracts > 0
            and _delivery(name, before.date()) > _delivery(front, before.date())
            and name[-2 if not name[-2].isdigit() else -3] in instrument.delivery_months
            and not notice.binds(instrument, _delivery(name, before.date()), day)
        }
        strongest = max(rivals.values(), default=0.0)
        due = bool(rivals) and (
            strongest >= share * previous.get(front, 0.0)
            or notice.binds(instrument, _delivery(front, before.date()), day)
        )
        late += int(due and now == front)
        early += int(not due and now != front)
        early += int(due and now != front and previous.get(now, 0.0) < strongest)
    return late, early


class _BusinessDays:
    """Business days as the sessions of the New York Stock Exchange, and what they say about notice days."""

    def __init__(self, first_year: int, last_year: int) -> None:
        import exchange_calendars

        calendar = exchange_calendars.get_calendar("XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31")
        self._days = calendar.sessions
        self._last_sessions: dict[int, pd.Timestamp] = {}

    def binds(self, instrument: Instrument, delivery: int, day: pd.Timestamp) -> bool:
        """Whether the month may no longer be the front: the session is the last one before notice, or later."""
        if delivery not in self._last_sessions:
            start = pd.Timestamp((delivery - 1) // 12, (delivery - 1) % 12 + 1, 1)
            if instrument.first_notice_rule == "month_before":
                notice = self._days[self._days < start][-1]
            else:
                month = pd.date_range(start, periods=28, freq="D")
                notice = self._days[self._days <= month[month.weekday == 4][2]][-1]
            last = notice - pd.Timedelta(days=1)
            while last.weekday() >= 5 or _no_futures_session(last):
                last -= pd.Timedelta(days=1)
            self._last_sessions[delivery] = last
        return day >= self._last_sessions[delivery]


def _no_futures_session(day: pd.Timestamp) -> bool:
    easter = pd.offsets.Easter().rollforward(pd.Timestamp(day.year, 1, 1))
    christmas_or_new_year = any(
        day == pd.Timestamp(year, month, number) + pd.Timedelta(days=shift)
        for year in (day.year, day.year + 1)
        for month, number in ((12, 25), (1, 1))
        for shift in (0, 1)
        if shift == 0 or pd.Timestamp(year, month, number).weekday() == 6
    )
    return day == easter - pd.Timedelta(days=2) or christmas_or_new_year


def _roll_returns(valid: pd.DataFrame, canonical: Canonical, held: pd.Series) -> np.ndarray:
    """Return of the adjusted series at each roll: new ratio over old, against the median of the paired closes."""
    found = []
    ratio_of = canonical.bars.groupby("trade_date", observed=True)["adjustment_ratio"].first()
    for roll in canonical.rolls.itertuples(index=False):
        day = pd.Timestamp(roll.trade_date)
        earlier = held.index[held.index < day]
        if day not in held.index or len(earlier) == 0:
            found.append(np.inf)
            continue
        before = earlier[-1]
        prices = valid[valid["day"] == before].pivot(index="open_time", columns="expiry", values="close")
        pairs = prices.reindex(columns=[str(roll.from_expiry), str(roll.to_expiry)]).dropna()
        quotient = (pairs[str(roll.from_expiry)] / pairs[str(roll.to_expiry)]).median()
        found.append(ratio_of[day] / ratio_of[before] / quotient - 1.0 if len(pairs) else np.inf)
    return np.array(found, dtype=np.float64)


def _ratio_changes(bars: pd.DataFrame, changes: pd.Series) -> int:
    at = bars["trade_date"][bars["adjustment_ratio"] != bars["adjustment_ratio"].shift()].iloc[1:]
    return len(set(pd.to_datetime(at)) - set(changes.index)) + int(at.duplicated().sum())


def _no_foreign_contract(canonical: Canonical, instrument: Instrument) -> Verdict:
    names = {str(name) for frame in (canonical.bars, canonical.quarantine) for name in frame["expiry"].unique()}
    names |= {str(name) for column in ("from_expiry", "to_expiry") for name in canonical.rolls[column].unique()}
    foreign = sorted(name for name in names if not _belongs(name, instrument))
    held = {str(name) for name in canonical.bars["expiry"].unique()}
    unlisted = sorted(n for n in held if not foreign and n[len(instrument.symbol)] not in instrument.delivery_months)
    problems = {"expiries of another contract": len(foreign), "months without delivery": len(unlisted)}
    return _verdict(
        "no_foreign_contract",
        problems,
        f"{len(names)} expiries, all of {instrument.symbol}",
        names=", ".join((foreign + unlisted)[:5]),
    )


def _belongs(name: str, instrument: Instrument) -> bool:
    rest = name.removeprefix(instrument.symbol)
    return name.startswith(instrument.symbol) and len(rest) > 1 and rest[0] in _MONTHS and rest[1:].isdigit()
