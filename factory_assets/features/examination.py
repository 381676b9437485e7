"""The procedure every feature, and every positive control, goes through at a number of cut points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.compute import evaluate
from factory_assets.features.family import FeatureFamily
from factory_assets.features.spec import FeatureSpec

SCALE_FACTORS = (1.37, 0.731)
# Bars after the cut that a feature may wrongly look at. The whole-partition perturbation covers everything later.
FUTURE_BARS = 64
ASPECTS = ("truncation", "perturbation", "lookback", "scale")


@dataclass
class FeatureFinding:
    """What was seen of one aspect of one feature.

    Attributes
    ----------
    comparisons : int
        Cuts (times scale factors) compared.
    cells : int
        Single values compared.
    worst_error : float
        Largest difference as a share of the value or of the column's mean absolute value; inf for a NaN on one side,
        and for any difference where values have to be bit-identical.
    passed : bool
        No difference was beyond what is allowed.
    """

    comparisons: int = 0
    cells: int = 0
    worst_error: float = 0.0
    passed: bool = True


@dataclass
class Finding:
    """What was seen of one aspect: for each feature, in the order they were first compared.

    Attributes
    ----------
    by_feature : dict of str to FeatureFinding
        One entry a feature compared.
    """

    by_feature: dict[str, FeatureFinding] = field(default_factory=dict)

    @property
    def comparisons(self) -> int:
        """Feature x cut pairs compared."""
        return sum(each.comparisons for each in self.by_feature.values())

    @property
    def cells(self) -> int:
        """Single values compared."""
        return sum(each.cells for each in self.by_feature.values())

    @property
    def failed(self) -> set[str]:
        """Features with at least one difference beyond what is allowed."""
        return {name for name, each in self.by_feature.items() if not each.passed}

    @property
    def worst_error(self) -> float:
        """Largest difference of all features."""
        return max((each.worst_error for each in self.by_feature.values()), default=0.0)

    @property
    def worst_feature(self) -> str:
        """Where it was seen; ``"none"`` if nothing differed."""
        worst = self.worst_error
        return next((name for name, each in self.by_feature.items() if each.worst_error == worst > 0.0), "none")

    def exact(self, name: str, expected: np.ndarray, got: np.ndarray) -> None:
        """Compare bit by bit; NaN equals NaN."""
        same = (expected == got) | (np.isnan(expected) & np.isnan(got))
        self._note(name, len(expected), 0.0 if same.all() else np.inf, 0.0)

    def close(self, name: str, expected: np.ndarray, got: np.ndarray, size: float, tolerance: float) -> None:
        """Compare within a tolerance relative to the value or to ``size``, whichever is larger."""
        known, seen = ~np.isnan(expected), ~np.isnan(got)
        error = 0.0 if np.array_equal(known, seen) else np.inf
        both = known & seen
        if both.any():
            error = max(error, _relative(expected[both], got[both], size))
        self._note(name, len(expected), error, tolerance)

    def _note(self, name: str, cells: int, error: float, tolerance: float) -> None:
        seen = self.by_feature.setdefault(name, FeatureFinding())
        seen.comparisons += 1
        seen.cells += cells
        seen.worst_error = max(seen.worst_error, error)
        seen.passed &= error <= tolerance


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything the procedure needs to know about one set of features on one partition.

    Attributes
    ----------
    bars : Bars
        The partition.
    families : sequence of FeatureFamily
        Functions behind the features.
    specs : sequence of FeatureSpec
        Features examined.
    history : mapping of str to ndarray
        Their values computed from all history: what is published.
    """

    bars: Bars
    families: Sequence[FeatureFamily]
    specs: Sequence[FeatureSpec]
    history: Mapping[str, np.ndarray]

    def at_cuts(self, cuts: np.ndarray, rng: np.random.Generator) -> dict[str, Finding]:
        """Recompute every feature around each cut from exactly its look-back.

        truncation: with the bars after the cut gone, values up to it are bit-identical. perturbation: the same with
        those bars replaced by wild ones. lookback: the value at the cut equals the one from all history within the
        declared tolerance. scale: prices times 1.37 and 0.731 leave the values unchanged within it.
        """
        findings = {aspect: Finding() for aspect in ASPECTS}
        sizes = {spec.name: _size(self.history[spec.name]) for spec in self.specs}
        by_lookback: dict[int, list[FeatureSpec]] = {}
        for spec in self.specs:
            by_lookback.setdefault(spec.lookback_bars(self.bars.minutes), []).append(spec)
        for lookback, specs in by_lookback.items():
            names = [spec.name for spec in specs]
            families = [f for f in self.families if set(names) & {spec.name for spec in f.specs}]
            for cut in cuts:
                start = max(int(cut) - lookback + 1, 0)
                window = self.bars.rows(start, int(cut) + 1)
                longer = self.bars.rows(start, min(int(cut) + 1 + FUTURE_BARS, len(self.bars)))
                alone = evaluate(window, families, names)
                followed = evaluate(longer, families, names)
                disturbed = evaluate(perturbed(longer, len(window), rng), families, names)
                scaled = [evaluate(rescaled(window, factor), families, names) for factor in SCALE_FACTORS]
                for spec in specs:
                    name, values = spec.name, alone[spec.name]
                    findings["truncation"].exact(name, values, followed[name][: len(window)])
                    findings["perturbation"].exact(name, values, disturbed[name][: len(window)])
                    published = self.history[name][cut : cut + 1]
                    findings["lookback"].close(name, published, values[-1:], sizes[name], spec.tolerance)
                    if spec.scale_invariant:
                        for each in scaled:
                            findings["scale"].close(name, values, each[name], sizes[name], spec.tolerance)
        return findings

    def whole_partition(self, cut: int, rng: np.random.Generator) -> Finding:
        """Replace everything after one cut by wild bars: every published value up to it stays bit-identical.

        Regime parameters are estimated anew from what is there then.
        """
        finding = Finding()
        names = [spec.name for spec in self.specs]
        wild = perturbed(self.bars, cut + 1, rng).replaced(regimes=None)
        disturbed = evaluate(wild, self.families, names)
        for name in names:
            finding.exact(name, self.history[name][: cut + 1], disturbed[name][: cut + 1])
        return finding


