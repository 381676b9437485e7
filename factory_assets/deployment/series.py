"""The canonical series, live: minutes of all months in, finished bars of the front month out.

The batch side is :mod:`factory_assets.market.canonical` and :mod:`factory_assets.market.ladder`; this file keeps the
current session's minutes, applies the same rules and the same functions, and forgets what nothing looks back on.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from factory_assets.deployment.bad_prints import BadPrints
from factory_assets.deployment.minute import Minute, moment_us, volume_refusal
from factory_assets.deployment.tape import SessionTape
from factory_assets.deployment.trailing import TrailingBars
from factory_assets.market.expiry import delivery_index_of, delivery_indices, parse_expiry
from factory_assets.market.ladder import session_bars
from factory_assets.market.quality import KEPT, REASONS, MinuteArrays, broken_rules
from factory_assets.market.rolls import choose_fronts, next_front, roll_ratio
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, DAY_US, MINUTE_US

AFTER_DECISION = "after_decision"
"""Reason of bars that arrive after the base bar they belong to was decided; history has no such case."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ("expiry", "open_time", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class _Opening:
    """What the first minute of a session changes: the front month and the factor from traded to adjusted prices."""

    front: str | None
    ratio: float


@dataclass(frozen=True)
class Accepted:
    """A minute that may enter the series, and the session it opens, if it does."""

    minute: Minute
    open_us: int
    session: int
    opening: _Opening | None


