"""What a release is, in memory: everything a decision needs besides bars."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from factory_assets.adapters.tabular import column_name
from factory_assets.deployment.sequence_input import SequenceInput
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.registry import registry
from factory_assets.splits.study import Study, day_text
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
        Timeframe in minutes to its features; together, in this order, the columns that some tabular member reads.
    sequence : SequenceInput or None
        What the windows of sequence members hold, every column read by some of them; None in a release without such a
        member.
    regimes : mapping of int to RegimeTable
        Timeframe in minutes to the parameters of the hidden Markov model its features rest on, for exactly the
        timeframes of which such a feature is read. They end with a quarter: a live session beyond is refused.
    members : mapping of str to FittedMember
        Base models by name; each reads the columns chosen for it, in the order of its input.
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
    regimes: Mapping[int, RegimeTable]
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
        problems += [*self._unreadable(), *self._foreign_regimes()]
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
        """Members that do not fit the input they read, an input that nobody reads, and a column that nobody does."""
        names = self._input_columns
        rows = {TABULAR: (), SEQUENCE: () if self.sequence is None else (self.sequence.window_bars,)}
        adapters = {name: member.model.entry.adapter for name, member in sorted(self.members.items())}
        problems = [f"an input {adapter!r} that no member reads" for adapter in sorted({*names} - {*adapters.values()})]
        for name, adapter in adapters.items():
            member = self.members[name]
            if adapter not in names:
                problems.append(f"member {name!r} reads {adapter!r}, which this release does not have")
                continue
            read, shape = {*member.feature_names}, (*rows[adapter], len(member.feature_names))
            ordered = tuple(column for column in names[adapter] if column in read)
            if member.feature_names != ordered or member.model.shape_ != shape:
                problems.append(
                    f"member {name!r} reads other columns than some of the {len(names[adapter])} of its input, or in "
                    f"another order, or samples of {member.model.shape_}, expected {shape}"
                )
        for adapter in {*adapters.values()} & {*names}:
            readers = [self.members[name].feature_names for name, own in adapters.items() if own == adapter]
            if idle := sorted({*names[adapter]}.difference(*readers)):
                problems.append(f"{len(idle)} columns of {adapter!r} that no member reads, such as {idle[0]}")
        return problems

    def _foreign_regimes(self) -> list[str]:
        """Regime parameters of other timeframes than those that need some, or of other bars."""
        wanted, problems = reading_regimes(self.reads), []
        if {*self.regimes} != {*wanted}:
            problems.append(f"regime parameters of {sorted(self.regimes)} minutes, expected {sorted(wanted)}")
        foreign = [
            f"{table.contract}, {table.minutes} minutes"
            for minutes, table in self.regimes.items()
            if (table.contract, table.minutes) != (self.contract, minutes)
        ]
        return [*problems, *(f"regime parameters of {each}" for each in foreign)]

    def outdated(self, trade_day: int) -> str | None:
        """Why a session is not one whose features this release can compute as batch does; None if it is.

        Parameters
        ----------
        trade_day : int
            Session, days since 1970.
        """
        for minutes, table in sorted(self.regimes.items()):
            if not table.covers(trade_day):
                return (
                    f"regime parameters of {minutes}-minute bars {table.validity}, not in that of "
                    f"{day_text(trade_day)}; refit"
                )
        return None

    @property
    def instrument(self) -> Instrument:
        """Row of the instrument table."""
        return instrument(self.contract)

    @property
    def columns(self) -> tuple[str, ...]:
        """Tabular columns in the order of the rows that are handed over; members take theirs of them."""
        return tuple(column_name(name, minutes) for minutes, names in self.pool.items() for name in names)

    @property
    def reads(self) -> Mapping[int, tuple[str, ...]]:
        """Timeframe in minutes to every feature some member reads of it, for rows or for windows, each once."""
        return features_read(self.pool, self.sequence)

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
            An input missing, of other columns, or of another number of decisions than the others.
        """
        adapters = {name: member.model.entry.adapter for name, member in self.members.items()}
        wanted = {*adapters.values()}
        lengths = {name: len(inputs[name]) for name in sorted(wanted) if name in inputs}
        if {*lengths} != wanted or len({*lengths.values()}) > 1:
            raise BadInputError(
                f"release of {self.contract}|{self.horizon}: decisions by input {lengths}; expected the same number in "
                f"each of {sorted(wanted)}"
            )
        widths = {name: inputs[name].shape[-1] for name in sorted(wanted)}
        expected = {name: len(self._input_columns[name]) for name in sorted(wanted)}
        if widths != expected:
            raise BadInputError(
                f"release of {self.contract}|{self.horizon}: columns by input {widths}, expected {expected}"
            )
        return {
            name: member.predict_proba(_taken(inputs[adapters[name]], self._places[name]))
            for name, member in self.members.items()
        }

    @cached_property
    def _input_columns(self) -> dict[str, tuple[str, ...]]:
        """Columns of each input by adapter, in their order."""
        return {TABULAR: self.columns, **({} if self.sequence is None else {SEQUENCE: self.sequence.names})}

    @cached_property
    def _places(self) -> dict[str, np.ndarray | None]:
        """Positions of each member's columns in its input; None where it reads all of them."""
        places: dict[str, np.ndarray | None] = {}
        for name, member in self.members.items():
            columns = self._input_columns[member.model.entry.adapter]
            of = {column: place for place, column in enumerate(columns)}
            whole = member.feature_names == columns
            places[name] = None if whole else np.array([of[column] for column in member.feature_names], dtype=np.int64)
        return places

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


def features_read(pool: Mapping[int, Sequence[str]], sequence: SequenceInput | None) -> Mapping[int, tuple[str, ...]]:
    """Timeframe in minutes to every feature of the rows and of the windows, each once."""
    names = {minutes: [*chosen] for minutes, chosen in pool.items()}
    if sequence is not None:
        own = names.setdefault(sequence.minutes, [])
        own += [name for name in sequence.names if name not in own]
    return {minutes: tuple(chosen) for minutes, chosen in sorted(names.items())}


def reading_regimes(reads: Mapping[int, Sequence[str]]) -> tuple[int, ...]:
    """Timeframes, in minutes, of which a feature is read that rests on regime parameters."""
    specs = registry().specs
    return tuple(minutes for minutes, names in reads.items() if any(specs[name].reads_regimes for name in names))


def _taken(values: np.ndarray | LazyWindows, places: np.ndarray | None) -> np.ndarray | LazyWindows:
    """Columns at some positions, or all of them."""
    if places is None:
        return values
    return values.of_columns(places) if isinstance(values, LazyWindows) else np.take(values, places, axis=-1)