def perturbed(bars: Bars, kept: int, rng: np.random.Generator) -> Bars:
    """The same bars with prices and volumes from row ``kept`` on replaced by wild, still positive values.

    A series without volume stays without.
    """
    later = len(bars) - kept
    factor = np.ones(len(bars))
    factor[kept:] = np.exp(rng.standard_normal(later))
    volume = bars.volume.copy()
    if bars.has_volume:
        volume[kept:] = rng.integers(0, 1_000_000, later)
    high, low = bars.high * factor, bars.low * factor
    high[kept:] *= 1.0 + rng.random(later)
    return bars.replaced(
        open=bars.open * factor,
        high=high,
        low=low,
        close=bars.close * factor,
        traded_close=bars.traded_close * factor,
        volume=volume,
    )


def rescaled(bars: Bars, factor: float) -> Bars:
    """The same bars with every price multiplied by a constant."""
    return bars.replaced(
        open=bars.open * factor,
        high=bars.high * factor,
        low=bars.low * factor,
        close=bars.close * factor,
        traded_close=bars.traded_close * factor,
    )


def _relative(expected: np.ndarray, got: np.ndarray, size: float) -> float:
    """Largest difference as a share of the value or of ``size``; inf against inf is none, against -inf all there is."""
    scale = np.maximum(np.abs(expected), max(size, np.finfo(np.float64).tiny))
    with np.errstate(invalid="ignore"):
        shares = np.abs(expected - got) / scale
    worst = float(np.max(shares))
    if np.isnan(worst):
        worst = float(np.max(np.where(expected == got, 0.0, np.where(np.isnan(shares), np.inf, shares))))
    return worst


def _size(values: np.ndarray) -> float:
    """Mean absolute value of a column: what its differences are measured against where it is near zero."""
    known = np.abs(values[np.isfinite(values)])
    return float(known.mean()) if len(known) else 0.0
