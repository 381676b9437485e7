"""Open interest of each delivery month, from an optional file of the raw folder: what was published, and when.

``open_interest.csv`` has the header ``trade_date,expiry,open_interest`` and one line a session and month, as
``2022-01-26,MGCG2,35120``. Belongs here: reading and judging that file, and which figures a session may know. Does
not: rolling by them (:mod:`factory_assets.market.rolls`).

When it is known: the exchange clears a session after its close and publishes the open interest at its end in the
morning of the next business day, hours after that day's session has opened. A shortened session may be a holiday, on
which nothing is cleared or published; a session of full length never is. So the figures of a trade date are used from
the open of **the session behind the next one of full length** on, never earlier: usually the session after next. On a
Tuesday behind a holiday Monday, Friday's figures are not out yet. Preliminary and final figures are both out by then.

References
----------
CME Group, "About settlements": for NYMEX and COMEX products the third run, after clearing, "contains updated open
interest figures from the most recent trading day". Databento, "Determine publishing times for statistics" (GLBX.MDP3):
shows the exchange's open interest messages of a trade date arriving on the day after it.
"""

import re
from collections.abc import Mapping, Set
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.expiry import delivery_index_of, parse_expiry
from factory_assets.market.sessions import REGULAR_MINUTES, SessionCalendar
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.frames import dates_days, from_days
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

OPEN_INTEREST_FILE = "open_interest.csv"
HEADER = "trade_date,expiry,open_interest"
BYTES_MAX = 32 * 1024 * 1024
AGE_SESSIONS_MAX = 7
"""Sessions after which the last figures published say nothing any more: a file that stopped is an error."""
_CONTRACTS_DIGITS_MAX = 9
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PROBLEMS_SHOWN = 5
_EPOCH = date(1970, 1, 1)


def read_open_interest(folder: Path, instrument: Instrument) -> pd.DataFrame:
    """Open interest of a raw folder; no rows if it has no ``open_interest.csv``.

    Parameters
    ----------
    folder : Path
        Raw folder of one contract.
    instrument : Instrument
        Product the months have to be of.

    Returns
    -------
    DataFrame
        Per ``schemas.OPEN_INTEREST`` without ``contract``, by trade date and expiry. A row is known at the open of
        session ``usable_from``.

    Raises
    ------
    ForeignContractError
        A month of another product.
    BadInputError
        Not a plain UTF-8 text of that form, a day without a session, a name that is no outright month, a figure that is
        no whole number, or a month twice on one day; the message names the first lines.
    """
    path = folder / OPEN_INTEREST_FILE
    if not path.exists() and not path.is_symlink():
        return _frame([], instrument)
    lines = _lines(path)
    if not lines or lines[0].strip().lower() != HEADER:
        found = lines[0][:80] if lines else "nothing"
        raise BadInputError(
            f"{path}: line 1: expected the header {HEADER!r}, found {found!r}. Nothing was read; "
            "correct the header, or take the file away."
        )
    sessions = _session_days(instrument)
    rows: list[tuple[int, str, int]] = []
    first_line: dict[tuple[int, int], int] = {}
    problems: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        row, problem = _row(line, instrument, sessions, f"{path}: line {number}")
        if row is not None:
            key = (row[0], delivery_index_of(row[1], row[0]))
            if key in first_line:
                problem = f"{row[1]} of {line.split(',')[0]} again, first in line {first_line[key]}"
            first_line.setdefault(key, number)
            rows.append(row)
        if problem:
            problems.append(f"line {number}: {problem}")
    if problems:
        more = f" and {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
        raise BadInputError(
            f"{path}: {'; '.join(problems[:_PROBLEMS_SHOWN])}{more}. Expected lines as "
            f"2022-01-26,{instrument.symbol}{instrument.delivery_months[0]}2,35120. Nothing was read; correct the file."
        )
    return _frame(rows, instrument)


def open_interest_files(folder: Path) -> list[Path]:
    """The file of open interest if the folder has one: what its hash is taken of."""
    path = folder / OPEN_INTEREST_FILE
    return [path] if path.is_file() else []


