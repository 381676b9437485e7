"""Delivery months of a series that Databento joined: the instrument ids in the file prove the declared stretches.

A continuous symbol (``MGC.c.0``, ``MGC.v.0``) names no month, but each row carries the id of the instrument it was
traded in. The user declares from which trade date on which month it is (``[expiry_from]``); where the id changes, a
stretch has to begin, and nowhere else. So a declaration shifted by a day is an error and not a wrong month.

Databento changes the instrument at midnight UTC, an hour or two into the session of that trade date. A session of a
continuous series is of one month, the one it ends in: the rows before midnight were traded in the month before, so they
are left out and counted, and neither called the new month nor joined to it.

References
----------
Databento, "Standards and conventions: Symbology" (continuous contracts map to one instrument a UTC date, unadjusted).
"""

from dataclasses import dataclass

import numpy as np

from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

_NEVER_US = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class IdMonths:
    """Delivery months of the rows of a continuous series.

    Attributes
    ----------
    names : list of str
        Months in use, sorted.
    codes : ndarray of int64, shape (N,)
        Each row's index into them.
    superseded : ndarray of bool, shape (N,)
        Rows of the month before in the first session of the next one: to be left out.
    """

    names: list[str]
    codes: np.ndarray
    superseded: np.ndarray


@dataclass(frozen=True)
class _Runs:
    """Spans of one instrument id in time order, shape (R,), and the run of every row, shape (N,).

    ``days`` are the trade dates the spans begin on, ``last_day`` that of the last row, ``opens_us`` the opens of all
    these sessions, the last one's behind the others. ``ends_before_midnight`` tells
    whether that row lies before midnight UTC of its trade date, when Databento has not changed the instrument yet.
    """

    ids: np.ndarray
    days: list[str]
    opens_us: np.ndarray
    last_day: str
    ends_before_midnight: bool
    of_row: np.ndarray


def months_of_ids(
    ids: np.ndarray, open_us: np.ndarray, instrument: Instrument, declaration: Declaration, where: str
) -> IdMonths:
    """Delivery month of every row of a continuous series.

    Parameters
    ----------
    ids : ndarray of integers, shape (N,)
        Instrument id of each row.
    open_us : ndarray of int64, shape (N,)
        Open of each minute, microseconds since 1970 UTC, in any order.
    instrument : Instrument
        Product; its calendar gives the trade dates.
    declaration : Declaration
        With ``expiry_from``: first trade date of each stretch, and its month.
    where : str
        File, for messages.

    Raises
    ------
    BadInputError
        Nothing declared, rows before the first stretch, an id that changes where no stretch begins, a stretch that
        begins where no id changes, or one id under two months.
    """
    if len(ids) == 0:
        return IdMonths([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))
    runs = _runs(ids, open_us, instrument, where)
    changes = runs.days[1:]
    if not declaration.expiry_from:
        raise BadInputError(
            f"{where}: a continuous series names no delivery month of its rows. Declare in {DECLARATION_FILE} which "
            f"month each stretch is, from its first trade date:\n\n[expiry_from]\n{_proposal(runs, instrument)}"
        )
    starts = _starts_in_reach(runs, declaration, where)
    # Two ids on one trade date: the first of them still belongs to the stretch before it.
    before = [day for day in starts if day < runs.days[0] or (day == runs.days[0] and changes[:1] != [day])]
    inside = [day for day in starts if day not in before and day <= runs.last_day]
    if not before:
        raise BadInputError(
            f"{where}: its first row is of trade date {runs.days[0]}, [expiry_from] begins with "
            f"{min(declaration.expiry_from)}. Declare the month before it too:\n\n[expiry_from]\n"
            f"{_proposal(runs, instrument)}"
        )
    if changes != inside:
        raise BadInputError(_disagreement(runs, changes, inside, where))
    months = [declaration.expiry_from[day] for day in (before[-1], *inside)]
    _refuse_mixed(runs, months, where)
    listed = sorted(set(months))
    codes = np.array([listed.index(month) for month in months], dtype=np.int64)[runs.of_row]
    # The last span is superseded only if the next stretch begins on its last day, with rows that lie in a later file.
    beyond = runs.last_day in declaration.expiry_from and runs.last_day not in starts
    ends = np.append(runs.opens_us[1:-1], runs.opens_us[-1] if beyond else _NEVER_US)
    return IdMonths(listed, codes, open_us >= ends[runs.of_row])


