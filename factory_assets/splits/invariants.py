"""Brute-force verdicts over the splits table, from the definitions alone.

Nothing of the splitters is called: every training interval is compared with every test interval, and bars are counted
by looking at the clock itself.
"""

import numba
import numpy as np
import pandas as pd

from factory_assets.splits.study import Study
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.verdict import Scalar, Verdict


@numba.njit(cache=True)
def _pairs_that_meet(a0: np.ndarray, a1: np.ndarray, b0: np.ndarray, b1: np.ndarray) -> int:
    """Number of pairs of closed intervals with a moment in common: neither ends before the other starts."""
    pairs = 0
    for i in range(len(a0)):
        start, end = a0[i], a1[i]
        for j in range(len(b0)):
            pairs += (start <= b1[j]) & (b0[j] <= end)
    return pairs


@numba.njit(cache=True)
def _rows_that_meet(a0: np.ndarray, a1: np.ndarray, b0: np.ndarray, b1: np.ndarray) -> np.ndarray:
    """Whether each closed interval of the first set meets any of the second."""
    meets = np.zeros(len(a0), dtype=np.bool_)
    for i in range(len(a0)):
        for j in range(len(b0)):
            if not (a1[i] < b0[j] or b1[j] < a0[i]):
                meets[i] = True
                break
    return meets


def split_invariants(
    labels: pd.DataFrame,
    splits_frame: pd.DataFrame,
    study: Study,
    settings: SplitSettings,
    clock_us: np.ndarray,
    *,
    window_bars: int,
) -> list[Verdict]:
    """Verdicts on a splits table before it is written.

    Parameters
    ----------
    labels : DataFrame
        The labels the table was made from.
    splits_frame : DataFrame
        The splits table.
    study : Study
        Frozen cut dates.
    settings : SplitSettings
        Folds, purge and embargo the table claims.
    clock_us : ndarray of int64, shape (C,)
        Scheduled base-bar closes.
    window_bars : int
        Models' input window the table claims to have added to the embargo.

    Returns
    -------
    list of Verdict
        ``no_interval_overlap``, ``purge_and_embargo_on_clock``, ``no_row_dropped_without_cause``,
        ``each_event_tested_once``, ``folds_non_empty`` and ``no_row_after_val_end``.
    """
    sample = labels[labels["event"].to_numpy(dtype=bool) & labels["eligible"].to_numpy(dtype=bool)]
    keyed = pd.DataFrame(
        {
            "decision_us": times_us(sample["decision_time"], "decision_time"),
            "t0_us": times_us(sample["t0"], "t0"),
            "t1_us": times_us(sample["t1"], "t1"),
            "day": dates_days(sample["trade_date"]),
        }
    )
    table = pd.DataFrame(
        {
            "decision_us": times_us(splits_frame["decision_time"], "decision_time"),
            "scheme": splits_frame["scheme"].astype(str).to_numpy(),
            "fold": splits_frame["fold"].to_numpy(),
            "role": splits_frame["role"].astype(str).to_numpy(),
        }
    )
    joined = table.merge(keyed, on="decision_us", how="left", validate="many_to_one", indicator=True)
    unknown = int((joined["_merge"] != "both").sum())
    joined = joined[joined["_merge"] == "both"].astype({"t0_us": np.int64, "t1_us": np.int64, "day": np.int64})
    folds = list(joined.groupby(["scheme", "fold"], sort=True))
    clock = np.asarray(clock_us, dtype=np.int64)
    return [
        _overlap_verdict(folds),
        _clock_verdict(folds, settings, clock, window_bars),
        _cause_verdict(folds, settings, clock, window_bars),
        _once_verdict(keyed, table, unknown, study, settings),
        _counts_verdict(folds, settings),
        _sealed_verdict(labels, joined, study),
    ]


