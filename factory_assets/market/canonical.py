"""Raw minutes of all delivery months to one canonical, forward-adjusted minute series.

Belongs here: the order of the steps and the accounting of every raw row. The rules themselves live next door: sessions
(:mod:`factory_assets.market.sessions`), validity (:mod:`factory_assets.market.quality`), the front month
(:mod:`factory_assets.market.rolls`). What the result has to satisfy is checked independently in
:mod:`factory_assets.market.invariants`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.market.adjustment import adjustment_differences, adjustment_ratios
from factory_assets.market.quality import KEPT, REASONS, MinuteArrays, broken_rules, duplicates, spikes
from factory_assets.market.raw_rows import PRICES, RawRows, sorted_rows
from factory_assets.market.roll_map import roll_map
from factory_assets.market.rolls import choose_fronts
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import MINUTE_US


@dataclass(frozen=True, eq=False)
class Canonical:
    """One contract's canonical minutes and everything that did not become one.

    Attributes
    ----------
    bars : DataFrame
        Per ``schemas.CANONICAL_BARS`` without ``contract``; a bar is known at its ``close_time``.
    quarantine : DataFrame
        Per ``schemas.QUARANTINE`` without ``contract``: one row a refused raw row, with the rule it broke.
    rolls : DataFrame
        Per ``schemas.ROLLS`` without ``contract``; a roll is known at the open of its session.
    counts : mapping of str to int or float
        ``raw_rows`` = ``exact_duplicates`` + ``quarantined`` + ``other_expiry_rows`` + ``canonical_rows``, besides
        ``quarantined_<reason>``, ``kept_expiry_rows``, ``kept_expiry_quarantined``, ``quarantined_share`` (of the raw
        rows of expiries that were ever front, exact copies aside), ``sessions``, ``rolls``, ``rolls_without_overlap``.
    """

    bars: pd.DataFrame
    quarantine: pd.DataFrame
    rolls: pd.DataFrame
    counts: Mapping[str, int | float]


def build_canonical(
    raw: pd.DataFrame,
    instrument: Instrument,
    calendar: SessionCalendar,
    settings: MarketSettings,
    *,
    open_interest: pd.DataFrame | None = None,
    joins_without_overlap: bool = False,
    has_volume: bool = True,
) -> Canonical:
    """Validate raw minutes, choose the front month of each session and chain the months together.

    The result depends on the rows alone: not on their order, on the split into files, or on the process's time zone.
    Adding later sessions leaves every earlier bar, ratio and quarantined row as it was.

    Parameters
    ----------
    raw : DataFrame
        Per ``schemas.RAW_MINUTES``, spreads already left out.
    instrument : Instrument
        Product of the rows.
    calendar : SessionCalendar
        Sessions of the product.
    settings : MarketSettings
        Roll rule and spike limit.
    open_interest : DataFrame, optional
        Per ``schemas.OPEN_INTEREST``; what the roll rule ``open_interest`` goes by, the other rules do not read it.
    joins_without_overlap : bool
        The rows are a vendor's continuous series: the months do not overlap, the vendor chose them, and they are
        joined at the last close and the first open (:mod:`factory_assets.market.roll_map`).
    has_volume : bool
        Whether the source was declared to have volume. Without, every volume is NaN, and a spike has the other months
        alone to speak for it.

    Returns
    -------
    Canonical
        Bars, quarantine, rolls and the accounting of every raw row.

    Raises
    ------
    BadInputError
        Missing columns, no rows, no valid row, or a roll between months that share no minute.
    NaiveTimestampError
        ``open_time`` carries no time zone.
    """
    rows = sorted_rows(raw, instrument)
    minutes = rows.minutes
    # All sessions of the calendar, so that a corrupt time is a row to quarantine and not a range to fail on.
    sessions = calendar.sessions
    exact, reason = _judged(minutes, instrument, sessions, settings, has_volume=has_volume)
    valid = (reason == KEPT) & ~exact
    if not valid.any():
        raise BadInputError(
            f"{instrument.symbol}: none of {len(raw)} raw rows is valid ({_tally(reason)}). Check time zone, bar label "
            "and columns in source.toml."
        )
    trade_day = sessions.trade_day[sessions.locate(minutes.open_us)]
    fronts = choose_fronts(
        _traded(rows, valid, trade_day),
        instrument,
        settings,
        open_interest=open_interest,
        joins_without_overlap=joins_without_overlap,
    )
    kept = _kept(rows, fronts, trade_day, valid)
    rolls = roll_map(
        fronts,
        minutes,
        rows.names[rows.expiry],
        trade_day,
        np.flatnonzero(valid),
        joins_without_overlap=joins_without_overlap,
    )
    bars = _bars(rows, trade_day, kept, rolls)
    quarantine = _quarantine(raw, rows.order, reason)
    counts = _counts(rows, exact, reason, fronts, kept, rolls)
    return Canonical(bars=bars, quarantine=quarantine, rolls=rolls, counts=counts)


def _judged(
    minutes: MinuteArrays, instrument: Instrument, sessions: Sessions, settings: MarketSettings, *, has_volume: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are exact copies, and the rule each other row breaks (int8 index into REASONS, or KEPT)."""
    exact, conflicting = duplicates(minutes)
    reason = broken_rules(minutes, instrument, sessions, has_volume=has_volume)
    reason[exact] = KEPT
    reason[conflicting] = REASONS.index("conflicting_duplicate")
    good = (reason == KEPT) & ~exact
    valid = minutes if good.all() else minutes.take(np.flatnonzero(good))
    found = spikes(valid, sessions.locate(valid.open_us), instrument, settings.spike_scale_multiple)
    reason[np.flatnonzero(good)[found]] = REASONS.index("spike")
    return exact, reason