class LiveSeries:
    """Front-month minutes of the current session and finished bars before, with bounded memory.

    Parameters
    ----------
    instrument : Instrument
        Product of the bars.
    settings : MarketSettings
        Roll rule and bad-print limit.
    rows_needed : mapping of int to int
        Timeframe in minutes to the finished bars kept of it; base bars among them.
    has_volume : bool
        Whether the bars have volume; else it is NaN on every one.
    joins_without_overlap : bool
        Whether the bars are a vendor's continuous series: one month a session, changed by the vendor.
    """

    def __init__(
        self,
        instrument: Instrument,
        settings: MarketSettings,
        rows_needed: Mapping[int, int],
        *,
        has_volume: bool = True,
        joins_without_overlap: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.front: str | None = None
        self._instrument = instrument
        self._settings = settings
        self._has_volume = has_volume
        self._joins_without_overlap = joins_without_overlap
        self._sessions = SessionCalendar.of(instrument).sessions
        self._bad_prints = BadPrints(instrument, self._sessions, settings.spike_scale_multiple)
        self._bars = {minutes: TrailingBars(instrument.symbol, minutes, rows) for minutes, rows in rows_needed.items()}
        # Relative to the first month seen: features do not change when all prices are multiplied by a constant.
        self._ratio = 1.0
        self._tape: SessionTape | None = None
        self._decided_us = -1
        self._pending_us: int | None = None
        self._base_bar_minutes = 0

    @property
    def warm(self) -> bool:
        """Whether every timeframe holds all the bars that are looked back on."""
        return all(bars.warm for bars in self._bars.values())

    @property
    def pending_us(self) -> int | None:
        """Close of the base bar that has minutes of the front month and was not decided yet, if there is one."""
        return self._pending_us

    @property
    def current_session(self) -> Sessions:
        """The session going on."""
        tape = self._require_tape()
        return self._sessions.take(np.array([tape.session]))

    @property
    def base_bar_minutes(self) -> int:
        """Minutes that traded in the base bar closed last."""
        return self._base_bar_minutes

    def judge(self, minute: Minute) -> Accepted | None:
        """Whether a minute may enter; None if it is set aside (and counted). Changes nothing else.

        Raises
        ------
        BadInputError, ForeignContractError
            As :meth:`factory_assets.deployment.predictor.Predictor.update`.
        """
        self._check_product(minute.expiry)
        open_us = moment_us(minute.open_time)
        prices = np.array([[minute.open], [minute.high], [minute.low], [minute.close]])
        arrays = MinuteArrays(
            np.zeros(1, dtype=np.int64), np.array([open_us]), prices, np.array([float(minute.volume)])
        )
        reason = int(broken_rules(arrays, self._instrument, self._sessions, has_volume=self._has_volume)[0])
        if reason != KEPT:
            self._set_aside(REASONS[reason])
            return None
        return self._placed(minute, open_us, int(self._sessions.locate(np.array([open_us]))[0]))

    def append(self, accepted: Accepted) -> None:
        """Let an accepted minute enter."""
        if accepted.opening is not None:
            self._open_session(accepted)
        tape, minute = self._require_tape(), accepted.minute
        tape.append(accepted.open_us, minute)
        self._bad_prints.remember(minute, accepted.open_us)
        if minute.expiry == self.front:
            self.counts["front"] += 1
            self._pending_us = self._base_close_us(accepted)
        else:
            self.counts["other_expiry" if self.front is not None else "first_session"] += 1

    def overdue_us(self, accepted: Accepted) -> int | None:
        """Close of the pending base bar if the minute, about to enter, proves that it is over; else None.

        The months of one minute arrive one by one: only a minute that begins at the close or later proves it.
        """
        pending_us = self._pending_us
        return pending_us if pending_us is not None and accepted.open_us >= pending_us else None

    def completed_us(self, accepted: Accepted) -> int | None:
        """Close of the pending base bar if the minute, just entered, is the last of it; else None."""
        ends = accepted.minute.expiry == self.front and accepted.open_us + MINUTE_US == self._pending_us
        return self._pending_us if ends else None

    def pass_over(self, decision_us: int) -> None:
        """Leave a decision of history behind; minutes before it no longer enter."""
        self._decided_us = decision_us
        self._pending_us = None

    def close_bars(self, decision_us: int) -> Mapping[int, TrailingBars]:
        """Trailing bars of each timeframe as known at a decision; minutes before it no longer enter."""
        self._finish_bars(decision_us)
        self.pass_over(decision_us)
        return self._bars

    def take_history(self, minutes: pd.DataFrame) -> None:
        """Let many minutes enter, in order of time and later months first; no decision is made on the way."""
        if not self._has_volume:
            minutes = _without_volume(minutes)
        missing = [name for name in _COLUMNS if name not in minutes.columns]
        if missing:
            raise BadInputError(f"history of {self._instrument.symbol}: columns {missing} missing; expected {_COLUMNS}")
        if len(minutes) == 0:
            return
        for expiry in pd.unique(minutes["expiry"]):
            self._check_product(str(expiry))
        open_us = times_us(minutes["open_time"], "history open_time")
        delivery = delivery_indices(minutes["expiry"], (open_us // DAY_US).astype(np.int32))
        order = np.lexsort((-delivery, open_us))
        open_us, delivery = open_us[order], delivery[order]
        names = minutes["expiry"].astype(str).to_numpy(dtype=object)[order]
        prices = np.vstack([minutes[name].to_numpy(dtype=np.float64)[order] for name in _COLUMNS[2:6]])
        volume = minutes["volume"].to_numpy(dtype=np.float64)[order]
        arrays = MinuteArrays(delivery, open_us, prices, volume)
        reasons = broken_rules(arrays, self._instrument, self._sessions, has_volume=self._has_volume)
        session = self._sessions.locate(open_us)
        rows = zip(names, open_us.tolist(), *prices.tolist(), volume.tolist(), strict=True)
        for row, reason, number in zip(rows, reasons.tolist(), session.tolist(), strict=True):
            if reason != KEPT:
                self._set_aside(REASONS[reason])
                continue
            # Only its numbers are used from here on; the moment stays as integer microseconds.
            minute = _minute(*row)
            accepted = self._placed(minute, row[1], number)
            if accepted is None:
                continue
            overdue_us = self.overdue_us(accepted)
            if overdue_us is not None:
                self.pass_over(overdue_us)
            self.append(accepted)
            completed_us = self.completed_us(accepted)
            if completed_us is not None:
                self.pass_over(completed_us)

    def _placed(self, minute: Minute, open_us: int, session: int) -> Accepted | None:
        """Order, duplicates and bad prints: the rules that need the bars before."""
        tape = self._tape
        if tape is not None and session < tape.session:
            raise BadInputError(
                f"bar of {minute.expiry} at {from_us(np.array([open_us]))[0]}: its session is over; the current one is "
                f"of {np.int64(tape.trade_day).astype('datetime64[D]')}. Send bars in time order; nothing was changed."
            )
        same = tape is not None and session == tape.session
        if tape is not None and same:
            last_us = tape.last_us(minute.expiry)
            if open_us <= last_us:
                self._repeated(tape, minute, open_us, last_us)
                return None
            if minute.expiry == self.front and open_us < self._decided_us:
                self._set_aside(AFTER_DECISION)
                return None
            tape.check_room(minute.expiry)
            if self._joins_without_overlap and last_us < 0:
                raise BadInputError(
                    f"bar of {minute.expiry} in a session of {sorted(tape.volumes())}: this release was made of a "
                    "continuous series, which holds one month a session. Send that month alone, or use a release made "
                    "of every month's files. Nothing was changed."
                )
        if self._bad_prints.suspects(minute, open_us):
            # History keeps a bad print among the bars the next one is measured against.
            self._bad_prints.remember(minute, open_us)
            self._set_aside("spike")
            return None
        return Accepted(minute, open_us, session, None if same else self._opening(session, minute))

    def _repeated(self, tape: SessionTape, minute: Minute, open_us: int, last_us: int) -> None:
        equal = tape.month(minute.expiry).holds(open_us, minute)
        if equal is None:
            raise BadInputError(
                f"bar of {minute.expiry} at {from_us(np.array([open_us]))[0]} comes after the one of "
                f"{from_us(np.array([last_us]))[0]}: going back in time. Send each month's bars in time order; nothing "
                "was changed."
            )
        if equal:
            self.counts["exact_duplicates"] += 1
        else:
            self._set_aside("conflicting_duplicate")

    def _set_aside(self, reason: str) -> None:
        self.counts[f"quarantined_{reason}"] += 1

    def _check_product(self, expiry: str) -> None:
        parts = parse_expiry(expiry)
        if parts is None or parts.root != self._instrument.symbol:
            raise ForeignContractError(
                f"bar of {expiry!r} given to a predictor of {self._instrument.symbol}: expected an outright month of "
                f"it ({self._instrument.symbol}{self._instrument.delivery_months[0]}7). Nothing was changed."
            )

    def _opening(self, session: int, minute: Minute) -> _Opening:
        """Front month and factor of a new session, from what traded in the one before."""
        tape = self._tape
        if tape is None:
            return _Opening(front=None, ratio=self._ratio)
        volumes, front = tape.volumes(), self.front
        if front is None:
            front = self._first_front(tape)
        if self._joins_without_overlap:
            return self._vendors_opening(tape, front, minute)
        day = int(self._sessions.trade_day[session])
        choice = next_front(
            front,
            volumes,
            previous_day=tape.trade_day,
            trade_day=day,
            instrument=self._instrument,
            settings=self._settings,
        )
        if not choice.rolled:
            return _Opening(front=front, ratio=self._ratio)
        joined, _, _ = roll_ratio(tape.closes(front), tape.closes(choice.expiry))
        return _Opening(front=choice.expiry, ratio=self._ratio * joined)

    def _vendors_opening(self, tape: SessionTape, front: str, minute: Minute) -> _Opening:
        """The vendor's month of a new session; a change joins its first open to the last close before."""
        if minute.expiry == front:
            return _Opening(front=front, ratio=self._ratio)
        if delivery_index_of(minute.expiry, tape.trade_day) <= delivery_index_of(front, tape.trade_day):
            raise BadInputError(
                f"bar of {minute.expiry} after sessions of {front}: a continuous series never goes back to an earlier "
                "month. Nothing was changed."
            )
        last_close = float(tape.closes(front)["close"].iloc[-1])
        return _Opening(front=minute.expiry, ratio=self._ratio * (last_close / minute.open))

    def _first_front(self, tape: SessionTape) -> str:
        volume = pd.DataFrame(
            {"trade_day": tape.trade_day, "expiry": list(tape.volumes()), "volume": list(tape.volumes().values())}
        )
        chosen = choose_fronts(
            volume, self._instrument, self._settings, joins_without_overlap=self._joins_without_overlap
        )
        return str(chosen["expiry"].iloc[0])

    def _open_session(self, accepted: Accepted) -> None:
        if self._tape is not None:
            if self.front is None:
                self.front = self._first_front(self._tape)
            self._finish_bars(int(self._sessions.close_us[self._tape.session]))
        assert accepted.opening is not None
        self.front, self._ratio = accepted.opening.front, accepted.opening.ratio
        self._tape = SessionTape(accepted.session, int(self._sessions.trade_day[accepted.session]))
        self._pending_us = None

    def _base_close_us(self, accepted: Accepted) -> int:
        sessions = self._sessions
        open_us, close_us = (int(array[accepted.session]) for array in (sessions.open_us, sessions.close_us))
        step = BASE_MINUTES * MINUTE_US
        return min(open_us + ((accepted.open_us - open_us) // step + 1) * step, close_us)

    def _finish_bars(self, until_us: int) -> None:
        """Move the bars of the current session that closed by ``until_us`` to the trailing ones."""
        tape, front = self._require_tape(), self.front
        if front is None or len(tape.month(front)) == 0:
            return
        session = self.current_session
        due = [minutes for minutes, bars in self._bars.items() if _closed_since(session, minutes, bars, until_us)]
        month = tape.month(front)
        for minutes, made in session_bars(month.open_us, month.columns, session, due).items():
            bars = self._bars[minutes]
            first, stop = np.searchsorted(made.close_us, [bars.last_close_us, until_us], side="right")
            if stop > first:
                bars.extend(made, first, stop, trade_day=tape.trade_day, ratio=self._ratio)
                if minutes == BASE_MINUTES:
                    self._base_bar_minutes = int(made.minutes[stop - 1])

    def _require_tape(self) -> SessionTape:
        if self._tape is None:
            raise BadInputError("no minute has been taken yet")
        return self._tape


def _without_volume(minutes: pd.DataFrame) -> pd.DataFrame:
    """History of a feed without volume: the column may be absent, and holds no number."""
    if "volume" not in minutes.columns:
        return minutes.assign(volume=np.nan)
    if given := int(minutes["volume"].notna().sum()):
        raise BadInputError(volume_refusal(f"history: {given} of {len(minutes)} minutes have a volume"))
    return minutes


def _closed_since(session: Sessions, minutes: int, bars: TrailingBars, until_us: int) -> bool:
    """Whether the schedule has a close of the timeframe after the last bar held and by ``until_us``."""
    clock_us = session.base_clock_us(minutes)
    place = int(np.searchsorted(clock_us, until_us, side="right")) - 1
    return place >= 0 and bool(clock_us[place] > bars.last_close_us)


def _minute(expiry: str, open_us: int, open_: float, high: float, low: float, close: float, volume: float) -> Minute:
    moment = _EPOCH + timedelta(microseconds=open_us)
    return Minute(expiry=expiry, open_time=moment, open=open_, high=high, low=low, close=close, volume=volume)
