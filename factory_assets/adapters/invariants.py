"""Independent checks of what adapters hand over: other code paths than the ones that built it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.adapters.choice_record import FeatureChoice
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


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What rows alone teach before a model sees them: the scaler, and the columns where a set was chosen from."""

    scaler: FittedScaler
    choice: FeatureChoice | None = None


@dataclass(frozen=True, kw_only=True)
class ScalerCase:
    """One fitted scaler with the choice of its columns, the rows both may know, and the way they were made.

    Attributes
    ----------
    fitted : Learnt
        In use.
    refit : callable
        From a whole matrix (N, F) to the same, by the choice of rows and columns and the fit that made ``fitted``.
    known : ndarray of bool, shape (N,)
        Rows recorded as fitted on; for windows, the rows of their store that the ones fitted on show.
    """

    fitted: Learnt
    refit: Callable[[np.ndarray], Learnt]
    known: np.ndarray


def scaler_invariants(
    cases: Sequence[ScalerCase],
    X: np.ndarray,  # noqa: N803
    names: Sequence[str],
    *,
    seed: int = 7,
) -> list[Verdict]:
    """Verdicts on scalers fitted, and on columns chosen, inside folds.

    Parameters
    ----------
    cases : sequence of ScalerCase
        One a member; all with a choice of columns, or none.
    X : ndarray of float, shape (N, F)
        All rows of the partition; for windows, their store.
    names : sequence of str, length F
        Column names.
    seed : int
        Seed of the perturbation.

    Returns
    -------
    list of Verdict
        ``scaler_ignores_other_rows``: for every case, refitting after all rows outside the known ones were replaced by
        noise gives the scaler in use byte by byte, and the same done to the known rows does not (the positive control).
        ``scaler_output_finite``: all rows come out finite, scaled columns within +-5. Where columns were chosen,
        ``choice_ignores_other_rows`` says of their record what the first one says of the scaler.
    """
    random = np.random.default_rng(seed)
    noise = (random.standard_normal(X.shape, dtype=np.float32) * 1e6).astype(X.dtype, copy=False)
    noise[random.random(X.shape, dtype=np.float32) < 0.1] = np.nan
    place_of = {name: place for place, name in enumerate(names)}
    scalers, choices, outside, cells, infinite, beyond = _Tried(), _Tried(), [], 0, 0, 0
    for case in cases:
        known, own = case.known[:, None], case.fitted.scaler
        elsewhere, inside = case.refit(np.where(known, X, noise)), case.refit(np.where(known, noise, X))
        scalers.take(own.to_json(), elsewhere.scaler.to_json(), inside.scaler.to_json())
        if case.fitted.choice is not None:
            choices.take(case.fitted.choice, elsewhere.choice, inside.choice)
        outside.append(int(np.count_nonzero(~case.known)))
        scaled = own.transform(X[:, [place_of[name] for name in own.names]])
        bounded = np.asarray([kind != "none" for kind in own.kinds], dtype=bool)
        cells += scaled.size
        infinite += int(np.count_nonzero(~np.isfinite(scaled)))
        beyond += int(np.count_nonzero(np.abs(scaled[:, bounded]) > CLIP))
    verdicts = [
        scalers.verdict("scaler_ignores_other_rows", "scalers", outside),
        Verdict(
            name="scaler_output_finite",
            passed=infinite == 0 and beyond == 0 and cells > 0,
            summary=f"{cells} scaled cells: {infinite} not finite, {beyond} beyond +-{CLIP:g}",
            details={"cells": cells, "not_finite": infinite, "beyond": beyond},
        ),
    ]
    if choices.cases:
        verdicts.append(choices.verdict("choice_ignores_other_rows", "choices", outside))
    return verdicts


@dataclass
class _Tried:
    """How often something learnt of rows changed with other rows, and how often it did not change with its own."""

    cases: int = 0
    changed: int = 0
    unnoticed: int = 0

    def take(self, in_use: Any, others_replaced: Any, own_replaced: Any) -> None:
        self.cases += 1
        self.changed += others_replaced != in_use
        self.unnoticed += own_replaced == in_use

    def verdict(self, name: str, what: str, outside: Sequence[int]) -> Verdict:
        least = min(outside, default=0)
        return Verdict(
            name=name,
            passed=self.changed == 0 and self.unnoticed == 0 and least > 0 and self.cases == len(outside),
            summary=f"{self.cases} {what} made again with every row outside their own (at least {least}) replaced by "
            f"noise: {self.changed} differ from those in use; with their own rows replaced: {self.unnoticed} do not",
            details={
                what: self.cases,
                "rows_outside_min": least,
                "changed": self.changed,
                "unnoticed": self.unnoticed,
            },
        )


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
