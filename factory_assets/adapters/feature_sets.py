"""Named feature sets: what a model reads of its adapter's pool, and how many columns of it at least and at most.

A set is a rule over what the catalogue says of a feature (group, unit, scaling), never a list of names: a new feature
joins the sets it fits. Which of the eligible columns are taken is decided anew on every training part, from feature
values alone (:mod:`factory_assets.adapters.feature_choice`). Belongs here: the closed registry of sets, and the
candidates of one series. Does not: what the pools hold (:mod:`factory_assets.features.pools`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from factory_assets.features.pools import POOL_ADAPTERS, PoolColumn, pool_columns
from factory_assets.features.spec import FeatureSpec
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, UnknownNameError
from factory_assets.vocabulary.settings import AdapterSettings


@dataclass(frozen=True, kw_only=True)
class ColumnRule:
    """Features that meet every condition given; a condition left empty is met by all.

    Attributes
    ----------
    groups, units, scalings : tuple of str
        One of these has to be the feature's.
    other_groups : tuple of str
        None of these may be the feature's group.
    """

    groups: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    scalings: tuple[str, ...] = ()
    other_groups: tuple[str, ...] = ()

    def matches(self, spec: FeatureSpec) -> bool:
        """Whether a feature meets all conditions."""
        return (
            (not self.groups or spec.group in self.groups)
            and (not self.units or spec.unit in self.units)
            and (not self.scalings or spec.scaling in self.scalings)
            and spec.group not in self.other_groups
        )

    def idle(self, specs: Sequence[FeatureSpec]) -> list[str]:
        """What of the rule says nothing about these features: itself, or a word of it that none of them answers to."""
        matched = [spec for spec in specs if self.matches(spec)]
        if not matched:
            return [str(self)]
        found = {
            "group": (self.groups, {spec.group for spec in matched}),
            "unit": (self.units, {spec.unit for spec in matched}),
            "scaling": (self.scalings, {spec.scaling for spec in matched}),
            "other group": (self.other_groups, {spec.group for spec in specs}),
        }
        return [f"{what} {word!r}" for what, (words, known) in found.items() for word in words if word not in known]


@dataclass(frozen=True, kw_only=True)
class ChoiceLimits:
    """What the choice among the candidates goes by.

    Attributes
    ----------
    rows_max : int
        Rows looked at, spread evenly over the training part. At 4,096 rows a rank correlation is known to about .016.
    masked_share_max : float
        A column with more missing cells than this share is left out.
    same_share_max : float
        A column in which more than this share of the cells that are not missing hold one and the same value is left
        out: it has no variance to learn from.
    correlation_min : float
        Clusters are merged while the mean absolute rank correlation between the members of two of them is at least
        this, and as many are left as the set needs.
    """

    rows_max: int = 4096
    masked_share_max: float = 0.5
    same_share_max: float = 0.995
    correlation_min: float = 0.8


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """One named set.

    Attributes
    ----------
    name : str
        How models and configurations call it.
    pool : str
        Key of :data:`factory_assets.features.pools.POOL_ADAPTERS` it is chosen from.
    rules : tuple of ColumnRule
        A column of the pool is eligible when one of them matches its feature.
    kept : tuple of ColumnRule
        Eligible columns that one of these matches are taken by every fit in which they vary, without being compared.
    columns_min, columns_max : int or None
        Fewest and most columns of every fit. None: all eligible columns, without a choice.
    limits : ChoiceLimits
        How they are chosen.
    """

    name: str
    pool: str
    rules: tuple[ColumnRule, ...]
    kept: tuple[ColumnRule, ...] = ()
    columns_min: int | None = None
    columns_max: int | None = None
    limits: ChoiceLimits = ChoiceLimits()

    def __post_init__(self) -> None:
        """Refuse a set that contradicts itself."""
        problems = []
        if self.pool not in POOL_ADAPTERS:
            problems.append(f"pool {self.pool!r}, expected one of {sorted(POOL_ADAPTERS)}")
        if not self.rules:
            problems.append("no rule")
        least, most = self.columns_min, self.columns_max
        if (least is None) != (most is None) or (least is not None and most is not None and not 1 <= least <= most):
            problems.append(f"bounds {least} and {most}, expected two increasing numbers from 1, or none")
        if problems:
            raise ConfigurationError(f"feature set {self.name!r}: {'; '.join(problems)}")

    @property
    def adapter(self) -> str:
        """Adapter that shapes its columns."""
        return POOL_ADAPTERS[self.pool]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """A set as one series offers it: everything the choice of a fit depends on beside the rows.

    Attributes
    ----------
    set_name : str
        The set.
    columns : tuple of str
        Eligible columns in order of preference; of two that say the same, the earlier one is taken.
    kept : tuple of str
        Those of them that are taken wherever they vary.
    columns_min, columns_max : int or None
        As for :class:`FeatureSet`.
    limits : ChoiceLimits
        As for :class:`FeatureSet`.
    """

    set_name: str
    columns: tuple[str, ...]
    kept: tuple[str, ...] = ()
    columns_min: int | None
    columns_max: int | None
    limits: ChoiceLimits

    def to_plain(self) -> dict[str, Any]:
        """JSON values, from which :meth:`from_plain` makes an equal one."""
        return {**dataclasses.asdict(self), "columns": list(self.columns), "kept": list(self.kept)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Candidates":
        """Candidates from :meth:`to_plain`.

        Raises
        ------
        BadInputError
            Other keys than a set of candidates has.
        """
        try:
            names = {key: tuple(plain[key]) for key in ("columns", "kept")}
            return cls(**{**plain, **names, "limits": ChoiceLimits(**plain["limits"])})
        except (KeyError, TypeError) as problem:
            raise BadInputError(f"candidates of a feature set: cannot be read: {problem}") from problem


_ALL = ColumnRule()
# The clock is exact, costs nothing and is most of what class 0 is; sine and cosine say little alone and all together,
# which no correlation of two columns sees.
_CLOCK = (ColumnRule(groups=("calendar",)),)
# What a network can take as it comes: bounded, a flag, or measured in something that moves with the market itself.
_BOUNDED = ColumnRule(scalings=("minmax", "none"), other_groups=("traded",))
_NORMALISED = ColumnRule(units=("ATR", "sigma", "1", "half ranges", "ATR per bar"), other_groups=("traded",))
_WAVELETS = ColumnRule(groups=("wavelets",))

_NAMED = (
    FeatureSet(name="boosting_optimal", pool="tabular", rules=(_ALL,), kept=_CLOCK, columns_min=80, columns_max=120),
    FeatureSet(
        name="neural_optimal",
        pool="sequence",
        rules=(_BOUNDED, _NORMALISED, _WAVELETS),
        kept=_CLOCK,
        columns_min=40,
        columns_max=60,
    ),
    FeatureSet(
        name="transformer_raw",
        pool="raw",
        rules=(ColumnRule(groups=("returns",), units=("log",)), ColumnRule(groups=("calendar",))),
        columns_min=10,
        columns_max=15,
    ),
    FeatureSet(name="ensemble_base", pool="tabular_1h", rules=(_ALL,), kept=_CLOCK, columns_min=60, columns_max=80),
)
_WHOLE = tuple(FeatureSet(name=pool, pool=pool, rules=(_ALL,)) for pool in POOL_ADAPTERS)

FEATURE_SETS: Mapping[str, FeatureSet] = MappingProxyType({one.name: one for one in (*_NAMED, *_WHOLE)})
"""Every set by name: the four that are chosen, and each pool as a whole under its own name."""


def feature_set(name: str) -> FeatureSet:
    """Set by name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in FEATURE_SETS:
        raise UnknownNameError(f"feature set {name!r}: known sets are {sorted(FEATURE_SETS)}")
    return FEATURE_SETS[name]


