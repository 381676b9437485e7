"""Independent checks of the sequence table: every window walked back bar by bar, by loops that made none of it."""

from collections.abc import Sequence

import numba
import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import BASE_MINUTES
from factory_assets.vocabulary.verdict import Scalar, Verdict


def sequence_invariants(
    sequence: pd.DataFrame,
    decision_us: np.ndarray,
    tabular_us: np.ndarray,
    features: pd.DataFrame,
    names: Sequence[str],
    clock_us: np.ndarray,
    *,
    window_bars: int,
    outage_minutes_max: int,
) -> list[Verdict]:
    """Verdicts on a sequence table before it is written.

    Parameters
    ----------
    sequence : DataFrame
        The table.
    decision_us, tabular_us : ndarray of int64, shape (N,)
        Sampled decisions of the partition from labels, and those of the tabular table: one index for all adapters.
    features : DataFrame
        The ``features_5min`` table the windows look at.
    names : sequence of str
        Features of a row.
    clock_us : ndarray of int64, shape (C,)
        Every scheduled base-bar close over the span of ``features``.
    window_bars, outage_minutes_max : int
        What the table claims to be made with.

    Returns
    -------
    list of Verdict
        ``one_shared_index``, ``known_at_decision`` (the newest row closes at the decision, none later),
        ``windows_cross_no_outage`` (each window recounted by a loop: it reaches as far back as it may and no further)
        and ``no_nan`` (in the rows the windows show: no column without a value, no infinite cell, nothing missing once
        a column's warm-up is over; NaN shares of warm-ups in the details).
    """
    close_us = times_us(features["close_time"])
    clock = np.asarray(clock_us, dtype=np.int64)
    return [
        _index_verdict(sequence, decision_us, tabular_us),
        _known_verdict(sequence, features),
        _reach_verdict(sequence, close_us, clock, window_bars, outage_minutes_max),
        _missing_verdict(sequence, features, names),
    ]


def _index_verdict(sequence: pd.DataFrame, decision_us: np.ndarray, tabular_us: np.ndarray) -> Verdict:
    found = times_us(sequence["decision_time"]).tolist()
    missing, extra = set(decision_us.tolist()) - set(found), set(found) - set(decision_us.tolist())
    other = len(set(tabular_us.tolist()) ^ set(found))
    return Verdict(
        name="one_shared_index",
        passed=found == decision_us.tolist() == tabular_us.tolist() and len(set(found)) == len(found) > 0,
        summary=f"{len(found)} rows for {len(decision_us)} decisions; {len(missing)} missing, {len(extra)} unknown, "
        f"{len(found) - len(set(found))} repeated; {other} differ from tabular's",
        details={"rows": len(found), "missing": len(missing), "extra": len(extra), "differ_from_tabular": other},
    )


def _known_verdict(sequence: pd.DataFrame, features: pd.DataFrame) -> Verdict:
    decision, newest, oldest = (sequence[name] for name in ("decision_time", "last_close", "first_close"))
    late = int((newest > decision).sum())
    stale = int((newest < decision).sum())
    reversed_ = int((oldest > newest).sum())
    absent = int((~newest.isin(features["close_time"]) | ~oldest.isin(features["close_time"])).sum())
    hours = (newest - oldest).dt.total_seconds() / 3600
    details: dict[str, Scalar] = {"windows": len(sequence), "late": late, "stale": stale, "absent": absent}
    if len(sequence):
        details |= {"span_median_hours": float(hours.median()), "span_max_hours": float(hours.max())}
    return Verdict(
        name="known_at_decision",
        passed=late + stale + reversed_ + absent == 0 and len(sequence) > 0,
        summary=f"{len(sequence)} windows: the newest row of {late} closes after the decision, of {stale} before it; "
        f"{reversed_} begin after they end; {absent} begin or end with a bar that does not exist",
        details=details,
    )


