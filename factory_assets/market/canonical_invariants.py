"""What canonical bars have to satisfy, recomputed from the raw rows along another way than the builder's.

The builder works on sorted arrays, integer microseconds and session spans; here everything is table joins, Chicago
wall-clock times, exact decimals and a business-day calendar of another exchange. A defect in one does not hide in the
other. Neighbours: :mod:`factory_assets.market.roll_invariants` for the rolls,
:mod:`factory_assets.market.ladder_invariants` for the timeframes above one minute.
"""

from decimal import Decimal

import numpy as np
import pandas as pd

from factory_assets.market.canonical import Canonical
from factory_assets.market.counted_verdict import counted_verdict
from factory_assets.market.quarantine_invariants import quarantine_reasons_recomputed
from factory_assets.market.roll_invariants import rolls_forward_only
from factory_assets.market.sessions import CHICAGO, SessionCalendar
from factory_assets.market.wall_clock import close_minutes, trade_dates
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.verdict import Verdict

_VALUES = ["open", "high", "low", "close", "volume"]
_ADJUSTMENTS = ["adjustment_ratio", "adjustment_difference"]
_MONTHS = {code: number for number, code in enumerate("FGHJKMNQUVXZ", start=1)}
_TICK_TOLERANCE_TICKS = Decimal("0.000001")


def canonical_invariants(
    raw: pd.DataFrame,
    canonical: Canonical,
    instrument: Instrument,
    calendar: SessionCalendar,
    settings: MarketSettings,
    *,
    open_interest: pd.DataFrame | None = None,
    joins_without_overlap: bool = False,
    has_volume: bool = True,
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
        Quarantine ceiling and roll rule.
    open_interest, joins_without_overlap, has_volume
        As given to the builder.

    Returns
    -------
    list of Verdict
        ``data_contract``, ``sessions_and_ticks``, ``quarantine_ceiling``, ``rows_accounted``,
        ``quarantine_reasons_recomputed``, ``rolls_forward_only``, ``no_foreign_contract``; all blocking.
    """
    rows = _distinct_rows(raw, canonical.quarantine)
    return [
        _data_contract(canonical.bars, has_volume=has_volume),
        _sessions_and_ticks(canonical.bars, instrument, calendar.name),
        _quarantine_ceiling(rows, canonical, settings.quarantined_share_max),
        _rows_accounted(len(raw), rows, canonical),
        quarantine_reasons_recomputed(raw, canonical.quarantine, instrument, calendar, settings, has_volume=has_volume),
        rolls_forward_only(
            rows,
            canonical,
            instrument,
            settings,
            open_interest=open_interest,
            joins_without_overlap=joins_without_overlap,
        ),
        _no_foreign_contract(canonical, instrument),
    ]


def _distinct_rows(raw: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Raw rows without exact copies, with a hash of their values, their Chicago trade date, and whether refused."""
    signature = _signature(raw)
    first = ~signature.duplicated().to_numpy()
    rows = raw.loc[first, ["expiry", "open_time", "open", "close", "volume"]].reset_index(drop=True)
    rows["signature"] = signature.to_numpy()[first]
    rows["day"] = trade_dates(rows["open_time"])
    rows["refused"] = _in(rows["signature"].to_numpy(), _signature(quarantine).to_numpy())
    return rows


def _in(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    return pd.Index(values).isin(others)


def _signature(frame: pd.DataFrame) -> pd.Series:
    """64-bit hash of expiry, time and values of every row; equal rows of any two frames have equal hashes."""
    return pd.util.hash_pandas_object(frame[["expiry", "open_time", *_VALUES]], index=False)


def _data_contract(bars: pd.DataFrame, *, has_volume: bool) -> Verdict:
    prices = bars[["open", "high", "low", "close"]]
    one_minute = pd.Timedelta(minutes=1)
    problems = {
        "no bars": int(bars.empty),
        "repeated times": int(bars["open_time"].duplicated().sum()),
        "times that do not increase": int((bars["open_time"].diff().dropna() <= pd.Timedelta(0)).sum()),
        "close_time other than open_time + 1 minute": int((bars["close_time"] - bars["open_time"] != one_minute).sum()),
        "times off the whole minute": int((bars["open_time"].dt.floor("min") != bars["open_time"]).sum()),
        "nulls": int(bars.drop(columns="volume").isna().sum().sum()),
        "volumes missing": int(bars["volume"].isna().sum()) if has_volume else 0,
        "volumes of a source without volume": 0 if has_volume else int(bars["volume"].notna().sum()),
        "infinite values": int(np.isinf(bars[[*_VALUES, *_ADJUSTMENTS]].to_numpy()).sum()),
        "prices not above zero": int((~(prices > 0)).to_numpy().sum()),
        "high below another price": int((prices.max(axis=1) > bars["high"]).sum()),
        "low above another price": int((prices.min(axis=1) < bars["low"]).sum()),
        "negative volume": int((bars["volume"] < 0).sum()),
        "adjustment ratio not above zero": int((~(bars["adjustment_ratio"] > 0)).sum()),
    }
    return counted_verdict("data_contract", problems, f"{len(bars)} bars are unique, ordered, finite and well formed")


def _sessions_and_ticks(bars: pd.DataFrame, instrument: Instrument, calendar_name: str) -> Verdict:
    """Chicago wall clock of every bar against the trade date it carries; ticks in exact decimals."""
    local = bars["open_time"].dt.tz_convert(CHICAGO)
    expected = trade_dates(bars["open_time"])
    carried = pd.to_datetime(bars["trade_date"])
    hour = local.dt.hour
    minute = hour * 60 + local.dt.minute
    closes = close_minutes(bars["trade_date"], instrument, calendar_name)
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
    return counted_verdict("sessions_and_ticks", problems, good, sessions=int(carried.nunique()))


def _on_tick(price: float, tick: Decimal) -> bool:
    if not np.isfinite(price):
        return False
    ticks = Decimal(repr(float(price))) / tick
    return abs(ticks - ticks.to_integral_value()) <= _TICK_TOLERANCE_TICKS


def _quarantine_ceiling(rows: pd.DataFrame, canonical: Canonical, share_max: float) -> Verdict:
    fronts = set(canonical.bars["expiry"].astype(str))
    kept = int(
        rows["expiry"].isin(fronts).sum()
    )  # without exact copies, or a file ingested twice would halve the share
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
    return counted_verdict("rows_accounted", problems, good)


def _no_foreign_contract(canonical: Canonical, instrument: Instrument) -> Verdict:
    names = {str(name) for frame in (canonical.bars, canonical.quarantine) for name in frame["expiry"].unique()}
    names |= {str(name) for column in ("from_expiry", "to_expiry") for name in canonical.rolls[column].unique()}
    foreign = sorted(name for name in names if not _belongs(name, instrument))
    held = {str(name) for name in canonical.bars["expiry"].unique()}
    unlisted = sorted(n for n in held if not foreign and n[len(instrument.symbol)] not in instrument.delivery_months)
    problems = {"expiries of another contract": len(foreign), "months without delivery": len(unlisted)}
    return counted_verdict(
        "no_foreign_contract",
        problems,
        f"{len(names)} expiries, all of {instrument.symbol}",
        names=", ".join((foreign + unlisted)[:5]),
    )


def _belongs(name: str, instrument: Instrument) -> bool:
    rest = name.removeprefix(instrument.symbol)
    return name.startswith(instrument.symbol) and len(rest) > 1 and rest[0] in _MONTHS and rest[1:].isdigit()
