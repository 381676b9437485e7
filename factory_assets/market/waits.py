"""How long the market usually keeps one waiting for the next bar, and which waits were longer than that.

Belongs here: waits counted in scheduled session minutes, and the causal percentile they are judged by. Does not: what
explains a long one (:mod:`factory_assets.market.gaps`), or when sessions are (:mod:`factory_assets.market.sessions`).
"""

from typing import NamedTuple

import numba
import numpy as np

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.timeframes import MINUTE_US

OBSERVATIONS_MIN = 1000
"""Fewest waits a 99.9th percentile is taken from: with fewer it would be the longest wait seen, whatever that was."""

POOLS: tuple[tuple[str, int, bool], ...] = (
    ("same weekday, 15 minutes around", 15, True),
    ("any weekday, 15 minutes around", 15, False),
    ("any weekday, 60 minutes around", 60, False),
)
"""Pools from narrow to wide: name, minutes on either side, whether of one weekday only."""

_DAYS = 7
_UNJUDGED, _USUAL = -2, -1
# 1970-01-01 was a Thursday.
_WEEKDAY_OF_DAY_0 = 3


class Waits(NamedTuple):
    """Waits as aligned arrays, shape (W,), in time order.

    A wait begins at the session's open and at the end of every bar, and lasts the scheduled minutes that pass without
    a bar from there on: 0 if the next bar follows at once. A session's waits and bars fill it without overlap; a wait
    never reaches into the next session. A session without any bar is one wait from open to close.
    """

    session: np.ndarray
    """int64, position of the session."""
    minute: np.ndarray
    """int64, scheduled minute at which the wait begins, counted from the session's open."""
    length: np.ndarray
    """int64, minutes."""


class Judgement(NamedTuple):
    """What became of the waits: the unusual ones as aligned arrays, shape (G,), and how many could not be judged."""

    wait: np.ndarray
    """int64, position among the waits."""
    usual: np.ndarray
    """int64, minutes: the 99.9th percentile the wait exceeds."""
    observations: np.ndarray
    """int64, waits that percentile was taken from."""
    pool: np.ndarray
    """int64, position in :data:`POOLS`."""
    unjudged: int
    """Waits of a minute or more with too little history before them."""
    longest_unjudged: int
    """The longest of those, minutes."""


def waits_of(open_us: np.ndarray, sessions: Sessions) -> Waits:
    """Every wait of a series of minutes.

    Parameters
    ----------
    open_us : ndarray of int64, shape (N,)
        Open times of the bars, strictly increasing whole minutes, each inside one of the sessions.
    sessions : Sessions
        Sessions looked at, the first and the last of them with bars.

    Returns
    -------
    Waits
        Without the wait before the first bar and the wait behind the last one: the files begin and end there, and the
        newest session may still be trading.
    """
    session = sessions.locate(open_us)
    minute = (open_us - sessions.open_us[session]) // MINUTE_US
    span = (sessions.close_us - sessions.open_us) // MINUTE_US
    numbers = np.arange(len(sessions), dtype=np.int64)
    # The open of a session counts as a bar that ends there, the close as a bar that begins there.
    owner = np.concatenate([numbers, session, numbers])
    begin = np.concatenate([np.zeros(len(sessions), dtype=np.int64), minute + 1, span])
    order = np.lexsort((begin, owner))
    owner, begin = owner[order], begin[order]
    same = owner[1:] == owner[:-1]
    next_bar = np.where(order[1:] < len(sessions) + len(open_us), begin[1:] - 1, begin[1:])
    rows = np.flatnonzero(same & (begin[:-1] < span[owner[:-1]]))[1:]
    rows = rows[~((owner[rows] == session[-1]) & (begin[rows] > minute[-1]))]
    return Waits(owner[rows], begin[rows], next_bar[rows] - begin[rows])


def weekdays(sessions: Sessions) -> np.ndarray:
    """Weekday of each trade date, int64 shape (S,): 0 on Monday."""
    return (sessions.trade_day.astype(np.int64) + _WEEKDAY_OF_DAY_0) % _DAYS