def candidates_of(wanted: FeatureSet, settings: AdapterSettings, *, has_volume: bool) -> Candidates:
    """Eligible columns of a set in a series.

    Parameters
    ----------
    wanted : FeatureSet
        The set.
    settings : AdapterSettings
        Timeframes of the pool ``tabular``.
    has_volume : bool
        Whether the series has volume; without it, features that read volume are no candidates.

    Raises
    ------
    ConfigurationError
        A rule, or a word of one, that matches no column of the pool even with volume; fewer eligible columns than the
        set's least, or so many kept ones that nothing is left to choose.
    UnknownNameError, BadInputError
        As :func:`factory_assets.features.pools.pool_columns`.
    """
    columns = pool_columns(wanted.pool, settings, has_volume=has_volume)
    # A rule may well match nothing but features that read volume: it is held against the pool that has them.
    everything = columns if has_volume else pool_columns(wanted.pool, settings)
    specs = [column.spec for column in everything]
    if idle := [said for rule in (*wanted.rules, *wanted.kept) for said in rule.idle(specs)]:
        raise ConfigurationError(
            f"feature set {wanted.name!r}: {', '.join(idle)} match none of the {len(everything)} columns of pool "
            f"{wanted.pool!r}; correct the rule or the catalogue"
        )
    taken = [column for column in columns if _matched(wanted.rules, column)]
    eligible = tuple(column.name for column in taken)
    kept = tuple(column.name for column in taken if _matched(wanted.kept, column))
    if wanted.columns_min is not None and len(eligible) < wanted.columns_min:
        raise ConfigurationError(
            f"feature set {wanted.name!r}: {len(eligible)} of the {len(columns)} columns of pool {wanted.pool!r} are "
            f"eligible, expected at least {wanted.columns_min}; widen its rules or [adapters] tabular_other_minutes"
        )
    if wanted.columns_max is not None and len(kept) >= wanted.columns_max:
        raise ConfigurationError(
            f"feature set {wanted.name!r}: {len(kept)} columns are always kept and at most {wanted.columns_max} may be "
            "read, which leaves none to choose"
        )
    return Candidates(
        set_name=wanted.name,
        columns=eligible,
        kept=kept,
        columns_min=wanted.columns_min,
        columns_max=wanted.columns_max,
        limits=wanted.limits,
    )


def _matched(rules: Sequence[ColumnRule], column: PoolColumn) -> bool:
    return any(rule.matches(column.spec) for rule in rules)
