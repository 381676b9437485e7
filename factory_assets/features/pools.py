"""Candidate pools: which columns of which timeframe an adapter may choose from.

The one place where features leave a partition's columns: in a series without volume those that read it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from factory_assets.features.registry import catalogue, registry
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, features_name

CALENDAR_GROUP = "calendar"
# What another timeframe adds to a decision: where the price stands, how it trends and how much it moves there.
MULTI_TIMEFRAME: tuple[str, ...] = (
    "log_return_1",
    "log_return_5",
    "log_return_20",
    "rsi_14",
    "stochastic_k_14",
    "macd_histogram_12_26_9_atr",
    "close_location_share",
    "range_atr",
    "distance_sma_20_atr",
    "distance_sma_50_atr",
    "slope_ema_21_5_atr",
    "adx_14",
    "efficiency_ratio_20",
    "regression_r2_20",
    "atr_pct_14",
    "atr_ratio_7_21",
    "realised_vol_ratio_10_60",
    "bollinger_position_20",
    "volume_ratio_20",
    "flow_imbalance_20",
)
# Two of them read volume; what a series without it lends still has to be this many.
MULTI_TIMEFRAME_COLUMNS_MIN = 14


def column_name(feature: str, minutes: int) -> str:
    """Name of a feature's column in a pool, e.g. ``rsi_14__30min``."""
    return f"{feature}__{minutes}min"


def without_volume(names: Sequence[str]) -> tuple[str, ...]:
    """The features that do not read volume, in the same order: what a series without volume has a value of.

    Raises
    ------
    UnknownNameError
        A feature the catalogue does not have, or one named twice.
    """
    return tuple(spec.name for spec in registry().select(names) if not spec.reads_volume)


def tabular_pool(
    primary_minutes: int, other_minutes: Sequence[int], *, has_volume: bool = True
) -> Mapping[int, tuple[str, ...]]:
    """Features of each timeframe that make the ``tabular`` pool, by timeframe in minutes, ascending.

    The primary timeframe lends everything, every other one :data:`MULTI_TIMEFRAME`. What the clock alone says is the
    same on all of them and is taken once, from base bars, which close at every decision.

    Parameters
    ----------
    primary_minutes : int
        Timeframe whose whole catalogue enters.
    other_minutes : sequence of int
        Timeframes that lend the multi-timeframe columns.
    has_volume : bool
        Whether the series has volume. Without it, features that read volume are no candidates on any timeframe.

    Returns
    -------
    mapping of int to tuple of str
        Feature names; the column of a feature in the pool is :func:`column_name`.

    Raises
    ------
    BadInputError
        A timeframe named twice.
    ConfigurationError
        A name of the multi-timeframe list the catalogue does not have, or a pool of unexpected size.
    UnknownNameError
        A timeframe off the ladder.
    """
    frames = [primary_minutes, *other_minutes]
    for minutes in frames:
        features_name(minutes)
    if len(set(frames)) < len(frames):
        raise BadInputError(
            f"tabular pool of timeframes {frames}: each may be named once (ladder: {TIMEFRAMES_MINUTES})"
        )
    specs = [spec for spec in catalogue() if has_volume or not spec.reads_volume]
    lent = MULTI_TIMEFRAME if has_volume else without_volume(MULTI_TIMEFRAME)
    calendar = tuple(spec.name for spec in specs if spec.group == CALENDAR_GROUP)
    priced = tuple(spec.name for spec in specs if spec.group != CALENDAR_GROUP)
    unknown = sorted(set(lent) - set(priced))
    if unknown or len(set(lent)) < MULTI_TIMEFRAME_COLUMNS_MIN:
        raise ConfigurationError(
            f"multi-timeframe columns: {len(lent)} names, unknown {unknown}; expected at least "
            f"{MULTI_TIMEFRAME_COLUMNS_MIN} of the catalogue's"
        )
    pool: dict[int, tuple[str, ...]] = {BASE_MINUTES: calendar}
    for minutes in frames:
        own = priced if minutes == primary_minutes else lent
        pool[minutes] = (*own, *pool.get(minutes, ()))
    expected = len(priced) + len(calendar) + len(lent) * len(other_minutes)
    size = sum(len(names) for names in pool.values())
    if size != expected or any(len(set(names)) < len(names) for names in pool.values()):
        raise ConfigurationError(f"tabular pool of {frames}: {size} columns, expected {expected} different ones")
    return MappingProxyType(dict(sorted(pool.items())))


def sequence_pool(*, has_volume: bool = True) -> tuple[str, ...]:
    """Features of a base bar that make one row of a sequence window, in catalogue order: all the series has.

    Windows hold one timeframe; the clock's features enter like any other, since a window spans hours and nights. Names
    are those of ``features_5min``, without a timeframe behind them.

    Parameters
    ----------
    has_volume : bool
        Whether the series has volume. Without it, features that read volume are left out.
    """
    return tuple(spec.name for spec in catalogue() if has_volume or not spec.reads_volume)