def require_extension(
    held: pd.DataFrame, new: pd.DataFrame, where: str, *, rolled_until_day: int | None = None
) -> None:
    """Refuse open interest that takes back what was read before, or comes too late; further trade dates are welcome.

    Parameters
    ----------
    held, new : DataFrame
        Per ``schemas.OPEN_INTEREST``: the figures there, and those that are to take their place.
    where : str
        Named in the message.
    rolled_until_day : int, optional
        Last session of stored bars that were rolled by ``held``, days since 1970; None if there are none.

    Raises
    ------
    BadInputError
        A figure of a trade date that is already there is changed, missing or added, or a figure of a further trade date
        is usable in a session that was rolled without it: rolls already made would move. Figures that are the first
        there are no extension and may begin at any date.
    """
    last = held["trade_date"].max() if len(held) else pd.Timestamp.min
    keys = ["trade_date", "expiry", "open_interest"]
    before, again = ({tuple(row) for row in f[keys].astype({"expiry": str}).to_numpy()} for f in (held, new))
    again = {row for row in again if row[0] <= last}
    if before != again:
        day, expiry, _ = sorted(before ^ again)[0]
        raise BadInputError(
            f"{where}: open interest up to {pd.Timestamp(last).date()} is there already, and {len(before ^ again)} "
            f"figures differ, the first of {expiry} on {pd.Timestamp(day).date()}. Rolls made by them would move: only "
            "add later trade dates, or take the old file away on purpose."
        )
    if len(held) and rolled_until_day is not None:
        _require_in_time(new[new["trade_date"] > last], where, rolled_until_day)


def _require_in_time(added: pd.DataFrame, where: str, rolled_until_day: int) -> None:
    """Refuse figures that sessions up to ``rolled_until_day`` would have rolled by, had they been there."""
    rolled_until = pd.Timestamp(np.datetime64(rolled_until_day, "D"))
    late = added[added["usable_from"] <= rolled_until]
    if late.empty:
        return
    first, last = f"{late['trade_date'].min():%Y-%m-%d}", f"{late['trade_date'].max():%Y-%m-%d}"
    number = late["trade_date"].nunique()
    dates = f"1 trade date, {first}" if number == 1 else f"{number} trade dates, {first} to {last}"
    raise BadInputError(
        f"{where}: open interest of {dates}, is usable from session {late['usable_from'].min():%Y-%m-%d} on, but the "
        f"stored bars to {rolled_until:%Y-%m-%d} were rolled without it and their rolls would move. Leave these dates "
        "out and add later ones, in time: before the bars of the session after next are made. To roll anew on "
        f"purpose, take the {OPEN_INTEREST_FILE} of the raw folder away first, then repeat."
    )


