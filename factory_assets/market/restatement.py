"""Bars a vendor gave twice with different values: what the raw files said before, and what they say now.

A later file that tells an earlier minute otherwise is a restatement. Which of the two is true is not guessed: within
one folder both are quarantined (:mod:`factory_assets.market.quality`), and here the change is put on record. Belongs
here: finding changes between two readings of the raw files. Does not: keeping the record
(:mod:`factory_assets.orchestration.assets.market`).
"""

from datetime import datetime

import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import from_us, times_us
from factory_assets.vocabulary.schemas import RESTATEMENTS

_VALUES = ("open", "high", "low", "close", "volume")


def find_restatements(old: pd.DataFrame, new: pd.DataFrame, seen_at: datetime) -> pd.DataFrame:
    """Minutes whose values in the raw files are others than they were.

    Parameters
    ----------
    old, new : DataFrame
        Per ``schemas.RAW_MINUTES``, sorted as it says: the rows of the earlier and of the present reading.
    seen_at : datetime
        When the present reading was made (UTC).

    Returns
    -------
    DataFrame
        Per ``schemas.RESTATEMENTS`` without ``contract``: one row for each present row whose expiry and minute the
        earlier reading had, and whose values it had not. Beside it stands the first earlier row of that minute. Rows
        that only appeared or only vanished are no restatements.
    """
    found = [_of_expiry(old, new, name) for name in sorted(set(_names(old)) & set(_names(new)))]
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *found])
    before, after = old.iloc[pairs[:, 0]], new.iloc[pairs[:, 1]]
    columns: dict[str, object] = {
        "expiry": pd.Categorical(after["expiry"].astype(str)),
        "open_time": from_us(times_us(after["open_time"])),
        "seen_at": pd.DatetimeIndex([seen_at] * len(pairs), dtype="datetime64[us, UTC]"),
    }
    for side, rows in (("old", before), ("new", after)):
        columns[f"{side}_source_file"] = pd.Categorical(rows["source_file"].astype(str))
        columns[f"{side}_source_row"] = rows["source_row"].to_numpy(dtype=np.int64)
        columns |= {f"{side}_{name}": rows[name].to_numpy(dtype=np.float64) for name in _VALUES}
    return in_order(pd.DataFrame(columns))


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Restatements as their table sorts them."""
    return table.sort_values(list(RESTATEMENTS.order_by), kind="stable", ignore_index=True)


def _names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame["expiry"].unique()]


def _of_expiry(old: pd.DataFrame, new: pd.DataFrame, name: str) -> np.ndarray:
    """Positions (earlier row, present row) of one expiry's restatements, shape (R, 2)."""
    places = [np.flatnonzero((frame["expiry"] == name).to_numpy()) for frame in (old, new)]
    times = [times_us(frame["open_time"].iloc[rows]) for frame, rows in zip((old, new), places, strict=True)]
    values = [
        np.column_stack([frame[column].to_numpy(dtype=np.float64)[rows] for column in _VALUES])
        for frame, rows in zip((old, new), places, strict=True)
    ]
    first, end = (np.searchsorted(times[0], times[1], side=side) for side in ("left", "right"))
    told_before = np.zeros(len(times[1]), dtype=bool)
    for step in range(int((end - first).max(initial=0))):  # a minute with a conflict has several earlier rows
        there = np.minimum(first + step, len(times[0]) - 1)
        same = (values[0][there] == values[1]) | (np.isnan(values[0][there]) & np.isnan(values[1]))
        told_before |= (first + step < end) & same.all(axis=1)
    changed = (end > first) & ~told_before
    return np.column_stack([places[0][first[changed]], places[1][changed]])
