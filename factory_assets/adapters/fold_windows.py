"""Independent check of windows against folds: what the windows of training rows really show of a judged block."""

import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.timeframes import BASE_MINUTES, MINUTE_US
from factory_assets.vocabulary.verdict import Scalar, Verdict

_JUDGED = ("test", "val")


def fold_windows_verdict(sequence: pd.DataFrame, splits_frame: pd.DataFrame, labels: pd.DataFrame) -> Verdict:
    """Whether the windows of training rows that follow a judged block show no bar of it.

    The embargo counts scheduled closes, a window counts bars that exist: where bars are missing, a window reaches
    further back than the embargo was extended by. So the windows themselves are looked at, not the settings. Only the
    bars that are rows of a window are: what a bar's own features look back on is not covered.

    Parameters
    ----------
    sequence : DataFrame
        The ``sequence`` table.
    splits_frame : DataFrame
        The ``splits`` table; in each fold the judged rows (``test``, in the hold-out ``val``) are one block in time.
    labels : DataFrame
        ``decision_time`` and ``t1`` of the decisions of the splits table.

    Returns
    -------
    Verdict
        ``windows_clear_of_judged_rows``: of every training row decided after the first judged decision of its fold,
        the oldest bar of the window opens at or after the latest judged ``t1``. The hold-out is looked at likewise,
        although no training row follows val.
    """
    oldest = _times_by_decision(sequence, "first_close")
    ends = _times_by_decision(labels, "t1")
    absent = 0
    margins: list[tuple[int, int, str]] = []
    for (scheme, fold), rows in splits_frame.groupby(["scheme", "fold"], observed=True):
        roles = dict(zip(times_us(rows["decision_time"]).tolist(), rows["role"].astype(str), strict=True))
        judged = [moment for moment, role in roles.items() if role in _JUDGED]
        begin_us = min(judged, default=0)
        latest_us = max((ends[moment] for moment in judged if moment in ends), default=0)
        later = [moment for moment, role in roles.items() if role == "train" and moment > begin_us]
        absent += sum(moment not in ends for moment in judged) + sum(moment not in oldest for moment in later)
        for moment in later:
            if moment in oldest:
                opens_us = oldest[moment] - BASE_MINUTES * MINUTE_US
                margins.append((opens_us - latest_us, moment, f"{scheme}_{fold}"))
    showing = [where for margin_us, _, where in margins if margin_us < 0]
    details: dict[str, Scalar] = {f"{where}_showing": showing.count(where) for where in sorted(set(showing))}
    said = ""
    if margins:
        margin_us, moment, where = min(margins)
        details["closest_minutes"] = margin_us // MINUTE_US
        if showing:
            said = (
                f"; in {where} the window of {from_us(np.array([moment]))[0]} opens {-margin_us // MINUTE_US} minutes "
                "before that. Raise [splits] embargo_bars, or lower [adapters] sequence_window_bars or "
                "sequence_outage_minutes_max"
            )
    return Verdict(
        name="windows_clear_of_judged_rows",
        passed=not showing and absent == 0 and len(margins) > 0,
        summary=f"{len(margins)} windows of training rows after a judged block: {len(showing)} show a bar from before "
        f"its last outcome was known; {absent} decisions without a window or an outcome{said}",
        details={"windows": len(margins), "showing": len(showing), "absent": absent, **details},
    )


def _times_by_decision(frame: pd.DataFrame, column: str) -> dict[int, int]:
    known = frame[frame[column].notna()]
    return dict(zip(times_us(known["decision_time"]).tolist(), times_us(known[column]).tolist(), strict=True))
