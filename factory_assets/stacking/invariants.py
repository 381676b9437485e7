"""Verdicts on out-of-fold, val and stack rows, recounted from the splits and labels tables alone.

Nothing of the fitting code is called. What each fit saw is compared as recorded at the fit; that record, the rows, the
splits and the labels are four tables that have to agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.verdict import Verdict

_P = ["p_down", "p_flat", "p_up"]
_SUM_TOLERANCE = 1e-9
_VAL_FOLD = -1


def oof_invariants(
    oof: pd.DataFrame,
    splits_frame: pd.DataFrame,
    labels: pd.DataFrame,
    seen_decision_us: Mapping[int, np.ndarray],
) -> list[Verdict]:
    """Verdicts on one model's out-of-fold rows before they are written.

    Parameters
    ----------
    oof : DataFrame
        Rows of ``oof_<model>``.
    splits_frame : DataFrame
        The ``splits`` table.
    labels : DataFrame
        The ``labels`` table: ``decision_time``, ``t0``, ``t1``, ``label``.
    seen_decision_us : mapping of int to ndarray of int64
        Decision times each fold's member was fitted on or watched, as recorded at the fit.

    Returns
    -------
    list of Verdict
        ``oof_once_per_row``, ``probabilities_valid``, ``labels_as_labelled`` and ``oof_rows_unseen``.
    """
    table = _roles(splits_frame, "purged_kfold")
    return [
        _once_verdict("oof_once_per_row", oof, table),
        probabilities_verdict(oof),
        _labels_verdict(oof, labels),
        _unseen_verdict("oof_rows_unseen", oof, table, labels, seen_decision_us),
    ]


def val_invariants(
    val: pd.DataFrame, splits_frame: pd.DataFrame, labels: pd.DataFrame, seen_decision_us: np.ndarray
) -> list[Verdict]:
    """Verdicts on one model's val rows, and so on the member that predicted them, before either is written.

    Parameters
    ----------
    val : DataFrame
        Rows of ``val_<model>``.
    splits_frame, labels : DataFrame
        The ``splits`` and ``labels`` tables.
    seen_decision_us : ndarray of int64
        Decision times the member was fitted on or watched, as recorded at the fit.

    Returns
    -------
    list of Verdict
        ``val_once_per_row``, ``probabilities_valid``, ``labels_as_labelled`` and ``val_rows_unseen``: the fit saw rows
        only that the hold-out trains on, and no label interval of theirs meets one of val.
    """
    table = _hold_out(splits_frame)
    return [
        _once_verdict("val_once_per_row", val, table[table["role"] == "test"]),
        probabilities_verdict(val),
        _labels_verdict(val, labels),
        _unseen_verdict("val_rows_unseen", val, table, labels, {_VAL_FOLD: seen_decision_us}),
    ]


def stack_invariants(
    stack: pd.DataFrame,
    splits_frame: pd.DataFrame,
    labels: pd.DataFrame,
    fit_decision_us: Mapping[int, np.ndarray],
    *,
    base_verdicts: Mapping[str, Sequence[Verdict]],
) -> list[Verdict]:
    """Verdicts on the stack rows before they are written.

    Parameters
    ----------
    stack : DataFrame
        Rows of the ``stack`` table.
    splits_frame, labels : DataFrame
        The ``splits`` and ``labels`` tables.
    fit_decision_us : mapping of int to ndarray of int64
        Decision times each fold's meta was fitted on, as recorded at the fit; -1 is the meta that predicted val.
    base_verdicts : mapping of str to sequence of Verdict
        Verdicts published with the rows of every base: among them ``oof_rows_unseen`` and ``val_rows_unseen``. A meta
        that saw nothing it predicts is worth nothing over bases that did.

    Returns
    -------
    list of Verdict
        ``stack_rows_complete``, ``probabilities_valid``, ``labels_as_labelled`` and ``stack_rows_cross_fitted``.
    """
    table = pd.concat([_roles(splits_frame, "purged_kfold"), _hold_out(splits_frame)], ignore_index=True)
    return [
        _complete_verdict(stack, table),
        probabilities_verdict(stack),
        _labels_verdict(stack, labels),
        _over_unseen_bases(
            _unseen_verdict("stack_rows_cross_fitted", stack, table, labels, fit_decision_us), base_verdicts
        ),
    ]


def probabilities_verdict(frame: pd.DataFrame) -> Verdict:
    """Whether each row's three probabilities are finite, within [0, 1] and sum to one."""
    values = frame[_P].to_numpy(dtype=np.float64)
    finite = np.isfinite(values).all(axis=1)
    inside = ((values >= 0) & (values <= 1)).all(axis=1)
    summed = np.abs(values[:, 0] + values[:, 1] + values[:, 2] - 1.0) <= _SUM_TOLERANCE
    wrong = int((~(finite & inside & summed)).sum())
    return Verdict(
        name="probabilities_valid",
        passed=wrong == 0 and len(values) > 0,
        summary=f"{len(values)} rows, {wrong} with probabilities not finite, outside [0, 1] or not summing to 1",
        details={"rows": len(values), "wrong": wrong},
    )


