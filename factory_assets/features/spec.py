"""What the registry says about one feature."""

from dataclasses import dataclass

SCALINGS = ("robust", "minmax", "none")
FLAG = "flag"
"""Unit of features that are 0 or 1."""
# A CME session lasts 23 hours at most (17:00-16:00 Chicago).
SESSION_MINUTES_MAX = 1380
VOLUME_COLUMN = "volume"
# The stored table of parameters, named among the inputs of what reads it besides the bars.
REGIME_COLUMN = "regime_parameters"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of history, in bars, in whole sessions, or both (the longer one counts).

    Attributes
    ----------
    bars : int
        Bars, the row itself included.
    sessions : int
        Sessions that have to lie in it completely, the row's own included. One more bar is added in front of them:
        only a bar of the session before proves that a session is seen from its first bar on.
    settle_bars : int
        Bars in front of the sessions: what a recursive average needs to settle where all its values within the
        sessions matter (a rank among them), not the last one alone.
    """

    bars: int = 0
    sessions: int = 0
    settle_bars: int = 0

    def in_bars(self, minutes: int) -> int:
        """Length in bars of a timeframe, enough however full the sessions are."""
        per_session = -(-SESSION_MINUTES_MAX // minutes)
        return max(self.bars, self.sessions * per_session + 1 + self.settle_bars if self.sessions else 0)


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One feature: what it measures, what it reads, and how much history it needs.

    Attributes
    ----------
    name : str
        Column name; parameters and unit come last (``distance_sma_20_atr``).
    group : str
        Group of the catalogue (``returns``, ``volatility``, ...).
    inputs : tuple of str
        Columns of the bars it reads. Prices are adjusted (traded x adjustment_ratio) except in group ``traded``. With
        ``volume`` among them the feature is masked (NaN on every row) in a series without volume; with
        ``regime_parameters``, it reads the regime table in force besides the bars.
    formula : str
        What is computed, from the docstring of the function behind it.
    source : str
        Paper or book with page, from the same docstring.
    unit : str
        Unit of the value (``log``, ``ATR``, ``share``, ``minutes``, ...).
    scaling : str
        ``"robust"`` (unbounded), ``"minmax"`` (bounded) or ``"none"`` (flags).
    lookback : Span
        Trailing bars, the row included, from which the value is the same as from all history.
    warmup : Span
        Rows at the start of history whose value is NaN, at most.
    tolerance : float
        Largest difference between the two, as a share of the value or of the column's mean absolute value.
    """

    name: str
    group: str
    inputs: tuple[str, ...]
    formula: str
    source: str
    unit: str
    scaling: str
    lookback: Span
    warmup: Span
    tolerance: float

    @property
    def reads_volume(self) -> bool:
        """Whether the value depends on contract counts, as declared by ``inputs`` and proven on every partition."""
        return VOLUME_COLUMN in self.inputs

    @property
    def reads_regimes(self) -> bool:
        """Whether the value rests on stored parameters, estimated once a quarter: :class:`RegimeTable`."""
        return REGIME_COLUMN in self.inputs

    @property
    def scale_invariant(self) -> bool:
        """Whether multiplying all prices by a constant leaves the value unchanged."""
        return self.group != "traded"

    def lookback_bars(self, minutes: int) -> int:
        """Look-back in bars of the given timeframe, the row itself included."""
        return self.lookback.in_bars(minutes)

    def warmup_bars(self, minutes: int) -> int:
        """Rows of the given timeframe after which the value is never NaN."""
        return self.warmup.in_bars(minutes)
