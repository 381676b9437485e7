"""The newest feature rows of every timeframe, live: the batch kernels on the trailing look-back.

What :func:`factory_assets.features.compute` does, for the rows a decision reads and without a table of all the others.
Belongs here: which features are computed from how many trailing bars. Does not: the bars
(:mod:`factory_assets.deployment.series`), what is decided (:mod:`factory_assets.deployment.decision`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from factory_assets.adapters.feature_rows import FeatureRows
from factory_assets.deployment.trailing import TrailingBars
from factory_assets.features.compute import evaluate
from factory_assets.features.family import FeatureFamily
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.registry import registry

STRETCHES_BARS = (128, 512, 1024)
"""Look-backs up to each of these are computed together; longer ones, a few features of sessions, from their own."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Features of one timeframe that are computed together.

    Attributes
    ----------
    names : tuple of str
        Features.
    families : tuple of FeatureFamily
        Functions behind them.
    bars : int
        Trailing bars from which the wanted rows are the same as from all history.
    """

    names: tuple[str, ...]
    families: tuple[FeatureFamily, ...]
    bars: int


def stretches_of(names: Sequence[str], minutes: int, rows: int) -> tuple[Stretch, ...]:
    """Features of a timeframe by how far they look back: all from the longest would be mostly wasted on a live run.

    Parameters
    ----------
    names : sequence of str
        Features.
    minutes : int
        Timeframe.
    rows : int
        Newest rows wanted. The oldest of them needs its full look-back too, so a window lengthens every stretch.
    """
    chosen, parts = set(names), dict[int, list[tuple[FeatureFamily, int]]]()
    for family in registry().families:
        # One function makes all features of its family: they go together, as far back as the furthest of them.
        wanted = [spec.lookback_bars(minutes) for spec in family.specs if spec.name in chosen]
        if wanted:
            bars = max(wanted) + rows - 1
            part = next((place for place, most in enumerate(STRETCHES_BARS) if bars <= most), len(STRETCHES_BARS))
            parts.setdefault(part, []).append((family, bars))
    return tuple(
        Stretch(
            names=tuple(spec.name for family, _ in parts[part] for spec in family.specs if spec.name in chosen),
            families=tuple(family for family, _ in parts[part]),
            bars=max(bars for _, bars in parts[part]),
        )
        for part in sorted(parts)
    )


class LatestFeatures:
    """Newest rows of features, made anew for a timeframe only when a bar of it has closed.

    Parameters
    ----------
    contract : str
        Product of the bars.
    reads : mapping of int to sequence of str
        Timeframe in minutes to the features wanted of it.
    rows : mapping of int to int
        Timeframe in minutes to how many of its newest rows are wanted.
    regimes : mapping of int to RegimeTable
        Parameters of the hidden Markov model by timeframe. Nothing is estimated live: trailing bars are no history to
        do it from, and a timeframe without a table has its cells masked.
    """

    def __init__(
        self,
        contract: str,
        reads: Mapping[int, Sequence[str]],
        rows: Mapping[int, int],
        regimes: Mapping[int, RegimeTable],
    ) -> None:
        self._rows = dict(rows)
        self._stretches = {minutes: stretches_of(names, minutes, rows[minutes]) for minutes, names in reads.items()}
        self._regimes = {
            minutes: regimes.get(minutes, RegimeTable(contract=contract, minutes=minutes, quarters=()))
            for minutes in reads
        }
        self._last: dict[int, FeatureRows] = {}

    def at(self, bars: Mapping[int, TrailingBars]) -> Mapping[int, FeatureRows]:
        """Rows of every timeframe as known after the last bar of each.

        Parameters
        ----------
        bars : mapping of int to TrailingBars
            Finished bars of each timeframe.

        Returns
        -------
        mapping of int to FeatureRows
            The newest rows, fewer where fewer bars are held.
        """
        for minutes in self._stretches:
            known = self._last.get(minutes)
            # most timeframes have no new bar at a base-bar close
            if known is None or len(known) == 0 or known.close_us[-1] != bars[minutes].last_close_us:
                self._last[minutes] = self._newest(bars[minutes])
        return self._last

    def _newest(self, trailing: TrailingBars) -> FeatureRows:
        parts = self._stretches[trailing.minutes]
        held = trailing.bars(max(part.bars for part in parts), self._regimes[trailing.minutes])
        # every stretch ends with the same bar and holds all rows read, or all bars there are
        read = slice(-min(self._rows[trailing.minutes], len(held)) if len(held) else 0, None)
        columns: dict[str, np.ndarray] = {}
        for part in parts:
            values = evaluate(held.rows(max(0, len(held) - part.bars), len(held)), part.families, part.names)
            columns |= {name: values[name][read] for name in part.names}
        return FeatureRows(held.close_us[read], columns)
