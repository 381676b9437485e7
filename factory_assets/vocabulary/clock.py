"""The only place where the wall clock is read; everything else is handed a :data:`Clock`."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from factory_assets.vocabulary.errors import ConfigurationError

Clock = Callable[[], datetime]
REHEARSAL_VARIABLE = "FACTORY_CLOCK_FILE"


def system_clock() -> datetime:
    """Return the present moment, timezone-aware, in UTC."""
    return datetime.now(tz=UTC)  # noqa: TID251 - the one place


def factory_clock() -> datetime:
    """Return the present moment as the factory is to see it, in UTC.

    The wall clock, unless ``FACTORY_CLOCK_FILE`` names a file: then the moment in it (ISO 8601 with a zone), read anew
    at each call. Nights are rehearsed that way; the file is replaced whole by whoever moves the clock.

    Raises
    ------
    ConfigurationError
        The named file is missing, or holds no moment with a time zone.
    """
    named = os.environ.get(REHEARSAL_VARIABLE)
    if not named:
        return system_clock()
    try:
        text = Path(named).read_text(encoding="utf-8").strip()
        moment = datetime.fromisoformat(text)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(
            f"{REHEARSAL_VARIABLE}={named}: expected a file with one moment such as 2022-12-30T22:30:00+00:00: "
            f"{problem}. Write one, or unset the variable."
        ) from problem
    if moment.tzinfo is None:
        raise ConfigurationError(f"{named}: {text!r} has no time zone; write e.g. {text}+00:00")
    return moment.astimezone(UTC)