class PublishedOpenInterest:
    """What was known of the open interest at each session's open.

    Parameters
    ----------
    table : DataFrame or None
        Per ``schemas.OPEN_INTEREST``.
    instrument : Instrument
        Product of the expiries.

    Raises
    ------
    BadInputError
        No rows: the roll rule ``open_interest`` has nothing to go by.
    """

    def __init__(self, table: pd.DataFrame | None, instrument: Instrument) -> None:
        if table is None or len(table) == 0:
            raise BadInputError(
                f'{instrument.symbol}: [market] roll_rule = "open_interest" needs {OPEN_INTEREST_FILE} in the raw '
                f'folder (header {HEADER}); there is none. Add it, or set roll_rule = "volume" or "calendar".'
            )
        self._instrument = instrument
        self._sessions = SessionCalendar.of(instrument).sessions.trade_day
        self._by_day: dict[int, dict[int, int]] = {}
        for day, name, contracts in zip(
            dates_days(table["trade_date"]).tolist(), table["expiry"].astype(str), table["open_interest"], strict=True
        ):
            self._by_day.setdefault(day, {})[delivery_index_of(name, day)] = int(contracts)
        self._days = np.array(sorted(self._by_day), dtype=np.int64)
        self._usable_from = _usable_from(self._days, instrument)

    def known_at(self, trade_day: int) -> Mapping[int, int] | None:
        """Latest open interest published before a session's open, by delivery index (``12 x year + month - 1``).

        None before the first that was published.

        Raises
        ------
        BadInputError
            The latest is more than :data:`AGE_SESSIONS_MAX` sessions old: the file stopped or has a hole.
        """
        place = int(np.searchsorted(self._usable_from, trade_day, side="right")) - 1
        if place < 0:
            return None
        last = int(self._days[place])
        age = int(np.searchsorted(self._sessions, trade_day) - np.searchsorted(self._sessions, last))
        if age > AGE_SESSIONS_MAX:
            raise BadInputError(
                f"{self._instrument.symbol}: the latest open interest known for session "
                f"{np.datetime64(trade_day, 'D')} is of {np.datetime64(last, 'D')}, {age} sessions before; at most "
                f"{AGE_SESSIONS_MAX} may lie between. Add the missing trade dates to {OPEN_INTEREST_FILE}, or set "
                "[market] roll_rule to 'volume' or 'calendar'."
            )
        return self._by_day[last]

    def begins_late(self, first_day: int) -> BadInputError:
        """The error to raise where the bars begin long before the open interest does."""
        return BadInputError(
            f"{self._instrument.symbol}: bars begin on {np.datetime64(first_day, 'D')}, open interest on "
            f"{np.datetime64(int(self._days[0]), 'D')}: sessions between have none to roll by. Add the earlier trade "
            f"dates to {OPEN_INTEREST_FILE}, or set [market] roll_rule to 'volume' or 'calendar'."
        )


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no plain file"
        raise BadInputError(f"{path}: expected a text file, found {what}. Put the file itself there, or remove it.")
    size = path.stat().st_size
    if size > BYTES_MAX:
        raise BadInputError(f"{path}: {size} bytes, at most {BYTES_MAX} may be. Give one line a session and month.")
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise BadInputError(f"{path}: line {line}: not UTF-8 text. Save the file as UTF-8; nothing was read.") from None
    except OSError as problem:
        raise BadInputError(f"{path}: cannot be read: {problem}. Check the path and its permissions.") from problem
    return text.split("\n")


@cache
def _session_days(instrument: Instrument) -> frozenset[int]:
    return frozenset(SessionCalendar.of(instrument).sessions.trade_day.tolist())


def _row(
    line: str, instrument: Instrument, sessions: Set[int], where: str
) -> tuple[tuple[int, str, int] | None, str | None]:
    """One line as (trade day, expiry, contracts), or what is wrong with it."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3:
        return None, f"{len(parts)} fields, expected 3"
    text, name, figure = parts
    day = _day(text)
    if day is None or day not in sessions:
        return None, f"trade_date {text[:20]!r}: expected a day (2022-01-26) with a session"
    expiry = parse_expiry(name)
    if expiry is None:
        return None, f"expiry {name[:30]!r}: expected an outright month"
    if expiry.root != instrument.symbol:
        raise ForeignContractError(
            f"{where}: open interest of {name}, but {instrument.symbol} is being read. Nothing was read; take the "
            "other product's lines out."
        )
    if not (figure.isascii() and figure.isdigit() and len(figure) <= _CONTRACTS_DIGITS_MAX):
        return None, f"open_interest {figure[:20]!r}: expected a whole number of contracts"
    return (day, name, int(figure)), None


def _day(text: str) -> int | None:
    if not (text.isascii() and _DAY.fullmatch(text)):
        return None
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        return None


def _usable_from(days: np.ndarray, instrument: Instrument) -> np.ndarray:
    sessions = SessionCalendar.of(instrument).sessions
    full = np.flatnonzero(sessions.close_us - sessions.open_us >= REGULAR_MINUTES * MINUTE_US)
    published = np.searchsorted(full, np.searchsorted(sessions.trade_day, days), side="right")
    places = full[np.minimum(published, len(full) - 1)] + 1
    return sessions.trade_day[np.minimum(places, len(sessions) - 1)].astype(np.int64)


def _frame(rows: list[tuple[int, str, int]], instrument: Instrument) -> pd.DataFrame:
    days = np.array([row[0] for row in rows], dtype=np.int64)
    frame = pd.DataFrame(
        {
            "trade_date": from_days(days),
            "expiry": pd.Categorical([row[1] for row in rows]),
            "open_interest": np.array([row[2] for row in rows], dtype=np.int64),
            "usable_from": from_days(_usable_from(days, instrument)),
        }
    )
    return frame.sort_values(["trade_date", "expiry"], ignore_index=True)
