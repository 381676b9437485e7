"""Whether the quarantine holds exactly the rows that break a rule, each under the first rule it breaks.

The builder judges sorted arrays in compiled loops (:mod:`factory_assets.market.quality`); here the same rules, stated
in ``quality.REASONS``, are read again from the raw rows: exact decimals for ticks, table operations for values and
conflicts, the Chicago wall clock for times, whole ticks and group shifts for spikes. Without it a good bar set aside
under an invented reason would only have to stay below the quarantine ceiling.
"""

from decimal import Decimal

import numpy as np
import pandas as pd

from factory_assets.market.counted_verdict import counted_verdict
from factory_assets.market.expiry import delivery_indices
from factory_assets.market.quality import REASONS
from factory_assets.market.sessions import CHICAGO, SessionCalendar
from factory_assets.market.wall_clock import close_minutes, trade_dates
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import DAY_US
from factory_assets.vocabulary.verdict import Verdict

# The limits are written out again: a changed limit of the builder's is a change of meaning, and has to be made twice.
_WINDOW_BARS, _WARMUP_BARS = 120, 20
_SCALE_MIN_TICKS = 4.0
_STALE = pd.Timedelta(minutes=30)
_SUPPORT_SHARE, _SUPPORT_VOLUME = 0.5, 3.0
_TICK_TOLERANCE_TICKS = Decimal("0.000001")
_TICKS_MIN, _TICKS_MAX = Decimal("0.5"), Decimal("1e9")
# The builder compares points as floats: at equality in ticks its rounding decides, and either answer is right.
_SLACK_TICKS = 1e-4
_AT_LIMIT = "spike or no rule"
_PRICES = ["open", "high", "low", "close"]
_KEYS = ["delivery", "open_us", *_PRICES, "volume"]
_KEPT = -1
_DAYS_MAX = 1 << 16
_SESSION_OPEN_MINUTES_BEFORE_MIDNIGHT = 7 * 60


def quarantine_reasons_recomputed(
    raw: pd.DataFrame,
    quarantine: pd.DataFrame,
    instrument: Instrument,
    calendar: SessionCalendar,
    settings: MarketSettings,
    *,
    has_volume: bool = True,
) -> Verdict:
    """Every quarantined row breaks the rule it is quarantined under first; every row that breaks one is quarantined.

    All rows are judged, spikes included; nothing is sampled. A spike that is one or not by the rounding of a float at
    the very limit passes either way.

    Parameters
    ----------
    raw : DataFrame
        The raw minutes the partition was built from, per ``schemas.RAW_MINUTES``.
    quarantine : DataFrame
        The builder's, per ``schemas.QUARANTINE``.
    instrument : Instrument
        Gives the tick size and the asset class.
    calendar : SessionCalendar
        Names the exchange calendar and says which years it covers; its spans are not used.
    settings : MarketSettings
        Spike limit.
    has_volume : bool
        Whether the source was declared to have volume. Without, every volume has to be missing and supports no spike.
    """
    rows, conflicting = _distinct(_keyed(raw))
    number = _first_broken(rows, conflicting, instrument, calendar, has_volume=has_volume)
    valid = np.flatnonzero(number == _KEPT)
    valid = valid[np.lexsort((rows["open_us"].to_numpy()[valid], rows["delivery"].to_numpy()[valid]))]
    leaps, table = _leaps(rows.iloc[valid], instrument.tick_size, settings.spike_scale_multiple)
    spike = REASONS.index("spike")
    number[valid[_alone(leaps, table, _SLACK_TICKS)]] = spike
    at_limit = valid[_alone(leaps, table, -_SLACK_TICKS)]
    at_limit = at_limit[number[at_limit] == _KEPT]
    broken = np.flatnonzero(number != _KEPT)
    expected = rows.iloc[np.concatenate([broken, at_limit])][_KEYS]
    expected["expected"] = [*(REASONS[code] for code in number[broken]), *[_AT_LIMIT] * len(at_limit)]
    given = _keyed(quarantine)
    given["given"] = quarantine["reason"].astype(str).to_numpy()
    names, counts = np.unique(expected["expected"].to_numpy(dtype=str), return_counts=True)
    listing = (
        ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True) if name != _AT_LIMIT) or "none"
    )
    return counted_verdict(
        "quarantine_reasons_recomputed",
        _differences(expected, given),
        f"{len(rows)} distinct raw rows and {len(leaps)} leaps judged anew, {len(broken)} break a rule ({listing}): "
        "those and no others are quarantined, each under the first rule it breaks",
        judged_rows=len(rows),
        judged_leaps=len(leaps),
        spikes_at_the_limit=len(at_limit),
    )


