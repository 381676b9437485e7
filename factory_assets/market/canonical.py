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

from factory_assets.market.expiry import delivery_indices
from factory_assets.market.quality import KEPT, REASONS, MinuteArrays, broken_rules, duplicates, spikes
from factory_assets.market.rolls import choose_fronts, roll_ratio
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import DAY_US, MINUTE_US

_DAYS_MAX = 1 << 16
_PRICES = ("open", "high", "low", "close")
_COLUMNS = ("source_file", "expiry", "open_time", *_PRICES, "volume")


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
        rows of expiries that were ever front), ``sessions``, ``rolls``.
    """

    bars: pd.DataFrame
    quarantine: pd.DataFrame
    rolls: pd.DataFrame
    counts: Mapping[str, int | float]


def build_canonical(
    raw: pd.DataFrame, instrument: Instrument, calendar: SessionCalendar, settings: MarketSettings
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
        Roll share and spike limit.

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
    order, minutes, names = _sorted(raw, instrument)
    # All sessions of the calendar, so that a corrupt time is a row to quarantine and not a range to fail on.
    sessions = calendar.sessions
    exact, reason = _judged(minutes, instrument, sessions, settings)
    valid = (reason == KEPT) & ~exact
    session = sessions.locate(minutes.open_us)
    if not valid.any():
        raise BadInputError(
            f"{instrument.symbol}: none of {len(raw)} raw rows is valid ({_tally(reason)}). Check time zone, bar label "
            "and columns in source.toml."
        )
    volume = pd.DataFrame({"trade_day": sessions.trade_day[session], "expiry": names, "volume": minutes.volume})[valid]
    fronts = choose_fronts(volume, instrument, settings.roll_volume_share)
    front_of_session = pd.Series(fronts["expiry"].to_numpy(), index=fronts["trade_day"].to_numpy())
    rows = np.flatnonzero(valid)
    front = front_of_session.loc[sessions.trade_day[session[rows]]].to_numpy()
    kept = rows[names[rows] == front]
    kept = kept[np.argsort(minutes.open_us[kept], kind="stable")]
    rolls = _rolls(fronts, minutes, names, session, sessions, rows)
    bars = _bars(minutes, names, sessions.trade_day[session], kept, rolls)
    quarantine = _quarantine(raw, order, reason)
    counts = _counts(raw, names, exact, reason, fronts, kept, rolls)
    return Canonical(bars=bars, quarantine=quarantine, rolls=rolls, counts=counts)


def _sorted(raw: pd.DataFrame, instrument: Instrument) -> tuple[np.ndarray, MinuteArrays, np.ndarray]:
    """Raw rows in one order that their values alone decide; the positions, the arrays, the expiry names."""
    missing = [name for name in _COLUMNS if name not in raw.columns]
    if missing or len(raw) == 0:
        raise BadInputError(
            f"{instrument.symbol}: raw minutes have {len(raw)} rows and lack columns {missing}; expected at least one "
            f"row with {list(_COLUMNS)}"
        )
    open_us = times_us(raw["open_time"], "raw open_time")
    timeless = int((open_us == np.iinfo(np.int64).min).sum())
    if timeless:
        raise BadInputError(f"{instrument.symbol}: {timeless} raw rows have no open_time. Correct the raw files.")
    # A corrupt time far off the calendar is quarantined later; here it only must not overflow.
    days = np.clip(open_us // DAY_US, 0, _DAYS_MAX).astype(np.int32)
    delivery = delivery_indices(raw["expiry"], days)
    prices = np.vstack([raw[name].to_numpy(dtype=np.float64) for name in _PRICES])
    volume = raw["volume"].to_numpy(dtype=np.float64)
    files = pd.factorize(raw["source_file"], sort=True)[0]
    copies = (raw["source_row"].to_numpy(),) if "source_row" in raw.columns else ()
    order = np.lexsort((*copies, files, volume, *prices[::-1], open_us, delivery))
    minutes = MinuteArrays(delivery, open_us, prices, volume).take(order)
    return order, minutes, raw["expiry"].astype(str).to_numpy(dtype=object)[order]


def _judged(
    minutes: MinuteArrays, instrument: Instrument, sessions: Sessions, settings: MarketSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are exact copies, and the rule each other row breaks (int8 index into REASONS, or KEPT)."""
    exact, conflicting = duplicates(minutes)
    reason = np.where(exact, KEPT, broken_rules(minutes, instrument, sessions)).astype(np.int8)
    reason[conflicting] = REASONS.index("conflicting_duplicate")
    rows = np.flatnonzero((reason == KEPT) & ~exact)
    valid = minutes.take(rows)
    found = spikes(valid, sessions.locate(valid.open_us), instrument, settings.spike_scale_multiple)
    reason[rows[found]] = REASONS.index("spike")
    return exact, reason


