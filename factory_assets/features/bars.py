"""Bars of one contract and timeframe as the arrays feature functions read, with what they share computed once."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.features.kernels import (
    FLOOR_SHARE,
    beyond_tie,
    log_ratio,
    moves,
    ratio,
    session_numbers,
    trailing_median,
)
from factory_assets.features.regime_estimation import estimate_regimes
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.spec import VOLUME_COLUMN
from factory_assets.indicators import rolling_mean_std, true_range, wilder_atr
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, UnknownNameError
from factory_assets.vocabulary.frames import dates_days, from_us, times_us
from factory_assets.vocabulary.instruments import INSTRUMENTS, Instrument, instrument
from factory_assets.vocabulary.timeframes import MINUTE_US, TIMEFRAMES_MINUTES

COLUMNS = (
    "contract", "open_time", "close_time", "trade_date", "open", "high", "low", "close", "volume", "adjustment_ratio",
)  # fmt: skip
_NUMBERS = ("open", "high", "low", "close", "volume", "adjustment_ratio")
# Divisors in price never fall below a hundredth of a basis point of the price: flat stretches stay finite, and the
# floor scales with the price.
PRICE_FLOOR_SHARE = FLOOR_SHARE


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars in time order; every array has shape (N,). Prices are adjusted unless the name says traded.

    Attributes
    ----------
    instrument : Instrument
        What is traded.
    minutes : int
        Timeframe.
    open_us, close_us : ndarray of int64
        Bar span, microseconds since 1970 UTC; the bar is known at ``close_us``.
    trade_day : ndarray of int32
        Session, days since 1970.
    open, high, low, close : ndarray of float64
        Adjusted prices, points.
    volume : ndarray of float64
        Contracts; NaN on every row of a series without volume.
    traded_close : ndarray of float64
        Close as traded, points.
    calendar : Sessions or None
        Sessions spanning the bars; looked up in the instrument's calendar when first needed if None.
    regimes : RegimeTable, callable or None
        Parameters of the hidden Markov model in force, or what gives them; estimated from these very bars when first
        needed if None.
    """

    instrument: Instrument
    minutes: int
    open_us: np.ndarray
    close_us: np.ndarray
    trade_day: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    traded_close: np.ndarray
    calendar: Sessions | None = None
    regimes: RegimeTable | Callable[[], RegimeTable] | None = None

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, minutes: int | None = None, *, regimes: RegimeTable | None = None
    ) -> "Bars":
        """Check a frame with the columns of a ``bars_*`` table and take its arrays.

        Raises
        ------
        BadInputError
            Missing columns, rows out of order, non-finite or non-positive prices, volume on some rows only, an unknown
            timeframe; every problem in one message. Regime parameters of another timeframe.
        ForeignContractError
            More than one contract, or regime parameters of another one.
        NaiveTimestampError
            Times without a time zone.
        UnknownNameError
            A contract the instrument table does not have, or a timeframe off the ladder.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise BadInputError(f"features: bars lack columns {missing}; expected those of a bars_* table: {COLUMNS}")
        product = _one_contract(frame["contract"])
        open_us, close_us = times_us(frame["open_time"], "open_time"), times_us(frame["close_time"], "close_time")
        numbers = {name: np.ascontiguousarray(frame[name], dtype=np.float64) for name in _NUMBERS}
        problems = _problems(open_us, close_us, numbers)
        if problems:
            raise BadInputError(f"features of {product.symbol}: " + "; ".join(problems))
        factor, width = numbers["adjustment_ratio"], _timeframe(open_us, close_us, minutes)
        if regimes is not None and len(frame):
            _require_own(regimes, product, width)
        return cls(
            instrument=product,
            minutes=width,
            open_us=open_us,
            close_us=close_us,
            trade_day=dates_days(frame["trade_date"]),
            open=numbers["open"] * factor,
            high=numbers["high"] * factor,
            low=numbers["low"] * factor,
            close=numbers["close"] * factor,
            volume=numbers["volume"],
            traded_close=numbers["close"],
            regimes=regimes,
        )

    def __len__(self) -> int:
        """Number of bars."""
        return len(self.close)

    def rows(self, start: int, stop: int) -> "Bars":
        """Bars of rows ``start`` to ``stop - 1``, knowing nothing of the others."""
        return self.replaced(**{f.name: getattr(self, f.name)[start:stop] for f in fields(self) if _is_array(self, f)})

    def replaced(self, **changes: Any) -> "Bars":
        """The same bars with some fields exchanged; what was derived from them is computed anew.

        But for the calendar and the regime parameters: those in force here stay in force, estimated from these bars and
        not from the new ones, unless they are exchanged themselves.
        """
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        regimes = self.regimes if self.regimes is not None else (lambda: self.regime_table)
        return Bars(**{**own, "calendar": self.sessions, "regimes": regimes, **changes})

    @cached_property
    def regime_table(self) -> RegimeTable:
        """Parameters of the hidden Markov model in force."""
        if self.regimes is None:
            return estimate_regimes(self)
        return self.regimes if isinstance(self.regimes, RegimeTable) else self.regimes()

    @cached_property
    def has_volume(self) -> bool:
        """Whether the series has volume: a vendor that records none leaves every row NaN."""
        return len(self) == 0 or not bool(np.isnan(self.volume).all())

    @cached_property
    def sessions(self) -> Sessions:
        """Sessions spanning the bars, from the instrument's calendar."""
        if self.calendar is not None:
            return self.calendar
        return SessionCalendar.of(self.instrument).covering(self.open_us)

    @cached_property
    def session_index(self) -> np.ndarray:
        """Position of each bar's session in :attr:`sessions`, int64.

        Raises
        ------
        BadInputError
            A trade date the calendar has no session for.
        """
        days = self.sessions.trade_day
        index = np.searchsorted(days, self.trade_day)
        unknown = (index == len(days)) | (days[np.minimum(index, len(days) - 1)] != self.trade_day)
        if unknown.any():
            first = self.trade_day[unknown][:1].astype("datetime64[D]")[0]
            raise BadInputError(
                f"features of {self.instrument.symbol}: {int(unknown.sum())} bars on trade dates without a session, "
                f"the first on {first}; build the bars with the sessions of calendar {self.instrument.calendar}"
            )
        return index

    @cached_property
    def session_number(self) -> np.ndarray:
        """Number of each bar's session among those seen, int64 from 0: the first may have begun before the bars do."""
        return session_numbers(self.trade_day)

    @cached_property
    def elapsed_us(self) -> np.ndarray:
        """Microseconds from the session's open to the bar's close, int64.

        Raises
        ------
        BadInputError
            A bar that closes outside the session of its trade date.
        """
        opened = self.sessions.open_us[self.session_index]
        outside = (self.close_us <= opened) | (self.close_us > self.sessions.close_us[self.session_index])
        if outside.any():
            row = int(np.argmax(outside))
            raise BadInputError(
                f"features of {self.instrument.symbol}: {int(outside.sum())} bars close outside the session of their "
                f"trade date, the first at row {row}, {from_us(self.close_us[row : row + 1])[0]}"
            )
        return self.close_us - opened

    @cached_property
    def slot(self) -> np.ndarray:
        """Number of the bar's bin in its session, int64 from 0."""
        return (self.elapsed_us - 1) // (self.minutes * MINUTE_US)

    @cached_property
    def log_return(self) -> np.ndarray:
        """Log return of each bar over the previous close; NaN in row 0, exactly 0 between closes equal within 1e-9."""
        return log_change(self.close, 1)

    @cached_property
    def squared_return(self) -> np.ndarray:
        """Squared log return within the session: from the previous close, in a session's first bar from its open."""
        change = self.log_return.copy()
        opening = np.flatnonzero(np.diff(self.session_number, prepend=-1))
        change[opening] = log_ratio(self.close[opening], self.open[opening])
        return change**2

    @cached_property
    def move_sign(self) -> np.ndarray:
        """Sign of close minus previous close (float64; row 0 NaN); moves within 1e-9 x price are ties, 0."""
        return moves(self.close)

    @cached_property
    def median_volume_60(self) -> np.ndarray:
        """Median volume of the last 60 bars, contracts; NaN in the first 59 rows."""
        return trailing_median(self.volume, 60)

    @cached_property
    def relative_volume(self) -> np.ndarray:
        """Volume over the median of the last 60 bars, which counts as at least one contract."""
        return self.volume / np.maximum(self.median_volume_60, 1.0)

    @cached_property
    def true_range(self) -> np.ndarray:
        """Wilder's true range, adjusted points."""
        return true_range(self.high, self.low, self.close)

    @cached_property
    def atr(self) -> np.ndarray:
        """Wilder ATR(14) in adjusted points; NaN in the first 14 rows."""
        return wilder_atr(self.high, self.low, self.close, 14)

    @cached_property
    def yardstick(self) -> np.ndarray:
        """ATR(14), never below :data:`PRICE_FLOOR_SHARE` of the close: what distances in ATR are divided by."""
        return np.maximum(self.atr, PRICE_FLOOR_SHARE * self.close)

    @cached_property
    def close_mean_std_20(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and population standard deviation of the last 20 closes, adjusted points; 0 if equal within 1e-9."""
        mean, deviation = rolling_mean_std(self.close, 20, ddof=0)
        return mean, beyond_tie(deviation, self.close)

    @cached_property
    def range(self) -> np.ndarray:
        """High - low, adjusted points; exactly 0 within 1e-9 of the price."""
        return beyond_tie(self.high - self.low, self.close)

    @cached_property
    def close_location(self) -> np.ndarray:
        """(close - low) / (high - low), in [0, 1]; 0.5 on a bar without range."""
        return ratio(self.close - self.low, self.range, 0.5)


def log_change(values: np.ndarray, bars: int) -> np.ndarray:
    """Log of each price over the one ``bars`` rows before; NaN in the first ``bars`` rows, 0 between equal prices."""
    out = np.full(len(values), np.nan)
    out[bars:] = log_ratio(values[bars:], values[:-bars])
    return out


def _is_array(bars: Bars, field: object) -> bool:
    return isinstance(getattr(bars, field.name), np.ndarray)  # type: ignore[attr-defined]


def _one_contract(column: pd.Series) -> Instrument:
    names = [str(name) for name in pd.unique(column)]
    if len(names) == 0:
        # No row says which contract it is; a categorical may still, and features of no bars are the same for all.
        listed = [str(name) for name in getattr(column.dtype, "categories", [])]
        return instrument(listed[0] if len(listed) == 1 else next(iter(INSTRUMENTS)))
    if len(names) > 1:
        raise ForeignContractError(
            f"features: bars of {len(names)} contracts {sorted(names)[:5]} in one frame; expected exactly one, because "
            "no value of one contract may reach another's"
        )
    return instrument(names[0])


def _require_own(regimes: RegimeTable, product: Instrument, minutes: int) -> None:
    """Refuse parameters that were estimated from other bars."""
    if regimes.contract != product.symbol:
        raise ForeignContractError(
            f"features of {product.symbol}: regime parameters of {regimes.contract}; no value of one contract may "
            "reach another's"
        )
    if regimes.minutes != minutes:
        raise BadInputError(
            f"features of {product.symbol}: regime parameters of {regimes.minutes}-minute bars for bars of {minutes}; "
            "pass those of the same timeframe"
        )


def _problems(open_us: np.ndarray, close_us: np.ndarray, numbers: dict[str, np.ndarray]) -> list[str]:
    problems = []
    back = np.flatnonzero(np.diff(close_us) <= 0)
    if len(back):
        problems.append(f"close_time does not increase at row {back[0] + 1}; sort by close_time and remove duplicates")
    empty = np.flatnonzero(close_us <= open_us)
    if len(empty):
        problems.append(f"close_time is not after open_time at row {empty[0]}")
    missing = np.isnan(numbers[VOLUME_COLUMN])
    if missing.any() and not missing.all():
        problems.append(
            f"volume is missing (NaN) in {int(missing.sum())} of {len(missing)} bars, first at row "
            f"{int(np.argmax(missing))}; a series has volume on every bar or on none. Quarantine the minutes without "
            'volume, or declare volume = "none" in source.toml'
        )
    for name, values in numbers.items():
        bad = ~np.isfinite(values) | (values < 0.0 if name == VOLUME_COLUMN else values <= 0.0)
        if name == VOLUME_COLUMN:
            bad &= ~missing
        if bad.any():
            row = int(np.argmax(bad))
            limit = "finite and >= 0" if name == VOLUME_COLUMN else "finite and > 0"
            problems.append(
                f"{name} has {int(bad.sum())} values that are not {limit}, first {values[row]} at row {row}"
            )
    return problems


def _timeframe(open_us: np.ndarray, close_us: np.ndarray, minutes: int | None) -> int:
    if minutes is None:
        if len(open_us) == 0:
            return TIMEFRAMES_MINUTES[0]
        # The last bin of a session may be shorter, so the most common length decides.
        lengths, counts = np.unique(close_us - open_us, return_counts=True)
        minutes = int(lengths[np.argmax(counts)] // MINUTE_US)
    if minutes not in TIMEFRAMES_MINUTES:
        raise UnknownNameError(f"features: bars of {minutes} minutes; the ladder has {TIMEFRAMES_MINUTES}")
    longest = int((close_us - open_us).max()) if len(open_us) else 0
    if longest > minutes * MINUTE_US:
        raise BadInputError(
            f"features: a bar lasts {longest / MINUTE_US:g} minutes in bars of {minutes}; pass one timeframe at a time"
        )
    return minutes
