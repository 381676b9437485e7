"""The only place where the wall clock is read; everything else is handed a :data:`Clock`."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present moment, timezone-aware, in UTC."""
    return datetime.now(tz=UTC)  # noqa: TID251 - the one place