def _rolls(
    fronts: pd.DataFrame,
    minutes: MinuteArrays,
    names: np.ndarray,
    session: np.ndarray,
    sessions: Sessions,
    rows: np.ndarray,
) -> pd.DataFrame:
    """Roll map: ratio and difference over the minutes both months traded in the session before."""
    records = []
    days = fronts["trade_day"].to_numpy()
    day_of_row = sessions.trade_day[session[rows]]
    for position in np.flatnonzero(fronts["rolled"].to_numpy()):
        change = fronts.iloc[position]
        before = rows[day_of_row == days[position - 1]]
        sides = []
        for expiry in (change["from_expiry"], change["expiry"]):
            side = before[names[before] == expiry]
            sides.append(pd.DataFrame({"open_time": from_us(minutes.open_us[side]), "close": minutes.prices[3][side]}))
        ratio, difference, paired = roll_ratio(*sides)
        joined = (change["from_expiry"], change["expiry"], ratio, difference, paired, change["reason"])
        records.append((days[position], *joined))
    columns = ["trade_date", "from_expiry", "to_expiry", "ratio", "difference", "paired_minutes", "reason"]
    rolls = pd.DataFrame(records, columns=columns)
    rolls["trade_date"] = from_days(rolls["trade_date"].to_numpy(dtype=np.int64))
    types = {"ratio": np.float64, "difference": np.float64, "paired_minutes": np.int64}
    text = dict.fromkeys(("from_expiry", "to_expiry", "reason"), "category")
    return rolls.astype(types | text)


def _bars(
    minutes: MinuteArrays, names: np.ndarray, trade_day: np.ndarray, kept: np.ndarray, rolls: pd.DataFrame
) -> pd.DataFrame:
    """Canonical rows; the ratio of a bar is the product of all rolls up to its session, from the first expiry on."""
    days = trade_day[kept]
    roll_days = np.asarray(rolls["trade_date"], dtype="datetime64[D]").astype(np.int64)
    chain = np.concatenate([[1.0], np.cumprod(rolls["ratio"].to_numpy())])
    open_us = minutes.open_us[kept]
    return pd.DataFrame(
        {
            "expiry": pd.Categorical(names[kept]),
            "open_time": from_us(open_us),
            "close_time": from_us(open_us + MINUTE_US),
            "trade_date": from_days(days),
            **{name: minutes.prices[position][kept] for position, name in enumerate(_PRICES)},
            "volume": minutes.volume[kept],
            "adjustment_ratio": chain[np.searchsorted(roll_days, days, side="right")],
        }
    )


def _quarantine(raw: pd.DataFrame, order: np.ndarray, reason: np.ndarray) -> pd.DataFrame:
    """Refused rows as they came, with the rule's name; without row numbers, their place in the sorted rows is one."""
    refused = np.flatnonzero(reason != KEPT)
    positions, reason = order[refused], reason[refused]
    row = raw["source_row"].to_numpy()[positions] if "source_row" in raw.columns else refused
    frame = raw.iloc[positions][["source_file", "expiry"]].reset_index(drop=True)
    frame.insert(1, "source_row", row.astype(np.int64))
    frame["open_time"] = from_us(times_us(raw["open_time"].iloc[positions]))
    frame["reason"] = pd.Categorical.from_codes(reason, list(REASONS)).remove_unused_categories()
    for name in (*_PRICES, "volume"):
        frame[name] = raw[name].to_numpy(dtype=np.float64)[positions]
    for name in ("source_file", "expiry"):
        frame[name] = pd.Categorical(frame[name].astype(str))
    keys = ["expiry", "open_time", "source_file", "source_row"]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _counts(
    raw: pd.DataFrame,
    names: np.ndarray,
    exact: np.ndarray,
    reason: np.ndarray,
    fronts: pd.DataFrame,
    kept: np.ndarray,
    rolls: pd.DataFrame,
) -> dict[str, int | float]:
    of_kept_expiry = pd.Series(names).isin(set(fronts["expiry"])).to_numpy()
    refused = reason != KEPT
    counts: dict[str, int | float] = {
        "raw_rows": len(raw),
        "exact_duplicates": int(exact.sum()),
        "quarantined": int(refused.sum()),
        "other_expiry_rows": int((~exact & ~refused).sum() - len(kept)),
        "canonical_rows": len(kept),
        "kept_expiry_rows": int(of_kept_expiry.sum()),
        "kept_expiry_quarantined": int((of_kept_expiry & refused).sum()),
        "quarantined_share": float((of_kept_expiry & refused).sum() / max(1, of_kept_expiry.sum())),
        "sessions": len(fronts),
        "rolls": len(rolls),
    }
    counts |= {f"quarantined_{name}": int((reason == code).sum()) for code, name in enumerate(REASONS)}
    accounted = counts["exact_duplicates"] + counts["quarantined"] + counts["other_expiry_rows"] + len(kept)
    assert accounted == len(raw), f"{len(raw)} raw rows, {accounted} accounted for"
    return counts


def _tally(reason: np.ndarray) -> str:
    codes, numbers = np.unique(reason[reason != KEPT], return_counts=True)
    return ", ".join(f"{REASONS[code]}: {number}" for code, number in zip(codes, numbers, strict=True))
