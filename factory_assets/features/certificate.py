"""What the examination of one timeframe found, feature by feature: the certificate as it is stored.

Belongs here: its rows. Does not: the procedure (:mod:`factory_assets.features.examination`), what becomes of it as
verdicts (:mod:`factory_assets.features.causality`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from factory_assets.features.examination import Finding
from factory_assets.features.spec import FeatureSpec
from factory_assets.vocabulary.verdict import Verdict

CONTROL_GROUP = "control"
WHOLE_PARTITION = "whole_partition"
"""Aspect of :meth:`Examination.whole_partition <factory_assets.features.examination.Examination.whole_partition>`."""
# Aspects compared within the feature's tolerance; the others bit by bit.
WITHIN_TOLERANCE = frozenset({"lookback", "scale"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Certificate:
    """Verdicts about the features of one timeframe, and what they rest on.

    Attributes
    ----------
    verdicts : tuple of Verdict
        As :func:`factory_assets.features.certify` returns them.
    aspects : DataFrame
        Columns of the table ``feature_certificate`` but ``contract``: one row a feature (and positive control) and
        aspect of the examination.
    health : DataFrame
        Columns of the table ``feature_health`` but ``contract``: one row a feature.
    """

    verdicts: tuple[Verdict, ...]
    aspects: pd.DataFrame
    health: pd.DataFrame


def aspect_rows(
    minutes: int,
    specs: Sequence[FeatureSpec],
    found: Mapping[str, Finding],
    must_fail: Sequence[str] = (),
) -> Iterator[dict[str, object]]:
    """One row a feature and aspect.

    Parameters
    ----------
    minutes : int
        Timeframe.
    specs : sequence of FeatureSpec
        Features, or positive controls, examined.
    found : mapping of str to Finding
        By aspect.
    must_fail : sequence of str
        Of a positive control: aspects of which at least one has to find it.
    """
    for spec in specs:
        for aspect, finding in found.items():
            seen = finding.by_feature.get(spec.name)
            if seen is None:  # a feature that depends on the price level is not compared under other prices
                continue
            yield {
                "minutes": minutes,
                "feature": spec.name,
                "group": spec.group,
                "aspect": aspect,
                "comparisons": seen.comparisons,
                "cells": seen.cells,
                "worst_error": float(seen.worst_error),
                "tolerance": spec.tolerance if aspect in WITHIN_TOLERANCE else 0.0,
                "passed": bool(seen.passed),
                "must_fail": aspect in must_fail,
            }
