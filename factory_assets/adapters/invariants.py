"""Independent checks of what adapters hand over: other code paths than the ones that built it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from factory_assets.adapters.scaling import CLIP, FittedScaler
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.verdict import Scalar, Verdict

_KEYS = ("contract", "horizon", "decision_time", "trade_date")


def adapter_invariants(
    tabular: pd.DataFrame,
    decision_us: np.ndarray,
    features: Mapping[int, pd.DataFrame],
    pool: Mapping[int, Sequence[str]],
    *,
    filled: np.ndarray | None = None,
    columns_sampled: int = 24,
    seed: int = 7,
) -> list[Verdict]:
    """Verdicts on a tabular table before it is written.

    Parameters
    ----------
    tabular : DataFrame
        The table.
    decision_us : ndarray of int64, shape (N,)
        Decision times of the partition, the index all its adapters share (from labels, not from the table).
    features : mapping of int to DataFrame
        Feature tables the values came from.
    pool : mapping of int to sequence of str
        Features a timeframe lends.
    filled : ndarray of float32, shape (N, F), optional
        The table's values after a scaler's fill policy, if one applies.
    columns_sampled : int
        Columns recomputed with ``pandas.merge_asof``; every timeframe has at least one.
    seed : int
        Seed of the sample.

    Returns
    -------
    list of Verdict
        ``one_shared_index``, ``known_at_decision`` and ``no_nan`` (no column without a value, no infinite cell, nothing
        missing once filled; NaN shares of warm-ups in the details).
    """
    return [
        _index_verdict(tabular, decision_us),
        _known_verdict(tabular, features, pool, columns_sampled, seed),
        _missing_verdict(tabular, filled),
    ]


def scaler_invariants(
    fit: Callable[[np.ndarray], FittedScaler],
    X: np.ndarray,  # noqa: N803
    train_rows: np.ndarray,
    *,
    seed: int = 7,
) -> list[Verdict]:
    """Verdicts on a scaler fitted inside a fold.

    Parameters
    ----------
    fit : callable
        The fold's own way from the whole matrix (N, F) to its scaler, e.g.
        ``lambda X: FittedScaler.fit(X[train_rows], kinds, names)``.
    X : ndarray of float, shape (N, F)
        All rows of the partition.
    train_rows : ndarray of int
        Positions the scaler may know.
    seed : int
        Seed of the perturbation.

    Returns
    -------
    list of Verdict
        ``scaler_ignores_other_rows``: every other row replaced by noise leaves the scaler byte-equal, while the same
        done to the training rows changes it (the positive control). ``scaler_output_finite``: all rows come out finite,
        scaled columns within +-5.
    """
    fitted = fit(X)
    original = fitted.to_json()
    inside = np.zeros(len(X), dtype=bool)
    inside[train_rows] = True
    random = np.random.default_rng(seed)
    noise = random.standard_normal(X.shape) * 1e6
    noise[random.random(X.shape) < 0.1] = np.nan
    unchanged = fit(np.where(inside[:, None], X, noise)).to_json() == original
    noticed = fit(np.where(inside[:, None], noise, X)).to_json() != original
    outside = int(np.count_nonzero(~inside))
    scaled = fitted.transform(X)
    bounded = np.asarray([kind != "none" for kind in fitted.kinds], dtype=bool)
    finite, within = bool(np.isfinite(scaled).all()), bool((np.abs(scaled[:, bounded]) <= CLIP).all())
    return [
        Verdict(
            name="scaler_ignores_other_rows",
            passed=unchanged and noticed and outside > 0,
            summary=f"{outside} rows outside the training part replaced by noise: scaler "
            f"{'byte-equal' if unchanged else 'CHANGED'}; training rows replaced: "
            f"{'changed, as it must' if noticed else 'NOT noticed'}",
            details={"rows_outside": outside, "rows_inside": int(inside.sum())},
        ),
        Verdict(
            name="scaler_output_finite",
            passed=finite and within,
            summary=f"{scaled.size} scaled cells: {'all finite' if finite else 'some NOT finite'}, "
            f"{'all' if within else 'NOT all'} within +-{CLIP:g}",
            details={"cells": int(scaled.size)},
        ),
    ]


def _index_verdict(tabular: pd.DataFrame, decision_us: np.ndarray) -> Verdict:
    found, expected = list(tabular["decision_time"]), list(from_us(decision_us))
    missing, extra = len(set(expected) - set(found)), len(set(found) - set(expected))
    return Verdict(
        name="one_shared_index",
        passed=found == expected and len(set(found)) == len(found) and len(found) > 0,
        summary=f"{len(found)} rows for {len(expected)} decisions; {missing} missing, {extra} unknown, "
        f"{len(found) - len(set(found))} repeated",
        details={"rows": len(found), "missing": missing, "extra": extra},
    )


def _known_verdict(
    tabular: pd.DataFrame,
    features: Mapping[int, pd.DataFrame],
    pool: Mapping[int, Sequence[str]],
    columns_sampled: int,
    seed: int,
) -> Verdict:
    """Recompute a sample of columns with merge_asof and compare cell by cell."""
    random = np.random.default_rng(seed)
    share = max(1, columns_sampled // max(1, len(pool)))
    decisions = tabular["decision_time"].astype("datetime64[us, UTC]")
    wrong, compared, late, details = 0, 0, 0, {}
    for minutes, names in pool.items():
        chosen = sorted(random.choice(np.asarray(names, dtype=object), size=min(share, len(names)), replace=False))
        right = features[minutes][["close_time", *chosen]].assign(
            close_time=features[minutes]["close_time"].astype("datetime64[us, UTC]")
        )
        joined = pd.merge_asof(
            pd.DataFrame({"decision_time": decisions}), right, left_on="decision_time", right_on="close_time"
        )
        late += int((joined["close_time"] > joined["decision_time"]).sum())
        age = (joined["decision_time"] - joined["close_time"]).dt.total_seconds() / 60
        details[f"age_max_minutes_{minutes}min"] = float(age.max()) if age.notna().any() else -1.0
        for name in chosen:
            expected = joined[name].to_numpy().astype(np.float32)
            found = tabular[f"{name}__{minutes}min"].to_numpy()
            same = (found == expected) | (np.isnan(found) & np.isnan(expected))
            wrong, compared = wrong + int(np.count_nonzero(~same)), compared + len(same)
    return Verdict(
        name="known_at_decision",
        passed=wrong == 0 and late == 0 and compared > 0,
        summary=f"{compared} cells recomputed by merge_asof, {wrong} differ, {late} known after their decision",
        details={"cells": compared, "differ": wrong, **details},
    )


def _missing_verdict(tabular: pd.DataFrame, filled: np.ndarray | None) -> Verdict:
    names = [name for name in tabular.columns if name not in _KEYS]
    values = tabular[names].to_numpy(dtype=np.float32)
    shares = dict(zip(names, np.isnan(values).mean(axis=0).tolist(), strict=True))
    empty = [name for name, share in shares.items() if share == 1.0]
    infinite = int(np.count_nonzero(np.isinf(values)))
    unfilled = 0 if filled is None else int(np.count_nonzero(~np.isfinite(filled)))
    worst = sorted(shares, key=lambda name: -shares[name])[:10]
    details: dict[str, Scalar] = {f"nan_share_{name}": shares[name] for name in worst if shares[name] > 0}
    return Verdict(
        name="no_nan",
        passed=not empty and infinite == 0 and unfilled == 0 and len(names) > 0,
        summary=f"{len(names)} columns, {np.isnan(values).mean():.2%} of the cells masked by warm-up; columns without "
        f"a value: {', '.join(empty[:5]) or 'none'}; infinite cells {infinite}; missing after the fill {unfilled}",
        details={"columns": len(names), "columns_without_value": len(empty), **details},
    )