def _reach_verdict(
    sequence: pd.DataFrame, close_us: np.ndarray, clock_us: np.ndarray, window_bars: int, outage_minutes_max: int
) -> Verdict:
    """Compare the oldest bar and the row count of every window with those a loop over bars finds."""
    place_of = {close: place for place, close in enumerate(close_us.tolist())}
    newest = np.array(
        [place_of.get(moment, -1) for moment in times_us(sequence["last_close"]).tolist()], dtype=np.int64
    )
    missing = _missing_bars_before(close_us, clock_us)
    reach = _bars_back(newest, missing * BASE_MINUTES, window_bars, outage_minutes_max)
    oldest_us = np.where(newest >= 0, close_us[np.maximum(newest - reach + 1, 0)], -1) if len(close_us) else newest
    shown = sequence["rows"].to_numpy()
    wrong = (newest < 0) | (oldest_us != times_us(sequence["first_close"])) | (shown != reach)
    too_far = int(np.count_nonzero(shown > reach))
    short = int(np.count_nonzero(shown < window_bars))
    return Verdict(
        name="windows_cross_no_outage",
        passed=not bool(wrong.any()) and len(shown) > 0,
        summary=f"{len(shown)} windows walked back bar by bar: {int(wrong.sum())} differ, {too_far} of them cross an "
        f"outage or are too long; {short} are shorter than {window_bars} bars",
        details={
            "windows": len(shown),
            "differ": int(wrong.sum()),
            "too_far": too_far,
            "shorter_than_full": short,
            "outages": int(np.count_nonzero(missing * BASE_MINUTES > outage_minutes_max)),
        },
    )


@numba.njit(cache=True)
def _missing_bars_before(close_us: np.ndarray, clock_us: np.ndarray) -> np.ndarray:
    """Scheduled closes strictly between each bar and the one before it, counted one by one; 0 for the first bar."""
    missing = np.zeros(len(close_us), dtype=np.int64)
    place = 0
    for bar in range(1, len(close_us)):
        while place < len(clock_us) and clock_us[place] < close_us[bar]:
            missing[bar] += clock_us[place] > close_us[bar - 1]
            place += 1
    return missing


@numba.njit(cache=True)
def _bars_back(
    newest: np.ndarray, missing_minutes: np.ndarray, window_bars: int, outage_minutes_max: int
) -> np.ndarray:
    """Bars of each window, walked back from its newest one; 0 where that does not exist."""
    reach = np.zeros(len(newest), dtype=np.int64)
    for window in range(len(newest)):
        bar = newest[window]
        while bar >= 0 and reach[window] < window_bars:
            reach[window] += 1
            if missing_minutes[bar] > outage_minutes_max:
                break
            bar -= 1
    return reach


def _missing_verdict(sequence: pd.DataFrame, features: pd.DataFrame, names: Sequence[str]) -> Verdict:
    """Cells of the rows between the oldest and the newest one shown."""
    closes = features["close_time"]
    shown = (closes >= sequence["first_close"].min()) & (closes <= sequence["last_close"].max())
    values = features.loc[shown, list(names)]
    absent = values.isna()
    settled = values.notna().cummax()
    after_warmup = int((absent & settled).to_numpy().sum())
    infinite = int(np.isinf(values.to_numpy(dtype=np.float32)).sum())
    shares = absent.mean()
    empty = [str(name) for name in shares.index[shares == 1.0]] if len(values) else list(names)
    worst = shares[shares > 0].sort_values(ascending=False).head(10)
    masked = float(shares.mean()) if len(values) and len(names) else 0.0
    details: dict[str, Scalar] = {f"nan_share_{name}": float(share) for name, share in worst.items()}
    return Verdict(
        name="no_nan",
        passed=not empty and infinite == 0 and after_warmup == 0 and len(names) > 0 and len(values) > 0,
        summary=f"{len(names)} columns over {len(values)} rows, {masked:.2%} of the cells masked by warm-up; columns "
        f"without a value: {', '.join(empty[:5]) or 'none'}; infinite cells {infinite}; missing after warm-up "
        f"{after_warmup}",
        details={"columns": len(names), "columns_without_value": len(empty), "after_warmup": after_warmup, **details},
    )
