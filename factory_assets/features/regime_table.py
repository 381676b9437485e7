"""Parameters of the hidden Markov model of one timeframe, with the sessions they hold for: as stored and as shipped.

Belongs here: what a table of them is, and its two spellings (rows of ``regime_parameters``, JSON of a release). Does
not: how they are estimated (:mod:`factory_assets.features.regime_estimation`).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.features.hmm import STATES
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days

STATE_NAMES = ("low", "mid", "high")
_TO_COLUMNS = tuple(f"to_{name}" for name in STATE_NAMES)
_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class RegimeQuarter:
    """Parameters of one calendar quarter, or the statement that there are none: too few sessions lie before it.

    Attributes
    ----------
    valid_from : int
        First scheduled session of the quarter, days since 1970.
    valid_to : int
        First scheduled session of the next quarter: the parameters hold for sessions before it.
    known_day : int
        Last session before ``valid_from`` that the bars hold, at whose close everything here is known; the first
        session of the bars if there is none.
    sessions : int
        Complete sessions before ``valid_from``, counted up to the number an estimate is made from.
    rows : int
        Bars that were estimated from; 0 without parameters.
    first_day : int or None
        First of those sessions; the last one is ``known_day``.
    variance : tuple of float or None
        Variance of a bar's log return in the low, mid and high state; None without parameters.
    transition : tuple of tuple of float or None
        Probability of the next bar's state (inner) given this bar's (outer).
    """

    valid_from: int
    valid_to: int
    known_day: int
    sessions: int
    rows: int
    first_day: int | None
    variance: tuple[float, ...] | None
    transition: tuple[tuple[float, ...], ...] | None

    @property
    def estimated(self) -> bool:
        """Whether there are parameters; without, cells of the quarter's sessions are masked."""
        return self.variance is not None

    def problems(self) -> list[str]:
        """What no estimate can be."""
        found = []
        if self.valid_to <= self.valid_from:
            found.append(f"valid from {self.valid_from} to {self.valid_to}")
        if not self.estimated:
            absent = self.transition is None and self.first_day is None and self.rows == 0
            return found if absent else [*found, "no variances, but a transition matrix, rows or a first session"]
        variance = self.variance or ()
        positive = all(math.isfinite(value) and value > 0.0 for value in variance)
        if len(variance) != STATES or not positive or sorted(variance) != list(variance):
            found.append(f"variances {variance}, expected {STATES} positive ones in increasing order")
        rows = self.transition or ()
        proper = all(len(row) == STATES and all(0.0 < p < 1.0 for p in row) for row in rows)
        if len(rows) != STATES or not proper or any(abs(sum(row) - 1.0) > _SUM_TOLERANCE for row in rows):
            found.append(f"transition matrix {rows}, expected {STATES} rows of probabilities that sum to 1")
        if self.first_day is None or not self.first_day <= self.known_day < self.valid_from or self.rows < 1:
            found.append(
                f"estimated from {self.rows} bars of sessions {self.first_day} to {self.known_day}; expected sessions "
                f"before {self.valid_from}"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class RegimeTable:
    """Parameters of one contract and timeframe: consecutive quarters, of which the first may have none.

    Attributes
    ----------
    contract : str
        Product whose bars they were estimated from.
    minutes : int
        Timeframe.
    quarters : tuple of RegimeQuarter
        In time order, each valid up to the next one's beginning.

    Raises
    ------
    BadInputError
        Quarters with gaps between them, or parameters no estimate can have.
    """

    contract: str
    minutes: int
    quarters: tuple[RegimeQuarter, ...]

    def __post_init__(self) -> None:
        """Refuse what no estimate gives; every problem in one message."""
        found = [f"quarter {at}: {text}" for at, each in enumerate(self.quarters) for text in each.problems()]
        found += [
            f"quarter {at + 1} begins at {later.valid_from}, the one before ends at {earlier.valid_to}"
            for at, (earlier, later) in enumerate(pairwise(self.quarters))
            if earlier.valid_to != later.valid_from or earlier.known_day > later.known_day
        ]
        if found:
            raise BadInputError(
                f"regime parameters of {self.contract}, {self.minutes} minutes: " + "; ".join(found[:5])
            )

    @property
    def validity(self) -> str:
        """Sessions the table speaks of, for people: ``hold from 2021-01-04 to before the session of 2023-01-03``."""
        if not self.quarters:
            return "hold in no session"
        first, end = (np.datetime64(day, "D") for day in (self.quarters[0].valid_from, self.quarters[-1].valid_to))
        return f"hold from {first} to before the session of {end}"

    def covers(self, trade_day: int) -> bool:
        """Whether the table says what holds in a session: its parameters, or that there are none."""
        return bool(self.quarters) and self.quarters[0].valid_from <= trade_day < self.quarters[-1].valid_to

    def positions(self, trade_day: np.ndarray) -> np.ndarray:
        """Parameters in force in each session, as positions of :attr:`variances`; -1 where there are none.

        Parameters
        ----------
        trade_day : ndarray of int32, shape (N,)
            Sessions, days since 1970.

        Returns
        -------
        ndarray of int64, shape (N,)
            -1 in quarters without parameters and outside the table.
        """
        if not self.quarters:
            return np.full(len(trade_day), -1, dtype=np.int64)
        begins = np.array([quarter.valid_from for quarter in self.quarters])
        found = np.searchsorted(begins, trade_day, side="right") - 1
        held = np.array([quarter.estimated for quarter in self.quarters])[found]
        return np.where((found >= 0) & (trade_day < self.quarters[-1].valid_to) & held, found, -1).astype(np.int64)

    @cached_property
    def variances(self) -> np.ndarray:
        """Variance of each state, float64 of shape (Q, 3); ones where there are no parameters."""
        return np.array([q.variance or (1.0,) * STATES for q in self.quarters]).reshape(-1, STATES)

    @cached_property
    def transitions(self) -> np.ndarray:
        """Transition matrices, float64 of shape (Q, 3, 3); uniform where there are no parameters."""
        uniform = ((1.0 / STATES,) * STATES,) * STATES
        return np.array([q.transition or uniform for q in self.quarters]).reshape(-1, STATES, STATES)

    def to_frame(self) -> pd.DataFrame:
        """Rows of ``regime_parameters``, one a quarter and state, without ``contract``; missing numbers are NaN."""
        count = len(self.quarters)
        days = {
            "trade_date": [q.known_day for q in self.quarters],
            "valid_from": [q.valid_from for q in self.quarters],
            "valid_to": [q.valid_to for q in self.quarters],
        }
        first = np.array(
            [np.datetime64("NaT") if q.first_day is None else np.datetime64(q.first_day, "D") for q in self.quarters],
            dtype="datetime64[ms]",
        )
        known = np.repeat([q.estimated for q in self.quarters], STATES)
        numbers = np.column_stack([self.variances.reshape(-1, 1), self.transitions.reshape(-1, STATES)])
        numbers[~known.astype(bool)] = np.nan
        return pd.DataFrame(
            {
                **{name: from_days(np.repeat(np.array(found, dtype=np.int64), STATES)) for name, found in days.items()},
                "minutes": np.full(count * STATES, self.minutes, dtype=np.int64),
                "state": np.tile(np.arange(STATES, dtype=np.int8), count),
                "sessions": np.repeat(np.array([q.sessions for q in self.quarters], dtype=np.int64), STATES),
                "rows": np.repeat(np.array([q.rows for q in self.quarters], dtype=np.int64), STATES),
                "first_session": np.repeat(first, STATES),
                "variance": numbers[:, 0],
                **{name: numbers[:, 1 + at] for at, name in enumerate(_TO_COLUMNS)},
            }
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, contract: str, minutes: int) -> "RegimeTable":
        """The table of one timeframe out of rows of ``regime_parameters``, other timeframes left out.

        Raises
        ------
        BadInputError
            Rows that are not three states a quarter, or parameters no estimate can have.
        """
        own = frame[frame["minutes"] == minutes].sort_values(["valid_from", "state"], ignore_index=True)
        states = own["state"].to_numpy()
        if len(own) % STATES or not np.array_equal(states, np.tile(np.arange(STATES), len(own) // STATES)):
            raise BadInputError(f"regime parameters of {contract}, {minutes} minutes: expected three states a quarter")
        days = {name: dates_days(own[name]) for name in ("valid_from", "valid_to", "trade_date")}
        first, numbers = own["first_session"], own[["variance", *_TO_COLUMNS]].to_numpy(dtype=np.float64)
        quarters = []
        for at in range(0, len(own), STATES):
            block, known = numbers[at : at + STATES], bool(np.isfinite(numbers[at]).all())
            quarters.append(
                RegimeQuarter(
                    valid_from=int(days["valid_from"][at]),
                    valid_to=int(days["valid_to"][at]),
                    known_day=int(days["trade_date"][at]),
                    sessions=int(own["sessions"].iloc[at]),
                    rows=int(own["rows"].iloc[at]),
                    first_day=None if pd.isna(first.iloc[at]) else int(dates_days(first.iloc[[at]])[0]),
                    variance=tuple(block[:, 0].tolist()) if known else None,
                    transition=tuple(tuple(row) for row in block[:, 1:].tolist()) if known else None,
                )
            )
        return cls(contract=contract, minutes=minutes, quarters=tuple(quarters))

    def to_plain(self) -> dict[str, Any]:
        """Values as JSON takes them; floats keep every bit."""
        return {"contract": self.contract, "minutes": self.minutes, "quarters": [asdict(q) for q in self.quarters]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "RegimeTable":
        """What :meth:`to_plain` said.

        Raises
        ------
        BadInputError
            Unknown or missing keys, or parameters no estimate can have.
        """
        expected = {field.name for field in fields(RegimeQuarter)}
        if {*plain} != {"contract", "minutes", "quarters"} or any({*each} != expected for each in plain["quarters"]):
            raise BadInputError(f"regime parameters: expected contract, minutes and quarters with {sorted(expected)}")
        quarters = tuple(
            RegimeQuarter(
                **{
                    **each,
                    "variance": None if each["variance"] is None else tuple(each["variance"]),
                    "transition": None if each["transition"] is None else tuple(map(tuple, each["transition"])),
                }
            )
            for each in plain["quarters"]
        )
        return cls(contract=plain["contract"], minutes=plain["minutes"], quarters=quarters)