def _runs(ids: np.ndarray, open_us: np.ndarray, instrument: Instrument, where: str) -> _Runs:
    order = np.argsort(open_us, kind="stable") if (np.diff(open_us) < 0).any() else np.arange(len(open_us))
    sorted_ids, times = ids[order], open_us[order]
    begins = np.concatenate([[0], np.flatnonzero(sorted_ids[1:] != sorted_ids[:-1]) + 1])
    of_row = np.empty(len(ids), dtype=np.int64)
    of_row[order] = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(ids))))
    moments = times[np.append(begins, len(ids) - 1)]
    try:
        sessions = SessionCalendar.of(instrument).covering(moments)
    except BadInputError as problem:
        raise BadInputError(f"{where}: {problem}") from problem
    # A time outside any session counts to the next one.
    found = np.minimum(np.searchsorted(sessions.close_us, moments, side="right"), len(sessions) - 1)
    days = [str(day) for day in sessions.trade_day[found].astype("datetime64[D]")]
    before_midnight = str(moments[-1].astype("M8[us]").astype("M8[D]")) < days[-1]
    return _Runs(sorted_ids[begins], days[:-1], sessions.open_us[found], days[-1], before_midnight, of_row)


def _starts_in_reach(runs: _Runs, declaration: Declaration, where: str) -> list[str]:
    """First trade dates of the declared stretches, without one whose first row lies in a later file."""
    starts = sorted(declaration.expiry_from)
    if runs.last_day not in starts or runs.last_day in runs.days[1:] or not runs.ends_before_midnight:
        return starts
    if runs.days[0] == runs.last_day:
        raise BadInputError(
            f"{where}: all its rows lie before midnight UTC of trade date {runs.last_day}, on which [expiry_from] in "
            f"{DECLARATION_FILE} declares a new month: they may be of either month. Download that day in one file with "
            "the days beside it."
        )
    return [day for day in starts if day != runs.last_day]


def _disagreement(runs: _Runs, changes: list[str], inside: list[str], where: str) -> str:
    missing = [position for position, day in enumerate(changes, start=1) if day not in inside]
    if missing:
        first = missing[0]
        return (
            f"{where}: the instrument id changes from {runs.ids[first - 1]} to {runs.ids[first]} on trade date "
            f"{runs.days[first]} ({len(missing)} such changes), and no stretch of [expiry_from] in {DECLARATION_FILE} "
            f'begins there. Add the month that trades from then on, as "{runs.days[first]}" = "...".'
        )
    extra = [day for day in inside if day not in changes]
    if extra:
        seen = f"it changes on {changes[:5]}" if changes else f"one id, {runs.ids[0]}, from {runs.days[0]} on"
        return (
            f"{where}: [expiry_from] in {DECLARATION_FILE} declares a new month from {extra[0]}, but the instrument id "
            f"does not change there ({seen}). Correct the date or remove the line."
        )
    return (
        f"{where}: the instrument id changes more than once on one trade date ({changes}); a stretch is at least a "
        "session. Download the file again, or ask for parent symbology."
    )


def _refuse_mixed(runs: _Runs, months: list[str], where: str) -> None:
    """An id is one month, and a month one id; anything else is a declaration that cannot be true."""
    month_of: dict[int, str] = {}
    id_of: dict[str, int] = {}
    for number, day, month in zip(runs.ids.tolist(), runs.days, months, strict=True):
        known, owner = month_of.setdefault(number, month), id_of.setdefault(month, number)
        if known != month or owner != number:
            says = f"both {known} and {month}" if known != month else f"{month}, which id {owner} is too"
            raise BadInputError(
                f"{where}: [expiry_from] in {DECLARATION_FILE} makes instrument id {number} (from trade date {day}) "
                f"{says}. Correct the months."
            )


def _proposal(runs: _Runs, instrument: Instrument) -> str:
    """Lines to declare; the months are for the user to say."""
    month = f"{instrument.symbol}{instrument.delivery_months[0]}6"
    lines = [
        f'"{day}" = "..."   # instrument id {number}; a month as {month}'
        for number, day in zip(runs.ids[:20], runs.days[:20], strict=True)
    ]
    return "\n".join(lines)
