"""One traded minute as a live feed hands it over."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBERS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, kw_only=True)
class Minute:
    """A minute of one delivery month in which something traded.

    Attributes
    ----------
    expiry : str
        Delivery month as the exchange names it (``MGCG3``).
    open_time : datetime
        Start of the minute, timezone-aware. The minute is known one minute later.
    open, high, low, close : float
        Traded prices, points.
    volume : float
        Contracts; NaN from a feed that has none.
    """

    expiry: str
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float

    @classmethod
    def of(cls, bar: "Minute | Mapping[str, Any]", *, has_volume: bool = True) -> "Minute":
        """A minute from a mapping with these names (more of them are ignored), or the minute itself.

        Parameters
        ----------
        bar : Minute or mapping
            What the feed handed over.
        has_volume : bool
            Whether it has to have a volume; without, ``volume`` is NaN or not named at all.

        Raises
        ------
        BadInputError
            Neither of the two; names missing, or values of another kind, all of them in one message; a volume where
            there is none.
        NaiveTimestampError
            ``open_time`` without a time zone.
        """
        if not isinstance(bar, Mapping | Minute):
            raise BadInputError(
                f"bar: {type(bar).__name__}; expected a Minute or a mapping of {[name.name for name in fields(cls)]} "
                "(a pandas row: row.to_dict()). Nothing was changed."
            )
        values = (
            {name.name: bar.get(name.name) for name in fields(cls)} if isinstance(bar, Mapping) else dict(vars(bar))
        )
        if not has_volume and values["volume"] is None:
            values["volume"] = math.nan
        problems = [f"{name} {values[name]!r}" for name in _NUMBERS if not _is_number(values[name])]
        if not isinstance(values["expiry"], str):
            problems.append(f"expiry {values['expiry']!r}")
        moment = values["open_time"]
        if not isinstance(moment, datetime) or pd.isna(moment):
            problems.append(f"open_time {moment!r}")
        if problems:
            raise BadInputError(
                f"bar: {', '.join(problems)}; expected an expiry as text, open_time as a timezone-aware datetime and "
                f"{list(_NUMBERS)} as numbers. Nothing was changed."
            )
        minute = bar if isinstance(bar, Minute) else cls(**values)
        require_zone(minute.open_time, "open_time")
        if not has_volume and not math.isnan(minute.volume):
            raise BadInputError(volume_refusal(f"bar of {minute.expiry}: volume {minute.volume:g}"))
        return minute

    @property
    def open_us(self) -> int:
        """Start of the minute, microseconds since 1970 UTC."""
        return moment_us(self.open_time)


def moment_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a timezone-aware moment."""
    return int((moment - _EPOCH) // _MICROSECOND)


def volume_refusal(found: str) -> str:
    """What to say of a volume that a series without volume cannot have."""
    return (
        f"{found}; this release was made of a series without volume, and its bars have none either: send volume as "
        "NaN, or use a release of the series with volume. Nothing was changed."
    )


def require_zone(moment: datetime, what: str) -> None:
    """Refuse a moment that does not say where it was read off a clock.

    Raises
    ------
    NaiveTimestampError
        Without a time zone.
    """
    if moment.tzinfo is None:
        raise NaiveTimestampError(
            f"{what} {moment}: naive timestamp; expected a timezone-aware one. Localize it to the zone of the feed. "
            "Nothing was changed."
        )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        # NaN and infinity are numbers here: the market's own rules quarantine them with a reason.
        math.isnan(value)
    except TypeError:
        return False
    return True
