"""What a release is, in memory: everything a decision needs besides bars."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from factory_assets.adapters.tabular import column_name
from factory_assets.deployment.sequence_input import SequenceInput
from factory_assets.features.registry import registry
from factory_assets.splits.study import Study
from factory_assets.stacking import FittedMember, FittedMeta
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import Barriers, LabelSettings, MarketSettings
from factory_assets.vocabulary.timeframes import features_name
from factory_assets.vocabulary.verdict import Scalar
from factory_assets.vocabulary.windows import LazyWindows

TABULAR, SEQUENCE = "tabular", "sequence"
Inputs = Mapping[str, np.ndarray | LazyWindows]
"""Features of the same decisions by the adapter that shapes them: rows (N, F) and, where members read them, windows."""


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
        Roll rule and spike limit of the canonical series; live rolls by the same rule, which ``open_interest`` cannot.
    has_volume : bool
        Whether the bars have volume. Without it no member reads a feature that needs it, and live minutes come with a
        volume of NaN.
    joins_without_overlap : bool
        Whether the bars are a vendor's continuous series, whose months do not overlap and were chosen by the vendor.
    pool : mapping of int to tuple of str
        Timeframe in minutes to its features; together, in this order, the columns every tabular member reads.
    sequence : SequenceInput or None
        What the windows of sequence members hold; None in a release without such a member.
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
    has_volume: bool
    joins_without_overlap: bool
    pool: Mapping[int, tuple[str, ...]]
    sequence: SequenceInput | None
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
        problems += self._unreadable()
        specs = registry().specs
        reading = sorted({name for names in self.reads.values() for name in names if specs[name].reads_volume})
        if reading and not self.has_volume:
            problems.append(f"features {reading[:5]} that read volume, but bars that have none")
        if not all(math.isfinite(value) for value in (self.theta, self.m0_long, self.m0_short)) or self.theta < 0:
            problems.append(
                f"theta {self.theta}, m0 {self.m0_long} and {self.m0_short}: expected finite, theta not negative"
            )
        if self.market.roll_rule == "open_interest" and not self.joins_without_overlap:
            problems.append(
                "roll rule 'open_interest', which cannot run live: bars tell no open interest, and a predictor that "
                "rolled otherwise would trade another series. Set [market] roll_rule to 'volume' or 'calendar' in "
                "factory.toml and run again"
            )
        if self.labels.events not in {"cusum", "all"}:
            problems.append(f"events {self.labels.events!r}, expected 'cusum' or 'all'")
        studied = Study.from_json(self.study).contract
        if studied != self.contract:
            problems.append(f"a study of {studied}")
        if problems:
            raise BadInputError(f"release of {self.contract}|{self.horizon}: " + "; ".join(problems))

    def _unreadable(self) -> list[str]:
        """Members that do not fit the input they read, and an input that nobody reads."""
        shapes: dict[str, tuple[int, ...]] = {TABULAR: (len(self.columns),)}
        names: dict[str, tuple[str, ...]] = {TABULAR: self.columns}
        if self.sequence is not None:
            names[SEQUENCE] = self.sequence.names
            shapes[SEQUENCE] = (self.sequence.window_bars, len(self.sequence.names))
        adapters = {name: member.model.entry.adapter for name, member in sorted(self.members.items())}
        problems = [f"an input {adapter!r} that no member reads" for adapter in sorted({*names} - {*adapters.values()})]
        for name, adapter in adapters.items():
            member = self.members[name]
            if adapter not in names:
                problems.append(f"member {name!r} reads {adapter!r}, which this release does not have")
            elif member.feature_names != names[adapter] or member.model.shape_ != shapes[adapter]:
                problems.append(
                    f"member {name!r} reads other columns than the {len(names[adapter])} of its input, or in another "
                    f"order, or samples of {member.model.shape_}, expected {shapes[adapter]}"
                )
        return problems

    @property
    def instrument(self) -> Instrument:
        """Row of the instrument table."""
        return instrument(self.contract)

    @property
    def columns(self) -> tuple[str, ...]:
        """Tabular columns in the order the members read them."""
        return tuple(column_name(name, minutes) for minutes, names in self.pool.items() for name in names)

    @property
    def reads(self) -> Mapping[int, tuple[str, ...]]:
        """Timeframe in minutes to every feature some member reads of it, for rows or for windows, each once."""
        names = {minutes: [*chosen] for minutes, chosen in self.pool.items()}
        if self.sequence is not None:
            own = names.setdefault(self.sequence.minutes, [])
            own += [name for name in self.sequence.names if name not in own]
        return {minutes: tuple(chosen) for minutes, chosen in sorted(names.items())}

    def member_probabilities(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Each member's probabilities of down, flat and up, float64, shape (N, 3), by its name.

        Parameters
        ----------
        inputs : mapping of str to ndarray or LazyWindows
            Unscaled features of the same N decisions, known at them; NaN where a warm-up masks the cell.
            ``"tabular"``: float32, shape (N, F), in the order of :attr:`columns`. ``"sequence"``, where a member reads
            it: windows of shape (N, T, F) over rows of the features of :attr:`sequence`. More are ignored.

        Raises
        ------
        BadInputError
            An input missing, of another shape, or of another number of decisions than the others.
        """
        adapters = {name: member.model.entry.adapter for name, member in self.members.items()}
        wanted = {*adapters.values()}
        lengths = {name: len(inputs[name]) for name in sorted(wanted) if name in inputs}
        if {*lengths} != wanted or len({*lengths.values()}) > 1:
            raise BadInputError(
                f"release of {self.contract}|{self.horizon}: decisions by input {lengths}; expected the same number in "
                f"each of {sorted(wanted)}"
            )
        return {name: member.predict_proba(inputs[adapters[name]]) for name, member in self.members.items()}

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """The stack's probabilities of down, flat and up.

        Parameters
        ----------
        inputs : mapping of str to ndarray or LazyWindows
            As for :meth:`member_probabilities`.

        Returns
        -------
        ndarray of float64, shape (N, 3)
            Each row from the features of its own decision alone.

        Raises
        ------
        BadInputError
            As :meth:`member_probabilities`.
        """
        return self.meta.predict_proba(self.member_probabilities(inputs))
