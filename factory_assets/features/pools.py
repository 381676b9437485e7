"""Candidate pools: which columns of which timeframe an adapter may choose from.

The one place where features leave a partition's columns: in a series without volume those that read it. What a model
takes of a pool is chosen inside its training part (:mod:`factory_assets.adapters.feature_sets`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from factory_assets.features.registry import catalogue, registry
from factory_assets.features.spec import FeatureSpec
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, UnknownNameError
from factory_assets.vocabulary.settings import AdapterSettings
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
# Returns over six spans and the clock: what a bar says without any indicator, at most about eleven hours of it.
RAW: tuple[str, ...] = (
    "log_return_1",
    "log_return_3",
    "log_return_5",
    "log_return_10",
    "log_return_20",
    "log_return_60",
    "minutes_to_flat",
    "time_of_day_sin",
    "time_of_day_cos",
    "day_of_week_sin",
    "day_of_week_cos",
    "is_rth",
)
RAW_COLUMNS = 12
CLASSICAL_MINUTES = 60

POOL_ADAPTERS: Mapping[str, str] = MappingProxyType(
    {"tabular": "tabular", "tabular_1h": "tabular", "sequence": "sequence", "raw": "sequence"}
)
"""Pools by name, and the adapter that shapes their columns."""

POOL_COLUMNS_MIN: Mapping[str, int] = MappingProxyType({"tabular": 290, "tabular_1h": 180, "sequence": 180})
"""Fewest columns of each pool in a series with volume: a catalogue that shrinks is noticed here.

``tabular`` is held to it where all nine timeframes lend to it; with fewer its primary timeframe is held to
``tabular_1h`` and each other one to :data:`MULTI_TIMEFRAME_COLUMNS_MIN`.
"""
POOL_COLUMNS_MIN_WITHOUT_VOLUME: Mapping[str, int] = MappingProxyType(
    {"tabular": 260, "tabular_1h": 150, "sequence": 150}
)
"""The same in a series without volume, which has no value of whatever reads it."""


@dataclass(frozen=True, kw_only=True)
class PoolColumn:
    """One candidate: its name in the adapter's rows, its timeframe in minutes, and its feature."""

    name: str
    minutes: int
    spec: FeatureSpec


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
        Timeframes that lend the multi-timeframe columns; none makes the base-only pool ``tabular_1h`` of 60 minutes.
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
    _require_size("tabular_1h", len(priced) + len(calendar), has_volume=has_volume)
    if set(frames) == set(TIMEFRAMES_MINUTES):
        _require_size("tabular", size, has_volume=has_volume)
    return MappingProxyType(dict(sorted(pool.items())))


def tabular_columns(settings: AdapterSettings, *, has_volume: bool = True) -> Mapping[int, tuple[str, ...]]:
    """Features of each timeframe that a tabular model may choose from: the pools ``tabular`` and ``tabular_1h``.

    Parameters
    ----------
    settings : AdapterSettings
        Primary and other timeframes of ``tabular``.
    has_volume : bool
        As for :func:`tabular_pool`.

    Returns
    -------
    mapping of int to tuple of str
        By timeframe in minutes, ascending, each feature once: the columns of the ``tabular`` table in their order.

    Raises
    ------
    BadInputError, ConfigurationError, UnknownNameError
        As :func:`tabular_pool`.
    """
    wide = tabular_pool(settings.tabular_primary_minutes, settings.tabular_other_minutes, has_volume=has_volume)
    hourly = tabular_pool(CLASSICAL_MINUTES, (), has_volume=has_volume)
    both: dict[int, tuple[str, ...]] = {}
    for minutes in sorted({*wide, *hourly}):
        wanted = {*wide.get(minutes, ()), *hourly.get(minutes, ())}
        both[minutes] = tuple(spec.name for spec in catalogue() if spec.name in wanted)
    return MappingProxyType(both)


def sequence_pool(*, has_volume: bool = True) -> tuple[str, ...]:
    """Features of a base bar that make one row of a sequence window, in catalogue order: all the series has.

    Windows hold one timeframe; the clock's features enter like any other, since a window spans hours and nights. Names
    are those of ``features_5min``, without a timeframe behind them.

    Parameters
    ----------
    has_volume : bool
        Whether the series has volume. Without it, features that read volume are left out.

    Raises
    ------
    ConfigurationError
        A pool of unexpected size.
    """
    names = tuple(spec.name for spec in catalogue() if has_volume or not spec.reads_volume)
    _require_size("sequence", len(names), has_volume=has_volume)
    return names


def pool_columns(pool: str, settings: AdapterSettings, *, has_volume: bool = True) -> tuple[PoolColumn, ...]:
    """Candidates of a pool in order of preference: the primary timeframe's first, then the others', ascending.

    Parameters
    ----------
    pool : str
        Key of :data:`POOL_ADAPTERS`. ``tabular`` (every timeframe of the settings), ``tabular_1h`` (60 minutes alone),
        ``sequence`` (all of base bars) or ``raw`` (:data:`RAW` of base bars).
    settings : AdapterSettings
        Timeframes of ``tabular``.
    has_volume : bool
        Whether the series has volume.

    Raises
    ------
    UnknownNameError
        A pool there is not, or a timeframe off the ladder.
    BadInputError, ConfigurationError
        As :func:`tabular_pool`.
    """
    if pool not in POOL_ADAPTERS:
        raise UnknownNameError(f"pool {pool!r}: known pools are {sorted(POOL_ADAPTERS)}")
    if POOL_ADAPTERS[pool] == "tabular":
        primary, others = (
            (settings.tabular_primary_minutes, settings.tabular_other_minutes)
            if pool == "tabular"
            else (CLASSICAL_MINUTES, ())
        )
        found = tabular_pool(primary, others, has_volume=has_volume)
        ordered = {minutes: found[minutes] for minutes in (primary, *(one for one in found if one != primary))}
    else:
        ordered = {BASE_MINUTES: sequence_pool(has_volume=has_volume) if pool == "sequence" else _raw_pool()}
    specs = registry().specs
    return tuple(
        PoolColumn(
            name=column_name(name, minutes) if POOL_ADAPTERS[pool] == "tabular" else name,
            minutes=minutes,
            spec=specs[name],
        )
        for minutes, names in ordered.items()
        for name in names
    )


def _raw_pool() -> tuple[str, ...]:
    """:data:`RAW`, after a look at the catalogue; it reads no volume, so every series has all of it."""
    names = without_volume(RAW)
    if len(names) != RAW_COLUMNS:
        raise ConfigurationError(f"pool 'raw': {len(names)} columns without volume, expected {RAW_COLUMNS}")
    return names


def _require_size(pool: str, found: int, *, has_volume: bool) -> None:
    least = (POOL_COLUMNS_MIN if has_volume else POOL_COLUMNS_MIN_WITHOUT_VOLUME)[pool]
    if found < least:
        raise ConfigurationError(
            f"pool {pool!r} of a series {'with' if has_volume else 'without'} volume: {found} columns, expected at "
            f"least {least}; the catalogue has {len(catalogue())} features"
        )
