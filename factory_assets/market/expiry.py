"""Delivery months: what ``MGCG3`` means on a given day, and until when a month may be held.

Belongs here: names of expiries and the last day each may be the front. Does not: choosing between months by volume
(:mod:`factory_assets.market.rolls`).

References
----------
CME Group, "COMEX gold futures contract specifications": first position day precedes first notice, which is the last
business day of the month before delivery. CME Rulebook chapter 358: E-mini S&P 500 futures end trading on the third
Friday of the contract month, or on the business day before it if the index is not published that day.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument

MONTH_CODES = "FGHJKMNQUVXZ"
_EPOCH = date(1970, 1, 1)
_PATTERN = re.compile(
    rf"(?P<root>[A-Z0-9]{{1,6}}?)(?P<month>[{MONTH_CODES}])(?P<year>(?:19|20)[0-9]{{2}}|[0-9]{{1,2}})"
)


@dataclass(frozen=True)
class ExpiryName:
    """An outright expiry as the exchange names it.

    Attributes
    ----------
    root : str
        Product (``MGC``).
    month : int
        Delivery month, 1 to 12.
    year_digits : str
        One, two or four digits of the year; one digit is resolved against the day of the bar.
    """

    root: str
    month: int
    year_digits: str

    def delivery_index(self, year: int, month: int) -> int:
        """Delivery month as ``12 x year + month - 1``, resolved for a bar traded in the given year and month.

        A one-digit year is the first such year whose delivery month has not passed: a month that is over does not
        trade, and none is listed ten years ahead.
        """
        if len(self.year_digits) == 1:
            resolved = year - year % 10 + int(self.year_digits)
            resolved += 10 if (resolved, self.month) < (year, month) else 0
        else:
            resolved = int(self.year_digits) + (2000 if len(self.year_digits) == 2 else 0)
        return 12 * resolved + self.month - 1


@cache
def parse_expiry(name: str) -> ExpiryName | None:
    """Name of an outright expiry in its parts; None for spreads and anything else.

    Examples
    --------
    >>> parse_expiry("MGCG3")
    ExpiryName(root='MGC', month=2, year_digits='3')
    >>> parse_expiry("MGCG3-MGCJ3") is None
    True
    """
    match = _PATTERN.fullmatch(name)
    if match is None:
        return None
    return ExpiryName(match["root"], MONTH_CODES.index(match["month"]) + 1, match["year"])


def delivery_index_of(name: str, trade_day: int) -> int:
    """Delivery month of one expiry as ``12 x year + month - 1``, resolved for the given day (days since 1970).

    Raises
    ------
    BadInputError
        If the name is not an outright expiry.
    """
    parts = parse_expiry(name)
    if parts is None:
        raise BadInputError(f"expiry {name!r}: expected a name as MGCG3 (product, month code, year)")
    day = _EPOCH + timedelta(days=trade_day)
    return parts.delivery_index(day.year, day.month)


def delivery_indices(expiries: pd.Series, days: np.ndarray) -> np.ndarray:
    """Delivery month of every row as ``12 x year + month - 1``, int64 shape (N,); orders expiries in time.

    Parameters
    ----------
    expiries : Series of str or categorical, shape (N,)
        Expiry names (``MGCG3``).
    days : ndarray of int32, shape (N,)
        Day of each bar, days since 1970: what a one-digit year is resolved against.

    Raises
    ------
    BadInputError
        If a name is not an outright expiry.
    """
    codes, names = pd.factorize(expiries)
    parsed = [parse_expiry(str(name)) for name in names]
    bad = [str(name) for name, parts in zip(names, parsed, strict=True) if parts is None]
    if bad or (codes < 0).any():
        raise BadInputError(f"expiries {bad or [None]}: expected names as MGCG3 (product, month code, year)")
    if len(codes) == 0:
        return np.empty(0, dtype=np.int64)
    first_day = int(np.min(days))
    span = np.arange(first_day, int(np.max(days)) + 1).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    month = np.take(span - span[0], np.asarray(days) - first_day)
    # Few pairs of a name and a month of trading occur, and each is resolved once.
    months = int(span[-1] - span[0]) + 1
    inverse, pairs = pd.factorize(codes * months + month)
    resolved = np.empty(len(pairs), dtype=np.int64)
    for position, pair in enumerate(pairs):
        parts, traded = parsed[int(pair) // months], int(span[0]) + int(pair) % months
        assert parts is not None
        resolved[position] = parts.delivery_index(1970 + traded // 12, traded % 12 + 1)
    return resolved[inverse]


@cache
def last_holding_limit(instrument: Instrument, delivery_index: int) -> date:
    """First notice day of a delivery month, or its last trading day for a cash-settled product.

    The front has to be left before this day: the roll is at the latest at the open of the last session *before* it.
    Known years in advance.

    Raises
    ------
    BadInputError
        If the instrument's ``first_notice_rule`` is unknown.
    """
    year, month = delivery_index // 12, delivery_index % 12 + 1
    if instrument.first_notice_rule == "month_before":
        day = date(year, month, 1) - timedelta(days=1)
    elif instrument.first_notice_rule == "cash":
        first = date(year, month, 1)
        day = first + timedelta(days=(calendar.FRIDAY - first.weekday()) % 7 + 14)
    else:
        raise BadInputError(
            f"{instrument.symbol}: first_notice_rule {instrument.first_notice_rule!r}; expected 'cash' or "
            "'month_before'"
        )
    while day.weekday() >= 5 or _is_holiday(day):
        day -= timedelta(days=1)
    return day


def _is_holiday(day: date) -> bool:
    """Exchange holidays that can fall on a month's last weekday or on a third Friday; no other matters here."""
    good_friday = pd.offsets.Easter().rollforward(pd.Timestamp(day.year, 1, 1)).date() - timedelta(days=2)
    memorial_day = day.month == 5 and day.weekday() == calendar.MONDAY and day.day > 24
    fixed_or_observed = day.day == 19 or (day.day == 18 and day.weekday() == calendar.FRIDAY)
    juneteenth = day.year >= 2022 and day.month == 6 and fixed_or_observed
    return day == good_friday or memorial_day or juneteenth
