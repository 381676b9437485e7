"""The timeframes of the ladder and the words for them.

A *base bar* is a 5-minute bar: decisions, horizons, purge and embargo are counted in base bars on the clock of
scheduled base-bar closes, never on rows that happen to exist.
"""

from factory_assets.vocabulary.errors import UnknownNameError

TIMEFRAMES_MINUTES: tuple[int, ...] = (1, 5, 10, 15, 20, 25, 30, 45, 60)
BASE_MINUTES = 5
HORIZONS_BARS: tuple[int, ...] = (5, 10, 15, 20)

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 24 * 60 * MINUTE_US


def bars_name(minutes: int) -> str:
    """Table name of one timeframe's bars, e.g. ``bars_5min``.

    Raises
    ------
    UnknownNameError
        If ``minutes`` is not on the ladder.
    """
    return f"bars_{_on_ladder(minutes)}min"


def features_name(minutes: int) -> str:
    """Table name of one timeframe's features, e.g. ``features_15min``.

    Raises
    ------
    UnknownNameError
        If ``minutes`` is not on the ladder.
    """
    return f"features_{_on_ladder(minutes)}min"


def _on_ladder(minutes: int) -> int:
    if minutes not in TIMEFRAMES_MINUTES:
        raise UnknownNameError(f"timeframe of {minutes} minutes: the ladder has {TIMEFRAMES_MINUTES}")
    return minutes
