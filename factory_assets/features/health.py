"""Numerical health of features on a partition's own bars: finite after warm-up, never constant, no two alike.

Belongs here: the verdicts, and the figures behind them feature by feature. Does not: whether a feature reads the future
or needs more past than it says (:mod:`factory_assets.features.examination`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.features.correlation import correlation_matrix
from factory_assets.features.listed import listed
from factory_assets.features.spec import FLAG, SESSION_MINUTES_MAX, FeatureSpec
from factory_assets.vocabulary.verdict import Verdict

DUPLICATE_CORRELATION = 0.999
# A flag may well be constant, and two features alike, over a few bars; over five sessions they may not.
HEALTH_SESSIONS_MIN = 5
# Features are stored as 32-bit floats: what does not fit there is not finite, what is equal there does not change.
_STORED_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class Health:
    """What was found.

    Attributes
    ----------
    verdicts : tuple of Verdict
        ``finite_after_warmup``, ``no_constant_feature``, ``no_duplicate_features``.
    rows : DataFrame
        Columns of the table ``feature_health`` but ``contract``, one row a feature.
    """

    verdicts: tuple[Verdict, ...]
    rows: pd.DataFrame


def examine_health(
    specs: Sequence[FeatureSpec],
    masked: Collection[str],
    history: Mapping[str, np.ndarray],
    minutes: int,
    known: np.ndarray,
) -> Health:
    """Judge published values.

    A feature is judged constant, or two features alike, only with five sessions of rows after its warm-up; one that
    rests on parameters estimated from earlier sessions only with as many rows on which it has some, and its values by
    those rows alone. Two features are compared on all rows that follow both warm-ups.

    Parameters
    ----------
    specs : sequence of FeatureSpec
        Features of the table.
    masked : collection of str
        Those that a series without volume masks on every row: listed, and nothing is said of them.
    history : mapping of str to ndarray of float64, shape (N,)
        Values of every feature.
    minutes : int
        Timeframe.
    known : ndarray of bool, shape (N,)
        Rows on which there are regime parameters.
    """
    everywhere = np.ones(len(known), dtype=np.bool_)
    table = pd.DataFrame(
        [
            _figures(
                spec, history[spec.name], minutes, spec.name in masked, known if spec.reads_regimes else everywhere
            )
            for spec in specs
        ]
    )
    shown = table[~table["feature"].isin(list(masked))]
    compared = shown[shown["judged"] & ~shown["constant"]]
    names = compared["feature"].tolist()
    alike = correlation_matrix([history[name] for name in names], compared["warmup_bars"].tolist())
    # A feature with a missing value correlates with nothing: its own verdict is red already.
    alike = np.abs(np.nan_to_num(alike))
    np.fill_diagonal(alike, 0.0)
    largest = alike.max(axis=1) if len(names) > 1 else np.full(len(names), np.nan)
    closest = [names[k] for k in alike.argmax(axis=1)] if len(names) > 1 else [""] * len(names)
    table["largest_correlation"] = pd.Series(largest, index=compared.index, dtype=np.float64)
    table["closest_feature"] = pd.Series(closest, index=compared.index, dtype=object)
    table["closest_feature"] = table["closest_feature"].fillna("")
    waiting = [spec.name for spec in specs if spec.reads_regimes and not known.any()]
    return Health(verdicts=(_finite(shown), _constant(shown, waiting), _duplicate(names, alike)), rows=table)


def _figures(spec: FeatureSpec, values: np.ndarray, minutes: int, masked: bool, known: np.ndarray) -> dict[str, object]:
    missing, warmup = np.isnan(values), spec.warmup_bars(minutes)
    settled, learned = values[warmup:], known[warmup:]
    storable = np.abs(settled) <= _STORED_MAX
    # A flag says on which rows the others are known: it has to move over all of them.
    fitting = settled[storable] if spec.unit == FLAG else settled[storable & learned]
    judged = int(learned.sum()) >= HEALTH_SESSIONS_MIN * -(-SESSION_MINUTES_MAX // minutes) and len(fitting) > 0
    return {
        "minutes": minutes,
        "feature": spec.name,
        "group": spec.group,
        "rows": len(values),
        "lookback_bars": spec.lookback_bars(minutes),
        "warmup_bars": warmup,
        "masked_rows": int(missing.sum()),
        "complete_from_row": int(np.flatnonzero(missing)[-1]) + 1 if missing.any() else 0,
        "not_finite": 0 if masked else int((~storable).sum()) + int(np.isinf(values[:warmup]).sum()),
        "judged": judged and not masked,
        "constant": judged and np.float32(fitting.min()) == np.float32(fitting.max()),
    }


def _finite(shown: pd.DataFrame) -> Verdict:
    bad, values = shown.loc[shown["not_finite"] > 0, "feature"], int(shown["not_finite"].sum())
    rows = int(shown["rows"].max())
    return Verdict(
        name="finite_after_warmup",
        passed=bad.empty,
        summary=f"{values} values not finite after warm-up ({len(shown)} features, {rows:,} rows)",
        details={"features": len(shown), "rows": rows, "failed": listed(list(bad)), "values": values},
    )


def _constant(shown: pd.DataFrame, waiting: Collection[str]) -> Verdict:
    judged = shown[shown["judged"]]
    still, short = judged.loc[judged["constant"], "feature"], len(shown) - len(judged)
    said = f", {len(waiting)} of them because no quarter has regime parameters yet" if waiting else ""
    return Verdict(
        name="no_constant_feature",
        passed=still.empty,
        summary=f"{len(still)} of {len(judged)} features never change; {short} have too few rows to say{said}",
        details={
            "features": len(judged),
            "too_few_rows": short,
            "without_regime_parameters": listed(waiting),
            "failed": listed(list(still)),
        },
    )


def _duplicate(names: Sequence[str], alike: np.ndarray) -> Verdict:
    pairs = [
        f"{names[i]} = {names[j]}" for i, j in zip(*np.nonzero(np.triu(alike) > DUPLICATE_CORRELATION), strict=True)
    ]
    worst, closest = 0.0, "none"
    if len(names) > 1:
        i, j = divmod(int(np.argmax(alike)), len(names))
        worst, closest = float(alike[i, j]), f"{names[i]}, {names[j]}"
    return Verdict(
        name="no_duplicate_features",
        passed=not pairs,
        summary=f"{len(pairs)} pairs of {len(names)} features over |r| {DUPLICATE_CORRELATION} (max {worst:.4f})",
        details={
            "features": len(names),
            "largest_correlation": worst,
            "closest_pair": closest,
            "failed": listed(pairs),
        },
    )