def _roles(splits_frame: pd.DataFrame, scheme: str) -> pd.DataFrame:
    chosen = splits_frame.loc[splits_frame["scheme"].astype(str) == scheme]
    return pd.DataFrame(
        {
            "us": times_us(chosen["decision_time"], "splits decision_time"),
            "fold": chosen["fold"].to_numpy(dtype=np.int64),
            "role": chosen["role"].astype(str).to_numpy(),
        }
    )


def _hold_out(splits_frame: pd.DataFrame) -> pd.DataFrame:
    """Roles of the hold-out as fold -1: val is what is tested, what the hold-out trains on may be learnt from."""
    table = _roles(splits_frame, "hold_out")
    return table.assign(fold=_VAL_FOLD, role=table["role"].replace("val", "test"))


def _once_verdict(name: str, frame: pd.DataFrame, table: pd.DataFrame) -> Verdict:
    """Keys and folds of the rows are exactly the table's test rows, and every decision of it is among them once."""
    rows = list(zip(times_us(frame["decision_time"]).tolist(), frame["fold"].tolist(), strict=True))
    tested = table[table["role"] == "test"]
    expected = set(zip(tested["us"].tolist(), tested["fold"].tolist(), strict=True))
    events = set(table["us"].tolist())
    keys = [us for us, _ in rows]
    repeated, lacking = len(keys) - len(set(keys)), len(events - set(keys))
    strange, missing = len(set(rows) - expected), len(expected - set(rows))
    return Verdict(
        name=name,
        passed=not (repeated or lacking or strange or missing) and len(rows) > 0,
        summary=f"{len(rows)} rows against {len(events)} decisions: {repeated} repeated, {lacking} lacking, "
        f"{strange} not tested in their fold, {missing} test rows without a prediction",
        details={
            "rows": len(rows),
            "events": len(events),
            "repeated": repeated,
            "lacking": lacking,
            "strange": strange,
        },
    )


def _complete_verdict(stack: pd.DataFrame, table: pd.DataFrame) -> Verdict:
    """Cross-fitted rows are the splits' test rows, val rows the hold-out's val rows, each once and said to be so."""
    origin = {"cross_fitted": 1, "val": 0}
    rows = list(
        zip(
            times_us(stack["decision_time"]).tolist(),
            stack["fold"].tolist(),
            stack["origin"].astype(str).map(origin).tolist(),
            strict=True,
        )
    )
    tested = table[table["role"] == "test"]
    expected = {
        (us, fold, int(fold >= 0)) for us, fold in zip(tested["us"].tolist(), tested["fold"].tolist(), strict=True)
    }
    repeated = len(rows) - len({us for us, *_ in rows})
    strange, missing = len(set(rows) - expected), len(expected - set(rows))
    return Verdict(
        name="stack_rows_complete",
        passed=not (repeated or strange or missing) and len(rows) > 0,
        summary=f"{len(rows)} rows against {len(expected)} test and val decisions: {repeated} repeated, {strange} with "
        f"another fold or origin, {missing} missing",
        details={
            "rows": len(rows),
            "expected": len(expected),
            "repeated": repeated,
            "strange": strange,
            "missing": missing,
        },
    )


