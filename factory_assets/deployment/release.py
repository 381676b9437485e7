"""What a release is, in memory: everything a decision needs besides bars."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from factory_assets.adapters.tabular import column_name
from factory_assets.features.registry import registry
from factory_assets.splits.study import Study
from factory_assets.stacking import FittedMember, FittedMeta
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import Barriers, LabelSettings, MarketSettings
from factory_assets.vocabulary.timeframes import features_name
from factory_assets.vocabulary.verdict import Scalar


@dataclass(frozen=True, kw_only=True, eq=False)
class Release:
    """A fitted stack of one contract and horizon with the rules it was made under.

    Attributes
    ----------
    contract, horizon : str, int
        Partition it was fitted on.
    barriers : Barriers
        Distances behind the expected values, in ATR.
    labels : LabelSettings
        Which base bars are decisions (events) and what decides between the two costs.
    market : MarketSettings
        Roll share and spike limit of the canonical series.
    pool : mapping of int to tuple of str
        Timeframe in minutes to its features; together, in this order, the columns every member reads.
    members : mapping of str to FittedMember
        Base models by name.
    meta : FittedMeta
        Combines the members' probabilities.
    theta : float
        Expected value, in costs, a trade has to exceed.
    m0_long, m0_short : float
        Mean outcome of class 0 in the training part, ATR.
    study : str
        Study file (JSON) whose periods the release was fitted and judged in.
    inputs : mapping of str to str
        Sha256 of each input, by name.
    metrics : mapping of str to scalar or None
        Figures of the evaluation, for the reader; one without a value (no trade was made) is None in the bundle.
    profile : str
        Budget it was made with.
    """

    contract: str
    horizon: int
    barriers: Barriers
    labels: LabelSettings
    market: MarketSettings
    pool: Mapping[int, tuple[str, ...]]
    members: Mapping[str, FittedMember]
    meta: FittedMeta
    theta: float
    m0_long: float
    m0_short: float
    study: str
    inputs: Mapping[str, str]
    metrics: Mapping[str, Scalar | None]
    profile: str

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together; every mismatch in one message."""
        PartitionKey(self.contract, self.horizon)
        for minutes, names in self.pool.items():
            features_name(minutes)
            registry().select(names)
        problems = []
        if not self.columns:
            problems.append("an empty pool of features")
        if {*self.members} != {*self.meta.base_names}:
            problems.append(f"members {sorted(self.members)}, but a meta-learner of {list(self.meta.base_names)}")
        problems += [
            f"member {name!r} reads other columns than the pool's {len(self.columns)}, or in another order"
            for name, member in sorted(self.members.items())
            if member.feature_names != self.columns
        ]
        if not all(math.isfinite(value) for value in (self.theta, self.m0_long, self.m0_short)) or self.theta < 0:
            problems.append(
                f"theta {self.theta}, m0 {self.m0_long} and {self.m0_short}: expected finite, theta not negative"
            )
        if self.labels.events not in {"cusum", "all"}:
            problems.append(f"events {self.labels.events!r}, expected 'cusum' or 'all'")
        studied = Study.from_json(self.study).contract
        if studied != self.contract:
            problems.append(f"a study of {studied}")
        if problems:
            raise BadInputError(f"release of {self.contract}|{self.horizon}: " + "; ".join(problems))

    @property
    def instrument(self) -> Instrument:
        """Row of the instrument table."""
        return instrument(self.contract)

    @property
    def columns(self) -> tuple[str, ...]:
        """Feature columns in the order the members read them."""
        return tuple(column_name(name, minutes) for minutes, names in self.pool.items() for name in names)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """The stack's probabilities of down, flat and up.

        Parameters
        ----------
        features : ndarray of float32, shape (N, F)
            Unscaled, in the order of :attr:`columns`; NaN where a warm-up masks the cell. Known at the decision.

        Returns
        -------
        ndarray of float64, shape (N, 3)
            Each row from itself alone.
        """
        return self.meta.predict_proba({name: member.predict_proba(features) for name, member in self.members.items()})