def _keyed(frame: pd.DataFrame) -> pd.DataFrame:
    """Delivery month, time and values of every row: what two rows have to share to be the same."""
    open_us = times_us(frame["open_time"])
    days = np.clip(open_us // DAY_US, 0, _DAYS_MAX).astype(np.int32)
    # Adding zero makes a negative zero a plain one, which it equals.
    values = {name: frame[name].to_numpy(dtype=np.float64) + 0.0 for name in (*_PRICES, "volume")}
    delivery = delivery_indices(frame["expiry"], days)
    return pd.DataFrame({"delivery": delivery, "open_us": open_us, **values})


def _distinct(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows without exact copies, and whether another of the same month and minute has other values."""
    minute = ["delivery", "open_us"]
    shared = rows[rows.duplicated(minute, keep=False)]
    copies = shared.index[shared.duplicated(_KEYS)]
    distinct = rows.drop(index=copies).reset_index(drop=True)
    told_twice = shared.drop(index=copies).groupby(minute).size()
    told_twice = told_twice[told_twice > 1].reset_index()[minute]
    if told_twice.empty:
        return distinct, np.zeros(len(distinct), dtype=bool)
    return distinct, pd.MultiIndex.from_frame(distinct[minute]).isin(pd.MultiIndex.from_frame(told_twice))


def _first_broken(
    rows: pd.DataFrame,
    conflicting: np.ndarray,
    instrument: Instrument,
    calendar: SessionCalendar,
    *,
    has_volume: bool,
) -> np.ndarray:
    """First rule each row breaks, int8 index into REASONS; ``_KEPT`` for none. Adds the rows' trade date as ``day``."""
    prices, volume = rows[_PRICES], rows["volume"]
    times = pd.Series(from_us(rows["open_us"].to_numpy()))
    rows["day"] = trade_dates(times)
    breaks = {
        "conflicting_duplicate": conflicting,
        "not_finite": ~np.isfinite(prices.to_numpy()).all(axis=1),
        "not_positive": (prices <= 0).any(axis=1).to_numpy(),
        "off_tick": _off_tick(prices.to_numpy(), Decimal(str(instrument.tick_size))),
        "ohlc_order": ((prices.max(axis=1) > rows["high"]) | (prices.min(axis=1) < rows["low"])).to_numpy(),
        "bad_volume": ~(volume.between(0, np.inf, inclusive="left") if has_volume else volume.isna()).to_numpy(),
        "off_minute": (times.dt.floor("min") != times).to_numpy(),
        "outside_session": _outside(times, rows["day"], instrument, calendar),
    }
    number = np.full(len(rows), _KEPT, dtype=np.int8)
    for name in reversed(REASONS[: REASONS.index("spike")]):
        number[breaks[name]] = REASONS.index(name)
    return number


def _off_tick(prices: np.ndarray, tick: Decimal) -> np.ndarray:
    """Rows with a price that is no whole number of ticks, in exact decimals; few prices differ, each is asked once."""
    codes, distinct = pd.factorize(prices.ravel())
    off = np.array([not _is_price(price, tick) for price in distinct.tolist()] + [True])  # the last: no number
    return off[codes].reshape(prices.shape).any(axis=1)


def _is_price(price: float, tick: Decimal) -> bool:
    if not np.isfinite(price):
        return False
    ticks = Decimal(repr(price)) / tick
    if not _TICKS_MIN < ticks < _TICKS_MAX:
        return False
    return abs(ticks - ticks.to_integral_value()) <= _TICK_TOLERANCE_TICKS


def _outside(times: pd.Series, day: pd.Series, instrument: Instrument, calendar: SessionCalendar) -> np.ndarray:
    """Rows on a day without a session, or at or after its close, by the Chicago wall clock."""
    first, last = (pd.Timestamp(int(place), unit="D") for place in calendar.sessions.trade_day[[0, -1]])
    asked = pd.Series(day.unique())
    pad = pd.Timedelta(days=10)
    asked = asked[(asked >= first) & (asked <= last)].clip(first + pad, last - pad)
    closes = pd.Series(close_minutes(asked, instrument, calendar.name), dtype=np.float64)
    closes.index = pd.DatetimeIndex(closes.index).as_unit("us")  # nanoseconds end in 2262, corrupt times do not
    wall = times.dt.tz_convert(CHICAGO).dt.tz_localize(None)
    minute = (wall - day) / pd.Timedelta(minutes=1)  # of the trade date; negative on the evening before
    before_open = minute < -_SESSION_OPEN_MINUTES_BEFORE_MIDNIGHT
    return (before_open | ~(minute < day.map(closes))).to_numpy()


def _leaps(rows: pd.DataFrame, tick: float, scale_multiple: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars beyond the two before them by more than the least limit, with their own limit and volume support.

    Returns
    -------
    leaps : DataFrame
        ``row`` (place in ``rows``), ``delivery``, ``open_us``, ``above``, ``below`` and ``limit`` in ticks; only bars
        that a volume of their own does not support.
    table : DataFrame
        ``rows`` in whole ticks, ``before`` the month's last close before each bar.

    ``rows`` are the valid ones, sorted by month and time.
    """
    ticks = {name: np.rint(rows[name].to_numpy() / tick) for name in ("high", "low", "close")}
    table = rows[["delivery", "open_us", "day", "volume"]].reset_index(drop=True).assign(**ticks)
    month = table.groupby("delivery", sort=False)
    table["before"] = month["close"].shift(1)
    recent = (month["day"].shift(2) == table["day"]) & (
        table["open_us"] - month["open_us"].shift(2) <= _STALE // pd.Timedelta(microseconds=1)
    )
    above = table["high"] - np.maximum(month["high"].shift(1), month["high"].shift(2))
    below = np.minimum(month["low"].shift(1), month["low"].shift(2)) - table["low"]
    leap = np.maximum(above, below)
    far = np.flatnonzero(recent & (leap > scale_multiple * _SCALE_MIN_TICKS - _SLACK_TICKS))
    first = np.searchsorted(table["delivery"].to_numpy(), table["delivery"].to_numpy()[far])
    reach = np.fmax(table["high"], table["before"]) - np.fmin(table["low"], table["before"])
    found = table.iloc[far][["delivery", "open_us"]].assign(row=far, above=above.iloc[far], below=below.iloc[far])
    scale, usual = (_medians_before(values.to_numpy(), far, first) for values in (reach, table["volume"]))
    found["limit"] = scale_multiple * np.maximum(scale, _SCALE_MIN_TICKS)  # NaN, never exceeded, in the first bars
    volume = table["volume"].to_numpy()[far]
    own = volume >= _SUPPORT_VOLUME * np.maximum(usual, 1.0)  # never true of a series without volume
    return found[~own].reset_index(drop=True), table


def _medians_before(values: np.ndarray, rows: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Median of the last values of the month before each row; NaN with too few."""
    windows = (values[max(start, row - _WINDOW_BARS) : row] for row, start in zip(rows, first, strict=True))
    return np.array([np.median(w) if len(w) >= _WARMUP_BARS else np.nan for w in windows], dtype=np.float64)


def _alone(leaps: pd.DataFrame, table: pd.DataFrame, slack_ticks: float) -> np.ndarray:
    """Places of the leaps that are spikes: beyond their limit by the slack, and no other month comes near half of it.

    With a positive slack the answer is sure, with a negative one possible.
    """
    leap = leaps[["above", "below"]].max(axis=1)
    over = leaps.assign(leap=leap)[leap > leaps["limit"] + slack_ticks]
    others = table[table["open_us"].isin(over["open_us"])]
    pairs = over.merge(others[["delivery", "open_us", "high", "low", "before"]], on="open_us", suffixes=("", "_other"))
    pairs = pairs[pairs["delivery"] != pairs["delivery_other"]]
    least = _SUPPORT_SHARE * pairs["leap"] - slack_ticks
    up = pairs["row"].isin(pairs.loc[pairs["high"] - pairs["before"] >= least, "row"])
    down = pairs["row"].isin(pairs.loc[pairs["before"] - pairs["low"] >= least, "row"])
    either = (up | down) if slack_ticks > 0 else (up & down)
    along = np.where(pairs["above"] > pairs["below"], up, np.where(pairs["above"] < pairs["below"], down, either))
    return over.loc[~over["row"].isin(pairs.loc[along, "row"]), "row"].to_numpy(dtype=np.int64)


def _differences(expected: pd.DataFrame, given: pd.DataFrame) -> dict[str, int]:
    """How many rows are quarantined otherwise than expected, by what is wrong; a spike at its limit may be either."""
    problems = {"rows quarantined twice": int(given.duplicated(_KEYS).sum())}
    both = expected.merge(given.drop_duplicates(_KEYS), on=_KEYS, how="outer")
    # A row on one side only has no name on the other: the empty text.
    for (rule, reason), count in both[["expected", "given"]].fillna("").value_counts().sort_index().items():
        if rule == reason or (rule == _AT_LIMIT and reason in ("", "spike")):
            continue
        if not reason:
            problems[f"rows that break {rule} and are not quarantined"] = int(count)
        elif rule in ("", _AT_LIMIT):
            problems[f"rows quarantined as {reason} that break no rule"] = int(count)
        else:
            problems[f"rows quarantined as {reason} that break {rule} first"] = int(count)
    return problems
