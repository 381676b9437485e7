"""The causality certificate: no feature of a partition reads the future, and each needs no more past than it says.

Belongs here: verdicts about features on real bars. The procedure is in :mod:`factory_assets.features.examination`; what
has to be caught by it in :mod:`factory_assets.features.controls`, imported at use because it needs TA-Lib.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.features.bars import Bars
from factory_assets.features.certificate import WHOLE_PARTITION, Certificate, aspect_rows
from factory_assets.features.compute import evaluate
from factory_assets.features.examination import Examination, Finding
from factory_assets.features.health import examine_health
from factory_assets.features.listed import NAMES_SHOWN, listed
from factory_assets.features.regime_causality import examined_quarters, known_rows, moved_quarters, regime_verdict
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.registry import registry
from factory_assets.features.spec import FeatureSpec
from factory_assets.features.volume_use import volume_use_verdict
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.verdict import Verdict

CUT_POINTS_MIN = 10


def certify(
    bars: pd.DataFrame,
    minutes: int | None = None,
    *,
    cut_points: int,
    seed: int,
    names: Sequence[str] | None = None,
    values: pd.DataFrame | None = None,
    regimes: RegimeTable | None = None,
) -> list[Verdict]:
    """Verdicts of :func:`certificate`, which says what is done and what the parameters are."""
    found = certificate(bars, minutes, cut_points=cut_points, seed=seed, names=names, values=values, regimes=regimes)
    return list(found.verdicts)


def certificate(
    bars: pd.DataFrame,
    minutes: int | None = None,
    *,
    cut_points: int,
    seed: int,
    names: Sequence[str] | None = None,
    values: pd.DataFrame | None = None,
    regimes: RegimeTable | None = None,
) -> Certificate:
    """Prove on a partition's own bars that its features are causal, honest about their look-back, and in good health.

    Every feature is recomputed around every cut from exactly its declared look-back: with the bars after the cut gone
    and with them replaced by wild ones (bit-identical up to the cut), against the value from all history and under
    rescaled prices (within the declared tolerance). One perturbation covers the whole partition. Leaking controls go
    through the same procedure and have to be caught. In a series without volume the features that read it are masked:
    that they are is certified, and nothing else is said of them. Features that rest on regime parameters are recomputed
    around cuts with the published ones, as live does; that no parameter knows its own quarter is examined by itself.

    Parameters
    ----------
    bars : DataFrame
        Bars of one contract and timeframe, as for :func:`factory_assets.features.compute`.
    minutes : int, optional
        Timeframe; inferred from the bars by default.
    cut_points : int
        Rows at which every feature is examined, at least 10: spread over the partition, and among them first and last
        bars of sessions, first bars after gaps and after rolls. Fewer only if the partition has fewer.
    seed : int
        Seed of cuts and perturbations.
    names : sequence of str, optional
        Features to certify; the whole catalogue by default.
    values : DataFrame, optional
        What :func:`factory_assets.features.compute` returned for these bars, to certify exactly what is published and
        save computing it again.
    regimes : RegimeTable, optional
        Regime parameters published with them; estimated from these bars by default.

    Returns
    -------
    Certificate
        Verdicts ``truncation_invariant``, ``future_perturbation_invariant``, ``lookback_honoured``,
        ``scale_invariant``, ``finite_after_warmup``, ``no_constant_feature``, ``no_duplicate_features``,
        ``volume_use_declared``, ``regimes_from_earlier_sessions``, ``positive_controls_caught``, all blocking; and the
        rows they rest on.

    Raises
    ------
    BadInputError
        Bad bars, values of other bars, too few cut points, or nothing but features that these bars mask.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, section 11.2 (look-ahead as the first sin).
    """
    if cut_points < CUT_POINTS_MIN:
        raise BadInputError(f"certificate with {cut_points} cut points: expected at least {CUT_POINTS_MIN}")
    arrays = Bars.from_frame(bars, minutes, regimes=regimes)
    if len(arrays) < 2:
        raise BadInputError(f"certificate of {len(arrays)} bars: expected at least 2; materialize the bars first")
    specs = registry().select(names)
    families = [f for f in registry().families if {s.name for s in f.specs} & {s.name for s in specs}]
    history = _history(arrays, values, specs) or evaluate(arrays, families, [spec.name for spec in specs])
    rng = np.random.default_rng(seed)
    shown = [spec for spec in specs if arrays.has_volume or not spec.reads_volume]
    if not shown:
        raise BadInputError(
            f"certificate of {[spec.name for spec in specs][:NAMES_SHOWN]}: all of them read volume and these bars "
            "have none; name features that do not"
        )
    lookback = max(spec.lookback_bars(arrays.minutes) for spec in shown)
    cuts = choose_cuts(arrays, cut_points, lookback, rng)
    examination = Examination(bars=arrays, families=families, specs=shown, history=history)
    found = examination.at_cuts(cuts, rng)
    whole = examination.whole_partition(int(cuts[len(cuts) // 2]), rng)
    masked = {spec.name for spec in specs} - {spec.name for spec in shown}
    health = examine_health(specs, masked, history, arrays.minutes, known_rows(arrays))
    use = volume_use_verdict(arrays, families, specs, history, rng)
    estimation = regime_verdict(arrays, specs, history, rng)
    controls, control_rows = _controls(arrays, cuts, rng, with_regimes=any(spec.reads_regimes for spec in specs))
    rows = aspect_rows(arrays.minutes, shown, {**found, WHOLE_PARTITION: whole})
    return Certificate(
        verdicts=(*_causality_verdicts(found, whole, shown, len(cuts)), *health.verdicts, use, estimation, controls),
        aspects=pd.DataFrame([*rows, *control_rows]),
        health=health.rows,
    )


def choose_cuts(bars: Bars, cut_points: int, lookback: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to cut at, int64, increasing: half at session ends, openings, gaps and rolls, the rest spread at random.

    Rows before the longest look-back are left out where the partition is long enough to afford it.
    """
    first, n = min(lookback, len(bars) // 2), len(bars)
    opening = np.flatnonzero(np.diff(bars.trade_day) != 0) + 1
    gap = np.flatnonzero((bars.open_us[1:] > bars.close_us[:-1]) & (np.diff(bars.trade_day) == 0)) + 1
    factor = bars.close / bars.traded_close
    roll = np.flatnonzero(np.abs(np.diff(factor)) > 1e-6 * factor[1:]) + 1
    chosen: set[int] = {n - 1}
    for rows in (opening, opening - 1, gap, roll):
        usable = rows[rows >= first]
        take = min(len(usable), cut_points // 8)
        chosen.update(rng.choice(usable, take, replace=False).tolist() if take else [])
    spread = cut_points - len(chosen)
    edges = np.linspace(first, n, spread + 1)
    drawn = edges[:-1] + rng.random(spread) * np.diff(edges)
    chosen.update(np.minimum(drawn.astype(np.int64), n - 1).tolist())
    # Draws may coincide; the rest comes from the rows nobody took.
    left = np.setdiff1d(np.arange(first, n), np.fromiter(chosen, dtype=np.int64))
    lacking = min(cut_points - len(chosen), len(left))
    if lacking > 0:
        chosen.update(rng.choice(left, lacking, replace=False).tolist())
    return np.array(sorted(chosen), dtype=np.int64)


def _history(bars: Bars, values: pd.DataFrame | None, specs: Sequence[FeatureSpec]) -> dict[str, np.ndarray] | None:
    if values is None:
        return None
    missing = [spec.name for spec in specs if spec.name not in values.columns]
    if missing:
        raise BadInputError(f"certificate: the values lack {missing[:NAMES_SHOWN]}; pass what compute returned")
    closes = times_us(values["close_time"], "close_time of the values")
    if not np.array_equal(closes, bars.close_us):
        raise BadInputError(
            f"certificate: {len(closes)} rows of values do not stand at the close times of the {len(bars)} bars; pass "
            "what compute returned for exactly these bars"
        )
    return {spec.name: values[spec.name].to_numpy(dtype=np.float64) for spec in specs}


def _causality_verdicts(
    found: Mapping[str, Finding], whole: Finding, specs: Sequence[FeatureSpec], cuts: int
) -> list[Verdict]:
    invariant = sum(spec.scale_invariant for spec in specs)
    expected = {"truncation": len(specs), "perturbation": len(specs), "lookback": len(specs), "scale": 2 * invariant}
    wording = {
        "truncation": ("truncation_invariant", "recomputed without any later bar"),
        "perturbation": ("future_perturbation_invariant", "recomputed with wild later bars"),
        "lookback": ("lookback_honoured", "recomputed from the declared look-back alone"),
        "scale": ("scale_invariant", "recomputed with prices x 1.37 and x 0.731"),
    }
    verdicts = []
    for aspect, (name, text) in wording.items():
        finding = found[aspect]
        failed = finding.failed | (whole.failed if aspect == "perturbation" else set())
        complete = finding.comparisons == expected[aspect] * cuts
        details: dict[str, str | int | float | bool] = {
            "features": invariant if aspect == "scale" else len(specs),
            "cut_points": cuts,
            "comparisons": finding.comparisons,
            "values_compared": finding.cells,
            "failed_features": len(failed),
            "failed": listed(failed),
        }
        if aspect in {"lookback", "scale"}:
            details["worst_relative_error"] = finding.worst_error
            details["worst_feature"] = finding.worst_feature
        if aspect == "perturbation":
            details["whole_partition_values_compared"] = whole.cells
        verdicts.append(
            Verdict(
                name=name,
                passed=not failed and complete,
                summary=f"{finding.comparisons:,} comparisons ({cuts} cuts), {text}: {len(failed)} features differ",
                details=details,
            )
        )
    return verdicts


def _controls(
    bars: Bars, cuts: np.ndarray, rng: np.random.Generator, *, with_regimes: bool
) -> tuple[Verdict, list[dict[str, object]]]:
    from factory_assets.features.controls import CONTROLS, ESTIMATOR_CONTROLS

    missed, details = set(), {}
    rows: list[dict[str, object]] = []
    for name, (family, aspects) in CONTROLS.items():
        history = evaluate(bars, [family], [name])
        examination = Examination(bars=bars, families=[family], specs=family.specs, history=history)
        found = examination.at_cuts(cuts, rng)
        caught_by = [aspect for aspect, finding in found.items() if name in finding.failed]
        details[name] = "caught by " + ", ".join(caught_by) if caught_by else "NOT caught"
        if not set(aspects) & set(caught_by):
            missed.add(name)
        rows += aspect_rows(bars.minutes, family.specs, found, must_fail=aspects)
    # One quarter with parameters is enough to catch an estimator on; without any there is nothing it could leak into.
    quarters = examined_quarters(bars)[:1] if with_regimes else []
    estimators = ESTIMATOR_CONTROLS if quarters else {}
    for name, estimator in estimators.items():
        caught = bool(moved_quarters(bars, estimator, quarters, rng))
        details[name] = "caught by estimating again" if caught else "NOT caught"
        missed |= set() if caught else {name}
    count = len(CONTROLS) + len(estimators)
    verdict = Verdict(
        name="positive_controls_caught",
        passed=not missed,
        summary=f"{count - len(missed)} of {count} deliberately bad features were caught",
        details={**details, "missed": listed(missed)},
    )
    return verdict, rows
