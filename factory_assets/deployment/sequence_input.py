"""What the windows of a release's sequence members are cut from, frozen with it."""

from dataclasses import dataclass

from factory_assets.features.registry import registry
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.timeframes import BASE_MINUTES, features_name


@dataclass(frozen=True, kw_only=True)
class SequenceInput:
    """Windows of the last bars of one timeframe, as the sequence adapter cuts them.

    Attributes
    ----------
    minutes : int
        Timeframe of the rows; base bars, so that a window ends with the bar that closes at the decision.
    names : tuple of str
        Features of a row, in the order of the last axis.
    window_bars : int
        Rows T of a window, the newest at its end. Every one is computed from bars that closed by the decision.
    outage_minutes_max : int
        Scheduled session minutes without a bar, between two neighbouring bars, beyond which a window does not look
        back: steps before it count as missing.

    Raises
    ------
    BadInputError
        Another timeframe than base bars, no feature, or limits below what they can be.
    UnknownNameError
        A feature the catalogue does not have, or one named twice.
    """

    minutes: int
    names: tuple[str, ...]
    window_bars: int
    outage_minutes_max: int

    def __post_init__(self) -> None:
        """Refuse an input no adapter makes."""
        features_name(self.minutes)
        registry().select(self.names)
        problems = []
        if self.minutes != BASE_MINUTES:
            problems.append(f"bars of {self.minutes} minutes, expected {BASE_MINUTES}")
        if not self.names:
            problems.append("no feature")
        if self.window_bars < 1 or self.outage_minutes_max < 0:
            problems.append(
                f"{self.window_bars} bars and outages of {self.outage_minutes_max} minutes; expected at least 1 and 0"
            )
        if problems:
            raise BadInputError("sequence input: " + "; ".join(problems))