def _parts(group: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training t0, t1 and judged t0, t1 of one fold."""
    train, judged = group[group["role"] == "train"], group[group["role"].isin(["test", "val"])]
    return tuple(np.ascontiguousarray(part[name]) for part in (train, judged) for name in ("t0_us", "t1_us"))  # type: ignore[return-value]


def _overlap_verdict(folds: list) -> Verdict:
    compared, met, details = 0, 0, {}
    for (scheme, fold), group in folds:
        a0, a1, b0, b1 = _parts(group)
        pairs = int(_pairs_that_meet(a0, a1, b0, b1))
        compared, met = compared + len(a0) * len(b0), met + pairs
        details[f"{scheme}_{fold}_overlapping_pairs"] = pairs
    return Verdict(
        name="no_interval_overlap",
        passed=met == 0 and compared > 0,
        summary=f"{compared} pairs of training and judged intervals compared, {met} share a moment",
        details={"pairs_compared": compared, **details},
    )


def _windows(
    b0: np.ndarray, b1: np.ndarray, scheme: str, settings: SplitSettings, clock: np.ndarray, window_bars: int
) -> tuple:
    """Closes of the clock at which no training row may start, before and after one judged block."""
    before = clock[clock < b0.min()]
    after = clock[clock > b1.max()]
    embargo = settings.embargo_bars + window_bars if scheme == "purged_kfold" else 0
    return before[max(0, len(before) - settings.purge_bars) :] if settings.purge_bars else before[:0], after[:embargo]


def _forbidden(t0: np.ndarray, b0: np.ndarray, b1: np.ndarray, windows: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Rows that start between the first and last close of a window or between the window and the judged block."""
    before, after = windows
    purged = (t0 >= before[0]) & (t0 < b0.min()) if len(before) else np.zeros(len(t0), dtype=bool)
    embargoed = (t0 > b1.max()) & (t0 <= after[-1]) if len(after) else np.zeros(len(t0), dtype=bool)
    return purged, embargoed


def _clock_verdict(folds: list, settings: SplitSettings, clock: np.ndarray, window_bars: int) -> Verdict:
    details: dict[str, Scalar] = {
        "purge_bars": settings.purge_bars,
        "embargo_bars": settings.embargo_bars,
        "window_bars": window_bars,
    }
    wrong, checked = 0, 0
    for (scheme, fold), group in folds:
        a0, _, b0, b1 = _parts(group)
        if len(b0) == 0:
            continue
        purged, embargoed = _forbidden(a0, b0, b1, _windows(b0, b1, scheme, settings, clock, window_bars))
        details[f"{scheme}_{fold}_in_purge"] = int(purged.sum())
        details[f"{scheme}_{fold}_in_embargo"] = int(embargoed.sum())
        wrong, checked = wrong + int(purged.sum() + embargoed.sum()), checked + len(a0)
    return Verdict(
        name="purge_and_embargo_on_clock",
        passed=wrong == 0 and checked > 0,
        summary=f"{checked} training starts compared with the purge and embargo closes, {wrong} lie among them",
        details=details,
    )


def _cause_verdict(folds: list, settings: SplitSettings, clock: np.ndarray, window_bars: int) -> Verdict:
    """Every purged or embargoed row has the cause its role claims, so nothing is lost without a reason."""
    dropped, wrong = 0, 0
    for (scheme, _), group in folds:
        _, _, b0, b1 = _parts(group)
        for role in ("purged", "embargoed"):
            rows = group[group["role"] == role]
            dropped += len(rows)
            if len(b0) == 0:
                wrong += len(rows)
                continue
            t0, t1 = np.ascontiguousarray(rows["t0_us"]), np.ascontiguousarray(rows["t1_us"])
            purged, embargoed = _forbidden(t0, b0, b1, _windows(b0, b1, scheme, settings, clock, window_bars))
            cause = purged | _rows_that_meet(t0, t1, b0, b1) if role == "purged" else embargoed
            wrong += int(np.count_nonzero(~cause))
    return Verdict(
        name="no_row_dropped_without_cause",
        passed=wrong == 0,
        summary=f"{dropped} purged or embargoed rows, {wrong} without an overlap or a window that explains them",
        details={"dropped": dropped, "unexplained": wrong},
    )


def _once_verdict(
    keyed: pd.DataFrame, table: pd.DataFrame, unknown: int, study: Study, settings: SplitSettings
) -> Verdict:
    train_keys = set(keyed.loc[keyed["day"] < study.val_first_day, "decision_us"])
    kfold = table[table["scheme"] == "purged_kfold"]
    tested = kfold.loc[kfold["role"] == "test", "decision_us"].value_counts()
    hold = table[table["scheme"] == "hold_out"]
    val_keys = set(keyed["decision_us"]) - train_keys
    problems = {
        "rows_of_no_event": unknown,
        "train_events_not_tested": len(train_keys - set(tested.index)),
        "tested_more_than_once": int((tested > 1).sum()),
        "val_events_in_folds": len(set(kfold["decision_us"]) - train_keys),
        "fold_rows_missing": abs(
            len(train_keys) * settings.folds - len(kfold.drop_duplicates(["fold", "decision_us"]))
        ),
        "repeated_rows": int(table.duplicated(["scheme", "fold", "decision_us"]).sum()),
        "hold_out_val_differs": len(set(hold.loc[hold["role"] == "val", "decision_us"]) ^ val_keys),
        "hold_out_rows_missing": len(set(keyed["decision_us"]) - set(hold["decision_us"])),
    }
    return Verdict(
        name="each_event_tested_once",
        passed=not any(problems.values()) and len(train_keys) > 0,
        summary=f"{len(train_keys)} train events and {len(val_keys)} val events; problems: "
        + (", ".join(f"{name} {count}" for name, count in problems.items() if count) or "none"),
        details={"train_events": len(train_keys), "val_events": len(val_keys), **problems},
    )


def _counts_verdict(folds: list, settings: SplitSettings) -> Verdict:
    details: dict[str, Scalar] = {}
    empty = []
    for (scheme, fold), group in folds:
        counts = group["role"].value_counts()
        for role in ("train", "test", "val", "purged", "embargoed"):
            if count := int(counts.get(role, 0)):
                details[f"{scheme}_{fold}_{role}"] = count
        judged = "val" if scheme == "hold_out" else "test"
        empty += [f"{scheme} fold {fold} {role}" for role in ("train", judged) if not counts.get(role, 0)]
    expected = {("hold_out", 0), *(("purged_kfold", fold) for fold in range(settings.folds))}
    found = {(scheme, int(fold)) for (scheme, fold), _ in folds}
    return Verdict(
        name="folds_non_empty",
        passed=not empty and found == expected,
        summary=f"{len(found)} of {len(expected)} expected folds; empty parts: {', '.join(empty) or 'none'}",
        details=details,
    )


def _sealed_verdict(labels: pd.DataFrame, joined: pd.DataFrame, study: Study) -> Verdict:
    in_labels = int(np.count_nonzero(dates_days(labels["trade_date"]) >= study.test_first_day))
    in_splits = int((joined["day"] >= study.test_first_day).sum())
    return Verdict(
        name="no_row_after_val_end",
        passed=in_labels == 0 and in_splits == 0,
        summary=f"{in_labels} label rows and {in_splits} split rows lie in the sealed period",
        details={"label_rows": in_labels, "split_rows": in_splits},
    )