def _labels_verdict(frame: pd.DataFrame, labels: pd.DataFrame) -> Verdict:
    """Outcomes beside the predictions are the labels table's, looked up by decision time."""
    known = labels.set_index(pd.Index(times_us(labels["decision_time"])))["label"]
    found = known.reindex(times_us(frame["decision_time"]))
    unknown = int(found.isna().sum())
    wrong = int((found.to_numpy(dtype=np.float64, na_value=np.nan) != frame["label"].to_numpy(np.float64)).sum())
    return Verdict(
        name="labels_as_labelled",
        passed=wrong == 0 and len(frame) > 0,
        summary=f"{len(frame)} rows compared with the labels table by decision time: {wrong} differ, {unknown} of them "
        "because it holds no such decision",
        details={"rows": len(frame), "wrong": wrong, "unknown": unknown},
    )


def _unseen_verdict(
    name: str,
    frame: pd.DataFrame,
    table: pd.DataFrame,
    labels: pd.DataFrame,
    fit_decision_us: Mapping[int, np.ndarray],
) -> Verdict:
    """No row is inside its own fit, no interval of a fit meets one it predicts, and fits saw train rows only."""
    index = pd.Index(times_us(labels["decision_time"]))
    t0 = pd.Series(times_us(labels["t0"]), index=index)
    t1 = pd.Series(times_us(labels["t1"]), index=index)
    keys, folds = times_us(frame["decision_time"]), frame["fold"].to_numpy()
    inside = met = foreign = compared = 0
    unrecorded = sorted({int(fold) for fold in np.unique(folds)} - {int(fold) for fold in fit_decision_us})
    empty = [int(fold) for fold, seen in fit_decision_us.items() if len(seen) == 0]
    for fold, seen in fit_decision_us.items():
        scored = keys[folds == fold]
        allowed = table.loc[(table["fold"] == fold) & (table["role"] == "train"), "us"].to_numpy()
        # Without a hold-out in the splits the last meta predicts nothing, and may learn from every row.
        foreign += int((~np.isin(seen, allowed)).sum()) if len(allowed) or len(scored) or fold >= 0 else 0
        inside += len(set(scored.tolist()) & set(np.asarray(seen).tolist()))
        compared += len(scored) * len(seen)
        met += _meeting(t0.reindex(seen), t1.reindex(seen), t0.reindex(scored), t1.reindex(scored))
    return Verdict(
        name=name,
        passed=not (inside or met or foreign or unrecorded or empty) and compared > 0,
        summary=f"{compared} pairs of a fitted and a predicted row: {inside} rows inside their own fit, {met} fitted "
        f"rows whose interval meets a predicted one, {foreign} fitted rows that are no train rows of the fold; folds "
        f"without a record: {unrecorded or 'none'}",
        details={"pairs": compared, "inside_own_fit": inside, "intervals_met": met, "no_train_rows": foreign},
    )


def _over_unseen_bases(verdict: Verdict, base_verdicts: Mapping[str, Sequence[Verdict]]) -> Verdict:
    """The same verdict, false as well if any base's rows are not known to come from fits that never saw them."""
    wanted = {"oof_rows_unseen", "val_rows_unseen"}
    spoilt = sorted(
        name
        for name, verdicts in base_verdicts.items()
        if not wanted <= {one.name for one in verdicts if one.passed}
        or any(one.name in wanted and not one.passed for one in verdicts)
    )
    return replace(
        verdict,
        passed=verdict.passed and not spoilt and bool(base_verdicts),
        summary=f"{verdict.summary}; of {len(base_verdicts)} bases, rows not shown to be unseen by their own fits: "
        f"{', '.join(spoilt) or 'none'}",
        details={**verdict.details, "bases": len(base_verdicts), "bases_seen": len(spoilt)},
    )


def _meeting(a0: pd.Series, a1: pd.Series, b0: pd.Series, b1: pd.Series) -> int:
    """Number of closed intervals of a that share a moment with any of b; a row without an interval counts as one."""
    unknown = int(a0.isna().sum() + b0.isna().sum() + a1.isna().sum() + b1.isna().sum())
    if unknown or len(a0) == 0 or len(b0) == 0:
        return unknown
    order = np.argsort(b0.to_numpy(), kind="stable")
    starts, latest_end = b0.to_numpy()[order], np.maximum.accumulate(b1.to_numpy()[order])
    # Of the b that start by the end of a, one meets a if the latest of their ends is not before the start of a.
    started = np.searchsorted(starts, a1.to_numpy(), side="right")
    meets = (started > 0) & (latest_end[np.maximum(started, 1) - 1] >= a0.to_numpy())
    return int(meets.sum())
