"""Whether features read volume exactly where they say so: what lets a series without volume be trusted.

A vendor without volume leaves it NaN on every row. Features that declare ``volume`` among their inputs are then masked,
all others have to be what they were. Belongs here: the proof of both on bars at hand. Does not: the mask itself
(:func:`factory_assets.features.compute.evaluate`), columns that leave a pool (:mod:`factory_assets.features.pools`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.compute import evaluate
from factory_assets.features.family import FeatureFamily
from factory_assets.features.listed import listed
from factory_assets.features.spec import FeatureSpec
from factory_assets.vocabulary.verdict import Scalar, Verdict

# Rows behind the longest look-back, so that every feature has values to compare.
_ROWS_COMPARED = 64
_VOLUME_MAX = 1_000_000


def volume_use_verdict(
    bars: Bars,
    families: Sequence[FeatureFamily],
    specs: Sequence[FeatureSpec],
    history: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> Verdict:
    """Recompute features on the last bars with no volume and with two made-up ones.

    Parameters
    ----------
    bars : Bars
        The partition.
    families : sequence of FeatureFamily
        Functions behind the features.
    specs : sequence of FeatureSpec
        Features examined.
    history : mapping of str to ndarray
        Their published values.
    rng : numpy Generator
        Source of the made-up volumes.

    Returns
    -------
    Verdict
        ``volume_use_declared``: features that do not declare volume are the same to the bit under all of them, and as
        with the bars' own volume; features that do change with it and are NaN on every row without it, published values
        of a series without volume included. Features still warming up on all rows compared are counted.
    """
    start = max(len(bars) - max(spec.lookback_bars(bars.minutes) for spec in specs) - _ROWS_COMPARED, 0)
    own = bars.rows(start, len(bars))
    drawn = [rng.integers(0, _VOLUME_MAX, len(own)).astype(np.float64) for _ in range(2)]
    names = [spec.name for spec in specs]
    first, second, without = (
        evaluate(own.replaced(volume=volume), families, names) for volume in (*drawn, np.full(len(own), np.nan))
    )
    as_is = evaluate(own, families, names)
    undeclared, unused, unmasked, warming = set[str](), set[str](), set[str](), 0
    for spec in specs:
        name = spec.name
        if not spec.reads_volume:
            if not all(_same(as_is[name], other[name]) for other in (first, second, without)):
                undeclared.add(name)
            continue
        if np.isfinite(without[name]).any() or (not bars.has_volume and np.isfinite(history[name]).any()):
            unmasked.add(name)
        if not np.isfinite(first[name]).any():
            warming += 1
        elif _same(first[name], second[name]):
            unused.add(name)
    reading = sum(spec.reads_volume for spec in specs)
    details: dict[str, Scalar] = {
        "has_volume": bars.has_volume,
        "reads_volume": reading,
        "masked": 0 if bars.has_volume else reading,
        "rows_compared": len(own),
        "warming_up": warming,
        "reads_it_undeclared": listed(undeclared),
        "declared_but_unused": listed(unused),
        "not_masked_without_it": listed(unmasked),
    }
    said = "" if bars.has_volume else f"; masked because the series has no volume: {reading} features"
    return Verdict(
        name="volume_use_declared",
        passed=not (undeclared or unused or unmasked),
        summary=f"{reading} of {len(specs)} features read volume; with other volumes and without: {len(undeclared)} "
        f"others change, {len(unused)} of those do not, {len(unmasked)} are not masked{said}",
        details=details,
    )


def _same(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal bit by bit; NaN equals NaN."""
    return bool(((left == right) | (np.isnan(left) & np.isnan(right))).all())