def unusual_waits(waits: Waits, weekday: np.ndarray, regular: np.ndarray) -> Judgement:
    """Waits longer than the 99.9th percentile for their minute of the week in earlier sessions.

    One minute of one weekday is seen once a week, and a 99.9th percentile needs a thousand observations. So the waits
    that began within 15 minutes of the same session minute are taken together: of the same weekday once they are a
    thousand (about eight months of a busy contract), of all weekdays before that (two months), and within 60 minutes
    on all weekdays at first (two weeks). With fewer than a thousand even there a wait is not judged, but counted.
    The percentile is the nearest rank: of n waits, n // 1000 may be longer, ties included. Zero waits count, so in a
    market that trades every minute the percentile is 0 and each missing minute is listed.

    Parameters
    ----------
    waits : Waits
        In time order.
    weekday : ndarray of int64, shape (S,)
        Weekday of each session.
    regular : ndarray of bool, shape (S,)
        Sessions that later ones are compared with. Holidays and the days beside them are judged, but are no measure:
        most of them are Mondays, and would make a quiet Monday look usual.

    Returns
    -------
    Judgement
        The verdict on a wait rests on earlier sessions only and is known when the wait has lasted that long; later
        sessions never change it.
    """
    widest = int(waits.minute.max(initial=0)) + 1
    first = np.searchsorted(waits.session, np.arange(len(weekday) + 1))
    radius = np.array([pool[1] for pool in POOLS], dtype=np.int64)
    one_day = np.array([pool[2] for pool in POOLS], dtype=np.bool_)
    usual, observations, pool = _judge(
        first, waits.minute, waits.length, weekday, np.asarray(regular, dtype=np.bool_), widest, radius, one_day
    )
    listed = np.flatnonzero(usual >= 0)
    unjudged = usual == _UNJUDGED
    return Judgement(
        wait=listed,
        usual=usual[listed],
        observations=observations[listed],
        pool=pool[listed],
        unjudged=int(unjudged.sum()),
        longest_unjudged=int(waits.length[unjudged].max(initial=0)),
    )


@numba.njit(cache=True)
def _judge(
    first: np.ndarray,
    minute: np.ndarray,
    length: np.ndarray,
    weekday: np.ndarray,
    regular: np.ndarray,
    widest: int,
    radius: np.ndarray,
    one_day: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Percentile, observations and pool of every listed wait; -1 marks usual waits, -2 those without a history.

    Earlier waits of a minute or more hang in one chain a (weekday, minute); zero waits are only counted.
    """
    n = len(minute)
    usual = np.full(n, _USUAL, dtype=np.int64)
    observations, pool_of = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    seen = np.zeros((_DAYS, widest), dtype=np.int64)
    newest = np.full((_DAYS, widest), -1, dtype=np.int64)
    older = np.full(n, -1, dtype=np.int64)
    of_day, of_all = np.zeros(widest + 1, dtype=np.int64), np.zeros(widest + 1, dtype=np.int64)
    for s in range(len(weekday)):
        day = weekday[s]
        for m in range(widest):
            of_day[m + 1] = of_day[m] + seen[day, m]
            total = 0
            for d in range(_DAYS):
                total += seen[d, m]
            of_all[m + 1] = of_all[m] + total
        for i in range(first[s], first[s + 1]):
            if length[i] == 0:
                continue
            usual[i] = _UNJUDGED
            for p in range(len(radius)):
                low, high = max(0, minute[i] - radius[p]), min(widest, minute[i] + radius[p] + 1)
                known = of_day[high] - of_day[low] if one_day[p] else of_all[high] - of_all[low]
                if known < OBSERVATIONS_MIN:
                    continue
                begin, end = (day, day + 1) if one_day[p] else (0, _DAYS)
                usual[i] = _exceeded(newest[begin:end, low:high], older, length, length[i], known // 1000)
                observations[i], pool_of[i] = known, p
                break
        if regular[s]:
            for i in range(first[s], first[s + 1]):
                seen[day, minute[i]] += 1
                if length[i] > 0:
                    older[i] = newest[day, minute[i]]
                    newest[day, minute[i]] = i
    return usual, observations, pool_of


@numba.njit(cache=True)
def _exceeded(newest: np.ndarray, older: np.ndarray, length: np.ndarray, candidate: int, may_exceed: int) -> int:
    """The percentile of a pool if ``candidate`` is longer, else -1: the value ``may_exceed`` waits may be above."""
    as_long = 0
    for chain in newest.flat:
        i = chain
        while i >= 0:
            as_long += length[i] >= candidate
            if as_long > may_exceed:
                return _USUAL
            i = older[i]
    found = np.zeros(1024, dtype=np.int64)
    count = 0
    for chain in newest.flat:
        i = chain
        while i >= 0:
            if count == len(found):
                found = np.concatenate((found, np.zeros(count, dtype=np.int64)))
            found[count] = length[i]
            count += 1
            i = older[i]
    if count <= may_exceed:
        return 0
    return np.sort(found[:count])[count - 1 - may_exceed]
