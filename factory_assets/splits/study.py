"""The study: cut dates of train, val and test, frozen when it is opened and shared by every horizon."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from factory_assets.splits.purged_kfold import PurgedKFold
from factory_assets.splits.short_history import ShortHistory
from factory_assets.vocabulary.clock import Clock
from factory_assets.vocabulary.errors import BadInputError, TooLittleHistoryError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES

_PERIODS = ("train", "val", "test")
_EPOCH = date(1970, 1, 1)
# eighty years; a study that needs more is said to need "at least" about this many
_SEARCH_LIMIT_SESSIONS = 20_000
# 17:00 to 16:00 Chicago; sessions cut short have fewer bars, which only makes an embargo reach over more of them
_FULL_SESSION_BARS = 23 * 60 // BASE_MINUTES


@dataclass(frozen=True, kw_only=True)
class Study:
    """Cut dates of one contract, at session boundaries.

    Days are int days since 1970. A period reaches to the day before the next one begins, so a session restored later
    between two cut dates belongs to the earlier period.

    Attributes
    ----------
    contract : str
        Futures product.
    opened_at : datetime
        Moment the study was opened, UTC.
    train_first_day, train_last_day, val_first_day, val_last_day, test_first_day, test_last_day : int
        First and last trade day of each period. Outcomes from ``test_first_day`` on are sealed; days after
        ``test_last_day`` are the forward period.
    train_sessions, val_sessions, test_sessions : int
        Sessions with bars in each period when the study was opened.
    """

    contract: str
    opened_at: datetime
    train_first_day: int
    train_last_day: int
    val_first_day: int
    val_last_day: int
    test_first_day: int
    test_last_day: int
    train_sessions: int
    val_sessions: int
    test_sessions: int

    def __post_init__(self) -> None:
        """Refuse unknown contracts, naive times and days out of order."""
        PartitionKey(self.contract)
        if self.opened_at.tzinfo is None:
            raise BadInputError(f"study of {self.contract}: opened_at {self.opened_at} has no time zone")
        first = (self.train_first_day, self.val_first_day, self.test_first_day)
        last = (self.train_last_day, self.val_last_day, self.test_last_day)
        counts = (self.train_sessions, self.val_sessions, self.test_sessions)
        if not (first[0] <= last[0] < first[1] <= last[1] < first[2] <= last[2]):
            raise BadInputError(f"study of {self.contract}: periods out of order: first days {first}, last days {last}")
        for name, begin, end, sessions in zip(_PERIODS, first, last, counts, strict=True):
            if not 1 <= sessions <= end - begin + 1:
                raise BadInputError(
                    f"study of {self.contract}: {sessions} {name} sessions in {end - begin + 1} calendar days"
                )

    @property
    def end_day(self) -> int:
        """Last day of the study (the test's last); study assets read the slice up to it."""
        return self.test_last_day

    @property
    def digest(self) -> str:
        """Sha256 of the study file; what the ledger and the bundle name the study by."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Study file: one spelling of one study, dates as ISO text."""
        plain = {
            name: value.isoformat()
            if isinstance(value, datetime)
            else day_text(value)
            if name.endswith("_day")
            else value
            for name, value in dataclasses.asdict(self).items()
        }
        return json.dumps(plain, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Study":
        """Read a study file.

        Raises
        ------
        BadInputError
            No JSON object, unknown or missing keys, wrong types, or days out of order; all key and type mismatches
            in one message.
        """
        try:
            plain = json.loads(text)
        except json.JSONDecodeError as problem:
            raise BadInputError(f"study file: not JSON ({problem}); restore it from a backup") from problem
        if not isinstance(plain, dict):
            raise BadInputError(f"study file: expected an object, got {type(plain).__name__}")
        names = {field.name for field in dataclasses.fields(cls)}
        problems = [f"missing key {name!r}" for name in sorted(names - set(plain))]
        problems += [f"unknown key {name!r}" for name in sorted(set(plain) - names)]
        values: dict[str, Any] = {}
        for name in sorted(names & set(plain)):
            try:
                values[name] = _parsed(name, plain[name])
            except (TypeError, ValueError) as problem:
                problems.append(f"{name}: {problem}")
        if problems:
            raise BadInputError("study file: " + "; ".join(problems) + ". Restore the file; never edit cut dates.")
        return cls(**values)


def day_text(day: int) -> str:
    """ISO date of an int day since 1970."""
    return (_EPOCH + timedelta(days=int(day))).isoformat()


def open_study(
    contract: str,
    trade_days: np.ndarray,
    settings: SplitSettings,
    clock: Clock,
    *,
    session_bars: np.ndarray | None = None,
    window_bars: int = 0,
    never_test_until_day: int | None = None,
) -> Study:
    """Freeze the cut dates of a contract from the sessions it has today.

    The first ``train_share`` of the sessions become train, the next ``val_share`` val, the rest test; shares are
    rounded down to whole sessions.

    Parameters
    ----------
    contract : str
        Futures product.
    trade_days : ndarray of int32, shape (S,)
        Closed sessions that have bars, days since 1970, strictly increasing.
    settings : SplitSettings
        Shares, folds, purge, embargo and the fewest sessions.
    clock : Clock
        Source of ``opened_at``.
    session_bars : ndarray of int, shape (S,), optional
        Scheduled base bars of each session; full sessions of 276 if absent.
    window_bars : int, default 0
        Base bars the models' input windows look back on, which the splits add to the embargo. 0: no model looks at more
        than the bar of its decision.
    never_test_until_day : int, optional
        Last trade day that was labelled while there was no study. Outcomes up to it have been seen, so the test
        period begins later; the shares stay as they are, and the study waits for more sessions instead.

    Raises
    ------
    TooLittleHistoryError
        As :func:`missing_history` says.
    BadInputError
        Trade days that do not increase.
    """
    short = missing_history(
        contract,
        trade_days,
        settings,
        session_bars=session_bars,
        window_bars=window_bars,
        never_test_until_day=never_test_until_day,
    )
    if short is not None:
        raise TooLittleHistoryError(short.message)
    days = np.asarray(trade_days, dtype=np.int64)
    train, val = _shares(len(days), settings)
    return Study(
        contract=contract,
        opened_at=clock(),
        train_first_day=int(days[0]),
        train_last_day=int(days[train - 1]),
        val_first_day=int(days[train]),
        val_last_day=int(days[train + val - 1]),
        test_first_day=int(days[train + val]),
        test_last_day=int(days[-1]),
        train_sessions=train,
        val_sessions=val,
        test_sessions=len(days) - train - val,
    )


def train_last_day(trade_days: np.ndarray, settings: SplitSettings) -> int:
    """Last train session of a study opened on these sessions, at least the first of them; int days since 1970.

    What may be looked at while no study is open: the cut of the one that these sessions would give.

    Parameters
    ----------
    trade_days : ndarray of int32, shape (S,)
        Closed sessions that have bars, days since 1970, increasing; at least one.
    settings : SplitSettings
        Shares.
    """
    return int(trade_days[max(_shares(len(trade_days), settings)[0], 1) - 1])


def missing_history(
    contract: str,
    trade_days: np.ndarray,
    settings: SplitSettings,
    *,
    session_bars: np.ndarray | None = None,
    window_bars: int = 0,
    never_test_until_day: int | None = None,
) -> ShortHistory | None:
    """What a contract lacks for a study; None if one can be opened. Parameters as :func:`open_study`.

    History is too short with fewer sessions than ``settings.sessions_min``, if purge and embargo leave a fold (or the
    hold-out) without one whole session to train on, or if a session labelled without a study would become test.
    ``labels_until_day`` is bounded so that labelling up to it never makes the study wait: it reaches no further than
    train and val of the smallest study that can come.

    Raises
    ------
    BadInputError
        Trade days that do not increase.
    """
    days = np.asarray(trade_days, dtype=np.int64)
    bars = np.full(len(days), _FULL_SESSION_BARS) if session_bars is None else np.asarray(session_bars, dtype=np.int64)
    if bool(np.any(np.diff(days) <= 0)) or len(bars) != len(days) or bool(np.any(bars < 1)):
        raise BadInputError(f"study of {contract}: expected increasing trade days, each with one or more base bars")
    labelled = 0 if never_test_until_day is None else int(np.sum(days <= never_test_until_day))
    if _leaves_training(bars, settings, window_bars) and sum(_shares(len(days), settings)) >= labelled:
        return None
    # Counted in full sessions; cut-short ones make the embargo reach over more of them.
    needed = max(_sessions_needed(settings, window_bars), _sessions_beside(labelled, settings), len(days) + 1)
    may_be_labelled = min(sum(_shares(needed, settings)), len(days))
    reason = (
        f" and for a test period after the {labelled} sessions up to {day_text(never_test_until_day)} that were "
        "labelled without a study"
        if never_test_until_day is not None and labelled
        else ""
    )
    window = f" plus a window of {window_bars}" if window_bars else ""
    until = int(days[may_be_labelled - 1]) if may_be_labelled else None
    return ShortHistory(
        contract=contract,
        sessions=len(days),
        sessions_needed=needed,
        labels_until_day=until,
        message=(
            f"study of {contract}: {len(days)} closed sessions have bars, at least {needed} are needed for "
            f"{settings.folds} folds with a purge of {settings.purge_bars} and an embargo of {settings.embargo_bars} "
            f"base bars{window}{reason}, {needed - len(days)} are lacking. Ingest more history: the study opens with "
            f"the first run that has enough. Until then bars, features and labels"
            f"{'' if until is None else f' (up to {day_text(until)})'} can be made, nothing after them."
        ),
    )


def _parsed(name: str, value: Any) -> Any:
    """Typed value of one key of the study file."""
    if name.endswith("_sessions"):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"expected a count, got {value!r}")
        return value
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    if name == "opened_at":
        return datetime.fromisoformat(value)
    return (date.fromisoformat(value) - _EPOCH).days if name.endswith("_day") else value


def _shares(sessions: int, settings: SplitSettings) -> tuple[int, int]:
    """Sessions of train and of val; 1e-9 keeps 0.7 x 10 from becoming 6."""
    return int(sessions * settings.train_share + 1e-9), int(sessions * settings.val_share + 1e-9)


def _leaves_training(session_bars: np.ndarray, settings: SplitSettings, window_bars: int) -> bool:
    """Whether every fold and the hold-out keep at least one whole session to train on.

    Played through with the real splitter on one row a session, from its first bar to its last, on a clock that counts
    bars: no label outlives its session.
    """
    sessions = len(session_bars)
    train, val = _shares(sessions, settings)
    if sessions < settings.sessions_min or train < settings.folds or val < 1 or sessions - train - val < 1:
        return False
    last_bar = np.cumsum(session_bars) - 1
    first_bar = last_bar - session_bars + 1
    bar_clock = np.arange(last_bar[-1] + 1)
    folds = PurgedKFold(settings.folds, purge=settings.purge_bars, embargo=settings.embargo_bars, window=window_bars)
    try:
        for _ in folds.split_roles(first_bar[:train], last_bar[:train], bar_clock):
            pass
    except TooLittleHistoryError:
        return False
    return bool(np.any(last_bar[:train] < first_bar[train] - settings.purge_bars))


def _sessions_needed(settings: SplitSettings, window_bars: int) -> int:
    """Fewest full sessions a study can be opened with."""

    def enough(sessions: int) -> bool:
        return _leaves_training(np.full(sessions, _FULL_SESSION_BARS), settings, window_bars)

    return _smallest(enough, at_least=max(settings.sessions_min, 1))


def _sessions_beside(labelled: int, settings: SplitSettings) -> int:
    """Fewest sessions of which train and val hold the first ``labelled``."""
    return _smallest(lambda sessions: sum(_shares(sessions, settings)) >= labelled, at_least=labelled)


def _smallest(holds: Callable[[int], bool], at_least: int) -> int:
    """Smallest integer from ``at_least`` on for which a condition that stays true becomes true."""
    low, high = at_least - 1, at_least
    while high < _SEARCH_LIMIT_SESSIONS and not holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