def _traded(rows: RawRows, valid: np.ndarray, trade_day: np.ndarray) -> pd.DataFrame:
    """Contracts and minutes of each session and expiry: one row for each pair that has a valid bar."""
    kept = np.flatnonzero(valid)
    first_day = int(trade_day[kept].min())
    pair = (trade_day[kept].astype(np.int64) - first_day) * len(rows.names) + rows.expiry[kept]
    inverse, pairs = pd.factorize(pair)
    return pd.DataFrame(
        {
            "trade_day": pairs // len(rows.names) + first_day,
            "expiry": rows.names[pairs % len(rows.names)],
            "volume": np.bincount(inverse, weights=rows.minutes.volume[kept], minlength=len(pairs)),
            "minutes": np.bincount(inverse, minlength=len(pairs)),
        }
    ).sort_values(["trade_day", "expiry"], ignore_index=True)


def _kept(rows: RawRows, fronts: pd.DataFrame, trade_day: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Valid rows of each session's front, in time order."""
    place = {name: code for code, name in enumerate(rows.names)}
    days = fronts["trade_day"].to_numpy(dtype=np.int64)
    front = np.full(int(days[-1] - days[0]) + 1, -1, dtype=np.int32)
    front[days - days[0]] = [place[str(name)] for name in fronts["expiry"]]
    good = np.flatnonzero(valid)
    kept = good[front[trade_day[good] - days[0]] == rows.expiry[good]]
    open_us = rows.minutes.open_us[kept]
    # Months follow each other, so their rows in the series do: nothing is left to sort.
    return kept if bool((open_us[1:] > open_us[:-1]).all()) else kept[np.argsort(open_us, kind="stable")]


def _bars(rows: RawRows, trade_day: np.ndarray, kept: np.ndarray, rolls: pd.DataFrame) -> pd.DataFrame:
    """Canonical rows; the adjustments of a bar chain all rolls up to its session, from the first expiry on."""
    days, minutes = trade_day[kept], rows.minutes
    open_us = minutes.open_us[kept]
    used, codes = _compact(rows.expiry[kept], len(rows.names))
    return pd.DataFrame(
        {
            "expiry": pd.Categorical.from_codes(codes, rows.names[used]),
            "open_time": from_us(open_us),
            "close_time": from_us(open_us + MINUTE_US),
            "trade_date": from_days(days),
            **{name: minutes.prices[side][kept] for side, name in enumerate(PRICES)},
            "volume": minutes.volume[kept],
            "adjustment_ratio": adjustment_ratios(days, rolls),
            "adjustment_difference": adjustment_differences(days, rolls),
        }
    )


def _compact(codes: np.ndarray, names: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes that occur, increasing, and every code as its place among them."""
    used = np.flatnonzero(np.bincount(codes, minlength=names))
    place = np.zeros(names, dtype=np.int32)
    place[used] = np.arange(len(used))
    return used, place[codes]


def _quarantine(raw: pd.DataFrame, order: np.ndarray, reason: np.ndarray) -> pd.DataFrame:
    """Refused rows as they came, with the rule's name; without row numbers, their place in the sorted rows is one."""
    refused = np.flatnonzero(reason != KEPT)
    positions, reason = order[refused], reason[refused]
    row = raw["source_row"].to_numpy()[positions] if "source_row" in raw.columns else refused
    frame = raw.iloc[positions][["source_file", "expiry"]].reset_index(drop=True)
    frame.insert(1, "source_row", row.astype(np.int64))
    frame["open_time"] = from_us(times_us(raw["open_time"].iloc[positions]))
    frame["reason"] = pd.Categorical.from_codes(reason, list(REASONS)).remove_unused_categories()
    for name in (*PRICES, "volume"):
        frame[name] = raw[name].to_numpy(dtype=np.float64)[positions]
    for name in ("source_file", "expiry"):
        frame[name] = pd.Categorical(frame[name].astype(str))
    keys = ["expiry", "open_time", "source_file", "source_row"]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _counts(
    rows: RawRows,
    exact: np.ndarray,
    reason: np.ndarray,
    fronts: pd.DataFrame,
    kept: np.ndarray,
    rolls: pd.DataFrame,
) -> dict[str, int | float]:
    of_kept_expiry = np.isin(rows.names, fronts["expiry"].to_numpy(dtype=object))[rows.expiry] & ~exact
    refused = reason != KEPT
    counts: dict[str, int | float] = {
        "raw_rows": len(rows),
        "exact_duplicates": int(exact.sum()),
        "quarantined": int(refused.sum()),
        "other_expiry_rows": int((~exact & ~refused).sum() - len(kept)),
        "canonical_rows": len(kept),
        "kept_expiry_rows": int(of_kept_expiry.sum()),
        "kept_expiry_quarantined": int((of_kept_expiry & refused).sum()),
        "quarantined_share": float((of_kept_expiry & refused).sum() / max(1, of_kept_expiry.sum())),
        "sessions": len(fronts),
        "rolls": len(rolls),
        "rolls_without_overlap": int((rolls["paired_minutes"] == 0).sum()),
    }
    counts |= {f"quarantined_{name}": int((reason == code).sum()) for code, name in enumerate(REASONS)}
    accounted = counts["exact_duplicates"] + counts["quarantined"] + counts["other_expiry_rows"] + len(kept)
    assert accounted == len(rows), f"{len(rows)} raw rows, {accounted} accounted for"
    return counts


def _tally(reason: np.ndarray) -> str:
    codes, numbers = np.unique(reason[reason != KEPT], return_counts=True)
    return ", ".join(f"{REASONS[code]}: {number}" for code, number in zip(codes, numbers, strict=True))
